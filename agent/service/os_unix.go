//go:build !windows

package service

import (
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

func privileged() bool { return os.Geteuid() == 0 }

// outliveTerminal keeps the service running when a terminal is closed from which a
// start script put it into the background, as those of SysV do: its words then go into
// a file. One that speaks to the terminal ends with it.
func outliveTerminal() {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode().IsRegular() {
		signal.Ignore(syscall.SIGHUP)
	}
}

// letOutlive has what this process starts from now on outlive the terminal, from its
// first instant: what is ignored is inherited.
func letOutlive() { signal.Ignore(syscall.SIGHUP) }

// setAside makes room for a new program file. A running program may be
// replaced here, so there is nothing to do.
func setAside(string) error { return nil }

// setRecovery has nothing to add to the forms of these systems.
func setRecovery(string) error { return nil }

// giveTo makes name the owner of dir and of all in it and closes dir to
// others; "" leaves the owner as it is.
func giveTo(dir, name string) error {
	if err := os.Chmod(dir, 0o700); err != nil || name == "" {
		return err
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return chownAll(dir, uid, gid)
}

// Adopt gives all files in dir to the owner of dir. A command that root ran in
// the data folder of a service calls it, so that the service can read what was
// made. It does nothing for other users.
func Adopt(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !privileged() || owner.Uid == 0 {
		return nil
	}
	return chownAll(dir, int(owner.Uid), int(owner.Gid))
}

// chownAll changes owners below dir. It follows no link out of it, and skips
// files with a second name, which might stand elsewhere: dir's owner could
// otherwise be given a file of root's.
func chownAll(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() && stat.Nlink > 1 {
			return nil
		}
		return root.Lchown(filepath.FromSlash(path), uid, gid)
	})
}
