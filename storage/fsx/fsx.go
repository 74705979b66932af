// Package fsx holds the one way in which Trạm writes a file for good: into a
// temporary file in the same folder, fsync, close, rename, fsync of the folder.
//
// It promises that after a power cut at any instant the target is either the
// old file or the whole new one, that a failed write leaves no target and no
// temporary file behind, and that "no space" is reported as [storage.ErrFull]
// at whichever step it shows up.
//
// [Disk] is the seam through which tests inject faults and power cuts; the
// blob store goes through it as well. [Point] names each step that makes something
// durable, here and in every other package, so that tests can kill the process at it.
package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// File is an open file of a [Disk]. *os.File is one.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Seeker
	Truncate(size int64) error
	// Sync makes the content durable, not the name: see [Disk.SyncDir].
	Sync() error
	io.Closer
}

// Disk is what durable writing needs of a file system. Methods behave like
// their namesakes in package os; errors are those of the file system, so
// callers pass them through [MapError].
type Disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces an existing target atomically. It is durable after SyncDir.
	Rename(oldName, newName string) error
	Remove(name string) error
	// Mkdir makes one folder; fs.ErrExist when it is there.
	Mkdir(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a folder durable: files made, renamed into it
	// and removed from it.
	SyncDir(name string) error
	// Usage returns the bytes that this user may still write on the volume
	// that holds the folder, and the size of the volume.
	Usage(dir string) (free, total int64, err error)
}

// OS is the real disk.
var OS Disk = osDisk{}

type osDisk struct{}

func (osDisk) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a non-nil File
	}
	return f, nil
}

func (osDisk) Rename(oldName, newName string) error       { return rename(oldName, newName) }
func (osDisk) Remove(name string) error                   { return os.Remove(name) }
func (osDisk) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (osDisk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osDisk) SyncDir(name string) error                  { return syncDir(name) }
func (osDisk) Usage(dir string) (int64, int64, error)     { return usage(dir) }

// tempPrefix starts the name of every temporary file. [RemoveTemps] removes
// what a crash left of them.
const tempPrefix = ".tmp-"

// WriteFile makes path hold data, durably, with the given permissions. It
// replaces an existing file.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return WriteFileOn(OS, path, data, perm)
}

// WriteFileOn is [WriteFile] on a given disk.
func WriteFileOn(d Disk, path string, data []byte, perm fs.FileMode) error {
	t, err := CreateOn(d, filepath.Dir(path), perm)
	if err != nil {
		return err
	}
	if _, err := t.Write(data); err != nil {
		return errors.Join(err, t.Abort())
	}
	return t.Commit(path)
}

// Temp is a file being written that has no name of its own yet.
type Temp struct {
	disk Disk
	file File
	name string
}

// Create starts a temporary file in dir with permissions 0600. Either Commit
// or Abort must follow.
func Create(dir string) (*Temp, error) { return CreateOn(OS, dir, 0o600) }

// CreateOn is [Create] on a given disk, with given permissions.
func CreateOn(d Disk, dir string, perm fs.FileMode) (*Temp, error) {
	for {
		name := filepath.Join(dir, tempPrefix+strconv.FormatUint(rand.Uint64(), 36))
		f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("create temporary file: %w", MapError(err))
		}
		return &Temp{disk: d, file: f, name: name}, nil
	}
}

// Write appends p. An error leaves nothing to be committed: call Abort.
func (t *Temp) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	if err != nil {
		err = fmt.Errorf("write temporary file: %w", MapError(err))
	}
	return n, err
}

// ReadAt reads what was written, until Finish or Commit.
func (t *Temp) ReadAt(p []byte, off int64) (int, error) {
	if t.file == nil {
		return 0, fmt.Errorf("read temporary file: %w", fs.ErrClosed)
	}
	return t.file.ReadAt(p, off)
}

// Commit makes the bytes written so far durable under path, which must be on
// the same volume. On error the temporary file is gone and path is as it was,
// except when only the last step failed: then path may hold either.
func (t *Temp) Commit(path string) error {
	if _, err := t.Finish(); err != nil {
		return err
	}
	if err := PointFileRename.Rename(t.disk, t.name, path); err != nil {
		return errors.Join(fmt.Errorf("rename temporary file: %w", MapError(err)), t.Discard())
	}
	if err := PointFolderSync.SyncDir(t.disk, filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync folder: %w", MapError(err))
	}
	return nil
}

// Finish syncs and closes the file and returns its temporary name, for callers
// that rename it themselves. On error the file is gone.
func (t *Temp) Finish() (name string, err error) {
	if t.file == nil {
		return "", fmt.Errorf("finish temporary file: %w", fs.ErrClosed)
	}
	if err := PointFileSync.Sync(t.file, t.name); err != nil {
		return "", errors.Join(fmt.Errorf("sync temporary file: %w", MapError(err)), t.Abort())
	}
	err = t.file.Close()
	t.file = nil
	if err != nil {
		return "", errors.Join(fmt.Errorf("close temporary file: %w", MapError(err)), t.Discard())
	}
	return t.name, nil
}

// Abort throws the bytes away. Calling it after Commit or twice does nothing.
func (t *Temp) Abort() error {
	if t.file == nil {
		return nil
	}
	_ = t.file.Close() // nobody needs the bytes
	t.file = nil
	return t.Discard()
}

// Discard removes the file under its temporary name, after Finish.
func (t *Temp) Discard() error {
	if err := t.disk.Remove(t.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove temporary file: %w", err)
	}
	return nil
}

// RemoveTemps removes the temporary files that an earlier process left in dir.
func RemoveTemps(d Disk, dir string) error {
	entries, err := d.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := d.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove temporary file: %w", err)
		}
	}
	return nil
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	if err := PointFolderSync.SyncDir(OS, dir); err != nil {
		return fmt.Errorf("sync folder: %w", MapError(err))
	}
	return nil
}

// MkdirAll makes dir and its missing parents, durably. It does nothing when
// dir exists.
func MkdirAll(d Disk, dir string, perm fs.FileMode) error {
	err := d.Mkdir(dir, perm)
	parent := filepath.Dir(dir)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MkdirAll(d, parent, perm); err != nil {
			return err
		}
		err = d.Mkdir(dir, perm)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make folder: %w", MapError(err))
	}
	if err := PointFolderMade.SyncDir(d, parent); err != nil {
		return fmt.Errorf("sync folder: %w", MapError(err))
	}
	return nil
}

// SyncFile makes the content of a file that somebody else has written durable, and its
// name.
func SyncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	if err := errors.Join(PointWrittenSync.Sync(f, path), f.Close()); err != nil {
		return fmt.Errorf("sync file: %w", MapError(err))
	}
	return SyncDir(filepath.Dir(path))
}
