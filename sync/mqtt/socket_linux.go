//go:build linux

package mqtt

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setSocket sets TCP_USER_TIMEOUT: a line that has died without a word is
// noticed when bytes stay unacknowledged, not after the kernel's 15 minutes.
func setSocket(c syscall.RawConn, userTimeout time.Duration) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
