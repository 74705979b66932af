package docsign

import (
	"context"
	"crypto/x509"
	"slices"
	"time"
)

// maxPaths is how many chains to an anchor are judged for one certificate.
const maxPaths = 4

// checker holds what stays the same during one [Check].
type checker struct {
	opts  Options
	known map[[2][32]byte][]Evidence // by digests of certificate and issuer
}

func newChecker(opts Options) *checker {
	return &checker{opts: opts, known: map[[2][32]byte][]Evidence{}}
}

// at is the time for which a chain must be good: the proven one, else now.
func (k *checker) at(proven time.Time) time.Time {
	if proven.IsZero() {
		return k.opts.Now
	}
	return proven
}

// claim is what the reader of a format knows of a signature whose digest and
// mathematics are right. Nothing in it is trusted.
type claim struct {
	cert     *x509.Certificate
	others   []*x509.Certificate // that came along
	claimed  time.Time           // signing time as the signer says it, zero for none
	evidence []Evidence          // revocation data that came along
	weak     string              // name of a digest that proves nothing any more, "" for none
	purpose  purpose
}

// judge gives the verdict on the certificate, the times and the revocation of
// a signature. It fills in signer, chain, revocation, proven time and outcome;
// s.Stamps must have been judged before.
func (k *checker) judge(ctx context.Context, s *Signature, c claim) {
	s.Intact, s.Signer, s.Claimed = true, party(c.cert), c.claimed
	s.Algorithm = keyName(c.cert.PublicKey)
	s.Proven, s.ProvenBy = k.proven(s.Stamps)
	paths, refused := k.paths(c, s.Proven)
	s.Outcome = refused
	for i, path := range paths {
		o, found := k.judgePath(ctx, s, c, path)
		if i == 0 || o.rank() < s.rank() {
			s.Outcome, s.Revocation, s.Chain = o, found, parties(path)
		}
		if s.Indication == Passed {
			return
		}
	}
}

// judgePath judges one chain. A time stamp whose own authority could not be
// checked for revocation proves nothing yet, but may do so later.
func (k *checker) judgePath(ctx context.Context, s *Signature, c claim, path []*x509.Certificate) (Outcome, []Revocation) {
	o, found := k.judgeAt(ctx, c, path, s.Proven)
	if o.Indication == Passed {
		return o, found
	}
	pending := earliest(s.Stamps, TryLater)
	if pending.IsZero() || (!s.Proven.IsZero() && !pending.Before(s.Proven)) {
		return o, found
	}
	if later, _ := k.judgeAt(ctx, c, path, pending); later.Indication == Passed {
		return outcome(Indeterminate, TryLater, "stamp-later", ""), found
	}
	return o, found
}

// judgeAt judges one chain given that the signature is proven to have existed
// at a time, zero for no proof. A chain that anybody could have forged is worth
// no question about revocation, whose address would be the forger's.
func (k *checker) judgeAt(ctx context.Context, c claim, path []*x509.Certificate, proven time.Time) (Outcome, []Revocation) {
	o := passed()
	if c.weak != "" {
		o = weakened(c.weak)
	}
	forgeable := keys(path)
	for _, next := range []Outcome{forgeable, usage(path, c.purpose), k.times(c, path, proven)} {
		o = worse(o, next)
	}
	if forgeable.Indication != Passed {
		return o, nil
	}
	revoked, found := k.revocations(ctx, c, path, proven)
	o = worse(o, revoked)
	if k.opts.ClockBehind {
		o = worse(o, clockBehind())
	}
	return o, found
}

// proven is the earliest time that a valid time stamp or the caller proves.
func (k *checker) proven(stamps []Stamp) (time.Time, string) {
	at, by := k.opts.Existed, k.opts.ExistedBy
	for _, s := range stamps {
		if s.Indication == Passed && (at.IsZero() || s.Time.Before(at)) {
			at, by = s.Time, s.Authority.Name
		}
	}
	return at, by
}

func earliest(stamps []Stamp, sub SubIndication) time.Time {
	var at time.Time
	for _, s := range stamps {
		if s.SubIndication == sub && (at.IsZero() || s.Time.Before(at)) {
			at = s.Time
		}
	}
	return at
}

// times looks at the validity of each certificate of a chain.
func (k *checker) times(c claim, path []*x509.Certificate, proven time.Time) Outcome {
	leaf := path[0]
	if !c.claimed.IsZero() {
		if o := k.claimedTime(c, proven); o.Indication != Passed {
			return o
		}
	}
	at := k.at(proven)
	early := func(c *x509.Certificate) bool { return at.Add(ClockTolerance).Before(c.NotBefore) }
	if k.opts.ClockBehind && proven.IsZero() && slices.ContainsFunc(path, early) {
		return clockBehind()
	}
	if early(leaf) {
		return dated(Failed, NotYetValid, "not-yet-valid", leaf.NotBefore)
	}
	if at.After(leaf.NotAfter) {
		return dated(Indeterminate, OutOfBoundsNoPOE, "expired-since", leaf.NotAfter)
	}
	for _, ca := range path[1:] {
		if early(ca) || at.After(ca.NotAfter) {
			o := dated(Indeterminate, OutOfBoundsNoPOE, "issuer-not-valid", ca.NotAfter)
			o.Reason.Args["name"] = party(ca).Name
			return o
		}
	}
	return passed()
}

// claimedTime looks at the time that the signer says. It convicts only the
// signer: nobody claims a time that makes his own signature void.
func (k *checker) claimedTime(c claim, proven time.Time) Outcome {
	switch {
	case c.claimed.After(c.cert.NotAfter):
		return dated(Failed, Expired, "expired", c.cert.NotAfter)
	case c.claimed.Add(ClockTolerance).Before(c.cert.NotBefore):
		return dated(Failed, NotYetValid, "not-yet-valid", c.cert.NotBefore)
	case k.opts.ClockBehind && c.claimed.After(k.opts.Now):
		return clockBehind()
	case c.claimed.After(k.opts.Now.Add(ClockTolerance)):
		return dated(Indeterminate, SigConstraintsFailure, "claimed-future", c.claimed)
	case !proven.IsZero() && c.claimed.After(proven.Add(ClockTolerance)):
		return dated(Indeterminate, TimestampOrderFailure, "stamp-order", c.claimed)
	}
	return passed()
}

// clockBehind is the outcome of what is only known once the time is.
func clockBehind() Outcome { return outcome(Indeterminate, TryLater, "clock-behind", "") }

// dated is an outcome whose reason has the placeholder {date}.
func dated(i Indication, s SubIndication, code string, at time.Time) Outcome {
	return Outcome{i, s, Reason{Code: code, Args: map[string]string{"date": at.UTC().Format(time.RFC3339)}}}
}
