//go:build !linux

package queue_test

import "os"

func datasync(f *os.File) error { return f.Sync() }
