package office

import (
	"errors"
	"io"
	"strings"
	"testing"

	"tram/agent/edxml"
	"tram/agent/evidence"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// recall recalls or ends the test.
func (n *node) recall(id storage.ID, reason string, to ...string) Document {
	n.w.t.Helper()
	doc, err := n.Recall(n.w.t.Context(), id, to, reason, "vanthu")
	if err != nil {
		n.w.t.Fatal(err)
	}
	return doc
}

// answersOf lists what each recipient was asked and answered.
func answersOf(d Document) string {
	var list []string
	for _, to := range d.To {
		text := to.Code + " " + string(to.State)
		if to.Recall != nil {
			text += " " + string(to.Recall.State)
		}
		if to.Update != nil {
			text += " update:" + string(to.Update.State)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// codesOf lists the statuses in a track.
func codesOf(d Document) string {
	var list []string
	for _, e := range d.Events {
		if e.Code != "" {
			list = append(list, string(e.Code))
		}
	}
	return strings.Join(list, " ")
}

func wantProblem(t testing.TB, err error, code string) {
	t.Helper()
	if p := problem.From(err); err == nil || p.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// gone checks that nothing of a document's content is left to be opened, and
// that the store may let go of it.
func (n *node) gone(d Document) {
	n.w.t.Helper()
	for _, a := range d.Attachments {
		_, body, err := n.Open(n.w.t.Context(), d.ID, a.Index)
		if err == nil {
			_ = body.Close()
		}
		wantProblem(n.w.t, err, "recall.cancelled")
	}
	wantProblem(n.w.t, n.Export(n.w.t.Context(), d.ID, io.Discard), "recall.cancelled")
	wantProblem(n.w.t, n.ExportEdXML(n.w.t.Context(), d.ID, io.Discard), "recall.cancelled")
	var kept int
	err := n.db.View(n.w.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT (SELECT count(*) FROM attachments a JOIN documents d ON d.seq = a.document WHERE d.id = ?1 AND (a.gone = 0 OR a.inline IS NOT NULL))
			+ (SELECT count(*) FROM heads h JOIN documents d ON d.seq = h.document WHERE d.id = ?1 AND (h.sha256 IS NOT NULL OR h.inline IS NOT NULL))
			+ (SELECT count(*) FROM originals o JOIN documents d ON d.seq = o.document WHERE d.id = ?1)`, d.ID).Scan(&kept)
	})
	if err != nil || kept != 0 {
		n.w.t.Errorf("%d pieces of cancelled content are kept, %v", kept, err)
	}
}

// TestWithdrawnNeverLeaves: what is taken back before its first byte left goes
// to nobody, is shown as withdrawn, and its number is not given again.
func TestWithdrawnNeverLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	for range 2 { // again is no error
		doc, err := a.Withdraw(t.Context(), sent.ID, " Sai  phụ lục ", "vanthu")
		if err != nil || doc.State != Withdrawn || doc.Reason != "Sai phụ lục" || doc.To[0].State != Withdrawn {
			t.Fatalf("withdrawn: %s %q %v, %v", doc.State, doc.Reason, doc.To, err)
		}
	}
	a.restart()
	if w.deliver(); len(b.inbox()) != 0 {
		t.Error("a withdrawn document has arrived")
	}
	next := a.send(draft("H40.15"))
	if next.Number == sent.Number {
		t.Errorf("the number %s was given twice", next.Number)
	}
	w.deliver()
	_, err := a.Withdraw(t.Context(), next.ID, "", "vanthu")
	wantProblem(t, err, "withdraw.sent")
	_, err = b.Withdraw(t.Context(), next.ID, "", "vanthu")
	wantProblem(t, err, "recall.incoming")
	w.audited()
}

// TestRecallOfWhatHasNotLeftWithdraws: for all recipients there is nobody to ask.
func TestRecallOfWhatHasNotLeftWithdraws(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	sent := a.send(draft("H40.15"))
	if doc := a.recall(sent.ID, "Nhầm"); doc.State != Withdrawn || doc.To[0].Recall != nil {
		t.Errorf("it is %s, %s", doc.State, answersOf(doc))
	}
	if w.relay() != 0 {
		t.Error("something was sent")
	}
}

// TestWithdrawnAsItLeftIsRecalled: a document that was on the line at the moment
// it was withdrawn is taken back from its recipient.
func TestWithdrawnAsItLeftIsRecalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	list, err := a.queue.Outgoing(t.Context(), hubCode, w.epoch, 10)
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	late := w.grab(a, list[0], "H40.15")
	if _, err := a.Withdraw(t.Context(), sent.ID, "Nhầm nơi nhận", "vanthu"); err != nil {
		t.Fatal(err)
	}
	late()
	w.deliver() // it is filed
	w.deliver() // its receipt comes
	a.round(t.Context())
	w.deliver()
	if got := a.get(sent.ID); got.State != Recalled || answersOf(got) != "H40.15 recalled agreed" {
		t.Errorf("the sender has %s, %s", got.State, answersOf(got))
	}
	if here := b.get(sent.ID); here.State != Recalled || here.Request.Reason != "Nhầm nơi nhận" {
		t.Errorf("the receiver has %s, %+v", here.State, here.Request)
	}
}

// TestRecallBeforeAcceptanceCancelsAtOnce: nobody has taken the document into a
// register, so it is cancelled without a person, and the sender is told.
func TestRecallBeforeAcceptanceCancelsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	asked := a.recall(sent.ID, "Sai thẩm quyền ký")
	if asked.State != Delivered || answersOf(asked) != "H40.15 delivered asked" {
		t.Errorf("while it waits it is %s, %s", asked.State, answersOf(asked))
	}
	w.deliver()
	got, here := a.get(sent.ID), b.get(sent.ID)
	if got.State != Recalled || answersOf(got) != "H40.15 recalled agreed" || codesOf(got) != "01 13 15" {
		t.Errorf("the sender has %s, %s, %s", got.State, answersOf(got), codesOf(got))
	}
	if here.State != Recalled || here.Reason != "Sai thẩm quyền ký" || here.Request == nil || here.Request.State != RequestGranted || codesOf(here) != "01 13 15" {
		t.Errorf("the receiver has %s, %q, %+v, %s", here.State, here.Reason, here.Request, codesOf(here))
	}
	if here.Subject != sent.Subject || here.Number != sent.Number || len(here.Attachments) != 1 {
		t.Errorf("the trace is %+v", here)
	}
	b.gone(here)
	_, err := b.Accept(t.Context(), sent.ID, "vanthu")
	wantProblem(t, err, "recall.cancelled")
	_, err = b.Return(t.Context(), sent.ID, "muộn", "vanthu")
	wantProblem(t, err, "recall.cancelled")
	_, err = b.Recheck(t.Context(), sent.ID, "vanthu")
	wantProblem(t, err, "recall.cancelled")
	if _, body, err := a.Open(t.Context(), sent.ID, 0); err != nil { // frozen, not gone, where it was issued
		t.Error(err)
	} else {
		_ = body.Close()
	}
	w.audited()
}

// TestRecallAfterAcceptanceWaitsForAPerson: the document is in the register, so
// a clerk decides; agreeing cancels it but for its place in the register.
func TestRecallAfterAcceptanceWaitsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	must(b.Accept(t.Context(), sent.ID, "vanthu"))
	w.deliver()
	a.recall(sent.ID, "Ban hành nhầm")
	w.deliver()
	here := b.get(sent.ID)
	if here.State != Accepted || here.Request == nil || here.Request.State != RequestPending || here.Request.Person != "vanthu" || here.Request.Reason != "Ban hành nhầm" {
		t.Fatalf("the receiver has %s, %+v", here.State, here.Request)
	}
	if todo := must(b.Work(t.Context())); len(todo.Requests) != 1 || todo.Requests[0].ID != sent.ID {
		t.Errorf("the work list has %d requests", len(todo.Requests))
	}
	if got := a.get(sent.ID); got.State != Accepted || answersOf(got) != "H40.15 accepted asked" {
		t.Errorf("while it waits the sender has %s, %s", got.State, answersOf(got))
	}
	for range 2 { // again returns the same
		here = must(b.Grant(t.Context(), sent.ID, "lanhdao"))
		if here.State != Recalled || here.Arrival != 1 || here.Request.By != "lanhdao" {
			t.Errorf("granted: %s, số đến %d, %+v", here.State, here.Arrival, here.Request)
		}
	}
	b.gone(here)
	_, err := b.Refuse(t.Context(), sent.ID, "đổi ý", "vanthu")
	wantProblem(t, err, "request.granted")
	w.deliver()
	if got := a.get(sent.ID); got.State != Recalled || codesOf(got) != "01 03 13 15" {
		t.Errorf("the sender has %s, %s", got.State, codesOf(got))
	}
	second := a.send(draft("H40.15"))
	w.deliver()
	if d := must(b.Accept(t.Context(), second.ID, "vanthu")); d.Arrival != 2 {
		t.Errorf("the arrival number after a recalled one is %d", d.Arrival)
	}
	_, _, err = b.Report(t.Context(), sent.ID, edxml.StatusDone, "", "vanthu")
	wantProblem(t, err, "recall.cancelled")
	w.audited()
}

// TestRefusedRecallLeavesTheDocument: the reason reaches the sender, who may
// ask again and then be granted it.
func TestRefusedRecallLeavesTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.deliver()
	must(b.Accept(t.Context(), sent.ID, "vanthu"))
	w.deliver()
	a.recall(sent.ID, "Ban hành nhầm")
	w.deliver()
	_, err := b.Refuse(t.Context(), sent.ID, "  ", "vanthu")
	wantProblem(t, err, "refuse.no-reason")
	for range 2 {
		if here := must(b.Refuse(t.Context(), sent.ID, "Đã giải quyết xong", "vanthu")); here.State != Accepted || here.Request.State != RequestRefused {
			t.Errorf("refused: %s, %+v", here.State, here.Request)
		}
	}
	_, err = b.Grant(t.Context(), sent.ID, "vanthu")
	wantProblem(t, err, "request.refused")
	w.deliver()
	got := a.get(sent.ID)
	if got.State != Accepted || answersOf(got) != "H40.15 accepted refused" || got.To[0].Recall.Answer != "Đã giải quyết xong" || codesOf(got) != "01 03 13 16" {
		t.Errorf("the sender has %s, %s, %+v, %s", got.State, answersOf(got), got.To[0].Recall, codesOf(got))
	}
	a.recall(sent.ID, "Xin hủy giúp, số liệu sai")
	w.deliver()
	must(b.Grant(t.Context(), sent.ID, "vanthu"))
	w.deliver()
	if got := a.get(sent.ID); got.State != Recalled || codesOf(got) != "01 03 13 16 13 15" {
		t.Errorf("asked again: %s, %s", got.State, codesOf(got))
	}
}

// TestRecallThatOvertakesItsDocument: the order comes first, so the document is
// cancelled when it comes, and is never shown as a live one.
func TestRecallThatOvertakesItsDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16")
	a, b, c := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"]
	sent := a.send(draft("H40.15", "H40.16"))
	held := w.hold(a, "H40.15") // at the hub: custody is given, H40.15 has not got it
	a.recall(sent.ID, "Gửi nhầm")
	w.deliver()
	got := a.get(sent.ID)
	if answersOf(got) != "H40.15 recalled agreed, H40.16 recalled agreed" || got.State != Recalled {
		t.Errorf("the sender has %s, %s", got.State, answersOf(got))
	}
	if len(b.inbox()) != 0 || c.get(sent.ID).State != Recalled {
		t.Error("a document is shown that is not here, or was not cancelled")
	}
	held()
	w.deliver()
	here := b.get(sent.ID)
	if here.State != Recalled || here.Reason != "Gửi nhầm" || len(here.Attachments) != 0 || codesOf(here) != "13 15" || here.Request.State != RequestGranted {
		t.Errorf("it came as %s, %q, %d files, %s, %+v", here.State, here.Reason, len(here.Attachments), codesOf(here), here.Request)
	}
	b.gone(here)
	todo := must(b.Work(t.Context()))
	if len(todo.ToAccept)+len(todo.Urgent)+len(todo.Requests) != 0 {
		t.Error("it is on the work list")
	}
	if got := a.get(sent.ID); got.State != Recalled || !strings.HasPrefix(answersOf(got), "H40.15 recalled agreed") {
		t.Errorf("then the sender has %s, %s", got.State, answersOf(got))
	}
	w.audited()
}

// grab is a bundle as it is on the line: the function that it returns hands it
// to a recipient, whatever its sender has done meanwhile.
func (w *world) grab(from *node, out storage.Outgoing, code string) (hand func()) {
	w.t.Helper()
	objects := make([][]byte, len(out.Objects))
	for i, o := range out.Objects {
		objects[i] = make([]byte, o.Size)
		if _, err := from.queue.ReadObject(w.t.Context(), out.ID, i, objects[i], 0); err != nil && !errors.Is(err, io.EOF) {
			w.t.Fatal(err)
		}
	}
	signed := must(bundle.Parse(out.Header))
	slips := must(bundle.DecodeSlips(objects[signed.Header.Slips()]))
	return func() { w.offices[code].take(out.Bundle, slips[code], objects[:signed.Header.Slips()]) }
}

// hold carries what an office has to send but keeps what goes to one recipient,
// until the function that it returns is called.
func (w *world) hold(from *node, code string) (release func()) {
	w.t.Helper()
	there := w.offices[code]
	var late []func()
	list, err := from.queue.Outgoing(w.t.Context(), hubCode, w.epoch, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, out := range list {
		late = append(late, w.grab(from, out, code))
		delete(w.offices, code)
		w.carry(from, out)
		w.offices[code] = there
	}
	return func() {
		for _, f := range late {
			f()
		}
	}
}

// TestRecallOfSomeRecipients: the others keep the document, and it is not
// recalled as a whole; who has returned it or failed is not asked.
func TestRecallOfSomeRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15", "H40.16", "H40.17")
	a, b, c, d := w.offices["H40.12"], w.offices["H40.15"], w.offices["H40.16"], w.offices["H40.17"]
	sent := a.send(draft("H40.15", "H40.16", "H40.17"))
	w.deliver()
	must(b.Accept(t.Context(), sent.ID, "vanthu"))
	must(d.Return(t.Context(), sent.ID, "không đúng tuyến", "vanthu"))
	w.deliver()
	_, err := a.Recall(t.Context(), sent.ID, []string{"H40.99"}, "nhầm", "vanthu")
	wantProblem(t, err, "recall.no-recipient")
	_, err = a.Recall(t.Context(), sent.ID, []string{"H40.17"}, "nhầm", "vanthu")
	wantProblem(t, err, "recall.nobody")
	_, err = a.Recall(t.Context(), sent.ID, nil, " ", "vanthu")
	wantProblem(t, err, "recall.no-reason")
	a.recall(sent.ID, "gửi nhầm H40.16", "h40.16")
	a.recall(sent.ID, "bấm hai lần", "H40.16") // asked already
	w.deliver()
	if got := a.get(sent.ID); answersOf(got) != "H40.15 accepted, H40.16 recalled agreed, H40.17 returned" || got.State != Returned {
		t.Errorf("the sender has %s, %s", got.State, answersOf(got))
	}
	if b.get(sent.ID).State != Accepted || b.get(sent.ID).Request != nil || c.get(sent.ID).State != Recalled {
		t.Error("the wrong office has cancelled it")
	}
	a.recall(sent.ID, "thu hồi toàn bộ")
	w.deliver()
	must(b.Grant(t.Context(), sent.ID, "vanthu"))
	w.deliver()
	if got := a.get(sent.ID); got.State != Recalled || codesOf(got) != "01 01 01 03 02 13 15 13 15" {
		t.Errorf("at the end the sender has %s, %s, %s", got.State, answersOf(got), codesOf(got))
	}
	w.audited()
}

// TestRecallReachesAnOfficeThatWasOff: document and order wait for it, and both
// are handled at once when it is back.
func TestRecallReachesAnOfficeThatWasOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a, b := w.offices["H40.12"], w.offices["H40.15"]
	sent := a.send(draft("H40.15"))
	w.relay() // it is in the inbox, nobody looks
	a.recall(sent.ID, "nhầm")
	a.restart()
	w.relay()
	b.restart()
	w.deliver() // it handles what waited
	w.deliver() // its answers come
	if here := b.get(sent.ID); here.State != Recalled || codesOf(here) != "01 13 15" {
		t.Errorf("the receiver has %s, %s", here.State, codesOf(here))
	}
	if got := a.get(sent.ID); got.State != Recalled {
		t.Errorf("the sender has %s", got.State)
	}
}

// TestHubOfAWithdrawnDocument: a hub that testifies to have it has it recalled,
// one that refused it changes nothing.
func TestHubOfAWithdrawnDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	for name, c := range map[string]struct {
		event evidence.Event
		want  string
	}{
		"refused": {evidence.Event{Name: evidence.SubmissionRejection, At: w.clock, Code: 6}, "H40.15 withdrawn"},
		"taken":   {evidence.Event{Name: evidence.SubmissionAcceptance, At: w.clock}, "H40.15 withdrawn due"},
	} {
		sent := a.send(draft("H40.15"))
		if _, err := a.Withdraw(t.Context(), sent.ID, "nhầm", "vanthu"); err != nil {
			t.Fatal(err)
		}
		err := a.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			seq, err := find(tx, Out, sent.ID)
			if err != nil {
				return err
			}
			return a.trackOutgoing(tx, seq, hubCode, c.event)
		})
		if err != nil || answersOf(a.get(sent.ID)) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, answersOf(a.get(sent.ID)), err, c.want)
		}
	}
}
