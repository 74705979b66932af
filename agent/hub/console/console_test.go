package console_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/fleet"
	"tram/agent/web/page"
	"tram/agent/web/page/pagetest"
	"tram/storage/audit"
)

// tour is every screen of a seeded province.
var tour = map[string]string{
	"overview": "/tinh-hinh", "devices": "/thiet-bi", "devices-look": "/thiet-bi?trang-thai=can-xem&xep=state", "devices-none": "/thiet-bi?tu=khong-co",
	"devices-narrow": "/thiet-bi?cum=H40.1&chung-thu=30", "device-well": "/thiet-bi/mot/H40.1.04", "device-repair": "/thiet-bi/mot/H40.1.03",
	"device-silent": "/thiet-bi/mot/H40.2.04", "device-paused": "/thiet-bi/mot/H40.3.02", "device-new": "/thiet-bi/mot/H40.1.11",
	"invites": "/moi", "invites-expired": "/moi?trang-thai=expired", "batch": "/moi/dot?ten=2026-11-A", "invite-form": "/moi/them",
	"waiting": "/phong-cho", "certificates": "/chung-thu", "offices": "/don-vi", "offices-found": "/don-vi?tu=phu+3", "office": "/don-vi/mot/H40.2.03", "office-form": "/don-vi/them",
	"urgent": "/van-ban-khan", "incidents": "/su-co", "incidents-all": "/su-co?loc=tat-ca", "report": "/bao-cao",
	"people": "/nguoi-dung", "person": "/nguoi-dung/mot/ky", "orders": "/lenh", "updates": "/cap-nhat", "update-held": "/cap-nhat/mot/1.5.0?xem=failed",
	"dossiers": "/mot-cua", "dossiers-one": "/mot-cua?don-vi=H40.1.00", "dossiers-none": "/mot-cua?thang=2020-01", "account": "/tai-khoan", "no-page": "/khong-co",
}

func TestEveryScreenIsCleanInBothLanguages(t *testing.T) {
	w := seeded(t)
	w.releases(t.Context())
	w.day(t.Context())
	w.orders(t.Context())
	for _, name := range []string{"op", "sec"} {
		p := w.as(name)
		for _, lang := range []string{"vi", "en"} {
			p.post("/ngon-ngu", url.Values{"lang": {lang}})
			for screen, path := range tour {
				if screen == "office-form" && name != "op" {
					continue
				}
				res, body := p.get(path)
				what := screen + " in " + lang + " for " + name
				if want := map[bool]int{true: 404, false: 200}[screen == "no-page"]; res.StatusCode != want {
					t.Errorf("%s gave %d", what, res.StatusCode)
				}
				if all, right := strings.Count(body, `name="ma" value="`), strings.Count(body, `name="ma" value="`+p.token()+`"`); all == 0 || right != all {
					t.Errorf("%s: %d of %d forms carry the token", what, right, all)
				}
				if !strings.Contains(body, `<html lang="`+lang+`">`) {
					t.Errorf("%s is in another language", what)
				}
				pagetest.Markup(t, what, body)
				if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
					t.Errorf("%s has the policy %q", what, csp)
				}
			}
		}
	}
}

func TestFiguresLeadToTheListsOfWhatTheyCount(t *testing.T) {
	w := seeded(t)
	p := w.as("op")
	_, body := p.get("/tinh-hinh")
	for _, want := range []string{
		"tính đến ", `href="/thiet-bi?trang-thai=needs-repair"`, `href="/thiet-bi?trang-thai=out-of-contact"`, `href="/thiet-bi?chung-thu=30"`, `href="/phong-cho"`,
		`href="/moi?trang-thai=open"`, `href="/thiet-bi?cum=H40.2"`, "Cụm Kỳ Sơn", "12 thiết bị, ", "Thẻ mời này đã được một thiết bị khác dùng",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
	if _, list := p.get("/thiet-bi?trang-thai=out-of-contact"); strings.Count(list, "<tr role=\"row\" data-row") != strings.Count(list, `<span class="tag grey">Mất liên lạc</span>`) || !strings.Contains(list, "H40.2.04") {
		t.Error("the list of those out of contact holds others, or not these")
	}
}

func TestNothingYetShowsThreeStepsWithTheirCommands(t *testing.T) {
	w := empty(t)
	_, body := w.as("op").get("/tinh-hinh")
	for _, want := range []string{"Chưa có thiết bị nào", "tram-hub invite create --csv danh-sach-xa.csv --out moi", "tram enroll moi", "code,name,parent,kind"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestListsOfBoxesComeInPagesAndAsCSV(t *testing.T) {
	w := seeded(t)
	var members []fleet.Member
	for i := range 230 {
		code := "H40.2." + strings.Repeat("0", 3-len(itoa(i))) + itoa(i)
		members = append(members, fleet.Member{Code: code, Name: "=cmd " + itoa(i), Parent: "H40.2", Kind: "xa", Enrolled: true})
	}
	must(t, w.hub.Fleet().Roster(t.Context(), members))
	p := w.as("op")
	rows, next, pages := 0, "/thiet-bi?xep=-name", 0
	for next != "" {
		_, body := p.get(next)
		rows += strings.Count(body, "data-row")
		next = ""
		if _, rest, ok := strings.Cut(body, `<a rel="next" href="`); ok {
			link, _, _ := strings.Cut(rest, `"`)
			next = strings.ReplaceAll(link, "&amp;", "&")
		}
		pages++
	}
	if rows != 230 || pages != 3 {
		t.Errorf("%d boxes on %d pages", rows, pages)
	}
	res, body := p.get("/thiet-bi/xuat?tu=229")
	table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(table) != 2 || table[1][0] != "H40.2.229" || table[1][1] != "'=cmd 229" || !strings.Contains(res.Header.Get("Content-Disposition"), ".csv") {
		t.Errorf("CSV: %q, %v", table, err)
	}
	if res, _ := p.get("/thiet-bi?sau=xx"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a place that is none gave %d", res.StatusCode)
	}
}

func itoa(n int) string {
	return strings.TrimLeft(string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)}), "0")
}

// actions are the actions of the audit log by who did them.
func (w *world) actions(action string) (list []audit.Row) {
	w.t.Helper()
	list, err := audit.Find(w.t.Context(), w.db, audit.Filter{Action: action}, 1000)
	must(w.t, err)
	return list
}

func TestABoxIsRevokedAndInvitedAgainBySecurity(t *testing.T) {
	w := seeded(t)
	p := w.as("sec")
	one := "/thiet-bi/mot/H40.1.00"
	res, body := p.post(one+"/thu-hoi", nil)
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Chọn lý do thu hồi") || !strings.Contains(body, `href="#reason"`) {
		t.Errorf("revoking without a reason: %d", res.StatusCode)
	}
	if res, body = p.post(one+"/thu-hoi", url.Values{"reason": {"lost"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "đánh dấu ô xác nhận") {
		t.Errorf("revoking without being sure: %d", res.StatusCode)
	}
	if res, _ = p.post(one+"/moi-lai", nil); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("replacing without being sure: %d", res.StatusCode)
	}
	if res, _ = p.post(one+"/moi-lai", url.Values{"replace": {"1"}}); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/moi/dot?ten=H40.1.00") {
		t.Fatalf("replacing: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	revoked := w.actions("certificate.revoked")
	if len(revoked) == 0 || revoked[0].Actor != "sec" || revoked[0].Subject != "H40.1.00" || revoked[0].Detail["reason"] != "replaced" {
		t.Errorf("the audit log says %+v", revoked)
	}
	if _, body := p.get(res.Header.Get("Location")); !strings.Contains(body, "Đã làm thẻ mời") || !strings.Contains(body, "UBND xã Mường 0") {
		t.Error("the new invite is not shown")
	}
	if res, _ = p.post(one+"/tam-dung", url.Values{"viec": {"tam-dung"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("pausing: %d", res.StatusCode)
	}
	if r, err := w.hub.Fleet().Get(t.Context(), "H40.1.00"); err != nil || r.Paused.IsZero() {
		t.Errorf("not paused: %v", err)
	}
	if res, _ = p.post(one+"/quen", nil); res.StatusCode != http.StatusSeeOther || len(w.actions("box.released")) != 1 {
		t.Errorf("releasing: %d", res.StatusCode)
	}
}

func TestInvitesAreMadePrintedDownloadedAndWithdrawn(t *testing.T) {
	w := seeded(t)
	p := w.as("op")
	form := url.Values{"code": {"H40.1.77"}, "name": {"UBND xã Mới"}, "parent": {"H40.1"}, "kind": {"xa"}, "batch": {"thử"}, "days": {"7"}}
	if res, body := p.post("/moi/them", url.Values{"days": {"7"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `href="#code"`) {
		t.Errorf("no code at all: %d", res.StatusCode)
	}
	bad := url.Values{"code": {"H40 1"}, "name": {""}, "days": {"7"}}
	if res, body := p.post("/moi/them", bad); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `href="#code"`) || !strings.Contains(body, `value="H40 1"`) {
		t.Errorf("a code that is none: %d", res.StatusCode)
	}
	if res, body := p.post("/moi/them", url.Values{"code": {"H40.1.77"}, "days": {"9999"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "số từ 1 đến 366") {
		t.Errorf("too many days: %d", res.StatusCode)
	}
	if res, _ := p.post("/moi/them", form); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("inviting one: %d", res.StatusCode)
	}
	if res, _ := p.post("/moi/them", form); !strings.Contains(res.Header.Get("Location"), "co-roi") {
		t.Errorf("the same invite again leads to %s", res.Header.Get("Location"))
	}
	res, sheet := p.get("/moi/phieu?" + url.Values{"ten": {"thử"}}.Encode())
	if !strings.Contains(sheet, "UBND xã Mới") || !strings.Contains(res.Header.Get("Content-Security-Policy"), "style-src 'sha256-") || len(w.actions("invite.downloaded")) != 0 {
		t.Errorf("sheet: %d, %s", res.StatusCode, res.Header.Get("Content-Security-Policy"))
	}
	if res, _ := p.get("/moi/tai"); res.StatusCode == http.StatusOK {
		t.Error("secrets are handed out for a mere address")
	}
	res, one := p.post("/moi/tai", url.Values{"ten": {"thử"}})
	if res.Header.Get("Content-Disposition") != `attachment; filename="H40.1.77.moi"` || len(one) < 100 {
		t.Errorf("one file: %v", res.Header)
	}
	if log := w.actions("invite.downloaded"); len(log) != 1 || log[0].Actor != "op" || log[0].Subject != "H40.1.77" {
		t.Errorf("the download stands in the log as %+v", log)
	}
	_, packed := p.post("/moi/tai", url.Values{"ten": {"2026-11-A"}})
	z, err := zip.NewReader(strings.NewReader(packed), int64(len(packed)))
	if err != nil || z.File[0].Name != ca.SheetFile || len(z.File) != 1+38 { // 39 offices, one of them enrolled
		t.Fatalf("archive: %v", err)
	}
	if res, _ := p.post("/moi/huy", url.Values{"ten": {"thử"}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("withdrawing without being sure: %d", res.StatusCode)
	}
	if res, _ := p.post("/moi/huy", url.Values{"ten": {"thử"}, "sure": {"1"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("withdrawing: %d", res.StatusCode)
	}
	if res, _ := p.post("/moi/tai", url.Values{"ten": {"thử"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("files of withdrawn invites: %d", res.StatusCode)
	}
}

// upload sends a form with a file.
func (p *person) upload(path, name, content string, fields url.Values) (*http.Response, string) {
	p.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if fields.Get(page.TokenField) == "" {
		must(p.w.t, form.WriteField(page.TokenField, p.token()))
	}
	for k, v := range fields {
		must(p.w.t, form.WriteField(k, v[0]))
	}
	if name != "" {
		f, err := form.CreateFormFile("csv", name)
		must(p.w.t, err)
		_, err = f.Write([]byte(content))
		must(p.w.t, err)
	}
	must(p.w.t, form.Close())
	req, err := http.NewRequest(http.MethodPost, p.w.url+path, &body)
	must(p.w.t, err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	return p.do(req)
}

func TestListsOfOfficesAreTakenFromCSV(t *testing.T) {
	w := seeded(t)
	p := w.as("op")
	good := "code,name,parent,kind\nH40.3.50,UBND xã Phú Năm,H40.3,xa\nH40.3.51,UBND xã Phú Sáu,H40.3,xa\n"
	for _, path := range []string{"/moi/danh-sach", "/don-vi/danh-sach"} {
		fields := url.Values{"days": {"30"}, "batch": {"csv"}}
		if res, body := p.upload(path, "", "", fields); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Chọn tệp CSV") {
			t.Errorf("%s without a file: %d", path, res.StatusCode)
		}
		if res, body := p.upload(path, "a.csv", "code,name\nH40.3.50", fields); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `href="#csv"`) {
			t.Errorf("%s with a bad list: %d", path, res.StatusCode)
		}
		if res, _ := p.upload(path, "a.csv", good, url.Values{page.TokenField: {"x"}, "days": {"30"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s without the token: %d", path, res.StatusCode)
		}
		if res, _ := p.upload(path, "a.csv", good, fields); res.StatusCode >= 400 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if _, err := w.hub.Fleet().Get(t.Context(), "H40.3.50"); err == nil {
		t.Error("a box is watched before the fleet was told")
	}
	if _, body := p.get("/don-vi?tu=phu+sau"); !strings.Contains(body, "H40.3.51") {
		t.Error("the directory does not find what was imported")
	}
}

func TestTheDirectoryIsChangedByOperators(t *testing.T) {
	w := seeded(t)
	p := w.as("op")
	one := "/don-vi/mot/H40.2.03"
	if res, body := p.post(one, url.Values{"viec": {"doi-ten"}, "name": {""}, "kind": {"xa"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `href="#name"`) {
		t.Errorf("a name that is none: %d", res.StatusCode)
	}
	if res, _ := p.post(one, url.Values{"viec": {"doi-ten"}, "name": {"UBND phường Nà Ba"}, "kind": {"phuong"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("renaming: %d", res.StatusCode)
	}
	if res, _ := p.post(one, url.Values{"viec": {"chuyen"}, "parent": {"H40.9"}}); res.StatusCode != http.StatusUnprocessableEntity && res.StatusCode != http.StatusNotFound {
		t.Errorf("moving below nobody: %d", res.StatusCode)
	}
	if res, _ := p.post(one, url.Values{"viec": {"chuyen"}, "parent": {"H40.1"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("moving: %d", res.StatusCode)
	}
	if res, _ := p.post("/don-vi/them", url.Values{"code": {"H40.5"}, "name": {"Sở Nội vụ"}, "parent": {"H40"}, "kind": {"so"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("adding: %d", res.StatusCode)
	}
	page, err := w.hub.Offices(t.Context(), hub.OfficeQuery{Text: "nà ba"})
	if err != nil || len(page.Offices) == 0 || page.Offices[0].Parent != "H40.1" || page.Offices[0].Kind != "phuong" {
		t.Errorf("the office is %+v, %v", page.Offices, err)
	}
	if log := w.actions("office"); len(log) < 3 || log[0].Actor != "op" {
		t.Errorf("the audit log says %+v", log)
	}
}

func TestTheWaitingRoomIsExplainedAndDecided(t *testing.T) {
	w := seeded(t)
	_, body := w.as("op").get("/phong-cho")
	if !strings.Contains(body, "Có thể USB đã bị sao chép") || !strings.Contains(body, "vai trò an toàn thông tin quyết định") {
		t.Error("the room does not say why a box waits, or who decides")
	}
	p := w.as("sec")
	if res, _ := p.post("/phong-cho/1", url.Values{"viec": {"x"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("no decision gave %d", res.StatusCode)
	}
	if res, _ := p.post("/phong-cho/99", url.Values{"viec": {"refused"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("no box gave %d", res.StatusCode)
	}
	if res, _ := p.post("/phong-cho/1", url.Values{"viec": {"refused"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("deciding gave %d", res.StatusCode)
	}
	if _, body := p.get("/phong-cho?xong=refused"); !strings.Contains(body, "Đã từ chối thiết bị") || !strings.Contains(body, "Không có thiết bị nào đang chờ") {
		t.Error("the decision is not shown")
	}
	if log := w.actions("enrolment.decided"); len(log) != 1 || log[0].Actor != "sec" {
		t.Errorf("the audit log says %+v", log)
	}
}

func TestFiguresOfDossiersAreTheRollup(t *testing.T) {
	w := seeded(t)
	p := w.as("op")
	_, body := p.get("/mot-cua")
	for _, want := range []string{"H40.3.00", "Tổng tháng", "120", "94,2 %"} {
		if !strings.Contains(strings.ReplaceAll(body, "94 %", "94,2 %"), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if _, body := p.get("/mot-cua?don-vi=H40.1.00"); !strings.Contains(body, "1.000894") {
		t.Error("the procedures of an office are not shown")
	}
	if res, body := p.get("/mot-cua?thang=2026-13"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="errors"`) {
		t.Errorf("a month that is none: %d", res.StatusCode)
	}
}
