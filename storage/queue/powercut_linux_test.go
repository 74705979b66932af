//go:build amd64 || arm64

package queue_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tram/storage/forgetful"
	"tram/storage/killtest"
)

// TestP1_P4_PowerCutsUnderTheStores lets a process save and receive on a disk that
// forgets, cuts the power at a step on that disk, again and again, and looks at the end
// for everything that was said to be safe. SQLite's own fsyncs are among the steps.
func TestP1_P4_PowerCutsUnderTheStores(t *testing.T) {
	cuts := 25
	if n, err := strconv.Atoi(os.Getenv("TRAM_CUTS")); err == nil {
		cuts = n
	}
	disk, dir := forgetful.New(1<<30), t.TempDir()
	r := rand.New(rand.NewPCG(1, uint64(cuts)))
	said := map[string]bool{}
	kinds := map[forgetful.Op]int{}
	for range cuts {
		for _, line := range cutOnce(t, disk, dir, r, kinds) {
			said[line] = true
		}
	}
	m := disk.Mount(t, dir)
	checkSaid(t, dir, said)
	if err := m.Unmount(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bundles were said to be safe under %d cuts, at %v", len(said), cuts, kinds)
	if len(said) < cuts {
		t.Errorf("only %d promises: the cuts come too early to say something", len(said))
	}
}

// changing are the steps at which the power goes: each kind as often.
var changing = []forgetful.Op{
	forgetful.OpWrite, forgetful.OpSync, forgetful.OpSyncDir, forgetful.OpCreate, forgetful.OpRename, forgetful.OpRemove, forgetful.OpTruncate,
}

// cutOnce runs a child on the disk until the power goes, and returns what it said.
func cutOnce(t *testing.T, disk *forgetful.Disk, dir string, r *rand.Rand, kinds map[forgetful.Op]int) []string {
	t.Helper()
	m := disk.Mount(t, dir)
	kind := changing[r.IntN(len(changing))]
	left, most := 1+r.IntN(40), 1500 // a kind that is rare may not come that often
	child := killtest.Start(t, "traffic", dir, nil)
	disk.Fail(func(op forgetful.Op, _ string) syscall.Errno {
		if op == forgetful.OpRead {
			return 0
		}
		if most--; op == kind {
			left--
		}
		if left > 0 && most > 0 {
			return 0
		}
		kinds[op]++
		disk.PowerOff()
		return syscall.EIO
	})
	<-child.Done() // its next step fails
	child.Kill()
	disk.Fail(nil)
	if err := m.Unmount(); err != nil {
		t.Fatal(err)
	}
	disk.Cut(r)
	var said []string
	for _, line := range child.Said() {
		if word, id, ok := strings.Cut(line, " "); ok && (word == "saved" || word == "received") && len(id) == 36 {
			said = append(said, line)
		}
	}
	return said
}
