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

// TestPagesWorkInFirefox opens every page of the tour, and those of the other
// areas, in Debian's Firefox, and uses keys that browsers like to keep for
// themselves.
func TestPagesWorkInFirefox(t *testing.T) {
	const what = "the pages in Firefox"
	firefox, node := tooltest.Find(t, "firefox-esr", what), tooltest.Find(t, "node", what)
	dir := t.TempDir()
	if err := os.Symlink(tooltest.NPM(t, "webtest/npm", what), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "webtest/npm/firefox.mjs", filepath.Join(dir, "firefox.mjs"))
	b := start(t, false, fixed)
	tour := append(slices.Sorted(maps.Values(b.tour())), "/so", "/so/van-ban-den", "/ho-so-cong-viec", "/tim-kiem?q=lu", "/van-ban-den?sap=ngay",
		"/tro-giup", "/tro-giup/huong-dan", "/usb", "/nhom", "/viec-cua-toi", "/giao-lai", "/van-ban-den/vao-so", "/van-ban-di/vao-so")
	task, err := json.Marshal(map[string]any{
		"firefox": firefox, "url": b.url, "name": "lan", "password": password, "width": 1366, "pages": tour, "missing": []string{"/khong-co"}, "shots": os.Getenv("TRAM_SHOTS"),
		"keyboard": []map[string]any{
			{"open": "/viec-can-lam", "keys": []string{"F2"}, "want": "^/gui$"},
			{"open": "/viec-can-lam", "keys": []string{"Alt", "2"}, "want": "^/van-ban-den$"},
			{"open": "/viec-can-lam", "keys": []string{"F4"}, "want": "^/tim-kiem$"},
			{"open": boxPath(b.docs["normal"]), "keys": []string{"t"}, "want": "^/van-ban-den/"},
		},
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
	t.Logf("%s, %d pages", got.Version, len(tour))
	for _, f := range got.Faults {
		t.Error(f)
	}
}
