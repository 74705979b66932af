package exchange_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/schedule"
)

// TestFirstBringsWhatTheRulesHold: over the receiver's metered line a document
// does not come, and is listed; asked for, it comes, also over a new session.
func TestFirstBringsWhatTheRulesHold(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		b.node.SetRules(schedule.Rules{MinUrgency: schedule.Urgent})
		line, _ := join(t, a, b, 1, linktest.Faults{Delay: 50 * time.Millisecond, Outage: time.Second})
		id := a.put(t, "B", 900, 100_000)
		time.Sleep(time.Minute)
		list := b.node.Arriving()
		if len(list) != 1 || list[0].ID != id || !list[0].Held || list[0].Size != 100_900 || list[0].Here != 900 {
			t.Fatalf("arriving: %+v", list)
		}
		line.Cut()
		b.node.First(id)
		settled(t, a, b, id, time.Minute)
		sameObjects(t, a, b, id, 2)
		if list := b.node.Arriving(); len(list) != 0 {
			t.Errorf("still arriving: %+v", list)
		}
	})
}

// durably is a queue that remembers how much of each object it has called durable.
type durably struct {
	*storagetest.Memory
	mu    sync.Mutex
	bytes map[int]int64
}

func (d *durably) Write(ctx context.Context, id storage.ID, object int, off int64, p []byte, sync bool) (int64, error) {
	n, err := d.Memory.Write(ctx, id, object, off, p, sync)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes[object] = max(d.bytes[object], n)
	return n, err
}

func (d *durably) sum() (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.bytes {
		n += b
	}
	return n
}

// TestP4_WhatIsSaidToBeHereIsDurable: bytes that a power cut may take are not counted.
func TestP4_WhatIsSaidToBeHereIsDurable(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		queue := &durably{Memory: b.store, bytes: map[int]int64{}}
		b.node = exchange.NewNode(exchange.Options{Office: "B", Software: "test", Epoch: b.store.Epoch(), Queue: queue, Guard: b.guard, Observer: b.guard})
		join(t, a, b, 1, linktest.Faults{Delay: 50 * time.Millisecond, Rate: 1_000_000})
		id := a.put(t, "B", 6_000_000, 3_000_000)
		var seen []int64
		for range 240 {
			time.Sleep(37 * time.Millisecond) // between two acknowledgements
			synctest.Wait()
			for _, one := range b.node.Arriving() {
				if sum := queue.sum(); one.Here != sum {
					t.Errorf("%d bytes are said to be here, %d are durable", one.Here, sum)
				}
				seen = append(seen, one.Here)
			}
		}
		settled(t, a, b, id, time.Minute)
		if len(slices.Compact(seen)) < 5 {
			t.Errorf("seen were %d bytes", seen)
		}
	})
}

// TestRulesOfTheSenderHold: what the sender's rules hold back stays queued until
// they allow it.
func TestRulesOfTheSenderHold(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		a.node.SetRules(schedule.Rules{MaxSize: 5000})
		join(t, a, b, 1, linktest.Faults{})
		large, small := a.put(t, "B", 900, 50_000), a.put(t, "B", 900)
		settled(t, a, b, small, time.Minute)
		time.Sleep(time.Hour)
		if list, err := a.store.Outgoing(t.Context(), "B", b.store.Epoch(), 10); err != nil || len(list) != 1 || list[0].ID != large {
			t.Fatalf("outgoing: %v, %v", list, err)
		}
		a.node.SetRules(schedule.Rules{})
		settled(t, a, b, large, time.Minute)
	})
}
