package office

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// ask sends a status 13 as an office of another maker would.
func (w *world) ask(from, to *node, inReplyTo uuid.UUID, edxmlID, reason string) storage.ID {
	w.t.Helper()
	return w.status(from, to, inReplyTo, edxml.Status{
		From: from.organ(), ResponseFor: edxml.ResponseFor{OrganID: to.id.Code, DocumentID: edxmlID, Code: "1/X"},
		Code: edxml.StatusTakeBack, Description: reason, Time: w.clock, Staff: edxml.Staff{Name: "Lê Văn Mẫu"},
	})
}

func (w *world) status(from, to *node, inReplyTo uuid.UUID, s edxml.Status) storage.ID {
	w.t.Helper()
	id := must(uuid.NewV7())
	head := must(from.sealer.Load().Seal(seal.Named{Name: seal.StatusName(from.id.Code, id.String()), Data: must(encodeStatus(&s))}, nil))
	k := must(bundle.NewKey())
	sent, object, err := k.EncryptBytes(head, bundle.RoleHead)
	if err != nil {
		w.t.Fatal(err)
	}
	signed := must(bundle.Sign(bundle.Header{
		ID: id, From: from.id.Code, To: []string{to.id.Code}, Kind: bundle.KindStatus, InReplyTo: inReplyTo, Created: w.clock,
		Expires: w.clock.Add(time.Hour), Key: k.Recipient(), Objects: []bundle.Object{object},
	}, from.id.Device))
	to.take(signed.Stored(), must(k.Slip(to.id.Age.Recipient().String())), [][]byte{sent})
	return id
}

// TestP7_OnlyTheIssuerRecalls: an order of another office is refused, and stands
// in the document's track. One that comes early cancels nothing either.
func TestP7_OnlyTheIssuerRecalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, thief := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	w.ask(thief, b, sent.ID, sent.EdXMLID, "tôi thu hồi")
	w.ask(thief, b, uuid.Nil, sent.EdXMLID, "tôi thu hồi")
	w.deliver()
	here := b.get(sent.ID)
	if here.State != Arrived || here.Request != nil {
		t.Errorf("a foreign order made it %s, %+v", here.State, here.Request)
	}
	if n := len(here.Events); !strings.Contains(here.Events[n-1].Words(i18n.Vietnamese), "H40.16") {
		t.Errorf("the track does not name who tried: %q", here.Events[n-1].Words(i18n.Vietnamese))
	}
	next := a.send(draft("H40.15"))
	w.ask(thief, b, next.ID, next.EdXMLID, "tôi thu hồi trước")
	w.deliver()
	if got := b.get(next.ID); got.State != Arrived {
		t.Errorf("an early foreign order made it %s", got.State)
	}
	w.audited()
}

// TestUnknownTargetIsKeptAndAnswered: the order names what never comes.
func TestUnknownTargetIsKeptAndAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	w.ask(a, b, must(uuid.NewV7()), "không-có", "nhầm")
	w.ask(a, b, uuid.Nil, "cũng-không", "nhầm")
	if err := b.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept int
	err := b.db.View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM requests WHERE state = 'early' AND reason = 'nhầm' AND length(head) > 0`).Scan(&kept)
	})
	if err != nil || kept != 2 {
		t.Errorf("%d orders are kept, %v", kept, err)
	}
	if answers := w.relay(); answers != 2 {
		t.Errorf("%d answers were sent", answers)
	}
	w.audited()
}

// TestEarlyOrderByDocumentIDSparesALaterOne: the office issues another document
// under the same DocumentId after it recalled the first.
func TestEarlyOrderByDocumentIDSparesALaterOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	w.ask(a, b, uuid.Nil, "H40.12,2026/11/23,07/UBND", "nhầm")
	w.deliver()
	w.clock = w.clock.Add(time.Minute)
	d := draft("H40.15")
	d.Number, d.Notation, d.Date = "07", "UBND", "2026-11-23"
	sent := a.send(d)
	w.deliver()
	if here := b.get(sent.ID); here.State != Arrived {
		t.Errorf("the later document is %s", here.State)
	}
}

// TestLateAnswersMoveNothingBack: what was agreed stays agreed, whatever comes
// after it and in whatever order.
func TestLateAnswersMoveNothingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	give := func(code edxml.StatusCode, text string) {
		w.status(b, a, sent.ID, edxml.Status{
			From: b.organ(), ResponseFor: edxml.ResponseFor{OrganID: "H40.12", DocumentID: sent.EdXMLID, Code: "1"}, Code: code, Description: text, Time: w.clock,
		})
		if err := a.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	give(edxml.StatusAgreed, "không ai hỏi") // nobody asked
	if got := a.get(sent.ID); got.State != Delivered || answersOf(got) != "H40.15 delivered" {
		t.Errorf("an answer that nobody asked for made it %s, %s", got.State, answersOf(got))
	}
	a.recall(sent.ID, "nhầm")
	for _, code := range []edxml.StatusCode{edxml.StatusAgreed, edxml.StatusAccepted, edxml.StatusRefused, edxml.StatusArrived, edxml.StatusAgreed, edxml.StatusReturned, edxml.StatusInProgress} {
		give(code, "muộn")
		if got := a.get(sent.ID); got.State != Recalled || answersOf(got) != "H40.15 recalled agreed" {
			t.Errorf("after a late %s it is %s, %s", code, got.State, answersOf(got))
		}
	}
	if got := a.get(sent.ID); codesOf(got) != "01 15 13 15 03 16 01 15 02 05" {
		t.Errorf("the track has %s", codesOf(got))
	}
	_, err := a.Recall(t.Context(), sent.ID, nil, "lần nữa", "vanthu")
	if err != nil || a.get(sent.ID).State != Recalled {
		t.Error("recalling it again is an error", err)
	}
}

// TestUndeliverableRecallMayBeAskedAgain: the hub's word ends the ask, and the
// sender sees why.
func TestUndeliverableRecallMayBeAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	a.recall(sent.ID, "nhầm")
	list, err := a.queue.Outgoing(t.Context(), hubCode, w.epoch, 10)
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	notice := fmt.Sprintf(`{"v":1,"type":"undeliverable","document":%q,"office":"H40.15","code":6,"at":"2026-11-23T10:00:00+07:00"}`, list[0].ID)
	w.control(a, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, []byte(notice))
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := a.get(sent.ID)
	if answersOf(got) != "H40.15 delivered unsent" || got.To[0].Recall.AnswerIn(i18n.English) == "" {
		t.Errorf("the sender has %s, %+v", answersOf(got), got.To[0].Recall)
	}
	a.recall(sent.ID, "nhầm, lần hai")
	w.deliver()
	if got := a.get(sent.ID); got.State != Recalled || got.To[0].Recall.Reason != "nhầm, lần hai" {
		t.Errorf("asked again it is %s, %+v", got.State, got.To[0].Recall)
	}
}

// TestRecallIsInTheFeedAndTheExport: other programs learn of it, and the sealed
// statuses 13 and 15 join the exported file.
func TestRecallIsInTheFeedAndTheExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	a.recall(sent.ID, "nhầm")
	w.deliver()
	for name, n := range map[string]*node{"sender": a, "receiver": b} {
		entries, _, err := n.Feed(t.Context(), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		var last []string
		for _, e := range entries[max(0, len(entries)-2):] {
			last = append(last, string(e.Type)+":"+string(e.Code))
		}
		if want := []string{"document.status:13", "document.recalled:15"}; !slices.Equal(last, want) {
			t.Errorf("the feed of the %s ends with %v, want %v", name, last, want)
		}
	}
	var file strings.Builder
	if err := a.Export(t.Context(), sent.ID, &file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), "receipts/status-"); n < 3 {
		t.Errorf("the exported file names %d statuses", n)
	}
}
