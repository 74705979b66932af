package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tram/agent/tooltest"
)

// socket listens as systemd would and returns what programs notify.
func socket(t *testing.T) <-chan string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no systemd on Windows")
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	states := make(chan string, 100)
	go func() {
		defer close(states)
		buffer := make([]byte, 1000)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			states <- string(buffer[:n])
		}
	}()
	return states
}

func next(t *testing.T, states <-chan string) string {
	t.Helper()
	select {
	case s := <-states:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was notified")
		return ""
	}
}

func TestSystemdIsToldReadyAliveAndStopping(t *testing.T) {
	states := socket(t)
	t.Setenv("WATCHDOG_USEC", "30000000")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, "tram", RunOptions{}, func(ctx context.Context, ready func()) error {
			ready()
			ready()
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	if s := next(t, states); s != "READY=1" {
		t.Errorf("first %q", s)
	}
	if s := next(t, states); s != "WATCHDOG=1" {
		t.Errorf("then %q", s)
	}
	cancel()
	if s := next(t, states); s != "STOPPING=1" {
		t.Errorf("at the end %q", s)
	}
	if err := <-ended; err != nil {
		t.Errorf("an asked-for end gave %v", err)
	}
}

func TestOwnEndIsReportedWithItsError(t *testing.T) {
	states := socket(t)
	want := errors.New("no disk")
	err := Run(t.Context(), "tram", RunOptions{}, func(context.Context, func()) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if s := next(t, states); s != "STOPPING=1" {
		t.Errorf("notified %q", s)
	}
}

func TestCancelledWorkWithoutARequestIsAnError(t *testing.T) {
	err := Run(t.Context(), "tram", RunOptions{}, func(context.Context, func()) error { return context.Canceled })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnUnhealthyProgramGivesNoSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		var alive atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		o := RunOptions{Logger: slog.New(slog.DiscardHandler), Healthy: func(ctx context.Context) error {
			if sick.Load() { // hangs, as a program with a stuck disk does
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		go beats(ctx, 20*time.Second, o, func() { alive.Add(1) })
		time.Sleep(50 * time.Second)
		if n := alive.Load(); n != 3 {
			t.Errorf("%d signs of life in 50 s", n)
		}
		sick.Store(true)
		time.Sleep(time.Minute)
		before := alive.Load()
		time.Sleep(time.Minute)
		if n := alive.Load(); n != before {
			t.Errorf("%d signs of life while sick", n-before)
		}
		sick.Store(false)
		time.Sleep(time.Minute)
		if alive.Load() == before {
			t.Error("no sign of life after it got well")
		}
		cancel()
		synctest.Wait()
	})
}

func TestStopAndShutdownEndTheProgramCleanly(t *testing.T) {
	for name, end := range map[string]func(m *managed) error{
		"stop":           func(m *managed) error { return m.Stop(nil) },
		"shutdown":       func(m *managed) error { return m.Shutdown(nil) },
		"stop, then cut": func(m *managed) error { return errors.Join(m.Stop(nil), m.Shutdown(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			var saved atomic.Bool
			m := manage(t.Context(), RunOptions{Logger: slog.New(slog.DiscardHandler)}, func(ctx context.Context, ready func()) error {
				ready()
				<-ctx.Done()
				saved.Store(true)
				return ctx.Err()
			})
			m.start(func() { t.Error("an asked-for end asked to be stopped") })
			if err := end(m); err != nil || !saved.Load() {
				t.Errorf("error %v, program ended its work: %v", err, saved.Load())
			}
		})
	}
}

func TestAProgramThatFailsAsksTheManagerToSeeIt(t *testing.T) {
	want := errors.New("no disk")
	asked := make(chan struct{})
	m := manage(t.Context(), RunOptions{Logger: slog.New(slog.DiscardHandler)}, func(context.Context, func()) error { return want })
	m.start(func() { close(asked) })
	<-asked
	if err := m.Stop(nil); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestUnitHoldsWhatWePromise(t *testing.T) {
	unit := Unit(Setup{Name: "tram", Description: "100% Trạm\n[Service]", Executable: "/opt/my tram/tram", Data: "/srv/tram data"})
	for _, line := range []string{
		"Description=100%% Trạm [Service]", "Type=notify", "WatchdogSec=60", "Restart=always", "RestartSec=5",
		"StartLimitIntervalSec=0", "User=tram", "ProtectSystem=strict", "NoNewPrivileges=yes", "PrivateTmp=yes",
		"ProtectHome=yes", "CapabilityBoundingSet=", "SystemCallFilter=@system-service",
		`ExecStart="/opt/my tram/tram" run --data "/srv/tram data"`, `ReadWritePaths="/srv/tram data"`,
	} {
		if !slices.Contains(strings.Split(unit, "\n"), line) {
			t.Errorf("unit lacks the line %q", line)
		}
	}
	for word := range strings.FieldsSeq(unit) {
		if strings.HasPrefix(word, "@") && strings.HasSuffix(word, "@") {
			t.Errorf("placeholder %s is left", word)
		}
	}
	hub := Unit(Setup{Name: "tram-hub", Data: "/var/lib/tram-hub", Size: Hub, Needs: "keys/hub.json"})
	for _, line := range []string{"StateDirectory=tram-hub", "ConditionPathExists=/var/lib/tram-hub/keys/hub.json"} {
		if !slices.Contains(strings.Split(hub, "\n"), line) {
			t.Errorf("unit of the hub lacks the line %q", line)
		}
	}
}

// TestUnitIsHardened asks systemd itself; exposure is out of 10, in tenths here.
func TestUnitIsHardened(t *testing.T) {
	analyze := tooltest.Find(t, "systemd-analyze", "the judgement of the unit")
	const aim = "20"
	path := filepath.Join(t.TempDir(), "tram.service")
	unit := Unit(Setup{Name: "tram", Executable: "/bin/true", Data: "/var/lib/tram"})
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold="+aim, path).CombinedOutput()
	if err != nil && strings.Contains(string(out), "unrecognized option") && os.Getenv("CI") == "" {
		t.Skip("systemd-analyze is too old")
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAdoptGivesFilesToTheFoldersOwner(t *testing.T) {
	if runtime.GOOS == "windows" || !privileged() {
		t.Skip("only root gives files away")
	}
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	inside := filepath.Join(dir, "keys", "device.key")
	if err := os.Mkdir(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, inside} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(outside, filepath.Join(dir, "second-name")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const someone = 12345
	if err := os.Chown(dir, someone, someone); err != nil {
		t.Fatal(err)
	}
	if err := Adopt(dir); err != nil {
		t.Fatal(err)
	}
	if uid := ownerOf(t, inside); uid != someone {
		t.Errorf("owner %d", uid)
	}
	if uid := ownerOf(t, outside); uid != 0 {
		t.Errorf("a file outside now belongs to %d", uid)
	}
}
