package sqlitetest_test

import (
	"path/filepath"
	"testing"
	"testing/fstest"

	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// TestCopiesAreStoresOfTheirOwn: each has its tables and an epoch that no other has,
// and keeps what was written.
func TestCopiesAreStoresOfTheirOwn(t *testing.T) {
	o := sqlite.Options{Schemas: []sqlite.Schema{{Name: "notes", Files: fstest.MapFS{"0001_notes.sql": {Data: []byte(`CREATE TABLE notes (text TEXT NOT NULL) STRICT;`)}}}}}
	epochs := map[[16]byte]bool{}
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "a"} {
		db, err := sqlitetest.Open(t.Context(), filepath.Join(dir, name), o)
		if err != nil {
			t.Fatal(err)
		}
		epochs[db.Epoch()] = true
		err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`INSERT INTO notes (text) VALUES (?)`, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if name == "a" && db.Boot() == 2 {
			var n int
			if err := db.View(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`SELECT count(*) FROM notes`).Scan(&n) }); err != nil || n != 2 {
				t.Errorf("%d notes, %v", n, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(epochs) != 2 {
		t.Errorf("%d epochs of two stores", len(epochs))
	}
}
