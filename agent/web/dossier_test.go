package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
)

// personal are data of the seeded applicants that only those see who open a dossier.
var personal = []string{"040090001234", "0912345678", "Bản Nà Hẩu", "Nguyễn Văn An", "Lý Thị Mai"}

// TestListsAndFilesOfListsMaskApplicants, also where one looks for their number.
func TestListsAndFilesOfListsMaskApplicants(t *testing.T) {
	b := start(t, true, fixed)
	all := b.dossiers.seed()
	v := b.as("onestop")
	for _, path := range []string{dossiersPath + "?loc=qua-han", dossiersPath + "?loc=tat-ca", "/viec-can-lam", dossiersPath + "/xuat?loc=tat-ca&dang=csv",
		dossiersPath + "/xuat?loc=tat-ca&dang=xlsx", dossiersPath + "/thong-ke", dossiersPath + "?loc=tat-ca&chu=" + url.QueryEscape("Nguyễn V")} {
		res, body := v.get(path)
		for _, word := range personal {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q", path, word)
			}
		}
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
	_, body := v.get(dossiersPath + "?loc=qua-han")
	for _, want := range []string{"Nguyễn V. A.", all["late"].Code.String(), "quá hạn 9 ngày làm việc", "Lịch làm việc: Việt Nam 2026"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list of late dossiers lacks %q", want)
		}
	}
	if _, body := v.get(dossiersPath + "?chu=040090001234&thu-tuc=2.000815"); !strings.Contains(body, "Mai V. K.") || strings.Contains(body, "Nguyễn V. A.") {
		t.Error("search and filter do not find the one dossier")
	}
}

// TestWhoOpensADossierIsWrittenDown, once for looks that follow on each other; an
// officer of the box sees none.
func TestWhoOpensADossierIsWrittenDown(t *testing.T) {
	now, set := settable(noon)
	b := start(t, true, now)
	d := b.dossiers.seed()["late"]
	v := b.as("staff")
	for range 3 {
		if _, body := v.get(dossierPath(d.ID)); !strings.Contains(body, "Nguyễn Văn An") || !strings.Contains(body, "040090001234") {
			t.Fatal("who opens it does not see whose it is")
		}
	}
	if n := b.logged("dossier.open"); n != 1 {
		t.Errorf("three looks at once are %d in the log", n)
	}
	res, body := v.get(fmt.Sprintf("%s/tep/%d", dossierPath(d.ID), d.Files[0].ID))
	if body != "tờ khai" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("file: %q %v", body, res.Header)
	}
	set(noon.Add(oneLook + time.Minute))
	v.get(dossierPath(d.ID))
	b.as("leader").get(fmt.Sprintf("%s/tep/%d", dossierPath(d.ID), d.Files[0].ID))
	if n := b.logged("dossier.open"); n != 3 {
		t.Errorf("a later look and a file that was taken away: %d in the log, want 3", n)
	}
	for _, path := range []string{dossiersPath, dossierPath(d.ID)} {
		if res, body := b.as("it").get(path); res.StatusCode != http.StatusForbidden || strings.Contains(body, "Nguyễn V") {
			t.Errorf("%s for an IT officer: %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{dossierPath(d.ID) + "/tep/99999", dossierPath(d.ID) + "/tep/x", dossiersPath + "/khong-phai-id", dossiersPath + "/" + b.dossiers.any().String() + "x"} {
		if res, _ := v.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
}

// TestNothingTypedIsLostWhenADossierChangedMeanwhile, or when a field is wrong.
func TestNothingTypedIsLostWhenADossierChangedMeanwhile(t *testing.T) {
	b := start(t, true, fixed)
	all := b.dossiers.seed()
	d := all["late"]
	leader := b.as("leader")
	_, err := b.dossiers.Note(context.Background(), d.ID, "Đã gọi điện", atWork)
	noError(t, err)
	res, body := leader.post(dossierPath(d.ID)+"/gia-han", url.Values{"seen": {fmt.Sprint(d.Version)}, "day": {"27/11/2026"}, "reason": {"Chúng tôi xin lỗi: chờ xác minh"}})
	if res.StatusCode != http.StatusConflict || !strings.Contains(body, "Nguyễn Thị staff đã thay đổi hồ sơ này") || !strings.Contains(body, "Chúng tôi xin lỗi: chờ xác minh") || !strings.Contains(body, `value="27/11/2026"`) {
		t.Errorf("conflict: %d\n%s", res.StatusCode, body)
	}
	seen := regexp.MustCompile(`action="[^"]*/gia-han"[^§]*?name="seen" value="(\d+)"`).FindStringSubmatch(body)
	res, body = leader.post(dossierPath(d.ID)+"/gia-han", url.Values{"seen": {seen[1]}, "day": {"28/11/2026"}, "reason": {"Chúng tôi xin lỗi"}})
	if res.StatusCode != 422 || !strings.Contains(body, "28/11/2026 là ngày nghỉ") || !strings.Contains(body, `href="#gia-han-day"`) {
		t.Errorf("a Saturday: %d", res.StatusCode)
	}
	res, _ = leader.post(dossierPath(d.ID)+"/gia-han", url.Values{"seen": {seen[1]}, "day": {"271126"}, "reason": {"Chúng tôi xin lỗi"}})
	again, err := b.dossiers.Get(context.Background(), d.ID)
	noError(t, err)
	if res.StatusCode != http.StatusSeeOther || formatFull(again.Due) != "17:00 27/11/2026" || again.Extensions != 1 {
		t.Errorf("extended: %d, due %s", res.StatusCode, formatFull(again.Due))
	}
	if res, _ := b.as("onestop").post(dossierPath(d.ID)+"/gia-han", nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("a desk that signs apologies: %d", res.StatusCode)
	}
}

func reception(fields url.Values) url.Values {
	form := url.Values{"procedure": {"1.001193"}, "once": {"một lần"}, "name": {"Nguyễn Văn An"}, "kind": {"1"}, "sets": {"1"}, "channel": {"1"}, "way": {"desk"},
		"giay-0": {"1"}, "so-0": {"1"}, "giay-1": {"1"}, "so-1": {"2"}, "so-2": {"1"}}
	for k, v := range fields {
		form[k] = v
	}
	return form
}

// TestADossierIsTakenInOnceHoweverOftenOnePresses, with its files and payments.
func TestADossierIsTakenInOnceHoweverOftenOnePresses(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	v := b.as("onestop")
	form := reception(url.Values{"phi-0": {"1"}, "bien-lai-0": {"BL 7"}, "subject": {"Con thứ hai"}})
	first, _ := v.formTo(receptionPath, form, "2 chung sinh.pdf", "%PDF")
	second, _ := v.formTo(receptionPath, form, "2 chung sinh.pdf", "%PDF")
	d := b.dossiers.only(t)
	if first.StatusCode != http.StatusSeeOther || !strings.HasPrefix(first.Header.Get("Location"), dossierPath(d.ID)) || !strings.HasPrefix(second.Header.Get("Location"), dossierPath(d.ID)) {
		t.Errorf("%d %s, then %s", first.StatusCode, first.Header.Get("Location"), second.Header.Get("Location"))
	}
	if d.Papers[1].Copies != 2 || d.Papers[2].Copies != 0 || d.Files[0].Paper != 1 || d.Charges[0].Receipt != "BL 7" || d.Subject != "Con thứ hai" {
		t.Errorf("%+v %+v %+v", d.Papers, d.Files, d.Charges)
	}
}

// TestReceptionOffersAWayOutWhenPapersAreMissing: what is typed stays, the dossier is
// registered with a request or a refusal, and nothing is taken in by mistake.
func TestReceptionOffersAWayOutWhenPapersAreMissing(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	v := b.as("onestop")
	missing := reception(url.Values{"phone": {"0987654321"}})
	missing.Del("giay-1")
	res, body := v.formTo(receptionPath, missing)
	if res.StatusCode != 422 || !strings.Contains(body, "Thiếu giấy tờ bắt buộc: Giấy chứng sinh") || !strings.Contains(body, `value="0987654321"`) || !strings.Contains(body, "- Giấy chứng sinh (bản chính, 1 bản)</textarea>") {
		t.Errorf("missing papers: %d\n%s", res.StatusCode, body)
	}
	for field, wrong := range map[string]url.Values{
		"copies-1": {"so-1": {"nhiều"}}, "sets": {"sets": {"0"}}, "day": {"day": {"31/02/2026"}, "clock": {"08:00"}}, "name": {"name": {" "}}, "channel": {"channel": {"9"}}, "way": {"way": {"bồ câu"}},
	} {
		if res, body := v.formTo(receptionPath, reception(wrong)); res.StatusCode != 422 || !strings.Contains(body, `href="#`+field+`"`) || !strings.Contains(body, ` id="`+field+`"`) {
			t.Errorf("a wrong %s: %d", field, res.StatusCode)
		}
	}
	if res, body := v.formTo(receptionPath+"/bo-sung", missing); res.StatusCode != 422 || !strings.Contains(body, `href="#what"`) {
		t.Errorf("asked for nothing: %d", res.StatusCode)
	}
	if page, err := b.dossiers.List(context.Background(), dossier.Query{}); err != nil || len(page.Rows) != 0 {
		t.Fatalf("%d dossiers though each form was wrong, %v", len(page.Rows), err)
	}
	for path, want := range map[string]code.Status{"/bo-sung": code.Supplement, "/tu-choi": code.Refused} {
		missing.Set("what", "Thiếu giấy chứng sinh")
		missing.Set("once", path)
		res, _ := v.formTo(receptionPath+path, missing)
		page, err := b.dossiers.List(context.Background(), dossier.Query{Words: "an"})
		noError(t, err)
		if res.StatusCode != http.StatusSeeOther || page.Rows[0].Status != want {
			t.Errorf("%s: %d, status %s", path, res.StatusCode, page.Rows[0].Status)
		}
		_, body := v.get(res.Header.Get("Location"))
		if !strings.Contains(body, "Mã tra cứu") || !strings.Contains(body, map[string]string{"/bo-sung": "/mau/02", "/tu-choi": "/mau/03"}[path]) {
			t.Errorf("%s: the page that follows offers no form", path)
		}
	}
}

// TestWhatWasTakenInOnPaperCountsFromThen: entered on Monday with the time of Friday.
func TestWhatWasTakenInOnPaperCountsFromThen(t *testing.T) {
	now, _ := settable(time.Date(2026, 12, 7, 9, 0, 0, 0, clock.Vietnam))
	b := start(t, true, now)
	b.dossiers.take()
	v := b.as("lan")
	if res, _ := v.formTo(receptionPath, reception(url.Values{"day": {"4/12/26"}, "clock": {"8h30"}})); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("gave %d", res.StatusCode)
	}
	if d := b.dossiers.only(t); formatFull(d.Accepted) != "08:30 04/12/2026" || formatFull(d.Due) != "17:00 09/12/2026" || !strings.HasSuffix(d.Code.String(), "-261204-0001") {
		t.Errorf("%s accepted %s due %s", d.Code, formatFull(d.Accepted), formatFull(d.Due))
	}
}

// TestLateDossiersStandFirstOnTheHomePage of who works on them.
func TestLateDossiersStandFirstOnTheHomePage(t *testing.T) {
	now, _ := settable(time.Date(2026, 11, 27, 9, 0, 0, 0, clock.Vietnam))
	b := start(t, false, now)
	b.dossiers.take()
	b.dossiers.before(10, func() { b.dossiers.taken(birth, "Nguyễn Văn An") })
	b.dossiers.before(4, func() { b.dossiers.taken(birth, "Trần Thị Bình") }) // due today
	for _, who := range []string{"lan", "leader", "staff", "onestop"} {
		_, body := b.as(who).get("/viec-can-lam")
		late, today := strings.Index(body, "Hồ sơ một cửa quá hạn"), strings.Index(body, "Hồ sơ một cửa đến hạn hôm nay")
		if late < 0 || today < late || strings.Index(body, "<h2") < strings.Index(body, `id="live"`) || strings.Index(body, "<h2") > late {
			t.Errorf("%s: late at %d, due today at %d", who, late, today)
		}
		for form, whose := range map[string]string{apologise: "leader", prepareApology: "lan onestop"} {
			if offers := strings.Contains(body, form); offers != strings.Contains(whose, who) {
				t.Errorf("%s is offered %s: %v", who, form, offers)
			}
		}
	}
	if _, body := b.as("it").get("/viec-can-lam"); strings.Contains(body, "một cửa") {
		t.Error("an IT officer is told of dossiers")
	}
}

// TestAnApologyGoesFromTheDeskToALeaderAndBack, over their home pages: each finds what
// is theirs to do there, with what the other one wrote.
func TestAnApologyGoesFromTheDeskToALeaderAndBack(t *testing.T) {
	now, _ := settable(time.Date(2026, 11, 27, 9, 0, 0, 0, clock.Vietnam))
	b := start(t, false, now)
	b.dossiers.take()
	var d dossier.Dossier
	b.dossiers.before(10, func() { d = b.dossiers.taken(birth, "Nguyễn Văn An") })
	desk, leader := b.as("onestop"), b.as("leader")
	act := func(v *browser, name string, form url.Values, status int) string {
		t.Helper()
		d = b.dossiers.only(t)
		form.Set("seen", fmt.Sprint(d.Version))
		res, body := v.post(dossierPath(d.ID)+"/"+name, form)
		if res.StatusCode != status {
			t.Fatalf("%s gave %d: %s", name, res.StatusCode, body)
		}
		return body
	}
	shows := func(v *browser, path string, words ...string) {
		t.Helper()
		_, body := v.get(path)
		for _, w := range words {
			if strings.HasPrefix(w, "!") == strings.Contains(body, strings.TrimPrefix(w, "!")) {
				t.Errorf("%s: %q", path, w)
			}
		}
		checkMarkup(t, path, body)
	}
	home, page := "/viec-can-lam", dossierPath(d.ID)
	body := act(desk, "soan-xin-loi", url.Values{"day": {"28/11/2026"}, "reason": {""}}, 422)
	if !strings.Contains(body, `href="#soan-xin-loi-reason"`) || !strings.Contains(body, `value="28/11/2026"`) {
		t.Errorf("what is wrong is not said at its field: %s", body)
	}
	shows(leader, home, "!Phiếu xin lỗi chờ duyệt", "Xin lỗi, hẹn lại")
	shows(desk, page+"?xin-loi=1", `id="soan-xin-loi" open`, "chưa được giải quyết xong theo ngày hẹn trả")
	act(desk, "soan-xin-loi", url.Values{"day": {"2/12/2026"}, "reason": {"Chờ xác minh <nơi sinh>"}}, 303)
	shows(desk, home, "Phiếu xin lỗi chờ duyệt", "!"+prepareApology, "Hồ sơ một cửa quá hạn") // in the row, among what is late
	shows(leader, home, `id="g-dossiers-apology"`, "Duyệt phiếu xin lỗi", apologise, "!Hồ sơ một cửa quá hạn")
	shows(leader, dossiersPath+"?loc=tat-ca&phieu=waiting", d.Code.String(), "Có phiếu xin lỗi chờ duyệt")
	shows(leader, page, `id="gia-han" open`, `value="02/12/2026"`, "Chờ xác minh &lt;nơi sinh&gt;", "Nguyễn Thị onestop", `id="tra-phieu"`, "17:00 20/11/2026")
	act(leader, "tra-phieu", url.Values{"text": {" "}}, 422)
	act(leader, "tra-phieu", url.Values{"text": {"Nêu rõ lý do"}}, 303)
	act(leader, "tra-phieu", url.Values{"text": {"Nêu rõ lý do"}}, 409)
	shows(desk, home, `id="g-dossiers-apology-back"`, "Sửa phiếu xin lỗi", prepareApology, "!Hồ sơ một cửa quá hạn")
	shows(desk, page+"?xin-loi=1", "Bị trả lại", "Nêu rõ lý do", "Nguyễn Thị leader", `value="02/12/2026"`)
	shows(leader, home, "!Duyệt phiếu xin lỗi", "Hồ sơ một cửa quá hạn")
	act(desk, "soan-xin-loi", url.Values{"day": {"3/12/2026"}, "reason": {"Chờ xác minh nơi sinh"}}, 303)
	if d = b.dossiers.only(t); formatFull(d.Due) != "17:00 20/11/2026" {
		t.Errorf("what is prepared has moved the date of return to %s", formatFull(d.Due))
	}
	act(leader, "gia-han", url.Values{"day": {"3/12/2026"}, "reason": {"Chờ xác minh nơi sinh"}}, 303)
	if d = b.dossiers.only(t); formatFull(d.Due) != "17:00 03/12/2026" || d.Apology != nil || d.Extensions != 1 {
		t.Errorf("confirmed: %s, %+v", formatFull(d.Due), d.Apology)
	}
	for _, v := range []*browser{desk, leader} {
		shows(v, home, "!xin lỗi", "!quá hạn")
		shows(v, page, "!Chờ lãnh đạo duyệt", "17:00 03/12/2026")
	}
	act(b.as("staff"), "soan-xin-loi", url.Values{"day": {"9/12/2026"}, "reason": {"x"}}, 403)
}

// TestADoubtfulClockCountsDays, and says so.
func TestADoubtfulClockCountsDays(t *testing.T) {
	b := start(t, true, func() time.Time { return time.Date(2026, 11, 27, 15, 0, 0, 0, clock.Vietnam) })
	b.dossiers.take()
	b.dossiers.before(4, func() { b.dossiers.taken(birth, "Trần Thị Bình") })
	v := b.as("onestop")
	if _, body := v.get(dossiersPath + "?loc=sap-den-han"); !strings.Contains(body, "còn 2 giờ làm việc") || !strings.Contains(body, "17:00 27/11/2026") {
		t.Error("hours are not told")
	}
	b.dossiers.unsure.Store(true)
	_, body := v.get(dossiersPath + "?loc=sap-den-han")
	if !strings.Contains(body, "Giờ thiết bị chưa chắc chắn — hạn tính theo ngày") || strings.Contains(body, "giờ làm việc") || strings.Contains(body, "17:00 27/11") || !strings.Contains(body, "đến hạn hôm nay") {
		t.Error("hours are told of a clock that is not to be believed")
	}
}

// TestFiguresLeadToTheirDossiers: as many rows as the figure says.
func TestFiguresLeadToTheirDossiers(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.seed()
	v := b.as("leader")
	_, body := v.get(dossiersPath + "/thong-ke")
	links := regexp.MustCompile(`<a href="(/mot-cua\?[^"]+)" aria-label="[^"]+">(\d+)</a>`).FindAllStringSubmatch(body, -1)
	if len(links) < 10 {
		t.Fatalf("%d figures lead on", len(links))
	}
	for _, l := range links {
		_, list := v.get(strings.ReplaceAll(l[1], "&amp;", "&"))
		if rows := strings.Count(list, "<tr role=\"row\" data-row>"); fmt.Sprint(rows) != l[2] {
			t.Errorf("%s says %s and leads to %d", l[1], l[2], rows)
		}
	}
	_, file := v.get(dossiersPath + "/thong-ke/xuat?dang=csv")
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff"))).ReadAll()
	if err != nil || len(records) != 5 || records[4][1] != "Tổng số" || records[4][2] != "12" {
		t.Errorf("csv: %v %v", records, err)
	}
}

// TestAListAsAFileHoldsNoFormulas, and is what the list shows.
func TestAListAsAFileHoldsNoFormulas(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	b.dossiers.taken(birth, "=HYPERLINK(evil)")
	v := b.as("onestop")
	res, body := v.get(dossiersPath + "/xuat?dang=csv")
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(records) != 2 || records[0][0] != "Mã hồ sơ" || !strings.HasPrefix(records[1][1], "'=") || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("csv: %q %v", records, err)
	}
	if _, sheet := v.get(dossiersPath + "/xuat?dang=xlsx&loc=tat-ca"); !bytes.HasPrefix([]byte(sheet), []byte("PK")) {
		t.Error("no spreadsheet")
	}
	for _, path := range []string{"?dang=exe", "?dang=csv&tu=99/99/2026", "?dang=csv&thu-tuc=abc"} {
		if res, _ := v.get(dossiersPath + "/xuat" + path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
	if res, body := v.get(dossiersPath + "?tu=99/99/2026&thu-tuc=abc"); res.StatusCode != 422 || !strings.Contains(body, `href="#tu"`) || !strings.Contains(body, `href="#thu-tuc"`) {
		t.Errorf("wrong filters gave %d", res.StatusCode)
	}
}

// TestLongListsGoOnFromPageToPage, each dossier once.
func TestLongListsGoOnFromPageToPage(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	for i := range dossier.PageSize + 3 {
		b.dossiers.taken(birth, fmt.Sprintf("Người thứ %d", i))
	}
	v := b.as("onestop")
	seen := map[string]bool{}
	for path, pages := dossiersPath, 0; path != ""; pages++ {
		_, body := v.get(path)
		for _, m := range regexp.MustCompile(`class="open" href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			if seen[m[1]] {
				t.Errorf("%s stands twice", m[1])
			}
			seen[m[1]] = true
		}
		path = ""
		if next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(body); next != nil && pages < 3 {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
	}
	if len(seen) != dossier.PageSize+3 {
		t.Errorf("%d dossiers on all pages", len(seen))
	}
}

// TestADocumentDraftedFromADossierIsLinkedToIt, and names nobody.
func TestADocumentDraftedFromADossierIsLinkedToIt(t *testing.T) {
	b := start(t, false, fixed)
	d := b.dossiers.seed()["working"]
	v := b.as("lan")
	_, body := v.get("/gui?ho-so=" + d.ID.String())
	if !strings.Contains(body, "V/v giải quyết hồ sơ “Cấp giấy phép xây dựng nhà ở riêng lẻ”, mã hồ sơ "+d.Code.String()) || strings.Contains(body, "Đặng Văn Giang") {
		t.Error("the form does not begin with the dossier, or names its applicant")
	}
	res, _ := v.sendForm(url.Values{"to": {directory[1].Code}, "subject": {"V/v xin ý kiến quy hoạch"}, "type": {"CV"}, "urgency": {"0"}, "declare": {"1"}, "dossier": {d.ID.String()}})
	again, err := b.dossiers.Get(context.Background(), d.ID)
	noError(t, err)
	if res.StatusCode != http.StatusSeeOther || len(again.Results) != 1 || !strings.Contains(res.Header.Get("Location"), again.Results[0].Document.String()) {
		t.Fatalf("%d %s %+v", res.StatusCode, res.Header.Get("Location"), again.Results)
	}
	if _, body := v.get(dossierPath(d.ID)); !strings.Contains(body, "/van-ban-di/"+again.Results[0].Document.String()) {
		t.Error("the dossier does not lead to its document")
	}
	if res, _ := v.get("/gui?ho-so=khong-phai-id"); res.StatusCode != http.StatusNotFound {
		t.Errorf("no dossier: %d", res.StatusCode)
	}
}

// TestADossierIsHandedToOfficesThatThereAre; with a wrong code nothing goes, and
// nothing typed is lost.
func TestADossierIsHandedToOfficesThatThereAre(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	d := b.dossiers.taken(permit, "Đặng Văn Giang")
	v := b.as("staff")
	form := url.Values{"seen": {fmt.Sprint(d.Version)}, "to": {directory[1].Code + ", H99.99"}, "task": {"consult"}, "note": {"Xin ý kiến về quy hoạch"}, "deadline": {"27/11/2026"}}
	res, body := v.post(dossierPath(d.ID)+"/chuyen", form)
	if res.StatusCode != 422 || !strings.Contains(body, "Không có đơn vị “H99.99”") || !strings.Contains(body, "Xin ý kiến về quy hoạch") || !strings.Contains(body, `href="#to"`) {
		t.Errorf("an unknown office: %d", res.StatusCode)
	}
	form.Set("to", directory[1].Code)
	if res, _ = v.post(dossierPath(d.ID)+"/chuyen", form); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("handed on: %d", res.StatusCode)
	}
	again, err := b.dossiers.Get(context.Background(), d.ID)
	noError(t, err)
	if len(again.Transfers) != 1 || again.Transfers[0].ToName != directory[1].Name || again.Transfers[0].Task != dossier.Consult {
		t.Fatalf("%+v", again.Transfers)
	}
	_, body = v.get(dossierPath(d.ID))
	for _, want := range []string{"Lấy ý kiến → " + directory[1].Name, "Đã lưu, chờ gửi", "Rút lại hồ sơ đã chuyển"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	res, _ = v.post(dossierPath(d.ID)+"/goi-lai", url.Values{"seen": {fmt.Sprint(again.Version)}, "hand": {again.Transfers[0].ID.String()}, "text": {"Không cần nữa"}})
	if again, err = b.dossiers.Get(context.Background(), d.ID); err != nil || res.StatusCode != http.StatusSeeOther || again.Transfers[0].State != dossier.Ended {
		t.Errorf("called back: %d %+v %v", res.StatusCode, again.Transfers, err)
	}
}

// TestEachActionOnADossierHasItsForm: what is offered is what can be done, state by
// state and role by role.
func TestEachActionOnADossierHasItsForm(t *testing.T) {
	b := start(t, true, fixed)
	all := b.dossiers.seed()
	for name, want := range map[string]map[string]string{
		"new":      {"onestop": "chap-nhan tu-choi yeu-cau-bo-sung yeu-cau-nop nop-phi ghi-chu xin-rut", "staff": "yeu-cau-bo-sung yeu-cau-nop ghi-chu", "leader": "yeu-cau-bo-sung yeu-cau-nop ghi-chu"},
		"late":     {"onestop": "nop-phi co-ket-qua yeu-cau-bo-sung yeu-cau-nop soan-xin-loi chuyen ghi-chu xin-rut", "staff": "co-ket-qua yeu-cau-bo-sung yeu-cau-nop chuyen ghi-chu", "leader": "co-ket-qua yeu-cau-bo-sung yeu-cau-nop gia-han chuyen ghi-chu dung"},
		"waiting":  {"onestop": "bo-sung nop-phi soan-xin-loi ghi-chu xin-rut", "staff": "ghi-chu", "leader": "gia-han ghi-chu dung"},
		"wish":     {"onestop": "nop-phi soan-xin-loi ghi-chu cho-rut khong-cho-rut", "staff": "ghi-chu"},
		"apology":  {"onestop": "nop-phi bat-dau co-ket-qua yeu-cau-bo-sung yeu-cau-nop soan-xin-loi chuyen ghi-chu xin-rut", "leader": "bat-dau co-ket-qua yeu-cau-bo-sung yeu-cau-nop gia-han tra-phieu chuyen ghi-chu dung"},
		"done":     {"onestop": "nop-phi tra-ket-qua", "staff": "", "leader": "mo-lai"},
		"handed":   {"staff": "co-ket-qua yeu-cau-bo-sung yeu-cau-nop chuyen goi-lai ghi-chu"},
		"returned": {"onestop": "nop-phi", "leader": ""},
		"refused":  {"onestop": "", "leader": ""},
	} {
		for who, acts := range want {
			_, body := b.as(who).get(dossierPath(all[name].ID))
			got := map[string]bool{}
			for _, m := range regexp.MustCompile(`<details class="panel do" id="([a-z-]+)"`).FindAllStringSubmatch(body, -1) {
				got[m[1]] = true
			}
			for _, a := range strings.Fields(acts) {
				if !got[a] {
					t.Errorf("%s as %s: %s is not offered", name, who, a)
				}
				delete(got, a)
			}
			for a := range got {
				t.Errorf("%s as %s: %s is offered", name, who, a)
			}
		}
	}
}

// TestGuestsAreNotGivenOutHere: the owner keeps the clock and speaks with the
// applicant.
func TestGuestsAreNotGivenOutHere(t *testing.T) {
	for _, a := range dossierActs {
		own, guest := a.mayActOn(dossier.Dossier{}), a.mayActOn(dossier.Dossier{Guest: true})
		owners := strings.Contains(" bo-sung nop-phi tra-ket-qua gia-han tra-phieu soan-xin-loi xin-rut cho-rut khong-cho-rut ", " "+a.name+" ")
		if !own || guest == owners {
			t.Errorf("%s: own %v, guest %v", a.name, own, guest)
		}
	}
}
