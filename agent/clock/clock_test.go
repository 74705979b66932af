package clock

import (
	"testing"
	"time"
)

// TestP11_DeadBatteryGoesOnFromTheLastKnownTime starts a machine in 1970.
func TestP11_DeadBatteryGoesOnFromTheLastKnownTime(t *testing.T) {
	dir := t.TempDir()
	good := time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)
	machine := good
	c, err := open(dir, func() time.Time { return machine })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Keep(); err != nil {
		t.Fatal(err)
	}

	machine = time.Unix(100, 0)
	c, err = open(dir, func() time.Time { return machine })
	if err != nil {
		t.Fatal(err)
	}
	machine = machine.Add(5 * time.Minute)
	if got := c.Now(); !got.Equal(good.Add(5 * time.Minute)) {
		t.Errorf("now is %v, want five minutes after %v", got, good)
	}
	if trusted, _ := c.Trusted(); trusted {
		t.Error("a clock in 1970 is trusted")
	}
	hub := good.Add(48 * time.Hour)
	c.Heard(hub)
	machine = machine.Add(time.Minute)
	if got := c.Now(); !got.Equal(hub.Add(time.Minute)) {
		t.Errorf("after the hub spoke now is %v, want a minute after %v", got, hub)
	}
	machine = hub.Add(time.Hour)
	if trusted, _ := c.Trusted(); !trusted {
		t.Error("a clock that was set is not trusted")
	}
}

// TestP11_AClockBehindTheHubGoesOnFromItsTime has a believable clock that is
// months behind: a battery that was changed, and a date set by guess.
func TestP11_AClockBehindTheHubGoesOnFromItsTime(t *testing.T) {
	dir := t.TempDir()
	machine := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	c, err := open(dir, func() time.Time { return machine })
	if err != nil {
		t.Fatal(err)
	}
	hub := machine.AddDate(0, 4, 0)
	c.Heard(machine.Add(slack))
	if got := c.Now(); !got.Equal(machine) {
		t.Errorf("a small difference moves the clock to %v", got)
	}
	c.Heard(hub)
	if err := c.Keep(); err != nil {
		t.Fatal(err)
	}
	machine = machine.Add(time.Minute)
	if got := c.Now(); !got.Equal(hub.Add(time.Minute)) {
		t.Errorf("now is %v, want a minute after %v", got, hub)
	}
	if c, err = open(dir, func() time.Time { return machine }); err != nil {
		t.Fatal(err)
	}
	if got := c.Now(); got.Before(hub) {
		t.Errorf("after a restart now is %v, before %v", got, hub)
	}
}

func TestClockAheadIsShownNotMoved(t *testing.T) {
	machine := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	c, err := open(t.TempDir(), func() time.Time { return machine })
	if err != nil {
		t.Fatal(err)
	}
	c.Heard(machine.Add(-3 * time.Hour))
	if got := c.Now(); !got.Equal(machine) {
		t.Errorf("now is %v, want the machine's %v", got, machine)
	}
	if _, offset := c.Trusted(); offset != -3*time.Hour {
		t.Errorf("offset is %v", offset)
	}
}
