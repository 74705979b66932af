package web

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// newest is the last entry of the audit log.
func (b *box) newest() audit.Row {
	b.t.Helper()
	rows, err := audit.Find(b.t.Context(), b.db, audit.Filter{}, 1)
	if err != nil || len(rows) == 0 {
		b.t.Fatalf("newest audit entry: %v, %v", rows, err)
	}
	return rows[0]
}

// TestEachAdministrationActionIsWrittenDownByName does each change as the IT
// officer and looks who stands for it in the audit log.
func TestEachAdministrationActionIsWrittenDownByName(t *testing.T) {
	b := start(t, false, fixed)
	it := b.as("it")
	edocman := connectorPath("edocman")
	for _, tt := range []struct {
		name, path string
		form       url.Values
		to         string // where it leads
		action     string // in the audit log; "" for what the fakes note
	}{
		{"add a connector", connectorsPath, url.Values{"kind": {"thu"}, "name": {"edocman"}}, edocman + "?xong=ket-noi-them", "connector.add"},
		{"pause", edocman, url.Values{"viec": {"tam-dung"}}, edocman + "?xong=ket-noi-tam-dung", "connector.pause"},
		{"resume", edocman, url.Values{"viec": {"tiep-tuc"}}, edocman + "?xong=ket-noi-tiep-tuc", "connector.resume"},
		{"replay", edocman, url.Values{"viec": {"phat-lai"}, "letter": {"0"}}, edocman + "?xong=ket-noi-phat-lai", "connector.replay"},
		{"drop", edocman, url.Values{"viec": {"bo"}, "letter": {"0"}}, edocman + "?xong=ket-noi-bo", "connector.drop"},
		{"remove", edocman, url.Values{"viec": {"xoa"}, "sure": {"1"}}, connectorsPath + "?xong=ket-noi-xoa", "connector.remove"},
		{"create an application", appsPath, url.Values{"kind": {"portal"}, "name": {"cong"}}, appsPath + "?xong=ung-dung-them&khoa=", "app.created"},
		{"rotate", appsPath + "/cong", url.Values{"viec": {"doi-khoa"}, "sure": {"1"}}, appsPath + "?xong=ung-dung-doi-khoa&khoa=", "app.rotated"},
		{"create a table of words", statesPath("cong"), url.Values{"viec": {"tao"}, "system": {"ABC"}, "begin": {"opencps"}}, statesPath("cong") + "?xong=tu-tao", "app.states"},
		{"add a word", statesPath("cong"), url.Values{"viec": {"doc"}, "word": {"chờ"}, "status": {"5"}}, statesPath("cong") + "?xong=tu-doc", "app.states"},
		{"change it", statesPath("cong"), url.Values{"viec": {"doc"}, "was": {"CHỜ"}, "word": {"chờ nộp"}, "status": {"6"}}, statesPath("cong") + "?xong=tu-doc", "app.states"},
		{"remove it", statesPath("cong"), url.Values{"viec": {"xoa"}, "was": {"chờ nộp"}}, statesPath("cong") + "?xong=tu-xoa", "app.states"},
		{"say a status", statesPath("cong"), url.Values{"viec": {"noi"}, "word": {"xong"}, "status": {"9"}}, statesPath("cong") + "?xong=tu-noi", "app.states"},
		{"say it no more", statesPath("cong"), url.Values{"viec": {"noi"}, "word": {""}, "status": {"9"}}, statesPath("cong") + "?xong=tu-noi", "app.states"},
		{"rename the system", statesPath("cong"), url.Values{"viec": {"doi-ten"}, "system": {"ABC 2"}}, statesPath("cong") + "?xong=tu-doi-ten", "app.states"},
		{"remove the table", statesPath("cong"), url.Values{"viec": {"bo"}, "sure": {"1"}}, appsPath + "?xong=tu-bo", "app.states"},
		{"revoke", appsPath + "/cong", url.Values{"viec": {"thu-hoi"}, "sure": {"1"}}, appsPath + "?xong=ung-dung-thu-hoi", "app.revoked"},
		{"use a seal", sealsPath + "/chu-tich", url.Values{"viec": {"dung"}, "actions": {"copy", "what"}}, sealsPath + "?xong=con-dau-dung", ""},
		{"unlock a seal", sealsPath + "/chu-tich", url.Values{"viec": {"mo"}, "pin": {"2468"}}, sealsPath + "?xong=con-dau-mo", ""},
		{"discard a message", asidePath + "/4", url.Values{"viec": {"bo"}}, asidePath + "?xong=tin-bo", ""},
	} {
		res, body := it.post(tt.path, tt.form)
		if got := res.Header.Get("Location"); res.StatusCode != 303 || !strings.HasPrefix(got, tt.to) {
			t.Fatalf("%s gave %d to %q: %s", tt.name, res.StatusCode, got, body)
		}
		if tt.action == "" {
			continue
		}
		if e := b.newest(); e.Actor != "it" || e.Action != tt.action {
			t.Errorf("%s stands in the log as %s by %q", tt.name, e.Action, e.Actor)
		}
		if _, body := it.get(res.Header.Get("Location")); !strings.Contains(body, `class="done"`) {
			t.Errorf("%s: the page does not say that it is done", tt.name)
		}
	}
	if got := b.admin.sealsFake.did; !slices.Equal(got, []string{"it use chu-tich", "it unlock chu-tich"}) || b.admin.pin != "2468" {
		t.Errorf("of the seals: %q", got)
	}
	if got := b.admin.aside.did; !slices.Equal(got, []string{"it discard 4"}) {
		t.Errorf("of the messages: %q", got)
	}
}

func TestWhatIsWrongOnAdministrationPagesIsSaid(t *testing.T) {
	b := start(t, false, fixed)
	it := b.as("it")
	it.post(connectorsPath, url.Values{"kind": {"thu"}, "name": {"edocman"}})
	it.post(appsPath, url.Values{"kind": {"portal"}, "name": {"cong"}})
	it.post(appsPath, url.Values{"kind": {"onestop"}, "name": {"mot-cua"}})
	it.post(statesPath("mot-cua"), url.Values{"viec": {"tao"}, "system": {"OpenCPS"}, "begin": {"opencps"}})
	for _, tt := range []struct {
		path   string
		form   url.Values
		status int
		words  []string
	}{
		{connectorsPath, url.Values{"kind": {"hotfolder"}, "name": {"X Y"}, "s-dir": {"kho"}, "secret": {"bimat-99"}}, 422, []string{"Tên kết nối", `value="kho"`, `href="#name"`, "Lỗi:"}},
		{connectorsPath, url.Values{"kind": {"hotfolder"}, "name": {"kho"}, "s-dir": {"kho"}, "s-keep": {"bảy"}, "secret": {"bimat-99"}}, 422, []string{"keep", `href="#s-keep"`, `value="bảy"`}},
		{connectorsPath, url.Values{"kind": {"webhook"}, "name": {"kho"}, "s-url": {"https://x.vn"}}, 422, []string{"cần một bí mật", `href="#secret"`}},
		{connectorsPath, url.Values{"kind": {"thu"}, "name": {"edocman"}}, 409, []string{"Đã có kết nối"}},
		{connectorsPath, url.Values{"kind": {"ma"}}, 404, nil},
		{connectorPath("edocman"), url.Values{"viec": {"thu"}}, 500, []string{"Gửi thử không được", "no route to host"}},
		{connectorPath("edocman"), url.Values{"viec": {"xoa"}}, 422, []string{"ô xác nhận", `href="#sure"`}},
		{connectorPath("edocman"), url.Values{"viec": {"bo"}, "letter": {"x"}}, 422, nil},
		{connectorPath("edocman"), url.Values{"viec": {"bo"}, "letter": {"77"}}, 404, []string{"77"}},
		{connectorPath("khac"), url.Values{"viec": {"tam-dung"}}, 404, []string{"khac"}},
		{sealsPath + "/chu-tich", url.Values{"viec": {"mo"}, "pin": {"1357"}}, 409, []string{`href="#chu-tich-pin"`}},
		{sealsPath + "/chu-tich", url.Values{"viec": {"mo"}}, 422, []string{`href="#chu-tich-pin"`}},
		{sealsPath + "/sao", url.Values{"viec": {"thu"}}, 409, []string{"sao.csr"}},
		{sealsPath + "/khac", url.Values{"viec": {"dung"}}, 404, []string{"khac"}},
		{appsPath, url.Values{"kind": {"portal"}, "name": {"Đ"}, "rate": {"nhiều"}}, 422, []string{"nhiều", `value="Đ"`}},
		{appsPath, url.Values{"kind": {"portal"}, "name": {"cong"}}, 409, []string{"cong"}},
		{appsPath + "/cong", url.Values{"viec": {"thu-hoi"}}, 422, []string{"ô xác nhận"}},
		{statesPath("mot-cua"), url.Values{"viec": {"tao"}, "system": {"ABC"}}, 409, []string{"đã có bảng từ"}},
		{statesPath("mot-cua"), url.Values{"viec": {"doc"}, "word": {" "}, "status": {"11"}}, 422, []string{`href="#word"`, `href="#status"`, `id="word-err"`}},
		{statesPath("mot-cua"), url.Values{"viec": {"doc"}, "word": {" WAITING "}, "status": {"6"}}, 409, []string{"“WAITING” đã có", "Yêu cầu bổ sung", `href="#word"`, `value=" WAITING "`, `<option value="6" selected>`}},
		{statesPath("mot-cua"), url.Values{"viec": {"doc"}, "was": {"done"}, "word": {"new"}, "status": {"10"}}, 409, []string{"“new” đã có", `name="was" value="done"`, "Sửa từ “done”"}},
		{statesPath("mot-cua"), url.Values{"viec": {"doc"}, "was": {"gone"}, "word": {"gone2"}, "status": {"10"}}, 409, []string{"không còn trong bảng", `value="gone2"`}},
		{statesPath("mot-cua"), url.Values{"viec": {"xoa"}, "was": {"gone"}}, 409, []string{"không còn trong bảng"}},
		{statesPath("mot-cua"), url.Values{"viec": {"noi"}, "word": {"x"}, "status": {""}}, 422, []string{`href="#say-status"`, `value="x"`}},
		{statesPath("mot-cua"), url.Values{"viec": {"noi"}, "word": {strings.Repeat("x", 201)}, "status": {"5"}}, 422, []string{`href="#say-word"`, "200 byte"}},
		{statesPath("mot-cua"), url.Values{"viec": {"doi-ten"}, "system": {" "}}, 422, []string{`href="#system"`}},
		{statesPath("mot-cua"), url.Values{"viec": {"bo"}}, 422, []string{"ô xác nhận", `href="#sure"`}},
		{statesPath("mot-cua"), url.Values{"viec": {"khac"}}, 404, nil},
		{statesPath("cong"), url.Values{"viec": {"noi"}, "word": {"x"}, "status": {"5"}}, 409, []string{"không còn bảng từ"}},
		{statesPath("cong"), url.Values{"viec": {"tao"}, "system": {""}, "begin": {"opencps"}}, 422, []string{`href="#system"`, `<option value="opencps" selected>`}},
		{statesPath("khac"), url.Values{"viec": {"tao"}, "system": {"ABC"}}, 404, []string{"khac"}},
		{appsPath + "/khac", url.Values{"viec": {"thu-hoi"}, "sure": {"1"}}, 404, []string{"khac"}},
		{asidePath + "/4", url.Values{"viec": {"nhan-lai"}}, 409, []string{"Vẫn không nhận được"}},
		{asidePath + "/4", url.Values{"viec": {"gi-do"}}, 404, nil},
	} {
		res, body := it.post(tt.path, tt.form)
		if res.StatusCode != tt.status {
			t.Errorf("%s %v gave %d, want %d", tt.path, tt.form, res.StatusCode, tt.status)
		}
		for _, word := range tt.words {
			if !strings.Contains(body, word) {
				t.Errorf("%s %v does not say %q", tt.path, tt.form, word)
			}
		}
		for _, secret := range []string{"bimat-99", "1357"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s %v gives back the secret %s", tt.path, tt.form, secret)
			}
		}
		checkMarkup(t, tt.path, body)
	}
}

func TestAKeyIsShownOnceAndToNobodyElse(t *testing.T) {
	b := start(t, false, fixed)
	it := b.as("it")
	res, _ := it.post(appsPath, url.Values{"kind": {"portal"}, "name": {"cong"}})
	where := res.Header.Get("Location")
	if _, body := b.as("lan").get(where); strings.Contains(body, `class="once"`) {
		t.Error("a clerk sees the key")
	}
	_, body := it.get(where)
	if !strings.Contains(body, `class="once"`) {
		t.Fatalf("the key is not shown: %s", body)
	}
	if _, again := it.get(where); strings.Contains(again, `class="once"`) {
		t.Error("the key is shown again")
	}
}

func TestAdministrationShowsNoContentAndNoSecret(t *testing.T) {
	b := start(t, false, fixed)
	busyAdmin(t, b)
	it := b.as("it")
	for name, path := range adminTour {
		_, body := it.get(path)
		checkMarkup(t, name, body)
		for _, word := range []string{"<iframe", "/tep/", "/goi\"", "whsec_", "/tiep-nhan"} {
			if strings.Contains(body, word) {
				t.Errorf("%s holds %q", path, word)
			}
		}
	}
}

func TestEachConditionSaysWhatMendsIt(t *testing.T) {
	seen := 0
	for _, key := range i18n.Keys() {
		if code, ok := strings.CutPrefix(key, "health."); ok && !strings.HasPrefix(code, "hub-") { // those are the hub's own
			seen++
			if !i18n.Has("admin.fix." + code) {
				t.Errorf("the catalogue lacks admin.fix.%s", code)
			}
		}
	}
	if seen < 30 {
		t.Errorf("%d conditions found", seen)
	}
	b := start(t, false, fixed)
	b.admin.status.Conditions = []health.Condition{health.Log(17)}
	_, body := b.as("it").get(adminPath)
	for _, word := range []string{"Có 1 việc cần xem", "mục 17", "Giữ nguyên đĩa", "từ 08:32", `href="` + logPath + `"`} {
		if !strings.Contains(body, word) {
			t.Errorf("the overview does not say %q", word)
		}
	}
}

// appendLog writes entries into the audit log.
func (b *box) appendLog(entries ...audit.Entry) {
	b.t.Helper()
	err := b.db.Update(b.t.Context(), func(tx *sqlite.Tx) error {
		for _, e := range entries {
			if err := audit.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestTheAuditLogIsFilteredCheckedAndExported(t *testing.T) {
	b := start(t, false, fixed)
	it := b.as("it")
	id := b.docs["normal"].ID.String()
	b.appendLog(audit.Entry{At: noon, Actor: "lan", Action: "document.accept", Subject: id, Detail: map[string]string{"reason": `=HYPERLINK("http://x")`}},
		audit.Entry{At: noon.AddDate(0, 0, -3), Actor: "@sum", Action: "user.created", Subject: "+84"})
	for range logRows {
		b.appendLog(audit.Entry{At: noon, Actor: "app:x", Action: "app.calls"})
	}
	for query, want := range map[string]int{
		"": logRows, "?actor=lan": 1, "?action=user": 1, "?action=app.calls": logRows, "?subject=" + url.QueryEscape(b.url+"/van-ban-den/"+id): 1,
		"?from=1/1/26&until=18-11-2026": 1, "?from=191126": logRows, "?truoc=3": 2, "?actor=ai-do": 0,
	} {
		_, body := it.get(logPath + query)
		if got := strings.Count(body, "<tr role=\"row\" data-row>"); got != want {
			t.Errorf("%q shows %d entries, want %d", query, got, want)
		}
	}
	if _, body := it.get(logPath); !strings.Contains(body, "truoc=3") {
		t.Error("no way to older entries")
	}
	if res, body := it.get(logPath + "?from=mai"); res.StatusCode != 422 || !strings.Contains(body, `href="#from"`) {
		t.Errorf("a date that is none gave %d", res.StatusCode)
	}

	res, body := it.get(logPath + "/xuat?dang=csv&until=18/11/2026")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][2] != "'@sum" || rows[1][4] != "'+84" || !strings.Contains(res.Header.Get("Content-Disposition"), ".csv") {
		t.Errorf("CSV: %v, %v", rows, err)
	}
	_, body = it.get(logPath + "/xuat?dang=jsonl")
	dec, n := json.NewDecoder(strings.NewReader(body)), 0
	for ; dec.More(); n++ {
		var e struct {
			Seq  int    `json:"seq"`
			Hash string `json:"hash"`
		}
		if err := dec.Decode(&e); err != nil || e.Seq != logRows+2-n || len(e.Hash) != 64 {
			t.Fatalf("line %d: %+v, %v", n, e, err)
		}
	}
	if n != logRows+2 {
		t.Errorf("%d lines", n)
	}

	it.post(logPath, nil)
	if _, body := it.get(logPath); !strings.Contains(body, "Chuỗi nguyên vẹn: đã kiểm 52 mục lúc 10:32") {
		t.Error("the page does not say that the chain is whole")
	}
	if err := b.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE audit SET actor = 'x' WHERE seq = 17`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	it.post(logPath, nil)
	if _, body := it.get(logPath); !strings.Contains(body, "Chuỗi bị đứt ở mục 17") {
		t.Error("a changed entry is not shown")
	}
}

func TestNoFormulaReachesASpreadsheet(t *testing.T) {
	for text, want := range map[string]string{"": "", "lan": "lan", "=1+1": "'=1+1", "+84": "'+84", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "\r=1": "'\r=1", "a=1": "a=1"} {
		if got := noFormula(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestHelpIsForEverybody(t *testing.T) {
	b := start(t, false, fixed)
	b.site.Config.Support = "Nguyễn Văn Bình – 0912 345 678"
	for _, name := range []string{"", "lan", "it", "leader", "staff", "onestop"} {
		v := b.visitor()
		if name != "" {
			v = b.as(name)
		}
		res, body := v.get(helpPath)
		if res.StatusCode != 200 || !strings.Contains(body, "0912 345 678") || !strings.Contains(body, `id="phim"`) {
			t.Errorf("help for %q gave %d", name, res.StatusCode)
		}
		if strings.Contains(body, "Thiết bị đang:") != (name != "") || strings.Contains(body, supportPath) != (name != "") {
			t.Errorf("help for %q shows too much or too little", name)
		}
		if res, body := v.get(helpPath + "/huong-dan"); res.StatusCode != 200 || strings.Count(body, "<ol>") != len(guideSteps) {
			t.Errorf("the guide for %q gave %d", name, res.StatusCode)
		}
	}
	b.admin.status.State = "pending"
	if _, body := b.as("lan").get(helpPath); !strings.Contains(body, "chưa đăng ký – vẫn làm việc được") {
		t.Error("help does not say that the box is not enrolled")
	}
}

func TestKeysOfSingleLettersAreSwitchedOffForABrowser(t *testing.T) {
	b := start(t, false, fixed)
	v := b.visitor()
	if _, body := v.get(helpPath); strings.Contains(body, "data-nokeys") {
		t.Error("they are off to begin with")
	}
	for value, off := range map[string]bool{"tat": true, "bat": false} {
		if res, _ := v.post(helpPath+"/phim", url.Values{"phim": {value}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("the switch gave %d", res.StatusCode)
		}
		if _, body := v.get(helpPath); strings.Contains(body, "data-nokeys") != off {
			t.Errorf("after %q off is not %v", value, off)
		}
	}
}

func TestTheSupportArchiveIsWhatItsPreviewSays(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	_, preview := v.get(supportPath)
	res, body := v.post(supportPath, nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("the archive gave %d", res.StatusCode)
	}
	z, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil || len(z.File) < 8 {
		t.Fatalf("the archive: %v, %v", z, err)
	}
	for _, f := range z.File {
		if !strings.Contains(preview, ">"+f.Name+"<") {
			t.Errorf("the preview does not name %s", f.Name)
		}
	}
}
