//go:build amd64 || arm64

package forgetful_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tram/storage"
	"tram/storage/forgetful"
	"tram/storage/fsx"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// cut takes the power away and mounts the disk again.
func cut(t *testing.T, d *forgetful.Disk, m *forgetful.Mounted, r *rand.Rand) *forgetful.Mounted {
	t.Helper()
	must(t, m.Unmount())
	d.Cut(r)
	m = d.Mount(t, m.Dir)
	t.Cleanup(func() { must(t, m.Unmount()) })
	return m
}

// TestWhatIsNotSyncedIsForgotten: bytes without fsync, names without fsync of their
// folder, and nothing else.
func TestWhatIsNotSyncedIsForgotten(t *testing.T) {
	d := forgetful.New(1 << 20)
	m := d.Mount(t, t.TempDir())
	at := func(name string) string { return filepath.Join(m.Dir, name) }
	must(t, fsx.WriteFile(at("kept"), []byte("one"), 0o600), os.WriteFile(at("forgotten"), []byte("two"), 0o600))
	f, err := os.OpenFile(at("kept"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString(" and more")
	must(t, err, f.Close(), os.Mkdir(at("folder"), 0o700), os.Rename(at("kept"), at("renamed")))
	if got, err := os.ReadFile(at("renamed")); err != nil || string(got) != "one and more" {
		t.Fatalf("before the cut: %q, %v", got, err)
	}
	m = cut(t, d, m, nil)
	if got, err := os.ReadFile(at("kept")); err != nil || string(got) != "one" {
		t.Errorf("what was synced: %q, %v", got, err)
	}
	for _, name := range []string{"forgotten", "folder", "renamed"} {
		if _, err := os.Stat(at(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s survived the cut: %v", name, err)
		}
	}
}

// TestAWriteMayBeTorn: of a large one some sectors survive and others do not.
func TestAWriteMayBeTorn(t *testing.T) {
	d := forgetful.New(1 << 20)
	m := d.Mount(t, t.TempDir())
	path := filepath.Join(m.Dir, "file")
	old, young := bytes.Repeat([]byte("a"), 64<<10), bytes.Repeat([]byte("b"), 64<<10)
	must(t, fsx.WriteFile(path, old, 0o600), os.WriteFile(path, young, 0o600))
	cut(t, d, m, rand.New(rand.NewPCG(1, 1)))
	got, err := os.ReadFile(path)
	must(t, err)
	if n := bytes.Count(got, []byte("b")); n == 0 || n == len(young) {
		t.Errorf("%d of %d bytes are the new ones", n, len(young))
	}
}

// TestItFailsAsItIsTold: full, with an I/O error, and without power.
func TestItFailsAsItIsTold(t *testing.T) {
	d := forgetful.New(64 << 10)
	m := d.Mount(t, t.TempDir())
	t.Cleanup(func() { must(t, m.Unmount()) })
	path := filepath.Join(m.Dir, "file")
	if err := fsx.WriteFile(path, make([]byte, 100<<10), 0o600); !errors.Is(err, storage.ErrFull) {
		t.Errorf("a full disk: %v", err)
	}
	if d.Used() != 0 {
		t.Errorf("%d bytes are left of what did not fit", d.Used())
	}
	d.Fail(func(op forgetful.Op, _ string) syscall.Errno {
		if op == forgetful.OpSync {
			return syscall.EIO
		}
		return 0
	})
	if err := fsx.WriteFile(path, []byte("x"), 0o600); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failing fsync: %v", err)
	}
	d.Fail(func(forgetful.Op, string) syscall.Errno { d.PowerOff(); return syscall.EIO })
	for range 2 {
		if err := os.WriteFile(path, []byte("x"), 0o600); !errors.Is(err, syscall.EIO) {
			t.Errorf("without power: %v", err)
		}
	}
}
