package usb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/exchange"
	"tram/sync/usb"
	"tram/sync/wire"
)

// open opens a real folder as a stick.
func open(t testing.TB, dir string) *usb.Stick {
	t.Helper()
	s, err := usb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestP3_BundlesAndReceiptsTravelByStick(t *testing.T) {
	a, b := pair(t)
	stick := open(t, t.TempDir())
	small, large := a.put(t, "H40", 900), a.put(t, "H40", 900, 3_000_000)
	back := b.put(t, "H40.12", 700)

	if x := export(t, a, stick); x.Bundles != 2 || x.Left != 0 || len(x.Packages) != 1 || x.Bytes < 3_001_800 {
		t.Errorf("export reports %+v", x)
	}
	if !a.waiting(t, "H40", small) {
		t.Error("a bundle is no longer outgoing although nobody has signed for it")
	}
	r := importAll(t, b, stick)
	if len(r) != 1 || r[0].Taken != 2 || r[0].Later != 0 || r[0].From.Name != "xã H40.12" || r[0].Bundles != 2 {
		t.Fatalf("import reports %+v", r)
	}
	sameObjects(t, a, b, small, 1)
	sameObjects(t, a, b, large, 2)
	export(t, b, stick)

	importAll(t, a, stick)
	if a.waiting(t, "H40", small) || a.waiting(t, "H40", large) {
		t.Error("receipts on the stick settle nothing")
	}
	sameObjects(t, b, a, back, 1)
	importAll(t, b, stick)
	if b.waiting(t, "H40.12", back) {
		t.Error("the receipt for the bundle back settles nothing")
	}
	if got := len(a.inbox(t)) + len(b.inbox(t)); got != 3 {
		t.Errorf("%d bundles have arrived, want 3", got)
	}
}

func TestP2_APackageIsImportedOnce(t *testing.T) {
	a, b := pair(t)
	stick := open(t, t.TempDir())
	a.put(t, "H40", 900)
	export(t, a, stick)
	importAll(t, b, stick)
	r := importAll(t, b, stick)
	if len(r) != 1 || r[0].State != usb.Imported || r[0].Imported.IsZero() || r[0].Taken != 0 {
		t.Errorf("the second import reports %+v", r)
	}
	// Even a station that has forgotten the package takes the bundle once.
	b.journal.seen = nil
	if r := importAll(t, b, stick); r[0].Taken != 1 || len(b.inbox(t)) != 1 {
		t.Errorf("the third import reports %+v, %d bundles in the inbox", r, len(b.inbox(t)))
	}
}

// TestTheWordAboutLogsTravels with every package, and has one of its own when it
// is worth that and news. A package is heard until it is imported.
func TestTheWordAboutLogsTravels(t *testing.T) {
	a, b := pair(t)
	stick := open(t, t.TempDir())
	a.log = []byte("of a")
	a.put(t, b.code, 900)
	export(t, a, stick)
	importAll(t, b, stick) // leaves a receipt, and says nothing itself
	importAll(t, b, stick)
	importAll(t, a, stick)
	if !slices.Equal(b.heard, []string{"of a"}) || !slices.Equal(a.heard, []string{""}) {
		t.Errorf("heard %q and %q", b.heard, a.heard)
	}
	b.log = []byte("of b")
	if x := export(t, b, stick); len(x.Packages) != 0 {
		t.Error("a word that is not worth it has a package of its own")
	}
	b.worth = true
	for i, want := range []int{1, 0, 0} {
		if x := export(t, b, stick); len(x.Packages) != want || x.Bundles != 0 {
			t.Errorf("export %d of the same word writes %d packages", i, len(x.Packages))
		}
	}
	b.log = []byte("of b later")
	if x := export(t, b, stick); len(x.Packages) != 1 || x.Bundles != 0 {
		t.Errorf("a new word has packages %v", x.Packages)
	}
	importAll(t, a, stick)
	if last := a.heard[len(a.heard)-1]; last != "of b later" {
		t.Errorf("heard %q", a.heard)
	}
}

func TestExportWritesOnlyWhatIsMissing(t *testing.T) {
	a, b := pair(t)
	dir := t.TempDir()
	stick := open(t, dir)
	a.put(t, "H40", 900, 500_000)
	export(t, a, stick)
	before := names(t, dir)
	if x := export(t, a, stick); x.Bundles != 0 || x.Bytes != 0 || x.Already != 1 || !slices.Equal(names(t, dir), before) {
		t.Errorf("the second export reports %+v and leaves %v", x, names(t, dir))
	}
	a.put(t, "H40", 800)
	if x := export(t, a, stick); x.Bundles != 1 || x.Already != 1 || x.Bytes > 10_000 {
		t.Errorf("the third export reports %+v", x)
	}
	// A file that is gone or damaged is written again.
	largest := ""
	for _, name := range names(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Size() == 500_000 {
			largest = name
		}
	}
	if err := os.WriteFile(filepath.Join(dir, largest), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if x := export(t, a, stick); x.Bundles != 1 || x.Bytes < 500_000 {
		t.Errorf("the fourth export reports %+v", x)
	}
	if r := importAll(t, b, stick); len(b.inbox(t)) != 2 {
		t.Errorf("import reports %+v", r)
	}
	// What was settled makes room.
	importAll(t, a, stick)
	if x := export(t, a, stick); x.Bundles != 0 || x.Already != 0 {
		t.Errorf("the last export reports %+v", x)
	}
	var own int64
	for _, name := range names(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && strings.HasPrefix(name, "tram/1/h40_12+h40/") {
			own += info.Size()
		}
	}
	if own > 1000 {
		t.Errorf("settled packages stay on the stick: %v", names(t, dir))
	}
}

// names lists the files below dir.
func names(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, rerr := filepath.Rel(dir, path)
			list, err = append(list, filepath.ToSlash(rel)), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestExportTakesTheMostUrgentThatFits(t *testing.T) {
	a, b := pair(t)
	disk := storagetest.NewDisk()
	disk.SetCapacity(3 << 20)
	stick := usb.On(disk, "/")
	bulk := a.putUrgent(t, "H40", 0, 900, 2_000_000)
	urgent := a.putUrgent(t, "H40", 3, 900, 1_000_000)
	note := a.putUrgent(t, "H40", 0, 900)
	x := export(t, a, stick)
	if x.Bundles != 2 || x.Left != 1 || x.LeftSize != 2_000_900 {
		t.Errorf("export reports %+v", x)
	}
	importAll(t, b, stick)
	if got := b.inbox(t); len(got) != 2 || !slices.Contains(got, urgent) || !slices.Contains(got, note) {
		t.Errorf("%v have arrived, want %v and %v", got, urgent, note)
	}
	importAll(t, a, stick)
	export(t, a, stick) // the answered ones make room
	importAll(t, b, stick)
	if got := b.inbox(t); !slices.Contains(got, bulk) {
		t.Errorf("the large one does not follow: %v", got)
	}

	disk.SetCapacity(1 << 20)
	if _, err := usb.Export(t.Context(), usb.On(disk, "/"), b, usb.ExportOptions{}); err != nil {
		t.Errorf("nothing to export on a small stick: %v", err)
	}
	a.put(t, "H40", 900, 2_000_000)
	if _, err := usb.Export(t.Context(), stick, a, usb.ExportOptions{}); !errors.Is(err, usb.ErrSmall) {
		t.Errorf("a full stick gives %v, want ErrSmall", err)
	}
}

func TestExportFilters(t *testing.T) {
	a, _ := pair(t)
	low, high := a.putUrgent(t, "H40", 0, 900), a.putUrgent(t, "H40", 2, 900)
	for _, c := range []struct {
		name string
		o    usb.ExportOptions
		want int
	}{
		{"all", usb.ExportOptions{}, 2},
		{"by urgency", usb.ExportOptions{Urgency: 1}, 1},
		{"by id", usb.ExportOptions{IDs: []storage.ID{low}}, 1},
		{"by both", usb.ExportOptions{IDs: []storage.ID{low}, Urgency: 3}, 0},
		{"by size", usb.ExportOptions{MaxBytes: 1000}, 1},
		{"by name", usb.ExportOptions{To: "h40", IDs: []storage.ID{high}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := usb.Export(t.Context(), usb.On(storagetest.NewDisk(), "/"), a, c.o)
			if err != nil || x.Bundles != c.want {
				t.Errorf("export reports %+v and %v, want %d bundles", x, err, c.want)
			}
		})
	}
	if _, err := usb.Export(t.Context(), usb.On(storagetest.NewDisk(), "/"), a, usb.ExportOptions{To: "H40.99"}); !errors.Is(err, usb.ErrNoNeighbour) {
		t.Errorf("export to a stranger gives %v", err)
	}
}

func TestRefusalsTravelBack(t *testing.T) {
	a, b := pair(t)
	stick := open(t, t.TempDir())
	id := a.put(t, "H40", 900)
	export(t, a, stick)
	b.guard.set(&exchange.Denial{Code: wire.CodeUnknownRecipient, Text: "không có đơn vị này"})
	if r := importAll(t, b, stick); r[0].Refused != 1 || r[0].Taken != 0 {
		t.Errorf("import reports %+v", r[0])
	}
	if d := b.guard.denied; len(d) != 1 || !strings.HasPrefix(d[0], fmt.Sprintf("H40.12 %d ", wire.CodeUnknownRecipient)) {
		t.Errorf("the guard is told of %q", d)
	}
	importAll(t, a, stick)
	if a.waiting(t, "H40", id) {
		t.Error("a refused bundle still waits")
	}
}

func TestP7_ForeignAndForgedPackages(t *testing.T) {
	a, b := pair(t)
	dir := t.TempDir()
	stick := open(t, dir)
	a.put(t, "H40", 900, 5000)
	export(t, a, stick)

	other := newStation(t, "H40.15", "H40", makeKeys(t, "H40.15", "H40"))
	if r := importAll(t, other, stick); len(r) != 1 || r[0].State != usb.Other || r[0].To.Code != "H40" || r[0].Self.Code != "H40.15" {
		t.Errorf("a foreign package is %+v", r)
	}
	// The same codes with other keys: a forger, or a box that enrolled anew.
	_, stranger := pair(t)
	if r := importAll(t, stranger, stick); r[0].State != usb.Invalid || len(stranger.inbox(t)) != 0 {
		t.Errorf("a package with another's signature is %+v", r[0])
	}
	for _, name := range names(t, dir) {
		if !strings.HasSuffix(name, ".tram") {
			continue
		}
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range good {
			bad := slices.Clone(good)
			bad[i] ^= 0x40
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if r := importAll(t, b, stick); r[0].State != usb.Invalid && r[0].State != usb.Other {
				t.Fatalf("byte %d altered: %+v", i, r[0])
			}
		}
		if err := os.WriteFile(path, good[:len(good)-1], 0o600); err != nil {
			t.Fatal(err)
		}
		if r := importAll(t, b, stick); r[0].State != usb.Invalid {
			t.Errorf("a cut manifest is %+v", r[0])
		}
	}
	if len(b.inbox(t)) != 0 {
		t.Error("something of a bad package was used")
	}
}
