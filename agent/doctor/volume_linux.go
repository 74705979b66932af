package doctor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// volume is the file system of a folder.
type volume struct {
	kind               string // as the system names it; "" when it is not known
	readOnly           bool
	inodes, inodesFree uint64 // 0: it has no fixed number
}

// lookAtVolume reads the kind of a folder's file system from a mountinfo file.
func lookAtVolume(dir, mounts string) (v volume, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return v, err
	}
	v.readOnly = s.Flags&unix.ST_RDONLY != 0
	v.inodes, v.inodesFree = s.Files, s.Ffree
	if dir, err = filepath.Abs(dir); err != nil {
		return v, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	data, err := os.ReadFile(mounts)
	if err != nil {
		return v, err
	}
	longest := -1
	for line := range bytes.Lines(data) {
		// 36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw
		fields, rest, found := strings.Cut(string(line), " - ")
		parts := strings.Fields(fields)
		if !found || len(parts) < 5 {
			continue
		}
		at := strings.ReplaceAll(parts[4], `\040`, " ")
		inside := dir == at || at == "/" || strings.HasPrefix(dir, at+"/")
		if kind := strings.Fields(rest); inside && len(at) >= longest && len(kind) > 0 {
			longest, v.kind = len(at), kind[0]
		}
	}
	return v, nil
}
