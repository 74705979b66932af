//go:build amd64 || arm64

package agent_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/storage/forgetful"
)

// cutAt are the steps on a disk at which the power goes.
var cutAt = []forgetful.Op{forgetful.OpWrite, forgetful.OpSync, forgetful.OpSyncDir, forgetful.OpCreate, forgetful.OpRename, forgetful.OpRemove}

// diskVictim is a victim on a disk that forgets, and fails as it is told.
type diskVictim struct {
	*victim
	disk  *forgetful.Disk
	mount *forgetful.Mounted
}

// onDisk enrols office A, which does not run yet, on such a disk, beside a hub and
// office B.
func onDisk(t *testing.T) (*diskVictim, *box) {
	t.Helper()
	p, disk := found(t), forgetful.New(1<<30)
	dir := p.boxDir(codeA)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v := &diskVictim{&victim{p: p, dir: dir, api: api.NewClient(dir)}, disk, disk.Mount(t, dir)}
	t.Cleanup(func() {
		v.api.Close()
		if v.child != nil {
			v.child.Kill()
		}
		if err := v.mount.Unmount(); err != nil {
			t.Error(err)
		}
	})
	p.startHub()
	b := p.join(codeB)
	r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: dir, Invite: p.inviteFile(codeA)})
	if err != nil || r.State != enroll.Enrolled {
		t.Fatalf("enrolment: %+v, %v", r, err)
	}
	return v, b
}

// TestP1_P2_P3_PowerCutsUnderAnOffice lets a real process of an office send and receive on
// a disk that forgets what was not made durable, and cuts its power at a step on that
// disk. What was said to be saved arrives, whole, once, with its receipt; the office
// starts by itself each time.
func TestP1_P2_P3_PowerCutsUnderAnOffice(t *testing.T) {
	cuts := 6
	if n, err := strconv.Atoi(os.Getenv("TRAM_CUTS")); err == nil {
		cuts = n
	}
	v, b := onDisk(t)
	p := v.p
	random := rand.New(rand.NewPCG(uint64(cuts), 2))
	kinds := map[forgetful.Op]int{}
	for n := range cuts {
		kind := cutAt[n%len(cutAt)]
		kinds[v.losesPower(kind, 1+random.IntN(40), b)]++
		if err := v.mount.Unmount(); err != nil {
			t.Fatal(err)
		}
		v.disk.Cut(random)
		v.mount = v.disk.Mount(t, v.dir)
	}
	v.start(nil)
	v.arrived(b)
	v.child.Kill()
	b.end(t)
	p.stopHub()
	p.auditsHold(codeA, codeB)
	t.Logf("%d documents under power cuts at %v, %d more arrived than were said to be saved", len(v.saved), kinds, v.unasked)
}

// losesPower lets documents flow until the power goes, at the nth step of a kind or at
// what comes instead.
func (v *diskVictim) losesPower(kind forgetful.Op, nth int, b *box) (at forgetful.Op) {
	v.p.t.Helper()
	gone, most := make(chan struct{}), 1500 // a kind that is rare may not come that often
	v.start(nil)
	child := v.child
	v.disk.Fail(func(op forgetful.Op, _ string) syscall.Errno {
		if op == forgetful.OpRead {
			return 0
		}
		if most--; op == kind {
			nth--
		}
		if nth > 0 && most > 0 {
			return 0
		}
		v.disk.PowerOff()
		select {
		case <-gone:
		default:
			at = op
			close(gone)
			child.Signal() // its machine is gone with the disk
		}
		return syscall.EIO
	})
	for late := time.Now().Add(patience); ; {
		select {
		case <-gone:
			<-child.Done()
			v.disk.Fail(nil)
			return at
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(late) {
			v.p.t.Fatal("there are too few steps for a cut")
		}
		v.tries(v.api, codeB, gone)
		v.tries(b.api, codeA, gone)
	}
}
