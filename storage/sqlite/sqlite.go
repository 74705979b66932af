// Package sqlite opens Trạm's database and gives it transactions.
//
// It promises that an [DB.Update] that returned nil survives a power cut (WAL,
// synchronous=FULL), that concurrent updates share one fsync without sharing
// their failures, that readers never wait for the writer, and that a database
// made by newer software is refused instead of being damaged.
//
// Times are stored as INTEGER unix milliseconds UTC, ids as 16-byte BLOBs,
// digests as 32-byte BLOBs; arguments of type time.Time, uuid.UUID and [32]byte
// are converted accordingly.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"tram/storage"
	"tram/storage/fsx"
)

const (
	// ApplicationID stands in the database header: "Trạm" in ASCII, "Tram".
	ApplicationID = 0x5472616d

	// readers is how many read-only connections there are at most.
	readers = 2
	// cacheKiB is the page cache of each connection. SQLite's memory is outside
	// the Go heap and GOMEMLIMIT does not see it, so it is kept small.
	cacheKiB = 512
	// busyTimeout bounds the wait for a lock held by another process, such as
	// a backup tool. Within the process nothing waits for locks.
	busyTimeout = 5 * time.Second
	// walPages is the length of the write-ahead log, in pages, at which it is
	// copied into the database. A page that changed often meanwhile is copied
	// once; recovery after a power cut reads at most about this much.
	walPages = 3000
	// walKeep is the size in bytes to which the log is cut after that. It is
	// above walPages, so that a log in steady use is overwritten in place: an
	// append would cost the file system's own journal at every commit.
	walKeep = 16 << 20
	// lastReaders is how long Close waits for readers.
	lastReaders = 5 * time.Second
)

// The steps that make something durable in a database. Each holds more than one fsync of
// SQLite's own.
const (
	PointClaim    fsx.Point = "database.claim"    // an empty file becomes ours
	PointMigrate  fsx.Point = "database.migrate"  // one migration is committed
	PointBoot     fsx.Point = "database.boot"     // an opening is counted
	PointCommit   fsx.Point = "database.commit"   // a group of updates is committed
	PointRewrite  fsx.Point = "database.rewrite"  // all pages are written anew
	PointCut      fsx.Point = "database.cut"      // and the log with the old ones is cut
	PointClose    fsx.Point = "database.close"    // the log goes into the file at the end
	PointSnapshot fsx.Point = "database.snapshot" // a copy is written
	PointRenew    fsx.Point = "database.renew"    // a store that was set back gets another epoch
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// storeSchema is the schema of this package itself. It comes first.
func storeSchema() Schema {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return Schema{Name: "store", Files: files}
}

var (
	// ErrNewer says that newer software has migrated the database.
	ErrNewer = errors.New("database was made by newer software")
	// ErrChanged says that a migration that was applied has been edited since.
	ErrChanged = errors.New("applied migration was changed")
	// ErrForeign says that the file is a database of another program.
	ErrForeign = errors.New("not a Trạm database")
	// ErrOutdated says that a database opened read-only lacks migrations.
	ErrOutdated = errors.New("database needs a migration")
	// ErrCorrupt says that the file is damaged, or is no database at all.
	ErrCorrupt = errors.New("database is damaged")
)

// Options configure [Open]. The zero value is usable.
type Options struct {
	Schemas  []Schema         // in the order in which they build on each other
	Logger   *slog.Logger     // nil: discard
	ReadOnly bool             // no migration, no Update; the file must exist
	Now      func() time.Time // clock of the transactions; nil: time.Now
}

// DB is an open database. Its methods may be called from several goroutines.
type DB struct {
	path   string
	log    *slog.Logger
	now    func() time.Time
	read   *sql.DB
	write  *writer // nil when read-only
	epoch  uuid.UUID
	boot   uint64
	closed atomic.Bool
}

// Open opens or makes the database at path and applies missing migrations,
// each in a transaction of its own. Errors: [ErrNewer], [ErrChanged],
// [ErrForeign], [ErrOutdated], [ErrCorrupt], [storage.ErrFull].
func Open(ctx context.Context, path string, o Options) (_ *DB, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{path: path, log: o.Logger, now: o.Now}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.now == nil {
		db.now = time.Now
	}
	schemas := append([]Schema{storeSchema()}, o.Schemas...)
	defer func() {
		if err != nil {
			err = fmt.Errorf("open database %s: %w", filepath.Base(path), db.mapError(err))
			_ = db.Close()
		}
	}()
	if !o.ReadOnly {
		if err := db.openWriter(ctx, schemas); err != nil {
			return nil, err
		}
	}
	if db.read, err = sql.Open("sqlite", dsn(path, true)); err != nil {
		return nil, err
	}
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	if o.ReadOnly {
		if err := db.checkReadOnly(ctx, schemas); err != nil {
			return nil, err
		}
	}
	return db, nil
}

func (db *DB) openWriter(ctx context.Context, schemas []Schema) error {
	if err := createFile(db.path); err != nil {
		return err
	}
	pool, err := sql.Open("sqlite", dsn(db.path, false))
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		return errors.Join(err, pool.Close())
	}
	db.write = newWriter(db, pool, conn)
	if err := migrate(ctx, conn, schemas, db.now, db.log); err != nil {
		return err
	}
	return db.countBoot(ctx, conn)
}

// countBoot draws the epoch of a new store and counts this opening.
func (db *DB) countBoot(ctx context.Context, conn *sql.Conn) error {
	fresh, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	return PointBoot.Do(db.path, func() error {
		row := conn.QueryRowContext(ctx, `INSERT INTO store (one, epoch, boot, created) VALUES (1, ?, 1, ?)
			ON CONFLICT (one) DO UPDATE SET boot = boot + 1 RETURNING epoch, boot`, fresh[:], Millis(db.now()))
		return row.Scan(&db.epoch, &db.boot)
	})
}

func (db *DB) checkReadOnly(ctx context.Context, schemas []Schema) error {
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return err
	}
	err = checkApplied(ctx, conn, schemas)
	if err == nil {
		err = conn.QueryRowContext(ctx, `SELECT epoch, boot FROM store`).Scan(&db.epoch, &db.boot)
	}
	return errors.Join(err, conn.Close())
}

// createFile makes an empty database file that only this user may read; SQLite
// gives its companions the same permissions.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fsx.MapError(err)
	}
	if err := f.Close(); err != nil {
		return fsx.MapError(err)
	}
	return fsx.SyncDir(filepath.Dir(path))
}

// dsn carries the pragmas, because one that is run on a pool reaches a single
// connection of it.
func dsn(path string, readOnly bool) string {
	slash := filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(slash, "/") {
		slash = "/" + slash // file:///C:/...
	}
	pragmas := []string{
		"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")",
		"cache_size(-" + strconv.Itoa(cacheKiB) + ")",
		"trusted_schema(0)",
	}
	q := url.Values{}
	if readOnly {
		q.Set("mode", "ro")
		pragmas = append(pragmas, "query_only(1)")
	} else {
		q.Set("mode", "rw")
		q.Set("_txlock", "immediate")
		pragmas = append(pragmas,
			"auto_vacuum(incremental)", // before the first write
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(1)",
			"wal_autocheckpoint("+strconv.Itoa(walPages)+")",
			"journal_size_limit("+strconv.Itoa(walKeep)+")",
		)
	}
	q["_pragma"] = pragmas
	return (&url.URL{Scheme: "file", Path: slash, RawQuery: q.Encode()}).String()
}

// Epoch names this store: drawn when the database was made, so that it changes
// when the store is lost and made anew.
func (db *DB) Epoch() uuid.UUID { return db.epoch }

// Boot returns how often this store was opened for writing, this time included.
func (db *DB) Boot() uint64 { return db.boot }

// Path returns the absolute path of the database file.
func (db *DB) Path() string { return db.path }

// Update runs fn in a write transaction. When it returns nil, the changes are
// durable. An error of fn undoes the changes of fn and comes back as it is;
// a panic in fn undoes them too and continues in the caller. ctx counts until
// fn starts, not after.
//
// Concurrent updates are grouped: each runs in a savepoint of its own, all
// share one commit. So fn must not wait for another update, must not call
// Update, must not take a lock that anybody holds while calling Update, and
// should be short: it holds the only writer. A failing commit
// fails every update of its group; unless the error is [storage.ErrFull], a
// commit that failed may still turn out to be durable after a crash.
//
// Errors beside fn's: [storage.ErrFull], [storage.ErrClosed], [ErrCorrupt].
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	if db.write == nil {
		return errors.New("update database: opened read-only")
	}
	return db.write.update(ctx, fn)
}

// View runs fn on a read-only snapshot. Rows that fn opens end with it.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	stx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		if db.closed.Load() {
			err = storage.ErrClosed
		}
		return fmt.Errorf("read database: %w", db.mapError(err))
	}
	defer stx.Rollback() // also on panic; nothing to commit
	tx := &Tx{ctx: ctx, db: db, now: db.txTime(), run: stx}
	return fn(tx)
}

// txTime is the time that a transaction sees throughout.
func (db *DB) txTime() time.Time { return Time(Millis(db.now())) }

// Compact gives up to limit free pages back to the file system.
func (db *DB) Compact(ctx context.Context, limit int) error {
	return db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec("PRAGMA incremental_vacuum(" + strconv.Itoa(limit) + ")")
		return err
	})
}

// Rewrite writes the whole database anew, so that nothing of what was deleted or
// overwritten is left in its files. It holds the only writer for as long as that
// takes, and needs free space for the database twice over; [storage.ErrFull] when
// there is none, and the database stays as it was.
func (db *DB) Rewrite(ctx context.Context) error {
	if db.write == nil {
		return errors.New("rewrite database: opened read-only")
	}
	if err := db.write.rewrite(ctx); err != nil {
		return fmt.Errorf("rewrite database: %w", db.mapError(err))
	}
	return nil
}

// Check looks for damage: [ErrCorrupt] says what was found first. It reads the
// whole database.
func (db *DB) Check(ctx context.Context) error {
	return db.View(ctx, func(tx *Tx) error {
		var verdict string
		if err := tx.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
			return fmt.Errorf("check database: %w", db.mapError(err))
		}
		if verdict != "ok" {
			return fmt.Errorf("check database: %w: %s", ErrCorrupt, verdict)
		}
		return foreignKeyCheck(ctx, tx.run)
	})
}

// Close waits for running updates and closes the database; waiting ones get
// [storage.ErrClosed]. Calling it again does nothing.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	var err error
	if db.read != nil {
		err = db.read.Close()
		// A reader whose context has ended gives its connection back a moment later. The
		// writer's has to be the last: none but it moves the log into the file.
		for late := time.Now().Add(lastReaders); db.read.Stats().OpenConnections > 0 && time.Now().Before(late); {
			time.Sleep(time.Millisecond)
		}
	}
	if db.write != nil {
		err = errors.Join(err, db.write.close())
	}
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
