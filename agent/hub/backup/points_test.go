package backup

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/fsx"
	"tram/storage/killtest"
	"tram/storage/sqlite"
)

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"hub backup": saveAndRestore}); child {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// saveAndRestore saves the hub of dir and raises it in another folder.
func saveAndRestore(dir string) (err error) {
	ctx := context.Background()
	from := filepath.Join(dir, "hub")
	authority, err := ca.Load(from)
	if err != nil {
		return err
	}
	authority.WorkFactor = 10
	src := Source{Dir: from, DB: filepath.Join(from, "hub.db"), Blobs: filepath.Join(from, "blobs"), CA: authority, Form: form}
	db, err := sqlite.Open(ctx, src.DB, sqlite.Options{Schemas: schemas})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if src.Registry, err = registry.New(db, authority.Authority.Cert.PublicKey.(*ecdsa.PublicKey), registry.Options{}); err != nil {
		return err
	}
	into := filepath.Join(dir, "into")
	if _, err := Make(ctx, src, into, passphrase, DefaultKeep); err != nil {
		return err
	}
	_, err = Restore(ctx, Target{Dir: filepath.Join(dir, "new"), DB: "hub.db", Blobs: "blobs", Form: form}, into, "", passphrase)
	if problem.From(err).Code == "backup.not-empty" {
		_, err = ca.Load(filepath.Join(dir, "new")) // the run that was killed had come to its end
	}
	return err
}

// TestP1_P3_KilledAtEachPointOfAHubsBackupAndItsRestore: begun again, both come to their
// end, with keys, database and content.
func TestP1_P3_KilledAtEachPointOfAHubsBackupAndItsRestore(t *testing.T) {
	h := newHub(t)
	s := h.holds(1, 100, 300_000)
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	killtest.Story{
		Name:   "hub backup",
		Points: []fsx.Point{PointDatabase, PointKeys, PointSnapshot, PointPlain, PointPlace},
		Prepare: func(t *testing.T, dir string) {
			killtest.Copy(t, h.src.Dir, filepath.Join(dir, "hub"))
		},
		Check: func(t *testing.T, dir string, _ []string) {
			to := filepath.Join(dir, "new")
			if c, err := ca.Load(to); err != nil || c.Code != "H40" {
				t.Fatalf("keys: %v", err)
			}
			db, err := sqlite.Open(t.Context(), filepath.Join(to, "hub.db"), sqlite.Options{Schemas: schemas, ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var objects int
			err = db.View(t.Context(), func(tx *sqlite.Tx) error {
				return tx.QueryRow(`SELECT count(*) FROM objects`).Scan(&objects)
			})
			if err != nil || objects != len(s.Contents) {
				t.Errorf("%d objects in custody, %v", objects, err)
			}
			if _, err := Verify(t.Context(), filepath.Join(dir, "into"), "", passphrase, form); err != nil {
				t.Errorf("the newest snapshot: %v", err)
			}
			if left, err := filepath.Glob(filepath.Join(to, "*.new*")); err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		},
	}.Run(t)
}
