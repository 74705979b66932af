package console_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tram/agent/hub/software"
	"tram/agent/release"
	"tram/storage/sqlite"
)

// releases has two releases: 1.5.0 in ring 0, held since one of its offices took it
// back, and 1.6.0 for nobody yet.
func (w *world) releases(ctx context.Context) {
	w.t.Helper()
	programs := [][]byte{[]byte("linux"), []byte("windows")}
	for _, version := range []string{"1.5.0", "1.6.0"} {
		v, err := release.ParseVersion(version)
		must(w.t, err)
		m := release.Manifest{Version: v, Channel: release.Stable, NotesVI: "Sửa lỗi gửi lại.", NotesEN: "Mends sending again."}
		for i, os := range []string{"linux", "windows"} {
			m.Files = append(m.Files, release.File{OS: os, Arch: "amd64", Size: int64(len(programs[i])), SHA256: sha256.Sum256(programs[i])})
		}
		_, err = w.hub.PutSoftware(ctx, m, func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(programs[i])), nil }, "op")
		must(w.t, err)
	}
	one, err := w.hub.Software().Show(ctx, "1.5.0")
	must(w.t, err)
	_, err = w.hub.StageSoftware(ctx, software.Stage{Version: "1.5.0", Ring: release.RingAll, Offices: []string{"H40.1.00", "H40.1.01", "H40.1.02"}, Most: -1}, "op")
	must(w.t, err)
	now := time.Now()
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`UPDATE software_releases SET ring = 0, opened = ? WHERE version = '1.5.0'`, now.Add(-time.Hour)); err != nil {
			return err
		}
		for n := range 10 {
			told := release.Told{Version: "1.4.1", OS: "linux", Arch: "amd64"}
			sent := uint64(0)
			switch n {
			case 0:
				told.Version, told.Serial = "1.5.0", one.Serial
			case 1:
				told.Failed = []release.Failure{{Version: "1.5.0", Serial: one.Serial, Reason: "no-line"}}
			case 2:
				sent = one.Serial
			case 9:
				told.OS = "darwin"
			}
			raw, err := told.Encode()
			if err != nil {
				return err
			}
			code := fmt.Sprintf("H40.1.%02d", n)
			_, err = tx.Exec(`INSERT INTO software_offices (peer, code, hub, version, serial, os, arch, told, created, heard, sent, sent_at) VALUES (lower(?1), ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?7)`,
				code, told.Version, int64(told.Serial), told.OS, told.Arch, string(raw), now, int64(sent))
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestReleasesAreStagedAfterSeeingWhomTheyTouch: nothing is done before the preview was
// seen, and each act stands in the audit log.
func TestReleasesAreStagedAfterSeeingWhomTheyTouch(t *testing.T) {
	w := seeded(t)
	op, sec := w.as("op"), w.as("sec")
	if _, body := op.get("/cap-nhat"); !strings.Contains(body, "Chưa có bản cập nhật nào") || !strings.Contains(body, "tram-hub software add --version 1.5.0 tram-linux-amd64") {
		t.Error("nothing yet does not lead to the command")
	}
	w.releases(t.Context())
	if _, body := op.get("/cap-nhat"); !strings.Contains(body, `href="/cap-nhat/mot/1.5.0"`) || !strings.Contains(body, "Bị giữ lại") || !strings.Contains(body, "Chưa gửi") || !strings.Contains(body, `href="/thiet-bi?phien-ban=tram`) {
		t.Errorf("the list lacks something: %s", body)
	}
	const held, fresh = "/cap-nhat/mot/1.5.0", "/cap-nhat/mot/1.6.0"
	if _, body := op.get(held + "?xem=failed"); !strings.Contains(body, "trong 3 đơn vị của các vòng đã mở, 1 đơn vị (33 %)") || !strings.Contains(body, "không kết nối lại được với trung tâm") || !strings.Contains(body, `href="/thiet-bi/mot/H40.1.01"`) || strings.Contains(body, `href="/thiet-bi/mot/H40.1.02"`) {
		t.Errorf("why it is held, and by whom, is not shown: %s", body)
	}
	stage := url.Values{"viec": {"gui"}, "--ring": {"2"}, "--percent": {"20"}, "--limit": {"50"}, "--office": {"H40.1.00, H40.1.01\nH40.1.02"}}
	res, body := op.post(fresh, stage)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "sẽ gửi đến 9 trong 10 thiết bị") || !strings.Contains(body, "loại máy mà bản này không có chương trình") || !strings.Contains(body, "UBND xã Mường 0") {
		t.Fatalf("the preview gave %d: %s", res.StatusCode, body)
	}
	if r, err := w.hub.Software().Show(t.Context(), "1.6.0"); err != nil || r.Aim != -1 || len(w.actions("software.staged")) != 1 {
		t.Fatalf("the preview has staged it: %+v, %v", r, err)
	}
	stage.Set("sure", "1")
	if res, body = op.post(fresh, stage); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("staging gave %d: %s", res.StatusCode, body)
	}
	r, err := w.hub.Software().Show(t.Context(), "1.6.0")
	if staged := w.actions("software.staged"); err != nil || r.Aim != 2 || r.Percent != 20 || r.Most != 50 || len(r.Named) != 3 || len(staged) != 2 || staged[0].Actor != "op" {
		t.Errorf("staged as %+v, %v; the log says %+v", r, err, staged)
	}
	for name, bad := range map[string]url.Values{
		"no ring": {"--ring": {"7"}}, "no share": {"--percent": {"x"}}, "no limit": {"--limit": {"101"}}, "nobody": {"--office": {"H40.9.99"}},
	} {
		form := url.Values{}
		for k, v := range stage {
			form[k] = v
		}
		for k, v := range bad {
			form[k] = v
		}
		if res, body := op.post(fresh, form); res.StatusCode < 400 || res.StatusCode >= 500 || !strings.Contains(body, `id="errors"`) || !strings.Contains(body, "aria-invalid") {
			t.Errorf("%s gave %d", name, res.StatusCode)
		}
	}
	// Whoever keeps watch over security may stop a release, and no more.
	if res, body := sec.post(fresh+"/dung", url.Values{"viec": {"dung"}}); res.StatusCode != http.StatusOK || !strings.Contains(body, "sẽ chưa nhận bản 1.6.0") {
		t.Errorf("the preview of a pause gave %d: %s", res.StatusCode, body)
	}
	if res, _ := sec.post(fresh+"/dung", url.Values{"sure": {"1"}}); res.StatusCode != http.StatusSeeOther || w.actions("software.paused")[0].Actor != "sec" {
		t.Errorf("pausing gave %d", res.StatusCode)
	}
	if _, body := sec.get(fresh); strings.Contains(body, `name="viec"`) {
		t.Error("who may pause alone is offered more")
	}
	for _, what := range []string{"di-tiep", "rut"} {
		if res, _ := op.post(fresh, url.Values{"viec": {what}}); res.StatusCode != http.StatusOK {
			t.Errorf("the preview of %s gave %d", what, res.StatusCode)
		}
		if res, _ := op.post(fresh, url.Values{"viec": {what}, "sure": {"1"}}); res.StatusCode != http.StatusSeeOther {
			t.Errorf("%s gave %d", what, res.StatusCode)
		}
	}
	if len(w.actions("software.resumed")) != 1 || len(w.actions("software.withdrawn")) != 1 {
		t.Error("the log lacks an act")
	}
	if res, body := op.post(fresh, stage); res.StatusCode != http.StatusConflict || !strings.Contains(body, "đã bị rút") {
		t.Errorf("staging what was withdrawn gave %d", res.StatusCode)
	}
	if res, _ := op.get("/cap-nhat/mot/9.9.9"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a release that is none gave %d", res.StatusCode)
	}
}
