//go:build !windows

package service

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// hungUp is the variable that has a process of this test hang up on itself.
const hungUp = "SERVICE_TEST_HUNG_UP"

// TestAServiceOfAStartScriptOutlivesItsTerminal, whereas one that writes to a terminal,
// or a pipe, ends with it.
func TestAServiceOfAStartScriptOutlivesItsTerminal(t *testing.T) {
	if os.Getenv(hungUp) != "" {
		outliveTerminal()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // the signal has ended it by then, or never will
		return
	}
	// Where these tests run under nohup, what they start would ignore the signal as well.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	run := func(log *os.File) error {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAServiceOfAStartScriptOutlivesItsTerminal$")
		cmd.Env = append(os.Environ(), hungUp+"=1")
		cmd.Stderr = log
		return cmd.Run()
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "tram.err"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := run(log); err != nil {
		t.Errorf("a service that logs into a file: %v", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if err := run(write); err == nil {
		t.Error("a program that does not log into a file outlives its terminal")
	}
}
