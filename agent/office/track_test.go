package office

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/wire"
)

func TestRefusalOfTheHubIsReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	for code, want := range map[wire.Code][2]string{
		wire.CodeTooLarge: {"lớn hơn giới hạn", "larger than the hub allows"}, wire.CodeClock: {"Giờ của máy này", "clock of this machine"}, 99: {"mã 99", "code 99"},
	} {
		sent := a.send(draft("B"))
		err := a.queue.Settle(t.Context(), hubCode, sent.ID, storage.Outcome{Code: uint16(code), Text: "tiếng lạ\x00", At: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		got := a.get(sent.ID)
		if got.State != Failed || !strings.Contains(got.Reason, want[0]) || strings.ContainsRune(got.Reason, 0) {
			t.Errorf("%d: %s, %q", code, got.State, got.Reason)
		}
		last := got.Events[len(got.Events)-1]
		for _, words := range []string{got.ReasonIn(i18n.English), got.To[0].ReasonIn(i18n.English), last.Words(i18n.English)} {
			if !strings.Contains(words, want[1]) {
				t.Errorf("%d: in English %q", code, words)
			}
		}
		if words := last.Words(i18n.Vietnamese); words != got.Reason || words != last.Note {
			t.Errorf("%d: in Vietnamese %q and %q", code, words, last.Note)
		}
		if list := track(got); list[len(list)-1] != "failed:::" {
			t.Errorf("%d: track %q", code, list)
		}
	}
	if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Bundles != 0 {
		t.Errorf("refused bundles are kept: %+v, %v", stats, err)
	}
	w.audited()
}

func TestRefusedStatusIsShownWithTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	b := w.offices["B"]
	sent := w.offices["A"].send(draft("B"))
	w.relay()
	if err := b.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := b.queue.Outgoing(t.Context(), hubCode, w.epoch, 10)
	if err != nil || len(out) != 1 {
		t.Fatal(out, err)
	}
	if err := b.queue.Settle(t.Context(), hubCode, out[0].ID, storage.Outcome{Code: uint16(wire.CodeUnknownSender), At: w.clock}); err != nil {
		t.Fatal(err)
	}
	got := b.get(sent.ID)
	if last := got.Events[len(got.Events)-1]; got.State != Arrived || last.Step != Arrived || !strings.HasPrefix(last.Note, "Chưa báo được cho nơi gửi. Trung tâm") {
		t.Errorf("%s, %+v", got.State, last)
	} else if words := last.Words(i18n.English); words != "The sender could not be told. The hub does not have this office in its directory." {
		t.Errorf("in English %q", words)
	}
}

// Run does everything by itself: files, answers, records the first byte once.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, n := range w.offices {
		running.Go(func() {
			if err := n.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	sent := a.send(draft("B"))
	for part := range int64(3) {
		a.Observe(sent.ID, part*100, 300)
	}
	eventually(t, func() bool { return a.get(sent.ID).State == Sending })
	if p := a.get(sent.ID).Progress; p == nil || p.Sent == 0 || p.Total != 300 {
		t.Errorf("under way, but its progress is %+v", p)
	}
	a.Observe(sent.ID, 300, 300)
	w.relay()
	eventually(t, func() bool { return len(b.inbox()) == 1 })
	w.relay()
	eventually(t, func() bool { return a.get(sent.ID).State == Delivered })
	if got := track(a.get(sent.ID)); !slices.Equal(got, []string{"saved::A:seal", "sending:::", "hub::H40:custody", "delivered:B:B:status"}) {
		t.Errorf("track %q", got)
	}
	if _, ok := a.Progress(sent.ID); ok {
		t.Error("a finished transfer still has a progress")
	}
	cancel()
	running.Wait()
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	x := transfers{now: func() time.Time { return now }, by: map[storage.ID]*transfer{}}
	id := storage.ID{1}
	if _, ok := x.progress(id); ok {
		t.Error("progress of nothing")
	}
	const total = 1_000_000
	firsts := 0
	sent := int64(0)
	step := func(seconds int, perSecond int64) Progress {
		for range seconds {
			if x.observe(id, sent, total) {
				firsts++
			}
			now = now.Add(time.Second)
			sent += perSecond
		}
		x.observe(id, sent, total)
		p, _ := x.progress(id)
		return p
	}
	if p := step(9, 10_000); p.Left != 0 || p.Rate < 9_000 || p.Rate > 11_000 {
		t.Errorf("after 9 s: %+v", p)
	}
	p := step(3, 10_000)
	if want := time.Duration(float64(total-sent) / 10_000 * float64(time.Second)); math.Abs(float64(p.Left-want)) > float64(want)/10 {
		t.Errorf("after 12 s: %v left, want about %v", p.Left, want)
	}
	if p := step(5, 20_000); p.Rate < 14_000 || p.Rate > 16_000 { // half of the change after the half-life
		t.Errorf("5 s after doubling: %v", p.Rate)
	}
	now = now.Add(5 * time.Minute)
	if p, _ := x.progress(id); p.Left != 0 || p.Rate >= standstill {
		t.Errorf("standing still: %+v", p)
	}
	x.linkDown()
	before := sent
	if p, _ := x.progress(id); p.Rate != 0 || p.Left != 0 || p.Sent != before {
		t.Errorf("link down: %+v", p)
	}
	sent = 1000 // the neighbour forgot most of it
	if p := step(2, 10_000); p.Sent != before || p.Left != 0 {
		t.Errorf("percent went backwards, or a time left was told too soon: %+v", p)
	}
	if firsts != 1 {
		t.Errorf("%d first bytes", firsts)
	}
	x.end(id)
	if _, ok := x.progress(id); ok {
		t.Error("progress after the end")
	}
}

func TestNumbersHaveNoGapsAndNoDoubles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	byHand := draft("B")
	byHand.Number = "4"
	a.send(byHand)
	bad := draft("B")
	bad.To = append(bad.To, "H99")
	var mu sync.Mutex
	var got []string
	var sending sync.WaitGroup
	for range 12 {
		sending.Go(func() {
			if _, err := a.Send(t.Context(), bad); err == nil {
				t.Error("a bad draft was sent")
			}
			doc, err := a.Send(t.Context(), draft("B"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, doc.Number)
		})
	}
	sending.Wait()
	slices.Sort(got)
	want := []string{"05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16"} // a number given by hand moves the series on
	if !slices.Equal(got, want) {
		t.Errorf("numbers %q", got)
	}
	// A save that fails gives its number back; a crash does not give it twice.
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Send(canceled, draft("B")); err == nil {
		t.Error("a canceled send succeeded")
	}
	a.restart()
	if doc := a.send(draft("B")); doc.Number != "17" {
		t.Errorf("after the crash: %s", doc.Number)
	}
	next := draft("B")
	next.Date = "2027-01-04"
	if doc := a.send(next); doc.Number != "01" {
		t.Errorf("the new year begins with %s", doc.Number)
	}
}

func TestReleasedNumbersComeBackInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A")
	n := w.offices["A"].numbers
	x := register.OutgoingSeries(2026, register.Numbered{Body: "x"}, false)
	take := func() int { return must(n.reserve(t.Context(), x)) }
	if a, b, c := take(), take(), take(); a != 1 || b != 2 || c != 3 {
		t.Fatal(a, b, c)
	}
	n.release(x, 1)
	n.release(x, 2)
	if a, b, c := take(), take(), take(); a != 1 || b != 2 || c != 4 {
		t.Error(a, b, c)
	}
	n.release(x, 3)
	n.release(x, 4)
	if a := take(); a != 3 {
		t.Error(a)
	}
}

func TestListWorkAndSummary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	friday := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	w.clock = friday
	var ids []storage.ID
	for _, u := range []Urgency{Thuong, Khan, HoaToc, Thuong, ThuongKhan} {
		d := draft("B")
		d.Urgency = u
		ids = append(ids, a.send(d).ID)
	}
	s, err := a.Summary(t.Context())
	if err != nil || s.Waiting != 5 || s.ByUrgency != [4]int{2, 1, 1, 1} || !s.Oldest.Equal(friday) || s.WaitingBytes != 5*a.get(ids[0]).Size || !s.LastOut.Equal(friday) {
		t.Errorf("summary %+v, %v", s, err)
	}
	docs, total, err := a.List(t.Context(), Query{Box: Out, Offset: 1, Limit: 2})
	if err != nil || total != 5 || len(docs) != 2 || docs[0].ID != ids[3] || docs[1].ID != ids[2] || len(docs[0].To) != 1 || len(docs[0].Attachments) != 1 {
		t.Errorf("page: %d of %d, %v", len(docs), total, err)
	}
	if docs, total, err := a.List(t.Context(), Query{Box: Out, States: []State{AtHub, Failed}}); err != nil || total != 0 || len(docs) != 0 {
		t.Errorf("other states: %d, %v", total, err)
	}
	w.clock = friday.AddDate(0, 0, 2) // Sunday: no working day has passed
	if work, err := a.Work(t.Context()); err != nil || len(work.Unsent) != 0 {
		t.Errorf("on Sunday %d are late, %v", len(work.Unsent), err)
	}
	w.clock = friday.AddDate(0, 0, 3).Add(time.Hour)
	if work, err := a.Work(t.Context()); err != nil || len(work.Unsent) != 5 || work.Unsent[0].Urgency != HoaToc {
		t.Errorf("on Monday %d are late, %v", len(work.Unsent), err)
	}
	revision := b.Revision()
	w.deliver()
	if b.Revision() == revision {
		t.Error("the revision does not change with new documents")
	}
	work, err := b.Work(t.Context())
	if err != nil || len(work.Urgent) != 3 || work.Urgent[0].ID != ids[2] || work.Urgent[2].ID != ids[1] || len(work.ToAccept) != 2 || !work.LastIn.Equal(w.clock) {
		t.Errorf("work %+v, %v", work, err)
	}
	if s, err := b.Summary(t.Context()); err != nil || s.Unaccepted != 5 || s.Waiting != 0 {
		t.Errorf("summary %+v, %v", s, err)
	}
	if docs, total, err := b.List(t.Context(), Query{Box: In, States: []State{Arrived, Accepted}, Limit: 1e6}); err != nil || total != 5 || len(docs) != 5 {
		t.Errorf("incoming %d, %v", total, err)
	}
}

// Content that a document refers to is never swept, everything else may be.
func TestUses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	a := w.offices["A"]
	d := draft("B")
	d.Files = []Upload{{"lớn.bin", bytes.NewReader(noise(100 << 10))}}
	sent := a.send(d)
	w.deliver()
	for code, n := range w.offices {
		c := must(n.blobs.Stage(t.Context(), bytes.NewReader(noise(100<<10)), 0))
		if used, err := n.Uses(t.Context(), c.SHA256); err != nil || !used {
			t.Errorf("%s: attachment in use: %v, %v", code, used, err)
		}
		if used, err := n.Uses(t.Context(), [32]byte{1}); err != nil || used {
			t.Errorf("%s: nothing in use: %v, %v", code, used, err)
		}
	}
	if _, _, err := a.Open(t.Context(), sent.ID, 1); !strings.Contains(fmt.Sprint(err), "document.no-attachment") {
		t.Errorf("attachment 1: %v", err)
	}
}

// Memory does not grow with the size of a file, on either side.
func TestLargeFilesAreStreamed(t *testing.T) {
	const size = 24 << 20
	w := newWorld(t, "A", "B")
	a, b := w.offices["A"], w.offices["B"]
	a.send(draft("B")) // warm
	w.deliver()
	allocated := func(fn func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fn()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	d := draft("B")
	d.Files[0].Body = &zeros{left: size}
	var sent Document
	if n := allocated(func() { sent = a.send(d) }); n > size/4 {
		t.Errorf("sending %d bytes allocated %d in all", size, n)
	}
	w.relay()
	n := allocated(func() {
		if err := b.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if n > size/4 {
		t.Errorf("receiving %d bytes allocated %d in all", size, n)
	}
	if got := b.get(sent.ID); got.Size != size || got.State != Arrived {
		t.Errorf("%+v", got)
	}
}

// zeros yields bytes that compress well.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

func BenchmarkSendSmall(b *testing.B) {
	w := newWorld(b, "A", "B")
	a := w.offices["A"]
	b.ReportAllocs()
	for b.Loop() {
		a.send(draft("B"))
	}
}

// BenchmarkLists measures the pages of an office with 100,000 documents.
func BenchmarkLists(b *testing.B) {
	w := newWorld(b, "A", "B")
	a := w.offices["A"]
	fill(b, a, 100_000)
	for name, fn := range map[string]func() error{
		"first page": func() error { _, _, err := a.List(b.Context(), Query{Box: In}); return err },
		"last page":  func() error { _, _, err := a.List(b.Context(), Query{Box: In, Offset: 49_950}); return err },
		"one state": func() error {
			_, _, err := a.List(b.Context(), Query{Box: In, States: []State{Returned}})
			return err
		},
		"rare states": func() error {
			_, _, err := a.List(b.Context(), Query{Box: In, States: []State{Failed, Returned}})
			return err
		},
		"two states": func() error {
			_, _, err := a.List(b.Context(), Query{Box: In, States: []State{Arrived, Returned}})
			return err
		},
		"work":    func() error { _, err := a.Work(b.Context()); return err },
		"summary": func() error { _, err := a.Summary(b.Context()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func fill(b *testing.B, n *node, count int) {
	err := n.db.Update(b.Context(), func(tx *sqlite.Tx) error {
		for i := range count {
			d := Document{
				ID: storage.ID{0: byte(i), 1: byte(i >> 8), 2: byte(i >> 16), 6: 0x70}, Box: Out, State: Accepted, Subject: "Văn bản thử",
				From: Party{"A", "UBND xã A"}, Created: tx.Now(), Expires: tx.Now(), To: []Recipient{{Party: Party{"B", "UBND xã B"}, State: Accepted}},
			}
			if i%2 == 0 {
				d.Box = In
			}
			if i%1000 == 0 {
				d.State = Returned
			}
			if i > count-200 {
				d.State = map[Box]State{In: Arrived, Out: Saved}[d.Box]
			}
			if _, err := insertDocument(tx, d, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
