package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *subject) update(fn func(tx *sqlite.Tx) error) error {
	return s.db.Update(context.Background(), fn)
}

// receive takes a sample in from a neighbour, in one piece for each object.
func (s *subject) receive(peer string, in storage.Incoming, contents [][]byte) error {
	ctx := context.Background()
	a, err := s.Admit(ctx, peer, in)
	if err != nil {
		return err
	}
	for _, i := range in.Need {
		if a.Durable[i] == in.Objects[i].Size {
			continue
		}
		if _, err := s.Write(ctx, in.ID, i, a.Durable[i], contents[i][a.Durable[i]:], true); err != nil {
			return err
		}
	}
	return s.Complete(ctx, peer, in.ID, []byte("receipt"))
}

func outgoing(t *testing.T, q *queue.Queue, peer string, epoch storage.ID) (ids []storage.ID) {
	t.Helper()
	list, err := q.Outgoing(t.Context(), peer, epoch, 100)
	must(t, err)
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestPutChecksItsArguments(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100)
	contents := q.stage(s.Contents)
	target := []queue.Target{{Peer: "hub"}}
	other := slices.Clone(contents)
	other[0].Size++
	many := s.Bundle
	many.Objects = make([]storage.Object, queue.MaxObjects+1)
	for name, put := range map[string]func(tx *sqlite.Tx) error{
		"no targets":       func(tx *sqlite.Tx) error { return q.Queue.Put(tx, s.Bundle, contents, nil) },
		"no name":          func(tx *sqlite.Tx) error { return q.Queue.Put(tx, s.Bundle, contents, []queue.Target{{}}) },
		"no contents":      func(tx *sqlite.Tx) error { return q.Queue.Put(tx, s.Bundle, nil, target) },
		"other content":    func(tx *sqlite.Tx) error { return q.Queue.Put(tx, s.Bundle, other, target) },
		"too many objects": func(tx *sqlite.Tx) error { return q.Queue.Put(tx, many, nil, target) },
	} {
		if err := q.update(put); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if stats, err := q.Stats(t.Context()); err != nil || stats != (queue.Stats{}) {
		t.Fatalf("left over: %+v, %v", stats, err)
	}
}

func TestPutIsPartOfTheTransaction(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100)
	boom := errors.New("boom")
	err := q.update(func(tx *sqlite.Tx) error {
		must(t, q.Queue.Put(tx, s.Bundle, q.stage(s.Contents), []queue.Target{{Peer: "hub"}}))
		return boom
	})
	if err != boom || outgoing(t, q.Queue, "hub", uuid.New()) != nil {
		t.Fatalf("got %v", err)
	}
}

func TestForward(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100, 50_000)
	forward := func(targets ...queue.Target) error {
		return q.update(func(tx *sqlite.Tx) error { return q.Forward(tx, s.ID, targets) })
	}
	if err := forward(queue.Target{Peer: "a"}); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	must(t, q.receive("sender", s.Incoming(), s.Contents))
	list, err := q.Queue.Inbox(t.Context(), 10)
	must(t, err)
	if len(list) != 1 || list[0].Peer != "sender" || string(list[0].Slip) != "slip" || list[0].At.IsZero() || !slices.Equal(list[0].Objects, s.Objects) {
		t.Fatalf("got %+v", list)
	}
	must(t, forward(queue.Target{Peer: "a", Slip: []byte("for a")}, queue.Target{Peer: "b", Hold: true}))
	must(t, forward(queue.Target{Peer: "a", Slip: []byte("another")})) // changes nothing
	must(t, q.Handled(t.Context(), s.ID))
	got, err := q.Outgoing(t.Context(), "a", uuid.New(), 10)
	must(t, err)
	if len(got) != 1 || string(got[0].Slip) != "for a" {
		t.Fatalf("got %+v", got)
	}
	p := make([]byte, 50_000)
	if n, err := q.ReadObject(t.Context(), s.ID, 1, p, 0); n != len(p) || err != nil || string(p) != string(s.Contents[1]) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	must(t, q.Settle(t.Context(), "a", s.ID, storage.Outcome{Receipt: []byte("r")}))
	must(t, q.Settle(t.Context(), "b", s.ID, storage.Outcome{Receipt: []byte("r"), Epoch: uuid.New()}))
	if stats, err := q.Stats(t.Context()); err != nil || stats.Held != 1 || stats.Bundles != 1 {
		t.Fatalf("got %+v, %v", stats, err)
	}
	must(t, q.update(func(tx *sqlite.Tx) error { return q.EndFor(tx, s.ID, "b") }))
	if stats, err := q.Stats(t.Context()); err != nil || stats != (queue.Stats{}) {
		t.Fatalf("left over: %+v, %v", stats, err)
	}
}

func TestForwardWithoutSlipsObject(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100, 200)
	in := s.Incoming()
	in.Need = []int{0} // the slips object stayed behind
	must(t, q.receive("up", in, s.Contents))
	forward := func(target queue.Target) error {
		return q.update(func(tx *sqlite.Tx) error { return q.Forward(tx, s.ID, []queue.Target{target}) })
	}
	if err := forward(queue.Target{Peer: "a"}); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	must(t, forward(queue.Target{Peer: "a", Slip: []byte("slip")}))
}

func TestExpired(t *testing.T) {
	q := newSubject(t)
	var ids []storage.ID
	for i := range 3 {
		s := storagetest.NewSample(uint64(i), 0, 10)
		s.Expires = time.UnixMilli(int64(1000 * (i + 1)))
		must(t, q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: "hub", Hold: true}, storagetest.Target{Peer: "b"}))
		ids = append(ids, s.ID)
	}
	must(t, q.Settle(t.Context(), "hub", ids[0], storage.Outcome{Receipt: []byte("r")})) // custody does not save it
	for _, c := range []struct {
		at    int64
		limit int
		want  []storage.ID
	}{{999, 9, nil}, {1000, 9, ids[:1]}, {2500, 9, ids[:2]}, {9000, 2, ids[:2]}, {9000, 9, ids}} {
		must(t, q.update(func(tx *sqlite.Tx) error {
			got, err := q.Expired(tx, time.UnixMilli(c.at), c.limit)
			if !slices.Equal(got, c.want) {
				t.Errorf("at %d: got %v, want %v", c.at, got, c.want)
			}
			return err
		}))
	}
	in := storagetest.NewSample(9, 0, 50_000)
	in.Expires = time.UnixMilli(1000)
	_, err := q.Admit(t.Context(), "hub", in.Incoming())
	must(t, err)
	_, err = q.Write(t.Context(), in.ID, 0, 0, in.Contents[0][:10], true)
	must(t, err)
	for at, want := range []int{0, 0, 1, 0} {
		if n, err := q.ForgetExpired(t.Context(), time.UnixMilli(int64(at*500))); err != nil || n != want {
			t.Fatalf("at %d: forgot %d, %v", at*500, n, err)
		}
	}
	if parts, err := q.blobs.Parts(); err != nil || len(parts) != 0 {
		t.Fatalf("left over: %v, %v", parts, err)
	}
}

func TestReofferAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	q := openSubject(&subject{t: t, now: func() time.Time { return now }, options: queue.Options{ReofferAfter: time.Hour}})
	s := storagetest.NewSample(1, 0, 10)
	must(t, q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: "hub", Hold: true}))
	epoch := uuid.New()
	custody := storage.Outcome{Receipt: []byte("r"), Epoch: epoch}
	must(t, q.Settle(t.Context(), "hub", s.ID, custody))
	for _, step := range []struct {
		pass   time.Duration
		listed bool
		settle bool
	}{{59 * time.Minute, false, false}, {2 * time.Minute, true, true}, {59 * time.Minute, false, false}, {2 * time.Minute, true, false}} {
		now = now.Add(step.pass)
		if got := outgoing(t, q.Queue, "hub", epoch); (len(got) == 1) != step.listed {
			t.Fatalf("after %v: got %v", step.pass, got)
		}
		if got := outgoing(t, q.Queue, "hub", storage.ID{}); got != nil {
			t.Fatalf("with an unknown epoch: got %v", got)
		}
		if step.settle {
			must(t, q.Settle(t.Context(), "hub", s.ID, custody))
		}
	}
}

func TestHooks(t *testing.T) {
	q := newSubject(t)
	var calls []string
	var fail error
	note := func(what string) func(*sqlite.Tx, string, storage.Bundle, storage.Outcome) error {
		return func(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
			calls = append(calls, fmt.Sprint(what, " ", peer, " ", len(b.Objects), " ", o.Text))
			if what == "refused" {
				return errors.Join(fail, q.Queue.End(tx, b.ID)) // an owner may end it at once
			}
			return fail
		}
	}
	q.SetHooks(queue.Hooks{Custody: note("custody"), Refused: note("refused"), Arrived: func(tx *sqlite.Tx, peer string, b storage.Bundle) error {
		return note("arrived")(tx, peer, b, storage.Outcome{})
	}})
	ctx := t.Context()
	a, b, c := storagetest.NewSample(1, 0, 10), storagetest.NewSample(2, 0, 10, 20), storagetest.NewSample(3, 0, 10, 40_000, 0)
	for _, s := range []storagetest.Sample{a, b} {
		must(t, q.Put(ctx, s.Bundle, s.Contents, storagetest.Target{Peer: "hub", Hold: true}))
	}
	custody := storage.Outcome{Receipt: []byte("r"), Epoch: uuid.New()}
	fail = errors.New("boom")
	for _, err := range []error{
		q.Settle(ctx, "hub", a.ID, custody),
		q.Settle(ctx, "hub", b.ID, storage.Outcome{Text: "no"}),
		q.receive("hub", c.Incoming(), c.Contents),
	} {
		if !errors.Is(err, fail) {
			t.Fatalf("got %v", err)
		}
	}
	if got := outgoing(t, q.Queue, "hub", custody.Epoch); len(got) != 2 {
		t.Fatalf("outgoing after failed hooks: %v", got)
	}
	fail, calls = nil, nil
	must(t, q.Settle(ctx, "hub", a.ID, custody))
	must(t, q.Settle(ctx, "hub", a.ID, custody)) // known
	must(t, q.Settle(ctx, "hub", a.ID, storage.Outcome{Code: 7, Epoch: custody.Epoch}))
	custody.Epoch = uuid.New()
	must(t, q.Settle(ctx, "hub", a.ID, custody))
	must(t, q.Settle(ctx, "hub", a.ID, storage.Outcome{Code: 7, Text: "set back", Epoch: uuid.New()}))
	must(t, q.Settle(ctx, "hub", b.ID, storage.Outcome{Text: "no"}))
	must(t, q.receive("hub", c.Incoming(), c.Contents))
	must(t, q.Complete(ctx, "hub", c.ID, nil))
	want := []string{"custody hub 1 ", "custody hub 1 ", "refused hub 1 set back", "refused hub 2 no", "arrived hub 3 "}
	if !slices.Equal(calls, want) {
		t.Fatalf("got %q, want %q", calls, want)
	}
}

func TestInlineFor(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 1000, 0, 40_000, 500, 600)
	if _, err := q.InlineFor(t.Context(), s.ID, []int{0}, 100); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	must(t, q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: "hub"}))
	for _, c := range []struct {
		indexes []int
		max     int
		want    []int
	}{
		{[]int{0, 1, 2, 3, 4, 5, -1, 999}, 100_000, []int{0, 1, 3, 4}},
		{[]int{0, 1, 2, 3, 4}, 1550, []int{0, 1, 3}},
		{[]int{4, 0}, 999, []int{4}},
		{[]int{3}, 0, nil},
	} {
		got, err := q.InlineFor(t.Context(), s.ID, c.indexes, c.max)
		must(t, err)
		if len(got) != len(c.want) {
			t.Errorf("%v within %d: got %d objects, want %v", c.indexes, c.max, len(got), c.want)
		}
		for _, i := range c.want {
			if got[i] == nil || string(got[i]) != string(s.Contents[i]) {
				t.Errorf("%v within %d: object %d differs", c.indexes, c.max, i)
			}
		}
	}
}

// Content goes with the last entry that refers to it, and not before (P3).
func TestP3_SweepTakesOnlyWhatNobodyNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openSubject(&subject{t: t, disk: storagetest.NewDisk()})
		ctx := t.Context()
		out, in, both := storagetest.NewSample(1, 0, 40_000), storagetest.NewSample(2, 0, 41_000), storagetest.NewSample(3, 0, 42_000)
		must(t, q.Put(ctx, out.Bundle, out.Contents, storagetest.Target{Peer: "hub", Hold: true}))
		must(t, q.receive("hub", in.Incoming(), in.Contents))
		must(t, q.Put(ctx, both.Bundle, both.Contents, storagetest.Target{Peer: "hub", Hold: true}))
		must(t, q.receive("hub", both.Incoming(), both.Contents))
		must(t, q.Settle(ctx, "hub", out.ID, storage.Outcome{Receipt: []byte("r"), Epoch: uuid.New()}))
		sweep := func(want int) {
			t.Helper()
			time.Sleep(2 * blob.Grace)
			n, _, err := q.blobs.Sweep(ctx, func(sha [32]byte) (bool, error) { return q.Uses(ctx, sha) }, time.Now())
			if err != nil || n != want {
				t.Fatalf("swept %d files, %v; want %d", n, err, want)
			}
		}
		sweep(0)
		must(t, q.Handled(ctx, both.ID))
		sweep(0)
		must(t, q.Handled(ctx, in.ID))
		sweep(1)
		must(t, q.End(ctx, out.ID))
		must(t, q.End(ctx, both.ID))
		sweep(2)
		q.Queue.Close()
		q.db.Close()
	})
}

func TestSeenAndUses(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100, 50_000)
	seen := func() (yes bool) {
		must(t, q.update(func(tx *sqlite.Tx) (err error) { yes, err = q.Seen(tx, s.ID); return err }))
		return yes
	}
	uses := func(i int) bool {
		yes, err := q.Uses(t.Context(), s.Objects[i].SHA256)
		must(t, err)
		return yes
	}
	if seen() || uses(1) {
		t.Fatal("before anything")
	}
	_, err := q.Admit(t.Context(), "hub", s.Incoming())
	must(t, err)
	if seen() || !uses(1) {
		t.Fatal("an unfinished bundle refers to its content, and is not seen")
	}
	must(t, q.receive("hub", s.Incoming(), s.Contents))
	if !seen() || !uses(1) || uses(0) {
		t.Fatal("a complete bundle refers to its files")
	}
	must(t, q.Handled(t.Context(), s.ID))
	if !seen() || uses(1) {
		t.Fatal("a handled bundle is only remembered")
	}
}

func TestBusySourceAndFind(t *testing.T) {
	q := newSubject(t)
	s := storagetest.NewSample(1, 0, 100)
	want := func(step string, busy bool, source string) {
		t.Helper()
		must(t, q.update(func(tx *sqlite.Tx) error {
			got, err := q.Busy(tx, s.ID)
			must(t, err)
			from, err := q.Source(tx, s.ID)
			if (err == nil) != (source != "") || err != nil && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: source: %v", step, err)
			}
			if got != busy || from != source {
				t.Errorf("%s: busy %v, source %q", step, got, from)
			}
			return nil
		}))
	}
	want("unknown", false, "")
	_, err := q.Admit(t.Context(), "hub", s.Incoming())
	must(t, err)
	want("unfinished", false, "")
	must(t, q.receive("hub", s.Incoming(), s.Contents))
	want("in the inbox", true, "hub")
	must(t, q.update(func(tx *sqlite.Tx) error {
		if b, err := q.Find(tx, s.ID); err != nil || b.From != s.From {
			t.Errorf("found %+v, %v", b, err)
		}
		must(t, q.Forward(tx, s.ID, []queue.Target{{Peer: "next", Hold: true}}))
		return q.Done(tx, s.ID)
	}))
	want("outgoing", true, "hub")
	must(t, q.Settle(t.Context(), "next", s.ID, storage.Outcome{Receipt: []byte("r"), Epoch: storage.ID{1}}))
	want("held", true, "hub")
	must(t, q.update(func(tx *sqlite.Tx) error { return q.EndFor(tx, s.ID, "next") }))
	want("ended", false, "hub")
	must(t, q.update(func(tx *sqlite.Tx) error {
		if _, err := q.Find(tx, s.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("found after its end: %v", err)
		}
		return nil
	}))
}
