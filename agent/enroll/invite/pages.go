package invite

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"tram/sync/bundle"
)

// PagesPath is where the hub takes requests for a certificate of an office's
// pages, by POST.
const PagesPath = "/enroll/v1/pages"

// Limits of what is said about pages, hard.
const (
	MaxPages = 16 << 10 // signed bytes of a request
	// PagesChain is the number of certificates of an answer: of the pages, of the
	// authority that issued it, and the root.
	PagesChain = 3
)

// Purposes of the signatures.
const (
	pagesAAD       = "tram-pages-1"
	pagesIssuedAAD = "tram-pages-issued-1"
)

// Pages is how an office asks for the certificate of its pages on the local
// network. It shows its device certificate and signs with that one's key; the
// pages have a key of their own, which the request inside is for. As in a
// [Renewal] the time decides nothing.
type Pages struct {
	Certificate *x509.Certificate // of the device
	Request     []byte            // PKCS#10 DER: key and names of the pages
	Nonce       [16]byte
	Time        time.Time // by the office's clock, whole seconds

	sum [sha256.Size]byte
}

type pagesPayload struct {
	Version     uint64 `cbor:"1,keyasint"`
	Certificate []byte `cbor:"2,keyasint"`
	Nonce       []byte `cbor:"3,keyasint"`
	Time        int64  `cbor:"4,keyasint"`
	Request     []byte `cbor:"5,keyasint"`
}

// Transcript is the SHA-256 of the signed bytes, which the answer names.
func (p *Pages) Transcript() [sha256.Size]byte { return p.sum }

// Sign makes the signed bytes of p.
func (p *Pages) Sign(device crypto.Signer) ([]byte, error) {
	raw, err := signed(pagesAAD, pagesPayload{Version: version, Certificate: p.Certificate.Raw, Nonce: p.Nonce[:],
		Time: max(p.Time.Unix(), 0), Request: p.Request}, device)
	if err != nil {
		return nil, fmt.Errorf("sign request for pages: %w", err)
	}
	p.sum = sha256.Sum256(raw)
	return raw, nil
}

// ParsePages reads a request and verifies that the key of the certificate inside
// has signed it. Whether that certificate counts, and what the PKCS#10 request
// says, is the caller's to judge.
func ParsePages(raw []byte) (*Pages, error) {
	if len(raw) > MaxPages {
		return nil, fmt.Errorf("%w: request for pages has more than %d bytes", ErrMalformed, MaxPages)
	}
	data, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var payload pagesPayload
	if err := decode(data, &payload); err != nil {
		return nil, err
	}
	p := &Pages{Request: payload.Request, sum: sha256.Sum256(raw)}
	if p.Certificate, p.Time, err = shown(pagesAAD, raw, payload.Certificate, payload.Time); err != nil {
		return nil, err
	}
	if err := fill(p.Nonce[:], payload.Nonce); err != nil {
		return nil, fmt.Errorf("%w: nonce: %w", ErrMalformed, err)
	}
	if len(p.Request) == 0 || len(p.Request) > MaxCSR {
		return nil, fmt.Errorf("%w: request has %d bytes", ErrMalformed, len(p.Request))
	}
	return p, nil
}

// PagesIssued is the hub's answer to Pages.
type PagesIssued struct {
	Transcript [sha256.Size]byte   // of the request answered
	Chain      []*x509.Certificate // PagesChain of them: of the pages, its issuer, the root
	Time       time.Time           // the hub's clock, milliseconds
}

type pagesIssuedPayload struct {
	Version    uint64   `cbor:"1,keyasint"`
	Transcript []byte   `cbor:"2,keyasint"`
	Chain      [][]byte `cbor:"3,keyasint"`
	Time       int64    `cbor:"4,keyasint"` // unix milliseconds
}

// Sign makes the signed bytes of p.
func (p *PagesIssued) Sign(authority crypto.Signer) ([]byte, error) {
	raw, err := signed(pagesIssuedAAD, pagesIssuedPayload{Version: version, Transcript: p.Transcript[:], Chain: ders(p.Chain),
		Time: p.Time.UnixMilli()}, authority)
	if err != nil {
		return nil, fmt.Errorf("sign answer for pages: %w", err)
	}
	return raw, nil
}

// ParsePagesIssued reads an answer signed by authority. What the certificates in
// it say is the caller's to check.
func ParsePagesIssued(raw []byte, authority crypto.PublicKey) (*PagesIssued, error) {
	if len(raw) > MaxPages {
		return nil, fmt.Errorf("%w: answer has more than %d bytes", ErrMalformed, MaxPages)
	}
	data, err := bundle.VerifyCOSE(pagesIssuedAAD, raw, authority)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var payload pagesIssuedPayload
	if err := decode(data, &payload); err != nil {
		return nil, err
	}
	return payload.issued()
}

func (payload pagesIssuedPayload) issued() (*PagesIssued, error) {
	p := &PagesIssued{Time: time.UnixMilli(payload.Time).UTC()}
	err := fill(p.Transcript[:], payload.Transcript)
	if err == nil && len(payload.Chain) != PagesChain {
		err = fmt.Errorf("%d certificates", len(payload.Chain))
	}
	if err == nil && (payload.Time < 0 || payload.Time > maxTime*1000) {
		err = errors.New("time")
	}
	if err == nil {
		p.Chain, err = parseCerts(payload.Chain, PagesChain)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: answer for pages: %w", ErrMalformed, err)
	}
	return p, nil
}

// signed encodes a payload and signs it.
func signed(aad string, payload any, key crypto.Signer) ([]byte, error) {
	data, err := encoding.Marshal(payload)
	if err != nil {
		return nil, err
	}
	return bundle.SignCOSE(aad, data, key)
}
