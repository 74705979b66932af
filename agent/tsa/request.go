package tsa

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// errAlgorithm says that a digest is none that is accepted. It is malformed to
// clients; the authority answers badAlg.
var errAlgorithm = fmt.Errorf("%w: digest is none of SHA-256, SHA-384, SHA-512", ErrMalformed)

// errExtension is answered with unacceptedExtension.
var errExtension = fmt.Errorf("%w: extensions are not supported", ErrMalformed)

// Request is a TimeStampReq.
type Request struct {
	Imprint      Imprint
	Policy       string   // wanted, dotted; "": any
	Nonce        *big.Int // nil: none
	Certificates bool     // the token is to carry its authority's certificates
}

// NewRequest asks for a time stamp on a digest under any policy, with a fresh
// nonce and with certificates.
func NewRequest(i Imprint) (Request, error) {
	var nonce [8]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return Request{}, fmt.Errorf("make time stamp request: %w", err)
	}
	return Request{Imprint: i, Nonce: new(big.Int).SetBytes(nonce[:]), Certificates: true}, nil
}

// Encode gives the DER of the request.
func (r Request) Encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		addImprint(b, r.Imprint)
		if r.Policy != "" {
			addPolicy(b, r.Policy)
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
		if r.Certificates {
			b.AddASN1Boolean(true)
		}
	})
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode time stamp request: %w", err)
	}
	return raw, nil
}

// ParseRequest reads the DER of a request.
func ParseRequest(raw []byte) (Request, error) {
	if len(raw) > MaxRequest {
		return Request{}, fmt.Errorf("parse time stamp request: %w", ErrTooLarge)
	}
	r, err := parseRequest(raw)
	if err != nil {
		return Request{}, fmt.Errorf("parse time stamp request: %w", err)
	}
	return r, nil
}

func parseRequest(raw []byte) (r Request, err error) {
	s := cryptobyte.String(raw)
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, der.SEQUENCE) || !s.Empty() {
		return r, malformed("not one sequence")
	}
	var version int64
	if !seq.ReadASN1Integer(&version) || version != 1 {
		return r, malformed("version is not 1")
	}
	if r.Imprint, err = readImprint(&seq); err != nil {
		return r, err
	}
	ok := true
	if seq.PeekASN1Tag(der.OBJECT_IDENTIFIER) {
		if r.Policy, ok = readPolicy(&seq); !ok {
			return r, malformed("policy")
		}
	}
	if seq.PeekASN1Tag(der.INTEGER) {
		if r.Nonce, ok = readInteger(&seq); !ok {
			return r, malformed("nonce")
		}
	}
	if seq.PeekASN1Tag(der.BOOLEAN) {
		if !seq.ReadASN1Boolean(&r.Certificates) || !r.Certificates {
			return r, malformed("certReq is a default that is spelt out")
		}
	}
	if seq.PeekASN1Tag(tag0Group) {
		return r, errExtension
	}
	if !seq.Empty() {
		return r, malformed("fields too many")
	}
	return r, nil
}

// parseOID reads the content of an OBJECT IDENTIFIER.
func parseOID(content []byte) (x509.OID, error) {
	var oid x509.OID
	err := oid.UnmarshalBinary(content)
	return oid, err
}

// marshalOID gives the content of a dotted OBJECT IDENTIFIER.
func marshalOID(dotted string) ([]byte, error) {
	oid, err := x509.ParseOID(dotted)
	if err != nil {
		return nil, fmt.Errorf("%w: policy: %w", ErrMalformed, err)
	}
	return oid.MarshalBinary()
}

// Failure is a PKIFailureInfo of RFC 3161, 2.4.2: the number of its bit.
type Failure int

// The failures.
const (
	NoFailure           Failure = -1
	BadAlgorithm        Failure = 0
	BadRequest          Failure = 2
	BadDataFormat       Failure = 5
	TimeNotAvailable    Failure = 14
	UnacceptedPolicy    Failure = 15
	UnacceptedExtension Failure = 16
	AddInfoNotAvailable Failure = 17
	SystemFailure       Failure = 25
)

// RefusedError is an answer without a token. It is [ErrRefused].
type RefusedError struct {
	Status  int     // PKIStatus, 2 for rejection
	Text    string  // the authority's own words, not to be trusted as markup
	Failure Failure // NoFailure when it names none
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: status %d, failure %d: %q", ErrRefused, e.Status, e.Failure, e.Text)
}

// Unwrap gives ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// granted and grantedWithMods are the statuses that come with a token.
const (
	granted         = 0
	grantedWithMods = 1
	rejection       = 2
)

// encodeResponse makes a TimeStampResp of a token, or of a refusal.
func encodeResponse(token []byte, refused *RefusedError) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if refused == nil {
				b.AddASN1Int64(granted)
				return
			}
			b.AddASN1Int64(int64(refused.Status))
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(refused.Text)) })
			})
			if refused.Failure >= 0 {
				b.MarshalASN1(failureBits(refused.Failure))
			}
		})
		b.AddBytes(token)
	})
	return b.Bytes()
}

// failureBits is a BIT STRING with one bit set and no trailing zeros.
func failureBits(f Failure) asn1.BitString {
	bits := asn1.BitString{Bytes: make([]byte, int(f)/8+1), BitLength: int(f) + 1}
	bits.Bytes[int(f)/8] = 0x80 >> (int(f) % 8)
	return bits
}

// ParseResponse reads a TimeStampResp and returns its token's DER, which
// [ParseToken] reads. An answer without a token is a *[RefusedError].
func ParseResponse(raw []byte) (token []byte, err error) {
	if len(raw) > MaxResponse {
		return nil, fmt.Errorf("parse time stamp response: %w", ErrTooLarge)
	}
	token, err = parseResponse(raw)
	if err != nil && !errors.Is(err, ErrRefused) {
		return nil, fmt.Errorf("parse time stamp response: %w", err)
	}
	return token, err
}

func parseResponse(raw []byte) ([]byte, error) {
	s := cryptobyte.String(raw)
	var seq, status cryptobyte.String
	if !s.ReadASN1(&seq, der.SEQUENCE) || !s.Empty() || !seq.ReadASN1(&status, der.SEQUENCE) {
		return nil, malformed("not one sequence with a status")
	}
	refused := &RefusedError{Failure: NoFailure}
	if !status.ReadASN1Integer(&refused.Status) {
		return nil, malformed("status")
	}
	if status.PeekASN1Tag(der.SEQUENCE) {
		var texts, text cryptobyte.String
		status.ReadASN1(&texts, der.SEQUENCE)
		if texts.ReadASN1(&text, der.UTF8String) {
			refused.Text = string(text[:min(len(text), maxText)])
		}
	}
	if status.PeekASN1Tag(der.BIT_STRING) {
		var bits asn1.BitString
		if !status.ReadASN1BitString(&bits) {
			return nil, malformed("failure")
		}
		for i := range bits.BitLength {
			if bits.At(i) == 1 {
				refused.Failure = Failure(i)
				break
			}
		}
	}
	if refused.Status != granted && refused.Status != grantedWithMods {
		return nil, refused
	}
	var token cryptobyte.String
	if !status.Empty() || !seq.ReadASN1Element(&token, der.SEQUENCE) || !seq.Empty() {
		return nil, malformed("not one token")
	}
	return append([]byte(nil), token...), nil
}
