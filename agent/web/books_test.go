package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tram/agent/register"
)

// contains fails the test for each text that a page lacks.
func contains(t *testing.T, what, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%s lacks %q", what, text)
		}
	}
}

var jobPath = regexp.MustCompile(`href="(/so/[a-z-]+/ban-in/\d+)"`)

func TestAClerkPrintsABookAndThenWhatWasAdded(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	_, page := v.get("/so")
	contains(t, "the list of books", page, "Sổ đăng ký văn bản đi", "Sổ đăng ký văn bản đến", "Sổ theo dõi giải quyết văn bản đến", "Sổ gửi văn bản đi bưu điện", "Sổ sử dụng bản lưu",
		"Báo cáo tình hình giải quyết văn bản đến", "Báo cáo tình hình giải quyết văn bản đi", "Mục lục văn bản trong hồ sơ", "Mục lục hồ sơ", "Chưa in trang nào")
	_, page = v.get("/so/van-ban-den")
	contains(t, "a book that was never printed", page, "Chưa in trang nào, còn", `<section class="sheet"`, "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", "Trang 1/1 · Quyển số 01", "1286", `<button class="btn">In</button>`)

	res, _ := v.post("/so/van-ban-den/in", url.Values{"nam": {"2026"}})
	if got := res.Header.Get("Location"); got != "/so/van-ban-den?nam=2026&xong=in" {
		t.Fatalf("printing leads to %q", got)
	}
	_, page = v.get(res.Header.Get("Location"))
	contains(t, "an open print", page, "Mở PDF để in", "Đã in xong", "In lỗi, bỏ", "Đã tạo bản in")
	job := jobPath.FindStringSubmatch(page)
	if job == nil {
		t.Fatal("the print has no address")
	}
	file, body := v.get(job[1])
	if !strings.HasPrefix(body, "%PDF-") || file.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "inline") {
		t.Errorf("the print is %v", file.Header)
	}
	again, page := v.post("/so/van-ban-den/in", url.Values{"nam": {"2026"}})
	if again.StatusCode != http.StatusConflict || !strings.Contains(page, "chưa được xác nhận") {
		t.Errorf("a second print gave %d", again.StatusCode)
	}
	res, _ = v.post(job[1]+"/xong", url.Values{"nam": {"2026"}})
	_, page = v.get(res.Header.Get("Location"))
	contains(t, "a printed book", page, "Đã in đến trang 1 (số", "không có dòng mới từ lần in 21/11/2026.", "Đã ghi nhận: các trang này đã in.")
	if strings.Contains(page, "/so/van-ban-den/in\"") {
		t.Error("it offers to print nothing")
	}

	v.post(boxPath(b.docs["normal"])+"/tiep-nhan", url.Values{})
	_, page = v.get("/so/van-ban-den")
	contains(t, "a book with a new line", page, "còn 1 dòng chưa in", "In bù (1 dòng)", "Trang 2/2 · Quyển số 01")
	_, home := v.get("/so")
	contains(t, "the list", home, "còn 1 dòng chưa in")
	if _, page := v.get("/so/van-ban-den?tu=20/11/26&den=21112026"); !strings.Contains(page, "số trang không phải của sổ") {
		t.Error("a part by days does not say so")
	}
	res, page = v.get("/so/van-ban-den?tu=hôm+qua&den=1/1/26")
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, `value="hôm qua"`) || !strings.Contains(page, `href="#tu"`) {
		t.Errorf("a day that is none gave %d", res.StatusCode)
	}
	if res, page = v.get("/so/van-ban-den?tu=2/1/26&den=1/1/26"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, "Ngày cuối ở trước ngày đầu") {
		t.Errorf("a period that ends before it begins gave %d", res.StatusCode)
	}
}

func TestWhoSignsInAgainComesBackToTheBook(t *testing.T) {
	v := start(t, true, fixed).visitor()
	for path, want := range map[string]string{"/so/van-ban-den/in": "/so/van-ban-den", "/so/van-ban-di/ban-in/3/xong": "/so/van-ban-di", "/so/buu-dien/ghi": "/so/buu-dien", "/ho-so-cong-viec/them": "/ho-so-cong-viec"} {
		res, _ := v.post(path, url.Values{})
		if got := res.Header.Get("Location"); got != "/dang-nhap?tiep="+url.QueryEscape(want) {
			t.Errorf("%s leads to %s", path, got)
		}
	}
}

func TestFilesOfBooks(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("leader")
	for path, want := range map[string]string{
		"/so/van-ban-di/tep?nam=2026&dang=pdf": "application/pdf", "/so/van-ban-di/bia?nam=2026": "application/pdf",
		"/so/van-ban-di/tep?nam=2026&dang=docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"/so/bao-cao-di/tep?dang=xlsx":          "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"/so/bao-cao-den/tep?dang=pdf":          "application/pdf", "/so/muc-luc-ho-so/tep?dang=pdf": "application/pdf",
	} {
		if res, body := v.get(path); res.StatusCode != 200 || res.Header.Get("Content-Type") != want || len(body) < 1000 {
			t.Errorf("%s gave %d, %q, %d bytes", path, res.StatusCode, res.Header.Get("Content-Type"), len(body))
		}
	}
	for path, want := range map[string]int{
		"/so/van-ban-di/tep?dang=odt": 422, "/so/nhat-ky": 404, "/so/van-ban-di/ban-in/9": 404, "/so/van-ban-di/ban-in/x": 404, "/so/van-ban-di?nam=x": 422, "/so?nam=99999": 422,
		"/so/van-ban-di/dong?dong=x": 403, "/ho-so-cong-viec/7": 404, "/ho-so-cong-viec/7/tep?dang=pdf": 404,
	} {
		if res, _ := v.get(path); res.StatusCode != want {
			t.Errorf("%s gave %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestAPrintedLineIsPutRight(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	line := "/so/van-ban-den/dong?nam=2026&dong=" + b.docs["accepted"].ID.String()
	_, page := v.get(line)
	contains(t, "the form before the print", page, "Dòng này chưa in", "1286")
	v.post("/so/van-ban-den/in", url.Values{})
	_, page = v.get(line)
	contains(t, "the form after the print", page, "Dòng này đã in ở trang 1 – ghi đính chính ở cột Ghi chú")
	form := url.Values{"nam": {"2026"}, "dong": {b.docs["accepted"].ID.String()}, "note": {" "}}
	res, page := v.post("/so/van-ban-den/dong", form)
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, "Nhập nội dung đính chính") {
		t.Errorf("an empty correction gave %d", res.StatusCode)
	}
	form.Set("note", strings.Repeat("dài ", 300))
	if _, page = v.post("/so/van-ban-den/dong", form); !strings.Contains(page, "dài dài dài") {
		t.Error("what was typed is gone")
	}
	form.Set("note", "Ngày văn bản là 18/11/2026")
	res, _ = v.post("/so/van-ban-den/dong", form)
	_, page = v.get(res.Header.Get("Location"))
	contains(t, "the book", strings.ReplaceAll(page, "\n", " "), "Đã ghi đính chính.", "Đính chính dòng đã in ở trang 1: Ngày văn bản là", "còn 1 dòng chưa in")
	_, page = v.get(line)
	contains(t, "the form", page, "lan: Ngày văn bản là 18/11/2026")
}

func TestLinesWrittenByHand(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	_, page := v.get("/so/buu-dien")
	contains(t, "an empty book", page, "Sổ năm 2026 chưa có dòng nào.", "Ghi dòng mới")
	form := url.Values{"handover-date": {"3/2/26"}, "destination": {"Sở Nội vụ <b>"}, "envelopes": {"2"}}
	res, page := v.post("/so/buu-dien/ghi", form)
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a line without its code gave %d", res.StatusCode)
	}
	contains(t, "the form", page, "Nhập “Số, ký hiệu văn bản”.", "Sở Nội vụ &lt;b&gt;", `value="3/2/26"`, `href="#code"`)
	form.Set("code", "12/UBND")
	res, _ = v.post("/so/buu-dien/ghi", form)
	if got := res.Header.Get("Location"); got != "/so/buu-dien?nam=2026&xong=ghi" {
		t.Fatalf("writing leads to %q", got)
	}
	_, page = v.get("/so/buu-dien")
	contains(t, "the book", page, "12/UBND", "03/02/2026", "/so/buu-dien/ghi?dong=entry-1")
	form.Set("dong", "entry-1")
	form.Set("envelopes", "3")
	v.post("/so/buu-dien/ghi", form)
	v.post("/so/buu-dien/in", url.Values{})
	if res, _ = v.get("/so/buu-dien/ghi?nam=2026&dong=entry-1"); !strings.HasPrefix(res.Header.Get("Location"), "/so/buu-dien/dong") {
		t.Errorf("a printed line can be changed: %d", res.StatusCode)
	}
	if res, _ = v.post("/so/buu-dien/ghi", form); res.StatusCode != http.StatusConflict {
		t.Errorf("changing a printed line gave %d", res.StatusCode)
	}
	if res, _ = v.get("/so/van-ban-den/ghi"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a line by hand in a register gave %d", res.StatusCode)
	}
	v.post("/so/ban-luu/ghi", url.Values{"date": {"21/11/2026"}, "user": {"Trần Văn An"}, "code-date": {"05/QĐ-UBND"}, "permission": {"Chủ tịch"}, "return-date": {"1/12/26"}})
	_, page = v.get("/so/ban-luu")
	contains(t, "the book of kept copies", page, "01/12/2026", "Trần Văn An")
}

func TestWorkFiles(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	_, page := v.get("/ho-so-cong-viec")
	contains(t, "the empty list", page, "Chưa có hồ sơ nào của năm 2026.")
	doc := b.docs["normal"]
	_, page = v.get(boxPath(doc))
	contains(t, "a document", page, "Văn bản chưa ở hồ sơ nào", "Lập hồ sơ mới")
	form := url.Values{"nam": {"2026"}, "code": {"01/UB-VX"}, "title": {"Phòng chống thiên tai"}, "keeper": {"Lan"}}
	res, page := v.post("/ho-so-cong-viec", form)
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, "Nhập thời hạn bảo quản") || !strings.Contains(page, "Phòng chống thiên tai") {
		t.Errorf("a file without retention gave %d", res.StatusCode)
	}
	form.Set("retention", "10 năm")
	res, _ = v.post("/ho-so-cong-viec", form)
	if got := res.Header.Get("Location"); got != "/ho-so-cong-viec/1?xong=tao" {
		t.Fatalf("making a file leads to %q", got)
	}
	if res, _ = v.post("/ho-so-cong-viec", form); res.StatusCode != http.StatusConflict {
		t.Errorf("the same code again gave %d", res.StatusCode)
	}
	res, _ = v.post("/ho-so-cong-viec/them", url.Values{"van-ban": {doc.ID.String()}, "ho-so": {"1"}, "to-so": {"1–3"}})
	if got := res.Header.Get("Location"); got != boxPath(doc)+"#ho-so" {
		t.Errorf("putting it in leads to %q", got)
	}
	_, page = v.get(boxPath(doc))
	contains(t, "the document", page, `<a href="/ho-so-cong-viec/1">01/UB-VX`)
	_, page = v.get("/ho-so-cong-viec/1")
	contains(t, "the file", page, "1–3", "Mời dự hội nghị", "Mục lục văn bản PDF")
	form.Set("title", "Phòng, chống thiên tai")
	v.post("/ho-so-cong-viec/1", form)
	_, page = b.as("staff").get("/ho-so-cong-viec/1")
	contains(t, "the file", page, "Phòng, chống thiên tai")
	if strings.Contains(page, "<form class=\"send\"") || strings.Contains(page, "/bo\"") {
		t.Error("staff may change a file")
	}
	if res, body := b.as("staff").get("/ho-so-cong-viec/1/tep?dang=pdf"); res.StatusCode != 200 || !strings.HasPrefix(body, "%PDF-") {
		t.Errorf("the list of its documents gave %d", res.StatusCode)
	}
	v.post("/ho-so-cong-viec/1/bo", url.Values{"van-ban": {doc.ID.String()}})
	_, page = v.get("/ho-so-cong-viec/1")
	contains(t, "the file", page, "Hồ sơ chưa có văn bản")
}

// bookTour prints and corrects, and gives the pages of the books in their states.
func (b *box) bookTour() map[string]string {
	b.t.Helper()
	v := b.as("lan")
	v.post("/so/van-ban-den/in", url.Values{})
	v.post("/so/van-ban-den/ban-in/1/xong", url.Values{})
	v.post("/so/van-ban-den/dong", url.Values{"dong": {b.docs["accepted"].ID.String()}, "note": {"Ngày văn bản là 18/11/2026"}})
	v.post("/so/van-ban-di/in", url.Values{})
	for i := range 40 {
		v.post("/so/buu-dien/ghi", url.Values{"handover-date": {"3/2/26"}, "code": {fmt.Sprintf("%d/UBND-VX", i+1)}, "destination": {"Ủy ban nhân dân tỉnh Cao Bằng; Sở Nông nghiệp và Môi trường; Sở Nội vụ"}, "envelopes": {"2"}, "remarks": {"Thư bảo đảm"}})
	}
	v.post("/so/buu-dien/in", url.Values{})
	v.post("/so/buu-dien/ban-in/3/xong", url.Values{})
	v.post("/so/buu-dien/quyen-moi", url.Values{})
	v.post("/so/ban-luu/ghi", url.Values{"date": {"21/11/2026"}, "user": {"Trần Văn An"}, "code-date": {"05/QĐ-UBND, 02/02/2026"}, "permission": {"Chủ tịch"}})
	v.post("/so/ban-luu/in", url.Values{})
	v.post("/so/ban-luu/ban-in/4/xong", url.Values{})
	v.post("/ho-so-cong-viec", url.Values{"nam": {"2026"}, "code": {"01/UB-VX"}, "title": {"Phòng, chống thiên tai và tìm kiếm cứu nạn năm 2026"}, "retention": {"10 năm"}, "keeper": {"Nguyễn Thị Lan"}})
	v.post("/ho-so-cong-viec", url.Values{"nam": {"2026"}, "code": {"02/UB-VX"}, "title": {"Hồ sơ trống"}, "retention": {"Vĩnh viễn"}, "keeper": {"Nguyễn Thị Lan"}})
	for _, name := range []string{"normal", "express", "delivered"} {
		v.post("/ho-so-cong-viec/them", url.Values{"van-ban": {b.docs[name].ID.String()}, "ho-so": {"1"}, "to-so": {"1"}})
	}
	line := "dong?nam=2026&dong=" + b.docs["accepted"].ID.String()
	return map[string]string{
		"books": "/so", "book-in": "/so/van-ban-den", "book-open": "/so/van-ban-di?nam=2026&xong=in", "book-volume": "/so/buu-dien", "book-volume-1": "/so/buu-dien?quyen=1",
		"book-none-new": "/so/ban-luu?nam=2026&xong=da-in", "book-report-in": "/so/bao-cao-den", "book-report-out": "/so/bao-cao-di", "book-days": "/so/van-ban-di?tu=20/11/2026&den=21/11/2026",
		"book-bad-day": "/so/van-ban-di?tu=hôm+qua", "book-empty": "/so/theo-doi?nam=2020", "book-line": "/so/van-ban-den/" + line, "book-line-new": "/so/theo-doi/" + line,
		"book-entry": "/so/buu-dien/ghi", "book-entry-copies": "/so/ban-luu/ghi", "workfiles": "/ho-so-cong-viec", "workfiles-none": "/ho-so-cong-viec?nam=2020",
		"workfile": "/ho-so-cong-viec/1?xong=tao", "workfile-empty": "/ho-so-cong-viec/2", "workfile-list": "/so/muc-luc-ho-so", "document-filed": boxPath(b.docs["normal"]),
	}
}

func TestBookPagesAreCleanInBothLanguages(t *testing.T) {
	b := start(t, false, fixed)
	pages := b.bookTour()
	v := b.as("lan")
	for _, lang := range []string{"vi", "en"} {
		v.post("/ngon-ngu", url.Values{"lang": {lang}})
		for name, path := range pages {
			res, html := v.get(path)
			if want := map[bool]int{true: 422, false: 200}[name == "book-bad-day"]; res.StatusCode != want {
				t.Errorf("%s in %s gave %d", name, lang, res.StatusCode)
			}
			checkMarkup(t, name+" in "+lang, html)
		}
	}
	_, html := v.get("/so/van-ban-den")
	book, err := register.Find(register.Incoming)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range book.Columns { // the form is Vietnamese on an English page
		contains(t, "the sheet", html, ">"+c.Title()+"</th>")
	}
}

func TestBookPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	pages := b.bookTour()
	b.everyWindow("lan", func(c *chrome, _ string) {
		for name, path := range pages {
			c.See(name, path)
		}
	})
}

// TestSheetsPrintEachOnItsOwnPaper is for who prints a page of the browser instead
// of the file.
func TestSheetsPrintEachOnItsOwnPaper(t *testing.T) {
	b := start(t, false, fixed)
	pages := b.bookTour()
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	for name, want := range map[string]int{"book-volume-1": 3, "book-in": 2, "book-open": 2, "workfile-list": 1} {
		c.Open(pages[name])
		got, err := chromedp.Call(c.Context(), page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(got.Data), "/Type /Page\n"); n != want {
			t.Errorf("%s prints on %d sheets, want %d", name, n, want)
		}
		c.Keep(name+".pdf", got.Data)
	}
}
