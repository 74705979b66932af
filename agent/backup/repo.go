package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
)

// repo is the backups of one office under one key, in a store.
type repo struct {
	store Store
	key   *Key
	name  string // folder
}

// maxKeys bounds how many keys of a store are tried with a recovery code.
const maxKeys = 256

// codeName is an office code as it may stand in a file name.
func codeName(code string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(code))
}

func newRepo(s Store, k *Key, code string) repo { return repo{s, k, codeName(code) + "-" + k.ID()} }

func (r repo) at(folder, name string) string { return path.Join(r.name, folder, name) }

func (r repo) keyName() string { return path.Join(keysFolder, r.name+".age") }

// Marked tells whether a store holds backups under the key of an office: on a stick, the
// sign that it is meant for them.
func Marked(ctx context.Context, s Store, k *Key, code string) bool {
	f, err := s.Open(ctx, newRepo(s, k, code).keyName())
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// find is the repo of a store that a recovery code opens. Problems: backup.nothing,
// backup.other-code.
func find(ctx context.Context, s Store, code string) (repo, error) {
	var names []string
	err := s.List(ctx, keysFolder, func(name string, _ int64) {
		if strings.HasSuffix(name, ".age") && len(names) < maxKeys {
			names = append(names, name)
		}
	})
	if err != nil {
		return repo{}, explain(err, s.Place())
	}
	if len(names) == 0 {
		return repo{}, problem.New(problem.NotFound, "backup.nothing", "", i18n.Args{"place": s.Place()})
	}
	var damaged error
	for _, name := range names {
		f, err := s.Open(ctx, name)
		if err != nil {
			return repo{}, explain(err, s.Place())
		}
		k, err := openKey(f, code)
		if err := errors.Join(err, f.Close()); errors.Is(err, errOtherCode) {
			continue
		} else if err != nil {
			damaged = spoilt("key", name, err)
			continue
		}
		return repo{s, k, strings.TrimSuffix(path.Base(name), ".age")}, nil
	}
	if damaged != nil {
		return repo{}, damaged
	}
	return repo{}, problem.New(problem.Denied, "backup.other-code", "key", i18n.Args{"place": s.Place()})
}

// names lists the backups, the oldest first.
func (r repo) names(ctx context.Context) (names []string, err error) {
	err = r.store.List(ctx, r.at(indexFolder, ""), func(name string, _ int64) {
		if _, err := time.Parse(stamp, path.Base(name)); err == nil {
			names = append(names, path.Base(name))
		}
	})
	slices.Sort(names)
	return names, err
}

// pick is the name of the backup that is asked for, "" for the newest. Problems:
// backup.nothing, backup.no-snapshot.
func (r repo) pick(ctx context.Context, at string) (string, error) {
	names, err := r.names(ctx)
	switch {
	case err != nil:
		return "", explain(err, r.store.Place())
	case len(names) == 0:
		return "", problem.New(problem.NotFound, "backup.nothing", "", i18n.Args{"place": r.store.Place()})
	case at == "":
		return names[len(names)-1], nil
	case !slices.Contains(names, at):
		return "", problem.New(problem.NotFound, "backup.no-snapshot", "at", i18n.Args{"name": at, "newest": names[len(names)-1]})
	}
	return at, nil
}

// index reads a backup's index. Problems: backup.spoilt, backup.version.
func (r repo) index(ctx context.Context, name string) (x index, err error) {
	plain, closer, err := r.open(ctx, r.at(indexFolder, name))
	if err != nil {
		return x, r.fault("index", name, err)
	}
	defer closer.Close()
	x, err = decodeIndex(plain, r.key)
	return x, r.fault("index", name, err)
}

// open decrypts a file.
func (r repo) open(ctx context.Context, name string) (io.Reader, io.Closer, error) {
	f, err := r.store.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	plain, err := r.key.decrypt(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return plain, f, nil
}

func (k *Key) decrypt(r io.Reader) (io.Reader, error) {
	plain, err := age.Decrypt(r, k.id)
	if err != nil {
		return nil, unsealed(err)
	}
	return &unsealing{plain}, nil
}

// errSealed says that a file does not decrypt: it was changed, or cut off.
var errSealed = errors.New("file does not decrypt")

// unsealing marks errors of decryption apart from those of the store below.
type unsealing struct{ r io.Reader }

func (u *unsealing) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF {
		err = unsealed(err)
	}
	return n, err
}

func unsealed(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) || errors.Is(err, ErrUnreachable) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", errSealed, err)
}

// put stores what write gives encrypted, unless it is there, and describes it as it lies
// there.
func (r repo) put(ctx context.Context, name string, write func(io.Writer) error) (s stored, err error) {
	err = r.store.Put(ctx, name, func(w io.Writer) error {
		sum := newSumming(w)
		sealed, err := age.Encrypt(sum, r.key.id.Recipient())
		if err != nil {
			return err
		}
		if err := write(sealed); err != nil {
			return err
		}
		if err := sealed.Close(); err != nil {
			return err
		}
		s = sum.stored()
		return ctx.Err()
	})
	return s, err
}

func (r repo) contentName(c blob.Content) string { return r.at(contentFolder, r.key.content(c.SHA256)) }

// fault tells in words what is wrong with a part of a backup; errors of the place itself
// stay what they are.
func (r repo) fault(part, name string, err error) error {
	var p *problem.Problem
	switch {
	case err == nil || errors.As(err, &p) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, errSealed), errors.Is(err, errIndex), errors.Is(err, storage.ErrDigest), errors.Is(err, io.ErrUnexpectedEOF):
		return spoilt(part, name, err)
	}
	return explain(err, r.store.Place())
}

// spoilt is the problem that a part of a backup is missing or not what it was. The words
// are chosen by what it is.
func spoilt(part, name string, err error) error {
	why := "changed"
	switch {
	case errors.Is(err, storage.ErrNotFound):
		why = "missing"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		why = "cut"
	}
	return problem.New(problem.BadSeal, "backup.spoilt", "", i18n.Args{
		"part": i18n.Say("backup.part." + part), "name": name, "why": i18n.Say("backup.why." + why),
	}).Because(err)
}

// explain tells people what they can do about an error of a place.
func explain(err error, place string) error {
	var p *problem.Problem
	args := i18n.Args{"place": place}
	switch {
	case err == nil || errors.As(err, &p) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(fsx.MapError(err), storage.ErrFull):
		return problem.New(problem.Full, "backup.full", "", i18n.Args{"dir": place}).Because(err)
	case fsx.IsReadOnly(err):
		return problem.New(problem.Denied, "backup.read-only", "", args).Because(err)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, ErrUnreachable):
		return problem.New(problem.LinkDown, "backup.unreachable", "", args).Because(err)
	}
	return fmt.Errorf("backup in %s: %w", place, err)
}

// ErrUnreachable is what a Store over a network wraps when nobody answers.
var ErrUnreachable = errors.New("place of backups does not answer")
