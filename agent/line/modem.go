package line

import (
	"time"

	"tram/agent/hours"
)

const (
	// retryMin and retryMax bound the wait after a line that did not come up or
	// carried nothing; it doubles each time.
	retryMin = time.Minute
	retryMax = 30 * time.Minute
	// downTries is how often the down command may fail before the line counts as
	// down all the same.
	downTries = 3
)

// Modem is how a line that is not always there is brought up and down.
type Modem struct {
	Up, Down []string   // program and arguments; empty Up: there is no such line
	Times    hours.Week // when it is kept up
	Urgency  uint8      // a waiting document of that urgency or above brings it up; above hỏa tốc: none does
	Idle     time.Duration
	Timeout  time.Duration // of a program
}

// stage is where a modem is.
type stage uint8

const (
	down stage = iota
	raising
	up
	lowering
)

// step is what a modem has to do.
type step uint8

const (
	nothing step = iota
	raise
	lower
)

// wish is what a modem goes by at a moment.
type wish struct {
	scheduled bool // the timetable wants a line
	urgent    bool // something waits that is urgent enough
	connected bool // to the hub, over whatever line
	moving    bool // bytes went over the line since the last time
}

// modem decides when a line goes up and down. It has no clock. Of a program
// that ended without bringing its line down nothing is known, so that at the
// start a line counts as up: what is idle is brought down once too often
// rather than paid for.
type modem struct {
	idle  time.Duration
	stage stage
	moved time.Time // when the line last carried something, or came up
	used  bool      // it carried something since it came up
	fails int       // in a row, of coming up or of carrying something
	stuck int       // failures of the down command in a row
	retry time.Time
}

func newModem(idle time.Duration, now time.Time) *modem {
	return &modem{idle: idle, stage: up, moved: now, used: true}
}

// next says what is to be done. The answer of a raise or lower is for done;
// until then there is nothing to do.
func (m *modem) next(now time.Time, w wish) step {
	switch m.stage {
	case down:
		if (w.scheduled || w.urgent) && !w.connected && !now.Before(m.retry) {
			m.stage = raising
			return raise
		}
	case up:
		if w.moving {
			m.moved, m.used, m.fails = now, true, 0
		}
		if now.Sub(m.moved) >= m.idle && !(w.scheduled && w.connected) {
			m.stage = lowering
			return lower
		}
	}
	return nothing
}

// done takes how the program of the last step ended. After one that failed to
// bring the line up, what it left behind is brought down.
func (m *modem) done(now time.Time, failed bool) {
	switch m.stage {
	case raising:
		m.stage, m.moved, m.used = up, now, false
		if failed {
			m.moved = now.Add(-m.idle)
		}
	case lowering:
		if failed && m.stuck+1 < downTries {
			m.stuck++
			m.stage, m.moved = up, now
			return
		}
		m.stage, m.stuck = down, 0
		if !m.used {
			m.retry = now.Add(min(retryMin<<min(m.fails, 8), retryMax))
			m.fails++
		}
	}
}
