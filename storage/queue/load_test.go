package queue_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

func TestP9_WhatWaitsIsCounted(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s := &subject{t: t, now: func() time.Time { return now }}
	q := openSubject(s)
	own, passed, urgent := storagetest.NewSample(1, 0, 100), storagetest.NewSample(2, 0, 10, 20), storagetest.NewSample(3, 3, 7)
	must(t, q.Put(t.Context(), own.Bundle, own.Contents, storagetest.Target{Peer: "a"}))
	for i, b := range []storagetest.Sample{passed, urgent} {
		now = now.Add(time.Minute)
		must(t, q.receive("sender", b.Incoming(), b.Contents))
		must(t, q.update(func(tx *sqlite.Tx) error {
			return q.Forward(tx, b.ID, []queue.Target{{Peer: "a"}, {Peer: "b", Hold: i == 0}})
		}))
	}
	_, err := q.Admit(t.Context(), "c", storagetest.NewSample(4, 2, 1000, 50_000).Incoming())
	must(t, err)
	taken := func(s storagetest.Sample) (at time.Time) {
		must(t, q.update(func(tx *sqlite.Tx) (err error) {
			size := int64(0)
			if at, size, err = q.Taken(tx, s.ID); size == 0 {
				t.Errorf("%s has no size", s.ID)
			}
			return err
		}))
		return at
	}
	if at := taken(own); !at.IsZero() {
		t.Errorf("an own bundle was taken over at %v", at)
	}
	must(t, q.update(func(tx *sqlite.Tx) error {
		if _, _, err := q.Taken(tx, uuid.New()); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("of a bundle that is not there: %v", err)
		}
		return nil
	}))
	check := func(what string, got []queue.Load, err error, want ...queue.Load) {
		t.Helper()
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n%v\nwant\n%v", what, got, want)
		}
	}
	list, err := q.Leaving(t.Context())
	check("all", list, err,
		queue.Load{Peer: "a", Urgency: 3, Count: 1, Bytes: 7, Since: taken(urgent)}, queue.Load{Peer: "a", Urgency: 0, Count: 2, Bytes: 130, Since: own.Created},
		queue.Load{Peer: "b", Urgency: 3, Count: 1, Bytes: 7, Since: taken(urgent)}, queue.Load{Peer: "b", Urgency: 0, Count: 1, Bytes: 30, Since: taken(passed)})
	must(t, q.Settle(t.Context(), "b", passed.ID, storage.Outcome{Receipt: []byte("yes"), Epoch: uuid.New()}))
	must(t, q.Settle(t.Context(), "a", urgent.ID, storage.Outcome{Receipt: []byte("yes"), Epoch: uuid.New()}))
	list, err = q.Leaving(t.Context(), own.Kind+1)
	check("of no such kind", list, err)
	list, err = q.Leaving(t.Context(), own.Kind+1, own.Kind)
	check("of its kind", list, err, queue.Load{Peer: "a", Urgency: 0, Count: 2, Bytes: 130, Since: own.Created}, queue.Load{Peer: "b", Urgency: 3, Count: 1, Bytes: 7, Since: taken(urgent)})
	list, err = q.Custody(t.Context())
	check("custody", list, err, queue.Load{Urgency: 3, Count: 1, Bytes: 7, Since: taken(urgent)}, queue.Load{Urgency: 0, Count: 2, Bytes: 130, Since: own.Created})
	list, err = q.Coming(t.Context())
	if len(list) == 1 {
		list[0].Since = time.Time{}
	}
	check("coming", list, err, queue.Load{Peer: "c", Urgency: 2, Count: 1, Bytes: 51_000})
}

// BenchmarkLeaving counts circulars for thousands of offices that are away.
func BenchmarkLeaving(b *testing.B) {
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	blobs, err := blob.Open(b.TempDir(), blob.Options{MinFree: -1})
	if err != nil {
		b.Fatal(err)
	}
	q := queue.New(db, blobs, queue.Options{})
	const circulars, offices = 100, 4000
	err = db.Update(b.Context(), func(tx *sqlite.Tx) error {
		for n := range circulars {
			s := storagetest.NewSample(uint64(n), uint8(n%4))
			var targets []queue.Target
			for office := range offices {
				targets = append(targets, queue.Target{Peer: fmt.Sprintf("000.%02d.%02d.H40", office/100, office%100), Hold: true})
			}
			if err := q.Put(tx, s.Bundle, nil, targets); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("by neighbour", func(b *testing.B) {
		for b.Loop() {
			if list, err := q.Leaving(b.Context(), 1); err != nil || len(list) != 4*offices {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("custody", func(b *testing.B) {
		for b.Loop() {
			if list, err := q.Custody(b.Context()); err != nil || len(list) != 4 {
				b.Fatal(len(list), err)
			}
		}
	})
}
