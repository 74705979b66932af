//go:build linux

// Command tram-init is the first process of the appliance, the whole of what
// stands between Debian's kernel and the office's program.
//
// In the initial memory disk it finds the system slot that the boot loader chose
// and makes it the root. From there it checks and mounts the data partition, brings
// the network up, and runs `tram run` as systemd would: it listens for "ready" and
// for signs of life, restarts the program for ever, and feeds the hardware watchdog
// only while the program says that it is healthy. A system on trial that became
// healthy is confirmed; one that did not is left by the boot loader after its tries.
//
// It promises that no state of the disk after a power cut needs a person, that the
// root is never written to, and that its logs are bounded. Whatever it cannot do is
// said on the console and in /var/log/init.log.
package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What the process is called tells which part it has.
const earlyName = "/init"

// sayTime is how long the reason of a fatal end stays on the screen before the
// kernel restarts the machine ("panic=" on its command line).
const sayTime = 5 * time.Second

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "tram-init is the first process of the appliance, see packaging/README.md")
		os.Exit(2)
	}
	part := run
	if os.Args[0] == earlyName {
		part = early
	}
	if err := part(); err != nil {
		say("cannot go on: %v", err)
		time.Sleep(sayTime)
	}
	// A first process that ends makes the kernel panic, which restarts the machine.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		os.Exit(1)
	}
}
