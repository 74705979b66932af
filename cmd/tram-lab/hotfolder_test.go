package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestP1_P2_HotFolderUnderSIGKILL is a short form of "tram-lab hotfolder": files
// are dropped at once into the folder of a real office, which is killed on the
// way, and come to another one through a real hub, each once.
func TestP1_P2_HotFolderUnderSIGKILL(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "tram/cmd/tram", "tram/cmd/tram-hub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	var out, log bytes.Buffer
	h := hotdrop{files: quickDrop, bytes: quickDropSize, kills: quickDropKills}
	h.bin, h.log, h.out, h.command = bin, &log, json.NewEncoder(&out), "test"
	if err := h.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	figures := map[string]float64{}
	for lines := json.NewDecoder(&out); lines.More(); {
		var f Figure
		if err := lines.Decode(&f); err != nil {
			t.Fatal(err)
		}
		figures[f.Figure] = f.Value
		t.Logf("%s: %.3g %s", f.Figure, f.Value, f.Unit)
	}
	if lost, found := figures[figureDropLost]; !found || lost != 0 {
		t.Errorf("%v messages lost, doubled or set aside (measured: %v)", lost, found)
	}
	if figures[figureDropKill] != quickDropKills {
		t.Errorf("the office was killed %v times", figures[figureDropKill])
	}
}
