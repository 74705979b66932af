//go:build unix

package fsx

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

func rename(oldName, newName string) error { return os.Rename(oldName, newName) }

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return syncOpen(d)
}

// syncOpen makes the names in an open folder durable and closes it.
func syncOpen(d *os.File) error {
	err := d.Sync()
	// Some network and FUSE file systems know no fsync of folders.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
