package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxEntries is how many names a foreign folder may hold. A larger one is an
// error, so that nobody's stick fills the memory.
const maxEntries = 1 << 17

// Rooted is the disk below one folder of somebody else's, such as a stick:
// names are relative to it, and neither ".." nor a link leads out of it.
func Rooted(root *os.Root) Disk { return rootedDisk{root} }

type rootedDisk struct{ root *os.Root }

func (d rootedDisk) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a non-nil File
	}
	return f, nil
}

func (d rootedDisk) Rename(oldName, newName string) error      { return d.root.Rename(oldName, newName) }
func (d rootedDisk) Remove(name string) error                  { return d.root.Remove(name) }
func (d rootedDisk) Mkdir(name string, perm fs.FileMode) error { return d.root.Mkdir(name, perm) }

func (d rootedDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	list, err := f.ReadDir(maxEntries)
	if err == nil && len(list) == maxEntries {
		err = fmt.Errorf("folder %s holds %d names or more", name, maxEntries)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return list, errors.Join(err, f.Close())
}

func (d rootedDisk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return syncOpen(f)
}

func (d rootedDisk) Usage(dir string) (free, total int64, err error) {
	return usage(filepath.Join(d.root.Name(), dir))
}
