//go:build linux

package mqtt

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tcpRTOMax is TCP_RTO_MAX_MS of Linux 6.15.
const tcpRTOMax = 44

// TuneSocket sets options of a TCP socket. What this kernel does not have, or
// does not allow this user, is left as it is: the options make a bad line
// better, but nothing depends on them. An error is about the socket itself.
func TuneSocket(c syscall.RawConn, o SocketOptions) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = tune(int(fd), o) })
	return errors.Join(err, failed)
}

func tune(fd int, o SocketOptions) error {
	if o.UserTimeout > 0 {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(o.UserTimeout.Milliseconds()))
		if err != nil {
			return err
		}
	}
	if o.Unsent > 0 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.Unsent); err != nil {
			return err
		}
	}
	if o.Congestion != "" {
		_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, o.Congestion)
	}
	if o.LongestRTO > 0 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, tcpRTOMax, int(o.LongestRTO.Milliseconds()))
	}
	return nil
}

// sinceAck is how long ago the other end last acknowledged anything.
func sinceAck(conn net.Conn) (ago time.Duration, known bool) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	if raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil || err != nil {
		return 0, false
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, true
}
