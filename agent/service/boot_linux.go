package service

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is how long the machine is up.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
