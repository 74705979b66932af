package office

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/evidence"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// hubSeal is the seal of the world's hub.
func (w *world) hubSeal() seal.Sealer {
	p := w.issue(w.ca, pkix.Name{CommonName: "UBND tỉnh Mẫu", SerialNumber: hubCode, OrganizationalUnit: []string{"seal"}}, false)
	return seal.Sealer{Key: p.key, Cert: p.cert, Now: w.now}
}

// stamper is a time stamp authority under the world's CA.
func (w *world) stamper(by pair, policy string) tsa.Authority {
	usage := must(tsa.Usage())
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	w.serial++
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(w.serial), Subject: pkix.Name{CommonName: "TSA thử"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: w.clock.AddDate(0, -1, 0), NotAfter: w.clock.AddDate(2, 0, 0), ExtraExtensions: []pkix.Extension{usage}, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key))
	return tsa.Authority{
		Key: key, Cert: must(x509.ParseCertificate(der)), Policy: policy, Now: func() (time.Time, bool) { return w.clock, true },
	}
}

// testify brings an office the hub's evidence on a document.
func (w *world) testify(to *node, s seal.Sealer, witness string, doc Document, stamps []stamped, events ...evidence.Event) {
	w.t.Helper()
	n := notice{Version: 1, Type: "evidence", At: w.clock, Stamps: stamps}
	if len(events) > 0 {
		r := evidence.Record{Document: doc.ID, Header: sha256.Sum256(to.header(doc.ID)), From: doc.From.Code, Witness: witness, Events: events}
		n.Evidence = [][]byte{must(evidence.Seal(r, s))}
	}
	w.control(to, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, must(json.Marshal(n)))
	if err := to.drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (n *node) header(id storage.ID) []byte {
	n.w.t.Helper()
	var header []byte
	err := n.db.View(n.w.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT h.header FROM heads h JOIN documents d ON d.seq = h.document WHERE d.id = ?`, id).Scan(&header)
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return bytes.Clone(header)
}

func TestP10_AtTheReceiverTheHubHasSigned(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a, b := w.offices["H40.1"], w.offices["H40.2"]
	doc := a.send(draft("H40.2"))
	w.deliver()
	if got := track(b.get(doc.ID)); !slices.Contains(got, "hub:::") {
		t.Fatalf("track is %q", got)
	}
	at := w.clock.Add(-time.Minute).Truncate(time.Millisecond)
	w.testify(b, w.hubSeal(), hubCode, b.get(doc.ID), nil, evidence.Event{Name: evidence.SubmissionAcceptance, At: at})
	got := b.get(doc.ID)
	if !slices.Contains(track(got), "hub::H40:evidence") || slices.Contains(track(got), "hub:::") {
		t.Errorf("track is %q", track(got))
	}
	for _, e := range got.Events {
		if e.Step == AtHub && !e.At.Equal(at) {
			t.Errorf("at the hub at %v, signed for %v", e.At, at)
		}
	}
	w.audited()
}

func TestP10_TheSenderSeesWhatHubsWitnessed(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2", "H40.3")
	a := w.offices["H40.1"]
	doc := a.send(draft("H40.2", "H40.3"))
	w.relay()
	seal := w.hubSeal()
	w.testify(a, seal, hubCode, doc, nil,
		evidence.Event{Name: evidence.SubmissionAcceptance, At: w.clock},
		evidence.Event{Name: evidence.ContentConsignment, At: w.clock, Office: "H40.2"},
		evidence.Event{Name: evidence.ContentConsignmentFailure, At: w.clock, Office: "H40.3", Reason: evidence.Late})
	got := a.get(doc.ID)
	for _, want := range []string{"hub::H40:evidence", "hub:H40.2:H40:evidence", "hub:H40.3:H40:evidence"} {
		if !slices.Contains(track(got), want) {
			t.Errorf("track %q lacks %q", track(got), want)
		}
	}
	if got.To[0].State != AtHub || got.To[1].State != AtHub {
		t.Errorf("being late moved a recipient: %+v", got.To)
	}
	w.testify(a, seal, hubCode, doc, nil, evidence.Event{Name: evidence.ContentConsignmentFailure, At: w.clock, Office: "H40.3", Reason: evidence.Expired})
	if got = a.get(doc.ID); got.To[1].State != Failed || got.To[0].State != AtHub || !slices.Contains(track(got), "failed:H40.3:H40:evidence") {
		t.Errorf("after the end: %+v, %q", got.To, track(got))
	}
	w.audited()
}

func TestP6_EvidenceThatDoesNotHoldChangesNothing(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a := w.offices["H40.1"]
	doc := a.send(draft("H40.2"))
	other := a.send(draft("H40.2"))
	w.relay()
	before := track(a.get(doc.ID))
	failed := evidence.Event{Name: evidence.ContentConsignmentFailure, At: w.clock, Office: "H40.2", Reason: evidence.Expired}
	w.testify(a, w.hubSeal(), "H41", doc, nil, failed)             // another hub's name
	w.testify(a, *a.sealer.Load(), "H40.1", doc, nil, failed)      // an office for a hub
	w.testify(a, newWorld(t).hubSeal(), hubCode, doc, nil, failed) // another CA
	r := evidence.Record{Document: doc.ID, Header: sha256.Sum256(a.header(other.ID)), From: "H40.1", Witness: hubCode, Events: []evidence.Event{failed}}
	n := notice{Version: 1, Type: "evidence", Evidence: [][]byte{must(evidence.Seal(r, w.hubSeal())), []byte("junk")}, Stamps: []stamped{{doc.ID, []byte("junk")}}}
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, must(json.Marshal(n)))
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.get(doc.ID); !slices.Equal(track(got), before) || got.To[0].State != AtHub {
		t.Errorf("track is %q, was %q", track(got), before)
	}
	rows := must(audit.List(t.Context(), a.db, 0, 100))
	refused := 0
	for _, row := range rows {
		if row.Action == actionEvidence && row.Detail["refused"] != "" {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d refusals are in the audit chain, want 4", refused)
	}
	w.audited()
}

func TestP12_AnExportHoldsEvidenceAndTimeStamps(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a := w.offices["H40.1"]
	doc := a.send(draft("H40.2"))
	signed := must(bundle.Parse(a.header(doc.ID)))
	if signed.Header.Stamp == [32]byte{} {
		t.Fatal("the header asks for no time stamp")
	}
	w.deliver()
	token := must(w.stamper(w.ca, tsa.ReservePolicy).Stamp(tsa.Request{Imprint: tsa.SHA256(signed.Header.Stamp), Certificates: true}))
	w.testify(a, w.hubSeal(), hubCode, doc, []stamped{{doc.ID, token}}, evidence.Event{Name: evidence.SubmissionAcceptance, At: w.clock})
	if got := track(a.get(doc.ID)); !slices.Contains(got, "saved::H40:stamp") {
		t.Errorf("track is %q", got)
	}
	var file bytes.Buffer
	if err := a.Export(t.Context(), doc.ID, &file); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.cert)
	report, err := seal.VerifyContainerWith(bytes.NewReader(file.Bytes()), int64(file.Len()), seal.Trust{Roots: seal.Only(roots), Stamps: roots, Now: w.clock})
	if err != nil || report.Result != seal.Passed || len(report.Stamps) != 1 || !report.Stamps[0].Reserve {
		t.Fatalf("report %+v, %v", report, err)
	}
	found := false
	for _, s := range report.Seals {
		found = found || strings.HasPrefix(s.Files[0].Name, "receipts/evidence-H40-") && s.Verdict.Code == hubCode
	}
	if !found {
		t.Errorf("no evidence in %+v", report.Seals)
	}
}

// authorities stands for a time stamp authority on the internet.
type authorities struct {
	a    tsa.Authority
	down bool
}

func (s *authorities) Stamp(_ context.Context, i tsa.Imprint) (tsa.Token, error) {
	if s.down {
		return tsa.Token{}, errors.New("no line")
	}
	der, err := s.a.Stamp(tsa.Request{Imprint: i, Certificates: true})
	if err != nil {
		return tsa.Token{}, err
	}
	return tsa.ParseToken(der)
}

func TestP8_AnExternalTimeStampComesWhenThereIsALine(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a := w.offices["H40.1"]
	root := w.issue(pair{}, pkix.Name{CommonName: "Root of the authority"}, true)
	outside := &authorities{a: w.stamper(root, "1.2.3.4"), down: true}
	a.stamper, a.stampRoots = outside, x509.NewCertPool()
	a.stampRoots.AddCert(root.cert)
	doc := a.send(draft("H40.2"))
	if err := a.stampSeals(t.Context()); err == nil {
		t.Error("no error without a line")
	}
	outside.down = false
	for range 2 {
		if err := a.stampSeals(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stamps := 0
	for _, e := range a.get(doc.ID).Events {
		if e.Evidence == EvidenceStamp && e.Signer == externalAuthority && strings.Contains(e.Note, "TSA thử") {
			stamps++
		}
	}
	if stamps != 1 {
		t.Errorf("%d time stamps in the track", stamps)
	}
	outside.a = w.stamper(w.ca, "1.2.3.4") // nobody that the settings name
	later := a.send(draft("H40.2"))
	if err := a.stampSeals(t.Context()); err == nil {
		t.Error("a time stamp of a stranger was taken")
	}
	if got := track(a.get(later.ID)); len(got) != 1 {
		t.Errorf("track is %q", got)
	}
}
