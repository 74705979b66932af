package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"time"
)

// Schema is a set of tables that one package owns. Files holds its migrations,
// NNNN_name.sql from 0001 without gaps, in the root. A migration that was
// released is never edited: its digest is recorded and checked.
type Schema struct {
	Name  string
	Files fs.FS
}

// Embedded is the Schema of a package that embeds its migrations in a folder of
// that name. It panics when there is none, which the first test shows.
func Embedded(name string, files fs.FS) Schema {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err)
	}
	return Schema{Name: name, Files: sub}
}

type migration struct {
	schema  string
	version int
	name    string
	sql     string
	digest  [32]byte
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)

// load reads the migrations of a schema in order.
func (s Schema) load() ([]migration, error) {
	names, err := fs.Glob(s.Files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("schema %s has no migrations", s.Name)
	}
	var list []migration
	for i, file := range names {
		parts := migrationName.FindStringSubmatch(file)
		if parts == nil {
			return nil, fmt.Errorf("schema %s: %q is not named NNNN_name.sql", s.Name, file)
		}
		version, _ := strconv.Atoi(parts[1]) // four digits
		if version != i+1 {
			return nil, fmt.Errorf("schema %s: %q found where number %04d is due", s.Name, file, i+1)
		}
		text, err := fs.ReadFile(s.Files, file)
		if err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) // as checked out on Windows
		list = append(list, migration{
			schema: s.Name, version: version, name: parts[2], sql: string(text), digest: sha256.Sum256(text),
		})
	}
	return list, nil
}

// runner is what *sql.Conn and *sql.Tx share.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrate brings the database up to the given schemas.
func migrate(ctx context.Context, conn *sql.Conn, schemas []Schema, now func() time.Time, log *slog.Logger) error {
	if err := claim(ctx, conn); err != nil {
		return err
	}
	todo, err := pending(ctx, conn, schemas, true)
	if err != nil {
		return err
	}
	for _, m := range todo {
		if err := apply(ctx, conn, m, now()); err != nil {
			return fmt.Errorf("migrate %s to %04d_%s: %w", m.schema, m.version, m.name, err)
		}
		log.Info("database migrated", "schema", m.schema, "version", m.version, "name", m.name)
	}
	if len(todo) == 0 {
		return nil
	}
	return foreignKeyCheck(ctx, conn)
}

// claim marks an empty database as ours and refuses another program's.
func claim(ctx context.Context, conn *sql.Conn) error {
	var id, tables int
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case id == ApplicationID && tables > 0:
		return nil
	case id != 0 && id != ApplicationID, tables > 0:
		return fmt.Errorf("%w: application id %#x", ErrForeign, id)
	}
	err := PointClaim.Do("", func() error {
		_, err := conn.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
		PRAGMA application_id = %d;
		CREATE TABLE migrations (
			schema     TEXT    NOT NULL,
			version    INTEGER NOT NULL,
			name       TEXT    NOT NULL,
			sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
			applied_at INTEGER NOT NULL,
			PRIMARY KEY (schema, version)
		) STRICT;
		COMMIT`, ApplicationID))
		return err
	})
	if err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // fails when nothing was begun
	}
	return err
}

// checkApplied says whether the database has exactly the given schemas, and
// perhaps others, which a reader does not mind.
func checkApplied(ctx context.Context, conn *sql.Conn, schemas []Schema) error {
	var id int
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id != ApplicationID {
		return fmt.Errorf("%w: application id %#x", ErrForeign, id)
	}
	todo, err := pending(ctx, conn, schemas, false)
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		return fmt.Errorf("%w: %s %04d_%s", ErrOutdated, todo[0].schema, todo[0].version, todo[0].name)
	}
	return nil
}

// pending lists what is not applied yet, after checking what is. With whole, a
// schema that this software does not know is refused as well: its rows may
// refer to content that this software would then take for garbage.
func pending(ctx context.Context, conn *sql.Conn, schemas []Schema, whole bool) ([]migration, error) {
	applied, err := readApplied(ctx, conn)
	if err != nil {
		return nil, err
	}
	var todo []migration
	for _, s := range schemas {
		list, err := s.load()
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			old, ok := applied[s.Name][m.version]
			switch {
			case !ok:
				todo = append(todo, m)
			case old.digest != m.digest:
				return nil, fmt.Errorf("%w: %s %04d_%s", ErrChanged, s.Name, m.version, old.name)
			}
			delete(applied[s.Name], m.version)
		}
		for _, m := range applied[s.Name] {
			return nil, newer(m)
		}
		delete(applied, s.Name)
	}
	if whole {
		for _, versions := range applied {
			for _, m := range versions {
				return nil, newer(m)
			}
		}
	}
	return todo, nil
}

func newer(m migration) error {
	return fmt.Errorf("%w: it has migration %s %04d_%s, which this program does not know", ErrNewer, m.schema, m.version, m.name)
}

func readApplied(ctx context.Context, conn *sql.Conn) (map[string]map[int]migration, error) {
	rows, err := conn.QueryContext(ctx, "SELECT schema, version, name, sha256 FROM migrations")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	applied := map[string]map[int]migration{}
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.schema, &m.version, &m.name, Digest(&m.digest)); err != nil {
			return nil, err
		}
		if applied[m.schema] == nil {
			applied[m.schema] = map[int]migration{}
		}
		applied[m.schema][m.version] = m
	}
	return applied, rows.Err()
}

func apply(ctx context.Context, conn *sql.Conn, m migration, now time.Time) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, m.sql)
	if err == nil {
		_, err = conn.ExecContext(ctx, "INSERT INTO migrations (schema, version, name, sha256, applied_at) VALUES (?, ?, ?, ?, ?)",
			m.schema, m.version, m.name, m.digest[:], Millis(now))
	}
	if err == nil {
		err = PointMigrate.Do(m.schema, func() error {
			_, err := conn.ExecContext(ctx, "COMMIT")
			return err
		})
	}
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // fails when SQLite has rolled back by itself
	}
	return err
}

// foreignKeyCheck reads the rows of the pragma: run by Exec it finds nothing.
func foreignKeyCheck(ctx context.Context, r runner) error {
	var table, parent string
	var row sql.NullInt64
	var key int
	err := r.QueryRowContext(ctx, "PRAGMA foreign_key_check").Scan(&table, &row, &parent, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: row %d of %s refers to nothing in %s", ErrCorrupt, row.Int64, table, parent)
}
