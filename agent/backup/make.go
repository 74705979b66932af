package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

const (
	// LockName is the file of a data folder that is held by the one that saves it.
	LockName = "backup.lock"
	// plainName is the copy of the database before it is encrypted: in the office's own
	// folder, where it is in the clear anyway.
	plainName = "backup.db.tmp"
	// tries is how often a backup is begun anew because content had gone before it could
	// be copied.
	tries = 3
	// copies is how many files are copied at the same time.
	copies = 2
	// zstdWindow bounds the memory that compression takes, in bytes.
	zstdWindow = 1 << 20
)

// Source is the office that is saved.
type Source struct {
	Dir      string // data folder
	DB       string // name of its database
	Blobs    string // name of its folder of content
	Leave    []string
	Code     string
	Name     string
	Hub      string
	Software string
	Form
	Policy Policy           // zero: DefaultPolicy
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil discards
}

// Made is what Make has done.
type Made struct {
	Report
	Copied  int   `json:"copied"` // files of content that were not there
	Sent    int64 `json:"sent"`   // bytes written, the database and all
	Removed int   `json:"removed"`
	NewKey  bool  `json:"new_key"` // there was no recovery code before
}

// Make saves an office, reads back what it has written, and removes what the policy lets
// go. Problems: backup.busy, backup.moving, backup.full, backup.read-only,
// backup.unreachable, backup.spoilt.
func Make(ctx context.Context, src Source, s Store) (m Made, err error) {
	src.defaults()
	unlock, err := keystore.LockFile(filepath.Join(src.Dir, LockName))
	if errors.Is(err, keystore.ErrLocked) {
		return m, problem.New(problem.Busy, "backup.busy", "", i18n.Args{"dir": s.Place()})
	}
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	key, fresh, err := EnsureKey(src.Dir)
	if err != nil {
		return m, err
	}
	m.NewKey = fresh
	w := &making{src: src, repo: newRepo(s, key, src.Code), made: &m, there: map[string]int64{}}
	if err := w.prepare(ctx); err != nil {
		return m, explain(err, s.Place())
	}
	x, err := w.take(ctx)
	if err == nil {
		err = w.finish(ctx, x)
	}
	if err := errors.Join(err, Discard(filepath.Join(src.Dir, plainName))); err != nil {
		return m, explain(err, s.Place())
	}
	check := checking{repo: w.repo, work: src.Dir, form: src.Form, share: func(name string) bool { return w.fresh(name) || dueOn(name, src.Now()) }}
	if m.Report, err = check.run(ctx, m.Backup); err != nil {
		return m, err
	}
	m.Removed, err = w.repo.prune(ctx, src.Policy, m.Backup)
	return m, explain(err, s.Place())
}

func (s *Source) defaults() {
	if s.Policy == (Policy{}) {
		s.Policy = DefaultPolicy
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
}

// making is a backup while it is made.
type making struct {
	src  Source
	repo repo
	made *Made

	mu    sync.Mutex
	there map[string]int64 // content in the store, by name
	wrote map[string]bool  // by this run
}

// fresh tells whether this run has written a file of content.
func (w *making) fresh(name string) bool { return w.wrote[name] }

// prepare puts the key where it belongs and learns what is there.
func (w *making) prepare(ctx context.Context) error {
	w.wrote = map[string]bool{}
	if f, ok := w.repo.store.(folder); ok {
		if err := f.tidy(w.repo.name); err != nil {
			return err
		}
	}
	f, err := w.repo.store.Open(ctx, w.repo.keyName())
	if err == nil {
		k, bad := openKey(f, w.repo.key.code)
		if err := f.Close(); err != nil {
			return err
		}
		if bad == nil && k.ID() == w.repo.key.ID() {
			return w.look(ctx)
		}
		err = storage.ErrNotFound // written anew
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err := w.repo.store.Put(ctx, w.repo.keyName(), w.repo.key.seal); err != nil {
		return err
	}
	return w.look(ctx)
}

func (w *making) look(ctx context.Context) error {
	return w.repo.store.List(ctx, w.repo.at(contentFolder, ""), func(name string, size int64) { w.there[name] = size })
}

// take copies database and content, as of one moment.
func (w *making) take(ctx context.Context) (x index, err error) {
	from := blob.OpenReadOnly(filepath.Join(w.src.Dir, w.src.Blobs))
	plain := filepath.Join(w.src.Dir, plainName)
	for try := 1; ; try++ {
		x.Made = w.src.Now().UTC().Truncate(time.Second)
		if err := Discard(plain); err != nil {
			return x, err
		}
		if err := sqlite.Snapshot(ctx, filepath.Join(w.src.Dir, w.src.DB), plain); err != nil {
			return x, err
		}
		x.list, err = Contents(ctx, plain, w.src.Content, sqlite.Options{Schemas: w.src.Schemas, ReadOnly: true})
		if err == nil {
			err = w.carry(ctx, from, x.list)
		}
		if errors.Is(err, storage.ErrNotFound) && try < tries {
			continue // it was ended between the two
		}
		if errors.Is(err, storage.ErrNotFound) {
			err = problem.New(problem.Conflict, "backup.gone", "", nil).Because(err)
		}
		return x, err
	}
}

// carry copies the content that is not there.
func (w *making) carry(ctx context.Context, from *blob.Store, list []blob.Content) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for _, c := range list {
		if ctx.Err() != nil {
			break
		}
		name := w.repo.contentName(c)
		w.mu.Lock()
		known := w.there[name] == sealedSize(c.Size)
		w.mu.Unlock()
		if !known {
			group.Go(func() error { return w.carryOne(ctx, from, c, name) })
		}
	}
	return group.Wait()
}

func (w *making) carryOne(ctx context.Context, from *blob.Store, c blob.Content, name string) error {
	r, err := from.Reader(c)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := w.repo.put(ctx, name, func(to io.Writer) error {
		sum := newSumming(to)
		if _, err := io.Copy(sum, cancelled(ctx, r)); err != nil {
			return err
		}
		if [32]byte(sum.sum.Sum(nil)) != c.SHA256 {
			return problem.New(problem.Failed, "backup.source", "", i18n.Args{"name": fmt.Sprintf("%x", c.SHA256)}).Because(storage.ErrDigest)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there[name], w.wrote[name] = s.Size, true
	w.made.Copied++
	w.made.Sent += s.Size
	return nil
}

// reader is a function that reads.
type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// cancelled ends a copy when ctx ends.
func cancelled(ctx context.Context, r io.Reader) io.Reader {
	return reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

// finish writes database and files, and then the index, with which the backup is there.
func (w *making) finish(ctx context.Context, x index) (err error) {
	if w.made.Backup, err = w.nextName(ctx, x.Made); err != nil {
		return err
	}
	x.Code, x.Name, x.Hub, x.Software = w.src.Code, w.src.Name, w.src.Hub, w.src.Software
	plain := filepath.Join(w.src.Dir, plainName)
	info, err := os.Stat(plain)
	if err != nil {
		return err
	}
	x.Plain = info.Size()
	if x.Database, err = w.repo.put(ctx, w.repo.at(dataFolder, w.made.Backup+".db"), compressed(ctx, plain)); err != nil {
		return err
	}
	if x.Files, err = w.repo.put(ctx, w.repo.at(dataFolder, w.made.Backup+".tar"), func(to io.Writer) error { return w.src.pack(ctx, to) }); err != nil {
		return err
	}
	text, err := x.encode(w.repo.key)
	if err != nil {
		return err
	}
	s, err := w.repo.put(ctx, w.repo.at(indexFolder, w.made.Backup), func(to io.Writer) error {
		_, err := to.Write(text)
		return err
	})
	w.made.Sent += x.Database.Size + x.Files.Size + s.Size
	return err
}

const day = 24 * time.Hour

// nextName is the name of a new backup: by its time, and behind all others in any case,
// for the clock may be wrong, now or then.
func (w *making) nextName(ctx context.Context, made time.Time) (string, error) {
	names, err := w.repo.names(ctx)
	if err != nil || len(names) == 0 {
		return made.Format(stamp), err
	}
	last, err := time.Parse(stamp, names[len(names)-1])
	if err == nil && !made.After(last) {
		made = last.Add(time.Second)
	}
	return made.Format(stamp), err
}

// compressed writes a file with zstd.
func compressed(ctx context.Context, path string) func(io.Writer) error {
	return func(to io.Writer) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		z, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow))
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, cancelled(ctx, in)); err != nil {
			return errors.Join(err, z.Close())
		}
		return z.Close()
	}
}
