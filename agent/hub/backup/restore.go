package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	shared "tram/agent/backup"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// carry copies the content that is not there, and checks what it copies to the byte.
func carry(ctx context.Context, from, to *blob.Store, list []blob.Content) (copied int, err error) {
	var n atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for _, c := range list {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if to.Has(c.SHA256, c.Size) {
				return nil
			}
			n.Add(1)
			return carryOne(ctx, from, to, c)
		})
	}
	err = group.Wait()
	return int(n.Load()), err
}

func carryOne(ctx context.Context, from, to *blob.Store, c blob.Content) error {
	r, err := from.Reader(c)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := to.Stage(ctx, r, c.Size)
	if err != nil {
		return err
	}
	if got.SHA256 != c.SHA256 || got.Inline != nil {
		return fmt.Errorf("%w: %x", storage.ErrDigest, c.SHA256)
	}
	return nil
}

// opened is a snapshot whose record is known to be good.
type opened struct {
	dir  string // of the snapshot
	from *blob.Store
	rec  record
	made Made
	list []blob.Content
}

func damaged(err error) error {
	return problem.New(problem.BadSeal, "backup.damaged", "DIR", nil).Because(err)
}

// find names the snapshot that is asked for, "" for the newest.
func find(into, name string) (string, error) {
	names, err := Snapshots(into)
	if err != nil {
		return "", err
	}
	switch {
	case len(names) == 0:
		return "", problem.New(problem.NotFound, "backup.none", "DIR", i18n.Args{"dir": into})
	case name == "":
		return names[len(names)-1], nil
	case !slices.Contains(names, name):
		return "", problem.New(problem.NotFound, "backup.no-snapshot", "at", i18n.Args{"name": name, "newest": names[len(names)-1]})
	}
	return name, nil
}

// read takes the record of a snapshot, and holds the list of content to it.
func (s *opened) read(more map[string][]byte) error {
	raw, there := more[recordFile]
	if !there || len(raw) > maxRecord {
		return damaged(errors.New("no record of a snapshot"))
	}
	if err := json.Unmarshal(raw, &s.rec); err != nil {
		return damaged(err)
	}
	if s.rec.Version != recordForm {
		return problem.New(problem.BadSeal, "backup.version", "DIR", i18n.Args{"version": s.rec.Version, "known": recordForm})
	}
	info, err := os.Stat(filepath.Join(s.dir, listFile))
	if err != nil || info.Size() != s.rec.Content.Size {
		return damaged(fmt.Errorf("list of content: %w", errors.Join(err, storage.ErrDigest)))
	}
	data, err := os.ReadFile(filepath.Join(s.dir, listFile))
	if err != nil {
		return damaged(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != s.rec.Content.SHA256 {
		return damaged(fmt.Errorf("list of content: %w", storage.ErrDigest))
	}
	if s.list, err = shared.DecodeList(data); err != nil {
		return damaged(err)
	}
	s.made.At, s.made.Files, s.made.Bytes = s.rec.Made, len(s.list), shared.Total(s.list)
	return nil
}

// database writes the database of the snapshot to a file and checks it.
func (s *opened) database(ctx context.Context, to string, f Form) (err error) {
	in, err := os.Open(filepath.Join(s.dir, databaseFile))
	if err != nil {
		return damaged(err)
	}
	defer in.Close()
	id, err := age.ParseX25519Identity(s.rec.Key)
	if err != nil {
		return damaged(err)
	}
	sum := sha256.New()
	sealedBytes := io.TeeReader(in, sum)
	plain, err := age.Decrypt(sealedBytes, id)
	if err != nil {
		return damaged(err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, keystore.FileMode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, plain)
	if closed := fsx.MapError(errors.Join(PointPlain.Sync(out, to), out.Close())); closed != nil {
		return closed
	}
	if err != nil {
		if err := fsx.MapError(err); errors.Is(err, storage.ErrFull) {
			return err
		}
		return damaged(err)
	}
	if _, err := io.Copy(io.Discard, sealedBytes); err != nil {
		return damaged(err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.rec.Database.SHA256 {
		return damaged(fmt.Errorf("database: %w", storage.ErrDigest))
	}
	s.made.Database = n
	needed, err := shared.Contents(ctx, to, f.Content, sqlite.Options{Schemas: f.Schemas}) // one of an earlier version is brought up to date
	switch {
	case errors.Is(err, sqlite.ErrNewer):
		return problem.New(problem.BadSeal, "backup.newer", "DIR", nil).Because(err)
	case errors.Is(err, storage.ErrFull):
		return err
	case err != nil:
		return damaged(err)
	}
	if !slices.EqualFunc(needed, s.list, func(a, b blob.Content) bool { return a.SHA256 == b.SHA256 && a.Size == b.Size }) {
		return damaged(errors.New("the database refers to other content than the snapshot lists"))
	}
	return nil
}

// Form is what the database of a hub looks like.
type Form = shared.Form

// Verify reads a snapshot whole and says what is in it; at is its name, "" for the
// newest. The database is decrypted into a folder that only this user may read and
// removed again. Problems: backup.none, backup.no-snapshot, backup.passphrase,
// backup.damaged, backup.version.
func Verify(ctx context.Context, into, at, passphrase string, f Form) (m Made, err error) {
	name, err := find(into, at)
	if err != nil {
		return m, err
	}
	s := opened{dir: filepath.Join(into, name), from: blob.OpenReadOnly(filepath.Join(into, blobFolder)), made: Made{Snapshot: name}}
	keys, err := os.Open(filepath.Join(s.dir, keysFile))
	if err != nil {
		return m, damaged(err)
	}
	defer keys.Close()
	var more map[string][]byte
	if s.made.Code, more, err = ca.Inspect(keys, passphrase); err != nil {
		return m, err
	}
	if err := s.read(more); err != nil {
		return m, err
	}
	plain, err := os.MkdirTemp("", "tram-verify-")
	if err != nil {
		return m, fmt.Errorf("verify backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(plain)) }()
	if err := s.database(ctx, filepath.Join(plain, "hub.db"), f); err != nil {
		return m, explain(err, plain)
	}
	for _, c := range s.list {
		if err := s.from.Check(ctx, c); err != nil {
			return m, damaged(err)
		}
	}
	return s.made, nil
}

// Target is where a hub is raised.
type Target struct {
	Dir   string // data folder: missing or empty
	DB    string // name of its database
	Blobs string // name of its folder of content
	Form
}

// Restored is what Restore has done.
type Restored struct {
	Made
	Invites int `json:"invites"` // that were open and have to be made again
}

// Restore raises the hub of a snapshot, all or nothing; at is its name, "" for the
// newest. Problems are those of Verify, and backup.not-empty.
func Restore(ctx context.Context, to Target, into, at, passphrase string) (r Restored, err error) {
	name, err := find(into, at)
	if err != nil {
		return r, err
	}
	s := opened{dir: filepath.Join(into, name), from: blob.OpenReadOnly(filepath.Join(into, blobFolder)), made: Made{Snapshot: name}}
	f, err := os.Open(filepath.Join(s.dir, keysFile))
	if err != nil {
		return r, damaged(err)
	}
	defer f.Close()
	err = ca.RestoreWith(to.Dir, f, passphrase, func(more map[string][]byte) error {
		if err := s.read(more); err != nil {
			return err
		}
		r.Invites, err = s.raise(ctx, to)
		return err
	}, to.Blobs, to.DB)
	if err != nil {
		return r, explain(err, to.Dir)
	}
	if r.Made = s.made; r.Code == "" {
		c, err := ca.Load(to.Dir)
		if err != nil {
			return r, err
		}
		r.Code = c.Code
	}
	return r, nil
}

// raise puts database and content into the data folder, beside keys that are not there
// yet.
func (s *opened) raise(ctx context.Context, to Target) (invites int, err error) {
	stage := filepath.Join(to.Dir, ca.Unfinished)
	if err := errors.Join(os.RemoveAll(stage), keystore.MakeFolder(stage)); err != nil {
		return 0, err
	}
	db, content := filepath.Join(stage, to.DB), filepath.Join(stage, to.Blobs)
	if err := s.database(ctx, db, to.Form); err != nil {
		return 0, errors.Join(err, os.RemoveAll(stage))
	}
	store, err := blob.Open(content, blob.Options{MinFree: -1})
	if err != nil {
		return 0, err
	}
	if s.made.Copied, err = carry(ctx, s.from, store, s.list); err != nil {
		if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrDigest) || errors.Is(err, blob.ErrTooLarge) {
			err = damaged(err)
		}
		return 0, errors.Join(err, os.RemoveAll(stage))
	}
	if err := sqlite.Renew(ctx, db); err != nil {
		return 0, err
	}
	if invites, err = s.settle(ctx, db, to.Schemas); err != nil {
		return 0, err
	}
	for _, name := range []string{to.Blobs, to.DB} {
		if err := os.RemoveAll(filepath.Join(to.Dir, name)); err != nil { // of a restore that was interrupted
			return 0, err
		}
		if err := PointPlace.Rename(fsx.OS, filepath.Join(stage, name), filepath.Join(to.Dir, name)); err != nil {
			return 0, err
		}
	}
	return invites, errors.Join(os.RemoveAll(stage), fsx.SyncDir(to.Dir))
}

// settle writes into the database what a restore changes.
func (s *opened) settle(ctx context.Context, path string, schemas []sqlite.Schema) (invites int, err error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Schemas: schemas})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Update(ctx, func(tx *sqlite.Tx) error {
		if invites, err = ca.CloseInvites(tx); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: "cli", Action: "hub.restored", Subject: s.made.Snapshot, Detail: map[string]string{
			"made": s.rec.Made.Format("2006-01-02T15:04:05Z07:00"), "files": fmt.Sprint(len(s.list)), "invites": fmt.Sprint(invites),
		}})
	})
	return invites, err
}
