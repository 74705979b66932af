package web

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tram/agent/office"
	"tram/agent/web/webtest"
)

func TestImportingFromEdXMLFiles(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	declared := url.Values{"declare": {"1"}}
	cases := []struct {
		name   string
		fields url.Values
		files  []string
		status int
		words  []string
	}{
		{"nothing", url.Values{}, nil, 422, []string{"Chọn ít nhất một tệp", "Đánh dấu xác nhận văn bản không chứa bí mật nhà nước"}},
		{"not declared", url.Values{}, []string{"a.edxml", "good x"}, 422, []string{"Đánh dấu xác nhận"}},
		{"with warnings", declared, []string{"a.edxml", "odd Kế hoạch lạ"}, 200, []string{"a.edxml", "Đã lưu an toàn trên máy", ">Kế hoạch lạ</a>", "SteeringType", "được giữ nguyên"}},
		{"refused", declared, []string{"lạ.edxml", "foreign x"}, 422, []string{"lạ.edxml", "Không nhập được", "H40.99", "Chưa có tệp văn bản"}},
		{"some refused", declared, []string{"a.edxml", "good Một", "b.edxml", "foreign x"}, 422, []string{">Một</a>", "Không nhập được"}},
		{"secret", declared, []string{"a.edxml", "secret x"}, 422, []string{"MẬT", `name="cleared"`}},
		{"status", declared, []string{"s.edxml", "status"}, 200, []string{"Đã ghi trạng thái 03", "/van-ban-den/"}},
	}
	for _, c := range cases {
		res, body := v.formTo("/gui/edxml", c.fields, c.files...)
		if res.StatusCode != c.status {
			t.Errorf("%s gave %d", c.name, res.StatusCode)
		}
		for _, word := range c.words {
			if !strings.Contains(body, word) {
				t.Errorf("%s does not say %q", c.name, word)
			}
		}
		if strings.Contains(body, " checked") {
			t.Errorf("%s: what was declared of these files stands for the next ones", c.name)
		}
		checkMarkup(t, c.name, body)
	}
	declared.Set("cleared", "1")
	res, _ := v.formTo("/gui/edxml", declared, "a.edxml", "secret Đã xem xét")
	if at := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(at, "/van-ban-di/") {
		t.Fatalf("a good file gave %d, %q", res.StatusCode, at)
	}
	if _, body := v.get(res.Header.Get("Location")); !strings.Contains(body, "Đã lưu an toàn trên máy của đơn vị") || !strings.Contains(body, "Đã xem xét") {
		t.Error("the document is not shown")
	}
	noneLeft(t, b)
}

// TestAnEdXMLFileMayBeAsLargeAsItsAttachmentsTogether: base64 makes a third more
// of them than one file or all may have on the sending form.
func TestAnEdXMLFileMayBeAsLargeAsItsAttachmentsTogether(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	b.limits(1<<20, 3<<20, 2)
	declared := url.Values{"declare": {"1"}}
	if res, body := v.formTo("/gui/edxml", declared, "lớn.edxml", "good "+strings.Repeat("x", 4<<20)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a large file gave %d: %s", res.StatusCode, body)
	}
	if res, body := v.formTo("/gui/edxml", declared, "quá lớn.edxml", strings.Repeat("x", 9<<20)); res.StatusCode != 422 || !strings.Contains(body, "Tệp quá lớn: mỗi tệp nhiều nhất 8 MB") {
		t.Errorf("a larger file gave %d", res.StatusCode)
	}
	noneLeft(t, b)
}

// TestImportResultsFitBothWindowsInBothLanguages with a file that was taken with
// notes, one that was refused, and one that asks again.
func TestImportResultsFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"kế hoạch.edxml": "odd Kế hoạch nạo vét kênh mương nội đồng vụ đông xuân", "lạ.edxml": "foreign x", "mật.edxml": "secret x", "trạng thái.edxml": "status",
	} {
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(files[len(files)-1], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(files)
	b.everyWindow("lan", func(c *chrome, lang string) {
		c.Open("/gui")
		c.Enter(`a[href="/gui/edxml"]`)
		c.Do(chromedp.SetUploadFiles(css("#files"), files))
		c.Do(chromedp.Click(css("#declare")))
		c.Enter("form.send .btn")
		what := fmt.Sprintf("import-results-%s-%d", lang, c.Width())
		if got := webtest.Value(c.Browser, chromedp.Evaluate[int]("document.querySelectorAll('.imported').length")); got != len(files) {
			t.Errorf("%s shows %d results", what, got)
		}
		c.Look("import-results")
	})
}

func TestExportingEdXML(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("leader")
	for _, d := range []office.Document{b.docs["normal"], b.docs["returned"]} {
		_, page := v.get(boxPath(d))
		if !strings.Contains(page, `href="`+boxPath(d)+`/edxml" download>Xuất edXML</a>`) {
			t.Errorf("the page of %q offers no edXML", d.Subject)
		}
		res, body := v.get(boxPath(d) + "/edxml")
		_, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
		if res.StatusCode != 200 || body != "<edXML/>" || err != nil || !strings.HasSuffix(params["filename"], ".edxml") ||
			res.Header.Get("Content-Type") != "application/xml" {
			t.Errorf("%d %q as %v", res.StatusCode, body, res.Header)
		}
	}
}
