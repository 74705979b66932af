package queue_test

import (
	"strconv"
	"testing"
	"time"

	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

func next(t *testing.T, changes <-chan queue.Change) queue.Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok {
			t.Fatal("closed")
		}
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no change came")
	}
	return queue.Change{}
}

func nothing(t *testing.T, changes <-chan queue.Change) {
	t.Helper()
	select {
	case c := <-changes:
		t.Fatalf("unexpected change %+v", c)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestWatch(t *testing.T) {
	q := newSubject(t)
	changes, stop := q.Watch()
	defer stop()
	other, stopOther := q.Watch()
	ctx := t.Context()
	s := storagetest.NewSample(1, 0, 100)
	must(t, q.Put(ctx, s.Bundle, s.Contents, storagetest.Target{Peer: "hub"}))
	if c := next(t, changes); c != (queue.Change{Peer: "hub"}) {
		t.Fatalf("got %+v", c)
	}
	must(t, q.Put(ctx, s.Bundle, s.Contents, storagetest.Target{Peer: "hub"})) // known
	_ = q.update(func(tx *sqlite.Tx) error {
		must(t, q.Queue.End(tx, s.ID))
		return storage.ErrFull // rolled back
	})
	nothing(t, changes)
	must(t, q.End(ctx, s.ID))
	if c := next(t, changes); c != (queue.Change{Ended: s.ID}) {
		t.Fatalf("got %+v", c)
	}
	must(t, q.End(ctx, s.ID))
	nothing(t, changes)
	in := storagetest.NewSample(2, 0, 100)
	must(t, q.receive("hub", in.Incoming(), in.Contents))
	if c := next(t, changes); c != (queue.Change{Inbox: true}) {
		t.Fatalf("got %+v", c)
	}
	for range 3 {
		next(t, other)
	}
	stopOther()
	stopOther()
	if _, ok := <-other; ok {
		t.Fatal("not closed")
	}
}

// A reader that sleeps holds nobody up, and wakes to each change once.
func TestWatchCoalesces(t *testing.T) {
	q := newSubject(t)
	changes, stop := q.Watch()
	defer stop()
	const peers = 5
	for i := range 100 {
		s := storagetest.NewSample(uint64(i), 0, 10)
		must(t, q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: strconv.Itoa(i % peers)}))
	}
	seen := map[queue.Change]int{}
	for range peers {
		seen[next(t, changes)]++
	}
	if len(seen) < peers-1 { // the one that was on its way to the reader may come again
		t.Fatalf("got %v", seen)
	}
	for deadline := time.After(20 * time.Millisecond); ; {
		select {
		case c := <-changes:
			if seen[c]++; seen[c] > 2 {
				t.Fatalf("%+v came %d times", c, seen[c])
			}
			continue
		case <-deadline:
		}
		break
	}
	if len(seen) != peers {
		t.Fatalf("got %v", seen)
	}
	s := storagetest.NewSample(1000, 0, 10)
	must(t, q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: "0"}))
	if c := next(t, changes); c.Peer != "0" {
		t.Fatalf("the last wake-up is %+v", c)
	}
}
