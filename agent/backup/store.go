package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/keystore"
)

// Store is a place that backups lie in: a folder, or a bucket. Names are relative, with
// "/" between folders, of the letters a to z, digits, ".", "_" and "-". Its methods may
// be called from several goroutines.
type Store interface {
	// Place names it for people.
	Place() string
	// List hands over each file below a folder of the store, in any order, and nothing
	// for a folder that is not there.
	List(ctx context.Context, folder string, each func(name string, size int64)) error
	// Open reads a file. [storage.ErrNotFound] when there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Put stores what write writes under name, durably and whole, or leaves name as it
	// was. Nobody else may be writing it.
	Put(ctx context.Context, name string, write func(io.Writer) error) error
	// Remove removes a file. That there is none is no error.
	Remove(ctx context.Context, name string) error
}

// folder is a Store in a folder of this machine, which may be a stick.
type folder struct{ dir string }

// OpenFolder is the Store in dir, which is made at the first Put.
func OpenFolder(dir string) Store { return folder{filepath.Clean(dir)} }

func (f folder) Place() string { return f.dir }

// at is the path of a name; none leads out of the folder.
func (f folder) at(name string) (string, error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) {
		return "", fmt.Errorf("backup file %q: %w", name, fs.ErrInvalid)
	}
	return filepath.Join(f.dir, local), nil
}

func (f folder) List(ctx context.Context, name string, each func(string, int64)) error {
	dir, err := f.at(name)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(dir, func(full string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(f.dir, full)
		each(filepath.ToSlash(rel), info.Size())
		return err
	})
	if _, missing := os.Stat(dir); errors.Is(missing, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	full, err := f.at(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", storage.ErrNotFound, full)
	}
	return file, err
}

// Put writes beside and renames to a name that is free: not every file system of a stick
// can replace.
func (f folder) Put(_ context.Context, name string, write func(io.Writer) error) error {
	full, err := f.at(name)
	if err != nil {
		return err
	}
	if err := fsx.MkdirAll(fsx.OS, filepath.Dir(full), keystore.FolderMode); err != nil {
		return err
	}
	t, err := fsx.Create(filepath.Dir(full))
	if err != nil {
		return err
	}
	if err := write(t); err != nil {
		return errors.Join(err, t.Abort())
	}
	temp, err := t.Finish()
	if err != nil {
		return err
	}
	if err := os.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, t.Discard())
	}
	if err := PointStored.Rename(fsx.OS, temp, full); err != nil {
		return errors.Join(fsx.MapError(err), t.Discard())
	}
	return fsx.SyncDir(filepath.Dir(full))
}

func (f folder) Remove(_ context.Context, name string) error {
	full, err := f.at(name)
	if err != nil {
		return err
	}
	if err := os.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tidy removes what a kill has left below a folder without a name of its own.
func (f folder) tidy(name string) error {
	dir, err := f.at(name)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(dir, func(full string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = fsx.RemoveTemps(fsx.OS, full)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
