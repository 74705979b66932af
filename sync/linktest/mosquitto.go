package linktest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// mosquittoProgram is where Debian puts it; PATH is tried as well.
const mosquittoProgram = "/usr/sbin/mosquitto"

// startTimeout bounds the start of a broker.
const startTimeout = 10 * time.Second

// Mosquitto is a real broker in a process of its own.
type Mosquitto struct {
	t       testing.TB
	program string
	config  string
	addr    string

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

// HaveMosquitto finds the program. Without it the test fails when the
// environment variable CI is set, and is skipped with a message otherwise.
func HaveMosquitto(t testing.TB) string {
	t.Helper()
	for _, name := range []string{mosquittoProgram, "mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("mosquitto is not installed, but CI must test against it")
	}
	t.Log("mosquitto is not installed: nothing was tested against a real broker")
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

// StartMosquitto runs a broker with this configuration, whose listener must be
// addr, until the end of the test.
func StartMosquitto(t testing.TB, conf, addr string) *Mosquitto {
	t.Helper()
	m := &Mosquitto{t: t, program: HaveMosquitto(t), addr: addr}
	m.config = filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(m.config, []byte(conf), 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	t.Cleanup(func() {
		m.Kill()
		if t.Failed() {
			t.Logf("mosquitto said:\n%s", m.Log())
		}
	})
	m.Start()
	return m
}

// Start runs the broker and waits until it listens.
func (m *Mosquitto) Start() {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		return
	}
	cmd := exec.Command(m.program, "-v", "-c", m.config)
	cmd.Stdout, cmd.Stderr = &m.log, &m.log
	if err := cmd.Start(); err != nil {
		m.t.Fatalf("start mosquitto: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	m.cmd, m.done = cmd, done
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", m.addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-done:
			m.t.Fatalf("mosquitto ended:\n%s", m.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	m.t.Fatalf("mosquitto does not listen:\n%s", m.Log())
}

// Kill sends SIGKILL and waits for the end. Start runs it again.
func (m *Mosquitto) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Kill()
	<-m.done
	m.cmd = nil
}

// Log is what the broker said.
func (m *Mosquitto) Log() string { return m.log.String() }
