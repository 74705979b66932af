package web

import (
	"archive/zip"
	"bytes"
	"io"
	"net/url"
	"strings"
	"testing"

	"tram/agent/register"
	"tram/agent/search"
)

func TestSearchTellsContentOnlyToThoseWhoMayReadIt(t *testing.T) {
	b := found(t)
	const query = "/tim-kiem?q=thu+hai" // stands in a file and nowhere else
	_, body := b.as("lan").get(query)
	if !strings.Contains(body, "<mark>Thứ</mark> <mark>Hai</mark>: ông A") || !strings.Contains(body, "Lịch trực Tết Dương lịch") {
		t.Error("a clerk does not see the words in the file")
	}
	for _, who := range []string{"it", "onestop"} {
		_, body := b.as(who).get(query)
		for _, word := range []string{"ông A", "Lịch trực", "<mark>", `class="facets"`, "Thấy "} {
			if strings.Contains(body, word) {
				t.Errorf("%s learns %q of a file", who, word)
			}
		}
		if !strings.Contains(body, "Tài khoản này không tìm trong tệp đính kèm") {
			t.Errorf("%s is not told that files were not searched", who)
		}
		if _, body := b.as(who).get("/tim-kiem?q=van+thu+luu+tru&tep=1"); strings.Contains(body, "Nội dung chỉ người được phân công đọc") || !strings.Contains(body, "Hướng dẫn công tác") {
			t.Errorf("%s sees the content of a message, or not its subject", who)
		}
		if res, body := b.as(who).get("/tim-kiem/xuat?q=thu+hai&dang=xlsx"); res.StatusCode != 200 || unzipped(t, body, "ông A") {
			t.Errorf("%s takes the words of a file away: %d", who, res.StatusCode)
		}
	}
}

// unzipped reports whether a part of a zip file has the words.
func unzipped(t *testing.T, body, words string) bool {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(words)) {
			return true
		}
	}
	return false
}

func TestResultsAreExportedWithTheirColumns(t *testing.T) {
	b := found(t)
	v := b.as("lan")
	for _, kind := range []string{"xlsx", "docx"} {
		res, body := v.get("/tim-kiem/xuat?q=bao+cao&cot=loai&cot=nhan&dang=" + kind)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != exportTypes[kind] || !strings.Contains(res.Header.Get("Content-Disposition"), "."+kind) {
			t.Fatalf("%s: %d %v", kind, res.StatusCode, res.Header)
		}
		for words, want := range map[string]bool{"Báo cáo quý gửi nhầm tệp": true, "Nơi nhận": true, "Loại văn bản": true, "Người ký": false} {
			if got := unzipped(t, body, words); got != want {
				t.Errorf("%s has %q: %v", kind, words, got)
			}
		}
	}
	res, body := v.get("/tim-kiem/xuat?q=bao+cao&dang=pdf")
	if res.StatusCode != 200 || !strings.HasPrefix(body, "%PDF-") {
		t.Errorf("pdf: %d", res.StatusCode)
	}
	for _, path := range []string{"/tim-kiem/xuat?dang=pdf", "/tim-kiem/xuat?q=a&dang=exe", "/tim-kiem/xuat?q=a"} {
		if res, _ := v.get(path); res.StatusCode != 404 {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
	for _, c := range findColumns {
		if e, ok := exportColumns[c.name]; !ok || (register.Column{Field: e.field}).Title() == "register.column."+string(e.field) {
			t.Errorf("column %s has no title in files", c.name)
		}
	}
}

func TestP9_AnExportIsCutAndSaysSo(t *testing.T) {
	b := start(t, true, fixed)
	b.office.many("in", maxExport+30)
	b.caught()
	res, body := b.as("lan").get("/tim-kiem/xuat?q=thong+bao&dang=docx")
	if res.StatusCode != 200 || !unzipped(t, body, "Danh sách bị cắt") {
		t.Errorf("a list of more than %d: %d", maxExport, res.StatusCode)
	}
}

func TestFiltersAreNamedAndDropped(t *testing.T) {
	b := found(t)
	v, plain := b.as("lan"), b.as("lan")
	v.has("/van-ban-den?khan=2&loai=QC&noi=khong+co&loc=da-tra-lai", []string{"Không có văn bản nào khớp với:", "THƯỢNG KHẨN", "Quy chế", "Tác giả: khong co", "Đã trả lại",
		`href="/van-ban-den?khan=2&amp;loai=QC&amp;loc=da-tra-lai"`, `<a href="/van-ban-den">Bỏ lọc</a>`}, nil)
	v.has("/van-ban-den?chu=giai+ngan", []string{"Có chữ “giai ngan”", "Báo cáo tiến độ giải ngân"}, nil, "Mời dự hội nghị")
	v.has("/van-ban-den?khan=9&loc=khac&nam=xx&xep=gi-do&sau=abc", []string{"144 văn bản, xếp theo Ngày đến, giảm dần"}, nil)
	if res, body := plain.get("/van-ban-den?tu=31/2/2026"); res.StatusCode != 422 || !strings.Contains(body, "“31/2/2026” không phải là ngày") || !strings.Contains(body, `value="31/2/2026"`) {
		t.Errorf("a day that does not exist gave %d", res.StatusCode)
	}
	if res, body := plain.get("/van-ban-di?tu=3/2/26&den=020226"); res.StatusCode != 422 || !strings.Contains(body, "sớm hơn") {
		t.Errorf("days in the wrong order gave %d", res.StatusCode)
	}
	v.has("/tim-kiem?q=thong+bao&nam=2026&nam=2026&hop=in&hop=out&khan=7", []string{"Năm: 2026", "Sổ: Văn bản đến"}, nil, "Sổ: Văn bản đi ")
	v.has("/tim-kiem?q=thong+bao&sau=9-9", []string{"Thấy 182 văn bản"}, nil)
}

func TestSearchesAreKeptFromThePage(t *testing.T) {
	b := found(t)
	v := b.as("lan")
	form := url.Values{"page": {"/van-ban-den"}, "query": {"khan=1&xep=-noi"}, "name": {"Khẩn xếp theo nơi gửi"}, "shared": {"1"}}
	if res, _ := v.post("/tim-kiem/luu", form); res.StatusCode != 303 || res.Header.Get("Location") != "/van-ban-den?khan=1&xep=-noi" {
		t.Fatalf("keeping gave %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	b.as("leader").has("/van-ban-den", []string{"Khẩn xếp theo nơi gửi", `href="/van-ban-den?khan=1&amp;xep=-noi"`}, nil)
	form.Set("name", " ")
	if res, body := v.post("/tim-kiem/luu", form); res.StatusCode != 422 || !strings.Contains(body, "Lần tìm cần lưu chưa có tên") || !strings.Contains(body, `value="khan=1&amp;xep=-noi"`) {
		t.Errorf("a search without a name gave %d", res.StatusCode)
	}
	form.Set("page", "//evil.example/")
	if res, _ := v.post("/tim-kiem/luu", form); res.StatusCode != 404 {
		t.Errorf("a search of a foreign page gave %d", res.StatusCode)
	}
	saved, err := b.search.SavedFor(t.Context(), "lan", "/van-ban-den")
	if err != nil || len(saved) != 2 {
		t.Fatalf("%v, %v", saved, err)
	}
	staff := b.as("staff")
	if res, _ := staff.post("/tim-kiem/xoa", url.Values{"page": {"/van-ban-den"}, "seq": {seqOf(saved[1])}}); res.StatusCode != 404 {
		t.Errorf("another one's search was dropped: %d", res.StatusCode)
	}
	if res, _ := v.post("/tim-kiem/xoa", url.Values{"page": {"/van-ban-den"}, "seq": {seqOf(saved[1])}, "query": {"khan=1"}}); res.StatusCode != 303 || res.Header.Get("Location") != "/van-ban-den?khan=1" {
		t.Errorf("dropping gave %d", res.StatusCode)
	}
}

func seqOf(s search.Saved) string { return string(rune('0' + s.Seq)) }

func TestListsLeadToTheirEndsAndBack(t *testing.T) {
	b := found(t)
	v := b.as("lan")
	path, seen := "/van-ban-den?xep=trich-yeu", 0
	for page := range 10 {
		_, body := v.get(path)
		seen += strings.Count(body, "data-row")
		_, next, more := strings.Cut(body, `rel="next" href="`)
		if !more {
			if page != 2 || !strings.Contains(body, "101–144 trong 144") {
				t.Errorf("the end came on page %d of the list", page)
			}
			break
		}
		path = strings.ReplaceAll(next[:strings.Index(next, `"`)], "&amp;", "&")
	}
	if seen != 144 {
		t.Errorf("%d rows on all pages", seen)
	}
	v.has("/van-ban-den?cuoi=1", []string{"101–144 trong 144", `rel="prev"`}, nil, `rel="next"`)
}
