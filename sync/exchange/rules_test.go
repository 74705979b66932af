package exchange_test

import (
	"testing"
	"testing/synctest"
	"time"

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
