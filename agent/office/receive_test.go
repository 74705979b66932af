package office

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/storage/audit"
	"tram/sync/bundle"
)

// forgery is a document bundle in the making, with a good header signature.
type forgery struct {
	kind    bundle.Kind
	from    *identity.Identity
	sealer  seal.Sealer
	message *edxml.Document
	raw     []byte // message instead of the above
	sealed  []seal.File
	name    string // of the message entry
	head    []byte // head instead of all of the above
	files   [][]byte
	slipFor func(bundle.Key) ([]byte, error)
	key     bundle.Key
	damage  func(objects [][]byte)
}

// forge sends B a document from A that spoil has altered before it was signed.
func forge(w *world, spoil func(*forgery)) uuid.UUID {
	w.t.Helper()
	a, b := w.offices["A"], w.offices["B"]
	r := &review{o: a.Office}
	d := draft("B")
	d.Number = "9"
	l := r.draft(d)
	content := []byte("nội dung")
	files := []file{{name: "a.pdf", entry: "a.pdf", media: "application/pdf", content: must(a.stage(w.t.Context(), content))}}
	id := must(uuid.NewV7())
	f := &forgery{
		kind: bundle.KindDocument, from: a.id, sealer: *a.sealer.Load(), message: a.message(id, l, files), name: seal.MessageName, files: [][]byte{content}, key: must(bundle.NewKey()),
		sealed: []seal.File{{Name: "a.pdf", SHA256: files[0].content.SHA256, Size: files[0].content.Size}},
	}
	f.slipFor = func(k bundle.Key) ([]byte, error) { return k.Slip(b.id.Age.Recipient().String()) }
	spoil(f)
	if f.raw == nil {
		f.raw = must(encodeDocument(f.message))
	}
	if f.head == nil {
		f.head = must(f.sealer.Seal(seal.Named{Name: f.name, Data: f.raw}, f.sealed))
	}
	h := bundle.Header{ID: id, From: "A", To: []string{"B"}, Kind: f.kind, Created: w.clock, Expires: w.clock.Add(time.Hour), Key: f.key.Recipient()}
	var objects [][]byte
	for i, plain := range append([][]byte{f.head}, f.files...) {
		sent, o, err := f.key.EncryptBytes(plain, map[bool]bundle.Role{true: bundle.RoleHead, false: bundle.RoleAttachment}[i == 0])
		if err != nil {
			w.t.Fatal(err)
		}
		objects, h.Objects = append(objects, sent), append(h.Objects, o)
	}
	if f.damage != nil {
		f.damage(objects)
		for i, o := range objects {
			h.Objects[i] = bundle.Describe(o, h.Objects[i].Role, h.Objects[i].Encoding)
		}
	}
	b.take(must(bundle.Sign(h, f.from.Device)).Stored(), must(f.slipFor(f.key)), objects)
	return id
}

// Whatever is wrong with a document, it is recorded with a reason, answered
// with status 02, and never filed as good.
func TestBadDocumentsAreRecordedAndReturned(t *testing.T) {
	t.Parallel()
	foreign := newWorld(t, "A")
	cases := []struct {
		name, reason string
		spoil        func(w *world, f *forgery)
	}{
		{"good after all", "", func(*world, *forgery) {}},
		{"sealed by another office", "Con dấu số của C", func(w *world, f *forgery) { f.sealer = *w.offices["C"].sealer.Load() }},
		{"sealed under another CA", "không do hệ thống này cấp", func(_ *world, f *forgery) { f.sealer = *foreign.offices["A"].sealer.Load() }},
		{"sealed with the device key", "không phải của con dấu", func(w *world, f *forgery) {
			f.sealer.Key, f.sealer.Cert = w.offices["A"].id.Device, w.offices["A"].id.DeviceCert
		}},
		{"no seal", "Không đọc được con dấu số", func(_ *world, f *forgery) { f.head = []byte("PK no zip") }},
		{"message of another office", "do A gửi", func(_ *world, f *forgery) { f.message.From.ID = "C" }},
		{"no edXML", "không vào sổ được", func(_ *world, f *forgery) { f.raw = []byte("<x/>") }},
		{"DOCTYPE", "DOCTYPE", func(_ *world, f *forgery) {
			f.raw = append([]byte("<!DOCTYPE edXML>"), must(encodeDocument(f.message))...)
		}},
		{"a status in place of a document", "không đúng loại", func(w *world, f *forgery) {
			f.raw = must(encodeStatus(&edxml.Status{
				From: w.offices["A"].organ(), Code: edxml.StatusArrived, Time: w.clock,
				ResponseFor: edxml.ResponseFor{OrganID: "B", DocumentID: "x"},
			}))
		}},
		{"file changed after sealing", "“a.pdf” đã bị thay đổi", func(_ *world, f *forgery) { f.files[0] = []byte("Nội dung") }},
		{"file longer than sealed", "“a.pdf”", func(_ *world, f *forgery) { f.files[0] = []byte("nội dung dài hơn") }},
		{"file missing", "nhận 0, đóng dấu 1, kê khai 1", func(_ *world, f *forgery) { f.files = nil }},
		{"file that is not named", "nhận 2, đóng dấu 1, kê khai 1", func(_ *world, f *forgery) { f.files = append(f.files, []byte("x")) }},
		{"head damaged", "Không giải mã được nội dung", func(_ *world, f *forgery) {
			f.damage = func(objects [][]byte) { objects[0][len(objects[0])-1] ^= 1 }
		}},
		{"file damaged", "Không giải mã được tệp", func(_ *world, f *forgery) {
			f.damage = func(objects [][]byte) { objects[1][len(objects[1])-1] ^= 1 }
		}},
		{"file cut", "Không giải mã được tệp", func(_ *world, f *forgery) {
			f.damage = func(objects [][]byte) { objects[1] = objects[1][:len(objects[1])-4] }
		}},
		{"slip for somebody else", "không có khóa mở", func(w *world, f *forgery) {
			f.slipFor = func(k bundle.Key) ([]byte, error) { return k.Slip(w.offices["C"].id.Age.Recipient().String()) }
		}},
		{"slip with another key", "không có khóa mở", func(_ *world, f *forgery) {
			own := f.slipFor
			f.slipFor = func(bundle.Key) ([]byte, error) { return own(must(bundle.NewKey())) }
		}},
	}
	w := newWorld(t, "A", "B", "C")
	b := w.offices["B"]
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := forge(w, func(f *forgery) { c.spoil(w, f) })
			if err := b.drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := b.get(id)
			if c.reason == "" {
				if got.State != Arrived || got.Seal.Verdict != "passed" {
					t.Fatalf("a good document: %+v", got)
				}
				return
			}
			if got.State != Returned || !strings.Contains(got.Reason, c.reason) || got.From.Code != "A" || got.Subject == "" || strings.Contains(got.Reason, "{") {
				t.Errorf("state %s, reason %q, from %s, subject %q", got.State, got.Reason, got.From.Code, got.Subject)
			}
			last := got.Events[len(got.Events)-1]
			if last.Step != Returned || last.Evidence != EvidenceStatus || last.Note != got.Reason {
				t.Errorf("track: %+v", got.Events)
			}
			for _, words := range []string{got.ReasonIn(i18n.English), got.To[0].ReasonIn(i18n.English), last.Words(i18n.English)} {
				if words == "" || words != strings.ToValidUTF8(words, "?") || vietnamese.MatchString(words) {
					t.Errorf("in English: %q", words)
				}
			}
			out, err := b.queue.Outgoing(t.Context(), hubCode, w.epoch, 100)
			if err != nil {
				t.Fatal(err)
			}
			if last := out[len(out)-1]; last.InReplyTo != id || last.Kind != uint8(bundle.KindStatus) || last.To[0] != "A" {
				t.Errorf("no answer to the sender: %+v", last)
			}
		})
	}
	w.deliver() // the answers name documents that A does not have, and change nothing there
	w.audited()
	if list, err := b.Suspects(t.Context(), w.clock.Add(-time.Hour)); err != nil || len(list) != 1 || list[0].Sender != "A" || list[0].Count != len(cases)-1 || list[0].Last.IsZero() {
		t.Errorf("suspects: %+v, %v", list, err)
	}
	if list, err := b.Suspects(t.Context(), w.clock.Add(time.Hour)); err != nil || len(list) != 0 {
		t.Errorf("suspects of later: %+v, %v", list, err)
	}
}

// vietnamese are letters that no English message has.
var vietnamese = regexp.MustCompile(`[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]`)

// A file name that a foreign program put into the message cannot reach out of
// a folder here.
func TestForeignFileNamesAreMadeSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	id := forge(w, func(f *forgery) { f.message.Manifest[0].Name = "../../x\u202e.pdf" })
	w.deliver()
	if got := w.offices["B"].get(id); got.State != Arrived || got.Attachments[0].Name != "x.pdf" {
		t.Errorf("%s %+v", got.State, got.Attachments)
	}
}

// status sends A a status about a document, as from would make it.
func status(w *world, from string, about Document, spoil func(*edxml.Status, *bundle.Header)) {
	w.t.Helper()
	a, n := w.offices["A"], w.offices[from]
	id := must(uuid.NewV7())
	s := &edxml.Status{
		From: n.organ(), Code: edxml.StatusArrived, Time: w.clock,
		ResponseFor: edxml.ResponseFor{OrganID: "A", DocumentID: about.EdXMLID},
	}
	key := must(bundle.NewKey())
	h := bundle.Header{
		ID: id, From: from, To: []string{"A"}, Kind: bundle.KindStatus, InReplyTo: about.ID,
		Created: w.clock, Expires: w.clock.Add(time.Hour), Key: key.Recipient(),
	}
	spoil(s, &h)
	raw := bytes.Replace(must(encodeStatus(s)), []byte(">16<"), []byte(">99<"), 1) // 16 stands for a code that is not in the list
	head := must(n.sealer.Load().Seal(seal.Named{Name: seal.StatusName(from, id.String()), Data: raw}, nil))
	sent, o, err := key.EncryptBytes(head, bundle.RoleHead)
	if err != nil {
		w.t.Fatal(err)
	}
	h.Objects = []bundle.Object{o}
	a.take(must(bundle.Sign(h, n.id.Device)).Stored(), must(key.Slip(a.id.Age.Recipient().String())), [][]byte{sent})
	if err := a.drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestForgedStatusesChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	sent, other := a.send(draft("B")), a.send(draft("B"))
	w.relay()
	before := a.get(sent.ID)
	for name, spoil := range map[string]func(*edxml.Status, *bundle.Header){
		"not a recipient": func(*edxml.Status, *bundle.Header) {},
		"names B": func(s *edxml.Status, _ *bundle.Header) {
			s.From.ID = "B"
		},
		"header names B": func(s *edxml.Status, h *bundle.Header) {
			s.From.ID, h.From = "B", "B"
		},
		"about nothing": func(_ *edxml.Status, h *bundle.Header) { h.InReplyTo = uuid.New() },
	} {
		status(w, "C", sent, spoil)
		if got := a.get(sent.ID); got.State != before.State || len(got.Events) != len(before.Events) {
			t.Errorf("%s: state %s, track %q", name, got.State, track(got))
		}
	}
	// B answers one document in the header and another in the message.
	status(w, "B", sent, func(s *edxml.Status, _ *bundle.Header) { s.ResponseFor.DocumentID = other.EdXMLID })
	if got := a.get(sent.ID); got.State != AtHub {
		t.Errorf("ambiguous status: state %s", got.State)
	}
	rows, err := audit.List(t.Context(), a.db, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0
	for _, r := range rows {
		if r.Action == actionDrop {
			dropped++
		}
	}
	if dropped != 5 {
		t.Errorf("%d of 5 forged statuses are in the audit log", dropped)
	}
}

// Statuses may come late, twice and in any order: the state follows the
// furthest, and all of them stay in the track.
func TestLateAndRepeatedStatusesNeverMoveBackwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	sent := a.send(draft("B"))
	code := func(c edxml.StatusCode, text string) func(*edxml.Status, *bundle.Header) {
		return func(s *edxml.Status, _ *bundle.Header) { s.Code, s.Description = c, text }
	}
	status(w, "B", sent, code(edxml.StatusAccepted, "Số đến: 0042 ngày 23/11/2026")) // overtook custody and 01
	for _, c := range []edxml.StatusCode{edxml.StatusArrived, edxml.StatusAccepted, edxml.StatusReturned, edxml.StatusAssigned, edxml.StatusDone, edxml.StatusRefused} {
		status(w, "B", sent, code(c, "muộn"))
		if got := a.get(sent.ID); got.State != Accepted || got.To[0].Number != "42" {
			t.Errorf("after %s: %s, %+v", c, got.State, got.To[0])
		}
	}
	var notes []string
	for _, e := range a.get(sent.ID).Events[1:] {
		notes = append(notes, string(e.Step)+" "+e.Note)
	}
	want := []string{
		"accepted Số đến: 0042 ngày 23/11/2026", "delivered muộn", "accepted muộn", "returned muộn",
		"accepted 04 Phân công: muộn", "accepted 06 Hoàn thành: muộn", "accepted 99 Trạng thái khác: muộn",
	}
	if !slices.Equal(notes, want) {
		t.Errorf("track: %q", notes)
	}
	w.relay() // custody comes last of all
	if got := a.get(sent.ID); got.State != Accepted {
		t.Errorf("custody moved it to %s", got.State)
	}
}

func TestReceiptAfterExpiryStillCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	sent := a.send(draft("B"))
	w.clock = w.clock.Add(DefaultLifetime + time.Second)
	a.round(t.Context())
	if got := a.get(sent.ID); got.State != Failed {
		t.Fatalf("state %s", got.State)
	}
	status(w, "B", sent, func(*edxml.Status, *bundle.Header) {})
	if got := a.get(sent.ID); got.State != Delivered || got.Reason != "" || got.To[0].Reason != "" {
		t.Errorf("%s %q %+v", got.State, got.Reason, got.To)
	}
}

func TestArrivalNumberInDescription(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Số đến 7 ngày 23/11/2026": "7", "Đã tiếp nhận. số đến: 1287": "1287", "SỐ ĐẾN 05": "5", "Tiếp nhận văn bản": "", "Số đến không rõ 12": "", "": "",
	} {
		if got := arrivalOf(text); got != want {
			t.Errorf("arrivalOf(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestHubNoticesCardsAndOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	sent := a.send(draft("B", "C"))
	w.relay()
	undeliverable := func(office string) []byte {
		return []byte(`{"v":1,"type":"undeliverable","document":"` + sent.ID.String() + `","office":"` + office + `","code":6,"at":"2026-11-23T03:00:00Z"}`)
	}
	drain := func() Document {
		t.Helper()
		if err := a.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a.get(sent.ID)
	}
	before := drain()
	c := w.offices["C"].id
	w.control(a, "C", c.Device, bundle.KindNotice, bundle.RoleNotice, undeliverable("B"))
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, undeliverable("X"))
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, []byte(`{"v":2}`))
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, []byte(`not JSON`))
	w.control(a, "C", c.Device, bundle.KindRegistry, bundle.RoleRegistry, nil)
	w.control(a, "C", c.Device, bundle.KindCommand, bundle.RoleHead, []byte("reboot"))
	if got := drain(); got.State != before.State || len(got.Events) != len(before.Events) {
		t.Errorf("an office or a bad notice changed the track: %q", track(got))
	}
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, undeliverable("c"))
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, undeliverable("C"))
	got := drain()
	if got.To[0].State != AtHub || got.To[1].State != Failed || !strings.Contains(got.To[1].Reason, "danh bạ") {
		t.Errorf("%+v", got.To)
	}
	if list := track(got); list[len(list)-1] != "failed:C:H40:notice" || len(list) != len(before.Events)+1 {
		t.Errorf("track: %q", list)
	}
	w.control(a, hubCode, w.hub.key, bundle.KindRegistry, bundle.RoleRegistry,
		must(registry.EncodeCards([][]byte{w.card(registry.Card{Code: "D", Name: "Sở Mới"})})))
	drain()
	if card, err := a.o.Registry.Lookup("D"); err != nil || card.Name != "Sở Mới" {
		t.Errorf("card %+v, %v", card, err)
	}
	if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Inbox != 0 {
		t.Errorf("left in the inbox: %+v, %v", stats, err)
	}
	w.audited()
}

// A document from an office whose card is not here yet is filed, and its
// sender is told as soon as the card comes.
func TestStatusIsOwedUntilTheSendersKeyIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "B")
	b := w.offices["B"]
	w.offices["A"] = &node{w: w, dir: t.TempDir(), id: w.identity("A", "UBND xã A")}
	a := w.offices["A"]
	a.start()
	sent := a.send(draft("B"))
	w.deliver()
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if got := a.get(sent.ID); got.State != AtHub {
		t.Fatalf("the sender was told without a key: %s", got.State)
	}
	w.control(b, hubCode, w.hub.key, bundle.KindRegistry, bundle.RoleRegistry, must(registry.EncodeCards([][]byte{w.cards["A"]})))
	b.round(t.Context())
	w.deliver()
	got := a.get(sent.ID)
	if got.State != Accepted || got.To[0].Number != "1" {
		t.Errorf("the sender sees %s, track %q", got.State, track(got))
	}
	b.round(t.Context())
	if w.relay() != 0 {
		t.Error("a status was made twice")
	}
}
