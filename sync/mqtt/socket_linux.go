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
	if o.LongestRTO > 0 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, tcpRTOMax, int(o.LongestRTO.Milliseconds()))
	}
	return nil
}

// control runs f with the descriptor of a TCP connection.
func control(conn net.Conn, f func(fd int) error) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

func tcpInfo(conn net.Conn) (info *unix.TCPInfo, ok bool) {
	err := control(conn, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return info, err == nil
}

// sinceAck is how long ago the other end last acknowledged anything.
func sinceAck(conn net.Conn) (ago time.Duration, known bool) {
	if s, ok := conn.(*Steered); ok {
		conn = s.Conn
	}
	info, ok := tcpInfo(conn)
	if !ok {
		return 0, false
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, true
}

func lookAt(conn net.Conn) (s sight, ok bool) {
	info, ok := tcpInfo(conn)
	if !ok {
		return s, false
	}
	return sight{
		rtt: time.Duration(info.Rtt) * time.Microsecond, shortest: time.Duration(info.Min_rtt) * time.Microsecond,
		unacked: info.Unacked, window: info.Snd_cwnd, sent: info.Data_segs_out, again: info.Total_retrans,
	}, true
}

// change sets the congestion control of a connection and tells what it was
// before; final when it cannot, or need not, be changed.
func change(conn net.Conn, name string) (before string, final bool) {
	err := control(conn, func(fd int) (err error) {
		before, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if err != nil || before == name {
			final = true
			return err
		}
		return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
	return before, final || err != nil
}
