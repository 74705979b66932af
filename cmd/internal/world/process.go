package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// stopIn is how long a process may take to end politely.
const stopIn = 10 * time.Second

// Process is one program that can be killed and started again.
type Process struct {
	Dir  string // its data folder
	path string
	args []string
	env  []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the present run has ended
}

// newProcess prepares a program; command is its path, perhaps behind a command
// that turns into it.
func newProcess(command []string, dir string, env []string, args ...string) *Process {
	return &Process{Dir: dir, path: command[0], args: slices.Concat(command[1:], args), env: env}
}

// LogFile is where the process writes its log, over all its runs.
func (p *Process) LogFile() string { return filepath.Clean(p.Dir) + ".log" }

// PID is the id of the present run.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Start runs the program. It must not be running.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.path, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended shows in its log
		close(done)
	}()
	p.cmd, p.done = cmd, done
	return nil
}

// Kill ends the process as a power cut does and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// Stop ends the process politely; after a while, as a power cut does.
func (p *Process) Stop() error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopIn):
		return errors.Join(fmt.Errorf("%s did not stop within %v", p.path, stopIn), p.Kill())
	}
}

// waitFor asks until there is no error, the process has ended, or it took too
// long.
func (p *Process) waitFor(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			log, _ := os.ReadFile(p.LogFile())
			return fmt.Errorf("%s ended: %s", p.path, tail(log))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func tail(log []byte) []byte {
	const most = 2000
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return log
}
