//go:build cgo && unix

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// claimStdout keeps standard output for the conversation with tram. What a
// library prints there goes to standard error from now on.
func claimStdout() (*os.File, error) {
	own, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep standard output: %w", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, fmt.Errorf("turn standard output away: %w", err)
	}
	return os.NewFile(uintptr(own), "tram"), nil
}
