package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// TestP2_P3_AClonedDiskIsFoundOut starts a copy of an office's data folder as a
// second box, and later an image from before the whole story, each as the
// programs that people run.
func TestP2_P3_AClonedDiskIsFoundOut(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	var sent []storage.ID
	delivers := func(from *world.Office, seed uint64) {
		t.Helper()
		doc := send(t, from, codeB, file{"to-trinh.pdf", sample.SmallPDF(30_000, seed)})
		reaches(t, from, doc.ID, office.Delivered)
		sent = append(sent, doc.ID)
	}
	delivers(a, 1)
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	image, clone := copyFolder(t, a.Dir), secondBox(t, w, a, copyFolder(t, a.Dir))
	defer clone.Stop()

	delivers(clone, 2) // it descends from what the hub knows
	restart(t, a)
	older(t, w, a)
	kept := send(t, a, codeB, file{"giu-lai.pdf", sample.SmallPDF(30_000, 3)})
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	restart(t, a)
	older(t, w, a)
	delivers(clone, 4)
	if d, err := a.API.Get(t.Context(), kept.ID); err != nil || d.State != office.Saved {
		t.Errorf("what the older copy saved is %v (error %v)", d.State, err)
	}
	shownAsCopy(t, w, true)
	for lang, want := range map[string]string{"vi": "chặn một bản sao cũ từ", "en": "an older copy is refused since"} {
		out, err := w.Run(t.Context(), "tram-hub", "agents", "--data", w.HubDir(), "--lang", lang)
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the hub's list says %s (error %v)", out, err)
		}
	}

	if err := clone.Stop(); err != nil {
		t.Fatal(err)
	}
	release(t, w)
	shownAsCopy(t, w, false)
	if err := a.Stop(); err != nil { // its own next try is hours away
		t.Fatal(err)
	}
	restart(t, a)
	reaches(t, a, kept.ID, office.Delivered)
	sent = append(sent, kept.ID)

	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	restored := secondBox(t, w, a, image)
	defer restored.Stop()
	older(t, w, restored)
	back := send(t, b, codeA, file{"tra-loi.pdf", sample.SmallPDF(30_000, 5)})
	reaches(t, b, back.ID, office.AtHub)
	release(t, w)
	restart(t, restored)
	reaches(t, restored, back.ID, office.Arrived)
	reaches(t, b, back.ID, office.Delivered)
	delivers(restored, 6)

	page, err := b.API.Documents(t.Context(), office.Query{Box: office.In})
	if err != nil || page.Total != len(sent) {
		t.Errorf("the receiver has %d documents of %d (error %v)", page.Total, len(sent), err)
	}
	for _, id := range sent {
		reaches(t, b, id, office.Arrived)
	}
}

// copyFolder copies a data folder whose program has ended.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	scratch, err := os.MkdirTemp("", "tram-copy-") // short: it holds the local socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(scratch) })
	dir := filepath.Join(scratch, "box")
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(to, 0o700)
		case !e.Type().IsRegular():
			return nil // a socket
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// secondBox runs the office's program over another data folder.
func secondBox(t *testing.T, w *world.World, a *world.Office, dir string) *world.Office {
	t.Helper()
	o, err := w.Twin(t.Context(), a.Spec, dir)
	if err != nil {
		if o != nil {
			err = errors.Join(err, o.Stop())
		}
		t.Fatal(err)
	}
	return o
}

func restart(t *testing.T, o *world.Office) {
	t.Helper()
	if err := o.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	if err := o.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// older waits until `tram status` warns, with exit code 3, in both languages.
func older(t *testing.T, w *world.World, o *world.Office) {
	t.Helper()
	for lang, want := range map[string]string{"vi": "là bản sao cũ của " + codeA, "en": "is an older copy of " + codeA} {
		eventually(t, "the box finds itself an older copy", func() bool {
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "tram"), "status", "--data", o.Dir, "--lang", lang)
			cmd.Env = append(os.Environ(), "NO_COLOR=1")
			out, _ := cmd.Output() // its exit code is looked at next
			return cmd.ProcessState.ExitCode() == 3 && strings.Contains(string(out), want) && strings.Contains(string(out), "tram-hub release "+codeA)
		})
	}
	if s, err := o.API.Status(t.Context()); err != nil || len(s.Conditions) != 1 || s.Conditions[0].Code != "older-copy" {
		t.Errorf("conditions are %+v (error %v)", s.Conditions, err)
	}
}

func release(t *testing.T, w *world.World) {
	t.Helper()
	out, err := w.Run(t.Context(), "tram-hub", "release", codeA, "--data", w.HubDir(), "--json")
	if err != nil || !strings.Contains(string(out), `"code": "`+codeA+`"`) {
		t.Fatalf("release says %s (error %v)", out, err)
	}
}

// shownAsCopy looks at what the hub lists.
func shownAsCopy(t *testing.T, w *world.World, want bool) {
	t.Helper()
	eventually(t, "the list of the hub", func() bool {
		out, err := w.Run(context.WithoutCancel(t.Context()), "tram-hub", "agents", "--data", w.HubDir(), "--json")
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Agents []struct {
				Code string
				Copy time.Time
			}
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Agents[0].Code == codeA && answer.Agents[0].Copy.IsZero() != want
	})
}
