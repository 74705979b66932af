package usb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/bundle"
	"tram/sync/usb"
)

// failAt makes step n of the disk and all later ones fail.
func failAt(disk *storagetest.Disk, n int, err error) (reached func() bool) {
	seen := 0
	disk.Fail(func(storagetest.Op, string) error {
		if seen++; seen > n {
			return err
		}
		return nil
	})
	return func() bool { return seen > n }
}

// TestP1_StickPulledAtEveryStep pulls the stick at each step of an export and
// of an import: what is on it is whole, and the same again continues.
func TestP1_StickPulledAtEveryStep(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(7, 7))
	t.Run("export", func(t *testing.T) {
		for n := 0; ; n++ {
			a, b := pair(t)
			disk := storagetest.NewDisk()
			stick := usb.On(disk, "/")
			a.put(t, "H40", 900, 4000)
			a.put(t, "H40", 900)
			reached := failAt(disk, n, errPulled)
			x, err := usb.Export(t.Context(), stick, a, usb.ExportOptions{})
			disk.Fail(nil)
			disk.Cut(random)
			if !reached() {
				if err != nil || x.Bundles != 2 {
					t.Errorf("export without a fault reports %+v and %v", x, err)
				}
				t.Logf("an export has %d steps", n)
				return
			}
			if !errors.Is(err, usb.ErrStick) && err != nil {
				t.Errorf("step %d: export gives %v", n, err)
			}
			found, err := usb.Look(t.Context(), stick, b)
			if err != nil || len(found) > 1 || len(found) == 1 && found[0].State != usb.New {
				t.Fatalf("step %d: the stick shows %+v (error %v)", n, found, err)
			}
			export(t, a, stick)
			importAll(t, b, stick)
			if got := len(b.inbox(t)); got != 2 {
				t.Fatalf("step %d: %d bundles arrive after another export", n, got)
			}
		}
	})
	t.Run("import", func(t *testing.T) {
		for n := 0; ; n++ {
			a, b := pair(t)
			disk := storagetest.NewDisk()
			stick := usb.On(disk, "/")
			id := a.put(t, "H40", 900, 4000)
			export(t, a, stick)
			reached := failAt(disk, n, errPulled)
			_, err := takeAll(t.Context(), b, stick)
			disk.Fail(nil)
			disk.Cut(random)
			if !reached() {
				if err != nil {
					t.Errorf("import without a fault gives %v", err)
				}
				t.Logf("an import has %d steps", n)
				return
			}
			if err != nil && !errors.Is(err, usb.ErrStick) {
				t.Errorf("step %d: import gives %v", n, err)
			}
			importAll(t, b, stick)
			importAll(t, a, stick)
			if a.waiting(t, "H40", id) || len(b.inbox(t)) != 1 {
				t.Fatalf("step %d: the bundle waits %v, %d arrived", n, a.waiting(t, "H40", id), len(b.inbox(t)))
			}
		}
	})
}

// TestFullStickAtEveryWrite: a stick that is full against expectation holds
// whole packages, and what found no room is named.
func TestFullStickAtEveryWrite(t *testing.T) {
	for n := 1; ; n++ {
		a, b := pair(t)
		disk := storagetest.NewDisk()
		stick := usb.On(disk, "/")
		a.putUrgent(t, "H40", 2, 900, 4000)
		a.put(t, "H40", 900)
		seen := 0
		disk.Fail(func(op storagetest.Op, _ string) error {
			if op == storagetest.OpWrite {
				if seen++; seen >= n {
					return storagetest.ErrNoSpace
				}
			}
			return nil
		})
		x, err := usb.Export(t.Context(), stick, a, usb.ExportOptions{})
		disk.Fail(nil)
		if seen < n {
			t.Logf("an export has %d writes", n-1)
			return
		}
		if err != nil && !errors.Is(err, usb.ErrSmall) || err == nil && (x.Left == 0 || x.Bundles == 0) {
			t.Errorf("write %d: export reports %+v and %v", n, x, err)
		}
		if r := importAll(t, b, stick); len(r) > 1 || len(b.inbox(t)) != x.Bundles {
			t.Errorf("write %d: import reports %+v", n, r)
		}
		for _, name := range disk.Files() {
			if strings.Contains(name, ".tmp-") {
				t.Errorf("write %d leaves %s", n, name)
			}
		}
		export(t, a, stick)
		importAll(t, b, stick)
		if got := len(b.inbox(t)); got != 2 {
			t.Errorf("write %d: %d bundles arrive after another export", n, got)
		}
	}
}

// TestP6_AlteredObjectsAreNotUsed: a bit that tips on the stick costs only the
// object in which it is, and never what the link has brought.
func TestP6_AlteredObjectsAreNotUsed(t *testing.T) {
	a, b := pair(t)
	dir := t.TempDir()
	stick := open(t, dir)
	id, good := a.put(t, "H40", 900, 200_000), a.put(t, "H40", 900)
	export(t, a, stick)
	for _, name := range names(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 200_000 {
			data[150_000] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := importAll(t, b, stick)
	if r[0].Taken != 1 || r[0].Later != 1 || len(b.inbox(t)) != 1 || b.byStick.bytes.Load() > 2000 {
		t.Errorf("import reports %+v; %d bytes written", r[0], b.byStick.bytes.Load())
	}
	importAll(t, a, stick)
	if !a.waiting(t, "H40", id) || a.waiting(t, "H40", good) {
		t.Error("the wrong bundle is settled")
	}
	export(t, a, stick) // finds the damage and writes the object anew
	importAll(t, b, stick)
	if got := len(b.inbox(t)); got != 2 {
		t.Fatalf("%d bundles are here after another export", got)
	}
	sameObjects(t, a, b, id, 2)
}

// TestP3_LostStoreIsOfferedAgain: the neighbour lost its disk after it had
// signed; its next package says so.
func TestP3_LostStoreIsOfferedAgain(t *testing.T) {
	keys := makeKeys(t, "H40.12", "H40")
	a, b := newStation(t, "H40.12", "H40", keys), newStation(t, "H40", "H40.12", keys)
	stick := open(t, t.TempDir())
	id := a.put(t, "H40", 900, 5000)
	export(t, a, stick)
	importAll(t, b, stick)
	importAll(t, a, stick)

	fresh := newStation(t, "H40", "H40.12", keys)
	second := open(t, t.TempDir())
	export(t, fresh, second) // a greeting: it has nothing
	importAll(t, a, second)
	if x := export(t, a, second); x.Bundles != 1 {
		t.Errorf("export after the loss reports %+v", x)
	}
	importAll(t, fresh, second)
	sameObjects(t, a, fresh, id, 2)
}

func TestStrangeAnswersSettleNothing(t *testing.T) {
	a, b := pair(t)
	stick := open(t, t.TempDir())
	id := a.put(t, "H40", 900)
	list, err := a.store.Outgoing(t.Context(), "H40", storage.ID{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bundle.Parse(list[0].Header)
	if err != nil {
		t.Fatal(err)
	}
	other, err := bundle.SignReceipt(bundle.Receipt{ID: id, Header: signed.Digest(), Office: "H40", At: time.Now(), Epoch: uuid.New()}, makeKeys(t, "x")["x"])
	if err != nil {
		t.Fatal(err)
	}
	letters, err := usb.EncodeLetters(usb.Letters{
		Receipts: [][]byte{[]byte("no receipt"), other},
		Refusals: []usb.Refusal{{ID: uuid.New(), Code: 6}, {ID: id, Code: 11, Text: "full, so not for good"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Sign(t.Context(), "H40.12", usb.FileOf(letters), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Finish(t.Context(), usb.Package{Manifest: raw, Letters: letters}, true); err != nil {
		t.Error(err)
	}
	if !a.waiting(t, "H40", id) {
		t.Error("an answer that does not hold settled a bundle")
	}
	if err := a.Finish(t.Context(), usb.Package{Manifest: raw, Letters: bytes.ToUpper(letters)}, true); !errors.Is(err, usb.ErrInvalid) {
		t.Errorf("letters of another package give %v", err)
	}
	if err := b.Finish(t.Context(), usb.Package{Manifest: raw, Letters: letters}, true); !errors.Is(err, usb.ErrInvalid) {
		t.Errorf("an own package gives %v", err)
	}
	importAll(t, b, stick)
}

// TestLargeObjectsAreCut: no file is larger than FAT takes, and an export that
// was interrupted goes on behind the last whole part.
func TestLargeObjectsAreCut(t *testing.T) {
	a, b := pair(t)
	dir := t.TempDir()
	stick := open(t, dir)
	id := a.put(t, "H40", 900, usb.PartSize+1000)
	if x := export(t, a, stick); x.Bundles != 1 {
		t.Fatalf("export reports %+v", x)
	}
	parts := 0
	for _, name := range names(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > usb.PartSize {
			t.Errorf("file %s has %d bytes (error %v)", name, info.Size(), err)
		}
		switch {
		case info.Size() == usb.PartSize:
			parts++
		case strings.HasSuffix(name, ".1"), strings.HasSuffix(name, ".tram"):
			if err := os.Remove(filepath.Join(dir, name)); err != nil { // as if pulled before
				t.Fatal(err)
			}
		}
	}
	if x := export(t, a, stick); parts != 1 || x.Bytes > 10_000 {
		t.Errorf("%d full parts; the second export reports %+v", parts, x)
	}
	importAll(t, b, stick)
	sameObjects(t, a, b, id, 2)
}

// TestReadOnlyStick: what it brings is taken in; the receipts go another way.
func TestReadOnlyStick(t *testing.T) {
	a, b := pair(t)
	disk := storagetest.NewDisk()
	stick := usb.On(disk, "/")
	a.put(t, "H40", 900)
	export(t, a, stick)
	disk.Fail(func(op storagetest.Op, _ string) error {
		switch op {
		case storagetest.OpWrite, storagetest.OpMkdir, storagetest.OpRemove, storagetest.OpRename:
			return fs.ErrPermission
		}
		return nil
	})
	if r := importAll(t, b, stick); r[0].Taken != 1 || !r[0].NoReturn {
		t.Errorf("import reports %+v", r[0])
	}
	if r := importAll(t, b, stick); r[0].State != usb.Imported {
		t.Errorf("the second import reports %+v", r[0])
	}
	if _, err := usb.Export(t.Context(), stick, b, usb.ExportOptions{}); err == nil {
		t.Error(fmt.Errorf("an export onto it succeeds"))
	}
}
