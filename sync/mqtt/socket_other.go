//go:build !linux

package mqtt

import (
	"net"
	"syscall"
	"time"
)

// TuneSocket does nothing here: pings and write deadlines notice a dead line,
// and the window of the exchange above keeps the socket's buffer short.
func TuneSocket(syscall.RawConn, SocketOptions) error { return nil }

// sinceAck is not known here.
func sinceAck(net.Conn) (ago time.Duration, known bool) { return 0, false }

// lookAt sees nothing here.
func lookAt(net.Conn) (s sight, ok bool) { return s, false }

// change does nothing here.
func change(net.Conn, string) (before string, final bool) { return "", true }
