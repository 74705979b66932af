//go:build unix

package hotfolder

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// openFlags keep a pipe that comes under a name from holding us.
const openFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW

// busy tells an error of opening that means "held by somebody".
func busy(err error) error { return err }

// held reports whether another program holds a lock on a file: by flock, or one
// for writing by fcntl, as Samba and NFS pass them on.
func held(f *os.File) bool {
	fd := int(f.Fd())
	if err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return true
	} else if err == nil {
		_ = unix.Flock(fd, unix.LOCK_UN) // closing would do
	}
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}
