//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// consoles are where a person may look: the screen and the serial line.
var consoles = []string{"/dev/tty0", "/dev/ttyS0", "/dev/ttyAMA0"}

// kept also gets what is said, once the data partition is there.
var kept io.Writer = io.Discard

// say tells people at the machine, and the log, one thing.
func say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	show("tram-init: " + text + "\n")
	// A full disk silences the log alone. The clock may be wrong: both times.
	_, _ = fmt.Fprintf(kept, "%s %7.2f %s\n", time.Now().UTC().Format(time.RFC3339), uptime().Seconds(), text)
}

// show writes text on every console there is.
func show(text string) {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	for _, path := range consoles {
		f, err := os.OpenFile(path, os.O_WRONLY|oNoTTY, 0)
		if err != nil {
			continue // this machine has none of that kind
		}
		_, _ = io.WriteString(f, text) // a serial line that nobody listens to
		f.Close()
	}
}
