package extract

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// pressureFile is what Linux says of programs that wait for memory
	// (Documentation/accounting/psi.rst). Other systems have none, and a kernel
	// without it is never short.
	pressureFile = "/proc/pressure/memory"
	// shortAbove is the share of the last ten seconds, in per cent, in which some
	// program waited for memory, from which on a machine is short of it.
	shortAbove = 10
	// shortLook is how often that is looked at.
	shortLook = 2 * time.Second
)

// short tells whether the machine is short of memory.
func short(file string) bool {
	raw, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(raw), "some avg10=")
	var share float64
	n, err := fmt.Sscanf(rest, "%f", &share)
	return ok && n == 1 && err == nil && share > shortAbove
}

// awaitMemory waits while the machine is short of memory, at most so long: the
// process takes some 10 MiB, which on a small machine the documents that are on their
// way need more. It returns early when ctx ends.
func awaitMemory(ctx context.Context, file string, most time.Duration) {
	for end := time.Now().Add(most); ctx.Err() == nil && time.Now().Before(end) && short(file); {
		select {
		case <-ctx.Done():
		case <-time.After(shortLook):
		}
	}
}
