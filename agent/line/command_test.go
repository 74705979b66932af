//go:build unix

package line

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestArgumentsReachTheProgramAsTheyAre(t *testing.T) {
	var log bytes.Buffer
	if err := execute(t.Context(), []string{"/bin/echo", "$HOME", "; id", "* `x`"}, time.Minute, logTo(&log)); err != nil {
		t.Fatal(err)
	}
	if want := "output=\"$HOME ; id * `x`\""; !strings.Contains(log.String(), want) {
		t.Errorf("the log says %s, want %s", log.String(), want)
	}
}

func TestAProgramThatFailsIsReported(t *testing.T) {
	var log bytes.Buffer
	if err := execute(t.Context(), []string{"/bin/sh", "-c", "echo no carrier >&2; exit 8"}, time.Minute, logTo(&log)); err == nil {
		t.Error("no error")
	}
	if !strings.Contains(log.String(), "no carrier") || !strings.Contains(log.String(), "exit status 8") {
		t.Errorf("the log says %s", log.String())
	}
	if err := execute(t.Context(), []string{filepath.Join(t.TempDir(), "none")}, time.Minute, logTo(&log)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// TestP9_AProgramIsEndedWithAllThatItStarted lets a program and its child sleep.
func TestP9_AProgramIsEndedWithAllThatItStarted(t *testing.T) {
	var log bytes.Buffer
	start := time.Now()
	err := execute(t.Context(), []string{"/bin/sh", "-c", "sleep 60 & echo $!; wait"}, 300*time.Millisecond, logTo(&log))
	if err == nil || time.Since(start) > 10*time.Second {
		t.Fatalf("it ended with %v after %v", err, time.Since(start))
	}
	_, rest, _ := strings.Cut(log.String(), "output=")
	pid, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatalf("the log says %s", log.String())
	}
	for range 100 {
		// Whoever adopts the child may be slow to bury it.
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the child %d lives on", pid)
}

func TestADaemonMayHoldTheOutput(t *testing.T) {
	var log bytes.Buffer
	start := time.Now()
	if err := execute(t.Context(), []string{"/bin/sh", "-c", "sleep 20 & echo up"}, time.Minute, logTo(&log)); err != nil {
		t.Error(err)
	}
	if time.Since(start) > 10*time.Second || !strings.Contains(log.String(), "output=up") {
		t.Errorf("after %v the log says %s", time.Since(start), log.String())
	}
}

func TestP9_OutputIsBounded(t *testing.T) {
	var out tail
	for range 1000 {
		out.Write(bytes.Repeat([]byte("x"), 100))
	}
	out.Write(bytes.Repeat([]byte("y"), 2*maxOutput))
	out.Write([]byte("end"))
	if got := out.String(); len(got) != maxOutput || !strings.HasSuffix(got, "yend") {
		t.Errorf("%d bytes are kept", len(got))
	}
}

func TestACommandEndsWithTheProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	if err := execute(ctx, []string{"/bin/sleep", "60"}, time.Minute, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) || time.Since(start) > 10*time.Second {
		t.Errorf("it ended with %v after %v", err, time.Since(start))
	}
}
