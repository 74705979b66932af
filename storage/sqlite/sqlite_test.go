package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/sqlite"
)

// schema makes a schema of the given migrations.
func schema(name string, migrations ...string) sqlite.Schema {
	files := fstest.MapFS{}
	for i, text := range migrations {
		files[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return sqlite.Schema{Name: name, Files: files}
}

var notes = schema("notes", `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, data BLOB) STRICT;`)

func open(t *testing.T, path string, o sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openNotes(t *testing.T) *sqlite.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "notes.db"), sqlite.Options{Schemas: []sqlite.Schema{notes}})
}

func insert(db *sqlite.DB, text string) error {
	return db.Update(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO notes (text) VALUES (?)`, text)
		return err
	})
}

func count(t *testing.T, db *sqlite.DB) (n int) {
	t.Helper()
	err := db.View(context.Background(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM notes`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Each connection must have its pragmas, whatever the pool does.
func TestPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name %41?#&.db")
	db := open(t, path, sqlite.Options{Schemas: []sqlite.Schema{notes}})
	if _, err := os.Stat(path); err != nil {
		t.Fatal("the name was read as something else:", err)
	}
	check := func(tx *sqlite.Tx, want map[string]string) error {
		for pragma, value := range want {
			var got string
			if err := tx.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
				return err
			}
			if got != value {
				t.Errorf("%s is %s, want %s", pragma, got, value)
			}
		}
		return nil
	}
	writer := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "auto_vacuum": "2", "cache_size": "-512",
		"busy_timeout": "5000", "application_id": fmt.Sprint(sqlite.ApplicationID),
	}
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { return check(tx, writer) }); err != nil {
		t.Fatal(err)
	}
	reader := map[string]string{"journal_mode": "wal", "query_only": "1", "cache_size": "-512", "busy_timeout": "5000"}
	err := db.View(t.Context(), func(first *sqlite.Tx) error {
		return db.View(t.Context(), func(second *sqlite.Tx) error {
			return errors.Join(check(first, reader), check(second, reader))
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Fatalf("permissions %v, %v", info.Mode(), err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
}

func TestValuesComeBack(t *testing.T) {
	s := schema("v", `CREATE TABLE v (at INTEGER, id BLOB, sha BLOB, empty BLOB NOT NULL, none BLOB, text TEXT, flag INTEGER) STRICT`)
	db := open(t, filepath.Join(t.TempDir(), "v.db"), sqlite.Options{Schemas: []sqlite.Schema{s}})
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(2026, 11, 22, 7, 0, 0, 123e6, time.FixedZone("ICT", 7*3600))} {
		id, sha := uuid.New(), [32]byte{1, 31: 2}
		var none []byte
		err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)`, at, id, sha, []byte{}, none, "Trạm\x00\xff", true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			var gotAt time.Time
			var gotID uuid.UUID
			var gotSHA [32]byte
			var isNull, flag bool
			var text string
			err := tx.QueryRow(`DELETE FROM v RETURNING at, id, sha, none IS NULL, text, flag`).
				Scan(sqlite.Timestamp(&gotAt), &gotID, sqlite.Digest(&gotSHA), &isNull, &text, &flag)
			if err != nil {
				return err
			}
			if !gotAt.Equal(at) || gotAt.IsZero() != at.IsZero() || gotID != id || gotSHA != sha || !isNull || text != "Trạm\x00\xff" || !flag {
				t.Errorf("got %v %v %v %v %q %v", gotAt, gotID, gotSHA, isNull, text, flag)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var d [32]byte
	var at time.Time
	if sqlite.Digest(&d).Scan([]byte("short")) == nil || sqlite.Timestamp(&at).Scan("text") == nil {
		t.Fatal("wrong forms were scanned")
	}
}

func TestEpochAndBoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var epoch uuid.UUID
	for boot := uint64(1); boot <= 3; boot++ {
		db := open(t, path, sqlite.Options{})
		if epoch == (uuid.UUID{}) {
			epoch = db.Epoch()
		}
		if db.Boot() != boot || db.Epoch() != epoch || epoch == (uuid.UUID{}) {
			t.Fatalf("boot %d, epoch %v", db.Boot(), db.Epoch())
		}
		ro := open(t, path, sqlite.Options{ReadOnly: true})
		if ro.Boot() != boot || ro.Epoch() != epoch {
			t.Fatalf("read-only: boot %d, epoch %v", ro.Boot(), ro.Epoch())
		}
		if err := errors.Join(ro.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	other := open(t, filepath.Join(t.TempDir(), "b.db"), sqlite.Options{})
	if other.Epoch() == epoch {
		t.Fatal("a new store has the old epoch")
	}
}

func TestMigrations(t *testing.T) {
	one := `CREATE TABLE a (x INTEGER) STRICT;`
	two := `CREATE TABLE b (y INTEGER) STRICT; INSERT INTO b VALUES (1);`
	for _, c := range []struct {
		name          string
		before, after []sqlite.Schema
		readOnly      bool
		want          error
		text          string // in the error
	}{
		{name: "same", before: []sqlite.Schema{schema("s", one)}, after: []sqlite.Schema{schema("s", one)}},
		{name: "upgrade", before: []sqlite.Schema{schema("s", one)}, after: []sqlite.Schema{schema("s", one, two)}},
		{name: "another schema", before: []sqlite.Schema{schema("s", one)}, after: []sqlite.Schema{schema("s", one), schema("t", two)}},
		{name: "line ends of Windows", before: []sqlite.Schema{schema("s", "SELECT 1;\n")}, after: []sqlite.Schema{schema("s", "SELECT 1;\r\n")}},
		{name: "newer version", before: []sqlite.Schema{schema("s", one, two)}, after: []sqlite.Schema{schema("s", one)}, want: sqlite.ErrNewer, text: "s 0002_step"},
		{name: "unknown schema", before: []sqlite.Schema{schema("s", one), schema("t", two)}, after: []sqlite.Schema{schema("s", one)}, want: sqlite.ErrNewer, text: "t 0001_step"},
		{name: "edited", before: []sqlite.Schema{schema("s", one)}, after: []sqlite.Schema{schema("s", one+" ")}, want: sqlite.ErrChanged, text: "s 0001_step"},
		{name: "read-only", before: []sqlite.Schema{schema("s", one), schema("t", two)}, after: []sqlite.Schema{schema("s", one)}, readOnly: true},
		{name: "read-only, outdated", before: []sqlite.Schema{schema("s", one)}, after: []sqlite.Schema{schema("s", one, two)}, readOnly: true, want: sqlite.ErrOutdated},
		{name: "read-only, newer", before: []sqlite.Schema{schema("s", one, two)}, after: []sqlite.Schema{schema("s", one)}, readOnly: true, want: sqlite.ErrNewer},
		{name: "gap", after: []sqlite.Schema{{Name: "s", Files: fstest.MapFS{"0002_x.sql": {}}}}, want: errAny, text: "0001"},
		{name: "bad name", after: []sqlite.Schema{{Name: "s", Files: fstest.MapFS{"1.sql": {}}}}, want: errAny, text: "NNNN"},
		{name: "no files", after: []sqlite.Schema{{Name: "s", Files: fstest.MapFS{}}}, want: errAny},
		{name: "breaks a reference", after: []sqlite.Schema{schema("s", `CREATE TABLE p (id INTEGER PRIMARY KEY) STRICT;
			CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED) STRICT; INSERT INTO c VALUES (7);`)}, want: errAny},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.db")
			if c.before != nil {
				if err := open(t, path, sqlite.Options{Schemas: c.before}).Close(); err != nil {
					t.Fatal(err)
				}
			}
			db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schemas: c.after, ReadOnly: c.readOnly})
			if err == nil {
				defer db.Close()
			}
			switch {
			case c.want == errAny && err == nil, c.want != errAny && !errors.Is(err, c.want):
				t.Fatalf("got error %v, want %v", err, c.want)
			case err != nil && !strings.Contains(err.Error(), c.text):
				t.Fatalf("error %q does not name %q", err, c.text)
			}
		})
	}
}

var errAny = errors.New("any")

func TestFailedMigrationLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	bad := schema("s", `CREATE TABLE a (x INTEGER) STRICT;`, `CREATE TABLE b (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);`)
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{bad}}); err == nil {
		t.Fatal("opened")
	}
	good := schema("s", `CREATE TABLE a (x INTEGER) STRICT;`, `CREATE TABLE b (x INTEGER) STRICT;`)
	open(t, path, sqlite.Options{Schemas: []sqlite.Schema{good}})
}

func TestForeignAndDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	pool, err := sql.Open("sqlite", "file:"+filepath.ToSlash(foreign))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(`CREATE TABLE theirs (x)`); err != nil {
		t.Fatal(err)
	}
	pool.Close()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("this is no database "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{foreign: sqlite.ErrForeign, text: sqlite.ErrCorrupt} {
		for _, readOnly := range []bool{false, true} {
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: readOnly}); !errors.Is(err, want) {
				t.Errorf("%s, read-only %v: got %v", filepath.Base(path), readOnly, err)
			}
		}
	}
	for _, path := range []string{filepath.Join(dir, "missing", "a.db"), dir} {
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "none.db"), sqlite.Options{ReadOnly: true}); err == nil {
		t.Error("a missing file was opened for reading")
	}
}

func TestDamageIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.db")
	db := open(t, path, sqlite.Options{Schemas: []sqlite.Schema{notes}})
	for i := range 500 {
		if err := insert(db, fmt.Sprint(i, strings.Repeat("x", 200))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 20 * 4096; i < 22*4096; i++ {
		b[i] = 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, sqlite.Options{Schemas: []sqlite.Schema{notes}})
	if err := db.Check(t.Context()); !errors.Is(err, sqlite.ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
}

func TestReadOnlyAndView(t *testing.T) {
	db := openNotes(t)
	if err := insert(db, "one"); err != nil {
		t.Fatal(err)
	}
	ro := open(t, db.Path(), sqlite.Options{Schemas: []sqlite.Schema{notes}, ReadOnly: true})
	if count(t, ro) != 1 {
		t.Fatal("the row is not there")
	}
	if err := insert(ro, "two"); err == nil {
		t.Fatal("written through a read-only database")
	}
	err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO notes (text) VALUES ('two')`)
		return err
	})
	if err == nil {
		t.Fatal("written in a View")
	}
	// A View is a snapshot, and a writer does not wait for it.
	err = db.View(t.Context(), func(tx *sqlite.Tx) error {
		var before, after int
		err := tx.QueryRow(`SELECT count(*) FROM notes`).Scan(&before)
		err = errors.Join(err, insert(db, "two"), tx.QueryRow(`SELECT count(*) FROM notes`).Scan(&after))
		if before != 1 || after != 1 {
			t.Errorf("saw %d, then %d rows", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.View(canceled, func(*sqlite.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestIsUnique(t *testing.T) {
	db := openNotes(t)
	if err := insert(db, "one"); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, "one"); !sqlite.IsUnique(err) {
		t.Fatalf("got %v", err)
	}
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO notes (text) VALUES (NULL)`)
		return err
	})
	if err == nil || sqlite.IsUnique(err) {
		t.Fatalf("got %v", err)
	}
}

func TestFullDatabase(t *testing.T) {
	db := openNotes(t)
	setPages := func(query string) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(query).Scan(new(int)) }); err != nil {
			t.Fatal(err)
		}
	}
	setPages(`PRAGMA max_page_count = 40`)
	var err error
	stored := 0
	for ; err == nil; stored++ {
		err = insert(db, fmt.Sprint(stored, strings.Repeat("x", 3000)))
	}
	stored--
	if !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	if n := count(t, db); n != stored {
		t.Fatalf("%d rows, %d were said to be stored", n, stored)
	}
	// What swallows the error must not commit what is left.
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for i := range 20 {
			_, _ = tx.Exec(`INSERT INTO notes (text) VALUES (?)`, fmt.Sprint("y", i, strings.Repeat("x", 3000)))
		}
		_, err := tx.Exec(`INSERT INTO notes (text) VALUES ('small')`)
		if !errors.Is(err, storage.ErrFull) {
			t.Errorf("statement after the failure: %v", err)
		}
		return nil
	})
	if !errors.Is(err, storage.ErrFull) || count(t, db) != stored {
		t.Fatalf("got %v and %d rows", err, count(t, db))
	}
	setPages(`PRAGMA max_page_count = 4000`)
	if err := insert(db, "there is room again"); err != nil {
		t.Fatal(err)
	}
}
