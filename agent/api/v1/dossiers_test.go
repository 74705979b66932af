package v1

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/api/appkey"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// birth is a procedure of three working days with two needed papers and a fee.
var birth = dossier.Procedure{
	Code: code.Procedure{Number: "1.001193"}, Version: 1, Name: "Đăng ký khai sinh", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "HT01"}, Name: "Hộ tịch"},
	From: "2026-01-01", Papers: []dossier.Paper{
		{Name: "Tờ khai đăng ký khai sinh", Kind: dossier.Original, Copies: 1, Required: true}, {Name: "Giấy chứng sinh", Kind: dossier.Original, Copies: 1, Required: true},
	},
	Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3}, Fees: []dossier.Fee{{Name: "Lệ phí đăng ký khai sinh", Amount: 8000, State: true}},
	Results: []string{"Giấy khai sinh"}, Legal: "Quyết định 2228/QĐ-BTP",
}

var (
	desk = dossier.Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: dossier.Desk | dossier.Officer}
	boss = dossier.Actor{Person: "chutich", Name: "Trần Văn Chủ", Roles: dossier.Leader}
)

func filingOf(reference string, more string) string {
	return `{"procedure":"1.001193","applicant":{"kind":"citizen","name":"Nguyễn Văn An","number":"040090001234","phone":"0912345678"},"reference":"` + reference + `","copies":[1,1]` + more + `}`
}

// file hands a dossier in over the interface.
func (w *world) file(app string) DossierActed {
	w.t.Helper()
	key := w.key(app, appkey.PublicService)
	return in[DossierActed](w.t, w.post(key, "/dossiers", filingOf("R-"+fmt.Sprint(w.serial)+"-"+app, "")).want(w.t, 201))
}

// stored is a dossier as the store has it.
func (w *world) stored(id string) dossier.Dossier {
	w.t.Helper()
	c := must(code.ParseDossier(id))
	return must(w.a.files.ByCode(w.t.Context(), c))
}

// TestALifeOfADossierSeenOverTheInterfaceAlone: a public-service system files, reads,
// supplements and pays; people of the office work on it; the events tell each step
// once and in order, and nothing of it names the applicant.
func TestALifeOfADossierSeenOverTheInterfaceAlone(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key := w.key("cong-dvc", appkey.PublicService)
	found := in[ProcedureList](t, w.get(key, "/procedures?q=khai+sinh").want(t, 200)).Procedures
	if len(found) != 1 || len(found[0].Papers) != 2 || !found[0].Papers[1].Required || found[0].Fees[0].Amount != 8000 {
		t.Fatalf("%+v", found)
	}
	w.get(key, "/procedures/1.001193").want(t, 200)
	w.get(key, "/procedures/1.999999").want(t, 404)
	place := in[EventPage](t, w.get(key, "/events?after=end").want(t, 200)).Next
	paper := w.upload(key, "tờ khai.pdf", "%PDF-1.7 tờ khai")
	body := `{"procedure":"1.001193","applicant":{"kind":"citizen","name":"Nguyễn Văn An","number":"040090001234"},"files":[{"upload":"` + paper + `","paper":0}]}`
	filed := in[DossierActed](t, w.post(key, "/dossiers", body, "Idempotency-Key", "nop-1").want(t, 201))
	if filed.Status != 1 || !strings.HasPrefix(filed.Code, codeA) || len(filed.Word) != 11 {
		t.Fatalf("%+v", filed)
	}
	path := "/dossiers/" + filed.ID
	d := in[Dossier](t, w.get(key, path).want(t, 200))
	if d.Papers[0].Copies != 1 || d.Papers[1].Copies != 0 || len(d.Files) != 1 || d.Applicant.Number != "040090001234" || d.Channel != "online" {
		t.Fatalf("%+v", d)
	}
	if x := w.get(key, fmt.Sprintf("%s/files/%d", path, d.Files[0].ID)).want(t, 200); x.text != "%PDF-1.7 tờ khai" || x.Header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%s %q", x.Header.Get("Content-Type"), x.text)
	}
	id := must(w.a.files.ByCode(ctx, must(code.ParseDossier(filed.Code)))).ID
	must(w.a.files.AskSupplement(ctx, id, "Thiếu giấy chứng sinh", "NĐ 123/2015/NĐ-CP", desk, 0))
	d = in[Dossier](t, w.get(key, "/dossiers/"+filed.Code).want(t, 200))
	if last := d.History[len(d.History)-1]; d.Status != 5 || last.Kind != "supplement-asked" || last.Text != "Thiếu giấy chứng sinh" {
		t.Fatalf("%+v", d)
	}
	second := w.upload(key, "chung-sinh.jpg", "\xff\xd8\xff ảnh")
	more := `{"files":[{"upload":"` + second + `","paper":1}],"note":"Bổ sung"}`
	acted := in[DossierActed](t, w.post(key, path+"/supplement", more, "Idempotency-Key", "bs-1").want(t, 200))
	if again := w.post(key, path+"/supplement", more, "Idempotency-Key", "bs-1").want(t, 200); again.Header.Get("Idempotency-Replayed") != "true" || acted.Status != 1 {
		t.Errorf("%+v, again %v", acted, again.Header)
	}
	w.post(key, path+"/supplement", `{"note":"x"}`).want(t, 409)
	must(w.a.files.Accept(ctx, id, nil, desk, 0))
	must(w.a.files.AskPayment(ctx, id, "Nộp lệ phí", desk, 0))
	if p := in[DossierActed](t, w.post(key, path+"/payment", `{"fee":0,"receipt":"BL-1","online":true}`).want(t, 200)); p.Status != 2 || p.DueAt == nil {
		t.Errorf("%+v", p)
	}
	w.elapse(24 * time.Hour)
	must(w.a.files.Finish(ctx, id, dossier.Result{Name: "Giấy khai sinh", Number: "112/2026"}, []dossier.Upload{{Name: "khai-sinh.pdf", Media: "application/pdf", Body: strings.NewReader("%PDF-1.7 kết quả")}}, desk, 0))
	must(w.a.files.Return(ctx, id, "Nguyễn Văn An", desk, 0))
	d = in[Dossier](t, w.get(key, path).want(t, 200))
	if d.Status != 10 || d.Outcome != "early" || len(d.Results) != 1 || d.Fees[0].PaidAt == nil || d.Files[2].Role != "result" {
		t.Errorf("%+v", d)
	}
	w.told(key, place, filed.ID, []string{
		"dossier.filed filed 1", "dossier.status supplement-asked 5", "dossier.status supplemented 1", "dossier.accepted accepted 2", "dossier.status payment-asked 6",
		"dossier.status paid 2", "dossier.finished finished 9", "dossier.returned returned 10",
	})
	if _, err := audit.Verify(ctx, w.a.db); err != nil {
		t.Error(err)
	}
	got := w.audited("app:cong-dvc")
	for action, want := range map[string]int{"dossier.filed": 1, "dossier.open": 2, "content.read": 1, "dossier.supplemented": 1, "dossier.paid": 1} {
		if have := len(slices.DeleteFunc(slices.Clone(got), func(a string) bool { return a != action })); have != want {
			t.Errorf("%s stands %d times in the audit log, want %d: %v", action, have, want, got)
		}
	}
}

// told holds the events of a dossier to a list, whatever the length of the pages.
func (w *world) told(key, place, id string, want []string) {
	w.t.Helper()
	for _, limit := range []int{1, 3, 100} {
		var got []string
		after := place
		for {
			x := w.get(key, fmt.Sprintf("/events?limit=%d&after=%s", limit, after)).want(w.t, 200)
			if strings.Contains(x.text, "Nguyễn") || strings.Contains(x.text, "040090001234") {
				w.t.Errorf("an event names the applicant: %s", x.text)
			}
			page := in[EventPage](w.t, x)
			for _, e := range page.Events {
				if e.Dossier == nil || e.Dossier.ID != id || e.DocumentID != "" || e.At.IsZero() {
					w.t.Fatalf("%+v", e)
				}
				got = append(got, fmt.Sprintf("%s %s %d", e.Type, e.Dossier.Kind, e.Dossier.Status))
			}
			if len(page.Events) == 0 {
				break
			}
			after = page.Next
		}
		if !slices.Equal(got, want) {
			w.t.Errorf("by %d:\n%q, want\n%q", limit, got, want)
		}
	}
}

func TestP1_P2_ADossierIsFiledOnceForItsKeyAndItsReference(t *testing.T) {
	w := newWorld(t)
	key, other := w.key("cong-dvc", appkey.PublicService), w.key("dvc-khac", appkey.PublicService)
	w.post(key, "/dossiers", filingOf("", "")).want(t, 400) // neither
	upload := w.upload(key, "a.pdf", "%PDF-1.7 a")
	body := filingOf("DVC-1", `,"files":[{"upload":"`+upload+`","paper":0}]`)
	first := w.post(key, "/dossiers", body, "Idempotency-Key", "mot").want(t, 201)
	w.restart()
	if again := w.post(key, "/dossiers", body, "Idempotency-Key", "mot").want(t, 201); again.text != first.text || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("another answer: %s", again.text)
	}
	// The answer was lost, the uploads are used: the reference is enough.
	same := in[DossierActed](t, w.post(key, "/dossiers", body).want(t, 200))
	if same.ID != in[DossierActed](t, first).ID {
		t.Errorf("%+v", same)
	}
	w.post(key, "/dossiers", filingOf("DVC-1", `,"subject":"Khác"`), "Idempotency-Key", "mot").want(t, 422)
	if x := in[DossierActed](t, w.post(other, "/dossiers", filingOf("DVC-1", "")).want(t, 201)); x.ID == same.ID {
		t.Error("a reference of another application")
	}
	page := in[DossierPage](t, w.get(key, "/dossiers?reference=DVC-1").want(t, 200))
	if len(page.Dossiers) != 1 || page.Dossiers[0].Applicant != "Nguyễn V. A." {
		t.Errorf("%+v", page)
	}
}

// TestP1_AnActEndsItsUploadsAndKeepsItsAnswerOrDoesNothing: what is refused in the
// transaction leaves dossier, uploads and key as they were.
func TestP1_AnActEndsItsUploadsAndKeepsItsAnswerOrDoesNothing(t *testing.T) {
	w := newWorld(t)
	key := w.key("cong-dvc", appkey.PublicService)
	upload := w.upload(key, "a.pdf", "%PDF-1.7 a")
	run := func(statement string) {
		t.Helper()
		if err := w.a.db.Update(t.Context(), func(tx *sqlite.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TRIGGER cut BEFORE INSERT ON api_answers BEGIN SELECT RAISE(ABORT, 'power cut'); END`)
	body := filingOf("DVC-1", `,"files":[{"upload":"`+upload+`","paper":0}]`)
	w.post(key, "/dossiers", body, "Idempotency-Key", "mot").want(t, 500)
	run(`DROP TRIGGER cut`)
	w.restart()
	if list := in[DossierPage](t, w.get(key, "/dossiers")).Dossiers; len(list) != 0 {
		t.Fatalf("half a filing: %+v", list)
	}
	x := in[DossierActed](t, w.post(key, "/dossiers", body, "Idempotency-Key", "mot").want(t, 201))
	if !strings.HasSuffix(x.Code, "-0001") {
		t.Errorf("a number was used up: %s", x.Code)
	}
	w.get(key, "/uploads/"+upload).want(t, 404)
}

func TestApplicationsSeeTheDossiersThatTheyFiledAlone(t *testing.T) {
	w := newWorld(t)
	mine, foreign := w.file("cong-dvc"), w.file("dvc-khac")
	key := w.key("cong-dvc", appkey.PublicService)
	all := w.key("mot-cua", appkey.OneStop)
	for k, want := range map[string]int{key: 1, all: 2} {
		if got := len(in[DossierPage](t, w.get(k, "/dossiers").want(t, 200)).Dossiers); got != want {
			t.Errorf("%d dossiers, want %d", got, want)
		}
		if got := len(in[EventPage](t, w.get(k, "/events").want(t, 200)).Events); got != want {
			t.Errorf("%d events, want %d", got, want)
		}
	}
	for _, op := range w.server.ops {
		if !strings.Contains(op.path, "/dossiers/{id}") || op.scope == appkey.DossiersReport {
			continue
		}
		for id, hidden := range map[string]bool{foreign.ID: true, foreign.Code: true, mine.Code: false} {
			q := request{method: op.method, path: strings.NewReplacer("{id}", id, "{file}", "1").Replace(op.path), key: key}
			if op.method == "POST" {
				q.headers, q.body = map[string]string{"Content-Type": "application/json"}, strings.NewReader(`{}`)
			}
			x := w.call(q)
			if unseen := x.StatusCode == 404 && in[Problem](t, x).Code == "dossier.unknown"; unseen != hidden {
				t.Errorf("%s of %s: %d %s", op.id, id, x.StatusCode, x.text)
			}
		}
	}
	if x := w.get(w.key("cu", appkey.Document, appkey.EventsRead), "/events").want(t, 200); strings.Contains(x.text, "dossier") {
		t.Errorf("events of dossiers without the scope: %s", x.text)
	}
	id := w.stored(mine.Code).ID
	must(w.a.files.Note(t.Context(), id, "Hỏi lại công an xã", desk))
	if x := w.get(key, "/dossiers/"+mine.ID).want(t, 200); strings.Contains(x.text, "công an") {
		t.Error("a note of the office goes outside")
	}
	if x := w.get(all, "/dossiers/"+mine.ID).want(t, 200); !strings.Contains(x.text, "công an") {
		t.Error("who sees all does not see a note")
	}
}

func TestTheStatusIsLookedUpWithTheWordWithoutPersonalData(t *testing.T) {
	w := newWorld(t)
	x := w.file("cong-dvc")
	portal := w.key("cong-tt", appkey.Portal)
	ask := func(code, word string) exchange {
		return w.post(portal, "/dossiers/lookup", string(must(json.Marshal(map[string]string{"code": code, "word": word}))))
	}
	seen := ask(x.Code, strings.ToLower(x.Word)).want(t, 200)
	if s := in[PublicStatus](t, seen); s.Status != 1 || s.Procedure != birth.Name || strings.Contains(seen.text, "Nguyễn") {
		t.Errorf("%s", seen.text)
	}
	unknown := strings.Replace(x.Code, "-0001", "-0099", 1)
	wrong := ask(x.Code, "AAAAA-AAAAA").want(t, 404)
	for _, other := range []exchange{ask(unknown, x.Word).want(t, 404), ask("khong phai ma", x.Word).want(t, 404), ask("", "").want(t, 404)} {
		if other.text != wrong.text {
			t.Errorf("the answers differ: %s and %s", other.text, wrong.text)
		}
	}
	var often [2]string
	for i, code := range []string{x.Code, unknown} {
		for range dossier.MaxTries - 1 {
			ask(code, "AAAAA-AAAAA").want(t, 404)
		}
		busy := ask(code, x.Word).want(t, 429)
		if often[i] = busy.text; busy.Header.Get("Retry-After") == "" {
			t.Error("no time to come back")
		}
	}
	if often[0] != often[1] {
		t.Errorf("the answers differ: %s and %s", often[0], often[1])
	}
	w.elapse(dossier.TriesWithin)
	ask(x.Code, x.Word).want(t, 200)
	w.get(portal, "/dossiers/"+x.ID).want(t, 403)
}

// TestAOneStopSystemReportsInItsOwnWords, which lead over the acts between; unknown
// words are refused with those that are known.
func TestAOneStopSystemReportsInItsOwnWords(t *testing.T) {
	w := newWorld(t)
	key := w.key("opencps", appkey.OneStop)
	x := w.file("cong-dvc")
	path := "/dossiers/" + x.Code
	if p := in[Problem](t, w.post(key, path+"/state", `{"state":"processing"}`).want(t, 422)); p.Code != "api.no-states" {
		t.Errorf("%+v", p)
	}
	if _, err := w.apps.SetStates(t.Context(), "it", "opencps", must(code.OpenCPS().Encode())); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"state":"dang-lam"}`: "dossier-mapping.unknown", `{}`: "api.no-state", `{"status":11}`: "api.no-state", `{"state":"done","status":10}`: "api.state-twice",
	} {
		p := in[Problem](t, w.post(key, path+"/state", body).want(t, 422))
		if p.Code != want || want == "dossier-mapping.unknown" && !strings.Contains(p.Detail+p.Next, "cancelling") {
			t.Errorf("%s: %+v", body, p)
		}
	}
	report := func(body string) DossierActed {
		t.Helper()
		return in[DossierActed](t, w.post(key, path+"/state", body).want(t, 200))
	}
	w.elapse(2 * time.Hour)
	if d := report(`{"state":"processing","handler":"Phạm Nam","at":"2026-11-26T02:30:00Z"}`); d.Status != 4 || d.State != "processing" || d.DueAt == nil {
		t.Fatalf("%+v", d)
	}
	stored := w.stored(x.Code)
	if !stored.Accepted.Equal(time.Date(2026, 11, 26, 2, 30, 0, 0, time.UTC)) || stored.Handler != "Phạm Nam" {
		t.Errorf("accepted %v, handled by %s", stored.Accepted, stored.Handler)
	}
	version := stored.Version
	if d := report(`{"state":"Processing"}`); d.Status != 4 || w.stored(x.Code).Version != version {
		t.Error("the same again changes something")
	}
	if p := in[Problem](t, w.post(key, path+"/state", `{"state":"waiting","reason":"Thiếu","at":"2026-11-26T02:10:00Z"}`).want(t, 409)); p.Code != "dossier.told-late" {
		t.Errorf("%+v", p)
	}
	w.post(key, path+"/state", `{"state":"waiting"}`).want(t, 422) // no reason
	report(`{"state":"waiting","reason":"Thiếu giấy ủy quyền"}`)
	report(`{"state":"processing","reason":"Đã nộp"}`)
	report(`{"state":"cancelling","reason":"Xin rút"}`)
	report(`{"state":"processing","reason":"Không cho rút"}`)
	w.post(key, path+"/state", `{"state":"new"}`).want(t, 409)
	w.post(key, path+"/state", `{"state":"denied","reason":"x"}`).want(t, 409)
	result := w.upload(key, "ket-qua.pdf", "%PDF-1.7 kq")
	done := `{"state":"done","reason":"Nguyễn Văn An","by":"Phạm Nam","result":{"name":"Giấy khai sinh","number":"1/2026","date":"2026-11-26"},"files":[{"upload":"` + result + `"}]}`
	first := w.post(key, path+"/state", done, "Idempotency-Key", "xong").want(t, 200)
	w.restart()
	if again := w.post(key, path+"/state", done, "Idempotency-Key", "xong").want(t, 200); again.text != first.text || again.Header.Get("Idempotency-Replayed") == "" {
		t.Errorf("%s", again.text)
	}
	d := in[Dossier](t, w.get(key, path).want(t, 200))
	if d.State != "done" || d.Status != 10 || len(d.Results) != 1 || d.Files[len(d.Files)-1].Role != "result" {
		t.Errorf("%+v", d)
	}
	page := in[DossierPage](t, w.get(key, "/dossiers?state=done&status=9").want(t, 200))
	if len(page.Dossiers) != 1 || page.Dossiers[0].State != "done" {
		t.Errorf("%+v", page)
	}
	w.get(key, "/dossiers?state=khong-co").want(t, 422)
	if e := in[EventPage](t, w.get(key, "/events")).Events; e[len(e)-1].Dossier.State != "done" {
		t.Errorf("%+v", e[len(e)-1].Dossier)
	}
}

// TestReportsLeadFromEachStatusToEach that the office may bring about, and say of the
// others that there is no way.
func TestReportsLeadFromEachStatusToEach(t *testing.T) {
	w := newWorld(t)
	key := w.key("mot-cua", appkey.OneStop)
	ways := map[int][]int{ // to which statuses a dossier goes on from one
		1: {2, 3, 4, 5, 6, 7, 9, 10}, 2: {4, 5, 6, 7, 8, 9, 10}, 4: {5, 6, 7, 8, 9, 10}, 5: {2, 4, 7, 8, 9, 10}, 6: {2, 4, 7, 8, 9, 10}, 7: {2, 4, 8, 9, 10}, 9: {4, 10},
		3: {}, 8: {}, 10: {},
	}
	before := map[int][]int{1: nil, 2: {2}, 3: {3}, 4: {4}, 5: {2, 5}, 6: {2, 6}, 7: {2, 7}, 8: {2, 8}, 9: {9}, 10: {10}}
	for from, on := range ways {
		for to := 1; to <= 10; to++ {
			if to == from {
				continue
			}
			x := w.file(fmt.Sprintf("dvc-%d-%d", from, to))
			report := func(status int) exchange {
				return w.post(key, "/dossiers/"+x.ID+"/state", fmt.Sprintf(`{"status":%d,"reason":"Lý do","receipt":"BL"}`, status))
			}
			for _, status := range before[from] {
				report(status).want(t, 200)
			}
			got := report(to)
			if ok := slices.Contains(on, to); ok != (got.StatusCode == 200) || !ok && got.StatusCode != 409 {
				t.Errorf("from %d to %d: %d %s", from, to, got.StatusCode, got.text)
			}
		}
	}
}

// TestADocumentIsDraftedForADossier, with which it is saved and linked in one.
func TestADocumentIsDraftedForADossier(t *testing.T) {
	w := newWorld(t)
	x := w.file("cong-dvc")
	foreign := w.key("dvc-khac", appkey.PublicService)
	key := w.key("edocman", appkey.Document)
	send := func(key, once, dossier string) exchange {
		return w.sendForm(key, once, `{"to":["`+codeB+`"],"subject":"Quyết định","dossier":"`+dossier+`"}`, "a.pdf", "%PDF-1.7 "+once)
	}
	saved := in[Saved](t, send(key, "1", x.Code).want(t, 201))
	send(key, "1", x.Code).want(t, 201)
	d := in[Dossier](t, w.get(key, "/dossiers/"+x.ID).want(t, 200))
	if len(d.Documents) != 1 || d.Documents[0].ID != saved.ID || d.Documents[0].Symbol != "01/UBND" || len(d.Results) != 0 {
		t.Errorf("%+v", d.Documents)
	}
	for once, c := range map[string]struct {
		key, dossier string
		status       int
	}{"2": {key, "x", 422}, "3": {key, "01934b7e-2a51-7c3e-9b0e-6a1f0c2d4e00", 422}, "4": {foreign, x.Code, 422}, "5": {w.key("chi-gui", appkey.Document, appkey.DocumentsSend), x.Code, 403}} {
		send(c.key, once, c.dossier).want(t, c.status)
	}
	if got := in[DocumentPage](t, w.get(key, "/documents?box=out").want(t, 200)).Documents; len(got) != 1 {
		t.Errorf("%d documents", len(got))
	}
	e := in[EventPage](t, w.get(key, "/events").want(t, 200)).Events
	var types []string
	for _, one := range e {
		types = append(types, string(cmp.Or(one.Type, "?")))
	}
	if got := strings.Join(types, " "); got != "dossier.filed document.saved dossier.linked" {
		t.Errorf("%s", got)
	}
}

func TestDossiersAreListedByCursorAndChangedAsTheyWereSeen(t *testing.T) {
	w := newWorld(t)
	key := w.key("mot-cua", appkey.OneStop)
	var filed []string
	for i := range 5 {
		filed = append(filed, w.file(fmt.Sprintf("dvc-%d", i)).Code)
	}
	var got []string
	next := ""
	for {
		page := in[DossierPage](t, w.get(key, "/dossiers?limit=2&status=1&status=2"+next).want(t, 200))
		for _, d := range page.Dossiers {
			got = append(got, d.Code)
		}
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
		w.post(key, "/dossiers/"+got[0]+"/state", `{"status":2}`).want(t, 200) // keeps its place
	}
	slices.Reverse(filed)
	if !slices.Equal(got, filed) {
		t.Errorf("%v, want %v", got, filed)
	}
	w.get(key, "/dossiers?limit=2"+next).want(t, 400)
	x := w.get(key, "/dossiers/"+got[1]).want(t, 200)
	tag := x.Header.Get("ETag")
	w.call(request{method: http.MethodGet, path: "/dossiers/" + got[1], key: key, headers: map[string]string{"If-None-Match": tag}}).want(t, 304)
	w.post(key, "/dossiers/"+got[1]+"/state", `{"status":2}`, "If-Match", tag).want(t, 200)
	w.post(key, "/dossiers/"+got[1]+"/state", `{"status":4}`, "If-Match", tag).want(t, 412)
	if _, err := w.a.files.Get(t.Context(), storage.ID{1}); err == nil {
		t.Error("a dossier that there is not")
	}
	must(w.a.files.Stop(t.Context(), w.stored(got[1]).ID, "Dừng", "", boss, 0))
	if d := in[Dossier](t, w.get(key, "/dossiers/"+got[1])); d.Status != 8 {
		t.Errorf("%+v", d.Standing)
	}
}
