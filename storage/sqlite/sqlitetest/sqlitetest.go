// Package sqlitetest opens databases for tests without migrating each anew, which
// takes most of the time of tests that open many. It is in no product.
package sqlitetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tram/storage/sqlite"
)

var (
	mu    sync.Mutex
	files = map[string][]byte{} // migrated and empty, by the names of their schemas
)

// Open is [sqlite.Open]; a database that is not there yet begins as a copy of one that
// was migrated before, with an epoch of its own. Schemas of one name must be the same
// in all calls of a process.
func Open(ctx context.Context, path string, o sqlite.Options) (*sqlite.DB, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		data, err := migrated(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, err
		}
	}
	return sqlite.Open(ctx, path, o)
}

func migrated(ctx context.Context, o sqlite.Options) ([]byte, error) {
	var names []string
	for _, s := range o.Schemas {
		names = append(names, s.Name)
	}
	key := strings.Join(names, " ")
	mu.Lock()
	defer mu.Unlock()
	if data := files[key]; data != nil {
		return data, nil
	}
	dir, err := os.MkdirTemp("", "sqlitetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "migrated.db")
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: o.Schemas, Now: o.Now})
	if err != nil {
		return nil, err
	}
	err = db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM store`) // the next opening draws the epoch
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	files[key] = data
	return data, err
}
