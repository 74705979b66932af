package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"tram/agent/tooltest"
)

// TestPagesWorkInFirefox opens every page of the tour in Debian's Firefox, narrow
// and wide, and uses keys that browsers like to keep for themselves.
func TestPagesWorkInFirefox(t *testing.T) {
	const what = "the pages in Firefox"
	firefox, node := tooltest.Find(t, "firefox-esr", what), tooltest.Find(t, "node", what)
	dir := t.TempDir()
	if err := os.Symlink(tooltest.NPM(t, "webtest/npm", what), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "webtest/npm/firefox.mjs", filepath.Join(dir, "firefox.mjs"))
	b := start(t, false, fixed)
	tour := slices.Sorted(maps.Values(b.tour()))
	keyboard := []map[string]any{
		{"open": "/viec-can-lam", "keys": []string{"F2"}, "want": "^/gui$"},
		{"open": "/viec-can-lam", "keys": []string{"Alt", "2"}, "want": "^/van-ban-den$"},
		{"open": boxPath(b.docs["normal"]), "keys": []string{"t"}, "want": "^/van-ban-den/"},
	}
	for _, width := range []int{1366, 480} {
		task, err := json.Marshal(map[string]any{
			"firefox": firefox, "url": b.url, "name": "lan", "password": password, "width": width, "pages": tour, "shots": os.Getenv("TRAM_SHOTS"),
			"keyboard": keyboard,
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "task.json"), string(task))
		cmd := exec.CommandContext(t.Context(), node, "firefox.mjs", "task.json")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("firefox: %v\n%s", err, stderr.Bytes())
		}
		var got struct {
			Version string
			Faults  []string
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Logf("%s, %d pages at %d px", got.Version, len(tour), width)
		for _, f := range got.Faults {
			t.Error(f)
		}
		keyboard = keyboard[:2] // a document is accepted once
	}
}
