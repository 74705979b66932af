// Package vitals watches the hub itself: its clock, its disk, its database.
//
// It promises that
//
//   - a clock that jumps is not followed at once (P11): time goes on at its pace, so
//     that nothing in custody expires, is refused or is signed with a wrong time while
//     somebody can still set it right;
//   - what is wrong is a condition that says what to do, and goes when it is right
//     again; nothing here stops the hub.
package vitals

import (
	"path/filepath"
	"sync"
	"time"

	"tram/agent/clock"
)

const (
	// Slack is how far the machine's clock may move against its own pace and be
	// followed at once: corrections are normal.
	Slack = 5 * time.Minute
	// Settling is how long after the start a jump is followed at once: the machine
	// may just have learnt the time.
	Settling = 10 * time.Minute
	// Doubt is how long a jump is not followed. After that the clock is taken to have
	// been set right.
	Doubt = time.Hour
	// LongestOff is how far ahead of the last known time a clock is believed at the
	// start.
	LongestOff = 60 * 24 * time.Hour

	// clockFile keeps the last known time in the data folder.
	clockFile = "last-time"
	// keepEvery is how often it is written down: each time costs a disk some 60 kB, with
	// what its file system writes. After a start the clock may be off by this much more
	// without being doubted.
	keepEvery = 10 * time.Minute
)

// Machine tells the time of the machine: what its clock says, and how long the program
// has run, which no setting of the clock changes.
type Machine func() (wall time.Time, ran time.Duration)

// OS is the real one.
func OS() Machine {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// Clock is the hub's source of time. Safe for concurrent use.
type Clock struct {
	path    string
	machine Machine

	mu     sync.Mutex
	wall   time.Time     // what the machine said last,
	ran    time.Duration // when it had run so long
	offset time.Duration // that the clock has jumped ahead of Now; 0: it is followed
	since  time.Duration // when that began
	kept   time.Time     // as it stands in the file
}

// OpenClock reads the last known time of the data folder.
func OpenClock(dir string, machine Machine) (*Clock, error) {
	c := &Clock{path: filepath.Join(dir, clockFile), machine: machine}
	last, err := clock.ReadKnown(c.path)
	if err != nil {
		return nil, err
	}
	c.wall, c.ran = machine()
	if ahead := c.wall.Sub(last); !last.IsZero() && (ahead < -Slack || ahead > LongestOff) {
		c.offset, c.since = ahead, c.ran
	}
	return c, nil
}

// Now is the time: the machine's, unless its clock has jumped within Doubt.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, ran := c.machine()
	if jump := wall.Sub(c.wall) - (ran - c.ran); jump.Abs() > Slack {
		if c.offset == 0 {
			c.since = ran
		}
		if c.offset += jump; ran < Settling && c.offset > 0 && c.offset == jump {
			c.offset = 0
		}
	}
	c.wall, c.ran = wall, ran
	if c.offset.Abs() <= Slack || ran-c.since >= Doubt && !wall.Before(clock.Released) {
		c.offset = 0
	}
	return wall.Add(-c.offset)
}

// Jumped tells how far ahead of Now the machine's clock is, 0 when it is followed, and
// how long that is still so: 0, until somebody sets it.
func (c *Clock) Jumped() (ahead, left time.Duration) {
	c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offset == 0 {
		return 0, 0
	}
	return c.offset, max(Doubt-(c.ran-c.since), 0)
}

// Keep writes the present time down now and then.
func (c *Clock) Keep() error {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.kept).Abs() < keepEvery {
		return nil
	}
	if err := clock.KeepKnown(c.path, now); err != nil {
		return err
	}
	c.kept = now
	return nil
}
