package docsign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// oidNoCheck marks the certificate of an OCSP responder that needs no
// revocation data, RFC 6960.
var oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// reasonHold is the CRLReason certificateHold: suspended, may come back.
const reasonHold = 6

// revocations judges each certificate of a chain but the anchor.
func (k *checker) revocations(ctx context.Context, c claim, path []*x509.Certificate, proven time.Time) (Outcome, []Revocation) {
	at := proven
	if at.IsZero() {
		at = k.opts.Now
	}
	o := passed()
	var all []Revocation
	for i := range len(path) - 1 {
		r := k.revocation(ctx, path[i], path[i+1], c.evidence, at)
		all = append(all, r)
		o = worse(o, k.revoked(r, c.claimed, proven, i == 0, path[i]))
	}
	return o, all
}

// revoked turns what is known about one certificate into an outcome.
func (k *checker) revoked(r Revocation, claimed, proven time.Time, signer bool, cert *x509.Certificate) Outcome {
	args := map[string]string{"name": r.Certificate}
	switch r.Status {
	case StatusGood, StatusSkipped:
		return passed()
	case StatusRevoked:
		args["date"] = r.RevokedAt.UTC().Format(time.RFC3339)
		switch {
		case !proven.IsZero() && proven.Before(r.RevokedAt):
			return passed()
		case r.Why == crlReason(reasonHold):
			return Outcome{Indeterminate, TryLater, Reason{Code: "on-hold", Args: args}}
		case !signer:
			return Outcome{Indeterminate, RevokedCANoPOE, Reason{Code: "issuer-revoked", Args: args}}
		case !claimed.IsZero() && !claimed.Before(r.RevokedAt):
			return Outcome{Failed, Revoked, Reason{Code: "revoked", Args: args}}
		}
		return Outcome{Indeterminate, RevokedNoPOE, Reason{Code: "revoked-unproven", Args: args}}
	}
	if k.opts.Now.After(cert.NotAfter) {
		// Lists leave expired certificates out: waiting does not help.
		return Outcome{Indeterminate, NoPOE, Reason{Code: "revocation-too-late", Args: args}}
	}
	code := "revocation-missing"
	if r.Status == StatusStale {
		code = "revocation-stale"
		args["date"] = r.Issued.UTC().Format(time.RFC3339)
	}
	return Outcome{Indeterminate, TryLater, Reason{Code: code, Args: args}}
}

// revocation picks what is known about cert at a time: a final revocation
// first, then the newest data that is fresh enough, then stale data.
func (k *checker) revocation(ctx context.Context, cert, issuer *x509.Certificate, along []Evidence, at time.Time) Revocation {
	best := Revocation{Certificate: party(cert).Name, Status: StatusUnknown}
	if slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidNoCheck) }) {
		best.Status = StatusSkipped
		return best
	}
	for _, e := range k.evidence(ctx, cert, issuer, along) {
		r, ok := k.read(e, cert, issuer)
		if !ok || r.Issued.After(k.opts.Now.Add(k.opts.Policy.ClockTolerance)) {
			continue
		}
		r.Certificate, r.Origin = best.Certificate, e.Origin
		if r.Status == StatusGood && !k.covers(r, cert, at) {
			r.Status = StatusStale
		}
		if better(r, best) {
			sum := sha256.Sum256(e.Bytes())
			best = r
			best.SHA256 = hex.EncodeToString(sum[:])
		}
	}
	return best
}

// evidence is what came with the document, then what the source knows.
func (k *checker) evidence(ctx context.Context, cert, issuer *x509.Certificate, along []Evidence) []Evidence {
	all := slices.Clone(along[:min(len(along), MaxEvidence)])
	if k.opts.Revocations == nil {
		return all
	}
	known, err := k.opts.Revocations.Lookup(ctx, cert, issuer)
	if err != nil {
		return all // as without data: TRY_LATER tells it
	}
	return append(all, known[:min(len(known), MaxEvidence)]...)
}

// covers reports whether good data speaks for a time. It does when it was
// issued later, or was still current then. What was issued after the
// certificate's end does not, since lists leave expired certificates out.
func (k *checker) covers(r Revocation, cert *x509.Certificate, at time.Time) bool {
	if r.Issued.After(cert.NotAfter) {
		return false
	}
	next := r.Next
	if next.IsZero() {
		next = r.Issued.Add(k.opts.Policy.RevocationAge)
	}
	return !next.Before(at) || !r.Issued.Before(at)
}

func better(a, b Revocation) bool {
	if final(a) != final(b) {
		return final(a)
	}
	if known := func(r Revocation) bool { return r.Status == StatusGood || r.Status == StatusRevoked }; known(a) != known(b) {
		return known(a)
	}
	return b.Status == StatusUnknown || a.Issued.After(b.Issued)
}

// final reports whether a certificate is revoked for ever.
func final(r Revocation) bool { return r.Status == StatusRevoked && r.Why != crlReason(reasonHold) }

// read checks one piece of evidence against the issuer and looks cert up in it.
func (k *checker) read(e Evidence, cert, issuer *x509.Certificate) (Revocation, bool) {
	if e.CRL != nil {
		return readCRL(e.CRL, cert, issuer)
	}
	return readOCSP(e.OCSP, cert, issuer)
}

func readOCSP(der []byte, cert, issuer *x509.Certificate) (Revocation, bool) {
	if len(der) == 0 || len(der) > MaxOCSP {
		return Revocation{}, false
	}
	answer, err := ocsp.ParseResponseForCert(der, cert, issuer)
	if err != nil || !responder(answer, issuer) {
		return Revocation{}, false
	}
	r := Revocation{Source: "ocsp", Issued: answer.ThisUpdate.UTC(), Next: answer.NextUpdate.UTC()}
	if answer.NextUpdate.IsZero() {
		r.Next = time.Time{}
	}
	switch answer.Status {
	case ocsp.Good:
		r.Status = StatusGood
	case ocsp.Revoked:
		r.Status, r.RevokedAt, r.Why = StatusRevoked, answer.RevokedAt.UTC(), crlReason(answer.RevocationReason)
	default:
		return Revocation{}, false
	}
	return r, true
}

// responder reports whether a delegated responder may speak for the issuer.
// The library has checked that the issuer signed its certificate, and no more.
func responder(answer *ocsp.Response, issuer *x509.Certificate) bool {
	by := answer.Certificate
	if by == nil || by.Equal(issuer) {
		return true
	}
	return slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) &&
		!answer.ProducedAt.Before(by.NotBefore) && !answer.ProducedAt.After(by.NotAfter)
}

func readCRL(list *x509.RevocationList, cert, issuer *x509.Certificate) (Revocation, bool) {
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || !completeFor(list, cert) || list.CheckSignatureFrom(issuer) != nil {
		return Revocation{}, false
	}
	r := Revocation{Source: "crl", Status: StatusGood, Issued: list.ThisUpdate.UTC(), Next: list.NextUpdate.UTC()}
	if list.NextUpdate.IsZero() {
		r.Next = time.Time{}
	}
	for i := range list.RevokedCertificateEntries {
		entry := &list.RevokedCertificateEntries[i]
		if entry.SerialNumber.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		r.Status, r.RevokedAt, r.Why = StatusRevoked, entry.RevocationTime.UTC(), crlReason(entry.ReasonCode)
	}
	return r, true
}

// issuingPoint is the extension that limits what a list speaks about, RFC 5280.
type issuingPoint struct {
	Point struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
		Relative asn1.RawValue   `asn1:"optional,tag:1"`
	} `asn1:"optional,tag:0"`
	OnlyUser      bool           `asn1:"optional,tag:1"`
	OnlyCA        bool           `asn1:"optional,tag:2"`
	SomeReasons   asn1.BitString `asn1:"optional,tag:3"`
	Indirect      bool           `asn1:"optional,tag:4"`
	OnlyAttribute bool           `asn1:"optional,tag:5"`
}

// completeFor reports whether silence of a list about cert means that it is
// not revoked: no difference to another list, no share that is not cert's.
func completeFor(list *x509.RevocationList, cert *x509.Certificate) bool {
	for _, e := range list.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 28}) {
			if !shareOf(e.Value, cert) {
				return false
			}
			continue
		}
		if e.Critical {
			return false // a delta list, or a rule that is not known here
		}
	}
	for i := range list.RevokedCertificateEntries {
		for _, e := range list.RevokedCertificateEntries[i].Extensions {
			if e.Critical && !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 21}) {
				return false // entries of other issuers
			}
		}
	}
	return true
}

func shareOf(der []byte, cert *x509.Certificate) bool {
	var p issuingPoint
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return false
	}
	if p.Indirect || p.OnlyAttribute || p.SomeReasons.BitLength > 0 || (p.OnlyUser && cert.IsCA) || (p.OnlyCA && !cert.IsCA) {
		return false
	}
	if len(p.Point.Relative.FullBytes) > 0 {
		return false
	}
	if len(p.Point.FullName) == 0 {
		return true
	}
	return slices.ContainsFunc(p.Point.FullName, func(n asn1.RawValue) bool {
		return n.Class == asn1.ClassContextSpecific && n.Tag == 6 && slices.Contains(cert.CRLDistributionPoints, string(n.Bytes))
	})
}

// crlReason names a CRLReason of RFC 5280.
func crlReason(code int) string {
	names := []string{
		"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
	}
	if code < 0 || code >= len(names) {
		return "unspecified"
	}
	return names[code]
}

// errList says that bytes are no revocation list.
var errList = errors.New("no certificate revocation list")

// Limits of revocation data, in bytes.
const (
	// MaxCRL is the largest revocation list.
	MaxCRL = 32 << 20
	// MaxOCSP is the largest OCSP answer.
	MaxOCSP = 64 << 10
)

// ParseCRL reads a revocation list in DER. Its signature is checked when it
// is used.
func ParseCRL(der []byte) (*x509.RevocationList, error) {
	if len(der) > MaxCRL {
		return nil, errList
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, errors.Join(errList, err)
	}
	return list, nil
}
