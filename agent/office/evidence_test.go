package office

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/evidence"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/agent/verify"
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
		if e.Step == AtHub && (!e.At.Equal(at) || e.Words(i18n.English) != "The hub took the document over from its sender") {
			t.Errorf("at the hub at %v, signed for %v: %q", e.At, at, e.Words(i18n.English))
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
		if e.Evidence == EvidenceStamp && e.Signer == externalAuthority && strings.Contains(e.Words(i18n.English), "Time stamp of TSA thử") {
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

// exported gives a document with everything that can join it, as a file.
func exported(t *testing.T, w *world) []byte {
	t.Helper()
	a, b := w.offices["H40.1"], w.offices["H40.2"]
	d := draft("H40.2")
	d.Files = append(d.Files, text("Phụ lục số 1 (đã sửa).docx", "nội dung"))
	doc := a.send(d)
	signed := must(bundle.Parse(a.header(doc.ID)))
	w.deliver()
	if _, err := b.Accept(t.Context(), doc.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	token := must(w.stamper(w.ca, tsa.ReservePolicy).Stamp(tsa.Request{Imprint: tsa.SHA256(signed.Header.Stamp), Certificates: true}))
	w.testify(a, w.hubSeal(), hubCode, doc, []stamped{{doc.ID, token}},
		evidence.Event{Name: evidence.SubmissionAcceptance, At: w.clock}, evidence.Event{Name: evidence.ContentConsignment, At: w.clock, Office: "H40.2"})
	var file bytes.Buffer
	if err := a.Export(t.Context(), doc.ID, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// recipe is what sync/README.md tells a third party to do.
func recipe(t *testing.T) string {
	t.Helper()
	page := string(must(os.ReadFile("../../sync/README.md")))
	_, rest, ok1 := strings.Cut(page, "<!-- recipe -->\n```\n")
	lines, _, ok2 := strings.Cut(rest, "```\n<!-- end of recipe -->")
	if !ok1 || !ok2 {
		t.Fatal("sync/README.md has no recipe")
	}
	return lines
}

// TestP12_TheRecipeChecksAnExport: openssl and unzip find an export good, and
// find what was changed in it.
func TestP12_TheRecipeChecksAnExport(t *testing.T) {
	w := newWorldAt(t, time.Now(), "H40.1", "H40.2") // openssl has no other clock
	file := exported(t, w)
	lines := recipe(t)
	follow := func(file []byte) (string, error) {
		dir := t.TempDir()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.cert.Raw})
		for name, data := range map[string][]byte{"document.asice": file, "ca.pem": ca} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", lines)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := follow(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for want, times := range map[string]int{"CMS Verification successful": 4, "Verification: OK": 1, "authority.pem: OK": 1, "Verified OK": 3, "header signed by card-H40.1.cose.pub": 1, "OU = authority": 1, "serialNumber = H40.1": 1, "serialNumber = H40.2": 2, "serialNumber = H40\n": 0} {
		if got := strings.Count(out, want); got < times {
			t.Errorf("%q stands there %d times, want %d, in\n%s", want, got, times, out)
		}
	}
	for _, name := range []string{"message.edxml", "META-INF/signature001.p7s", "META-INF/ASiCManifest-timestamp-H40.xml", "Phụ lục số 1 (đã sửa).docx",
		"receipts/header.cose", "receipts/custody-H40.cose", "receipts/card-H40.1.cose", "receipts/card-H40.cose", "receipts/authority-H40.cer"} {
		if out, err := follow(spoiled(t, file, name)); err == nil {
			t.Errorf("%s was changed, and nothing shows:\n%s", name, out)
		}
	}
}

// spoiled changes one byte of an entry.
func spoiled(t *testing.T, file []byte, name string) []byte {
	t.Helper()
	r := must(zip.NewReader(bytes.NewReader(file), int64(len(file))))
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	found := false
	for _, f := range r.File {
		data := must(io.ReadAll(must(f.Open())))
		if f.Name == name {
			found = true
			data[len(data)/2] ^= 1
		}
		dst := must(w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: f.Method}))
		must(dst.Write(data))
	}
	if err := w.Close(); err != nil || !found {
		t.Fatalf("no %s to change (%v)", name, err)
	}
	return out.Bytes()
}

// TestP12_AnExportPassesWithTheCAAlone and each change of it is named.
func TestP12_AnExportPassesWithTheCAAlone(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	file := exported(t, w)
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.cert)
	check := func(file []byte) (verify.Report, error) {
		return verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(roots), Stamps: roots, Now: w.clock}})
	}
	r, err := check(file)
	if err != nil || r.Result != seal.Passed || len(r.Stamps) != 1 || len(r.Receipts) != 1 || len(r.Proofs) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, p := range r.Proofs {
		if p.Result != seal.Passed {
			t.Errorf("%s of %s: %s %s", p.Kind, p.Office, p.Result, p.Reason)
		}
	}
	kinds := map[verify.Kind]int{}
	for _, l := range r.Lines {
		kinds[l.Kind]++
		if l.Kind == verify.Evidence && (l.Witness == nil || len(l.Witness.Events) != 2) || l.Kind == verify.Status && l.Status == nil {
			t.Errorf("line %+v", l)
		}
	}
	if kinds[verify.Document] != 1 || kinds[verify.Status] != 2 || kinds[verify.Evidence] != 1 {
		t.Errorf("kinds are %v", kinds)
	}
	for name, want := range map[string]seal.Reason{
		"message.edxml": seal.ReasonHash, "META-INF/signature001.p7s": seal.ReasonSignature, "META-INF/timestamp-H40.tst": seal.ReasonStamp,
		"receipts/header.cose": seal.ReasonSubject, "receipts/custody-H40.cose": seal.ReasonSignature,
		"receipts/card-H40.1.cose": verify.ReasonCard, "receipts/card-H40.cose": verify.ReasonCard,
	} {
		if r, err := check(spoiled(t, file, name)); err != nil || r.Result != seal.Failed || r.Reason != want && name != "META-INF/signature001.p7s" {
			t.Errorf("%s changed: %s %s, %v", name, r.Result, r.Reason, err)
		}
	}
}

// TestEvidenceIsSaidInTheReadersLanguage holds what is kept apart from words.
func TestEvidenceIsSaidInTheReadersLanguage(t *testing.T) {
	for _, c := range []struct {
		event Event
		vi    string
		en    string
	}{
		{Event{Evidence: EvidenceRecord, Note: evidenceNote(evidence.Event{Name: evidence.SubmissionAcceptance})},
			"Trạm đã nhận giữ văn bản từ nơi gửi", "The hub took the document over from its sender"},
		{Event{Evidence: EvidenceRecord, Note: evidenceNote(evidence.Event{Name: "LaterEvent"})},
			"Chứng cứ của trạm: LaterEvent", "Evidence of the hub: LaterEvent"},
		{Event{Evidence: EvidenceStamp, Note: "office.stamp.reserve"},
			"Dấu thời gian dự phòng của trạm tỉnh trên dấu của cơ quan", "Time stamp of last resort, given by the hub, on the office's seal"},
		{Event{Evidence: EvidenceRecord}, "", ""},
		{Event{Evidence: EvidenceStatus, Note: "Sai thẩm quyền"}, "Sai thẩm quyền", "Sai thẩm quyền"},
	} {
		if vi, en := c.event.Words(i18n.Vietnamese), c.event.Words(i18n.English); vi != c.vi || en != c.en {
			t.Errorf("%+v: %q, %q", c.event, vi, en)
		}
	}
}
