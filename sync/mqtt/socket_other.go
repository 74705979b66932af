//go:build !linux

package mqtt

import (
	"syscall"
	"time"
)

// setSocket does nothing here: pings and write deadlines notice a dead line.
func setSocket(syscall.RawConn, time.Duration) error { return nil }
