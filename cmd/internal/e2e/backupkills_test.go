package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/agent/office"
	"tram/cmd/internal/sample"
)

var letters = flag.Int("letters", 4, "documents of 200 kB that the backup is tried with")

// cutOff runs a command of tram and kills it with SIGKILL after a while, unless it ended
// before.
func cutOff(t *testing.T, after time.Duration, args ...string) (ended bool) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "tram"), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, said.Bytes())
		}
		return true
	case <-time.After(after):
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-done
	return false
}

// measured runs a command, and tells how long it took and how much memory at most.
func measured(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "tram"), args...)
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	t.Logf("tram %s %s: %v, %v of CPU, at most %d MiB", args[0], args[1], time.Since(began).Round(time.Millisecond),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond), most>>10)
	return out
}

// TestP1_P4_KilledWhileItSavesAndRestores with SIGKILL at random instants, of the copying,
// the reading back, the pruning and the restore: each backup that is listed holds, and in
// the end everything is back. With -letters 1000 it gives the figures of agent/README.md.
func TestP1_P4_KilledWhileItSavesAndRestores(t *testing.T) {
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	w := start(t)
	a := w.Offices[0]
	var docs []office.Document
	write := func(n int) {
		for range n {
			docs = append(docs, send(t, a, codeB, file{"cong-van.pdf", sample.SmallPDF(200_000, uint64(len(docs)))}))
		}
	}
	write(*letters)
	for _, d := range docs {
		reaches(t, a, d.ID, office.Delivered)
	}
	s := &saver{t: t, w: w, o: a, stick: t.TempDir(), code: filepath.Join(t.TempDir(), "paper")}
	measure := func(what string) time.Duration {
		t.Helper()
		began := time.Now()
		var made []struct{ Copied, Files, Sent int64 }
		if err := json.Unmarshal(measured(t, "backup", s.stick, "--data", a.Dir, "--json"), &made); err != nil || len(made) != 1 {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d files copied, %d bytes written", what, made[0].Copied, made[0].Files, made[0].Sent)
		return time.Since(began)
	}
	long := measure("the first")
	if err := os.WriteFile(s.code, s.run("backup", "code", "--data", a.Dir), 0o600); err != nil {
		t.Fatal(err)
	}
	write(2)
	long = min(long, measure("the second, with 2 documents more"))
	cut := 0
	for range *kills {
		write(1)
		if !cutOff(t, time.Duration(r.Int64N(int64(long))), "backup", s.stick, "--data", a.Dir) {
			cut++
		}
		s.run("backup", "verify", s.stick, "--data", a.Dir)
	}
	s.backup()
	measured(t, "backup", "verify", s.stick, "--data", a.Dir)
	for _, d := range docs {
		reaches(t, a, d.ID, office.Delivered)
	}
	if err := errors.Join(a.Stop(), os.RemoveAll(a.Dir)); err != nil {
		t.Fatal(err)
	}
	for range *kills {
		if !cutOff(t, time.Duration(r.Int64N(int64(long))), "restore", s.stick, "--data", a.Dir, "--code-file", s.code) {
			cut++
			if !identity.Exists(a.Dir) {
				continue
			}
		}
		if err := os.RemoveAll(a.Dir); err != nil { // it was quicker, or all but done: again from nothing
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d were killed", cut, 2**kills)
	measured(t, "restore", s.stick, "--data", a.Dir, "--code-file", s.code)
	s.run("audit", "verify", "--data", a.Dir)
	s.start()
	page, err := a.API.Documents(t.Context(), office.Query{Box: office.Out})
	if err != nil || page.Total != len(docs) {
		t.Errorf("%d documents are back, want %d (error %v)", page.Total, len(docs), err)
	}
}
