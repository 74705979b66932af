//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const reapEvery = time.Minute

// reap takes leave of processes whose parents are gone. Those that this program
// itself started are waited for where that was done, and quickly: what is dead twice
// in a row is an orphan.
func reap(ctx context.Context) {
	before := map[int]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(reapEvery):
		}
		now := deadChildren("/proc")
		for pid := range now {
			if before[pid] {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // looked for again
			}
		}
		before = now
	}
}

func deadChildren(proc string) map[int]bool {
	dead := map[int]bool{}
	stats, err := filepath.Glob(proc + "/[0-9]*/stat")
	if err != nil {
		return dead
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile
		}
		if pid, ok := deadChild(raw); ok {
			dead[pid] = true
		}
	}
	return dead
}

// deadChild reads a line of /proc/PID/stat: "pid (name) state parent …".
func deadChild(stat []byte) (int, bool) {
	head, rest, ok := bytes.Cut(stat, []byte(" ("))
	end := bytes.LastIndexByte(rest, ')')
	if !ok || end < 0 {
		return 0, false
	}
	fields := bytes.Fields(rest[end+1:])
	if len(fields) < 2 || string(fields[0]) != "Z" || string(fields[1]) != "1" {
		return 0, false
	}
	pid, err := strconv.Atoi(string(head))
	return pid, err == nil
}
