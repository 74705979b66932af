package office

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"tram/agent/docsign"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// trusting is a trust that the test changes.
type trusting struct {
	w     *world
	roots []*x509.Certificate
	lists []docsign.Evidence
	mark  string
	// source is asked in place of lists, unless it is nil.
	source docsign.Revocations
	behind bool // the clock is known to be
}

func (t *trusting) Terms() (docsign.Options, string) {
	o := docsign.Options{Anchors: t.roots, Revocations: t, Now: t.w.clock, ClockBehind: t.behind}
	if t.source != nil {
		o.Revocations = t.source
	}
	return o, t.mark
}

func (t *trusting) Lookup(context.Context, *x509.Certificate, *x509.Certificate) ([]docsign.Evidence, error) {
	return t.lists, nil
}

// list is a revocation list of the world's CA as of now.
func (w *world) list(revoked ...x509.RevocationListEntry) docsign.Evidence {
	issuer := *w.ca.cert
	issuer.KeyUsage |= x509.KeyUsageCRLSign
	der := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: w.clock, NextUpdate: w.clock.AddDate(0, 0, 7), RevokedCertificateEntries: revoked,
	}, &issuer, w.ca.key))
	return docsign.Evidence{CRL: must(docsign.ParseCRL(der)), Origin: "test.crl"}
}

// signed is CMS with its content inside, without a claimed time.
func signed(by pair, content string) []byte {
	s := must(pkcs7.NewSignedData([]byte(content)))
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := s.SignWithoutAttr(by.cert, by.key, pkcs7.SignerInfoConfig{}); err != nil {
		panic(err)
	}
	return must(s.Finish())
}

// trustWorld is two offices, of which the receiver trusts the world's CA for
// signatures in attachments. Its root may sign lists.
func trustWorld(t *testing.T) (w *world, a, b *node, trust *trusting, signer pair) {
	w = newWorld(t, "H40.12", "H40.15")
	w.ca = w.issueLister()
	a, b = w.offices["H40.12"], w.offices["H40.15"]
	trust = &trusting{w: w, roots: []*x509.Certificate{w.ca.cert}, mark: "1"}
	b.trust = trust
	return w, a, b, trust, w.issue(w.ca, pkix.Name{CommonName: "Nguyễn Văn A"}, false)
}

// issueLister is a CA that may sign revocation lists.
func (w *world) issueLister() pair {
	p := w.issue(pair{}, pkix.Name{CommonName: "Signing CA"}, true)
	template := *p.cert
	template.KeyUsage |= x509.KeyUsageCRLSign
	der := must(x509.CreateCertificate(rand.Reader, &template, &template, &p.key.PublicKey, p.key))
	return pair{p.key, must(x509.ParseCertificate(der))}
}

func (w *world) receive(from, to *node, files ...Upload) Document {
	w.t.Helper()
	d := draft(to.id.Code)
	d.Files = files
	sent := from.send(d)
	w.deliver()
	if err := to.checkDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return to.get(sent.ID)
}

func verdicts(all []Check) string {
	var words []string
	for _, c := range all {
		word := string(c.Verdict())
		if c.Frozen {
			word += "*"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestVerdictsAreFrozenAtAcceptanceAndLaterOnesAppended(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	doc := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "x"))}, text("b.txt", "plain"))
	if got := verdicts(doc.Checks); got != "later none" {
		t.Fatalf("on arrival: %s, %+v", got, doc.Checks)
	}
	again := func() string {
		t.Helper()
		if err := b.checkDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return verdicts(must(b.Checks(t.Context(), doc.ID)))
	}
	w.clock = w.clock.Add(CheckAgain + time.Minute)
	if got := again(); got != "later none" {
		t.Errorf("checking again without news adds nothing, got %s", got)
	}
	if _, err := b.Accept(t.Context(), doc.ID, "vanthu"); err != nil {
		t.Fatalf("a signature that waits for revocation data may be accepted: %v", err)
	}
	trust.lists, trust.mark = []docsign.Evidence{w.list()}, "2"
	if got := again(); got != "later* none* passed" {
		t.Errorf("after lists came: %s", got)
	}
	checks := b.get(doc.ID).Checks
	if got := verdicts(checks); got != "passed none*" {
		t.Errorf("newest: %s", got)
	}
	sum := checks[0].Report.Signatures[0].Revocation[0].SHA256
	body, err := b.Evidence(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if kept := must(io.ReadAll(body)); !bytes.Equal(kept, trust.lists[0].Bytes()) {
		t.Error("the list on which the verdict rests was not kept")
	}
	var digest [32]byte
	copy(digest[:], must(hex.DecodeString(sum)))
	if used, err := b.Uses(t.Context(), digest); err != nil || !used {
		t.Errorf("evidence would be swept: %v %v", used, err)
	}
	trust.mark = "3"
	if got := again(); got != "later* none* passed" {
		t.Errorf("a final verdict is not checked again, got %s", got)
	}
	if all := must(b.Recheck(t.Context(), doc.ID, "vanthu")); verdicts(all) != "passed none" || all[0].By != "vanthu" {
		t.Errorf("checked on request: %+v", all)
	}
	w.audited()
}

func TestSignaturesDecideWhatMayBeAccepted(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	trust.lists = []docsign.Evidence{w.list()}
	bad := signed(signer, "Số tiền: 100")
	bad = bytes.Replace(bad, []byte("100"), []byte("900"), 1)
	other := w.issue(w.issue(pair{}, pkix.Name{CommonName: "Other CA"}, true), pkix.Name{CommonName: "Nguyễn Văn A"}, false)
	for _, test := range []struct {
		name    string
		content []byte
		k       Knowing
		verdict string
		code    string // of the problem, "" when it may be accepted
	}{
		{"good", signed(signer, "x"), Knowing{}, "passed", ""},
		{"none", []byte("not signed"), Knowing{}, "none", ""},
		{"stranger", signed(other, "x"), Knowing{}, "unidentified", "accept.unidentified"},
		{"stranger with a reason", signed(other, "x"), Knowing{Reason: "đã gọi điện xác nhận"}, "unidentified", ""},
		{"altered", bad, Knowing{}, "failed", "accept.invalid"},
		{"altered, reason only", bad, Knowing{Reason: "gấp"}, "failed", "accept.invalid"},
		{"altered, seen only", bad, Knowing{SeenFailure: true}, "failed", "accept.invalid"},
		{"altered, seen and reasoned", bad, Knowing{Reason: "gấp", SeenFailure: true}, "failed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "a.p7m"
			if test.verdict == "none" {
				name = "a.txt"
			}
			doc := w.receive(a, b, Upload{Name: name, Body: bytes.NewReader(test.content)})
			if got := verdicts(doc.Checks); got != test.verdict {
				t.Fatalf("verdict %s, want %s: %+v", got, test.verdict, doc.Checks[0].Report)
			}
			got, err := b.AcceptKnowing(t.Context(), doc.ID, "vanthu", test.k)
			if test.code != "" {
				if !hasCode(err, test.code, problem.Conflict) {
					t.Fatalf("accepting gives %v, want %s", err, test.code)
				}
				if b.get(doc.ID).State != Arrived {
					t.Error("the document was accepted all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.TrustReason != test.k.Reason || !got.Checks[0].Frozen {
				t.Errorf("kept %q, frozen %v", got.TrustReason, got.Checks[0].Frozen)
			}
		})
	}
	w.audited()
}

// TestListsCarryTheWorstOfTheNewestVerdicts, and that on the seal.
func TestListsCarryTheWorstOfTheNewestVerdicts(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	bad := bytes.Replace(signed(signer, "100 đồng"), []byte("100"), []byte("900"), 1)
	first := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "x"))}, text("b.txt", "plain"))
	second := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "y"))}, Upload{Name: "b.p7m", Body: bytes.NewReader(bad)})
	third := w.receive(a, b, text("b.txt", "plain"))
	shown := func(want ...docsign.Verdict) {
		t.Helper()
		list, _, err := b.List(t.Context(), Query{Box: In})
		if err != nil {
			t.Fatal(err)
		}
		work := must(b.Work(t.Context())).ToAccept
		for i, doc := range []Document{third, second, first} {
			if got := list[i]; got.ID != doc.ID || got.Signatures != want[i] || got.Seal == nil || got.Seal.Verdict != "passed" {
				t.Errorf("the list shows %s with %q, seal %+v, want %q", got.ID, got.Signatures, got.Seal, want[i])
			}
			if got := work[len(work)-1-i]; got.ID != doc.ID || got.Signatures != want[i] {
				t.Errorf("the work list shows %s with %q, want %q", got.ID, got.Signatures, want[i])
			}
			if got := b.get(doc.ID).Signatures; got != want[i] {
				t.Errorf("the document itself has %q, want %q", got, want[i])
			}
		}
	}
	shown(docsign.VerdictNone, docsign.VerdictFailed, docsign.VerdictLater)
	trust.lists, trust.mark = []docsign.Evidence{w.list()}, "2"
	w.clock = w.clock.Add(CheckAgain + time.Minute)
	if err := b.checkDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown(docsign.VerdictNone, docsign.VerdictFailed, docsign.VerdictPassed)
	if list := must(b.Suspects(t.Context(), w.clock.AddDate(0, 0, -30))); len(list) != 1 || list[0].Sender != a.me.Code || list[0].Count != 1 {
		t.Errorf("suspects: %+v", list)
	}
	if out, _, err := a.List(t.Context(), Query{Box: Out}); err != nil || out[0].Signatures != "" || out[0].Seal != nil {
		t.Errorf("an outgoing document: %+v, %v", out, err)
	}
}

func TestDetachedSignatureFindsItsFile(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	trust.lists = []docsign.Evidence{w.list()}
	s := must(pkcs7.NewSignedData([]byte("content")))
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := s.SignWithoutAttr(signer.cert, signer.key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	s.Detach()
	der := must(s.Finish())
	doc := w.receive(a, b, text("cv.txt", "content"), Upload{Name: "cv.txt.p7s", Body: bytes.NewReader(der)}, Upload{Name: "xyz.p7s", Body: bytes.NewReader(der)})
	if got := verdicts(doc.Checks); got != "none passed doubtful" {
		t.Errorf("got %s: %+v", got, doc.Checks)
	}
}

func TestAcceptingChecksWhatNobodyHasCheckedYet(t *testing.T) {
	w, a, b, _, signer := trustWorld(t)
	bad := bytes.Replace(signed(signer, "100 đồng"), []byte("100"), []byte("900"), 1)
	d := draft(b.id.Code)
	d.Files = []Upload{{Name: "a.p7m", Body: bytes.NewReader(bad)}}
	sent := a.send(d)
	w.deliver()
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); !hasCode(err, "accept.invalid", problem.Conflict) {
		t.Errorf("got %v", err)
	}
}

func TestDocumentsFromBeforeTheUpgradeAreChecked(t *testing.T) {
	w, a, b, _, signer := trustWorld(t)
	doc := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "x"))})
	err := b.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for _, q := range []string{`DELETE FROM checks`, `DELETE FROM checks_due`, `INSERT INTO checks_due (document, due) SELECT seq, 0 FROM documents WHERE box = 'in'`} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.checkDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.get(doc.ID).Checks; verdicts(got) != "later" || got[0].Cause != CauseArrival {
		t.Errorf("got %+v", got)
	}
}

// TestP11_AFilingByAClockThatIsBehindProvesNoTime files a document by a clock
// that goes on from months ago. The signer's certificate was revoked since: what
// the clock said then must not prove that the signature is older.
func TestP11_AFilingByAClockThatIsBehindProvesNoTime(t *testing.T) {
	w, a, b, trust, signer := trustWorld(t)
	trust.behind = true
	trust.lists = []docsign.Evidence{w.list()}
	filed := w.clock
	doc := w.receive(a, b, Upload{Name: "a.p7m", Body: bytes.NewReader(signed(signer, "x"))})
	if got := doc.Checks[0].Report; got.SubIndication != docsign.TryLater || got.Reason.Code != "clock-behind" || !got.ClockBehind || !got.Signatures[0].Proven.IsZero() {
		t.Fatalf("while the clock is behind: %+v", got)
	}
	next := func(after int, mark string) docsign.Report {
		t.Helper()
		w.clock, trust.mark = filed.AddDate(0, after, 0), mark
		if err := b.checkDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b.get(doc.ID).Checks[0].Report
	}
	trust.behind, trust.lists = false, nil
	if got := next(3, "2"); got.SubIndication != docsign.TryLater || got.ClockBehind || !got.Signatures[0].Proven.IsZero() {
		t.Errorf("once the time is known: %+v", got)
	}
	trust.lists = []docsign.Evidence{w.list(x509.RevocationListEntry{SerialNumber: signer.cert.SerialNumber, RevocationTime: filed.AddDate(0, 1, 0), ReasonCode: 1})}
	if got := next(4, "3"); got.SubIndication != docsign.RevokedNoPOE || !got.Signatures[0].Proven.Equal(filed.AddDate(0, 3, 0)) {
		t.Errorf("revoked before it was here for sure: %+v", got)
	}
	w.audited()
}
