package sealkey

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"software.sslmate.com/src/go-pkcs12"

	"tram/storage/keystore"
)

// memory is a key in this process.
type memory struct {
	key    crypto.Signer
	certs  []*x509.Certificate
	closed atomic.Bool
}

// FromSigner makes a Key of one that is in memory already, such as the seal
// key of the enrolment. Errors: [ErrUnsuited].
func FromSigner(key crypto.Signer, certs ...*x509.Certificate) (Key, error) {
	if err := CheckPublic(key.Public()); err != nil {
		return nil, err
	}
	return &memory{key: key, certs: sortChain(key.Public(), certs)}, nil
}

// OpenFile opens a key file in PKCS#8 PEM that only its owner may read.
// Errors: those of keystore, [ErrUnsuited].
func OpenFile(path string) (Key, error) {
	key, err := keystore.LoadKey(path)
	if err != nil {
		return nil, err
	}
	return FromSigner(key)
}

// maxIterations bounds what a PKCS#12 file may ask for in key derivation, all
// its parts together. Common files have 2,000 to 2 million; the bound costs a
// small machine a few seconds.
const maxIterations = 5_000_000

// ParsePKCS12 opens a PKCS#12 file: PBES2 with AES as well as the RC2 and
// 3DES of older programs. Errors: [ErrPassword], [ErrFormat], [ErrUnsuited].
func ParsePKCS12(data []byte, password string) (Key, error) {
	if len(data) > keystore.MaxFile {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, keystore.MaxFile)
	}
	if n := iterations(data, 0); n > maxIterations {
		return nil, fmt.Errorf("%w: %d iterations of key derivation", ErrFormat, n)
	}
	raw, cert, others, err := decode(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		return nil, ErrPassword
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	key, ok := raw.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: key type %T", ErrUnsuited, raw)
	}
	return FromSigner(key, append([]*x509.Certificate{cert}, others...)...)
}

// decode keeps what the library may trip over from taking the program down.
func decode(data []byte, password string) (key any, cert *x509.Certificate, others []*x509.Certificate, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("unreadable")
		}
	}()
	return pkcs12.DecodeChain(data, password)
}

// iterations adds up the parameters of key derivation: numbers that follow a
// salt. It looks into octet strings too, for a PKCS#12 file nests in them.
func iterations(der []byte, depth int) (sum int64) {
	const maxDepth = 24
	salted := false
	for len(der) > 0 && depth < maxDepth && sum <= maxIterations {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return sum
		}
		der = rest
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger && salted {
			n := int64(maxIterations + 1)
			if len(v.Bytes) < 8 {
				_, _ = asn1.Unmarshal(v.FullBytes, &n) // what is no number stays too much
			}
			sum += max(n, 0)
		}
		salted = v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
		if v.IsCompound || salted {
			sum += iterations(v.Bytes, depth+1)
		}
	}
	return sum
}

func (m *memory) Public() crypto.PublicKey { return m.key.Public() }

func (m *memory) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := checkDigest(digest, opts); err != nil {
		return nil, err
	}
	if m.closed.Load() {
		return nil, ErrClosed
	}
	signature, err := m.key.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := verify(m.key.Public(), digest, signature); err != nil {
		return nil, err
	}
	return signature, nil
}

func (m *memory) Certificates() []*x509.Certificate { return m.certs }

func (m *memory) Ready(context.Context) error {
	if m.closed.Load() {
		return ErrClosed
	}
	return nil
}

func (m *memory) Close() error {
	m.closed.Store(true)
	return nil
}
