//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where the data partition is, and what is on it.
const (
	dataMount  = "/var"
	officeDir  = "/var/lib/tram"
	logDir     = "/var/log"
	bootMount  = "/boot/efi"
	officerDir = bootMount + "/tram" // network.conf, tram.toml, invites
)

// officeUser is the account of the office's program; it owns nothing else.
const officeUser = 990

// dataOptions of the mount. Every "saved" is an fsync of its own, so the journal's
// interval only holds back what nobody waits for, such as logs: 30 seconds in the
// place of 5 spare the flash. Ordered data and barriers are what fsync stands on. No
// access times; times of files are written when the file is.
const dataOptions = "data=ordered,barrier=1,commit=30,errors=remount-ro,prjquota"

const dataFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_LAZYTIME

// openData checks, mounts and enlarges the data partition.
func openData(d disk) error {
	if err := d.grow(); err != nil {
		say("data partition keeps its size: %v", err)
	}
	dev := d.part(dataPart)
	report := check(dev)
	if err := mount(dev, dataMount, "ext4", dataFlags, dataOptions); err != nil {
		return err
	}
	for _, dir := range []struct {
		path string
		mode os.FileMode
		user int
	}{{logDir, 0o755, 0}, {"/var/lib", 0o755, 0}, {"/var/tmp", 0o700, officeUser}, {officeDir, 0o700, officeUser}} {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return err
		}
		if err := give(dir.path, dir.user); err != nil {
			return err
		}
	}
	l, err := openLog(filepath.Join(logDir, "init.log"))
	if err != nil {
		say("no log: %v", err)
	} else {
		kept = l
	}
	if report != "" {
		say("%s", report)
	}
	if err := fill(dev); err != nil {
		say("file system keeps its size: %v", err)
	}
	if err := limit(dev); err != nil {
		say("no limit on the office's space: %v", err)
	}
	return nil
}

// Bits of e2fsck's exit code.
const (
	fsckCorrected = 1
	fsckLeft      = 4 // faults that it would have asked about, and worse
)

// check repairs the file system without asking: first what is safe, and where that is
// not enough, everything, for an office without its machine is no better off. It
// returns what is to be said, "" for a file system in order.
func check(dev string) string {
	code, out := fsck("-p", dev)
	if code < fsckCorrected {
		return ""
	}
	if code < fsckLeft {
		return "file system repaired: " + out
	}
	code, more := fsck("-y", dev)
	return fmt.Sprintf("file system was damaged (%s); repaired with code %d: %s", out, code, more)
}

// maxReport bounds what of e2fsck's words is kept, in bytes.
const maxReport = 4 << 10

func fsck(how, dev string) (int, string) {
	out, err := exec.Command("/sbin/e2fsck", how, dev).CombinedOutput()
	out = out[:min(len(out), maxReport)]
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fsckLeft, err.Error()
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// give makes user the owner of a folder, and of all in it when it has another one,
// as after it was put there from outside.
func give(dir string, user int) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if int(st.Uid) == user {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var names []string
	walk(dir, 0, func(path string) { names = append(names, path) })
	walkDirs(dir, 0, func(path string) { names = append(names, path) })
	for _, path := range names {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := root.Lchown(rel, user, user); err != nil {
			return err
		}
	}
	return os.Lchown(dir, user, user) // last: until then all of it is done again
}

func walkDirs(dir string, depth int, visit func(path string)) {
	entries, err := os.ReadDir(dir)
	if err != nil || depth > maxDepth {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			visit(dir + "/" + e.Name())
			walkDirs(dir+"/"+e.Name(), depth+1, visit)
		}
	}
}

// fill enlarges the mounted file system to its partition. The kernel does it under
// its journal: a cut leaves it larger or as it was.
func fill(dev string) error {
	f, err := os.Open(dev)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	f.Close()
	if err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dataMount, &fs); err != nil {
		return err
	}
	blocks := uint64(size) / uint64(fs.Bsize)
	if blocks < fs.Blocks+fs.Blocks/8 { // what it says leaves out its own tables
		return nil
	}
	dir, err := os.Open(dataMount)
	if err != nil {
		return err
	}
	defer dir.Close()
	const resizeFS = 0x40086610 // EXT4_IOC_RESIZE_FS
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), resizeFS, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("resize to %d blocks: %w", blocks, errno)
	}
	return nil
}

// The office's files are one project of the file system, whose quota leaves the
// system a part of the disk: a full office still boots, logs and says so.
const (
	officeProject = 1
	systemShare   = 20       // the system keeps 1/20 of the disk …
	systemLeast   = 16 << 20 // … but so many bytes at least
)

// quota is how many KiB of a file system the office may have.
func quota(total uint64) uint64 {
	return (total - min(total, max(total/systemShare, systemLeast))) >> 10
}

type fsxattr struct {
	flags, extent, extents, project, cow uint32
	pad                                  [8]byte
}

type dqblk struct {
	hard, soft, used       uint64 // KiB, KiB, bytes
	filesHard, filesSoft   uint64
	files, time, filesTime uint64
	valid                  uint32
	_                      uint32
}

// limit puts the office's folder under its quota.
func limit(dev string) error {
	dir, err := os.Open(officeDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	const (
		getAttr = 0x801c581f // FS_IOC_FSGETXATTR
		setAttr = 0x401c5820 // FS_IOC_FSSETXATTR
		inherit = 0x200      // FS_XFLAG_PROJINHERIT
	)
	var attr fsxattr
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), getAttr, uintptr(unsafe.Pointer(&attr))); errno != 0 {
		return fmt.Errorf("read project: %w", errno)
	}
	if attr.project != officeProject || attr.flags&inherit == 0 {
		attr.project, attr.flags = officeProject, attr.flags|inherit
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), setAttr, uintptr(unsafe.Pointer(&attr))); errno != 0 {
			return fmt.Errorf("set project: %w", errno)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dataMount, &fs); err != nil {
		return err
	}
	const (
		setQuota = 0x800008<<8 | 2 // QCMD(Q_SETQUOTA, PRJQUOTA)
		onBlocks = 1               // QIF_BLIMITS
	)
	q := dqblk{hard: quota(fs.Blocks * uint64(fs.Bsize)), valid: onBlocks}
	path, err := unix.BytePtrFromString(dev)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, setQuota, uintptr(unsafe.Pointer(path)), officeProject, uintptr(unsafe.Pointer(&q)), 0, 0); errno != 0 {
		return fmt.Errorf("set quota: %w", errno)
	}
	return nil
}
