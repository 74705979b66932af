package linktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// residentMemory adds up the resident memory of the processes of a group, in
// bytes; 0 where there is no /proc.
func residentMemory(group int) (bytes int64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
		var state string
		var parent, of int
		if n, _ := fmt.Sscan(rest, &state, &parent, &of); n != 3 || of != group {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); n == 1 {
				bytes += kilobytes << 10
			}
		}
	}
	return bytes
}
