package web

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tram/agent/office"
	"tram/agent/web/webtest"
)

// onPaper is a form that is filled in right.
func onPaper() url.Values {
	return url.Values{"arrived": {"20/11/2026"}, "from": {"UBND xã Cổ Loa"}, "code": {"12/TB-UBND"}, "date": {"181126"}, "type": {"Thông báo"},
		"subject": {"Về việc tu bổ di tích <b>Loa Thành</b>"}, "urgency": {"1"}, "once": {"a"}}
}

// enteredAs follows the answer of a form to the list.
func (v *browser) enteredAs(t *testing.T, res *http.Response) string {
	t.Helper()
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("entering gave %d", res.StatusCode)
	}
	_, body := v.get(res.Header.Get("Location"))
	return body
}

func TestPaperIsEnteredOnThePage(t *testing.T) {
	b := start(t, true, fixed)
	of := b.overReal()
	v := b.as("lan")
	if _, body := v.get("/van-ban-den"); !strings.Contains(body, `href="/van-ban-den/vao-so"`) {
		t.Error("the list does not lead to the form")
	}
	_, body := v.get("/van-ban-den/vao-so")
	for _, want := range []string{"Số tiếp theo: 01", `value="21/11/2026"`, `data-keep="/van-ban-den/vao-so"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the form lacks %q", want)
		}
	}
	res, _ := v.formTo("/van-ban-den/vao-so", onPaper(), "bản chụp.pdf", samplePDF("THONG BAO", 1, ""))
	body = v.enteredAs(t, res)
	for _, want := range []string{"Đã vào sổ đến, số 01.", `id="moi"`, "data-focus", "20/11/2026", "12/TB-UBND", "Bản giấy", "Loa Thành"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	// The same form pressed again is the same document, also after a restart.
	res, _ = v.formTo("/van-ban-den/vao-so", onPaper())
	v.enteredAs(t, res)
	docs, total, err := of.List(t.Context(), office.Query{Box: office.In})
	if err != nil || total != 1 || docs[0].Urgency != office.Khan || docs[0].Date != "2026-11-18" || docs[0].Paper.Arrived != "2026-11-20" || docs[0].Type != "TB" {
		t.Fatalf("%d documents, %+v, %v", total, docs, err)
	}
	_, body = v.get(boxPath(docs[0]))
	for _, want := range []string{"Văn bản giấy", "Không có trạng thái nào được gửi", "/dau-den", "bản chụp.pdf"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the document lacks %q", want)
		}
	}
	for _, not := range []string{"/goi", "/edxml", "Nơi gửi được báo", "Không có chữ ký số", "/tra-lai"} {
		if strings.Contains(body, not) {
			t.Errorf("the page of a paper document has %q", not)
		}
	}
	res, pdf := v.get(boxPath(docs[0]) + "/dau-den")
	if res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(pdf, "%PDF-") || !strings.Contains(pdf, "[0 0 141.732 99.212]") {
		t.Errorf("the stamp: %s, %.300q", res.Header.Get("Content-Type"), pdf)
	}
}

func TestDoubtsAreAskedOnce(t *testing.T) {
	b := start(t, true, fixed)
	of := b.overReal()
	v := b.as("lan")
	res, _ := v.formTo("/van-ban-den/vao-so", onPaper())
	v.enteredAs(t, res)
	again := onPaper()
	again.Set("once", "b")
	again.Set("code", "12/tb-ubnd")
	again.Set("number", "4")
	res, body := v.formTo("/van-ban-den/vao-so", again)
	for _, want := range []string{"Có thể trùng với số đến 1 ngày 20/11/2026.", "Số 02–03 chưa dùng – kiểm tra sổ giấy.", `name="sure"`, "Mở văn bản đó", `value="12/tb-ubnd"`, "<title>Lỗi: "} {
		if !strings.Contains(body, want) {
			t.Errorf("asked %d: the form lacks %q", res.StatusCode, want)
		}
	}
	again.Set("sure", "1")
	again.Set("doubted", "4|13/TB-UBND|UBND xã Cổ Loa") // about another document
	if res, _ := v.formTo("/van-ban-den/vao-so", again); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("what was not read was taken as read: %d", res.StatusCode)
	}
	again.Set("doubted", "4|12/tb-ubnd|UBND xã Cổ Loa")
	res, _ = v.formTo("/van-ban-den/vao-so", again)
	if body := v.enteredAs(t, res); !strings.Contains(body, "Đã vào sổ đến, số 04.") {
		t.Error("who is sure cannot go on")
	}
	docs, _, err := of.List(t.Context(), office.Query{Box: office.In})
	if err != nil {
		t.Fatal(err)
	}
	_, body = v.get(boxPath(docs[0]))
	if want := `Có thể trùng với số đến 1 ngày 20/11/2026.</b> <a href="` + boxPath(docs[1]); !strings.Contains(body, want) {
		t.Errorf("the page of the second lacks %q", want)
	}
	if _, body := v.get("/van-ban-den/vao-so"); !strings.Contains(body, "Số 02–03 chưa dùng") || !strings.Contains(body, "Số tiếp theo: 05") {
		t.Error("the form does not show the gap and the next number")
	}
}

func TestPaperThatGoesOut(t *testing.T) {
	b := start(t, true, fixed)
	of := b.overReal()
	v := b.as("lan")
	form := url.Values{"type": {"QĐ"}, "date": {"20/11/2026"}, "subject": {"Giao đất"}, "signer": {"Lê Văn Mẫu"}, "to": {"Hội Nông dân xã\r\n\r\n Ông Trần Văn Mẫu "}, "copies": {"3"}, "once": {"a"}}
	res, _ := v.formTo("/van-ban-di/vao-so", form)
	body := v.enteredAs(t, res)
	for _, want := range []string{"Đã vào sổ đi, số 01/QĐ-UBND.", "Đã phát hành bằng giấy", "Hội Nông dân xã"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	docs, _, err := of.List(t.Context(), office.Query{Box: office.Out})
	if err != nil || len(docs) != 1 || len(docs[0].To) != 2 || docs[0].To[1].Name != "Ông Trần Văn Mẫu" || docs[0].Paper.Copies != 3 {
		t.Fatalf("%+v, %v", docs, err)
	}
	_, body = v.get(boxPath(docs[0]))
	for _, want := range []string{"Nơi nhận bản giấy", "Lê Văn Mẫu", "không rút lại hay thu hồi qua hệ thống được"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the document lacks %q", want)
		}
	}
	for _, not := range []string{"/goi", "/edxml", "/thu-hoi", "/rut-lai", "/gui?thay"} {
		if strings.Contains(body, not) {
			t.Errorf("the page of a paper document has %q", not)
		}
	}
	form.Set("once", "b")
	form.Set("number", "1")
	form.Set("copies", "ba")
	if _, body := v.formTo("/van-ban-di/vao-so", form); !strings.Contains(body, "Số lượng bản là một số") || !strings.Contains(body, "Giao đất") {
		t.Error("copies that are no number are not told")
	}
	form.Del("copies")
	if _, body := v.formTo("/van-ban-di/vao-so", form); !strings.Contains(body, "Số 01/QĐ-UBND đã dùng trong năm cho văn bản ngày 20/11/2026") {
		t.Error("a number that is borne is not told")
	}
}

// TestPaperPagesFitBothWindowsInBothLanguages in every state: empty, with gaps,
// full of mistakes, asked about a duplicate, entered; and what paper documents
// look like.
func TestPaperPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, true, fixed)
	of := b.overReal()
	enter := func(e office.PaperEntry) office.Document {
		e.By = "lan"
		d, err := of.Enter(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	long := office.Party{Name: "Ban Quản lý dự án đầu tư xây dựng công trình giao thông và phát triển đô thị khu vực miền núi phía Bắc"}
	enter(office.PaperEntry{Box: office.In, From: office.Party{Name: "UBND xã Cổ Loa"}, Code: "12/TB-UBND", Subject: "Về việc tu bổ di tích", Arrived: "18/11/2026"})
	in := enter(office.PaperEntry{Box: office.In, From: long, Code: "1234/2026/BQLDA-KHTHĐTXD", Subject: "Đề nghị phối hợp giải phóng mặt bằng đường liên xã đoạn qua bản Mường", Urgency: office.HoaToc,
		Files: []office.Upload{{Name: "Bản chụp công văn.pdf", Body: strings.NewReader(samplePDF("CONG VAN", 1, ""))}}})
	twin := enter(office.PaperEntry{Box: office.In, From: office.Party{Name: "UBND xã Cổ Loa"}, Code: "12/TB-UBND", Subject: "Về việc tu bổ di tích", Number: "9", Sure: true})
	out := enter(office.PaperEntry{Box: office.Out, To: []office.Party{{Name: "Hội Nông dân xã"}, long, {Name: "Ông Trần Văn Mẫu"}}, Type: "QĐ", Subject: "Về việc giao đất", Signer: "Lê Văn Mẫu", Copies: 3})
	tour := map[string]string{
		"enter-in": "/van-ban-den/vao-so", "enter-out": "/van-ban-di/vao-so", "paper-in": boxPath(in), "paper-twin": boxPath(twin), "paper-out": boxPath(out),
		"entered-in": "/van-ban-den?moi=" + in.ID.String(), "entered-out": "/van-ban-di?moi=" + out.ID.String(),
	}
	b.everyWindow("lan", func(c *chrome, _ string) {
		for name, path := range tour {
			c.See(name, path)
		}
		c.Open("/van-ban-den/vao-so")
		c.Do(webtest.Typed("#arrived", "9"))
		c.Do(webtest.Typed("#number", "mười"))
		c.Do(chromedp.Click(css(".send .btn.big")), chromedp.WaitVisible(css("#errors")))
		c.Look("enter-mistakes")
		c.Do(chromedp.Evaluate[chromedp.Void]("sessionStorage.clear()"))
		c.Open("/van-ban-den/vao-so")
		c.Do(chromedp.SetValue(css("#from"), "UBND xã Cổ Loa"), chromedp.SetValue(css("#code"), "12/TB-UBND"), chromedp.SetValue(css("#number"), "15"), webtest.Typed("#subject", "Tu bổ di tích"))
		c.Do(chromedp.Click(css(".send .btn.big")), chromedp.WaitVisible(css("#sure")))
		c.Look("enter-doubt")
		c.Do(chromedp.Evaluate[chromedp.Void]("sessionStorage.clear()"))
		c.Open("/van-ban-di/vao-so")
		c.Do(chromedp.SetValue(css("#number"), "1"), chromedp.SetValue(css("#copies"), "-1"))
		c.Do(chromedp.Click(css(".send .btn.big")), chromedp.WaitVisible(css("#errors")))
		c.Look("enter-out-mistakes")
		c.Do(chromedp.Evaluate[chromedp.Void]("sessionStorage.clear()"))
	})
}

// TestEnteringByKeyboard: a paper document is in the register after typing,
// Tab and Ctrl+Enter; what was typed survives a reload; the new row has the
// focus, and the kept text is gone.
func TestEnteringByKeyboard(t *testing.T) {
	b := start(t, true, fixed)
	b.overReal()
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open("/van-ban-den/vao-so")
	c.Do(webtest.Typed("#from", "Sở Nội vụ"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("27/SNV-VP"))
	c.Open("/van-ban-den/vao-so")
	if got := webtest.Value(c.Browser, chromedp.Value(css("#code"))); got != "27/SNV-VP" {
		t.Errorf("a reload keeps %q", got)
	}
	file := filepath.Join(t.TempDir(), "Bản chụp.pdf")
	if err := os.WriteFile(file, []byte(samplePDF("A", 1, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}), webtest.Typed("#subject", "Tập huấn văn thư"))
	c.Do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.WaitVisible(css("div.done")))
	if got := c.Text("div.done"); !strings.Contains(got, "Đã vào sổ đến, số 01.") {
		t.Errorf("confirmation: %q", got)
	}
	c.Until("the new row has the focus", "document.activeElement.textContent === 'Tập huấn văn thư'", nil, "true")
	if webtest.Value(c.Browser, chromedp.Evaluate[bool]("'tram:/van-ban-den/vao-so' in sessionStorage")) {
		t.Error("an entered form is still kept")
	}
	c.Quiet()
}
