package docsign

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"
)

// revocations judges each certificate of a chain but the anchor.
func (k *checker) revocations(ctx context.Context, c claim, path []*x509.Certificate, proven time.Time) (Outcome, []Revocation) {
	at := k.at(proven)
	o := passed()
	var all []Revocation
	for i := range len(path) - 1 {
		r := k.revocation(ctx, path[i], path[i+1], c.evidence, at)
		all = append(all, r)
		o = worse(o, k.revoked(r, c.claimed, proven, i == 0, path[i]))
	}
	return o, all
}

// onHold is the reason of a certificate that is suspended. That may end, so it is
// checked again, but it is known: nobody accepts it for want of a line.
const onHold = "on-hold"

// revoked turns what is known about one certificate into an outcome.
func (k *checker) revoked(r Revocation, claimed, proven time.Time, signer bool, cert *x509.Certificate) Outcome {
	args := map[string]string{"name": r.Certificate}
	switch r.Status {
	case StatusGood:
		return passed()
	case StatusRevoked:
		args["date"] = r.RevokedAt.UTC().Format(time.RFC3339)
		switch {
		case !proven.IsZero() && proven.Before(r.RevokedAt):
			return passed()
		case r.Why == reasonName(reasonHold):
			return Outcome{Indeterminate, TryLater, Reason{Code: onHold, Args: args}}
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
	for _, e := range k.evidence(ctx, cert, issuer, along) {
		r, err := e.read(cert, issuer)
		if err != nil || r.Issued.After(k.opts.Now.Add(ClockTolerance)) {
			continue
		}
		r.Certificate, r.Origin = best.Certificate, e.Origin
		if r.Status == StatusGood && !covers(r, cert, at) {
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

// evidence is what came with the document, then what the source knows, which is
// asked once in a check: all its signatures rest on the same.
func (k *checker) evidence(ctx context.Context, cert, issuer *x509.Certificate, along []Evidence) []Evidence {
	all := slices.Clone(along[:min(len(along), MaxEvidence)])
	if k.opts.Revocations == nil {
		return all
	}
	asked := [2][32]byte{sha256.Sum256(cert.Raw), sha256.Sum256(issuer.Raw)}
	known, ok := k.known[asked]
	if !ok {
		// An error is as no data: TRY_LATER tells it.
		known, _ = k.opts.Revocations.Lookup(ctx, cert, issuer)
		known = known[:min(len(known), MaxEvidence)]
		k.known[asked] = known
	}
	return append(all, known...)
}

// covers reports whether good data speaks for a time. It does when it was
// issued later, or was still current then. What was issued after the
// certificate's end does not, since lists leave expired certificates out.
func covers(r Revocation, cert *x509.Certificate, at time.Time) bool {
	if r.Issued.After(cert.NotAfter) {
		return false
	}
	next := r.Next
	if next.IsZero() {
		next = r.Issued.Add(RevocationAge)
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
func final(r Revocation) bool { return r.Status == StatusRevoked && r.Why != reasonName(reasonHold) }

// read checks one piece of evidence against the issuer and looks cert up in it.
func (e Evidence) read(cert, issuer *x509.Certificate) (Revocation, error) {
	if e.CRL != nil {
		return readCRL(e.CRL, cert, issuer)
	}
	return ReadOCSP(e.OCSP, cert, issuer)
}
