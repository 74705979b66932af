//go:build unix

package update

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tram/agent/release"
	"tram/storage/keystore"
)

// roleVar has the test program be an office's program, whose version is the value. The
// same file with some bytes behind it is another program with another digest; what it
// does follows from its version.
const roleVar = "UPDATE_TEST_VERSION"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		if err := office(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// office is a small program with the launcher of the real one. It notes each start.
func office() error {
	dir, version := os.Getenv("UPDATE_TEST_DIR"), os.Getenv(roleVar)
	if slot := SlotOfProcess(); slot != "" {
		version = slot
	}
	s := New(Options{Dir: dir, Database: dbFile, Version: version, Slot: SlotOfProcess()})
	serve := func(ctx context.Context, ready func()) error {
		if err := note(dir, version); err != nil {
			return err
		}
		ready()
		switch _, trial := s.OnTrial(); {
		case !trial:
			begun, err := s.Begin(false)
			if begun {
				return ErrRestart
			}
			if err == nil {
				err = note(dir, "rests "+version)
			}
			if os.Getenv(childVar) != "" { // until the parent ends it
				<-ctx.Done()
			}
			return err
		case version == "1.5.1": // dies at once
			return errors.New("out of order")
		case version == "1.5.2": // is not well
			if _, err := s.GiveUp(Unhealthy); err != nil {
				return err
			}
			return ErrRestart
		}
		if err := errors.Join(s.Migrating(), s.Opening(), s.Confirm(), note(dir, "rests "+version)); err != nil {
			return err
		}
		if os.Getenv(childVar) != "" {
			<-ctx.Done()
		}
		return nil
	}
	lock := func() (func() error, error) { return keystore.Lock(dir) }
	return Runner{Store: s, Lock: lock, Serve: serve, Child: os.Getenv("UPDATE_TEST_CHILD") != ""}.Run(context.Background(), func() {})
}

func note(dir, line string) error {
	f, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

// TestTheInstalledProgramStartsWhatItShould: real processes, becoming each other or
// beside each other, with a version that works, one that dies at once, one that gives
// up, and one that the system does not start.
func TestTheInstalledProgramStartsWhatItShould(t *testing.T) {
	for version, want := range map[string]string{
		"1.5.0": "1.4.0 1.5.0 rests 1.5.0",
		"1.5.1": "1.4.0 1.5.1 1.5.1 1.5.1 1.4.0 rests 1.4.0",
		"1.5.2": "1.4.0 1.5.2 1.4.0 rests 1.4.0",
		"1.5.3": "1.4.0 1.4.0 rests 1.4.0",
	} {
		for _, child := range []string{"", "1"} {
			t.Run(version+child, func(t *testing.T) {
				t.Parallel()
				starts := runOffice(t, version, child)
				if starts != want {
					t.Fatalf("starts %q, want %q", starts, want)
				}
			})
		}
	}
}

// runOffice installs a version and starts the installed program, as a service manager
// would, until one rests.
func runOffice(t *testing.T, version, child string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, dbFile), []byte("1:"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	body = append(body, version...)
	if version == "1.5.3" {
		body = []byte("no program at all")
	}
	k := newKeys(t)
	p := k.proof(t, version, 3, func(m *release.Manifest) {
		m.Files[0] = release.File{OS: runtime.GOOS, Arch: runtime.GOARCH, Size: int64(len(body)), SHA256: sha256.Sum256(body)}
	})
	s := New(Options{Dir: dir, Database: dbFile, Version: "1.4.0"})
	if _, err := s.Take(Offer{Proof: p, Authority: &k.authority.PublicKey, Open: func(release.Manifest, release.File) (io.Reader, error) {
		return bytes.NewReader(body), nil
	}}); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), roleVar+"=1.4.0", "UPDATE_TEST_DIR="+dir, "UPDATE_TEST_CHILD="+child)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		starts, rests := watchStarts(dir, ended)
		if rests {
			if child != "" { // its child ends with it
				_ = cmd.Process.Kill()
				<-ended
			}
			return starts
		}
	}
	t.Fatal("nothing rests")
	return ""
}

// watchStarts follows the starts until a program rests or the process has ended.
func watchStarts(dir string, ended chan error) (string, bool) {
	for {
		over := false
		select {
		case err := <-ended:
			ended <- err
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		raw, _ := os.ReadFile(filepath.Join(dir, "starts"))
		if starts := strings.Join(strings.Fields(string(raw)), " "); strings.Contains(starts, "rests") || over {
			return starts, strings.Contains(starts, "rests")
		}
	}
}

// TestAProgramThatIsStillOpenForWritingStarts: as when a process that was being started
// while the program was written has inherited the file until it becomes itself.
func TestAProgramThatIsStillOpenForWritingStarts(t *testing.T) {
	if childOnly {
		t.Skip("no system but Unix refuses to start such a program in this way")
	}
	program := filepath.Join(t.TempDir(), "program")
	body, err := os.ReadFile("/bin/true")
	if err == nil {
		err = os.WriteFile(program, body, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(200 * time.Millisecond)
		held.Close()
	}()
	tries := 0
	if err := patiently(func() error { tries++; return exec.Command(program).Run() }); err != nil || tries < 2 {
		t.Errorf("started after %d tries: %v", tries, err)
	}
}
