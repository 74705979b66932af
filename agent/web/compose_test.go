package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tram/agent/compose"
	"tram/agent/office"
	"tram/agent/web/webtest"
)

// scan puts a file into the scanner's folder.
func (b *box) scan(name string) string {
	b.t.Helper()
	path := filepath.Join(b.scans, name)
	if err := os.WriteFile(path, []byte(samplePDF("QUET", 1, "")), 0o600); err != nil {
		b.t.Fatal(err)
	}
	at := noon.Add(-time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// between is what stands between two texts in a page.
func between(t *testing.T, page, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, before)
	found, _, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("no %q in the page", before)
	}
	return found
}

func (b *box) last() office.Document {
	b.office.mu.Lock()
	defer b.office.mu.Unlock()
	return b.office.docs[len(b.office.docs)-1]
}

// TestP1_ADraftOutlivesTheBrowser saves a draft with a file, finds it from another
// browser, sends it with a scan, and finds draft and scan put away.
func TestP1_ADraftOutlivesTheBrowser(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	scanned := b.scan("Quét 01.pdf")
	_, page := v.get("/gui")
	id := between(t, page, `name="draft" value="`, `"`)
	fields := goodForm()
	fields.Set("draft", id)
	res, body := v.formTo("/gui/nhap", fields, "Phụ lục.pdf", "%PDF-1.4 phụ lục", "Bỏ.pdf", "%PDF-1.4 bỏ")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/gui?nhap="+id) {
		t.Fatalf("saving: %d %s %.300s", res.StatusCode, res.Header.Get("Location"), body)
	}
	other := b.as("lan")
	_, page = other.get("/gui")
	if !strings.Contains(page, "Bản nháp (1)") || !strings.Contains(page, "/gui?nhap="+id) {
		t.Error("another browser does not show the draft")
	}
	_, page = other.get("/gui?nhap=" + id)
	for _, want := range []string{"Báo cáo  tuần", "H40.13, h40.snv; H40.13", "Phụ lục.pdf", "Bỏ.pdf", "Bản nháp lưu lúc 10:32", `value="3" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
	files := regexp.MustCompile(`name="draftfile" value="([A-Z2-7]+)"`).FindAllStringSubmatch(page, -1)
	scan := between(t, page, `name="scan" value="`, `"`)
	if len(files) != 2 {
		t.Fatalf("%d files in the draft", len(files))
	}
	send := maps.Clone(fields)
	send["draftfile"], send["scan"] = []string{files[0][1]}, []string{scan}
	send.Del("declare")
	res, page = other.formTo("/gui", send)
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, `value="`+files[0][1]+`" checked`) ||
		strings.Contains(page, `value="`+files[1][1]+`" checked`) || !strings.Contains(page, `value="`+scan+`" checked`) {
		t.Errorf("a form that came back forgets its choices: %d", res.StatusCode)
	}
	if _, err := os.Stat(scanned); err != nil {
		t.Errorf("the scan is gone before its document is saved: %v", err)
	}
	send.Set("declare", "1")
	if res, page = other.formTo("/gui", send, "Thêm.pdf", "%PDF-1.4 thêm"); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sending: %d %.400s", res.StatusCode, page)
	}
	var names []string
	for _, a := range b.last().Attachments {
		names = append(names, a.Name)
	}
	if got := strings.Join(names, ", "); got != "Phụ lục.pdf, Quét 01.pdf, Thêm.pdf" {
		t.Errorf("sent %s", got)
	}
	if _, page = other.get("/gui"); strings.Contains(page, "Bản nháp (") {
		t.Error("the draft of a sent document is still there")
	}
	if _, err := os.Stat(filepath.Join(b.scans, compose.SentFolder, "Quét 01.pdf")); err != nil {
		t.Errorf("the scan was not put aside: %v", err)
	}
}

func TestADraftIsSeenByItsOwnerAlone(t *testing.T) {
	b := start(t, false, fixed)
	ctx, id := context.Background(), compose.NewID()
	if err := b.site.Composing.Save(ctx, "minh", id, url.Values{"subject": {"riêng của Minh"}}); err != nil {
		t.Fatal(err)
	}
	v := b.as("lan")
	if _, page := v.get("/gui"); strings.Contains(page, "riêng của Minh") {
		t.Error("the list shows it")
	}
	if res, _ := v.get("/gui?nhap=" + id); res.StatusCode != http.StatusNotFound {
		t.Errorf("opening it: %d", res.StatusCode)
	}
	f := goodForm()
	f.Set("draft", id)
	if res, _ := v.formTo("/gui/nhap", f); res.StatusCode != http.StatusNotFound {
		t.Errorf("saving over it: %d", res.StatusCode)
	}
	v.post("/gui/nhap/"+id+"/xoa", url.Values{})
	if d, err := b.site.Composing.Get(ctx, "minh", id); err != nil || d.Fields.Get("subject") != "riêng của Minh" {
		t.Errorf("%+v %v", d, err)
	}
}

func TestAScanThatChangedIsNotSent(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	b.scan("a.pdf")
	_, page := v.get("/gui")
	f := goodForm()
	f.Set("scan", between(t, page, `name="scan" value="`, `"`))
	if err := os.WriteFile(filepath.Join(b.scans, "a.pdf"), []byte("%PDF khác"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := len(b.office.docs)
	res, page := v.formTo("/gui", f)
	if res.StatusCode < 400 || !strings.Contains(page, "không còn như lúc chọn") || len(b.office.docs) != n {
		t.Errorf("%d, %d documents %.300s", res.StatusCode, len(b.office.docs)-n, page)
	}
}

func TestGroupsOfRecipients(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	for _, c := range []struct{ name, to, want string }{
		{"", "H40.13", "Nhập tên nhóm"}, {"Nhóm", "", "Nhóm cần từ 1"}, {"Nhóm", "H99.9", "H99.9"},
	} {
		if res, page := v.post("/nhom", url.Values{"group": {c.name}, "to": {c.to}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, c.want) {
			t.Errorf("%+v: %d", c, res.StatusCode)
		}
	}
	if res, _ := v.post("/nhom", url.Values{"group": {"Xã vùng cao"}, "to": {"H40.13, H40.SNV"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving: %d", res.StatusCode)
	}
	if _, page := v.get("/noi-nhan?manh=1&q=" + url.QueryEscape("xa vung")); !strings.Contains(page, `data-code="H40.13, H40.SNV"`) {
		t.Errorf("the group is not offered: %s", page)
	}
	if _, page := v.get("/gui?den=H40.13,+H40.SNV"); strings.Count(page, "<li data-code=") != 2 {
		t.Error("the form of a group lacks its offices")
	}
	if _, page := v.get("/nhom"); !strings.Contains(page, "2 nơi nhận") {
		t.Error("the page lacks the group")
	}
	v.post("/nhom/xoa", url.Values{"group": {"Xã vùng cao"}})
	if _, page := v.get("/nhom"); !strings.Contains(page, "Chưa có nhóm nào") {
		t.Error("the group is still there")
	}
}

// clicks counts what a person clicks, over pages.
const clicks = `if (!window.counted) { window.counted = 1; addEventListener('click', e => e.isTrusted && e.detail && sessionStorage.setItem('clicks', 1 + +sessionStorage.getItem('clicks')), true) }`

func (c *chrome) clicked(selector string) webtest.Step {
	return chromedp.Steps(chromedp.Evaluate[chromedp.Void]("void function() {"+clicks+"}()"), chromedp.Click(css(selector)))
}

func (c *chrome) clicks() int {
	return webtest.Value(c.Browser, chromedp.Evaluate[int](`+sessionStorage.getItem('clicks')`))
}

// TestSendingTakesFourClicksAndReceivingTwo counts them.
func TestSendingTakesFourClicksAndReceivingTwo(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	file := filepath.Join(t.TempDir(), "Báo cáo.pdf")
	if err := os.WriteFile(file, []byte(samplePDF("BAO CAO", 1, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Open("/gui")
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}), c.clicked("#to"))
	c.Until("recipients used lately are offered", "document.querySelector('#to-list [role=option]')", nil, "document.querySelector('#to-list [role=option]')")
	c.Do(c.clicked("#to-list [role=option]"), webtest.Typed("#subject", "Báo cáo tuần"), c.clicked("#declare"))
	c.Leave(c.clicked(".go .big"))
	if n := c.clicks(); n > 4 || !strings.Contains(c.Text(".done"), "Đã lưu an toàn") {
		t.Errorf("sending took %d clicks", n)
	}
	c.Do(chromedp.Evaluate[chromedp.Void]("void sessionStorage.removeItem('clicks')"))
	c.Open("/viec-can-lam")
	c.Leave(c.clicked(fmt.Sprintf("[href='%s'].btn", boxPath(b.docs["normal"]))))
	c.Leave(c.clicked("[action$='/tiep-nhan'] .btn"))
	if n := c.clicks(); n > 2 || !strings.Contains(c.Text(".done"), "Đã tiếp nhận") {
		t.Errorf("receiving took %d clicks", n)
	}
}

// TestP1_TypedTextIsKeptOnTheBox types, waits, and finds the text as a draft in
// another browser, which has nothing of the first one.
func TestP1_TypedTextIsKeptOnTheBox(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open("/gui")
	c.Do(webtest.Typed("#subject", "Về việc khẩn"), chromedp.KeyEvent(kb.Tab))
	for range 100 {
		if list, err := b.site.Composing.List(t.Context(), "lan"); err == nil && len(list) == 1 {
			break
		}
		c.Do(chromedp.Sleep(100 * time.Millisecond))
	}
	other := browse(t, b, 1366, 768)
	other.signIn("lan")
	other.Open("/gui")
	other.Do(chromedp.Click(css(".drafts summary")))
	other.Enter(".drafts li a")
	if got := webtest.Value(other.Browser, chromedp.Value(css("#subject"))); got != "Về việc khẩn" {
		t.Errorf("the draft says %q", got)
	}
	c.Open("/gui") // a reload goes on with the same draft
	c.Do(webtest.Typed("#subject", ", gửi ngay"))
	time.Sleep(4 * time.Second)
	if list, err := b.site.Composing.List(t.Context(), "lan"); err != nil || len(list) != 1 {
		t.Errorf("%d drafts %v", len(list), err)
	}
	c.Quiet()
}

func TestComposingPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	ctx := context.Background()
	b.scan("Quét trang 1 của công văn gửi Sở Nội vụ.pdf")
	b.scan("Quét 2.pdf")
	for i, subject := range []string{"Báo cáo tình hình mưa lũ, sạt lở đất từ ngày 18 đến ngày 21 tháng 11 năm 2026", ""} {
		id := compose.NewID()
		if err := b.site.Composing.Save(ctx, "lan", id, url.Values{"subject": {subject}, "to": {"H40.13"}}); err != nil {
			t.Fatal(err)
		}
		if err := b.site.Composing.AddFile(ctx, "lan", id, fmt.Sprintf("Phụ lục %d.pdf", i), strings.NewReader("%PDF"), 100); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.site.Composing.List(ctx, "lan")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.site.Composing.SaveGroup(ctx, compose.Group{Name: "Các xã vùng cao phía Tây", Codes: []string{"H40.13", "H40.SNV"}}, "lan"); err != nil {
		t.Fatal(err)
	}
	b.everyWindow("lan", func(c *chrome, _ string) {
		for name, path := range map[string]string{"send-drafts": "/gui", "send-draft": "/gui?nhap=" + list[0].ID, "groups": "/nhom"} {
			c.Open(path)
			c.Do(chromedp.Evaluate[chromedp.Void]("void document.querySelectorAll('main details').forEach(d => d.open = true)"))
			c.Look(name)
		}
	})
}
