package clock

import (
	"testing"
	"time"
)

// watch is a machine's clock that somebody sets, and one that runs on.
type watch struct {
	wall time.Time
	run  time.Duration
}

func (w *watch) passes(d time.Duration) { w.wall, w.run = w.wall.Add(d), w.run+d }

func (w *watch) open(t *testing.T, dir string) *Clock {
	t.Helper()
	c, err := open(dir, func() time.Time { return w.wall })
	if err != nil {
		t.Fatal(err)
	}
	c.steady = func() time.Duration { return w.run }
	return c
}

func keep(t *testing.T, c *Clock) {
	t.Helper()
	if err := c.Keep(); err != nil {
		t.Fatal(err)
	}
}

// TestP11_AClockThatJumpsYearsAheadLeavesNoTrace: for a minute it is 2041; nothing of that
// is remembered, in this run or after a restart.
func TestP11_AClockThatJumpsYearsAheadLeavesNoTrace(t *testing.T) {
	dir, right := t.TempDir(), time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	w := &watch{wall: right}
	c := w.open(t, dir)
	keep(t, c)
	w.passes(2 * time.Hour)
	keep(t, c)
	w.wall = w.wall.AddDate(15, 0, 0)
	for range 10 { // the agent looks every few minutes
		w.passes(5 * time.Minute)
		keep(t, c)
	}
	w.wall = right.Add(w.run)
	for _, c := range []*Clock{c, w.open(t, dir)} {
		if trusted, _ := c.Trusted(); !trusted || !c.Now().Equal(w.wall) {
			t.Errorf("set right again, now is %v (trusted %v), want %v", c.Now(), trusted, w.wall)
		}
	}
}

// TestP11_AClockThatStoodYearsAheadIsForgottenWithTheHub: it was 2041 for a day, and was
// written down. Alone the office cannot know; with the hub's word it does, for good.
func TestP11_AClockThatStoodYearsAheadIsForgottenWithTheHub(t *testing.T) {
	dir, right := t.TempDir(), time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	w := &watch{wall: right.AddDate(15, 0, 0)}
	keep(t, w.open(t, dir))
	w.wall = right
	c := w.open(t, dir)
	if trusted, _ := c.Trusted(); trusted {
		t.Error("a clock before what was known is trusted")
	}
	c.Heard(right.AddDate(0, 0, -30)) // says something else than the machine: nobody is believed
	if trusted, _ := c.Trusted(); trusted {
		t.Error("trusted on the word of one")
	}
	c.Heard(right.Add(time.Minute))
	if trusted, offset := c.Trusted(); !trusted || offset != time.Minute || !c.Now().Equal(right) {
		t.Errorf("with the hub now is %v, trusted %v, offset %v", c.Now(), trusted, offset)
	}
	keep(t, c)
	if trusted, _ := w.open(t, dir).Trusted(); !trusted {
		t.Error("after a restart the wrong time is known again")
	}
}

// TestP11_TimeDoesNotRunBackInARun: set back by years after an hour's work, the office
// goes on from what it has written down.
func TestP11_TimeDoesNotRunBackInARun(t *testing.T) {
	dir, right := t.TempDir(), time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	w := &watch{wall: right}
	c := w.open(t, dir)
	for range 30 {
		w.passes(5 * time.Minute)
		keep(t, c)
	}
	w.wall = time.Unix(0, 0)
	if now := c.Now(); now.Before(right.Add(w.run - keepEvery - 5*time.Minute)) {
		t.Errorf("set back to 1970 now is %v, before what was written down", now)
	}
	if trusted, _ := c.Trusted(); trusted {
		t.Error("1970 is trusted")
	}
}

// TestP11_TimesBeyond32Bits are kept and come back: after 19 January 2038 and after 2106.
func TestP11_TimesBeyond32Bits(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1<<31-1, 0), time.Unix(1<<31, 0), time.Unix(1<<32, 0), time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)} {
		dir := t.TempDir()
		w := &watch{wall: at}
		keep(t, w.open(t, dir))
		w.passes(time.Minute)
		c := w.open(t, dir)
		if trusted, _ := c.Trusted(); !trusted || !c.Now().Equal(w.wall) || !c.known.Equal(at.Truncate(time.Second)) {
			t.Errorf("%v: now %v, known %v", at, c.Now(), c.known)
		}
	}
}

// TestP3_P11_NoLifetimeEndsByAClockThatNothingVouchesFor: not after a start in 2041, not
// after a jump, and with the hub's word never later than that says.
func TestP3_P11_NoLifetimeEndsByAClockThatNothingVouchesFor(t *testing.T) {
	right := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	w := &watch{wall: right.AddDate(15, 0, 0)}
	c := w.open(t, t.TempDir())
	w.passes(time.Hour)
	if got := c.Ends(); !got.IsZero() {
		t.Errorf("an hour after its start lifetimes end by %v", got)
	}
	c.Heard(right.Add(time.Hour))
	w.passes(time.Hour)
	if got, want := c.Ends(), right.Add(2*time.Hour+slack); !got.Equal(want) {
		t.Errorf("with the hub heard lifetimes end by %v, want %v", got, want)
	}
	w.wall = right.Add(w.run)
	c.Heard(w.wall)
	if got := c.Ends(); !got.Equal(w.wall) {
		t.Errorf("of a right clock by %v, want %v", got, w.wall)
	}

	w = &watch{wall: right}
	c = w.open(t, t.TempDir())
	for range 25 {
		keep(t, c)
		w.passes(time.Hour)
	}
	if got := c.Ends(); !got.Equal(w.wall) {
		t.Errorf("without a hub, after a day, lifetimes end by %v, want %v", got, w.wall)
	}
	w.wall = w.wall.AddDate(15, 0, 0)
	for range 23 {
		if got := c.Ends(); !got.IsZero() {
			t.Fatalf("after a jump lifetimes end by %v", got)
		}
		w.passes(time.Hour)
	}
}
