//go:build unix

package linktest

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup lets killGroup end what a program starts as well.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
