package seal

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"tram/agent/tsa"
)

// A time stamp on a document's seal is a time assertion of ASiC-E (ETSI EN 319
// 162-1): a manifest of its own names the seal's manifest and signature by
// digest, and the token is on that manifest. So it can come later than the seal
// without touching it, and openssl ts -verify checks it as it stands.

// StampOn gives the SHA-256 that a time stamp with the given entry name (see
// [StampName]) on the seal of a head is to be on. It judges nothing.
func StampOn(head []byte, name string) ([sha256.Size]byte, error) {
	raw, err := readHead(head)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("prepare time stamp: %w", err)
	}
	manifest, err := raw.stampManifest(name)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("prepare time stamp: %w", err)
	}
	return sha256.Sum256(manifest), nil
}

// stampManifest makes the manifest that a time stamp on this head is on.
func (raw rawHead) stampManifest(name string) ([]byte, error) {
	if !isStamp(name) || checkName(name) != nil {
		return nil, fmt.Errorf("%w: %q is no time stamp's", ErrName, name)
	}
	m := manifest{Signature: name, Files: []File{
		{Name: raw.signatureName, MediaType: signatureType, SHA256: sha256.Sum256(raw.signature), Size: int64(len(raw.signature))},
		{Name: raw.manifestName, MediaType: MessageType, SHA256: sha256.Sum256(raw.manifest), Size: int64(len(raw.manifest))},
	}}
	return m.marshal(), nil
}

// addStamp writes a token and the manifest that it is on.
func (c *container) addStamp(document rawHead, e Extra) error {
	if len(e.Data) > tsa.MaxResponse {
		return fmt.Errorf("time stamp: %w", ErrTooLarge)
	}
	manifest, err := document.stampManifest(e.Name)
	if err != nil {
		return fmt.Errorf("time stamp: %w", err)
	}
	if err := c.addBytes(stampManifest(e.Name), manifest); err != nil {
		return err
	}
	return c.addBytes(e.Name, e.Data)
}

// StampReport is the verdict on one time stamp of a container. Believe what it
// says only when it passed.
type StampReport struct {
	Manifest  string // entry name
	Token     string // entry name
	Result    Result
	Reason    StampReason // "" when passed
	Time      time.Time
	Accuracy  time.Duration
	Policy    string
	Authority string // common name of the authority's certificate
	Reserve   bool   // a hub gave it as authority of last resort
	Files     []FileReport
}

// StampReason says why a time stamp did not pass.
type StampReason string

// The reasons. StampChain and StampNoAnchors are of [Indeterminate], the others
// of [Failed].
const (
	StampUnreadable StampReason = "unreadable" // no token, or no manifest
	StampHash       StampReason = "hash"       // it is on something else, or that was changed
	StampSignature  StampReason = "signature"
	StampUsage      StampReason = "usage"
	StampChain      StampReason = "unknown-ca"
	StampExpired    StampReason = "expired"
	StampFuture     StampReason = "clock"
	StampNoAnchors  StampReason = "no-roots"
)

// stampReasons are those of the errors of [tsa.Token.Verify].
var stampReasons = []struct {
	err    error
	reason StampReason
}{
	{tsa.ErrImprint, StampHash}, {tsa.ErrSignature, StampSignature}, {tsa.ErrUsage, StampUsage},
	{tsa.ErrExpired, StampExpired}, {tsa.ErrFuture, StampFuture},
}

// CheckStamp gives the verdict on a token over a SHA-256.
func CheckStamp(der []byte, sum [sha256.Size]byte, anchors *x509.CertPool, now time.Time) StampReport {
	r := StampReport{Result: Failed, Reason: StampUnreadable}
	token, err := tsa.ParseToken(der)
	if err != nil {
		return r
	}
	r.Time, r.Accuracy, r.Policy, r.Reserve = token.Time, token.Accuracy, token.Policy, token.Reserve()
	if token.Cert != nil {
		r.Authority = token.Cert.Subject.CommonName
	}
	err = token.Verify(tsa.SHA256(sum), tsa.Anchors{Roots: anchors, Now: now})
	if err == nil {
		r.Result, r.Reason = Passed, ""
		return r
	}
	if errors.Is(err, tsa.ErrChain) {
		r.Result, r.Reason = Indeterminate, StampChain
		if anchors == nil {
			r.Reason = StampNoAnchors
		}
		return r
	}
	for _, s := range stampReasons {
		if errors.Is(err, s.err) {
			r.Reason = s.reason
		}
	}
	return r
}

// stamp judges a time stamp, and notes which signatures it proves to have
// existed.
func (v *verifier) stamp(name string, raw []byte, m manifest) error {
	s := StampReport{Result: Failed, Reason: StampUnreadable}
	if v.zip.byName[m.Signature] != nil {
		v.covered[m.Signature] = true
		token, err := v.zip.read(m.Signature, tsa.MaxResponse)
		if err != nil {
			return err
		}
		s = CheckStamp(token, sha256.Sum256(raw), v.trust.Stamps, v.trust.Now)
	}
	s.Manifest, s.Token = name, m.Signature
	for _, f := range m.Files {
		report, err := v.file(f)
		if err != nil {
			return err
		}
		s.Files = append(s.Files, report)
		if !report.OK {
			s.Result, s.Reason = Failed, StampHash
		}
	}
	if s.Result == Passed {
		for _, f := range m.Files {
			if old := v.stamped[f.Name]; isSignature(f.Name) && (old.IsZero() || s.Time.Before(old)) {
				v.stamped[f.Name] = s.Time
			}
		}
	}
	v.report.Stamps = append(v.report.Stamps, s)
	return nil
}
