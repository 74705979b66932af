package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNamespacesCarryTCPAndAreRemoved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: only the emulator itself was tested")
		return
	}
	l, err := New(1, "cubic")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const delay = 40 * time.Millisecond
	l.Set(Direction{Delay: delay}, Direction{Delay: delay})
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = l.Office().Dial(ctx, "tcp", net.JoinHostPort(l.Hub().Addr(), "9"))
	if took := time.Since(begin); !errors.Is(err, syscall.ECONNREFUSED) || took < 2*delay || took > 10*delay {
		t.Errorf("closed port answered %v after %v", err, took)
	}
	stays := Command(t.Context(), l.Hub(), "setsid", "sleep", "600")
	if err := stays.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := Command(t.Context(), l.Office(), "sysctl", "-n", "net.ipv4.tcp_congestion_control").Output()
	if err != nil || strings.TrimSpace(string(out)) != "cubic" {
		t.Errorf("congestion control %q, %v", out, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	_ = stays.Wait() // ended by Close, or the test never ends
	if left, _ := filepath.Glob(fmt.Sprintf("/run/netns/%s%d-*", prefix, os.Getpid())); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
