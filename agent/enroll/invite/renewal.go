package invite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"

	"tram/sync/bundle"
)

// RenewPath is where the hub takes requests for renewal, by POST.
const RenewPath = "/enroll/v1/renew"

// MaxRenewal bounds the signed bytes of a renewal request.
const MaxRenewal = 10 << 10

// Purposes of the signatures of renewal.
const (
	renewalAAD = "tram-renew-1"
	renewedAAD = "tram-renewed-1"
)

// Renewal is how an office asks for new certificates of the keys that it has:
// it shows its device certificate, which may have expired, and signs with that
// certificate's key. The time says what the office's clock shows and decides
// nothing, for the clock may be dead; asking twice changes nothing, so a
// repeated request harms nobody.
type Renewal struct {
	Certificate *x509.Certificate // of the device
	Seal        *x509.Certificate // of the seal; nil when the asker has none
	Nonce       [16]byte          // what makes the answer one to this request
	Time        time.Time         // by the office's clock, whole seconds

	sum [sha256.Size]byte
}

type renewalPayload struct {
	Version     uint64 `cbor:"1,keyasint"`
	Certificate []byte `cbor:"2,keyasint"`
	Nonce       []byte `cbor:"3,keyasint"`
	Time        int64  `cbor:"4,keyasint"`
	Seal        []byte `cbor:"5,keyasint,omitempty"`
}

// Transcript is the SHA-256 of the signed bytes, which the answer names.
func (r *Renewal) Transcript() [sha256.Size]byte { return r.sum }

// Sign makes the signed bytes of r.
func (r *Renewal) Sign(device crypto.Signer) ([]byte, error) {
	p := renewalPayload{Version: version, Certificate: r.Certificate.Raw, Nonce: r.Nonce[:], Time: max(r.Time.Unix(), 0)}
	if r.Seal != nil {
		p.Seal = r.Seal.Raw
	}
	data, err := encoding.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("sign renewal: %w", err)
	}
	raw, err := bundle.SignCOSE(renewalAAD, data, device)
	if err != nil {
		return nil, fmt.Errorf("sign renewal: %w", err)
	}
	r.sum = sha256.Sum256(raw)
	return raw, nil
}

// ParseRenewal reads a request and verifies that the key of the certificate
// inside has signed it. Whether that certificate counts is the caller's to
// judge.
func ParseRenewal(raw []byte) (*Renewal, error) {
	if len(raw) > MaxRenewal {
		return nil, fmt.Errorf("%w: renewal has more than %d bytes", ErrMalformed, MaxRenewal)
	}
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var p renewalPayload
	if err := decode(data, &p); err != nil {
		return nil, err
	}
	r := &Renewal{sum: sha256.Sum256(raw)}
	if r.Certificate, r.Time, err = shown(renewalAAD, raw, p.Certificate, p.Time); err != nil {
		return nil, err
	}
	if err := fill(r.Nonce[:], p.Nonce); err != nil {
		return nil, fmt.Errorf("%w: nonce: %w", ErrMalformed, err)
	}
	if len(p.Seal) > 0 {
		if r.Seal, err = parseCert(p.Seal); err != nil {
			return nil, fmt.Errorf("%w: seal: %w", ErrMalformed, err)
		}
	}
	return r, nil
}

// shown reads the device certificate that a request shows and the time it names,
// and verifies that the certificate's key has signed the request.
func shown(aad string, raw, der []byte, unix int64) (cert *x509.Certificate, at time.Time, err error) {
	if unix < 0 || unix > maxTime {
		return nil, at, fmt.Errorf("%w: time", ErrMalformed)
	}
	if cert, err = parseCert(der); err != nil {
		return nil, at, fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
	}
	if _, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok {
		return nil, at, fmt.Errorf("%w: certificate: not an ECDSA key", ErrMalformed)
	}
	if _, err := bundle.VerifyCOSE(aad, raw, cert.PublicKey); err != nil {
		return nil, at, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return cert, time.Unix(unix, 0).UTC(), nil
}

// SignRenewed makes the signed bytes of an answer to a renewal, or of one that
// the hub sends of its own accord: then Transcript is zero. Invite is zero in
// both.
func (a *Answer) SignRenewed(authority crypto.Signer) ([]byte, error) {
	return a.sign(renewedAAD, authority)
}

// ParseRenewed reads what SignRenewed has made. What the certificates and cards
// in it say is the caller's to check.
func ParseRenewed(raw []byte, authority crypto.PublicKey) (*Answer, error) {
	if len(raw) > MaxAnswer {
		return nil, fmt.Errorf("%w: answer has more than %d bytes", ErrMalformed, MaxAnswer)
	}
	return parseAnswer(renewedAAD, raw, authority)
}
