//go:build linux

package linktest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// realisticSegments gives a loopback socket the segment size of a real line.
// With loopback's 64 KiB segments a small window would stand still for hundreds
// of milliseconds at a time.
func realisticSegments(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, Segment)
	})
	if err != nil {
		return err
	}
	return failed
}
