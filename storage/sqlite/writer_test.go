package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/storage"
	"tram/storage/sqlite"
)

// hold keeps the writer busy until the returned function is called, so that a
// group forms behind it.
func hold(t *testing.T, db *sqlite.DB) (release func()) {
	t.Helper()
	started, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Update(context.Background(), func(*sqlite.Tx) error {
			close(started)
			<-end
			return nil
		})
	}()
	<-started
	return func() {
		t.Helper()
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// queued waits until n updates wait for the writer. There is no hook for that,
// so it gives them time.
func queued() { time.Sleep(20 * time.Millisecond) }

func TestGroupsShareNoFailures(t *testing.T) {
	db := openNotes(t)
	boom := errors.New("boom")
	const n = 60
	errs := make([]error, n)
	var group sync.WaitGroup
	release := hold(t, db)
	for i := range n {
		group.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					errs[i] = fmt.Errorf("panic: %v", r)
				}
			}()
			errs[i] = db.Update(t.Context(), func(tx *sqlite.Tx) error {
				if _, err := tx.Exec(`INSERT INTO notes (text) VALUES (?)`, strconv.Itoa(i)); err != nil {
					return err
				}
				switch i % 5 {
				case 1:
					return boom
				case 2:
					panic("boom")
				case 3:
					_, err := tx.Exec(`INSERT INTO notes (text) VALUES (?)`, strconv.Itoa(i)) // twice
					return err
				}
				return nil
			})
		})
	}
	queued()
	release()
	group.Wait()
	for i, err := range errs {
		switch i % 5 {
		case 1:
			if err != boom {
				t.Errorf("update %d: %v", i, err)
			}
		case 2:
			if err == nil || err.Error() != "panic: boom" {
				t.Errorf("update %d: %v", i, err)
			}
		case 3:
			if !sqlite.IsUnique(err) {
				t.Errorf("update %d: %v", i, err)
			}
		default:
			if err != nil {
				t.Errorf("update %d: %v", i, err)
			}
		}
	}
	if got, want := count(t, db), n*2/5; got != want {
		t.Fatalf("%d rows, want %d", got, want)
	}
}

// A group that runs into a full database fails as a whole, and no part of it
// is stored.
func TestFullDatabaseFailsTheGroup(t *testing.T) {
	db := openNotes(t)
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`PRAGMA max_page_count = 60`).Scan(new(int)) }); err != nil {
		t.Fatal(err)
	}
	var stored atomic.Int64
	var full atomic.Int64
	for range 4 {
		var group sync.WaitGroup
		release := hold(t, db)
		for range 30 {
			group.Go(func() {
				err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
					_, err := tx.Exec(`INSERT INTO notes (text, data) VALUES (?, zeroblob(3000))`, strconv.FormatUint(rand.Uint64(), 36))
					return err
				})
				switch {
				case err == nil:
					stored.Add(1)
				case errors.Is(err, storage.ErrFull):
					full.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		queued()
		release()
		group.Wait()
	}
	if n := int64(count(t, db)); n != stored.Load() || full.Load() == 0 {
		t.Fatalf("%d rows, %d were said to be stored, %d did not fit", n, stored.Load(), full.Load())
	}
}

func TestPanicAndGoexitGoOnInTheCaller(t *testing.T) {
	db := openNotes(t)
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, _ = tx.Exec(`INSERT INTO notes (text) VALUES ('a')`)
			panic("boom")
		})
	}()
	var group sync.WaitGroup
	group.Go(func() {
		_ = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, _ = tx.Exec(`INSERT INTO notes (text) VALUES ('b')`)
			runtime.Goexit() // as t.FailNow does
			return nil
		})
	})
	group.Wait()
	if err := insert(db, "c"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 1 {
		t.Fatalf("%d rows", n)
	}
}

func TestOnCommit(t *testing.T) {
	db := openNotes(t)
	var ran []string
	for _, c := range []struct {
		name string
		err  error
	}{{"good", nil}, {"bad", errors.New("boom")}} {
		err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
			if _, err := tx.Exec(`INSERT INTO notes (text) VALUES (?)`, c.name); err != nil {
				return err
			}
			tx.OnCommit(func() { ran = append(ran, fmt.Sprint(c.name, count(t, db))) })
			tx.OnCommit(func() { ran = append(ran, "second") })
			return c.err
		})
		if err != c.err {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(ran) != "[good1 second]" {
		t.Fatalf("ran %v", ran)
	}
}

func TestUpdateContextCountsUntilItStarts(t *testing.T) {
	db := openNotes(t)
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		result <- db.Update(ctx, func(*sqlite.Tx) error {
			t.Error("a canceled update ran")
			return nil
		})
	}()
	queued()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	release()
	if err := db.Update(ctx, func(*sqlite.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *sqlite.Tx) error {
		cancel()
		if tx.Context() != ctx {
			t.Error("another context")
		}
		_, err := tx.Exec(`INSERT INTO notes (text) VALUES ('kept')`)
		return err
	})
	if err != nil || count(t, db) != 1 {
		t.Fatalf("an update that had started was given up: %v", err)
	}
}

func TestNowIsFrozen(t *testing.T) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("ICT", 7*3600))
	db := open(t, filepath.Join(t.TempDir(), "n.db"), sqlite.Options{Now: func() time.Time {
		clock = clock.Add(time.Second)
		return clock
	}})
	check := func(tx *sqlite.Tx) error {
		if first := tx.Now(); first != tx.Now() || first.Location() != time.UTC || first.Nanosecond() != 678_000_000 {
			t.Errorf("now is %v, then %v", first, tx.Now())
		}
		return nil
	}
	if err := errors.Join(db.Update(t.Context(), check), db.View(t.Context(), check)); err != nil {
		t.Fatal(err)
	}
}

func TestTxEndsWithItsFunction(t *testing.T) {
	db := openNotes(t)
	var kept *sqlite.Tx
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Exec(`INSERT INTO notes (text) VALUES ('late')`); err == nil {
		t.Fatal("written after the end")
	}
	if _, err := kept.Query(`SELECT 1`); err == nil {
		t.Fatal("read after the end")
	}
	if err := kept.QueryRow(`SELECT 1`).Scan(new(int)); err == nil {
		t.Fatal("read after the end")
	}
}

// Rows stay open while other statements run, the same query included.
func TestNestedQueries(t *testing.T) {
	db := openNotes(t)
	for _, text := range []string{"a", "b", "c"} {
		if err := insert(db, text); err != nil {
			t.Fatal(err)
		}
	}
	var seen int
	nested := func(tx *sqlite.Tx) error {
		const query = `SELECT text FROM notes ORDER BY text`
		outer, err := tx.Query(query)
		if err != nil {
			return err
		}
		defer outer.Close()
		for outer.Next() {
			inner, err := tx.Query(query)
			if err != nil {
				return err
			}
			for inner.Next() {
				seen++
			}
			if err := errors.Join(inner.Err(), inner.Close()); err != nil {
				return err
			}
		}
		return outer.Err()
	}
	if err := errors.Join(db.Update(t.Context(), nested), db.View(t.Context(), nested)); err != nil {
		t.Fatal(err)
	}
	if seen != 18 {
		t.Fatalf("saw %d rows", seen)
	}
}

func TestManyDifferentStatements(t *testing.T) {
	db := openNotes(t)
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for i := range 500 {
			var got int
			if err := tx.QueryRow(fmt.Sprintf(`SELECT %d`, i)).Scan(&got); err != nil || got != i {
				return fmt.Errorf("got %d, %w", got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// A bad statement costs only its own update.
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`SELEKT 1`).Scan(new(int)) })
	if err == nil {
		t.Fatal("bad statement ran")
	}
	if err := insert(db, "after"); err != nil {
		t.Fatal(err)
	}
}

func TestClose(t *testing.T) {
	db := openNotes(t)
	release := hold(t, db)
	waiting := make(chan error, 3)
	for range cap(waiting) {
		go func() { waiting <- insert(db, "never") }()
	}
	queued()
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	for range cap(waiting) {
		if err := <-waiting; !errors.Is(err, storage.ErrClosed) {
			t.Fatalf("waiting update: %v", err)
		}
	}
	select {
	case <-closed:
		t.Fatal("closed under a running update")
	default:
	}
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, "late"); !errors.Is(err, storage.ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if err := db.View(t.Context(), func(*sqlite.Tx) error { return nil }); !errors.Is(err, storage.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	db := openNotes(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 25 {
				if err := insert(db, fmt.Sprint(i, " ", j)); err != nil {
					t.Error(err)
				}
				count(t, db)
			}
		})
	}
	group.Wait()
	if n := count(t, db); n != 200 {
		t.Fatalf("%d rows", n)
	}
}

// TestNothingIsLeftOfWhatWasDeletedAfterARewrite: neither in the database nor in its
// log, while others go on writing.
func TestNothingIsLeftOfWhatWasDeletedAfterARewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	db := open(t, path, sqlite.Options{Schemas: []sqlite.Schema{schema("v", `CREATE TABLE v (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT`)}})
	secret := strings.Repeat("canary-", 400)
	write := func(query string, args ...any) error {
		return db.Update(t.Context(), func(tx *sqlite.Tx) error { _, err := tx.Exec(query, args...); return err })
	}
	for n := range 200 {
		if err := write(`INSERT INTO v VALUES (?, ?)`, n, fmt.Sprint(secret, n)); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		for _, name := range []string{path, path + "-wal"} {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(raw, []byte("canary-"))
		}
		return n
	}
	if err := write(`UPDATE v SET text = 'x'`); err != nil {
		t.Fatal(err)
	}
	if left() == 0 {
		t.Fatal("the test shows nothing: an update leaves no trace by itself")
	}
	var others errgroup.Group
	for n := range 50 {
		others.Go(func() error { return write(`INSERT INTO v VALUES (?, 'y')`, 1000+n) })
	}
	if err := db.Rewrite(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := others.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Errorf("%d traces are left", n)
	}
	var rows int
	if err := db.View(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`SELECT count(*) FROM v`).Scan(&rows) }); err != nil || rows != 250 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// TestTheLogIsInTheFileAfterClose, also when a reader was still at work.
func TestTheLogIsInTheFileAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := open(t, path, sqlite.Options{Schemas: []sqlite.Schema{notes}})
	if err := insert(db, "kept"); err != nil {
		t.Fatal(err)
	}
	reading, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.View(context.Background(), func(tx *sqlite.Tx) error {
			close(reading)
			time.Sleep(100 * time.Millisecond)
			return nil
		})
	}()
	<-reading
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is still there: %v", err)
	}
	<-ended
}
