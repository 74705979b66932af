package e2e

import (
	"path/filepath"
	"testing"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
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
	o.Dir, o.Bin = filepath.Join(t.TempDir(), o.Hub.Code), bin
	w, err := world.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log := readLog(t, w.Hub)
			t.Logf("%s:\n%s", o.Hub.Code, log[max(0, len(log)-6000):])
		}
	})
	return w
}

// TestP10_ADocumentTravelsThreeTiers sends up, down and across a tree of hubs
// that have each a CA of their own.
func TestP10_ADocumentTravelsThreeTiers(t *testing.T) {
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
	}
}
