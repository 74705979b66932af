//go:build unix

package usb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tram/sync/bundle"
	"tram/sync/usb"
)

// TestP9_HostileStick: nothing on a stick leads outside of it, blocks, or is
// taken for a package.
func TestP9_HostileStick(t *testing.T) {
	a, b := pair(t)
	dir, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("not yours"), 0o600); err != nil {
		t.Fatal(err)
	}
	stick := open(t, dir)
	a.put(t, "H40", 900, 50_000)
	export(t, a, stick)
	folder := filepath.Join(dir, "tram", "1", "h40_12+h40")
	id := strings.Repeat("0", 31)
	for i, do := range []func() error{
		func() error { return os.Symlink(secret, filepath.Join(folder, id+"1.tram")) },
		func() error { return os.Symlink(outside, filepath.Join(dir, "tram", "1", "h40_13+h40")) },
		func() error { return os.Symlink("/dev/zero", filepath.Join(folder, strings.Repeat("a", 64))) },
		func() error { return syscall.Mkfifo(filepath.Join(folder, id+"2.tram"), 0o600) },
		func() error { return os.Mkdir(filepath.Join(folder, id+"3.tram"), 0o700) },
		func() error { return os.WriteFile(filepath.Join(folder, "readme.txt"), nil, 0o600) },
		func() error {
			return os.WriteFile(filepath.Join(folder, id+"4.tram"), make([]byte, bundle.MaxHeader+1), 0o600)
		},
		func() error { return os.Mkdir(filepath.Join(dir, "tram", "1", "..+h40"), 0o700) },
		func() error { return os.Symlink(outside, filepath.Join(dir, "tram", "1", "h40+h40_12")) },
	} {
		if err := do(); err != nil {
			t.Fatalf("obstacle %d: %v", i, err)
		}
	}
	found, err := usb.Look(t.Context(), stick, b)
	if err != nil || len(found) != 2 {
		t.Fatalf("the stick shows %+v (error %v)", found, err)
	}
	// The folder for the receipts leads outside: they are not written, and the
	// bundle is here all the same.
	for _, f := range found {
		if f.State != usb.New {
			continue
		}
		if _, err := usb.Take(t.Context(), stick, b, f, usb.ImportOptions{}); !errors.Is(err, usb.ErrStick) {
			t.Errorf("import gives %v", err)
		}
	}
	if len(b.inbox(t)) != 1 {
		t.Error("the good package was not taken in")
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "not yours" || len(names(t, outside)) != 1 {
		t.Errorf("something outside of the stick was touched: %q %v", data, names(t, outside))
	}
}
