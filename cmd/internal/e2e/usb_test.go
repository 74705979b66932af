package e2e

import (
	"context"
	"encoding/json"
	mathrand "math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// killed runs a program that gets a SIGKILL after some time, and says whether it
// lasted so long.
func killed(t *testing.T, after time.Duration, program string, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	_ = exec.CommandContext(ctx, filepath.Join(bin, program), args...).Run() // it may have failed by itself as well
	return ctx.Err() != nil
}

// states asks the hub what packages a stick has for it.
func states(t *testing.T, w *world.World, stick string) []string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), filepath.Join(bin, "tram-hub"), // an empty stick is an error of its own
		"usb", "import", "--dry-run", "--json", "--data", w.HubDir(), stick).Output()
	var answer struct {
		Packages []struct {
			State string `json:"state"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var list []string
	for _, p := range answer.Packages {
		list = append(list, p.State)
	}
	return list
}

// TestP1_ProgramsKilledAtTheStick kills export and import again and again while
// the hub is away, then lets link and stick finish the same documents together.
func TestP1_ProgramsKilledAtTheStick(t *testing.T) {
	w := start(t)
	a, b, stick := w.Offices[0], w.Offices[1], t.TempDir()
	first := send(t, a, codeB, file{"truoc.pdf", sample.SmallPDF(5000, 1)})
	reaches(t, b, first.ID, office.Arrived)
	if err := w.Hub.Stop(); err != nil {
		t.Fatal(err)
	}
	large, small := sample.SmallPDF(30_000_000, 2), sample.SmallPDF(4000, 3)
	ids := []storage.ID{
		send(t, a, codeB, file{"ban-do.pdf", large}).ID,
		send(t, a, codeB, file{"cong-van.pdf", small}, file{"phu-luc.pdf", sample.SmallPDF(300_000, 4)}).ID,
	}

	random := mathrand.New(mathrand.NewPCG(1, 2))
	exports, imports := 0, 0
	for range 12 {
		if killed(t, time.Duration(5+random.IntN(150))*time.Millisecond, "tram", "usb", "export", "--data", a.Dir, "--out", stick) {
			exports++
		}
		for _, state := range states(t, w, stick) {
			if state != "new" {
				t.Fatalf("a killed export left a package that is %q", state)
			}
		}
	}
	if _, err := w.Run(t.Context(), "tram", "usb", "export", "--data", a.Dir, "--out", stick); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if killed(t, time.Duration(10+20*i)*time.Millisecond, "tram-hub", "usb", "import", "--data", w.HubDir(), stick) {
			imports++
		}
	}
	if exports == 0 || imports == 0 {
		t.Errorf("%d exports and %d imports were killed", exports, imports)
	}
	t.Logf("%d exports and %d imports were killed", exports, imports)
	if _, err := w.Run(t.Context(), "tram-hub", "usb", "import", "--data", w.HubDir(), stick); err != nil {
		t.Fatal(err)
	}

	if err := w.Hub.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), "tram", "usb", "import", "--data", a.Dir, stick); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		got := reaches(t, b, id, office.Arrived)
		reaches(t, a, id, office.Delivered)
		if id == ids[0] && got.Attachments[0].SHA256 != digest(large) {
			t.Error("the large document is another one")
		}
	}
	page, err := b.API.Documents(t.Context(), office.Query{Box: office.In})
	if err != nil || page.Total != 3 {
		t.Errorf("the receiver has %d documents, want 3 (error %v)", page.Total, err)
	}
}
