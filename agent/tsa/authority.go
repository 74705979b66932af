package tsa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// serialBytes is the length of a token's serial number. It is chance, so that
// an authority needs no memory that a restore could set back.
const serialBytes = 16

// Authority gives time stamps. Its methods may be called from several
// goroutines.
type Authority struct {
	Key      crypto.Signer       // ECDSA P-256 or RSA of 2048 bits or more
	Cert     *x509.Certificate   // of Key, for time stamps alone
	Chain    []*x509.Certificate // issuers that go along
	Policy   string              // dotted
	Accuracy time.Duration       // whole microseconds; how far the clock may be off
	// Now is the authority's clock. ok false: it is not to be trusted now, and
	// nothing is stamped. nil: the system's, always trusted.
	Now func() (now time.Time, ok bool)
}

// Stamp gives the DER of a token for a request, or a *[RefusedError].
func (a Authority) Stamp(r Request) ([]byte, error) {
	if r.Policy != "" && r.Policy != a.Policy {
		return nil, &RefusedError{Status: rejection, Failure: UnacceptedPolicy, Text: "policy is " + a.Policy}
	}
	now, ok := time.Now(), true
	if a.Now != nil {
		now, ok = a.Now()
	}
	if !ok || now.Before(a.Cert.NotBefore) || now.After(a.Cert.NotAfter) {
		return nil, &RefusedError{Status: rejection, Failure: TimeNotAvailable, Text: "the clock is not to be trusted now"}
	}
	info, err := a.info(r, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("make time stamp: %w", err)
	}
	token, err := a.sign(info, r.Certificates)
	if err != nil {
		return nil, fmt.Errorf("make time stamp: %w", err)
	}
	return token, nil
}

// Answer gives the DER of the response to the DER of a request. It answers
// everything: what it cannot grant, it refuses in the protocol's own words.
// The error, for the log, says why nothing was granted.
func (a Authority) Answer(raw []byte) (response []byte, err error) {
	var token []byte
	r, err := ParseRequest(raw)
	if err == nil {
		token, err = a.Stamp(r)
	}
	response, failed := encodeResponse(token, refusal(err))
	return response, errors.Join(err, failed)
}

// refusal says an error in the words of the protocol.
func refusal(err error) *RefusedError {
	var refused *RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errAlgorithm):
		return &RefusedError{Status: rejection, Failure: BadAlgorithm, Text: "SHA-256, SHA-384 and SHA-512 are stamped"}
	case errors.Is(err, errExtension):
		return &RefusedError{Status: rejection, Failure: UnacceptedExtension, Text: "extensions are not supported"}
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrTooLarge):
		return &RefusedError{Status: rejection, Failure: BadDataFormat, Text: "not a time stamp request"}
	}
	return &RefusedError{Status: rejection, Failure: SystemFailure, Text: "the authority failed; ask again"}
}

func (a Authority) info(r Request, now time.Time) ([]byte, error) {
	serial := make([]byte, serialBytes)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and of one length
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		addPolicy(b, a.Policy)
		addImprint(b, r.Imprint)
		b.AddASN1BigInt(new(big.Int).SetBytes(serial))
		b.AddASN1GeneralizedTime(now)
		if a.Accuracy >= time.Microsecond {
			addAccuracy(b, a.Accuracy)
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
	})
	return b.Bytes()
}

// sign wraps a TSTInfo into CMS SignedData.
func (a Authority) sign(info []byte, certificates bool) ([]byte, error) {
	attrs, err := a.attributes(info)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(wrapSet(attrs))
	value, err := a.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	algorithm, null := oidECDSAWithSHA256, false
	if _, ok := a.Key.Public().(*rsa.PublicKey); ok {
		algorithm, null = oidRSA, true
	} else if _, ok := a.Key.Public().(*ecdsa.PublicKey); !ok {
		return nil, fmt.Errorf("key type %T", a.Key.Public())
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(tag0Group, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(3)
				b.AddASN1(der.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, oidSHA256, true) })
				addContent(b, info)
				if certificates {
					a.addCertificates(b)
				}
				b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(1)
						b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(a.Cert.RawIssuer)
							b.AddASN1BigInt(a.Cert.SerialNumber)
						})
						addAlgorithm(b, oidSHA256, true)
						b.AddASN1(tag0Group, func(b *cryptobyte.Builder) { b.AddBytes(attrs) })
						addAlgorithm(b, algorithm, null)
						b.AddASN1OctetString(value)
					})
				})
			})
		})
	})
	return b.Bytes()
}

func addContent(b *cryptobyte.Builder, info []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidTSTInfo)
		b.AddASN1(tag0Group, func(b *cryptobyte.Builder) { b.AddASN1OctetString(info) })
	})
}

func (a Authority) addCertificates(b *cryptobyte.Builder) {
	list := [][]byte{a.Cert.Raw}
	for _, c := range a.Chain {
		list = append(list, c.Raw)
	}
	b.AddASN1(tag0Group, func(b *cryptobyte.Builder) { b.AddBytes(joinSorted(list)) })
}

// attributes gives the content of the SET OF signed attributes.
func (a Authority) attributes(info []byte) ([]byte, error) {
	sum, cert := sha256.Sum256(info), sha256.Sum256(a.Cert.Raw)
	var list [][]byte
	for _, one := range []struct {
		oid   asn1.ObjectIdentifier
		value func(*cryptobyte.Builder)
	}{
		{oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo) }},
		{oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum[:]) }},
		{oidSigningCertV2, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(cert[:]) })
				})
			})
		}},
	} {
		var b cryptobyte.Builder
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(one.oid)
			b.AddASN1(der.SET, one.value)
		})
		raw, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		list = append(list, raw)
	}
	return joinSorted(list), nil
}

// Usage is the extension of an authority's certificate: extended usage for time
// stamps alone, critical as RFC 3161 demands. crypto/x509 would write it
// without that mark.
func Usage() (pkix.Extension, error) {
	value, err := asn1.Marshal([]asn1.ObjectIdentifier{oidTimeStamping})
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encode usage: %w", err)
	}
	return pkix.Extension{Id: oidExtendedKeyUsage, Critical: true, Value: value}, nil
}
