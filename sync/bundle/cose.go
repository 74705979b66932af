package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/veraison/go-cose"
)

// Purposes of signatures. Each kind of signed thing has its own external_aad,
// so that no signature can be passed off as one of another kind.
const (
	AADHeader  = "tram-header-1"
	AADReceipt = "tram-receipt-1"
	AADCard    = "tram-card-1"
	AADInvite  = "tram-invite-1"
	AADPage    = "tram-page-1"
)

// kidSize is how much of the SHA-256 of a public key names it, in bytes.
const kidSize = 8

// SignCOSE signs payload for a purpose with an ECDSA P-256 key and gives a
// tagged COSE_Sign1 message: algorithm ES256 and the key's [KeyID] in the
// protected header, nothing in the unprotected one.
func SignCOSE(aad string, payload []byte, key crypto.Signer) ([]byte, error) {
	kid, err := KeyID(key.Public())
	if err != nil {
		return nil, fmt.Errorf("sign cose: %w", err)
	}
	signer, err := cose.NewSigner(cose.AlgorithmES256, sha256Signer{key})
	if err != nil {
		return nil, fmt.Errorf("sign cose: %w: %w", ErrKey, err)
	}
	headers := cose.Headers{Protected: cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: cose.AlgorithmES256,
		cose.HeaderLabelKeyID:     kid,
	}}
	raw, err := cose.Sign1(rand.Reader, signer, headers, payload, []byte(aad))
	if err != nil {
		return nil, fmt.Errorf("sign cose: %w", err)
	}
	return raw, nil
}

// VerifyCOSE checks a message of [SignCOSE] and gives its payload. The key id
// in it is not looked at: only the key given counts. Errors are [ErrMalformed],
// [ErrTooLarge], [ErrKey] and [ErrSignature].
func VerifyCOSE(aad string, raw []byte, pub crypto.PublicKey) ([]byte, error) {
	msg, err := parseCOSE(raw)
	if err != nil {
		return nil, err
	}
	key, err := p256(pub)
	if err != nil {
		return nil, err
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if err := msg.Verify([]byte(aad), verifier); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return msg.Payload, nil
}

// PayloadCOSE gives the payload of a message of [SignCOSE] without checking
// its signature, to find out whose key is needed to do so.
func PayloadCOSE(raw []byte) ([]byte, error) {
	msg, err := parseCOSE(raw)
	if err != nil {
		return nil, err
	}
	return msg.Payload, nil
}

// KIDOf gives the key id that a message names, nil when it names none. It is a
// hint for looking up a key and proves nothing.
func KIDOf(raw []byte) []byte {
	msg, err := parseCOSE(raw)
	if err != nil {
		return nil
	}
	kid, _ := msg.Headers.Protected[cose.HeaderLabelKeyID].([]byte)
	return kid
}

// KeyID names a public key: the first 8 bytes of the SHA-256 of its DER
// SubjectPublicKeyInfo. [ErrKey] when it is not an ECDSA P-256 key.
func KeyID(pub crypto.PublicKey) ([]byte, error) {
	key, err := p256(pub)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	sum := sha256.Sum256(der)
	return sum[:kidSize], nil
}

// parseCOSE reads a tagged COSE_Sign1 message in its one accepted form.
func parseCOSE(raw []byte) (*cose.Sign1Message, error) {
	if len(raw) > MaxHeader {
		return nil, tooLarge("cose", int64(len(raw)), MaxHeader)
	}
	msg := new(cose.Sign1Message)
	if err := msg.UnmarshalCBOR(raw); err != nil {
		return nil, fmt.Errorf("%w: cose: %w", ErrMalformed, err)
	}
	alg, err := msg.Headers.Protected.Algorithm()
	switch {
	case err != nil || alg != cose.AlgorithmES256:
		return nil, fmt.Errorf("%w: cose: algorithm is not ES256", ErrMalformed)
	case len(msg.Headers.Unprotected) > 0:
		return nil, fmt.Errorf("%w: cose: unprotected header is not empty", ErrMalformed)
	case msg.Headers.Protected[cose.HeaderLabelCritical] != nil:
		return nil, fmt.Errorf("%w: cose: critical header parameters are not understood", ErrMalformed)
	case msg.Payload == nil:
		return nil, fmt.Errorf("%w: cose: payload is detached", ErrMalformed)
	}
	// Decoded values, not raw bytes, so that the encoding is compared too.
	again := cose.Sign1Message{
		Headers:   cose.Headers{Protected: msg.Headers.Protected, Unprotected: msg.Headers.Unprotected},
		Payload:   msg.Payload,
		Signature: msg.Signature,
	}
	if b, err := again.MarshalCBOR(); err != nil || !bytes.Equal(b, raw) {
		return nil, fmt.Errorf("%w: cose: not deterministic CBOR", ErrMalformed)
	}
	return msg, nil
}

func p256(pub crypto.PublicKey) (*ecdsa.PublicKey, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: not an ECDSA P-256 key", ErrKey)
	}
	return key, nil
}

// sha256Signer names the hash to signers on tokens, which go-cose leaves out.
type sha256Signer struct{ crypto.Signer }

func (s sha256Signer) Sign(rand io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(rand, digest, crypto.SHA256)
}
