package agent_test

import (
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/hub/vitals"
	"tram/agent/office"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

// fullDisk is the real disk, which may be full.
type fullDisk struct {
	fsx.Disk
	mu   sync.Mutex
	full bool
}

func (d *fullDisk) set(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *fullDisk) isFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full
}

func (d *fullDisk) Usage(dir string) (free, total int64, err error) {
	if d.isFull() {
		return 0, 1 << 40, nil
	}
	return d.Disk.Usage(dir)
}

func (d *fullDisk) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return fullFile{f, d}, nil
}

type fullFile struct {
	fsx.File
	disk *fullDisk
}

func (f fullFile) Write(p []byte) (int, error) {
	if f.disk.isFull() {
		return 0, storagetest.ErrNoSpace
	}
	return f.File.Write(p)
}

// suffers tells whether the hub says that a condition holds.
func (p *province) suffers(code string) bool {
	return slices.ContainsFunc(p.theHub.Conditions(), func(c health.Condition) bool { return c.Code == code })
}

// TestP3_AHubWhoseDiskIsFullTakesNothingOverAndRecovers: it delivers what it has, says
// what is wrong, and goes on when there is room.
func TestP3_AHubWhoseDiskIsFullTakesNothingOverAndRecovers(t *testing.T) {
	disk := &fullDisk{Disk: fsx.OS}
	p := found(t)
	p.hubDisk, p.log.but = disk, "no space left" // the hub says so of its own cards, and tries again
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	before := a.send(codeB, []byte("trước"))
	b.reaches(before.ID, office.Arrived)
	b.end(t)
	held := a.send(codeB, make([]byte, 300_000))
	a.reaches(held.ID, office.AtHub)
	disk.set(true)
	if !p.suffers(vitals.DiskFull) {
		t.Errorf("the hub says %+v", p.theHub.Conditions())
	}
	waits := a.send(codeB, make([]byte, 400_000))
	b.reopen()
	b.reaches(held.ID, office.Arrived)
	if d, err := a.api.Get(t.Context(), waits.ID); err != nil || d.State == office.AtHub || d.State == office.Failed {
		t.Errorf("what does not fit is %q (error %v)", d.State, err)
	}
	if _, err := p.theHub.Agents(t.Context()); err != nil {
		t.Errorf("reading while the disk is full: %v", err)
	}
	disk.set(false)
	a.end(t) // else it is offered again some time later
	a.reopen()
	b.reaches(waits.ID, office.Arrived)
	if p.suffers(vitals.DiskFull) {
		t.Error("the hub still says that its disk is full")
	}
}

// clockwork is a machine whose clock a test sets.
type clockwork struct {
	mu    sync.Mutex
	real  vitals.Machine
	ahead time.Duration
	aged  time.Duration // what it has run before
}

func (c *clockwork) tell() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, ran := c.real()
	return wall.Add(c.ahead), ran + c.aged
}

func (c *clockwork) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// TestP11_AHubWhoseClockJumpsLosesNothing: neither what is in custody nor what is
// offered counts as expired, and documents go on, a year ahead or back.
func TestP11_AHubWhoseClockJumpsLosesNothing(t *testing.T) {
	clock := &clockwork{real: vitals.OS(), aged: vitals.Settling}
	p := found(t)
	p.hubClock = clock.tell
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	b.reaches(a.send(codeB, []byte("trước")).ID, office.Arrived)
	b.end(t)
	held := a.send(codeB, []byte("đang giữ"))
	a.reaches(held.ID, office.AtHub)
	for _, jump := range []time.Duration{365 * 24 * time.Hour, -2 * 365 * 24 * time.Hour} {
		clock.jump(jump)
		if !p.suffers(vitals.ClockJumped) {
			t.Errorf("after a jump of %v the hub says %+v", jump, p.theHub.Conditions())
		}
		during := a.send(codeB, []byte("trong khi đồng hồ sai"))
		a.reaches(during.ID, office.AtHub)
	}
	b.reopen()
	d := b.reaches(held.ID, office.Arrived)
	for _, e := range d.Events {
		if time.Since(e.At).Abs() > time.Hour {
			t.Errorf("%s is said to have been at %v", e.Step, e.At)
		}
	}
	clock.jump(365 * 24 * time.Hour)
	if p.suffers(vitals.ClockJumped) {
		t.Error("the clock is set right, and the hub still complains")
	}
}
