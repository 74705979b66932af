package queue_test

import (
	"testing"
	"time"

	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

// TestP2_P3_WhatIsKeptIsOfferedToAnotherStoreAlone: not again to the one that has it, and
// not once it was let go.
func TestP2_P3_WhatIsKeptIsOfferedToAnotherStoreAlone(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	q := openSubject(&subject{t: t, now: func() time.Time { return now }, options: queue.Options{ReofferAfter: time.Hour}})
	first, other := storage.ID{1}, storage.ID{2}
	var samples []storagetest.Sample
	for seed := range uint64(3) {
		s := storagetest.NewSample(seed+1, 0, 50_000)
		samples = append(samples, s)
		if err := q.Put(t.Context(), s.Bundle, s.Contents, storagetest.Target{Peer: "H40.12", Hold: true}); err != nil {
			t.Fatal(err)
		}
		if err := q.Settle(t.Context(), "H40.12", s.ID, storage.Outcome{Receipt: []byte("r"), Epoch: first}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	update := func(do func(tx *sqlite.Tx) error) {
		t.Helper()
		if err := q.db.Update(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range samples {
		update(func(tx *sqlite.Tx) error {
			kept, err := q.Keep(tx, s.ID, "H40.12")
			if busy, err := q.Busy(tx, s.ID); busy || err != nil {
				t.Errorf("it is busy: %v (error %v)", busy, err)
			}
			if !kept {
				t.Error("it was not kept")
			}
			return err
		})
	}
	offered := func(epoch storage.ID, want int) {
		t.Helper()
		list, err := q.Outgoing(t.Context(), "H40.12", epoch, 10)
		if err != nil || len(list) != want {
			t.Errorf("%d are offered, want %d (error %v)", len(list), want, err)
		}
	}
	now = now.Add(48 * time.Hour)
	offered(first, 0)
	offered(other, 3)
	if n, size, err := q.Kept(t.Context()); err != nil || n != 3 || size != 150_000 {
		t.Errorf("%d are kept, %d bytes (error %v)", n, size, err)
	}
	if err := q.Settle(t.Context(), "H40.12", samples[0].ID, storage.Outcome{Code: 18}); err != nil {
		t.Fatal(err)
	}
	offered(other, 2)
	before, over, err := q.KeptUntil(t.Context(), 60_000)
	if err != nil || !over {
		t.Fatalf("it is not over the bound (error %v)", err)
	}
	update(func(tx *sqlite.Tx) error {
		n, err := q.EndKept(tx, "", before, 10)
		if n != 1 {
			t.Errorf("%d went, want the older one", n)
		}
		return err
	})
	update(func(tx *sqlite.Tx) error {
		if n, err := q.EndKept(tx, "H40.15", now, 10); n != 0 || err != nil {
			t.Errorf("of another neighbour %d went (error %v)", n, err)
		}
		n, err := q.EndKept(tx, "H40.12", now, 10)
		if n != 1 {
			t.Errorf("%d went, want the last", n)
		}
		return err
	})
	offered(other, 0)
	if s, err := q.Stats(t.Context()); err != nil || s.Bundles != 0 {
		t.Errorf("%d bundles are left (error %v)", s.Bundles, err)
	}
}
