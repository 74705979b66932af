package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/storage"
	"tram/storage/sqlite"
)

// duty has an urgent document wait for two offices of different clusters, and an
// outage of a cluster.
func (w *world) duty(ctx context.Context) storage.ID {
	w.t.Helper()
	id, now := uuid.Must(uuid.NewV7()), time.Now()
	members := map[string]incident.Member{"H40.2.00": {Joined: now.Add(-time.Hour)}, "H40.2.01": {Joined: now.Add(-time.Hour), Left: now.Add(-time.Minute)}, "H40.1.05": {Joined: now.Add(-time.Hour)}}
	outage, err := json.Marshal(incident.Incident{ID: 7, Rule: incident.GroupSilent, Scope: "H40.2", Group: &incident.Group{Kind: incident.GroupCluster, Name: "H40.2"}, Total: 12, Severity: incident.Page,
		Opened: now.Add(-time.Hour), Members: members, Peak: 3, Told: now.Add(-50 * time.Minute), Count: 3, As: incident.Page})
	must(w.t, err)
	event, err := json.Marshal(duty.Entry{Event: incident.Event{Kind: incident.Opened, At: now.Add(-time.Hour), Incident: 7}})
	must(w.t, err)
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, q := range []struct {
			text string
			args []any
		}{
			{`INSERT INTO bundles (seq, id, kind, from_office, to_offices, urgency, created, expires, in_reply_to, header, size) VALUES (900, ?, 1, 'H40.3.00', '["H40.1.00","H40.2.00"]', 3, ?, ?, zeroblob(16), x'00', 5000)`,
				[]any{id, now.Add(-20 * time.Minute), now.Add(24 * time.Hour)}},
			{`INSERT INTO outgoing (bundle, peer, urgency, created, hold, state) VALUES (900, 'H40.1.00', 3, ?1, 0, 0), (900, 'H40.2.00', 3, ?1, 0, 0)`, []any{now.Add(-20 * time.Minute)}},
			{`INSERT INTO incidents (id, rule, severity, opened, closed, data) VALUES (7, 'group-silent', 'page', ?, 0, ?)`, []any{now.Add(-time.Hour), string(outage)}},
			{`INSERT INTO incident_events (incident, at, data) VALUES (7, ?, ?)`, []any{now.Add(-time.Hour), string(event)}},
		} {
			if _, err := tx.Exec(q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err = w.hub.SetContact(ctx, duty.Contact{Office: "H40.2.00", Phone: "0238 3 875 001"}, "test")
	must(w.t, err)
	return id
}

// TestP5_WhoDoesNotHaveAnUrgentDocumentIsCalled: the page names them with their
// telephones, and keeps who was called; an officer sees those of the cluster.
func TestP5_WhoDoesNotHaveAnUrgentDocumentIsCalled(t *testing.T) {
	w := seeded(t)
	op, ky := w.as("op"), w.as("ky")
	if _, body := empty(t).as("op").get("/van-ban-khan"); !strings.Contains(body, "Mọi văn bản khẩn đã tới nơi") {
		t.Error("nothing urgent is not said")
	}
	id := w.duty(t.Context()).String()
	if _, body := op.get("/van-ban-khan"); !strings.Contains(body, "0238 3 875 001") || !strings.Contains(body, "UBND xã Mường 0") || !strings.Contains(body, "Hỏa tốc") || !strings.Contains(body, "còn 2/2") {
		t.Errorf("the page lacks something: %s", body)
	}
	if _, body := ky.get("/van-ban-khan"); strings.Contains(body, "0238 3 875 001") || !strings.Contains(body, "UBND xã Mường 0") {
		t.Error("an officer sees another cluster, or not the own one")
	}
	call := url.Values{"document": {id}, "office": {"H40.2.00"}, "note": {"Gặp chị Lan"}}
	if res, body := op.post("/van-ban-khan", call); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("writing a call down gave %d: %s", res.StatusCode, body)
	}
	if _, body := op.get("/van-ban-khan"); !strings.Contains(body, "Gặp chị Lan") || !strings.Contains(body, "Lê Văn Trực") {
		t.Error("the call is not shown")
	}
	if res, body := op.post("/van-ban-khan", url.Values{"document": {uuid.NewString()}, "office": {"H40.2.00"}}); res.StatusCode == http.StatusSeeOther || res.StatusCode >= 500 {
		t.Errorf("about no document: %d %s", res.StatusCode, body)
	}
}

// TestIncidentsAreTakenNotedAndExported, and an officer sees of one what is the
// cluster's own.
func TestIncidentsAreTakenNotedAndExported(t *testing.T) {
	w := seeded(t)
	op, ky := w.as("op"), w.as("ky")
	if _, body := op.get("/su-co"); !strings.Contains(body, "Không có sự cố nào") {
		t.Error("no incident is not said")
	}
	w.duty(t.Context())
	if _, body := op.get("/tinh-hinh"); !strings.Contains(body, `<b>1</b> <span>sự cố đang mở`) || !strings.Contains(body, `<b>1</b> <span>văn bản khẩn chưa tới nơi`) || !strings.Contains(body, `href="/su-co/mot/7"`) {
		t.Error("the overview does not lead to what cannot wait")
	}
	if _, body := op.get("/su-co"); !strings.Contains(body, `href="/su-co/mot/7"`) || !strings.Contains(body, "gọi ngay") {
		t.Errorf("the list lacks the incident: %s", body)
	}
	const one = "/su-co/mot/7"
	if _, body := op.get(one); !strings.Contains(body, "UBND xã Nà 0") || !strings.Contains(body, "chưa ai nhận") {
		t.Errorf("the incident lacks something: %s", body)
	}
	if _, body := ky.get(one); strings.Contains(body, "UBND xã Nà 0") || !strings.Contains(body, "UBND xã Mường 5") {
		t.Error("an officer sees another cluster, or not the own one")
	}
	if res, _ := op.post(one, url.Values{"viec": {"ghi"}, "note": {""}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an empty note gave %d", res.StatusCode)
	}
	for _, act := range []url.Values{{"viec": {"nhan"}, "note": {"Đã gọi nhà mạng"}}, {"viec": {"ghi"}, "note": {"Đứt cáp"}}, {"viec": {"hoan"}}} {
		if res, body := op.post(one, act); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%v gave %d: %s", act, res.StatusCode, body)
		}
	}
	if _, body := op.get(one); !strings.Contains(body, "Đứt cáp") || !strings.Contains(body, "hoãn báo đến") {
		t.Errorf("what was done is not shown: %s", body)
	}
	if res, body := op.get(one + "/tuong-trinh"); !strings.HasPrefix(res.Header.Get("Content-Type"), "text/markdown") || !strings.Contains(body, "Đứt cáp") {
		t.Errorf("the post-mortem: %s", body)
	}
	for _, path := range []string{"/su-co/mot/99", "/su-co/mot/x"} {
		if res, _ := op.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
}

// TestTheReportOfAMonthIsShownAndPrinted.
func TestTheReportOfAMonthIsShownAndPrinted(t *testing.T) {
	w := seeded(t)
	op := w.as("op")
	if _, body := op.get("/bao-cao"); !strings.Contains(body, "Mức liên lạc của thiết bị") || !strings.Contains(body, "Cụm Kỳ Sơn") {
		t.Errorf("the report lacks something: %s", body)
	}
	if res, body := op.get("/bao-cao/in"); res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(body, "%PDF") {
		t.Error("it cannot be printed")
	}
	if res, _ := op.get("/bao-cao?thang=13/2026"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a month that is none gave %d", res.StatusCode)
	}
}
