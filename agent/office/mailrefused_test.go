package office

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// forgeMail sends B a message from A that spoil has altered; A knows it as its own.
func forgeMail(w *world, spoil func(*forgery)) storage.ID {
	w.t.Helper()
	a := w.offices["A"]
	id := forge(w, func(f *forgery) {
		f.kind, f.name, f.raw = bundle.KindDossier, "dossier.json", []byte("{}")
		spoil(f)
	})
	err := a.db.Update(w.t.Context(), func(tx *sqlite.Tx) error {
		return insertMail(tx, SealedMail{ID: id, To: []Party{{Code: "B"}}, Expires: w.clock.Add(time.Hour), kind: bundle.KindDossier})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// TestP6_P7_BadMailIsRefusedAndItsSenderIsTold: whatever is wrong with a message,
// it is not taken; both sides have the reason, once, and nobody answers that.
func TestP6_P7_BadMailIsRefusedAndItsSenderIsTold(t *testing.T) {
	t.Parallel()
	foreign := newWorld(t, "A")
	cases := []struct {
		name, reason string // reason in Vietnamese, "" for a good one
		head         bool   // it is kept
		spoil        func(w *world, f *forgery)
	}{
		{"good after all", "", true, func(*world, *forgery) {}},
		{"sealed by another office", "Con dấu số của C", true, func(w *world, f *forgery) { f.sealer = *w.offices["C"].sealer.Load() }},
		{"sealed under another CA", "không do hệ thống này cấp", true, func(_ *world, f *forgery) { f.sealer = *foreign.offices["A"].sealer.Load() }},
		{"sealed with the device key", "không phải của con dấu", true, func(w *world, f *forgery) {
			f.sealer.Key, f.sealer.Cert = w.offices["A"].id.Device, w.offices["A"].id.DeviceCert
		}},
		{"no seal", "Không đọc được con dấu số", false, func(_ *world, f *forgery) { f.head = []byte("PK no zip") }},
		{"file changed after sealing", "“a.pdf” đã bị thay đổi", true, func(_ *world, f *forgery) { f.files[0] = []byte("Nội dung") }},
		{"file longer than sealed", "“a.pdf”", true, func(_ *world, f *forgery) { f.files[0] = []byte("nội dung dài hơn") }},
		{"file missing", "nhận 0, đóng dấu 1", true, func(_ *world, f *forgery) { f.files = nil }},
		{"file that is not sealed", "nhận 2, đóng dấu 1", true, func(_ *world, f *forgery) { f.files = append(f.files, []byte("x")) }},
		{"head damaged", "Không giải mã được nội dung", false, func(_ *world, f *forgery) {
			f.damage = func(objects [][]byte) { objects[0][len(objects[0])-1] ^= 1 }
		}},
		{"file damaged", "Không giải mã được tệp", true, func(_ *world, f *forgery) {
			f.damage = func(objects [][]byte) { objects[1][len(objects[1])-1] ^= 1 }
		}},
		{"key slip for somebody else", "không có khóa mở", false, func(w *world, f *forgery) {
			f.slipFor = func(k bundle.Key) ([]byte, error) { return k.Slip(w.offices["C"].id.Age.Recipient().String()) }
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := mailWorld(t, "A", "B", "C")
			a, b := w.offices["A"], w.offices["B"]
			id := forgeMail(w, func(f *forgery) { c.spoil(w, f) })
			w.deliver()
			w.epoch = uuid.New()
			b.restart()
			w.deliver()
			told := a.told(id)
			if c.reason == "" {
				wants(t, "told", told, "delivered:B:B:status")
				return
			}
			wants(t, "told", told, "returned:B:B:status")
			vi, en := b.asked(`SELECT vi FROM box_refused`), b.asked(`SELECT en FROM box_refused`)
			if len(vi) != 1 || !strings.Contains(vi[0], c.reason) || vietnamese.MatchString(strings.ReplaceAll(en[0], "“a.pdf”", "")) {
				t.Errorf("reason %q, %q", vi, en)
			}
			if words := a.asked(`SELECT words FROM box_told`); !strings.Contains(words[0], c.reason) {
				t.Errorf("the sender was told %q", words)
			}
			if kept := b.asked(`SELECT head FROM box_refused`)[0] == "1"; kept != c.head || b.asked(`SELECT message FROM box_taken`) != nil {
				t.Errorf("head kept: %v, taken: %q", kept, b.asked(`SELECT message FROM box_taken`))
			}
			w.audited()
		})
	}
}

// TestARefusalOfTheMailboxIsTold: what another part of the office does not want
// goes back with its words; what it cannot take just now is offered to it again.
func TestARefusalOfTheMailboxIsTold(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	s := a.post(a.mail("B"))
	b.box.fail = func(what string) error {
		if what == "take" {
			return &Refusal{Why: i18n.Say("office.reject.message-kind"), Cause: errors.New("field x")}
		}
		return errors.New("busy") // a crash between the two
	}
	w.relay()
	if err := b.drain(t.Context()); err == nil {
		t.Fatal("nothing is stuck")
	}
	b.box.fail = func(what string) error {
		if what == "take" {
			return &Refusal{Why: i18n.Say("office.reject.message-kind")}
		}
		return nil
	}
	w.deliver()
	w.epoch = uuid.New()
	w.deliver()
	wants(t, "told", a.told(s.ID), "hub:B:H40:custody", "returned:B:B:status")
	wants(t, "refused", b.asked(`SELECT vi FROM box_refused`), "Gói tin edXML không đúng loại")
	wants(t, "taken", b.asked(`SELECT message FROM box_taken`))
	if stats := must(a.queue.Stats(t.Context())); stats.Bundles != 0 {
		t.Errorf("the sender keeps %+v of what came back", stats)
	}
	w.audited()
}

// TestMailThatNobodyTakesGoesBack: an office without the part that the message is
// for says so.
func TestMailThatNobodyTakesGoesBack(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	b.box = nil
	b.restart()
	s := a.post(a.mail("B"))
	w.deliver()
	wants(t, "told", a.told(s.ID), "hub:B:H40:custody", "returned:B:B:status")
	if words := a.asked(`SELECT words FROM box_told`); !strings.Contains(words[1], "chưa nhận được hồ sơ điện tử") {
		t.Errorf("words: %q", words)
	}
	if _, err := b.SealMail(t.Context(), b.mail("A")); err == nil {
		t.Error("an office that takes no answers sends messages")
	}
	if stats := must(b.queue.Stats(t.Context())); stats.Inbox != 0 {
		t.Errorf("left in the inbox: %+v", stats)
	}
}

// TestP7_OnlyARecipientAnswersAMessage: a forged, foreign or odd status moves
// nothing.
func TestP7_OnlyARecipientAnswersAMessage(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B", "C")
	a, b := w.offices["A"], w.offices["B"]
	s := a.post(a.mail("B"))
	delete(w.offices, "B")
	w.deliver()
	w.offices["B"] = b
	about := Document{ID: s.ID, EdXMLID: s.ID.String()}
	for _, spoil := range []struct {
		from string
		do   func(*edxml.Status, *bundle.Header)
	}{
		{"C", func(*edxml.Status, *bundle.Header) {}},
		{"C", func(s *edxml.Status, h *bundle.Header) { s.From.ID = "B" }},
		{"B", func(s *edxml.Status, h *bundle.Header) { s.ResponseFor.DocumentID = "x" }},
		{"B", func(s *edxml.Status, h *bundle.Header) { h.InReplyTo = uuid.New() }},
		{"B", func(s *edxml.Status, h *bundle.Header) { s.Code, s.Description = edxml.StatusAccepted, "x" }},
		{"B", func(s *edxml.Status, h *bundle.Header) { s.Code, s.Description = edxml.StatusDone, "x" }},
	} {
		status(w, spoil.from, about, spoil.do)
		if err := a.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, "told", a.told(s.ID), "hub:B:H40:custody")
	status(w, "B", about, func(*edxml.Status, *bundle.Header) {})
	status(w, "B", about, func(*edxml.Status, *bundle.Header) {}) // says the same again
	status(w, "B", about, func(s *edxml.Status, h *bundle.Header) { s.Code, s.Description = edxml.StatusReturned, "nghĩ lại" })
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "told", a.told(s.ID)[1:], "delivered:B:B:status")
}

// TestMailThatDoesNotArriveIsTold: a hub's notice about one recipient, the end of
// the lifetime, and a hub that will not take it. A receipt counts also later.
func TestMailThatDoesNotArriveIsTold(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B", "C")
	a, b := w.offices["A"], w.offices["B"]
	delete(w.offices, "B")
	s := a.post(a.mail("B", "C"))
	w.deliver()
	notice := func(office string) []byte {
		return []byte(`{"v":1,"type":"undeliverable","document":"` + s.ID.String() + `","office":"` + office + `","code":6,"at":"2026-11-23T03:00:00Z"}`)
	}
	for _, n := range []string{"X", "C", "b", "B"} { // no recipient, one that has it, and twice the one
		w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, notice(n))
	}
	w.control(a, "C", w.offices["C"].id.Device, bundle.KindNotice, bundle.RoleNotice, notice("B")) // no hub
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "told", a.told(s.ID), "hub:B+C:H40:custody", "delivered:C:C:status", "failed:B:H40:notice")
	if stats := must(a.queue.Stats(t.Context())); stats.Bundles != 0 {
		t.Errorf("the sender keeps %+v", stats)
	}
	late := a.post(a.mail("B"))
	never := a.post(a.mail("B"))
	if err := a.queue.Settle(t.Context(), hubCode, never.ID, storage.Outcome{Code: uint16(wire.CodeUnknownRecipient), At: w.clock}); err != nil {
		t.Fatal(err)
	}
	wants(t, "told", a.told(never.ID), "failed:B::")
	w.offices["B"] = b
	w.relay()
	w.clock = w.clock.Add(DefaultLifetime + time.Minute)
	a.round(t.Context())
	a.round(t.Context())
	wants(t, "told", a.told(late.ID), "hub:B:H40:custody", "failed:B::")
	words := a.asked(`SELECT words FROM box_told WHERE line LIKE 'failed%'`)
	if len(words) != 3 || !strings.Contains(words[2], "Hết thời hạn") || !strings.Contains(words[2], "/ The time for sending ended") {
		t.Errorf("words: %q", words)
	}
	w.deliver() // B had it before that, and only now has a line
	wants(t, "told", a.told(late.ID)[2:], "delivered:B:B:status")
	w.clock = w.clock.Add(StatusLifetime)
	a.round(t.Context())
	if left := a.asked(`SELECT code FROM mail_recipients UNION ALL SELECT kind FROM mail`); left != nil {
		t.Errorf("remembered for ever: %q", left)
	}
	w.audited()
}

// TestAnswerToMailIsOwedUntilTheSendersKeyIsKnown.
func TestAnswerToMailIsOwedUntilTheSendersKeyIsKnown(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "B")
	b := w.offices["B"]
	a := &node{w: w, dir: t.TempDir(), id: w.identity("A", "UBND xã A")}
	a.box = &mailbox{n: a}
	w.offices["A"] = a
	a.start()
	s := a.post(a.mail("B"))
	w.deliver()
	b.round(t.Context())
	if told := a.told(s.ID); len(told) != 1 || len(b.asked(`SELECT message FROM box_taken`)) != 1 {
		t.Fatalf("told %q", told)
	}
	w.control(b, hubCode, w.hub.key, bundle.KindRegistry, bundle.RoleRegistry, must(registry.EncodeCards([][]byte{w.cards["A"]})))
	b.round(t.Context())
	w.deliver()
	b.round(t.Context())
	w.deliver()
	wants(t, "told", a.told(s.ID), "hub:B:H40:custody", "delivered:B:B:status")
	wants(t, "owed", b.asked(`SELECT code FROM mail_owed`))
}

// TestMailIsCheckedBeforeItIsSealed: every fault at once, with its field.
func TestMailIsCheckedBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	w.card(registry.Card{Code: "NEW", Name: "Chưa kết nối"})
	w.card(registry.Card{
		Code: "B", Name: "UBND xã B", Device: w.offices["B"].id.Device.Public(), Recipient: w.offices["B"].id.Age.Recipient().String(),
		Succession: registry.Succession{Old: []string{"000.15.H40"}},
	})
	a := w.offices["A"]
	a.o.Limits = Limits{File: 100, Files: 3, Total: 150}
	a.box = &mailbox{n: a}
	a.restart()
	a.Reach(outsider{})
	cases := []struct {
		name, want string // faults as field:code
		spoil      func(m *Mail)
	}{
		{"nobody", "to:send.no-recipient", func(m *Mail) { m.To = []string{" "} }},
		{"unknown", "to:send.unknown-recipient", func(m *Mail) { m.To = []string{"B", "Z"} }},
		{"reached through a connector only", "to:send.unknown-recipient", func(m *Mail) { m.To = []string{"OUT"} }},
		{"not enrolled", "to:send.recipient-not-enrolled", func(m *Mail) { m.To = []string{"NEW"} }},
		{"itself and the hub", "to:send.to-self to:send.to-hub", func(m *Mail) { m.To = []string{"a", "H40"} }},
		{"urgency", "urgency:send.urgency", func(m *Mail) { m.Urgency = 9 }},
		{"no message", "message:mail.message", func(m *Mail) { m.Message = nil }},
		{"a large message", "message:mail.message", func(m *Mail) { m.Message = bytes.Repeat([]byte(" "), seal.MaxMessage+1) }},
		{"files", "files:send.file-empty files:send.file-too-large files:send.file-name-path", func(m *Mail) {
			m.Files = []MailFile{a.staged("rỗng", ""), a.staged("lớn", strings.Repeat("x", 101)), a.staged("../x", "x")}
		}},
		{"too many files", "files:send.too-many-files", func(m *Mail) { m.Files = make([]MailFile, 4) }},
		{"files in all", "files:send.total-too-large", func(m *Mail) {
			m.Files = []MailFile{a.staged("1", strings.Repeat("x", 90)), a.staged("2", strings.Repeat("y", 90))}
		}},
	}
	for _, c := range cases {
		m := a.mail("B")
		c.spoil(&m)
		_, err := a.SealMail(t.Context(), m)
		var list problem.List
		var got []string
		if errors.As(err, &list) {
			for _, p := range list {
				got = append(got, p.Field+":"+p.Code)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.want)
		}
	}
	s, err := a.SealMail(t.Context(), a.mail("000.15.h40"))
	if err != nil || s.To[0].Code != "B" || s.Moved["B"] != "000.15.h40" {
		t.Errorf("to an old code: %+v, %v", s.To, err)
	}
	m := a.mail("B")
	m.Files = []MailFile{{Name: "mất.pdf", Content: blob.Content{Size: 50}}}
	if _, err := a.SealMail(t.Context(), m); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("content that is not here: %v", err)
	}
	if n := w.relay(); n != 0 {
		t.Errorf("%d bundles went out", n)
	}
}

// outsider reaches the office OUT through a connector.
type outsider struct{}

func (outsider) Route(code string) (string, Party, bool, error) {
	return "axis", Party{"OUT", "Ngoài Trạm"}, code == "OUT", nil
}

// TestTheSuccessorOfARecipientAnswersForIt: the recipient was merged into another
// office while the message was on its way there.
func TestTheSuccessorOfARecipientAnswersForIt(t *testing.T) {
	t.Parallel()
	w := mailWorld(t, "A", "B", "C")
	a := w.offices["A"]
	s := a.post(a.mail("B"))
	delete(w.offices, "B")
	w.deliver()
	status(w, "C", Document{ID: s.ID, EdXMLID: s.ID.String()}, func(*edxml.Status, *bundle.Header) {})
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "told", a.told(s.ID)[1:])
	w.card(registry.Card{Code: "B", Name: "UBND xã B", Succession: registry.Succession{Into: "C"}})
	w.control(a, hubCode, w.hub.key, bundle.KindRegistry, bundle.RoleRegistry, must(registry.EncodeCards([][]byte{w.cards["B"]})))
	status(w, "C", Document{ID: s.ID, EdXMLID: s.ID.String()}, func(*edxml.Status, *bundle.Header) {})
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "told", a.told(s.ID)[1:], "delivered:B:C:status")
}
