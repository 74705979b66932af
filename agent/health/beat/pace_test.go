package beat_test

import (
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/health/beat"
)

const look = 15 * time.Second

// drive looks every look for so long and returns when heartbeats went, since the
// beginning. change alters the office's state at a time.
func drive(p *beat.Pacer, span time.Duration, change func(since time.Duration, b *beat.Beat) (up bool)) []time.Duration {
	var went []time.Duration
	b := typical()
	b.Queue = beat.Queue{}
	for since := time.Duration(0); since < span; since += look {
		now := at.Add(since)
		if !change(since, &b) {
			p.Down()
			continue
		}
		if p.Due(now, b) {
			p.Sent(now, b)
			went = append(went, since)
		}
	}
	return went
}

func pacer(chance float64) *beat.Pacer {
	return &beat.Pacer{Intervals: beat.Intervals{Free: 5 * time.Minute, Metered: time.Hour}, Look: look, Chance: func() float64 { return chance }}
}

func TestHeartbeatsKeepTheirInterval(t *testing.T) {
	for _, chance := range []float64{0, 0.5, 0.999} {
		for metered, every := range map[bool]time.Duration{false: 5 * time.Minute, true: time.Hour} {
			went := drive(pacer(chance), 24*time.Hour, func(_ time.Duration, b *beat.Beat) bool { b.Line.Metered = metered; return true })
			if went[0] > beat.FirstWithin {
				t.Errorf("the first goes after %v", went[0])
			}
			for i, at := range went[1:] {
				if gap := at - went[i]; gap > every || gap < every*9/10-look {
					t.Errorf("chance %v: %v lie between two of every %v", chance, gap, every)
				}
			}
		}
	}
}

// TestAChangeIsToldAtOnceAndChangesTogether has a condition that comes and goes all
// the time: it costs a heartbeat in MinGap at most.
func TestAChangeIsToldAtOnceAndChangesTogether(t *testing.T) {
	went := drive(pacer(0), time.Hour, func(since time.Duration, b *beat.Beat) bool {
		b.Line.Metered, b.Conditions = true, nil
		if since >= 10*time.Minute {
			b.Conditions = []health.Condition{{Code: health.DiskLow}}
		}
		if since >= 20*time.Minute && since < 22*time.Minute && since/look%2 == 0 {
			b.Conditions = nil
		}
		return true
	})
	if len(went) < 3 || went[0] != 0 || went[1] != 10*time.Minute || went[2] != 20*time.Minute {
		t.Fatalf("they went after %v", went)
	}
	for i, at := range went[1:] {
		if at-went[i] < beat.MinGap {
			t.Errorf("%v lie between two", at-went[i])
		}
	}
	if n := len(went); n > 8 {
		t.Errorf("%d heartbeats for two minutes of coming and going", n)
	}
}

func TestAStuckUrgentDocumentIsAChange(t *testing.T) {
	for urgency, want := range map[uint8]int{0: 1, 1: 3, 3: 3} {
		went := drive(pacer(0), 50*time.Minute, func(since time.Duration, b *beat.Beat) bool {
			b.Line.Metered, b.Queue = true, beat.Queue{}
			if since >= 10*time.Minute && since < 30*time.Minute {
				b.Queue = beat.Queue{Count: 1, Levels: []beat.Level{{Urgency: urgency, Count: 1, Since: at.Add(10 * time.Minute)}}}
			}
			return true
		})
		if len(went) != want {
			t.Errorf("urgency %d: they went after %v, want %d", urgency, went, want)
		}
	}
}

func TestALineThatComesBackIsTold(t *testing.T) {
	went := drive(pacer(0.5), 20*time.Minute, func(since time.Duration, b *beat.Beat) bool {
		b.Line.Metered = since >= 15*time.Minute
		return since < 2*time.Minute || since >= 15*time.Minute
	})
	if len(went) != 2 || went[0] != 30*time.Second || went[1] != 15*time.Minute+30*time.Second {
		t.Errorf("they went after %v", went)
	}
}
