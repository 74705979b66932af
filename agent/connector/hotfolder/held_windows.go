package hotfolder

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// busy tells an error of opening that means "held by somebody": a program that
// has a file open keeps others out of it.
func busy(err error) error {
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return fmt.Errorf("%w: %w", errLocked, err)
	}
	return err
}

// held reports whether another program holds a lock on a part of a file.
func held(f *os.File) bool {
	var at windows.Overlapped
	h := windows.Handle(f.Fd())
	const all = ^uint32(0)
	err := windows.LockFileEx(h, windows.LOCKFILE_FAIL_IMMEDIATELY, 0, all, all, &at)
	if err == nil {
		_ = windows.UnlockFileEx(h, 0, all, all, &at) // closing would do
	}
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}
