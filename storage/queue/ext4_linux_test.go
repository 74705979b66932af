//go:build amd64 || arm64

package queue_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tram/storage/killtest"
)

// volume is a small ext4 of its own in a file.
type volume struct {
	t     *testing.T
	image string
	dir   string
}

func newVolume(t *testing.T, mib string) *volume {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a file system of its own is for root")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "truncate"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this machine cannot make an ext4: %v", err)
		}
	}
	dir := t.TempDir()
	v := &volume{t: t, image: filepath.Join(dir, "image"), dir: filepath.Join(dir, "disk")}
	v.run("truncate", "-s", mib+"M", v.image)
	v.run("mkfs.ext4", "-q", "-m", "0", v.image)
	if err := os.Mkdir(v.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", v.image, v.dir).CombinedOutput(); err != nil {
		t.Skipf("mounting is not allowed here: %s", out)
	}
	t.Cleanup(func() { _ = unix.Unmount(v.dir, unix.MNT_DETACH) }) // when the test ended in the middle
	return v
}

func (v *volume) run(name string, args ...string) {
	v.t.Helper()
	if out, err := exec.CommandContext(v.t.Context(), name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// again takes the volume away and mounts it, which replays its journal.
func (v *volume) again() {
	v.t.Helper()
	var err error
	for range 100 {
		if err = unix.Unmount(v.dir, 0); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond) // files of the child are being closed
	}
	if err != nil {
		v.t.Fatal(err)
	}
	v.run("mount", "-o", "loop", v.image, v.dir)
}

// goDown has ext4 stop at once, as a disk does whose power goes: nothing more is written,
// neither data nor journal.
func (v *volume) goDown() {
	v.t.Helper()
	const shutdown, withoutFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	d, err := os.Open(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	defer d.Close()
	flags := uint32(withoutFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		v.t.Fatal(errno)
	}
}

// traffic lets a child work until meanwhile has ended and the child with it, and adds what
// it said.
func (v *volume) traffic(said map[string]bool, meanwhile func(c *killtest.Child)) string {
	v.t.Helper()
	child := killtest.Start(v.t, "traffic", v.dir, nil)
	meanwhile(child)
	why := ""
	if err := child.Wait(); err != nil {
		why = err.Error()
	}
	for _, line := range child.Said() {
		if word, id, ok := strings.Cut(line, " "); ok && (word == "saved" || word == "received") && len(id) == 36 {
			said[line] = true
		}
	}
	return why
}

// TestP1_PowerCutsOnExt4 has a real ext4 go down under the stores, a few times, and looks
// for everything that was said to be safe after its journal was replayed.
func TestP1_PowerCutsOnExt4(t *testing.T) {
	v, said := newVolume(t, "48"), map[string]bool{}
	for range 5 {
		v.traffic(said, func(c *killtest.Child) {
			for late := time.Now().Add(10 * time.Second); len(c.Said()) < 2 && time.Now().Before(late); time.Sleep(time.Millisecond) {
			}
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			v.goDown()
			c.Kill()
		})
		v.again()
	}
	checkSaid(t, v.dir, said)
	t.Logf("%d bundles were said to be safe under 5 cuts", len(said))
	v.again()
}

// TestP1_P9_AFullAndAReadOnlyExt4: the stores end with an error that says which, lose
// nothing, and go on when there is room, and when the volume takes writes again.
func TestP1_P9_AFullAndAReadOnlyExt4(t *testing.T) {
	v, said := newVolume(t, "24"), map[string]bool{}
	filler := filepath.Join(v.dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if why := v.traffic(said, func(*killtest.Child) {}); !strings.Contains(why, "no space left") {
		t.Errorf("on a full disk: %s", why)
	}
	full := len(said)
	checkSaid(t, v.dir, said)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	why := v.traffic(said, func(c *killtest.Child) {
		for late := time.Now().Add(10 * time.Second); len(c.Said()) < 10 && time.Now().Before(late); time.Sleep(time.Millisecond) {
		}
		v.run("mount", "-o", "remount,abort", v.dir) // as ext4 does after an error of its disk
	})
	// What was under way meets an I/O error, what begins later the read-only volume.
	if !slices.ContainsFunc([]string{"readonly", "read-only", "I/O error", "input/output error"}, func(s string) bool { return strings.Contains(why, s) }) {
		t.Errorf("on a volume that became read-only: %s", why)
	}
	v.again()
	if len(said) < full+10 {
		t.Errorf("%d promises on the full disk, %d with those after it: it did not go on", full, len(said))
	}
	checkSaid(t, v.dir, said)
	t.Logf("%d bundles were said to be safe until the disk was full, %d in all", full, len(said))
	v.again()
}
