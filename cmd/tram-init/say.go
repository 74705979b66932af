//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// consoles are where a person may look: the screen and the serial line.
var consoles = []string{"/dev/tty0", "/dev/ttyS0", "/dev/ttyAMA0"}

// kept also gets what is said, once the data partition is there.
var kept io.Writer = io.Discard

// say tells people at the machine, and the log, one thing.
func say(format string, args ...any) {
	line := "tram-init: " + fmt.Sprintf(format, args...) + "\n"
	show(line)
	_, _ = io.WriteString(kept, line) // a full disk silences the log alone
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
