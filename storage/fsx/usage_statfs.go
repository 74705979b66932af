//go:build linux || darwin || freebsd || dragonfly

package fsx

import "golang.org/x/sys/unix"

func usage(dir string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	block := int64(s.Bsize)
	return max(int64(s.Bavail), 0) * block, int64(s.Blocks) * block, nil
}
