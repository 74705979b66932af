package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"tram/agent/hub"
	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// TestP8_AHubIsRenewedByTheHubAbove has a province whose certificates live for a
// minute. A district hub goes through three of them over one session, with
// documents under way through both hubs; then its certificate runs out while the
// province is away, and it asks for a new one by itself.
func TestP8_AHubIsRenewedByTheHubAbove(t *testing.T) {
	t.Parallel()
	province := startHub(t, world.Options{
		Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"}, Offices: []world.Spec{{Code: codeA, Name: "Sở Nội vụ"}},
		Env: []string{"TRAM_HUB_ENROLL_LIFE=1m"},
	})
	east := startHub(t, world.Options{
		Hub: world.Spec{Code: codeEast, Name: "Khu vực Đông"}, Offices: []world.Spec{{Code: codeA1, Name: "UBND xã An Bình"}}, Upstream: province,
	})
	so, commune := province.Offices[0], east.Offices[0]
	warm := send(t, commune, codeA, file{"truoc.pdf", sample.SmallPDF(5000, 1)})
	reaches(t, commune, warm.ID, office.Delivered)
	since, first := sessionBelow(t, province, codeEast), certificateAbove(t, east)

	up, down := []storage.ID{warm.ID}, []storage.ID{}
	certificates := map[time.Time]bool{first: true}
	for late := first.Add(arrivesIn); len(certificates) < 4 || time.Now().Before(first.Add(time.Second)); time.Sleep(500 * time.Millisecond) {
		up = append(up, send(t, commune, codeA, file{"len.pdf", sample.SmallPDF(40_000, uint64(len(up)))}).ID)
		down = append(down, send(t, so, codeA1, file{"xuong.pdf", sample.SmallPDF(40_000, uint64(len(down)))}).ID)
		certificates[certificateAbove(t, east)] = true
		if time.Now().After(late) {
			t.Fatalf("%d certificates until %v", len(certificates), time.Now())
		}
	}
	all(t, so, up)
	all(t, commune, down)
	if again := sessionBelow(t, province, codeEast); !again.Equal(since) {
		t.Errorf("the session with the district began at %v and again at %v", since, again)
	}

	if err := province.Hub.Stop(); err != nil {
		t.Fatal(err)
	}
	ends := certificateAbove(t, east)
	time.Sleep(time.Until(ends.Add(2 * time.Second)))
	up = append(up, send(t, commune, codeA, file{"het-han.pdf", sample.SmallPDF(40_000, 7)}).ID)
	startAgain(t, province)
	all(t, so, up)
	if now := certificateAbove(t, east); !now.After(ends) {
		t.Errorf("the district's certificate still ends at %v", now)
	}
}

// all waits until an office has these documents, and looks that it has no others.
func all(t *testing.T, o *world.Office, ids []storage.ID) {
	t.Helper()
	for _, id := range ids {
		reaches(t, o, id, office.Arrived)
	}
	if page, err := o.API.Documents(t.Context(), office.Query{Box: office.In}); err != nil || page.Total != len(ids) {
		t.Errorf("%s has %d documents of %d (error %v)", o.Spec.Code, page.Total, len(ids), err)
	}
}

// sessionBelow says since when a hub has the present session with a neighbour
// below.
func sessionBelow(t *testing.T, w *world.World, code string) time.Time {
	t.Helper()
	out, err := w.Run(t.Context(), "tram-hub", "agents", "--data", w.HubDir(), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var answer hub.Agents
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	for _, a := range answer.Agents {
		if a.Code == code && a.Online {
			return a.Since
		}
	}
	t.Fatalf("%s is not online: %s", code, out)
	return time.Time{}
}

// certificateAbove says until when a hub's certificate at the hub above is good.
func certificateAbove(t *testing.T, w *world.World) time.Time {
	t.Helper()
	out, err := w.Run(t.Context(), "tram-hub", "status", "--data", w.HubDir(), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var answer hub.Status
	if err := json.Unmarshal(out, &answer); err != nil || answer.Upstream == nil || answer.Upstream.Refusal != nil {
		t.Fatalf("status says %s (error %v)", out, err)
	}
	return answer.Upstream.Until
}
