package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/hub"
	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
	"tram/storage/sqlite"
)

// tree is a province hub with an office of its own, and two district hubs below
// it with an office each.
type tree struct {
	province, east, west *world.World
}

const (
	codeEast, codeWest = "H40.DONG", "H40.TAY"
	codeA1, codeB1     = "H40.DONG.1", "H40.TAY.1"
)

func startTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{}
	tr.province = startHub(t, world.Options{
		Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"}, Offices: []world.Spec{{Code: codeA, Name: "Sở Nội vụ"}},
	})
	tr.east = startHub(t, world.Options{
		Hub: world.Spec{Code: codeEast, Name: "Khu vực Đông"}, Offices: []world.Spec{{Code: codeA1, Name: "UBND xã An Bình"}}, Upstream: tr.province,
	})
	tr.west = startHub(t, world.Options{
		Hub: world.Spec{Code: codeWest, Name: "Khu vực Tây"}, Offices: []world.Spec{{Code: codeB1, Name: "UBND xã Tân Lập"}}, Upstream: tr.province,
	})
	return tr
}

// startHub starts one hub with its offices until the test ends.
func startHub(t *testing.T, o world.Options) *world.World {
	t.Helper()
	w := prepareHub(t, o)
	beginHub(t, w)
	return w
}

func prepareHub(t *testing.T, o world.Options) *world.World {
	t.Helper()
	o.Dir, o.Bin = filepath.Join(t.TempDir(), o.Hub.Code), bin
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	w, err := world.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func beginHub(t *testing.T, w *world.World) {
	t.Helper()
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log := readLog(t, w.Hub)
			t.Logf("%s:\n%s", w.Hub.LogFile(), log[max(0, len(log)-6000):])
		}
	})
}

// TestP10_ADocumentTravelsThreeTiers sends up, down and across a tree of hubs
// that have each a CA of their own.
func TestP10_ADocumentTravelsThreeTiers(t *testing.T) {
	t.Parallel()
	tr := startTree(t)
	a1, b1, so := tr.east.Offices[0], tr.west.Offices[0], tr.province.Offices[0]
	for _, way := range []struct{ from, to *world.Office }{{a1, b1}, {a1, so}, {so, b1}} {
		doc := send(t, way.from, way.to.Spec.Code, file{"cong-van.pdf", sample.SmallPDF(300_000, 1)})
		got := reaches(t, way.to, doc.ID, office.Arrived)
		if got.Seal == nil || got.Seal.Verdict != "passed" || got.Seal.Signer != way.from.Spec.Code {
			t.Errorf("seal of %s at %s is %+v", way.from.Spec.Code, way.to.Spec.Code, got.Seal)
		}
		reaches(t, way.from, doc.ID, office.Delivered)
		if _, err := way.to.API.Accept(t.Context(), doc.ID, "test"); err != nil {
			t.Fatal(err)
		}
		reaches(t, way.from, doc.ID, office.Accepted)
		witnessed(t, way.from, doc.ID)
		container := filepath.Join(t.TempDir(), "x.asice")
		if _, err := tr.east.Run(t.Context(), "tram", "export", "--data", way.from.Dir, doc.ID.String(), "--out", container); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.east.Run(t.Context(), "tram", "verify", "--data", way.to.Dir, container); err != nil {
			t.Error(err) // seals of two hubs' offices in it, and of a hub that is below another
		}
	}
	for _, w := range []*world.World{tr.east, tr.province, tr.west} {
		idle(t, w)
		if out, err := w.Run(t.Context(), "tram-hub", "audit", "verify", "--data", w.HubDir()); err != nil {
			t.Errorf("audit chain: %v %s", err, out)
		}
	}
}

// witnessed waits until an office has its hubs' evidence on a document.
func witnessed(t *testing.T, o *world.Office, id storage.ID) {
	t.Helper()
	eventually(t, fmt.Sprintf("evidence on %s at %s", id, o.Spec.Code), func() bool {
		d, err := o.API.Get(t.Context(), id)
		return err == nil && slices.ContainsFunc(d.Events, func(e office.Event) bool { return e.Evidence == office.EvidenceRecord })
	})
}

// backUp keeps what raises a hub again, and returns how to burn that hub down
// with its disk and raise it from there.
func backUp(t *testing.T, w *world.World) (burn func()) {
	t.Helper()
	secret, backup := filepath.Join(t.TempDir(), "passphrase"), filepath.Join(t.TempDir(), "hub.backup")
	if err := os.WriteFile(secret, []byte("một mật khẩu dài để thử\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), "tram-hub", "ca", "backup", "--data", w.HubDir(), "--out", backup, "--passphrase-file", secret); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := w.Hub.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(w.HubDir()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Run(t.Context(), "tram-hub", "ca", "restore", "--data", w.HubDir(), backup, "--passphrase-file", secret); err != nil {
			t.Fatal(err)
		}
		startAgain(t, w)
	}
}

func startAgain(t *testing.T, w *world.World) {
	t.Helper()
	if err := w.Hub.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.WaitHub(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// passed waits until a hub has given custody of a bundle and passed it to next.
func passed(t *testing.T, w *world.World, id storage.ID, next string) {
	t.Helper()
	eventually(t, "custody of "+next, func() bool {
		db, err := hub.OpenDB(t.Context(), w.HubDir(), true, nil)
		if err != nil {
			return false
		}
		defer db.Close()
		n := 0
		err = db.View(t.Context(), func(tx *sqlite.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM audit WHERE action = 'relay.passed' AND subject = ? AND actor = ?`, id.String(), next).Scan(&n)
		})
		return err == nil && n > 0
	})
}

// TestP3_AnyHubOfThreeTiersBurnsDown lets each hub on the way of a document be
// the only one that has it, and burn down with its disk.
func TestP3_AnyHubOfThreeTiersBurnsDown(t *testing.T) {
	t.Parallel()
	tr := startTree(t)
	a1, b1 := tr.east.Offices[0], tr.west.Offices[0]
	warm := send(t, a1, codeB1, file{"truoc.pdf", sample.SmallPDF(5000, 1)})
	reaches(t, a1, warm.ID, office.Delivered)
	want := 1
	for _, c := range []struct {
		name  string
		burns *world.World
		away  *world.Process // so that nothing gets further than to the hub that burns
		there func(t *testing.T, id storage.ID)
	}{
		{"near", tr.east, tr.province.Hub, nil},
		{"top", tr.province, tr.west.Hub, func(t *testing.T, id storage.ID) { passed(t, tr.east, id, "H40") }},
		{"far", tr.west, b1.Process, func(t *testing.T, id storage.ID) { passed(t, tr.province, id, codeWest) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			burn := backUp(t, c.burns)
			if err := c.away.Stop(); err != nil {
				t.Fatal(err)
			}
			inHub := send(t, a1, codeB1, file{"trong-trung-tam.pdf", sample.SmallPDF(300_000, 2)})
			reaches(t, a1, inHub.ID, office.AtHub)
			if c.there != nil {
				c.there(t, inHub.ID)
			}
			underWay := send(t, a1, codeB1, file{"dang-gui.pdf", sample.SmallPDF(6_000_000, 3)})
			time.Sleep(50 * time.Millisecond)
			burn()
			if err := c.away.Start(); err != nil {
				t.Fatal(err)
			}
			for _, id := range []storage.ID{inHub.ID, underWay.ID} {
				reaches(t, b1, id, office.Arrived)
				reaches(t, a1, id, office.Delivered)
				want++
			}
		})
	}
	page, err := b1.API.Documents(t.Context(), office.Query{Box: office.In})
	if err != nil || page.Total != want {
		t.Errorf("the receiver has %d documents, want %d (error %v)", page.Total, want, err)
	}
	for _, w := range []*world.World{tr.east, tr.province, tr.west} {
		idle(t, w)
	}
}

// idle waits until a hub holds nothing any more.
func idle(t *testing.T, w *world.World) {
	t.Helper()
	eventually(t, "an empty store at "+w.HubDir(), func() bool {
		db, err := hub.OpenDB(t.Context(), w.HubDir(), true, nil)
		if err != nil {
			return false
		}
		defer db.Close()
		n := 0
		err = db.View(t.Context(), func(tx *sqlite.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM bundles`).Scan(&n)
		})
		return err == nil && n == 0
	})
}
