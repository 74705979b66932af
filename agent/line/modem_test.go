package line

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestModem(t *testing.T) {
	type moment struct {
		at   int // s
		wish wish
		want step
		done string // "ok" or "failed": how that step ended, at once
	}
	urgent, scheduled := wish{urgent: true}, wish{scheduled: true}
	moving, idle := wish{connected: true, moving: true}, wish{connected: true}
	for name, story := range map[string][]moment{
		"an unknown line goes down once": {{59, wish{}, nothing, ""}, {60, wish{}, lower, "ok"}, {200, wish{}, nothing, ""}},
		"what waits brings it up, idleness down": {
			{60, wish{}, lower, "ok"}, {61, urgent, raise, "ok"}, {70, moving, nothing, ""}, {129, idle, nothing, ""},
			{130, idle, lower, "ok"}, {131, urgent, raise, "ok"},
		},
		"one program at a time": {{60, wish{}, lower, ""}, {61, urgent, nothing, ""}, {900, urgent, nothing, ""}},
		"a line that is there needs no other": {
			{60, wish{}, lower, "ok"}, {61, wish{urgent: true, connected: true}, nothing, ""}, {62, wish{scheduled: true, connected: true}, nothing, ""},
		},
		"the timetable keeps it up": {
			{60, wish{}, lower, "ok"}, {61, scheduled, raise, "ok"}, {62, wish{scheduled: true, connected: true}, nothing, ""},
			{999, wish{scheduled: true, connected: true}, nothing, ""}, {1000, idle, lower, "ok"},
		},
		"one that does not come up is cleared away and tried later": {
			{60, wish{}, lower, "ok"}, {61, urgent, raise, "failed"}, {62, urgent, lower, "ok"}, {121, urgent, nothing, ""},
			{122, urgent, raise, "failed"}, {123, urgent, lower, "ok"}, {242, urgent, nothing, ""}, {243, urgent, raise, "ok"},
		},
		"one that carries nothing is not held": {
			{60, wish{}, lower, "ok"}, {61, urgent, raise, "ok"}, {120, urgent, nothing, ""}, {121, urgent, lower, "ok"},
			{180, urgent, nothing, ""}, {181, urgent, raise, "ok"},
		},
		"one without a connection is not held by the timetable": {
			{60, wish{}, lower, "ok"}, {61, scheduled, raise, "ok"}, {121, scheduled, lower, "ok"}, {181, scheduled, raise, "ok"},
		},
		"one that does not go down is tried a few times": {
			{60, wish{}, lower, "failed"}, {119, urgent, nothing, ""}, {120, wish{}, lower, "failed"}, {180, wish{}, lower, "failed"},
			{181, urgent, raise, "ok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModem(time.Minute, monday(0))
			for _, s := range story {
				now := monday(0).Add(time.Duration(s.at) * time.Second)
				if got := m.next(now, s.wish); got != s.want {
					t.Fatalf("at %d s: step %d, want %d", s.at, got, s.want)
				}
				if s.done != "" {
					m.done(now, s.done == "failed")
				}
			}
		})
	}
}

// TestRandomModem holds at random that nothing runs twice, that up and down take
// turns, and that a line that carries nothing costs little.
func TestRandomModem(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		chance := func(n int) bool { return random.IntN(n) == 0 }
		now := monday(0)
		m := newModem(time.Minute, now)
		isUp, dead := true, seed%2 == 0 // a dead line never carries anything
		var cost, raised int
		for range 24 * 60 * 6 { // a day in steps of 10 s
			now = now.Add(10 * time.Second)
			w := wish{scheduled: chance(50), urgent: chance(3)}
			if isUp && !dead {
				w.connected = !chance(4)
				w.moving = w.connected && chance(10)
			}
			switch m.next(now, w) {
			case raise:
				if raised++; m.next(now, wish{scheduled: true, urgent: true}) != nothing {
					t.Fatalf("seed %d: two programs at once", seed)
				}
				failed := chance(5)
				isUp = !failed
				m.done(now, failed)
			case lower:
				failed := chance(5)
				isUp = isUp && failed
				m.done(now, failed)
			}
			if isUp {
				cost += 10
			}
		}
		if raised == 0 {
			t.Fatalf("seed %d: the line was never brought up", seed)
		}
		if dead && cost > 3*60*60 {
			t.Errorf("seed %d: a dead line was up for %d s of a day", seed, cost)
		}
	}
}
