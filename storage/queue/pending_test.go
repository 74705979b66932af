package queue_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

func TestPendingSaysWhoHasNotTakenWhat(t *testing.T) {
	q := newSubject(t)
	ordinary, urgent, own := storagetest.NewSample(1, 0, 100), storagetest.NewSample(2, 3, 100), storagetest.NewSample(3, 3, 100)
	for _, s := range []storagetest.Sample{ordinary, urgent} {
		must(t, q.receive("sender", s.Incoming(), s.Contents))
		must(t, q.update(func(tx *sqlite.Tx) error {
			return q.Forward(tx, s.ID, []queue.Target{{Peer: "b", Hold: true}, {Peer: "a", Hold: true}, {Peer: "c"}})
		}))
	}
	must(t, q.update(func(tx *sqlite.Tx) error {
		return q.Queue.Put(tx, own.Bundle, q.stage(own.Contents), []queue.Target{{Peer: "a"}})
	}))
	must(t, q.Settle(t.Context(), "c", urgent.ID, storage.Outcome{Receipt: []byte("yes"), Epoch: uuid.New()}))
	must(t, q.Settle(t.Context(), "b", urgent.ID, storage.Outcome{Code: 1}))
	for _, c := range []struct {
		urgency uint8
		limit   int
		want    map[storage.ID][]string
		more    bool
	}{
		{0, 100, map[storage.ID][]string{ordinary.ID: {"a", "b", "c"}, urgent.ID: {"a"}, own.ID: {"a"}}, false},
		{1, 100, map[storage.ID][]string{urgent.ID: {"a"}, own.ID: {"a"}}, false},
		{0, 3, map[storage.ID][]string{ordinary.ID: {"a"}, urgent.ID: {"a"}, own.ID: {"a"}}, true},
	} {
		list, more, err := q.Pending(t.Context(), []uint8{ordinary.Kind}, c.urgency, c.limit)
		must(t, err)
		if len(list) != len(c.want) || more != c.more {
			t.Errorf("%+v: %d bundles, more %v", c, len(list), more)
		}
		for i, p := range list {
			if !slices.Equal(p.Peers, c.want[p.ID]) || p.Taken.IsZero() || p.Size == 0 || p.To != 2 || i > 0 && p.Urgency > list[i-1].Urgency {
				t.Errorf("%+v: %+v", c, p)
			}
		}
	}
	if list, _, err := q.Pending(t.Context(), []uint8{ordinary.Kind + 1}, 0, 100); err != nil || len(list) > 0 {
		t.Errorf("of another kind: %+v, %v", list, err)
	}
}
