package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/office"
	"tram/sync/linktest"
)

// firstSchema holds the data folders of a hub and of its office H40.12 as the programs
// of 22 November 2026 left them, the first ones that had a schema which was kept from
// then on: four documents, one of them still waiting, with their tracks and audit chains.
const firstSchema = "testdata/first-schema.tar.gz"

// TestP1_DataOfTheFirstSchemaIsUpgraded: what programs of the first schema saved is
// there after an upgrade, content, states and numbers, and nothing of it is sent anew.
func TestP1_DataOfTheFirstSchemaIsUpgraded(t *testing.T) {
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unpack(t, firstSchema, dir)
	a := filepath.Join(dir, "a")
	client := api.NewClient(a)
	defer client.Close()
	stop := runProgram(t, nil, func() bool {
		s, err := client.Status(t.Context())
		return err == nil && s.State == "ready"
	}, "tram", "run", "--data", a, "--ui", linktest.FreeAddr(t))

	states := map[string]office.State{}
	var opened string
	for _, box := range []office.Box{office.In, office.Out} {
		page, err := client.Documents(t.Context(), office.Query{Box: box})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Documents {
			states[d.Subject] = d.State
			if d.State == office.Accepted && box == office.In {
				opened = d.ID.String()
			}
		}
	}
	for subject, want := range map[string]office.State{
		"Văn bản đi đã được tiếp nhận": office.Accepted, "Văn bản đi còn chờ gửi": office.Saved,
		"Văn bản đến đã vào sổ": office.Accepted, "Văn bản đến chưa tiếp nhận": office.Arrived,
	} {
		if states[subject] != want {
			t.Errorf("%s: %q, not %q", subject, states[subject], want)
		}
	}
	tram(t, "get", "--data", a, opened, "--out", dir)
	if content, err := os.ReadFile(filepath.Join(dir, "letter.txt")); err != nil || string(content) != "Nội dung văn bản" {
		t.Errorf("the content is %q, %v", content, err)
	}
	if out := tram(t, "send", "--data", a, "--to", "H40.15", "--subject", "Sau khi nâng cấp", filepath.Join(dir, "letter.txt"), "--json"); !strings.Contains(out, `"number": "03"`) {
		t.Errorf("numbers do not go on behind 02: %s", out)
	}
	stop()
	tram(t, "audit", "verify", "--data", a)

	hub := filepath.Join(dir, "hub")
	addresses := []string{"TRAM_HUB_MQTT_ADDRESS=" + linktest.FreeAddr(t), "TRAM_HUB_ENROLL_ADDRESS=" + linktest.FreeAddr(t), "TRAM_HUB_CONSOLE_ADDRESS=" + linktest.FreeAddr(t)}
	ask := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "tram-hub"), append(args, "--data", hub)...)
		cmd.Env = append(os.Environ(), addresses...)
		return cmd.CombinedOutput()
	}
	stop = runProgram(t, addresses, func() bool { _, err := ask("status"); return err == nil }, "tram-hub", "run", "--data", hub)
	if out, err := ask("agents", "--json"); err != nil || !strings.Contains(string(out), codeA) || !strings.Contains(string(out), codeB) {
		t.Errorf("offices of the hub: %v: %s", err, out)
	}
	stop()
	if out, err := ask("audit", "verify"); err != nil {
		t.Errorf("audit chain of the hub: %v: %s", err, out)
	}
}

// runProgram runs a program until it is ready, without anybody at the other end of its
// line; stop ends it in good order.
func runProgram(t *testing.T, env []string, ready func() bool, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = append(os.Environ(), env...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", name, err, &log)
		}
	})
	t.Cleanup(stop)
	for end := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			t.Fatalf("%s is not ready: %s", name, &log)
		}
	}
	return stop
}

func tram(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "tram"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("tram %s: %v: %s", args[0], err, out)
	}
	return string(out)
}

// unpack lays an archive of files and folders out below dir.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(packed)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else if raw, failed := io.ReadAll(files); failed != nil {
			err = failed
		} else {
			err = os.WriteFile(path, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
