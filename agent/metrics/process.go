package metrics

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// process is what Linux knows of a process.
type process struct{ cpu, rss, files, maxFiles float64 }

// ticks is the unit of times in /proc: USER_HZ, which is 100 for every program.
const ticks = 100

// Places of fields of /proc/self/stat, from 0 behind the name, which may have spaces.
const (
	fieldUser   = 11
	fieldSystem = 12
	fieldPages  = 21
)

// readProcess reads /proc/self; false where there is none.
func readProcess(proc fs.FS) (p process, ok bool) {
	stat, err := fs.ReadFile(proc, "stat")
	if err != nil {
		return p, false
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= fieldPages {
		return p, false
	}
	number := func(s string) float64 {
		n, err := strconv.ParseFloat(s, 64)
		ok = ok && err == nil
		return n
	}
	ok = true
	p.cpu = (number(fields[fieldUser]) + number(fields[fieldSystem])) / ticks
	p.rss = number(fields[fieldPages]) * float64(os.Getpagesize())
	open, err := fs.ReadDir(proc, "fd")
	if err != nil {
		return p, false
	}
	p.files = float64(len(open))
	limits, err := fs.ReadFile(proc, "limits")
	if err != nil {
		return p, false
	}
	for line := range strings.SplitSeq(string(limits), "\n") {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			if soft := strings.Fields(rest); len(soft) > 0 && soft[0] != "unlimited" {
				p.maxFiles = number(soft[0])
			}
		}
	}
	return p, ok
}
