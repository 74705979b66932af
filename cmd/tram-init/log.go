//go:build linux

package main

import (
	"os"
	"sync"
)

// maxLog bounds a log file, in bytes; the one before it is kept too.
const maxLog = 1 << 20

// boundedLog is a log of two files. Safe for concurrent use.
type boundedLog struct {
	path string
	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(path string) (*boundedLog, error) {
	l := &boundedLog{path: path}
	return l, l.open()
}

func (l *boundedLog) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write appends to the log, which begins anew when it would become too long.
func (l *boundedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > maxLog {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return 0, err
		}
		l.f.Close()
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}
