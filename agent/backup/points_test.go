package backup

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/killtest"
)

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"backup": saveAndRestore}); child {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// saveAndRestore saves the office of dir to a folder and restores it into a box that has
// enrolled anew.
func saveAndRestore(dir string) error {
	ctx := context.Background()
	src := Source{Dir: filepath.Join(dir, "office"), DB: "office.db", Blobs: "blobs", Leave: []string{"uploads"}, Code: code, Name: "UBND xã", Hub: "H40", Form: form}
	store := OpenFolder(filepath.Join(dir, "stick"))
	if _, err := Make(ctx, src, store); err != nil {
		return err
	}
	k, err := LoadKey(src.Dir)
	if err != nil {
		return err
	}
	_, err = Restore(ctx, target(filepath.Join(dir, "fresh")), Access{Store: store, Code: k.Code()}, "")
	if problem.From(err).Code == "backup.holds" {
		return nil // the run that was killed had come to its end
	}
	return err
}

// TestP1_P3_KilledAtEachPointOfABackupAndItsRestore: begun again, both come to their end
// with every document, and the new box has its own keys and reads with the former ones.
func TestP1_P3_KilledAtEachPointOfABackupAndItsRestore(t *testing.T) {
	p := newProvince(t)
	b, fresh := newBox(t, p, code), newBox(t, p, code)
	b.file("keys/seals/seals.json", "{}")
	b.saves("một", "hai")
	for _, one := range []*box{b, fresh} {
		if err := one.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	killtest.Story{
		Name:   "backup",
		Points: []fsx.Point{PointStored, PointPlain, PointPlace, identity.PointFormer, identity.PointPublish},
		Prepare: func(t *testing.T, dir string) {
			for name, from := range map[string]*box{"office": b, "fresh": fresh} {
				killtest.Copy(t, from.src.Dir, filepath.Join(dir, name))
			}
		},
		Check: func(t *testing.T, dir string, _ []string) {
			holds(t, filepath.Join(dir, "office"), "một", "hai")
			restored := filepath.Join(dir, "fresh")
			holds(t, restored, "một", "hai")
			id, err := identity.Load(restored)
			if err != nil || id.Age.String() != fresh.id.Age.String() || len(id.FormerAge) != 1 || id.FormerAge[0].String() != b.id.Age.String() {
				t.Errorf("keys of the restored box: %+v, %v", id, err)
			}
			if _, err := os.Stat(filepath.Join(restored, "keys", "seals", "seals.json")); err != nil {
				t.Errorf("the seals of the office: %v", err)
			}
			if _, err := os.Stat(filepath.Join(restored, Unfinished)); !os.IsNotExist(err) {
				t.Errorf("%s was left: %v", Unfinished, err)
			}
		},
	}.Run(t)
}
