//go:build !windows

package service

import (
	"os"
	"syscall"
	"testing"
)

// ownerOf returns the user id of a file.
func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
