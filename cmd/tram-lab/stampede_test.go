package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestP9_StampedeLosesNothing is a short form of "tram-lab stampede": a real hub
// is killed, and its offices come back all at once with something to send.
func TestP9_StampedeLosesNothing(t *testing.T) {
	var out bytes.Buffer
	s := stampede{gathering: gathering{agents: 60}, down: time.Second, rest: time.Second}
	s.bin, s.log, s.out, s.command = hubBuilt(t), io.Discard, json.NewEncoder(&out), "test"
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	figures := read(t, &out)
	if lost, found := figures[figureLost]; !found || lost != 0 {
		t.Errorf("%v documents lost or doubled (measured: %v)", lost, found)
	}
	if figures[figureExpress] == 0 {
		t.Error("nothing urgent was sent in the midst")
	}
}

// hubBuilt is a folder with tram-hub.
func hubBuilt(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "tram-hub"), "tram/cmd/tram-hub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the hub: %v\n%s", err, out)
	}
	return bin
}

// read are the figures that were printed.
func read(t *testing.T, out io.Reader) map[string]float64 {
	t.Helper()
	figures := map[string]float64{}
	for lines := json.NewDecoder(out); lines.More(); {
		var f Figure
		if err := lines.Decode(&f); err != nil {
			t.Fatal(err)
		}
		figures[f.Figure] = f.Value
		t.Logf("%s: %.3g %s", f.Figure, f.Value, f.Unit)
	}
	return figures
}
