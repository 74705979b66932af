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
	}{
		{"idle", 600 * ms, 600 * ms, 2, 0, fine},
		{"clean and full", 1200 * ms, 600 * ms, 20, 0, fine},
		{"radio: loss without a queue", 620 * ms, 600 * ms, 20, 30, randomLoss},
		{"little loss that still limits", 210 * ms, 200 * ms, 18, 5, randomLoss},
		{"loss that does not limit", 210 * ms, 200 * ms, 5, 30, fine},
		{"loss with a queue: the line is full", 700 * ms, 200 * ms, 20, 10, fine},
		{"much loss with a queue: a shallow one overflows", 700 * ms, 200 * ms, 20, 100, fullLine},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j judge
			var got verdict
			for i := range uint32(steerLooks) {
				if got != undecided {
					t.Fatal("decided early")
				}
				got = j.take(sight{rtt: c.rtt, shortest: c.shortest, unacked: c.unacked, window: 20, sent: i * 1000, again: i * c.lost})
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
