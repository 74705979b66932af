// Package clock tells an office's time honestly, on machines whose clock
// battery may be dead.
//
// It promises (P11) that time never runs before what this office has already
// known to be past: a machine that wakes up in 1970 goes on from the last time
// it knew, and says that its clock is not trusted until the hub, over an
// authenticated line, or the machine itself tells a believable time again. It
// never moves a clock that is ahead: that is for people, and is shown.
//
// What it knew may have come from a clock that was years ahead for a while. A jump ahead
// is therefore not written down before the clock has stood for an hour, and what was
// written down all the same gives way once the machine's clock and the hub's say the same.
//
// What cannot be taken back, such as ending a document whose lifetime is over, goes by
// [Clock.Ends], which a clock that is ahead does not move.
package clock

import (
	"path/filepath"
	"sync"
	"time"
)

const (
	// file keeps the last known time in the data folder.
	file = "clock"
	// slack is how far behind the last known time the machine's clock may be
	// and still be believed: small corrections are normal.
	slack = time.Hour
	// keepEvery is how often the last known time is written down.
	keepEvery = time.Hour
	// sureAfter is how long a clock must have stood, without a jump, until lifetimes end by
	// it alone: where no hub is heard, they can wait.
	sureAfter = 24 * time.Hour
)

// Clock is an office's source of time. Its methods may be called from several
// goroutines.
type Clock struct {
	path    string
	machine func() time.Time
	steady  func() time.Duration // runs on whatever the machine's clock is set to

	mu     sync.Mutex
	known  time.Time // the last time known to be past …
	at     time.Time // … and what the machine's clock said then, this run
	kept   time.Time // known as it stands in the file
	offset time.Duration
	seen   time.Time     // at the last look of Keep …
	run    time.Duration // … and what steady said then
	calm   time.Duration // what steady says when a jump has stood long enough; 0 without one
	hub    time.Time     // what the hub said last, zero for nothing …
	hubRun time.Duration // … and what steady said then
}

// Open reads the last known time of the data folder dir.
func Open(dir string) (*Clock, error) {
	return open(dir, time.Now)
}

func open(dir string, machine func() time.Time) (*Clock, error) {
	begun := time.Now()
	c := &Clock{path: filepath.Join(dir, file), machine: machine, steady: func() time.Duration { return time.Since(begun) }, known: Released}
	last, err := ReadKnown(c.path)
	if err != nil {
		return nil, err
	}
	if last.After(c.known) {
		c.known = last
	}
	c.at = machine()
	return c, nil
}

// Now is the best time known: the machine's, unless that lies before what is
// known to be past.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now()
	return now
}

func (c *Clock) now() (time.Time, bool) {
	machine := c.machine()
	if machine.Before(c.known.Add(-slack)) {
		return c.known.Add(max(machine.Sub(c.at), 0)), false
	}
	return machine, true
}

// Trusted tells whether Now is the machine's own time, and how far the hub's
// clock was ahead of it when it was last heard.
func (c *Clock) Trusted() (trusted bool, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, trusted = c.now()
	return trusted, c.offset
}

// Heard takes note of the hub's time, received over an authenticated line or
// signed by it. A machine's clock that is behind it by more than slack is not
// believed any longer: that time is past.
func (c *Clock) Heard(hub time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, trusted := c.now()
	machine := c.machine()
	c.offset = hub.Sub(now)
	c.hub, c.hubRun = hub, c.steady()
	switch {
	case c.offset > slack, !trusted && hub.After(now):
		c.known, c.at = hub, machine
	case !trusted && c.offset < -slack && hub.Sub(machine).Abs() <= slack: // two clocks against one memory
		c.known, c.at, c.offset = hub, machine, hub.Sub(machine)
		c.kept, c.seen, c.calm = time.Time{}, time.Time{}, 0
	}
}

// Ends is the time by which lifetimes may end. It is never later than Now, nor than the
// time since the hub was heard tells; zero while neither the hub nor a long run vouches
// for the machine's clock.
func (c *Clock) Ends() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, trusted := c.now()
	run := c.steady()
	if !c.hub.IsZero() {
		if sure := c.hub.Add(run - c.hubRun + slack); sure.Before(now) {
			return sure
		}
		return now
	}
	c.jumps(now)
	if !trusted || run < sureAfter || c.calm > 0 && run < c.calm-keepEvery+sureAfter {
		return time.Time{}
	}
	return now
}

// Keep writes the present time down when an hour has passed since the last
// time, so that a later start knows it to be past.
func (c *Clock) Keep() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now()
	if now.Sub(c.kept) < keepEvery || c.jumps(now) {
		return nil
	}
	if err := KeepKnown(c.path, now); err != nil {
		return err
	}
	c.kept = now
	c.known, c.at = now, c.machine() // what was written down is past for this run as well
	return nil
}

// jumps says whether the clock was set ahead within the last hour.
func (c *Clock) jumps(now time.Time) bool {
	run := c.steady()
	if !c.seen.IsZero() && now.Sub(c.seen)-(run-c.run) > slack {
		c.calm = run + keepEvery
	}
	c.seen, c.run = now, run
	return run < c.calm
}
