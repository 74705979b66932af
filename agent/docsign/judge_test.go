package docsign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// pki is a root, a CA below it, and what the CA has issued.
type pki struct {
	t        testing.TB
	root, ca node
	serial   int64
}

type node struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var testNow = time.Date(2026, 11, 21, 10, 2, 0, 0, time.UTC)

func newPKI(t testing.TB) *pki {
	p := &pki{t: t, serial: 1}
	p.root = p.issue(node{}, "Root", func(c *x509.Certificate) { asCA(c) })
	p.ca = p.issue(p.root, "CA", func(c *x509.Certificate) { asCA(c) })
	return p
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	c.NotBefore, c.NotAfter = testNow.AddDate(-5, 0, 0), testNow.AddDate(5, 0, 0)
}

func (p *pki) issue(by node, name string, change ...func(*x509.Certificate)) node {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.issueFor(by, name, key, change...)
}

func (p *pki) issueFor(by node, name string, key crypto.Signer, change ...func(*x509.Certificate)) node {
	p.t.Helper()
	p.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial), Subject: pkix.Name{CommonName: name, Organization: []string{"UBND xã An Bình"}},
		NotBefore: testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		SubjectKeyId: big.NewInt(p.serial + 1<<32).Bytes(),
	}
	for _, f := range change {
		f(template)
	}
	if by.cert == nil {
		by = node{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return node{cert, key}
}

// crl is a list of by, issued at a time and good for a day.
func (p *pki) crl(by node, at time.Time, revoked ...x509.RevocationListEntry) Evidence {
	p.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(at.Unix()), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 1), RevokedCertificateEntries: revoked,
	}, by.cert, by.key)
	if err != nil {
		p.t.Fatal(err)
	}
	list, err := ParseCRL(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return Evidence{CRL: list, Origin: "folder"}
}

// known is a source that always answers the same.
type known []Evidence

func (k known) Lookup(context.Context, *x509.Certificate, *x509.Certificate) ([]Evidence, error) {
	return k, nil
}

// fresh are empty lists of root and CA.
func (p *pki) fresh() known {
	at := testNow.Add(-4 * time.Hour)
	return known{p.crl(p.root, at), p.crl(p.ca, at)}
}

func (p *pki) options() Options {
	return Options{Anchors: []*x509.Certificate{p.root.cert}, Intermediates: []*x509.Certificate{p.ca.cert}, Revocations: p.fresh(), Now: testNow}
}

func entry(n node, at time.Time, why int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: n.cert.SerialNumber, RevocationTime: at, ReasonCode: why}
}

func TestJudgeTellsEveryFaultOfACertificateApart(t *testing.T) {
	p := newPKI(t)
	day := 24 * time.Hour
	signer := p.issue(p.ca, "Nguyễn Văn A")
	stranger := newPKI(t)
	usual := claim{cert: signer.cert, claimed: testNow.Add(-day)}
	rsaCA := p.issueFor(p.root, "RSA CA", testRSA(), asCA)
	with := func(c claim, f func(*claim)) claim { f(&c); return c }
	cert := func(change ...func(*x509.Certificate)) claim {
		return with(usual, func(c *claim) { c.cert = p.issue(p.ca, "B", change...).cert })
	}
	at := testNow.Add(-4 * time.Hour)
	revoked := func(o *Options, since time.Time, why int) {
		o.Revocations = known{p.crl(p.root, at), p.crl(p.ca, at, entry(signer, since, why))}
	}
	none := func(*Options) {}
	for _, test := range []struct {
		name string
		c    claim
		o    func(*Options)
		want Indication
		sub  SubIndication
		code string
	}{
		{"all good", usual, none, Passed, "", ""},
		{"no anchors", usual, func(o *Options) { o.Anchors = nil }, Indeterminate, NoCertificateChain, "no-chain"},
		{"foreign CA", with(usual, func(c *claim) { c.cert = stranger.issue(stranger.ca, "Nguyễn Văn A").cert }), none, Indeterminate, NoCertificateChain, "no-chain"},
		{"broken chain", usual, func(o *Options) { o.Intermediates = nil }, Indeterminate, NoCertificateChain, "no-chain"},
		{"self-signed", with(usual, func(c *claim) { c.cert = p.issue(node{}, "me").cert }), none, Indeterminate, NoCertificateChain, "self-signed"},
		{"expired when signed", cert(func(c *x509.Certificate) { c.NotAfter = testNow.Add(-2 * day) }), none, Failed, Expired, "expired"},
		{"expired since, unproven", cert(func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }), none, Indeterminate, OutOfBoundsNoPOE, "expired-since"},
		{"expired since, seen before", cert(func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }), func(o *Options) { o.Existed = testNow.Add(-3 * time.Hour) }, Passed, "", ""},
		{"not yet valid when signed", cert(func(c *x509.Certificate) { c.NotBefore = testNow.Add(-time.Hour) }), none, Failed, NotYetValid, "not-yet-valid"},
		{"signed in the future", with(usual, func(c *claim) { c.claimed = testNow.Add(day) }), none, Indeterminate, SigConstraintsFailure, "claimed-future"},
		{"seen before it was signed", usual, func(o *Options) { o.Existed = testNow.Add(-2 * day) }, Indeterminate, TimestampOrderFailure, "stamp-order"},
		{"revoked before signing", usual, func(o *Options) { revoked(o, testNow.Add(-2*day), 1) }, Failed, Revoked, "revoked"},
		{"revoked after signing, unproven", usual, func(o *Options) { revoked(o, testNow.Add(-day/2), 1) }, Indeterminate, RevokedNoPOE, "revoked-unproven"},
		{"revoked after signing, proven", usual, func(o *Options) { revoked(o, testNow.Add(-day/2), 1); o.Existed = testNow.Add(-day) }, Passed, "", ""},
		{"on hold", usual, func(o *Options) { revoked(o, testNow.Add(-2*day), 6) }, Indeterminate, TryLater, "on-hold"},
		{"CA revoked", usual, func(o *Options) {
			o.Revocations = known{p.crl(p.root, at, entry(p.ca, at, 2)), p.crl(p.ca, at)}
		}, Indeterminate, RevokedCANoPOE, "issuer-revoked"},
		{"no lists", usual, func(o *Options) { o.Revocations = nil }, Indeterminate, TryLater, "revocation-missing"},
		{"stale list", usual, func(o *Options) {
			o.Revocations = known{p.crl(p.root, at), p.crl(p.ca, testNow.Add(-20*day))}
		}, Indeterminate, TryLater, "revocation-stale"},
		{"list from the future", usual, func(o *Options) {
			o.Revocations = known{p.crl(p.root, at), p.crl(p.ca, testNow.Add(day))}
		}, Indeterminate, TryLater, "revocation-missing"},
		{"list of another CA with the same name", usual, func(o *Options) {
			o.Revocations = known{p.crl(p.root, at), stranger.crl(stranger.ca, at)}
		}, Indeterminate, TryLater, "revocation-missing"},
		{"key usage", cert(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"TLS server's certificate", cert(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"key usage without a use", cert(func(c *x509.Certificate) {
			c.KeyUsage, c.ExtraExtensions = 0, []pkix.Extension{{Id: oidKeyUsage, Critical: true, Value: []byte{3, 1, 0}}}
		}), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"no key usage, which restricts nothing", cert(func(c *x509.Certificate) { c.KeyUsage = 0 }), none, Passed, "", ""},
		{"TLS server's certificate that is a client's too", cert(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"person's certificate for signing in", cert(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), none, Passed, "", ""},
		{"certificate that says it needs no revocation data", cert(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}}
		}), func(o *Options) { o.Revocations = known{p.fresh()[0]} }, Indeterminate, TryLater, "revocation-missing"},
		{"clock is behind", usual, func(o *Options) { o.ClockBehind = true }, Indeterminate, TryLater, "clock-behind"},
		{"clock is behind, signed in its future", with(usual, func(c *claim) { c.claimed = testNow.Add(day) }), func(o *Options) { o.ClockBehind = true }, Indeterminate, TryLater, "clock-behind"},
		{"clock is behind, valid in its future", with(cert(func(c *x509.Certificate) { c.NotBefore = testNow.Add(day) }), func(c *claim) { c.claimed = time.Time{} }),
			func(o *Options) { o.ClockBehind = true }, Indeterminate, TryLater, "clock-behind"},
		{"not yet valid, no claim", with(cert(func(c *x509.Certificate) { c.NotBefore = testNow.Add(day) }), func(c *claim) { c.claimed = time.Time{} }),
			none, Failed, NotYetValid, "not-yet-valid"},
		{"clock is behind, revoked", usual, func(o *Options) { o.ClockBehind = true; revoked(o, testNow.Add(-2*day), 1) }, Failed, Revoked, "revoked"},
		{"CA signs a document", with(usual, func(c *claim) { c.cert = p.ca.cert }), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"document stamped by a signer", with(usual, func(c *claim) { c.purpose = forStamps }), none, Indeterminate, ChainConstraintsFailure, "wrong-usage"},
		{"certificate signed with SHA-1", with(usual, func(c *claim) {
			c.cert, c.others = p.issue(rsaCA, "B", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }).cert, []*x509.Certificate{rsaCA.cert}
		}), none, Indeterminate, NoCertificateChain, "no-chain"},
		{"weak digest", with(usual, func(c *claim) { c.weak = "SHA-1" }), none, Indeterminate, CryptoConstraintsFailure, "weak-digest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := p.options()
			test.o(&o)
			var s Signature
			newChecker(o).judge(t.Context(), &s, test.c)
			if s.Indication != test.want || s.SubIndication != test.sub || s.Reason.Code != test.code {
				t.Fatalf("got %+v, want %s %s %s", s.Outcome, test.want, test.sub, test.code)
			}
		})
	}
}

func TestTheWorstOfSeveralVerdicts(t *testing.T) {
	order := []Verdict{"", VerdictNone, VerdictPassed, VerdictAdditions, VerdictLater, VerdictUnidentified, VerdictDoubtful, VerdictFailed, "of a later version"}
	for i, bad := range order {
		for _, good := range order[:i+1] {
			if got := [2]Verdict{Worst(good, bad), Worst(bad, good, good)}; got != [2]Verdict{bad, bad} {
				t.Errorf("the worst of %q and %q is %q", good, bad, got)
			}
		}
	}
	if got := Worst(); got != "" {
		t.Errorf("the worst of none is %q", got)
	}
}

func TestTimeStampsProveOnlyWhenTheyAreValid(t *testing.T) {
	p := newPKI(t)
	expired := p.issue(p.ca, "A", func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) })
	c := claim{cert: expired.cert}
	o := p.options()
	o.Revocations = known{p.crl(p.root, testNow.Add(-3*time.Hour)), p.crl(p.ca, testNow.Add(-3*time.Hour))}
	for _, test := range []struct {
		stamp Outcome
		want  SubIndication
	}{
		{passed(), ""},
		{outcome(Indeterminate, TryLater, "revocation-missing", ""), TryLater},
		{outcome(Indeterminate, NoCertificateChain, "no-chain", ""), OutOfBoundsNoPOE},
		{outcome(Failed, HashFailure, "hash", ""), OutOfBoundsNoPOE},
	} {
		s := Signature{Stamps: []Stamp{{Outcome: test.stamp, Time: testNow.Add(-2 * time.Hour)}}}
		newChecker(o).judge(t.Context(), &s, c)
		if s.SubIndication != test.want {
			t.Errorf("stamp %s: got %+v, want %q", test.stamp.Indication, s.Outcome, test.want)
		}
	}
}

func TestOCSPOfAResponderThatMayNotAnswerIsIgnored(t *testing.T) {
	p := newPKI(t)
	stranger := newPKI(t)
	responder := func(change ...func(*x509.Certificate)) []func(*x509.Certificate) {
		return append([]func(*x509.Certificate){func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }}, change...)
	}
	signer := p.issue(p.ca, "A")
	other := p.issue(p.ca, "B")
	delegate := p.issue(p.ca, "responder", responder()...)
	rsaDelegate := p.issueFor(p.ca, "responder", testRSA(), responder()...)
	at := testNow.Add(-time.Minute)
	issuer, algorithm := p.ca.cert, x509.UnknownSignatureAlgorithm
	answer := func(by node, about node, status int) Evidence {
		template := ocsp.Response{
			Status: status, SerialNumber: about.cert.SerialNumber, ThisUpdate: at, NextUpdate: at.Add(time.Hour), RevokedAt: at.Add(-time.Hour), SignatureAlgorithm: algorithm,
		}
		if by.cert != p.ca.cert {
			template.Certificate = by.cert
		}
		der, err := ocsp.CreateResponse(issuer, by.cert, template, by.key)
		if err != nil {
			t.Fatal(err)
		}
		return Evidence{OCSP: der, Origin: OriginNetwork}
	}
	issuer = stranger.ca.cert
	elsewhere := answer(p.ca, signer, ocsp.Good)
	issuer, algorithm = p.ca.cert, x509.SHA1WithRSA
	weak := answer(rsaDelegate, signer, ocsp.Good)
	algorithm = x509.UnknownSignatureAlgorithm
	for _, test := range []struct {
		name string
		e    Evidence
		want SubIndication
	}{
		{"CA itself", answer(p.ca, signer, ocsp.Good), ""},
		{"delegate", answer(delegate, signer, ocsp.Good), ""},
		{"delegate with RSA", answer(rsaDelegate, signer, ocsp.Good), ""},
		{"delegate with SHA-1", weak, TryLater},
		{"delegate with a short key", answer(p.issueFor(p.ca, "responder", shortRSA(t), responder()...), signer, ocsp.Good), TryLater},
		{"delegate whose key may not sign", answer(p.issue(p.ca, "responder", responder(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })...), signer, ocsp.Good), TryLater},
		{"same serial number of another issuer", elsewhere, TryLater},
		{"another signer", answer(other, signer, ocsp.Good), TryLater},
		{"about another certificate", answer(p.ca, other, ocsp.Good), TryLater},
		{"unknown", answer(p.ca, signer, ocsp.Unknown), TryLater},
		{"revoked", answer(p.ca, signer, ocsp.Revoked), RevokedNoPOE},
		{"no answer", Evidence{OCSP: []byte("x")}, TryLater},
	} {
		o := p.options()
		o.Revocations = append(slices.Clone(known(p.fresh()[:1])), test.e)
		var s Signature
		newChecker(o).judge(t.Context(), &s, claim{cert: signer.cert})
		if s.SubIndication != test.want {
			t.Errorf("%s: got %+v, want %q", test.name, s.Outcome, test.want)
		}
	}
}

// counting counts how often it is asked.
type counting struct {
	known
	asked int
}

func (c *counting) Lookup(ctx context.Context, cert, issuer *x509.Certificate) ([]Evidence, error) {
	c.asked++
	return c.known.Lookup(ctx, cert, issuer)
}

// TestNobodyIsAskedForAChainThatAnybodyCouldForge: the addresses in it would be
// the forger's.
func TestNobodyIsAskedForAChainThatAnybodyCouldForge(t *testing.T) {
	p := newPKI(t)
	weak := p.issueFor(p.root, "Weak CA", shortRSA(t), asCA)
	o := p.options()
	o.Intermediates = []*x509.Certificate{weak.cert}
	source := &counting{known: p.fresh()}
	o.Revocations = source
	var s Signature
	newChecker(o).judge(t.Context(), &s, claim{cert: p.issue(weak, "A").cert})
	if s.Reason.Code != "weak-key" || source.asked != 0 {
		t.Errorf("got %+v after %d questions", s.Outcome, source.asked)
	}
}

func TestOneCheckAsksOnceForEachCertificate(t *testing.T) {
	p := newPKI(t)
	o := p.options()
	source := &counting{known: p.fresh()}
	o.Revocations = source
	k := newChecker(o)
	for range 3 {
		var s Signature
		if k.judge(t.Context(), &s, claim{cert: p.issue(p.ca, "A").cert}); s.Indication != Passed {
			t.Fatal(s.Outcome)
		}
	}
	if source.asked != 4 { // three signers, and the CA
		t.Errorf("asked %d times", source.asked)
	}
}

// TestAnAuthorityWithANewCertificateForItsKeyIsFound: the chain is one that is
// good at the time in question, not at the one that the signer claims.
func TestAnAuthorityWithANewCertificateForItsKeyIsFound(t *testing.T) {
	p := newPKI(t)
	key := p.ca.key
	old := p.issueFor(p.root, "CA", key, asCA, func(c *x509.Certificate) { c.NotAfter = testNow.AddDate(0, -1, 0) })
	renewed := p.issueFor(p.root, "CA", key, asCA, func(c *x509.Certificate) { c.NotBefore = testNow.AddDate(0, -2, 0) })
	signer := p.issue(old, "A", func(c *x509.Certificate) { c.NotBefore = testNow.AddDate(0, -6, 0) })
	o := p.options()
	o.Intermediates = []*x509.Certificate{old.cert, renewed.cert}
	var s Signature
	newChecker(o).judge(t.Context(), &s, claim{cert: signer.cert, claimed: testNow.AddDate(0, -3, 0)})
	if s.Indication != Passed {
		t.Errorf("got %+v", s.Outcome)
	}
}

// TestASuspendedSignerIsNotAcceptedForWantOfALine: it is known, and looked at
// again.
func TestASuspendedSignerIsNotAcceptedForWantOfALine(t *testing.T) {
	p := newPKI(t)
	signer := p.issue(p.ca, "A")
	o := p.options()
	o.Revocations = known{p.fresh()[0], p.crl(p.ca, testNow.Add(-time.Hour), entry(signer, testNow.Add(-2*time.Hour), 6))}
	var s Signature
	newChecker(o).judge(t.Context(), &s, claim{cert: signer.cert})
	r := Report{Signatures: []Signature{s}}
	r.summarize()
	if r.SubIndication != TryLater || r.Verdict() != VerdictDoubtful || s.Verdict() != VerdictDoubtful || !r.Recheck() {
		t.Errorf("got %+v, %s, again %v", r.Outcome, r.Verdict(), r.Recheck())
	}
}
