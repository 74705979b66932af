package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/hub/command"
	"tram/storage"
	"tram/storage/sqlite"
)

// orders has one order that waits, one that was answered, and one whose support archive
// came back, all of the box that joined.
func (w *world) orders(ctx context.Context) (queued, done, support string) {
	w.t.Helper()
	var ids []storage.ID
	for _, q := range []command.Order{{Command: "hold"}, {Command: "ping"}, {Command: "support"}} {
		q.Office, q.By, q.Role = "H40.1.00", "op", command.Operator
		r, err := w.hub.Order(ctx, q)
		must(w.t, err)
		ids = append(ids, r.ID)
	}
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		answer, err := json.Marshal(map[string]any{"version": "1.4.1", "note": "<script>"})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE hub_commands SET state = 'done', taken = ?1, answered = ?1, result = ?2 WHERE id = ?3`, tx.Now(), string(answer), ids[1]); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE hub_commands SET state = 'done', taken = ?1, answered = ?1 WHERE id = ?2`, tx.Now(), ids[2]); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO hub_command_archives (id, came, archive) VALUES (?, ?, ?)`, ids[2], tx.Now(), []byte("PK archive"))
		return err
	}))
	return ids[0].String(), ids[1].String(), ids[2].String()
}

// TestABoxIsOrderedAndTheOrderWaitsForIt: who may order what, what the page says of a box
// that is away, the answer, and taking an order back.
func TestABoxIsOrderedAndTheOrderWaitsForIt(t *testing.T) {
	w := seeded(t)
	op, sec, ky := w.as("op"), w.as("sec"), w.as("ky")
	const box = "/thiet-bi/mot/H40.1.00"
	must(t, w.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE agents SET online = 0 WHERE code = 'H40.1.00'`)
		return err
	}))
	if _, body := op.get(box); !strings.Contains(body, "lệnh sẽ chạy khi thiết bị kết nối") || !strings.Contains(body, `<option value="resync">`) {
		t.Error("the page does not say that an order waits")
	}
	for p, lacks := range map[*person][]string{sec: {"resync", "support"}, ky: {"resync", "support", "hold", "resume"}} {
		for _, name := range lacks {
			if _, body := p.get(box); strings.Contains(body, `<option value="`+name+`">`) {
				t.Errorf("%s is offered to who may not", name)
			}
			if res, _ := p.post(box+"/lenh", url.Values{"viec": {name}, "until": {"1"}}); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s by who may not gave %d", name, res.StatusCode)
			}
		}
	}
	if res, _ := ky.post(box+"/lenh", url.Values{"viec": {"ping"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("an officer's ping gave %d", res.StatusCode)
	}
	given := w.actions("command.ordered")
	if len(given) != 1 || given[0].Actor != "ky" || given[0].Detail["role"] != "officer" || given[0].Detail["office"] != "H40.1.00" {
		t.Fatalf("the audit log says %+v", given)
	}
	if _, body := ky.get(box); !strings.Contains(body, "Chờ: sẽ thực hiện khi đơn vị kết nối") || !strings.Contains(body, "/lenh/mot/"+given[0].Subject) {
		t.Error("the page does not show the order")
	}
	for what, form := range map[string]url.Values{"nothing": {}, "no such": {"viec": {"format"}}, "no time": {"viec": {"hold"}, "until": {"7"}}} {
		if res, body := op.post(box+"/lenh", form); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "aria-invalid") {
			t.Errorf("%s gave %d", what, res.StatusCode)
		}
	}
	if res, body := op.post("/thiet-bi/mot/H40.1.05/lenh", url.Values{"viec": {"ping"}}); res.StatusCode != http.StatusConflict || !strings.Contains(body, `id="errors"`) {
		t.Errorf("a box that has not joined gave %d", res.StatusCode)
	}
	if res, _ := ky.post("/thiet-bi/mot/H40.2.01/lenh", url.Values{"viec": {"ping"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("another cluster's box gave %d", res.StatusCode)
	}
	queued, done, support := w.orders(t.Context())
	if _, body := ky.get("/lenh/mot/" + done); !strings.Contains(body, "&#34;version&#34;: &#34;1.4.1&#34;") || strings.Contains(body, "<script>") {
		t.Errorf("the answer: %s", body)
	}
	if _, body := op.get("/lenh"); strings.Count(body, "data-row") != 4 {
		t.Error("the list lacks orders")
	}
	if _, body := op.get("/lenh?loc=cho&don-vi=h40.1.00"); strings.Count(body, "data-row") != 2 {
		t.Error("the list of those open holds others")
	}
	if res, body := op.get("/lenh/mot/" + support + "/goi"); body != "PK archive" || res.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("the archive gave %d", res.StatusCode)
	}
	if res, _ := sec.get("/lenh/mot/" + support + "/goi"); res.StatusCode != http.StatusForbidden {
		t.Errorf("the archive to who may not ask for it gave %d", res.StatusCode)
	}
	if res, _ := ky.post("/lenh/mot/"+queued, url.Values{"viec": {"rut"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("a hold withdrawn by an officer gave %d", res.StatusCode)
	}
	if res, _ := sec.post("/lenh/mot/"+queued, url.Values{"viec": {"rut"}}); res.StatusCode != http.StatusSeeOther || w.actions("command.withdrawn")[0].Actor != "sec" {
		t.Errorf("withdrawing gave %d", res.StatusCode)
	}
	if res, body := op.post("/lenh/mot/"+done, url.Values{"viec": {"rut"}}); res.StatusCode != http.StatusConflict || !strings.Contains(body, `id="errors"`) {
		t.Errorf("withdrawing what was done gave %d", res.StatusCode)
	}
	for _, id := range []string{"x", "00000000-0000-7000-8000-000000000000"} {
		if res, _ := op.get("/lenh/mot/" + id); res.StatusCode != http.StatusNotFound {
			t.Errorf("the order %q gave %d", id, res.StatusCode)
		}
	}
}

// TestManyAreOrderedAfterSeeingWhich: no order goes out before the page that names how
// many and which, and not when others are meant than it showed.
func TestManyAreOrderedAfterSeeingWhich(t *testing.T) {
	w := seeded(t)
	op, ky := w.as("op"), w.as("ky")
	if _, body := op.get("/thiet-bi"); !strings.Contains(body, `name=chon value="H40.1.00" aria-label="Chọn UBND xã Mường 0"`) {
		t.Error("rows cannot be ticked")
	}
	form := url.Values{"viec": {"ping"}, "pham-vi": {"chon"}, "chon": {"H40.1.00", "H40.1.05", "H40.1.00"}}
	res, body := op.post("/thiet-bi/lenh", form)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "1 thiết bị sẽ nhận lệnh này") || !strings.Contains(body, "Không ra lệnh được cho 1 thiết bị") || len(w.actions("command.ordered")) != 0 {
		t.Fatalf("the preview gave %d: %s", res.StatusCode, body)
	}
	sure := hidden(t, body, "sure")
	form.Set("sure", sure)
	if res, body = op.post("/thiet-bi/lenh", form); res.StatusCode != http.StatusOK || !strings.Contains(body, "Đã ra lệnh cho 1 thiết bị. Với 1 thiết bị thì không được") || len(w.actions("command.ordered")) != 1 {
		t.Errorf("ordering gave %d: %s", res.StatusCode, body)
	}
	// The whole filter, and it is not the list that was shown any more.
	all := url.Values{"viec": {"ping"}, "pham-vi": {"tat-ca"}, "tu": {"Mường 0"}}
	if res, body = op.post("/thiet-bi/lenh", all); res.StatusCode != http.StatusOK || hidden(t, body, "tu") != "Mường 0" || hidden(t, body, "sure") != sure {
		t.Fatalf("the preview of a filter gave %d: %s", res.StatusCode, body)
	}
	all.Set("sure", "2-0000000000000000")
	if res, _ = op.post("/thiet-bi/lenh", all); res.StatusCode != http.StatusOK || len(w.actions("command.ordered")) != 1 {
		t.Errorf("others than were shown gave %d", res.StatusCode)
	}
	all.Set("sure", sure)
	if res, _ = op.post("/thiet-bi/lenh", all); res.StatusCode != http.StatusSeeOther || len(w.actions("command.ordered")) != 2 {
		t.Errorf("the filter gave %d", res.StatusCode)
	}
	if res, body := op.post("/thiet-bi/lenh", url.Values{"viec": {"ping"}, "pham-vi": {"chon"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Chưa đánh dấu thiết bị nào") {
		t.Errorf("nothing ticked gave %d", res.StatusCode)
	}
	if res, _ := ky.post("/thiet-bi/lenh", url.Values{"viec": {"hold"}, "until": {"1"}, "pham-vi": {"tat-ca"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("a hold by an officer gave %d", res.StatusCode)
	}
	if res, _ := ky.post("/thiet-bi/lenh", url.Values{"viec": {"ping"}, "pham-vi": {"chon"}, "chon": {"H40.1.00", "H40.2.00"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("a box outside of the cluster gave %d", res.StatusCode)
	}
	if _, body := ky.post("/thiet-bi/lenh", url.Values{"viec": {"ping"}, "pham-vi": {"tat-ca"}}); strings.Contains(body, "H40.2.") || strings.Contains(body, "H40.3.") {
		t.Error("the whole list of an officer reaches outside of the cluster")
	}
}

// hidden is the value of a hidden field of a page.
func hidden(t *testing.T, body, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `<input type="hidden" name="`+name+`" value="`)
	if !ok {
		t.Fatalf("the page has no hidden field %q: %s", name, body)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
