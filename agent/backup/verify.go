package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// readEvery is within how many days each file of content is read back by the backups of
// every day; a new one is at once.
const readEvery = 7

// dueOn tells whether content is to be read back on a day.
func dueOn(name string, now time.Time) bool {
	return int64(sha256.Sum256([]byte(name))[0])%readEvery == now.Unix()/int64(day/time.Second)%readEvery
}

// Report is what is in a backup.
type Report struct {
	Backup   string    `json:"backup"` // its name
	Code     string    `json:"code"`   // of the office
	Name     string    `json:"name"`
	At       time.Time `json:"at"`       // as of when
	Software string    `json:"software"` // that made it
	Place    string    `json:"place"`
	Database int64     `json:"database"` // bytes
	Files    int       `json:"files"`    // of content
	Bytes    int64     `json:"bytes"`    // of these
	Read     int       `json:"read"`     // of the files, those that were read back
}

func (r repo) report(name string, x index) Report {
	return Report{Backup: name, Code: x.Code, Name: x.Name, At: x.Made, Software: x.Software, Place: r.store.Place(),
		Database: x.Plain, Files: len(x.list), Bytes: Total(x.list)}
}

// Access is how somebody comes to the backups of an office in a store.
type Access struct {
	Store Store
	Key   *Key   // of the data folder; nil: Code says which
	Code  string // recovery code
	Of    string // office of Key
}

func (a Access) repo(ctx context.Context) (repo, error) {
	if a.Key == nil {
		return find(ctx, a.Store, a.Code)
	}
	r := newRepo(a.Store, a.Key, a.Of)
	if !Marked(ctx, a.Store, a.Key, a.Of) {
		return find(ctx, a.Store, a.Key.code) // says what is there, and what not
	}
	return r, nil
}

// List tells what backups there are, the oldest first. A backup whose index does not hold
// is left out. Problems: backup.nothing, backup.other-code.
func List(ctx context.Context, a Access) (list []Report, err error) {
	r, err := a.repo(ctx)
	if err != nil {
		return nil, err
	}
	names, err := r.names(ctx)
	if err != nil {
		return nil, explain(err, r.store.Place())
	}
	list = []Report{}
	for _, name := range names {
		x, err := r.index(ctx, name)
		if problem.From(err).Class == problem.BadSeal {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, r.report(name, x))
	}
	return list, nil
}

// Verify reads a backup whole; at is its name, "" for the newest. The database is
// decrypted into work, a folder that only this user may read. Problems: backup.nothing,
// backup.other-code, backup.no-snapshot, backup.spoilt, backup.version, backup.newer.
func Verify(ctx context.Context, a Access, at, work string, f Form) (Report, error) {
	r, err := a.repo(ctx)
	if err != nil {
		return Report{}, err
	}
	if at, err = r.pick(ctx, at); err != nil {
		return Report{}, err
	}
	return checking{repo: r, work: work, form: f, share: func(string) bool { return true }}.run(ctx, at)
}

// checking reads a backup back.
type checking struct {
	repo  repo
	work  string
	form  Form
	share func(name string) bool // which content is read whole; of the rest the size is looked at
}

func (c checking) run(ctx context.Context, name string) (rep Report, err error) {
	x, err := c.repo.index(ctx, name)
	if err != nil {
		return rep, err
	}
	rep = c.repo.report(name, x)
	plain := filepath.Join(c.work, plainName)
	if err := Discard(plain); err != nil {
		return rep, err
	}
	err = c.repo.database(ctx, name, x, plain, c.form)
	if err := errors.Join(err, Discard(plain)); err != nil {
		return rep, err
	}
	if err := c.repo.files(ctx, name, x, ""); err != nil {
		return rep, err
	}
	there := map[string]int64{}
	if err := c.repo.store.List(ctx, c.repo.at(contentFolder, ""), func(name string, size int64) { there[name] = size }); err != nil {
		return rep, explain(err, c.repo.store.Place())
	}
	for _, content := range x.list {
		file := c.repo.contentName(content)
		size, known := there[file]
		switch {
		case !known:
			return rep, spoilt("content", file, storage.ErrNotFound)
		case size != sealedSize(content.Size):
			return rep, spoilt("content", file, io.ErrUnexpectedEOF)
		case !c.share(file):
			continue
		}
		if err := c.repo.content(ctx, content, io.Discard); err != nil {
			return rep, err
		}
		rep.Read++
	}
	return rep, nil
}

// content writes a file of content and holds it to its digest.
func (r repo) content(ctx context.Context, c blob.Content, to io.Writer) (err error) {
	name := r.contentName(c)
	plain, closer, err := r.open(ctx, name)
	if err != nil {
		return r.fault("content", name, err)
	}
	defer closer.Close()
	sum := newSumming(to)
	if _, err := io.Copy(sum, cancelled(ctx, plain)); err != nil {
		return r.fault("content", name, err)
	}
	if [32]byte(sum.sum.Sum(nil)) != c.SHA256 {
		return spoilt("content", name, storage.ErrDigest)
	}
	return nil
}

// files reads the archive of keys and settings, into dir unless that is "".
func (r repo) files(ctx context.Context, name string, x index, dir string) error {
	return r.data(ctx, "files", name+".tar", x.Files, func(plain io.Reader) error { return unpack(plain, dir) })
}

// data reads a file that the index describes.
func (r repo) data(ctx context.Context, part, name string, want stored, use func(io.Reader) error) error {
	name = r.at(dataFolder, name)
	f, err := r.store.Open(ctx, name)
	if err != nil {
		return r.fault(part, name, err)
	}
	sum := newSumming(io.Discard)
	raw := io.TeeReader(cancelled(ctx, f), sum)
	plain, err := r.key.decrypt(raw)
	if err == nil {
		err = use(plain)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, raw)
	}
	if err == nil && sum.stored() != want {
		err = fmt.Errorf("%s: %w", name, storage.ErrDigest)
	}
	return r.fault(part, name, errors.Join(err, f.Close()))
}

// database writes the database of a backup to a file and checks it.
func (r repo) database(ctx context.Context, name string, x index, to string, f Form) error {
	err := r.data(ctx, "database", name+".db", x.Database, func(plain io.Reader) error {
		z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return err
		}
		defer z.Close()
		out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, keystore.FileMode)
		if err != nil {
			return err
		}
		n, err := io.Copy(out, io.LimitReader(z, x.Plain+1))
		if err == nil && n != x.Plain {
			err = fmt.Errorf("%w: the database has another length", errIndex)
		}
		return errors.Join(err, fsx.MapError(errors.Join(PointPlain.Sync(out, to), out.Close())))
	})
	if err != nil {
		return err
	}
	needed, err := Contents(ctx, to, f.Content, sqlite.Options{Schemas: f.Schemas}) // one of an earlier version is brought up to date
	switch file := path.Join(dataFolder, name+".db"); {
	case errors.Is(err, sqlite.ErrNewer):
		return problem.New(problem.BadSeal, "backup.newer", "", nil).Because(err)
	case errors.Is(err, storage.ErrFull) || ctx.Err() != nil:
		return err
	case err != nil:
		return spoilt("database", file, err)
	case !slices.EqualFunc(needed, x.list, func(a, b blob.Content) bool { return a.SHA256 == b.SHA256 && a.Size == b.Size }):
		return spoilt("database", file, errors.New("it refers to other content than the index lists"))
	}
	return nil
}
