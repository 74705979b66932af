package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "tram/agent/api/v1"
	"tram/cmd/internal/world"
)

// The offices of the scenario besides A, the commune.
const (
	theOneStop = "H40.1" // of the province
	theJustice = "H40.3"
	thePolice  = "H40.4"
	decideBy   = 4 * time.Minute
)

// catalogue is one procedure, as an office imports it.
const catalogue = `{"origin": "H40", "version": 1, "procedures": [{"code": "1.001193", "version": 1, "name": "Đăng ký khai sinh", "field": {"code": "G15-HT01", "name": "Hộ tịch"},
	"from": "2020-01-01", "papers": [{"name": "Tờ khai", "kind": "original", "copies": 1, "required": true}], "limit": {"unit": "working-days", "n": 3}, "fees": [],
	"results": ["Giấy khai sinh"], "legal": "Quyết định 2228/QĐ-BTP"}]}`

// desks are the one-stop systems of other makers, one at each office.
type desks struct {
	t  *testing.T
	w  *world.World
	at map[string]application
}

// journey is a dossier and what is meant for it.
type journey struct {
	reference, id, code, word, path string
	route                           string // "here", "justice", "chain", "opinions"
	supplement, withdraw            bool
}

// TestP1_P2_P3_DossiersOfAPortalAndPublicServicesAmongFourOffices: a system of public
// services files dossiers at a commune, one-stop systems of other makers decide them
// there, at a department, through the province, and after opinions, while the commune
// and the hub are killed and one office is away. The feed tells the filing system each
// step once, the portal learns the status with the word of the receipt and nothing
// else.
func TestP1_P2_P3_DossiersOfAPortalAndPublicServicesAmongFourOffices(t *testing.T) {
	w := start(t, func(o *world.Options) {
		o.Offices = []world.Spec{o.Offices[0], {Code: theOneStop, Name: "Trung tâm hành chính công tỉnh Minh Sơn"}, {Code: theJustice, Name: "Sở Tư pháp"}, {Code: thePolice, Name: "Công an tỉnh"}}
	})
	d := &desks{t: t, w: w, at: map[string]application{}}
	for _, o := range w.Offices {
		d.at[o.Spec.Code] = application{t: t, url: "http://" + o.Spec.UI + "/api/v1", key: maker{t: t}.at(w, o, "mot-cua", "--kind", "onestop").key}
	}
	a := w.Offices[0]
	file := filepath.Join(t.TempDir(), "danh-muc.json")
	if err := os.WriteFile(file, []byte(catalogue), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := w.Run(t.Context(), "tram", "dossier", "catalogue", file, "--data", a.Dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gate := application{t: t, url: d.at[codeA].url, key: maker{t: t}.at(w, a, "dvc", "--kind", "publicservice").key}
	portal := application{t: t, url: d.at[codeA].url, key: maker{t: t}.at(w, a, "cong", "--kind", "portal").key}
	var all []*journey
	for n, route := range []string{"here", "justice", "chain", "opinions", "here", "justice", "chain", "justice"} {
		j := &journey{reference: fmt.Sprintf("DVC-%d", n), route: route, supplement: n == 4 || n == 7, withdraw: n == 5}
		d.file(gate, j)
		all = append(all, j)
	}
	d.hand(all)
	away := w.Offices[3]
	if err := away.Kill(); err != nil {
		t.Fatal(err)
	}
	d.kill(w.Hub)
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	startAgainOffice(t, a)
	d.work(gate, all, false)
	startAgainOffice(t, away)
	d.work(gate, all, true)
	d.judge(gate, portal, all)
}

// do makes a call until it is answered, and reads the answer. With want 0 it says
// whether the call was granted.
func (d *desks) do(a application, method, path, body string, want int, into any, headers ...string) bool {
	d.t.Helper()
	if body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	for end := time.Now().Add(arrivesIn); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		resp, raw := a.call(method, path, strings.NewReader(body), headers...)
		if resp == nil || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
			continue
		}
		if want == 0 && resp.StatusCode >= 300 {
			return false
		}
		if want != 0 && resp.StatusCode != want {
			d.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, raw)
		}
		if err := json.Unmarshal(raw, into); into != nil && err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
		return true
	}
	d.t.Fatalf("%s %s is not answered", method, path)
	return false
}

// file hands a dossier in with its paper, and once more as after a lost answer.
func (d *desks) file(gate application, j *journey) {
	d.t.Helper()
	paper := "%PDF-1.7 tờ khai " + j.reference
	var up struct{ ID string }
	d.do(gate, "POST", "/uploads", "", http.StatusCreated, &up, "Upload-Length", strconv.Itoa(len(paper)), "Upload-Metadata", "filename dG8ta2hhaS5wZGY=")
	resp, raw := gate.call("PATCH", "/uploads/"+up.ID, strings.NewReader(paper), "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	if resp == nil || resp.StatusCode != http.StatusNoContent {
		d.t.Fatalf("upload: %s", raw)
	}
	body := fmt.Sprintf(`{"procedure":"1.001193","applicant":{"kind":"citizen","name":"Nguyễn Văn An","number":"040090001234"},"reference":%q,"files":[{"upload":%q,"paper":0}]}`, j.reference, up.ID)
	var made, again v1.DossierActed
	d.do(gate, "POST", "/dossiers", body, http.StatusCreated, &made)
	d.do(gate, "POST", "/dossiers", body, http.StatusOK, &again)
	if made.ID != again.ID || made.Word == "" {
		d.t.Fatalf("filed twice: %+v %+v", made, again)
	}
	j.id, j.code, j.word, j.path = made.ID, made.Code, made.Word, "/dossiers/"+made.ID
}

// hand takes the dossiers in at the commune and hands them over.
func (d *desks) hand(all []*journey) {
	d.t.Helper()
	a := d.at[codeA]
	for _, j := range all {
		d.do(a, "POST", j.path+"/state", `{"status":2}`, http.StatusOK, nil)
		to, task := map[string]string{"justice": `"` + theJustice + `"`, "chain": `"` + theOneStop + `"`, "opinions": `"` + theJustice + `","` + thePolice + `"`}[j.route], "decide"
		if j.route == "opinions" {
			task = "consult"
		}
		if to != "" {
			eventually(d.t, "the cards of the offices", func() bool { // a new one takes a moment to be known
				return d.do(a, "POST", j.path+"/hand-overs", fmt.Sprintf(`{"to":[%s],"task":%q,"note":"Kính chuyển"}`, to, task), 0, nil) || d.transfers(j) > 0
			})
		}
	}
}

func (d *desks) transfers(j *journey) int {
	var x v1.Dossier
	d.do(d.at[codeA], "GET", j.path, "", http.StatusOK, &x)
	return len(x.Transfers)
}

// kill ends the hub as a power cut does, and starts it again.
func (d *desks) kill(p *world.Process) {
	d.t.Helper()
	if err := p.Kill(); err != nil {
		d.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.w.WaitHub(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// work has every system do what is to be done at its office, until each dossier has
// come as far as it can.
func (d *desks) work(gate application, all []*journey, everybody bool) {
	d.t.Helper()
	for end := time.Now().Add(decideBy); ; time.Sleep(300 * time.Millisecond) {
		left := 0
		for _, j := range all {
			if !d.step(gate, j, everybody) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			for _, j := range all {
				var x v1.Dossier
				d.do(d.at[codeA], "GET", j.path, "", http.StatusOK, &x)
				d.t.Logf("%s %s: status %d, transfers %+v", j.reference, j.route, x.Status, x.Transfers)
			}
			d.t.Fatalf("%d dossiers do not get on", left)
		}
	}
}

// step does what can be done about a dossier now, and says whether it is through.
func (d *desks) step(gate application, j *journey, everybody bool) bool {
	d.t.Helper()
	a := d.at[codeA]
	var x v1.Dossier
	d.do(a, "GET", j.path, "", http.StatusOK, &x)
	asked := slices.ContainsFunc(x.History, func(s v1.DossierStep) bool { return s.Kind == "supplement-asked" })
	switch {
	case x.Status == 8 || x.Status == 10:
		return true
	case x.Status == 9:
		d.do(a, "POST", j.path+"/state", `{"status":10,"reason":"Người nộp"}`, http.StatusOK, nil)
	case x.Status == 5:
		d.do(gate, "POST", j.path+"/supplement", `{"copies":[1],"note":"Đã bổ sung"}`, http.StatusOK, nil)
	case x.Status == 7:
		d.do(a, "POST", j.path+"/state", `{"status":8,"reason":"Theo yêu cầu"}`, http.StatusOK, nil)
	case j.withdraw:
		d.do(gate, "POST", j.path+"/withdrawal", `{"reason":"Nộp nhầm"}`, http.StatusOK, nil)
	case j.route == "here":
		d.decide(a, j, asked)
	case j.route == "justice":
		d.decide(d.at[theJustice], j, asked)
	case j.route == "chain":
		d.passOn(j)
		if everybody {
			d.decide(d.at[thePolice], j, asked)
		}
	case j.route == "opinions":
		if d.opinions(x, j, everybody) {
			d.decide(a, j, asked)
		}
	}
	return !everybody && (j.route == "chain" || j.route == "opinions")
}

// found is the dossier as an office has it; ok is false while it is not there.
func (d *desks) found(office application, j *journey) (x v1.Dossier, ok bool) {
	d.t.Helper()
	resp, raw := office.call("GET", "/dossiers/"+url.PathEscape(j.code), nil)
	if resp == nil || resp.StatusCode != http.StatusOK {
		return x, false
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		d.t.Fatalf("%v in %s", err, raw)
	}
	return x, true
}

// decide works on the dossier at an office: asks for papers once where that is meant,
// and gives the result.
func (d *desks) decide(office application, j *journey, asked bool) {
	d.t.Helper()
	x, ok := d.found(office, j)
	if !ok || x.Status == 5 || x.Status >= 8 {
		return
	}
	if j.supplement && !asked {
		d.do(office, "POST", "/dossiers/"+x.ID+"/state", `{"status":4}`, 0, nil)
		d.do(office, "POST", "/dossiers/"+x.ID+"/state", `{"status":5,"reason":"Thiếu giấy chứng sinh"}`, 0, nil)
		return
	}
	d.do(office, "POST", "/dossiers/"+x.ID+"/state", fmt.Sprintf(`{"status":9,"result":{"name":"Giấy khai sinh","number":%q}}`, j.reference), 0, nil)
}

// passOn hands the dossier on from the province's desk, once.
func (d *desks) passOn(j *journey) {
	d.t.Helper()
	desk := d.at[theOneStop]
	x, ok := d.found(desk, j)
	if !ok || len(x.Transfers) > 1 || x.Status >= 8 {
		return
	}
	d.do(desk, "POST", "/dossiers/"+x.ID+"/state", `{"status":4}`, 0, nil)
	d.do(desk, "POST", "/dossiers/"+x.ID+"/hand-overs", `{"to":["`+thePolice+`"],"task":"decide"}`, 0, nil)
}

// opinions has the offices that were asked answer, and says whether the answers are
// here.
func (d *desks) opinions(x v1.Dossier, j *journey, everybody bool) bool {
	d.t.Helper()
	given := 0
	for _, tr := range x.Transfers {
		if tr.State == "given" {
			given++
			continue
		}
		if tr.To.Code == thePolice && !everybody {
			continue
		}
		if g, ok := d.found(d.at[tr.To.Code], j); ok && g.Status < 8 {
			d.do(d.at[tr.To.Code], "POST", "/dossiers/"+g.ID+"/state", `{"status":9,"result":{"name":"Ý kiến","text":"Nhất trí"}}`, 0, nil)
		}
	}
	return given == 2
}

// judge compares what the filing system, the portal and the offices have.
func (d *desks) judge(gate, portal application, all []*journey) {
	t := d.t
	kinds := map[string][]string{}
	for after := ""; ; {
		var page v1.EventPage
		d.do(gate, "GET", "/events?limit=50&after="+url.QueryEscape(after), "", http.StatusOK, &page)
		for _, e := range page.Events {
			if e.Dossier != nil {
				kinds[e.Dossier.ID] = append(kinds[e.Dossier.ID], e.Dossier.Kind)
			}
		}
		if len(page.Events) == 0 {
			break
		}
		after = page.Next
	}
	for _, j := range all {
		var x v1.Dossier
		d.do(gate, "GET", j.path, "", http.StatusOK, &x)
		want, end := 10, "returned"
		if j.withdraw {
			want, end = 8, "withdrawn"
		}
		got := kinds[j.id]
		if x.Status != want || len(got) == 0 || got[0] != "filed" || got[len(got)-1] != end {
			t.Errorf("%s (%s): status %d, events %v", j.reference, j.route, x.Status, got)
		}
		for _, kind := range []string{"filed", "accepted", "finished", "returned", "supplement-asked", "supplemented"} {
			if n := len(slices.DeleteFunc(slices.Clone(got), func(k string) bool { return k != kind })); n > 1 {
				t.Errorf("%s: %s is told %d times: %v", j.reference, kind, n, got)
			}
		}
		if len(x.Results) != 1 && !j.withdraw || len(x.Files) != 1 {
			t.Errorf("%s: results %v, %d files", j.reference, x.Results, len(x.Files))
		}
		var seen v1.PublicStatus
		d.do(portal, "POST", "/dossiers/lookup", fmt.Sprintf(`{"code":%q,"word":%q}`, j.code, j.word), http.StatusOK, &seen)
		if seen.Status != want {
			t.Errorf("%s: the portal sees %d", j.reference, seen.Status)
		}
		resp, raw := portal.call("POST", "/dossiers/lookup", strings.NewReader(fmt.Sprintf(`{"code":%q,"word":"AAAAA-AAAAA"}`, j.code)), "Content-Type", "application/json")
		if resp == nil || resp.StatusCode != http.StatusNotFound || bytes.Contains(raw, []byte("Nguyễn")) {
			t.Errorf("%s with a wrong word: %s", j.reference, raw)
		}
	}
	for _, o := range d.w.Offices {
		if out, err := d.w.Run(t.Context(), "tram", "audit", "verify", "--data", o.Dir); err != nil {
			t.Errorf("audit log of %s: %v\n%s", o.Spec.Code, err, out)
		}
	}
}
