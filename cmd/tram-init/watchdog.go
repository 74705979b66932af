//go:build linux

package main

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hardwareTime is how long the hardware waits for a sign before it resets the
	// machine: time for a slow disk, not for a hung kernel.
	hardwareTime = 60 * time.Second
	// sickTime is how long the office's program may be unwell, its restarts included,
	// until the machine is reset. It covers a first start that migrates the database.
	sickTime = 10 * time.Minute
)

// watchdog is the machine's, nil for a machine without one.
type watchdog struct{ f *os.File }

// openWatchdog takes the hardware's watchdog, or the kernel's own, which at least
// knows when programs hang.
func openWatchdog() *watchdog {
	load("i6300esb", "iTCO_wdt", "sp5100_tco", "wdat_wdt")
	f, err := os.OpenFile("/dev/watchdog", os.O_WRONLY, 0)
	if err != nil {
		load("softdog")
		if f, err = os.OpenFile("/dev/watchdog", os.O_WRONLY, 0); err != nil {
			say("no watchdog: %v", err)
			return nil
		}
	}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, int(hardwareTime.Seconds())); err != nil {
		say("watchdog keeps its own time: %v", err)
	}
	if info, err := unix.IoctlGetWatchdogInfo(int(f.Fd())); err == nil {
		say("watchdog: %s", bytes.TrimRight(info.Identity[:], "\x00"))
	}
	return &watchdog{f}
}

// feed tells the hardware that all is well.
func (w *watchdog) feed() {
	if w == nil {
		return
	}
	if _, err := w.f.Write([]byte{0}); err != nil {
		say("watchdog not fed: %v", err)
	}
}

// end lets the hardware go, for a machine that is switched off in good order.
func (w *watchdog) end() {
	if w == nil {
		return
	}
	_, _ = w.f.Write([]byte("V")) // the machine goes down either way
	w.f.Close()
}
