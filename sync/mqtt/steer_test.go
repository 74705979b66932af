package mqtt

import (
	"testing"
	"time"
)

// TestJudge tells lines by what their sockets show.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name          string
		rtt, shortest time.Duration
		unacked       uint32 // of a window of 20
		lost          uint32 // of 1,000
		want          verdict
		every         time.Duration
		looks         int
	}{
		{"idle", 600 * ms, 600 * ms, 2, 0, fine, steerEvery, int(steerSpan/steerEvery) + 1},
		{"clean and full", 1200 * ms, 600 * ms, 20, 0, fine, steerEvery, int(steerSpan/steerEvery) + 1},
		{"radio: loss without a queue", 620 * ms, 600 * ms, 20, 30, randomLoss, steerEvery, int(steerSpan/steerEvery) + 1},
		{"little loss that still limits", 210 * ms, 200 * ms, 18, 5, randomLoss, steerEvery, int(steerSpan/steerEvery) + 1},
		{"radio that is written to every second", 620 * ms, 600 * ms, 20, 30, randomLoss, time.Second, steerLooks},
		{"loss that does not limit", 210 * ms, 200 * ms, 5, 30, fine, steerEvery, int(steerSpan/steerEvery) + 1},
		{"loss with a queue: the line is full", 700 * ms, 200 * ms, 20, 10, fine, steerEvery, int(steerSpan/steerEvery) + 1},
		{"much loss with a queue: a shallow one overflows", 700 * ms, 200 * ms, 20, 100, fullLine, steerEvery, int(steerSpan/steerEvery) + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j judge
			var got verdict
			now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
			for i := range uint32(c.looks) {
				if got != undecided {
					t.Fatal("decided early")
				}
				now = now.Add(c.every)
				got = j.take(now, sight{rtt: c.rtt, shortest: c.shortest, unacked: c.unacked, window: 20, sent: i * 1000, again: i * c.lost})
			}
			if got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
			if j != (judge{}) {
				t.Error("looks are not counted anew")
			}
		})
	}
}
