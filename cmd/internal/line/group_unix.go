//go:build unix

package line

import (
	"os/exec"
	"syscall"
	"time"
)

// killGroup gives cmd a process group of its own, which ends with its context.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}
