package web

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/signintech/gopdf"

	"tram/agent/register"
	"tram/agent/search/extract"
	"tram/agent/web/webtest"
)

// readers reads files as the process of its own does, and counts.
type readers struct {
	calls int
	hang  bool
}

func (r *readers) Read(ctx context.Context, kind string, body io.Reader) (extract.Text, error) {
	r.calls++
	if r.hang {
		<-ctx.Done()
		return extract.Text{}, ctx.Err()
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return extract.Text{}, err
	}
	return extract.Read(kind, bytes.NewReader(data), int64(len(data)))
}

// letterPDF is a công văn as a word processor prints it: both columns of the
// letterhead on the same lines.
func letterPDF(t *testing.T) string {
	t.Helper()
	var pdf gopdf.GoPdf
	pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	pdf.AddPage()
	if err := errors.Join(pdf.AddTTFFont("serif", "../typeset/fonts/TramSerif-Regular.ttf"), pdf.SetFont("serif", "", 13)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		x, y float64
		text string
	}{
		{70, 60, "ỦY BAN NHÂN DÂN"}, {270, 60, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"}, {90, 76, "XÃ CẨM MỸ"}, {320, 76, "Độc lập - Tự do - Hạnh phúc"},
		{80, 104, "Số: 27/UBND-KT"}, {310, 104, "Cẩm Mỹ, ngày 09 tháng 11 năm 2026"}, {60, 120, "V/v đăng ký nhu cầu vốn"}, {60, 136, "đầu tư công năm 2027"}, {90, 160, "KHẨN"},
		{180, 200, "Kính gửi: Sở Tài chính."}, {90, 230, "Thực hiện Công văn số 345/STC-NS ngày 02 tháng 11 năm 2026 của Sở Tài chính,"},
	} {
		pdf.SetXY(part.x, part.y)
		if err := pdf.Text(part.text); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := pdf.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// wordDOCX is a text document with those paragraphs.
func wordDOCX(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("word/document.xml")
	if err == nil {
		_, err = io.WriteString(w, `<w:document><w:body><w:p><w:r><w:t>`+strings.ReplaceAll(text, "\n", `</w:t></w:r></w:p><w:p><w:r><w:t xml:space="preserve">`)+`</w:t></w:r></w:p></w:body></w:document>`)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// slipPDF is a file of the registers' own writer.
func slipPDF(t *testing.T) string {
	t.Helper()
	data, err := register.Slip{Superior: "UBND TỈNH HÀ TĨNH", Office: "ỦY BAN NHÂN DÂN XÃ CẨM MỸ", Place: "Cẩm Mỹ", Date: noon, Code: "12/UBND-VP", Subject: "Báo cáo tuần"}.PDF()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const decisionText = "ỦY BAN NHÂN DÂN XÃ CẨM MỸ\nSố:      /QĐ-UBND\nCỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\n" +
	"Cẩm Mỹ, ngày      tháng 11 năm 2026\nQUYẾT ĐỊNH\nVề việc kiện toàn Ban Chỉ đạo chuyển đổi số\nCHỦ TỊCH ỦY BAN NHÂN DÂN XÃ CẨM MỸ\nCăn cứ Luật Tổ chức chính quyền địa phương;"

// composeNew is the form as it begins, with a draft's name.
func (v *browser) composeNew() (id string, fields url.Values) {
	v.t.Helper()
	_, page := v.get("/gui")
	id = between(v.t, page, `name="draft" value="`, `"`)
	return id, url.Values{"draft": {id}, "type": {"CV"}, "date": {"21/11/2026"}, "urgency": {"0"}, "preset": {"type=CV", "date=21/11/2026", "urgency=0"}}
}

func TestFieldsAreReadFromTheFileOfADraft(t *testing.T) {
	for _, c := range []struct {
		name  string
		typed url.Values
		files []string
		want  map[string]string
		marks string // fields that are to be checked
	}{
		{"a letter as PDF", nil, []string{"Công văn.pdf", letterPDF(t)},
			map[string]string{"number": "27", "notation": "UBND-KT", "date": "09/11/2026", "type": "CV", "subject": "V/v đăng ký nhu cầu vốn đầu tư công năm 2027", "urgency": "1"}, "number notation date type subject urgency"},
		{"a decision as docx without number and day", nil, []string{"QĐ.docx", wordDOCX(t, decisionText)},
			map[string]string{"number": "", "notation": "QĐ-UBND", "date": "21/11/2026", "type": "QĐ", "subject": "Về việc kiện toàn Ban Chỉ đạo chuyển đổi số", "urgency": "0"}, "notation type subject"},
		{"what was typed stays", url.Values{"subject": {"Của tôi"}, "date": {"20/11/2026"}, "type": {"BC"}, "urgency": {"2"}}, []string{"Công văn.pdf", letterPDF(t)},
			map[string]string{"number": "27", "notation": "UBND-KT", "date": "20/11/2026", "type": "BC", "subject": "Của tôi", "urgency": "2"}, "number notation"},
		{"a scan without text", nil, []string{"Quét.pdf", "%PDF-1.4 hỏng", "Công văn.pdf", letterPDF(t)}, map[string]string{"number": "", "subject": "", "type": "CV"}, ""},
		{"an annex before the letter", nil, []string{"Phụ lục.docx", wordDOCX(t, "PHỤ LỤC\nDanh sách"), "Công văn.pdf", letterPDF(t)}, map[string]string{"number": "27"}, "number"},
		{"a picture", nil, []string{"a.jpg", "x"}, map[string]string{"subject": ""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, true, fixed)
			b.site.Reader = &readers{}
			v := b.as("lan")
			id, fields := v.composeNew()
			maps.Copy(fields, c.typed)
			if res, page := v.formTo("/gui/nhap", fields, c.files...); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %.300s", res.StatusCode, page)
			}
			d, err := b.site.Composing.Get(t.Context(), "lan", id)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got := d.Fields.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			_, page := v.get("/gui?nhap=" + id)
			for name := range strings.FieldsSeq(c.marks) {
				if !strings.Contains(page, `name="proposed" value="`+name+"=") {
					t.Errorf("%s is not marked", name)
				}
			}
			if got := strings.Contains(page, "Kiểm tra lại trước khi gửi"); got != (c.marks != "") {
				t.Errorf("told to check: %v", got)
			}
			if want := c.want["subject"]; want != "" && !strings.Contains(page, ">"+want+"</textarea>") {
				t.Error("the page lacks the subject")
			}
		})
	}
}

// TestAFieldThatWasReadAndClearedStaysClear saves again with another file.
func TestAFieldThatWasReadAndClearedStaysClear(t *testing.T) {
	b := start(t, true, fixed)
	b.site.Reader = &readers{}
	v := b.as("lan")
	id, fields := v.composeNew()
	v.formTo("/gui/nhap", fields, "Công văn.pdf", letterPDF(t))
	d, err := b.site.Composing.Get(t.Context(), "lan", id)
	if err != nil || d.Fields.Get("number") != "27" {
		t.Fatalf("%+v %v", d.Fields, err)
	}
	again := maps.Clone(d.Fields)
	again.Set("draft", id)
	again.Set("number", "")
	again["draftfile"] = []string{d.Files[0].ID}
	v.formTo("/gui/nhap", again, "Thêm.pdf", letterPDF(t))
	if d, err = b.site.Composing.Get(t.Context(), "lan", id); err != nil || d.Fields.Get("number") != "" || len(d.Files) != 2 {
		t.Errorf("number %q, %d files, %v", d.Fields.Get("number"), len(d.Files), err)
	}
	_, page := v.get("/gui?nhap=" + id)
	if strings.Count(page, "Đọc từ tệp – kiểm tra lại") != 5 {
		t.Errorf("%d fields are to be checked", strings.Count(page, "Đọc từ tệp – kiểm tra lại"))
	}
}

func TestFieldsAreReadFromAScanThatStaysChosen(t *testing.T) {
	b := start(t, true, fixed)
	b.site.Reader = &readers{}
	if err := os.WriteFile(b.scan("Quét.pdf"), []byte(letterPDF(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(b.scans, "Quét.pdf"), at, at); err != nil {
		t.Fatal(err)
	}
	v := b.as("lan")
	id, fields := v.composeNew()
	_, page := v.get("/gui")
	scan := between(t, page, `name="scan" value="`, `"`)
	fields.Set("scan", scan)
	v.formTo("/gui/nhap", fields)
	_, page = v.get("/gui?nhap=" + id)
	if !strings.Contains(page, "V/v đăng ký nhu cầu vốn đầu tư công năm 2027") || !strings.Contains(page, `value="`+scan+`" checked`) {
		t.Error("the page lacks the subject of the scan, or forgets the scan")
	}
}

// TestP1_ADraftIsSavedThoughItsFileCannotBeRead has a reader that never answers.
func TestP1_ADraftIsSavedThoughItsFileCannotBeRead(t *testing.T) {
	b := start(t, true, fixed)
	b.site.Reader = &readers{hang: true}
	v := b.as("lan")
	id, fields := v.composeNew()
	fields.Set("to", "H40.13")
	began := time.Now()
	res, _ := v.formTo("/gui/nhap", fields, "a.pdf", letterPDF(t))
	if took := time.Since(began); res.StatusCode != http.StatusSeeOther || took > ReadTime+5*time.Second {
		t.Errorf("%d after %v", res.StatusCode, took)
	}
	if d, err := b.site.Composing.Get(t.Context(), "lan", id); err != nil || len(d.Files) != 1 || d.Fields.Get("to") != "H40.13" {
		t.Errorf("%+v %v", d, err)
	}
}

// TestReadingIsNotDoneWhileSomebodyTypes saves as the script does.
func TestReadingIsNotDoneWhileSomebodyTypes(t *testing.T) {
	b := start(t, true, fixed)
	r := &readers{}
	b.site.Reader = r
	v := b.as("lan")
	_, fields := v.composeNew()
	v.formTo("/gui/nhap", fields)
	fields.Set("auto", "1")
	v.formTo("/gui/nhap", fields, "a.pdf", letterPDF(t))
	if r.calls != 0 {
		t.Errorf("%d files were read", r.calls)
	}
}

// TestOurOwnPrintsAreReadToo adds a slip of the registers' writer.
func TestOurOwnPrintsAreReadToo(t *testing.T) {
	b := start(t, true, fixed)
	b.site.Reader = &readers{}
	v := b.as("lan")
	id, fields := v.composeNew()
	fields.Set("date", "")
	v.formTo("/gui/nhap", fields, "Phiếu.pdf", slipPDF(t))
	d, err := b.site.Composing.Get(t.Context(), "lan", id)
	if err != nil || d.Fields.Get("date") != "21/11/2026" || d.Fields.Get("type") != "PG" {
		t.Errorf("%+v %v", d.Fields, err)
	}
}

func TestFieldsReadFromAFileFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, true, fixed)
	b.site.Reader = &readers{}
	file := filepath.Join(t.TempDir(), "Công văn đăng ký nhu cầu vốn.pdf")
	if err := os.WriteFile(file, []byte(letterPDF(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	b.everyWindow("lan", func(c *chrome, _ string) {
		c.Open("/gui")
		c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}))
		c.Leave(chromedp.Click(css("[data-save]")))
		if got := webtest.Value(c.Browser, chromedp.Value(css("#subject"))); got != "V/v đăng ký nhu cầu vốn đầu tư công năm 2027" {
			t.Errorf("the subject is %q", got)
		}
		c.Look("send-proposed")
	})
}
