package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

const (
	// Unfinished is the folder of a data folder in which a restore is put together.
	Unfinished = "restore.new"
	// commitFile in it says that all is there and only has to be put in its place. It
	// holds the report, as JSON.
	commitFile = ".complete"
)

// Target is where an office is raised.
type Target struct {
	Dir   string // data folder
	DB    string // name of its database
	Blobs string // name of its folder of content
	Form
	// Empty tells whether a database that is there holds nothing that would be lost.
	Empty func(tx *sqlite.Tx) (bool, error)
	// Settle writes into the database what a restore changes, in one transaction.
	Settle func(tx *sqlite.Tx, r Report) error
}

// Restored is what Restore has done.
type Restored struct {
	Report
	NewKeys bool `json:"new_keys"` // the box has enrolled anew and keeps its own keys
	Resumed int  `json:"resumed"`  // files that an earlier attempt had brought
}

// Restore raises the office of a backup in a data folder that holds no documents, all or
// nothing; at is its name, "" for the newest. A box that has enrolled for the same office
// keeps its keys, and reads with the former ones what was encrypted for them. One that was
// cut off when all was in its place only is finished. Problems are those of Verify, and
// data.locked, backup.holds, backup.other-office.
func Restore(ctx context.Context, t Target, a Access, at string) (r Restored, err error) {
	if err := fsx.MkdirAll(fsx.OS, t.Dir, keystore.FolderMode); err != nil {
		return r, err
	}
	unlock, err := keystore.Lock(t.Dir)
	if err != nil {
		return r, identity.Explain(err, t.Dir)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	done, err := settle(t.Dir)
	if err != nil {
		return r, err
	}
	if done != nil && (at == "" || at == done.Backup) {
		return *done, nil
	}
	own, err := t.look(ctx)
	if err != nil {
		return r, err
	}
	repo, err := a.repo(ctx)
	if err != nil {
		return r, err
	}
	if at, err = repo.pick(ctx, at); err != nil {
		return r, err
	}
	x, err := repo.index(ctx, at)
	if err != nil {
		return r, err
	}
	if own != nil && !strings.EqualFold(own.Code, x.Code) {
		return r, problem.New(problem.Conflict, "backup.other-office", "", i18n.Args{"code": x.Code, "name": x.Name, "own": own.Code})
	}
	r.Report, r.NewKeys = repo.report(at, x), own != nil
	s := staging{Target: t, repo: repo, name: at, x: x, dir: filepath.Join(t.Dir, Unfinished), r: &r}
	if err := s.fill(ctx, own); err != nil {
		return r, explain(err, t.Dir)
	}
	return r, Settle(t.Dir)
}

// look holds a data folder to what may be replaced, and returns the identity in it, nil
// for none.
func (t Target) look(ctx context.Context) (own *identity.Identity, err error) {
	if identity.Exists(t.Dir) {
		if own, err = identity.Load(t.Dir); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(t.Dir, t.DB)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return own, nil
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: t.Schemas})
	if err != nil {
		return nil, err
	}
	empty := false
	err = db.View(ctx, func(tx *sqlite.Tx) (err error) {
		empty, err = t.Empty(tx)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	if !empty {
		return nil, problem.New(problem.Conflict, "backup.holds", "data", i18n.Args{"dir": t.Dir})
	}
	return own, nil
}

// staging is an office while it is put together.
type staging struct {
	Target
	repo repo
	name string
	x    index
	dir  string
	r    *Restored
}

// fill puts everything into the folder beside, content first: it is the most, and what
// is there already stays.
func (s staging) fill(ctx context.Context, own *identity.Identity) error {
	if err := s.clear(); err != nil {
		return err
	}
	if err := s.content(ctx); err != nil {
		return err
	}
	if err := s.repo.files(ctx, s.name, s.x, s.dir); err != nil {
		return err
	}
	db := filepath.Join(s.dir, s.DB)
	if err := s.repo.database(ctx, s.name, s.x, db, s.Form); err != nil {
		return err
	}
	if err := sqlite.Renew(ctx, db); err != nil {
		return err
	}
	if err := s.settle(ctx, db); err != nil {
		return err
	}
	if err := keystore.Save(filepath.Join(s.dir, KeyFile), s.repo.key.text()); err != nil {
		return err
	}
	if own != nil {
		if err := s.keepKeys(own); err != nil {
			return err
		}
	}
	if _, err := identity.Load(s.dir); err != nil {
		return spoilt("files", s.name+".tar", err)
	}
	said, err := json.Marshal(s.r)
	if err != nil {
		return err
	}
	return fsx.WriteFile(filepath.Join(s.dir, commitFile), said, keystore.FileMode)
}

// clear removes what an earlier attempt has left, but its content.
func (s staging) clear() error {
	if err := keystore.MakeFolder(s.dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.dir)
	for _, e := range entries {
		if e.Name() != s.Blobs {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

func (s staging) content(ctx context.Context) error {
	to, err := blob.Open(filepath.Join(s.dir, s.Blobs), blob.Options{MinFree: -1})
	if err != nil {
		return err
	}
	for _, c := range s.x.list {
		if to.Has(c.SHA256, c.Size) {
			s.r.Resumed++
			continue
		}
		if err := to.Room(c.Size); err != nil {
			return err
		}
		w, err := to.Create()
		if err != nil {
			return err
		}
		if err := s.repo.content(ctx, c, w); err != nil {
			return errors.Join(err, w.Close())
		}
		if _, err := w.Commit(); err != nil {
			return errors.Join(err, w.Close())
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	_, _, err = to.Sweep(ctx, func(sha [32]byte) (bool, error) { // of another attempt, with another backup
		_, needed := slices.BinarySearchFunc(s.x.list, sha, func(c blob.Content, sha [32]byte) int { return slices.Compare(c.SHA256[:], sha[:]) })
		return needed, nil
	}, s.x.Made)
	return err
}

func (s staging) settle(ctx context.Context, path string) error {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: s.Schemas})
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx *sqlite.Tx) error { return s.Settle(tx, s.r.Report) })
	return errors.Join(err, db.Close())
}

// keepKeys has the office go on with the keys of this box. The seals of the office come
// from the backup.
func (s staging) keepKeys(own *identity.Identity) error {
	cards, err := keystore.Load(filepath.Join(s.Dir, identity.Folder, cardsFile))
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return err
	}
	return identity.Replace(s.dir, own, identity.Extra{Name: cardsFile, Data: cards})
}

// cardsFile holds the first registry cards in a key folder.
const cardsFile = "cards"

// Settle finishes a restore that was complete when it was cut off. The keys come last:
// with them the box is enrolled. Nobody may be using data folder dir.
func Settle(dir string) error {
	if _, err := settle(dir); err != nil {
		return fmt.Errorf("finish restore: %w", err)
	}
	return nil
}

// settle is Settle, and gives the report of what it has finished, nil of nothing.
func settle(dir string) (done *Restored, err error) {
	stage := filepath.Join(dir, Unfinished)
	said, err := os.ReadFile(filepath.Join(stage, commitFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if json.Unmarshal(said, &done) != nil {
		done = nil // of another version: all is there, only the report is not
	}
	return done, place(stage, dir)
}

// place puts what is in stage into dir, and removes stage.
func place(stage, dir string) error {
	entries, err := os.ReadDir(stage)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return rank(a.Name()) - rank(b.Name()) })
	for _, e := range entries {
		if e.Name() == commitFile {
			continue
		}
		target := filepath.Join(dir, e.Name())
		err := os.RemoveAll(target)
		if strings.HasSuffix(e.Name(), ".db") {
			err = errors.Join(err, Discard(target)) // with the journal of what was there
		}
		if err := errors.Join(err, PointPlace.Rename(fsx.OS, filepath.Join(stage, e.Name()), target)); err != nil {
			return fsx.MapError(err)
		}
		if err := fsx.SyncDir(dir); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(stage), fsx.SyncDir(dir))
}

func rank(name string) int {
	if name == identity.Folder {
		return 1
	}
	return 0
}
