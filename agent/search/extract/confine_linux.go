package extract

import (
	"os"

	"golang.org/x/sys/unix"
)

// overhead is what the program itself needs beside what a file may cost, in
// bytes of data as the kernel counts them.
const overhead = 64 << 20

// confine has the kernel hold the process to its limits: memory, no file that it
// could write, no core dump, the lowest priority, and the first to go when the
// machine runs out of memory. A kernel or a sandbox that refuses one of these
// leaves the others, and the watch over memory and time.
func confine(memory int64) {
	set := func(what int, limit uint64) {
		_ = unix.Setrlimit(what, &unix.Rlimit{Cur: limit, Max: limit})
	}
	set(unix.RLIMIT_DATA, uint64(memory)+overhead+detectorMemory)
	set(unix.RLIMIT_FSIZE, 0)
	set(unix.RLIMIT_CORE, 0)
	set(unix.RLIMIT_CPU, uint64(MaxTime.Seconds()))
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
	if f, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("1000")
		_ = f.Close()
	}
	set(unix.RLIMIT_NOFILE, 16)
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
