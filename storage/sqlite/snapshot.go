package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/google/uuid"

	"tram/storage/fsx"
)

// Snapshot writes the database at path, as it is at one moment, to a new file. It reads
// beside the program that has the database open, whose writes go on meanwhile. The
// caller removes what an error leaves. [storage.ErrFull] when there is no room.
func Snapshot(ctx context.Context, path, target string) (err error) {
	if err := createFile(target); err != nil { // so that nobody else may read it
		return fmt.Errorf("copy database: %w", err)
	}
	db, err := bare(path)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := exec(ctx, db, PointSnapshot, `VACUUM INTO ?`, target); err != nil {
		return fmt.Errorf("copy database: %w", (&DB{path: target}).mapError(err))
	}
	return fsx.SyncFile(target)
}

// Renew gives a database that nobody has open another epoch: it was set back, and who
// knows its former self must learn that.
func Renew(ctx context.Context, path string) (err error) {
	db, err := bare(path)
	if err != nil {
		return fmt.Errorf("renew database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	fresh, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("renew database: %w", err)
	}
	if err := exec(ctx, db, PointRenew, `UPDATE store SET epoch = ?`, fresh[:]); err != nil {
		return fmt.Errorf("renew database: %w", (&DB{path: path}).mapError(err))
	}
	return nil
}

// exec runs a statement that is a step.
func exec(ctx context.Context, db *sql.DB, p fsx.Point, query string, arg any) error {
	return p.Do("", func() error {
		_, err := db.ExecContext(ctx, query, arg)
		return err
	})
}

// bare opens a database that is there, without the settings of [Open] but the
// patience and the durability.
func bare(path string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	full, err := url.Parse(dsn(path, false))
	if err != nil {
		return nil, err
	}
	full.RawQuery = url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")", "synchronous(FULL)", "trusted_schema(0)"}}.Encode()
	db, err := sql.Open("sqlite", full.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}
