package linktest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Program is a broker in a process of its own, with what it started itself.
type Program struct {
	t       testing.TB
	name    string
	command func() *exec.Cmd
	addr    string
	patient time.Duration // for the start

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	log  syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// StartProgram runs a program that listens on addr until the end of the test.
// command makes it anew for every start.
func StartProgram(t testing.TB, name, addr string, patient time.Duration, command func() *exec.Cmd) *Program {
	t.Helper()
	p := &Program{t: t, name: name, command: command, addr: addr, patient: patient}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.Log())
		}
	})
	p.Start()
	return p
}

// Start runs the program and waits until it listens.
func (p *Program) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	p.cmd, p.done = cmd, done
	for deadline := time.Now().Add(p.patient); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-done:
			p.t.Fatalf("%s ended:\n%s", p.name, p.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s does not listen:\n%s", p.name, p.Log())
}

// Kill sends SIGKILL and waits for the end. Start runs it again.
func (p *Program) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	killGroup(p.cmd.Process)
	<-p.done
	p.cmd = nil
}

// Signal sends a signal, for example to make it read its configuration again.
func (p *Program) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

// Memory is the resident memory in bytes, where the system tells it.
func (p *Program) Memory() int64 { return residentMemory(p.cmd.Process.Pid) }

// Log is what the program said.
func (p *Program) Log() string { return p.log.String() }

// have finds a program. Without it the test fails when the environment variable
// CI is set, and is skipped with a message otherwise.
func have(t testing.TB, what string, places ...string) string {
	t.Helper()
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, but CI must test against it", what)
	}
	t.Logf("%s is not installed (make tools): nothing was tested against it", what)
	t.SkipNow()
	return ""
}

// FreeAddr gives a loopback address with a port that was free a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := LoopbackAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
