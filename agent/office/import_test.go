package office

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// TestP12_ForeignMessageTravelsWithItsOwnHeader: what is not known here comes
// out at the other office, and out of it, as it went in.
func TestP12_ForeignMessageTravelsWithItsOwnHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	large := noise(200 << 10)
	message := plainly(foreign("H40.12", organs("H40.15", "h40.16"), "kh-45-2026",
		"kế hoạch.pdf", wrapped("0.pdf", []byte("%PDF-1.7 kế hoạch")), "bản đồ.tif", encoded(large)))
	sent := a.imported(message)
	if sent.Number != "45" || sent.Notation != "KH-UBND" || sent.EdXMLID != "kh-45-2026" || sent.Urgency != ThuongKhan || sent.Type != "KH" ||
		sent.Date != "2026-11-20" || sent.Subject != "Kế hoạch tưới tiêu" || len(sent.To) != 2 || sent.State != Saved {
		t.Errorf("sent %+v", sent)
	}
	w.deliver()
	got := b.get(sent.ID)
	if got.State != Arrived || got.From.Code != "H40.12" || got.Seal == nil || got.Seal.Verdict != "passed" || got.EdXMLID != sent.EdXMLID || len(got.To) != 2 {
		t.Fatalf("arrived %+v", got)
	}
	want := []string{"%PDF-1.7 kế hoạch", string(large)}
	before, _ := unpacked(t, []byte(message))
	for _, n := range []*node{a, b} {
		d := n.get(sent.ID)
		for i, name := range []string{"kế hoạch.pdf", "bản đồ.tif"} {
			if d.Attachments[i].Name != name || n.content(sent.ID, i) != want[i] {
				t.Errorf("attachment %d at %s: %+v", i, n.id.Code, d.Attachments[i])
			}
		}
		skeleton, files := unpacked(t, n.exported(sent.ID))
		if skeleton != before {
			t.Errorf("%s exported\n%s\nnot\n%s", n.id.Code, skeleton, before)
		}
		if !slices.Equal(files, want) {
			t.Errorf("%s exported other files", n.id.Code)
		}
		if report, _ := w.alone(n, sent.ID); report.Result != seal.Passed {
			t.Errorf("the file of %s is %s, %s", n.id.Code, report.Result, report.Reason)
		}
	}
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if d := a.get(sent.ID); d.To[0].State != Accepted {
		t.Errorf("after the answer: %+v", d.To)
	}
	w.audited()
}

// TestP12_SignedOriginalTravelsByteForByte, once, and its attachments with it.
func TestP12_SignedOriginalTravelsByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	large := noise(300 << 10)
	message := w.signedBy(foreign("H40.12", organs("H40.15"), "ky-1", "original.edxml", wrapped("x.edxml", []byte("<không/>")), "ảnh.png", encoded(large)))
	sent := a.imported(message)
	w.deliver()
	for _, n := range []*node{a, b} {
		d := n.get(sent.ID)
		if len(d.Attachments) != 2 || d.Attachments[0].Name != "original.edxml" || n.content(sent.ID, 0) != "<không/>" || n.content(sent.ID, 1) != string(large) {
			t.Errorf("%s shows %+v", n.id.Code, d.Attachments)
		}
		if got := n.exported(sent.ID); string(got) != message {
			t.Errorf("%s exported other bytes", n.id.Code)
		}
		if report, _ := w.alone(n, sent.ID); report.Result != seal.Passed {
			t.Errorf("the file of %s is %s, %s", n.id.Code, report.Result, report.Reason)
		}
		var container bytes.Buffer
		if err := n.Export(t.Context(), sent.ID, &container); err != nil {
			t.Fatal(err)
		}
		z := must(zip.NewReader(bytes.NewReader(container.Bytes()), int64(container.Len())))
		var names []string
		for _, f := range z.File {
			if !strings.HasPrefix(f.Name, "META-INF/") && !strings.HasPrefix(f.Name, "receipts/") && f.Name != "mimetype" {
				names = append(names, f.Name)
			}
		}
		if !slices.Equal(names, []string{seal.MessageName, originalName}) {
			t.Errorf("%s: the container holds %q", n.id.Code, names)
		}
	}
	for _, n := range []*node{a, b} {
		if used, err := n.Uses(t.Context(), sha256.Sum256([]byte(message))); err != nil || !used {
			t.Errorf("%s would sweep the original away: %v", n.id.Code, err)
		}
	}
	if b.get(sent.ID).State != Arrived {
		t.Errorf("arrived %+v", b.get(sent.ID))
	}
	size := int64(0)
	for _, object := range must(bundle.Parse(must(a.headerOf(sent.ID)))).Header.Objects {
		size += object.Size
	}
	if size > int64(len(message))*3/2 {
		t.Errorf("%d bytes travel for a message of %d", size, len(message))
	}
	w.audited()
}

// headerOf is the signed header of a document's bundle.
func (n *node) headerOf(id storage.ID) (header []byte, err error) {
	err = n.db.View(context.Background(), func(tx *sqlite.Tx) error {
		r, err := getRow(tx, id)
		if err != nil {
			return err
		}
		h, err := getHead(tx, r.seq)
		header = h.header
		return err
	})
	return header, err
}

// TestSignedOriginalThatDiffersIsReturned: who seals one header and sends
// another original deceives the clerk who sees the one.
func TestSignedOriginalThatDiffersIsReturned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reason, original string }{
		"another header": {"office.reject.original-differs", "SIGNED"},
		"no message":     {"office.reject.original", "<x/>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "H40.12", "H40.15")
			a, b := w.offices["H40.12"], w.offices["H40.15"]
			message := w.signedBy(foreign("H40.12", organs("H40.15"), "ky-1", "a.pdf", encoded([]byte("%PDF-1.7"))))
			l, files := a.lettered(t, message)
			other := strings.Replace(c.original, "SIGNED", strings.Replace(message, "tưới tiêu", "khác hẳn", 1), 1)
			kept := must(a.stage(t.Context(), []byte(other)))
			l.given.original = &kept
			doc := must(a.seal(t.Context(), storage.ID{7}, l, files, false))
			w.deliver()
			if got := b.get(doc.ID); got.State != Returned || got.Why == nil || got.Why.Key != c.reason || len(got.Attachments) != 0 {
				t.Errorf("filed as %+v", got)
			}
			if err := b.ExportEdXML(t.Context(), doc.ID, io.Discard); !errors.Is(err, problem.New(problem.Conflict, "document.unreadable", "", nil)) {
				t.Errorf("export of what was not filed: %v", err)
			}
			if got := a.get(doc.ID); got.State != Returned {
				t.Errorf("the sender has %+v", got)
			}
		})
	}
}

// lettered checks a message as Import does, and stops before it is sealed.
func (n *node) lettered(t *testing.T, message string) (letter, []file) {
	t.Helper()
	staged := &contents{store: n.blobs}
	whole := must(n.blobs.Create())
	full, err := n.readHandover(t.Context(), Handover{Body: strings.NewReader(message)}, staged, whole)
	if err != nil {
		t.Fatal(err)
	}
	in := &importing{review: review{o: n.Office}, full: full, doc: full.Message.(*edxml.Document), staged: staged, whole: whole}
	l := in.letter()
	files, err := in.files(t.Context())
	if err = errors.Join(err, in.faults.Err()); err != nil {
		t.Fatal(err)
	}
	return l, files
}

// TestP2_SameMessageIsSentOnce, also when two programs hand it over at once.
func TestP2_SameMessageIsSentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	message := plainly(foreign("H40.12", organs("H40.15"), "một-lần", "a.pdf", encoded([]byte("%PDF-1.7"))))
	results := make(chan error, 4)
	for range cap(results) {
		go func() {
			_, err := a.Import(context.Background(), Handover{Body: strings.NewReader(message)})
			results <- err
		}()
	}
	saved := 0
	for range cap(results) {
		if err := <-results; err == nil {
			saved++
		} else if problem.From(err).Code != "import.already" {
			t.Error(err)
		}
	}
	docs, total, err := a.List(t.Context(), Query{Box: Out})
	if err != nil || saved != 1 || total != 1 {
		t.Fatalf("%d saved, %d there, %v", saved, total, err)
	}
	a.restart()
	_, err = a.importing(message)
	if p := problem.From(err); p.Code != "import.already" || p.Args["id"] != docs[0].ID.String() || !strings.Contains(p.Message(i18n.Vietnamese), docs[0].ID.String()) {
		t.Errorf("again: %v", err)
	}
	// Its number is not given to another document.
	if docs[0].Number != "45" {
		t.Errorf("number %s", docs[0].Number)
	}
	for n := range 46 {
		if d := a.send(draft("H40.15")); d.Number == "45" {
			t.Fatalf("document %d got number 45 again", n)
		}
	}
}

// TestP1_KilledBeforeTheSaveNothingIsHalfThere, and handing over again sends it.
func TestP1_KilledBeforeTheSaveNothingIsHalfThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	for i, build := range []func(string) string{plainly, w.signedBy} {
		message := build(foreign("H40.12", organs("H40.15"), fmt.Sprint("giữa-chừng-", i), "a.tif", encoded(noise(100<<10)), "b.pdf", encoded([]byte("%PDF"))))
		message = strings.Replace(message, "<e:CodeNumber>45", fmt.Sprint("<e:CodeNumber>", 45+i), 1)
		killed := errors.New("killed")
		a.seals = func(context.Context, string) (seal.Sealer, bool, error) { return seal.Sealer{}, false, killed }
		if _, err := a.importing(message); !errors.Is(err, killed) {
			t.Fatalf("import: %v", err)
		}
		a.restart()
		if _, total, err := a.List(t.Context(), Query{Box: Out}); err != nil || total != i {
			t.Errorf("%d documents are there, %v", total, err)
		}
		if list := must(a.queue.Outgoing(t.Context(), hubCode, w.epoch, 100)); len(list) != i {
			t.Errorf("%d bundles wait", len(list))
		}
		a.imported(message)
	}
	w.deliver()
	if got := w.offices["H40.15"].inbox(); len(got) != 2 {
		t.Errorf("%d documents arrived", len(got))
	}
}

// TestTriedImportChangesNothing and says what it would do.
func TestTriedImportChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	message := plainly(foreign("H40.12", organs("H40.15"), "thử", "a.pdf", encoded([]byte("%PDF-1.7"))))
	done, err := a.Import(t.Context(), Handover{Body: strings.NewReader(message), Try: true})
	if err != nil || done.Changed || done.Document.ID != (storage.ID{}) || done.Document.Number != "45" || done.Document.To[0].Code != "H40.15" {
		t.Errorf("tried: %+v, %v", done, err)
	}
	codes := map[string]bool{}
	for _, warning := range done.Warnings {
		codes[warning.Code+" "+warning.Field] = true
	}
	for _, want := range []string{"code BussinessDocType", "code Direction", "code Paper"} {
		if !codes[want] {
			t.Errorf("no warning %q in %v", want, done.Warnings)
		}
	}
	if _, total, err := a.List(t.Context(), Query{Box: Out}); err != nil || total != 0 {
		t.Errorf("%d documents are there, %v", total, err)
	}
}

// TestBadMessagesAreRefusedWithAllFaults and change nothing.
func TestBadMessagesAreRefusedWithAllFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	w.card(registry.Card{Code: "H40.20", Name: "UBND xã Mới"}) // no keys yet
	a := w.offices["H40.12"]
	a.o.Limits = Limits{File: 1000, Files: 3, Total: 1500}
	a.restart()
	pdf := encoded([]byte("%PDF-1.7"))
	good := func(files ...string) string { return plainly(foreign("H40.12", organs("H40.15"), "x", files...)) }
	cases := []struct {
		name, message string
		want          []string
	}{
		{"no XML", "PK\x03\x04", []string{" edxml.malformed"}},
		{"old dialect", `<edXML xmlns="http://www.e-doc.vn/Schema/"/>`, []string{" edxml.old-dialect"}},
		{"of another office", plainly(foreign("H40.15", organs("H40.15"), "x", "a.pdf", pdf)), []string{"From import.not-ours"}},
		{"unknown recipient", plainly(foreign("H40.12", organs("H99"), "x", "a.pdf", pdf)), []string{"to send.unknown-recipient"}},
		{"recipient without keys", plainly(foreign("H40.12", organs("H40.20"), "x", "a.pdf", pdf)), []string{"to send.recipient-not-enrolled"}},
		{"to oneself and the hub", plainly(foreign("H40.12", organs("H40.12", "H40"), "x", "a.pdf", pdf)), []string{"to send.to-hub", "to send.to-self"}},
		{"no attachment", good(), []string{"files send.no-file"}},
		{"empty attachment", good("a.pdf", ""), []string{"files send.file-empty"}},
		{"no base64", good("a.pdf", "*"), []string{"ContentTransferEncoded edxml.undecodable"}},
		{"too many attachments", good("a.pdf", pdf, "b.pdf", pdf, "c.pdf", pdf, "d.pdf", pdf), []string{"AttachmentEncoded edxml.attachments-many"}},
		{"large attachment", good("a.tif", encoded(noise(1001))), []string{"files send.file-too-large"}},
		{"large in its zip", good("a.txt", wrapped("b.txt", make([]byte, 2000))), []string{"files send.file-too-large"}},
		{"large together", good("a.tif", encoded(noise(900)), "b.tif", encoded(noise(900))), []string{"files send.total-too-large"}},
		{"path as a name", good("../../etc/passwd", pdf), []string{"files send.file-name-path"}},
		{"secret name", good("MẬT.pdf", pdf), []string{"files send.secret-file"}},
		{"secret subject", strings.Replace(good("a.pdf", pdf), "Kế hoạch tưới", "Tuyệt mật: tưới", 1), []string{"subject send.secret-mark"}},
		{"recall", strings.Replace(good("a.pdf", pdf), ">44<", ">1<", 1), []string{"DocumentId import.no-outgoing"}},
		{"no subject", strings.Replace(good("a.pdf", pdf), "Kế hoạch tưới tiêu", "", 1), []string{"Subject edxml.lacks"}},
		{"everything at once", plainly(foreign("H40.15", organs("H99", "H40"), "x", "a/b", "", "MẬT.pdf", pdf)), []string{
			"From import.not-ours", "files send.file-empty", "files send.file-name-path", "files send.secret-file", "to send.to-hub", "to send.unknown-recipient",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := a.importing(c.message)
			got := problem.All(err)
			var codes []string
			for _, p := range got {
				codes = append(codes, p.Field+" "+p.Code)
				for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
					if text := p.Message(lang) + p.Next(lang); strings.ContainsAny(text, "{}") || p.Next(lang) == "" {
						t.Errorf("%s: %q", p.Code, text)
					}
				}
			}
			slices.Sort(codes)
			if !slices.Equal(codes, c.want) {
				t.Errorf("problems %q (%v), want %q", codes, err, c.want)
			}
		})
	}
	cleared := strings.Replace(good("a.pdf", pdf), "Kế hoạch tưới", "Tuyệt mật: tưới", 1)
	if _, err := a.Import(t.Context(), Handover{Body: strings.NewReader(cleared), Cleared: true, Try: true}); err != nil {
		t.Errorf("cleared by a person: %v", err)
	}
	_, err := a.Import(t.Context(), Handover{Body: iotest.ErrReader(errors.New("disk on fire")), Name: "hỏng.edxml"})
	if p := problem.From(err); p.Code != "import.unreadable" || !strings.Contains(p.Message(i18n.English), "hỏng.edxml") {
		t.Errorf("unreadable: %v", err)
	}
	if docs, total, err := a.List(t.Context(), Query{Box: Out}); err != nil || total != 0 {
		t.Errorf("saved %v, %v", docs, err)
	}
}

// TestOldCodesOfSenderAndRecipientCount: software that was not told of a merger
// goes on writing the codes of before.
func TestOldCodesOfSenderAndRecipientCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	for _, code := range []string{"H40.12", "H40.15"} {
		id := w.offices[code].id
		w.clock = w.clock.Add(time.Second)
		w.card(registry.Card{
			Code: code, Name: id.Name, Parent: hubCode, Kind: "xa", Device: id.Device.Public(), Recipient: id.Age.Recipient().String(),
			Succession: registry.Succession{Old: []string{"000.00." + code[4:] + ".H40"}},
		})
	}
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	a.restart()
	b.restart()
	sent := a.imported(plainly(foreign("000.00.12.H40", organs("000.00.15.H40"), "mã-cũ", "a.pdf", encoded([]byte("%PDF")))))
	w.deliver()
	got := b.get(sent.ID)
	if got.State != Arrived || got.From.Code != "H40.12" || len(got.To) != 1 {
		t.Fatalf("arrived %+v", got)
	}
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if got := a.get(sent.ID); got.State != Accepted {
		t.Errorf("the sender has %+v", got.To)
	}
	for _, n := range []*node{a, b} {
		if report, _ := w.alone(n, sent.ID); report.Result != seal.Passed {
			t.Errorf("the file of %s is %s, %s", n.id.Code, report.Result, report.Reason)
		}
	}
}

// TestCodeOfAMergedOfficeCountsAsTheSenders: its software writes on under the
// code of before.
func TestCodeOfAMergedOfficeCountsAsTheSenders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	w.card(registry.Card{Code: "H40.13", Name: "UBND xã Cũ", Parent: hubCode, Kind: "xa", Succession: registry.Succession{Into: "H40.12"}})
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	a.restart()
	b.restart()
	sent := a.imported(plainly(foreign("H40.13", organs("H40.15"), "sáp-nhập", "a.pdf", encoded([]byte("%PDF")))))
	w.deliver()
	if got := b.get(sent.ID); got.State != Arrived || got.From.Code != "H40.12" {
		t.Errorf("arrived %+v", got)
	}
	if _, err := b.importing(plainly(foreign("H40.13", organs("H40.12"), "giả", "a.pdf", encoded([]byte("%PDF"))))); problem.From(err).Code != "import.not-ours" {
		t.Errorf("another office under that code: %v", err)
	}
}

// TestExportOfOurOwnDocumentIsANationalMessage with the attachments inside.
func TestExportOfOurOwnDocumentIsANationalMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	d := draft("B")
	d.Files = append(d.Files, text("phụ lục.docx", "phụ lục"))
	sent := a.send(d)
	w.deliver()
	first := a.exported(sent.ID)
	if !bytes.Equal(first, b.exported(sent.ID)) {
		t.Error("the offices export other bytes")
	}
	if _, files := unpacked(t, first); !slices.Equal(files, []string{"%PDF-1.7 nội dung", "phụ lục"}) {
		t.Errorf("files %q", files)
	}
}
