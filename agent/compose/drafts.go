package compose

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/sqlite"
)

// Limits of drafts. All are hard.
const (
	MaxDrafts = 50        // of one person
	MaxFields = 256 << 10 // bytes of the fields of one, as JSON
	MaxFiles  = 200       // of one
)

// Draft is what a person was writing.
type Draft struct {
	ID     string
	Fields url.Values // of the form
	Saved  time.Time
	Files  []File
}

// File is a file of a draft.
type File struct {
	ID   string
	Name string
	Size int64
}

// NewID names a draft that is not saved yet.
func NewID() string { return rand.Text() }

var validID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func noDraft() error { return problem.New(problem.NotFound, "compose.no-draft", "", nil) }

// Save keeps the fields of a draft. One that is not there begins.
func (s *Store) Save(ctx context.Context, owner, id string, fields url.Values) error {
	if !validID.MatchString(id) {
		return noDraft()
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("save draft: %w", err)
	}
	if len(raw) > MaxFields {
		return problem.New(problem.Usage, "compose.draft-large", "", i18n.Args{"limit": MaxFields >> 10})
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM compose_drafts WHERE owner = ? AND id <> ?`, owner, id).Scan(&n); err != nil {
			return err
		}
		if n >= MaxDrafts {
			return problem.New(problem.Full, "compose.drafts-full", "", i18n.Args{"limit": MaxDrafts})
		}
		res, err := tx.Exec(`INSERT INTO compose_drafts (id, owner, fields, saved) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (id) DO UPDATE SET fields = ?3, saved = ?4 WHERE owner = ?2`, id, owner, string(raw), s.now())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(noDraft(), err)
		}
		return nil
	})
	return storing("save draft", err)
}

// storing passes what a person can mend, and says of other errors where they
// are from.
func storing(what string, err error) error {
	var p *problem.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// AddFile adds a file to a draft, whose files together have at most limit bytes.
// When it returns the file is durable.
func (s *Store) AddFile(ctx context.Context, owner, id, name string, body io.Reader, limit int64) error {
	d, err := s.Get(ctx, owner, id)
	if err != nil {
		return err
	}
	left := limit
	for _, f := range d.Files {
		left -= f.Size
	}
	if len(d.Files) >= MaxFiles {
		return problem.New(problem.Usage, "compose.files-full", "files", i18n.Args{"limit": MaxFiles})
	}
	f := File{ID: rand.Text(), Name: name}
	if f.Size, err = s.write(f.ID, body, left); err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var there bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM compose_drafts WHERE id = ? AND owner = ?)`, id, owner).Scan(&there); err != nil {
			return err
		}
		if !there {
			return noDraft()
		}
		_, err := tx.Exec(`INSERT INTO compose_files (id, draft, seq, name, size) VALUES (?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM compose_files WHERE draft = ?2), ?, ?)`,
			f.ID, id, f.Name, f.Size)
		return err
	})
	if err != nil {
		s.remove([]string{f.ID})
	}
	return storing("add file to draft", err)
}

// write makes a file of a draft durable.
func (s *Store) write(id string, body io.Reader, left int64) (int64, error) {
	t, err := fsx.Create(s.dir)
	if err != nil {
		return 0, keeping(err)
	}
	defer t.Abort()
	in := &storage.Source{R: body}
	n, err := io.Copy(t, io.LimitReader(in, max(left, 0)+1))
	switch {
	case in.Err != nil:
		return 0, in.Err
	case err != nil:
		return 0, keeping(err)
	case n > left:
		return 0, problem.New(problem.Usage, "compose.draft-files-large", "files", nil)
	}
	if err := t.Commit(filepath.Join(s.dir, id)); err != nil {
		return 0, keeping(err)
	}
	return n, nil
}

func keeping(err error) error {
	if errors.Is(fsx.MapError(err), storage.ErrFull) {
		return problem.New(problem.Full, "web.send.disk-full", "files", nil).Because(err)
	}
	return fmt.Errorf("keep file of draft: %w", err)
}

// Get returns a draft of a person.
func (s *Store) Get(ctx context.Context, owner, id string) (Draft, error) {
	list, err := s.load(ctx, owner, id)
	if err != nil {
		return Draft{}, err
	}
	if len(list) == 0 {
		return Draft{}, noDraft()
	}
	return list[0], nil
}

// List returns a person's drafts, the newest first.
func (s *Store) List(ctx context.Context, owner string) ([]Draft, error) {
	return s.load(ctx, owner, "")
}

func (s *Store) load(ctx context.Context, owner, id string) (list []Draft, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id, fields, saved FROM compose_drafts WHERE owner = ?1 AND (?2 = '' OR id = ?2) ORDER BY saved DESC, id`, owner, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Draft
			var raw string
			if err := rows.Scan(&d.ID, &raw, sqlite.Timestamp(&d.Saved)); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(raw), &d.Fields); err != nil {
				return err
			}
			list = append(list, d)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for i := range list {
			if list[i].Files, err = filesOf(tx, list[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read drafts: %w", err)
	}
	return list, nil
}

func filesOf(tx *sqlite.Tx, draft string) (list []File, err error) {
	rows, err := tx.Query(`SELECT id, name, size FROM compose_files WHERE draft = ? ORDER BY seq`, draft)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f File
		if err := rows.Scan(&f.ID, &f.Name, &f.Size); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

// Open opens a file of a draft. The caller closes it.
func (s *Store) Open(ctx context.Context, owner, id, file string) (File, io.ReadCloser, error) {
	d, err := s.Get(ctx, owner, id)
	if err != nil {
		return File{}, nil, err
	}
	for _, f := range d.Files {
		if f.ID != file {
			continue
		}
		r, err := os.Open(filepath.Join(s.dir, f.ID))
		if err != nil {
			return File{}, nil, fmt.Errorf("open file of draft: %w", err)
		}
		return f, r, nil
	}
	return File{}, nil, noDraft()
}

// Keep drops the files of a draft that are not among those named.
func (s *Store) Keep(ctx context.Context, owner, id string, files []string) error {
	raw, err := json.Marshal(append([]string{}, files...))
	if err != nil {
		return fmt.Errorf("drop files of draft: %w", err)
	}
	return s.delete(ctx, `DELETE FROM compose_files WHERE draft = (SELECT id FROM compose_drafts WHERE id = ? AND owner = ?)
		AND id NOT IN (SELECT value FROM json_each(?)) RETURNING id`, id, owner, string(raw))
}

// Drop drops a draft, sent or given up. One that is not there is no error.
func (s *Store) Drop(ctx context.Context, owner, id string) error {
	if err := s.Keep(ctx, owner, id, nil); err != nil {
		return err
	}
	return s.delete(ctx, `DELETE FROM compose_drafts WHERE id = ? AND owner = ? RETURNING ''`, id, owner)
}

// delete removes rows, and then the files that they name.
func (s *Store) delete(ctx context.Context, query string, args ...any) error {
	var gone []string
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		gone = nil
		rows, err := tx.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id sql.NullString
			if err := rows.Scan(&id); err != nil {
				return err
			}
			gone = append(gone, id.String)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("drop draft: %w", err)
	}
	s.remove(gone)
	return nil
}

// remove removes files that have no row any more. What stays is swept later.
func (s *Store) remove(ids []string) {
	for _, id := range ids {
		if id == "" {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("file of a draft not removed", "error", err)
		}
	}
}
