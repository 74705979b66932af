// Package compose keeps what a clerk needs to write a document: drafts, groups of
// recipients, and what lies in the scanner's folder.
//
// It promises:
//
//   - A draft that was saved is there after a power cut, files and all, until its
//     owner sends it or drops it. Nobody else sees it.
//   - A file in the scanner's folder stays where it is until the document that
//     took it is saved; then it moves into a folder beside, never away.
package compose

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("compose", migrations)

// Options of [New]. DB and Dir are needed.
type Options struct {
	DB     *sqlite.DB // opened with Schema
	Dir    string     // of the files of drafts, this package's own
	Scans  string     // folder of the scanner, "" for none
	Logger *slog.Logger
	Now    func() time.Time
}

// Store keeps drafts and groups of one office. Its methods may be called from
// several goroutines.
type Store struct {
	db    *sqlite.DB
	dir   string
	scans string
	log   *slog.Logger
	now   func() time.Time
}

// New opens the store and removes files that no draft has: those of a crash
// between a file and its row.
func New(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{db: o.DB, dir: o.Dir, scans: o.Scans, log: o.Logger, now: o.Now}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of drafts: %w", err)
	}
	return s, s.sweep(ctx)
}

// sweep removes the files that no draft has.
func (s *Store) sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list files of drafts: %w", err)
	}
	kept := map[string]bool{}
	if err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id FROM compose_files`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			kept[id] = true
		}
		return rows.Err()
	}); err != nil {
		return fmt.Errorf("list files of drafts: %w", err)
	}
	for _, e := range entries {
		if kept[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove file of no draft: %w", err)
		}
	}
	return nil
}
