package office

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/sync/bundle"
)

// noise is content that does not compress.
func noise(size int) []byte {
	src := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = src.Read(b)
	return b
}

func TestDocumentGoesThereAndTheAnswersComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	large := noise(3 << 20)
	d := draft("b") // codes are compared without case
	d.Type, d.Urgency = "BC", Khan
	d.Files = append(d.Files, Upload{Name: "bản đồ.tif", Body: bytes.NewReader(large)})
	sent := a.send(d)
	if sent.State != Saved || sent.Number != "01" || sent.Notation != "BC-UBND" || sent.TypeName != "Báo cáo" || sent.Date != "2026-11-23" {
		t.Errorf("sent: %+v", sent)
	}
	w.clock = w.clock.Add(time.Minute)
	w.deliver()

	got := b.inbox()
	if len(got) != 1 {
		t.Fatalf("%d documents arrived", len(got))
	}
	in := b.get(sent.ID)
	if in.State != Arrived || in.From.Code != "A" || in.Subject != sent.Subject || in.Urgency != Khan || in.EdXMLID != sent.EdXMLID ||
		in.Type != "BC" || in.Seal == nil || in.Seal.Verdict != "passed" || in.Seal.Signer != "A" {
		t.Errorf("arrived: %+v, seal %+v", in, in.Seal)
	}
	for i, want := range [][]byte{[]byte("%PDF-1.7 nội dung"), large} {
		sum := sha256.Sum256(want)
		att, body, err := b.Open(t.Context(), sent.ID, i)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(content, want) || att.SHA256 != hex.EncodeToString(sum[:]) || att != sent.Attachments[i] {
			t.Errorf("attachment %d: %+v, %d bytes, %v", i, att, len(content), err)
		}
		body.Close()
	}
	if out := a.get(sent.ID); out.State != Delivered {
		t.Errorf("after status 01 the sender sees %s", out.State)
	}

	w.clock = w.clock.Add(time.Hour)
	accepted, err := b.Accept(t.Context(), sent.ID, "vanthu")
	if err != nil || accepted.State != Accepted || accepted.Arrival != 1 {
		t.Fatalf("accept: %+v, %v", accepted, err)
	}
	w.deliver()
	out := a.get(sent.ID)
	if out.State != Accepted || out.To[0].State != Accepted || out.To[0].Number != "1" {
		t.Errorf("after status 03 the sender sees %s, %+v", out.State, out.To)
	}
	want := []string{"saved::A:seal", "hub::H40:custody", "delivered:B:B:status", "accepted:B:B:status"}
	if got := track(out); !slices.Equal(got, want) {
		t.Errorf("track at the sender: %q", got)
	}
	want[1] = "hub:::" // the hub's receipt is with the sender
	if got := track(b.get(sent.ID)); !slices.Equal(got, want) {
		t.Errorf("track at the recipient: %q", got)
	}
	if at := out.Events[3].At; !at.Equal(w.clock) {
		t.Errorf("accepted at %v, by the recipient's clock it was %v", at, w.clock)
	}
	if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Bundles != 0 {
		t.Errorf("content of a receipted document is kept for sending: %+v, %v", stats, err)
	}
	w.audited()
}

func TestReturnNeedsAReasonAndReachesTheSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	sent := a.send(draft("B"))
	w.deliver()
	for _, reason := range []string{"", "  ", string(make([]byte, 3)), string(bytes.Repeat([]byte("x"), MaxReason+1))} {
		if _, err := b.Return(t.Context(), sent.ID, reason, "vanthu"); problemCodes(err) == nil {
			t.Errorf("returned with reason %.10q", reason)
		}
	}
	returned, err := b.Return(t.Context(), sent.ID, "Gửi nhầm nơi nhận", "vanthu")
	if err != nil || returned.State != Returned {
		t.Fatalf("return: %+v, %v", returned, err)
	}
	again, err := b.Return(t.Context(), sent.ID, "Lý do khác", "vanthu")
	if err != nil || again.Reason != "Gửi nhầm nơi nhận" || len(again.Events) != len(returned.Events) {
		t.Errorf("returning again: %+v, %v", again, err)
	}
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); !hasCode(err, "accept.returned", problem.Conflict) {
		t.Errorf("accepting a returned document: %v", err)
	}
	w.deliver()
	out := a.get(sent.ID)
	if out.State != Returned || out.Reason != "Gửi nhầm nơi nhận" || out.To[0].Reason != out.Reason {
		t.Errorf("the sender sees %s, %q", out.State, out.Reason)
	}
	work, err := a.Work(t.Context())
	if err != nil || len(work.Returned) != 1 {
		t.Errorf("work list: %+v, %v", work, err)
	}
}

func TestAcceptIsIdempotentAndExcludesReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	first, second := a.send(draft("B")), a.send(draft("B"))
	w.deliver()
	results := make(chan Document, 8)
	for range cap(results) { // eight people press the button at once
		go func() {
			doc, err := b.Accept(t.Context(), first.ID, "vanthu")
			if err != nil {
				t.Errorf("accept: %v", err)
			}
			results <- doc
		}()
	}
	for range cap(results) {
		if doc := <-results; doc.Arrival != 1 || doc.State != Accepted {
			t.Errorf("accepted as %d, %s", doc.Arrival, doc.State)
		}
	}
	if doc, err := b.Accept(t.Context(), second.ID, "vanthu"); err != nil || doc.Arrival != 2 {
		t.Errorf("the next document has arrival number %d, %v", doc.Arrival, err)
	}
	if _, err := b.Return(t.Context(), first.ID, "Nhầm", "vanthu"); !hasCode(err, "return.accepted", problem.Conflict) {
		t.Errorf("returning an accepted document: %v", err)
	}
	if _, err := a.Accept(t.Context(), first.ID, "vanthu"); !hasCode(err, "accept.outgoing", problem.Conflict) {
		t.Errorf("accepting an outgoing document: %v", err)
	}
	w.deliver()
	if got := track(a.get(first.ID)); len(got) != 4 {
		t.Errorf("the sender was told more than once: %q", got)
	}
	w.audited()
}

// P2: what the hub offers again, in the same or a new life, is filed once.
func TestP2_RepeatedOffersAreFiledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	sent := a.send(draft("B"))
	out, err := a.queue.Outgoing(t.Context(), hubCode, w.epoch, 1)
	if err != nil || len(out) != 1 {
		t.Fatal(out, err)
	}
	w.carry(a, out[0])
	w.epoch[0]++ // the hub was lost and restored before the receipt came
	w.carry(a, out[0])
	if err := b.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.epoch[0]++
	b.restart()
	w.carry(a, out[0])
	w.deliver()
	if docs := b.inbox(); len(docs) != 1 || docs[0].ID != sent.ID {
		t.Errorf("%d documents after repeated offers", len(docs))
	}
	if got := track(a.get(sent.ID)); !slices.Equal(got, []string{"saved::A:seal", "hub::H40:custody", "delivered:B:B:status"}) {
		t.Errorf("track: %q", got)
	}
}

// A crash between reading an inbox entry and the end of its transaction leaves
// the entry, and handling it again files it once.
func TestP2_CrashWhileFiling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	a.send(draft("B"))
	w.relay()
	list, err := b.queue.Inbox(t.Context(), 10)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	in := &arrival{doc: Document{ID: list[0].ID}}
	if err := b.examine(t.Context(), list[0], in); err != nil { // all the work but the transaction
		t.Fatal(err)
	}
	b.restart()
	if docs := b.inbox(); len(docs) != 0 {
		t.Fatalf("%d documents before the transaction", len(docs))
	}
	w.deliver()
	if err := b.handle(t.Context(), list[0]); err != nil { // the old entry once more
		t.Fatal(err)
	}
	w.deliver()
	if docs := b.inbox(); len(docs) != 1 {
		t.Errorf("%d documents", len(docs))
	}
	if stats, err := b.queue.Stats(t.Context()); err != nil || stats.Inbox != 0 {
		t.Errorf("inbox: %+v, %v", stats, err)
	}
}

// P1: what Send returned is there after a crash, complete and still to be sent.
func TestP1_SavedSurvivesACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	d := draft("B")
	d.Files = append(d.Files, Upload{Name: "lớn.bin", Body: bytes.NewReader(noise(1 << 20))})
	sent := a.send(d)
	a.restart()
	got := a.get(sent.ID)
	if got.State != Saved || len(got.Attachments) != 2 || len(got.Events) != 1 {
		t.Errorf("after the crash: %+v", got)
	}
	if next := a.send(draft("B")); next.Number != "02" {
		t.Errorf("the number after the crash is %s", next.Number)
	}
	w.deliver()
	if docs := w.offices["B"].inbox(); len(docs) != 2 {
		t.Errorf("%d documents arrived", len(docs))
	}
}

// P3: the sender's content stays until every recipient has receipted.
func TestP3_ContentStaysUntilAllHaveReceipted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	sent := a.send(draft("B", "C"))
	away := w.offices["C"]
	delete(w.offices, "C") // cannot be reached
	w.deliver()
	if got := a.get(sent.ID); got.State != AtHub || got.To[0].State != Delivered || got.To[1].State != AtHub {
		t.Errorf("state %s, recipients %+v", got.State, got.To)
	}
	w.epoch[0]++ // the hub loses everything
	out, err := a.queue.Outgoing(t.Context(), hubCode, w.epoch, 10)
	if err != nil || !slices.ContainsFunc(out, func(o storage.Outgoing) bool { return o.ID == sent.ID }) {
		t.Fatalf("not offered again: %v, %v", out, err)
	}
	w.offices["C"] = away
	w.deliver()
	if got := a.get(sent.ID); got.State != Delivered {
		t.Errorf("state %s", got.State)
	}
	if docs := w.offices["B"].inbox(); len(docs) != 1 {
		t.Errorf("B has it %d times", len(docs))
	}
	if _, _, err := a.queue.OpenObject(t.Context(), sent.ID, 0); err == nil {
		t.Error("content is still kept for sending")
	}
	// Each office stores itself alone and shows all recipients.
	if to := away.get(sent.ID).To; len(to) != 2 || to[0].Code != "C" || to[1].Code != "B" {
		t.Errorf("C sees the recipients %+v", to)
	}
}

func TestExpiryIsToldToTheSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B", "C")
	a := w.offices["A"]
	sent := a.send(draft("B", "C"))
	away := w.offices["C"]
	delete(w.offices, "C")
	w.deliver()
	w.clock = w.clock.Add(DefaultLifetime + time.Second)
	a.round(t.Context())
	got := a.get(sent.ID)
	if got.State != Failed || got.To[0].State != Delivered || got.To[1].State != Failed || got.Reason == "" {
		t.Errorf("state %s (%s), recipients %+v", got.State, got.Reason, got.To)
	}
	if work, err := a.Work(t.Context()); err != nil || len(work.Failed) != 1 {
		t.Errorf("work: %+v, %v", work, err)
	}
	if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Waiting+stats.Held != 0 {
		t.Errorf("an expired bundle is still offered: %+v, %v", stats, err)
	}
	// A receipt that comes too late still counts: the document did arrive.
	_ = away
	revision := a.Revision()
	a.round(t.Context())
	if a.Revision() != revision || len(a.get(sent.ID).Events) != len(got.Events) {
		t.Error("expiring again changed something")
	}
}

func TestExportIsAContainerWithReceipts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	d := draft("B")
	d.Files = append(d.Files, text("báo cáo.pdf", "cùng tên"), Upload{Name: "lớn.bin", Body: bytes.NewReader(noise(100 << 10))})
	sent := a.send(d)
	w.deliver()
	if _, err := b.Accept(t.Context(), sent.ID, "vanthu"); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	for code, want := range map[string]string{
		"A": "header.cose custody-H40.cose card-A.cose card-H40.cose authority-H40.cer",
		"B": "header.cose card-A.cose card-H40.cose authority-H40.cer",
	} {
		n := w.offices[code]
		var file bytes.Buffer
		if err := n.Export(t.Context(), sent.ID, &file); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		report, err := seal.VerifyContainerAt(bytes.NewReader(file.Bytes()), int64(file.Len()), identity.Pool(*n.issuers.Load()), w.clock)
		if err != nil || report.Result != seal.Passed {
			t.Errorf("%s: %s %s, %v", code, report.Result, report.Reason, err)
		}
		var names []string
		for _, r := range report.Receipts {
			names = append(names, strings.TrimPrefix(r.Name, "receipts/"))
		}
		if got := strings.Join(names, " "); len(report.Seals) != 3 || got != want || len(report.Seals[0].Files) != 4 {
			t.Errorf("%s: %d seals, receipts %s", code, len(report.Seals), got)
		}
		for _, r := range report.Receipts {
			if r.Name != seal.CustodyName(hubCode) {
				continue
			}
			receipt, err := bundle.ParseReceipt(r.Data)
			if err == nil {
				err = receipt.Verify(w.hub.key.Public())
			}
			if err != nil || receipt.Receipt.ID != sent.ID {
				t.Errorf("custody: %v", err)
			}
		}
	}
	if err := a.Export(t.Context(), [16]byte{1}, io.Discard); !hasCode(err, "document.not-found", problem.NotFound) {
		t.Errorf("exporting nothing: %v", err)
	}
}

// hasCode reports whether err holds a Problem of that code and class.
func hasCode(err error, code string, class problem.Class) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == code && p.Class == class
}

// problemCodes lists the problems in err as "field code".
func problemCodes(err error) []string {
	var list problem.List
	if !errors.As(err, &list) {
		return nil
	}
	var codes []string
	for _, p := range list {
		codes = append(codes, p.Field+" "+p.Code)
	}
	slices.Sort(codes)
	return codes
}
