package web

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"

	"tram/agent/office"
	"tram/agent/web/webtest"
)

// tour lists every page of a seeded box.
func (b *box) tour() map[string]string {
	return map[string]string{
		"work": "/viec-can-lam", "incoming": "/van-ban-den", "incoming-none": "/van-ban-den?loc=khac",
		"document-express": boxPath(b.docs["express"]), "document-active": boxPath(b.docs["active"]),
		"document-forged": boxPath(b.docs["forged"]), "document-unsure": boxPath(b.docs["unsure"]),
		"document-unsealed": boxPath(b.docs["unsealed"]), "document-accepted": boxPath(b.docs["accepted"]) + "?xong=1",
		"send": "/gui", "send-again": "/gui?tu=" + b.docs["returned"].ID.String(), "recipients": "/noi-nhan?q=xã",
		"outbox": "/hop-gui", "outgoing": "/van-ban-di",
		"sent-done": boxPath(b.docs["saved"]) + "?xong=1", "sent-sending": boxPath(b.docs["sending"]),
		"sent-returned": boxPath(b.docs["returned"]), "sent-many": boxPath(b.docs["many"]), "sent-failed": boxPath(b.docs["failed"]),
		"slip": boxPath(b.docs["many"]) + "/phieu-gui", "no-page": "/khong-co",
		"signing":     "/ky-so",
		"import":      "/gui/edxml",
		"signed-good": boxPath(b.docs["signed-good"]), "signed-added": boxPath(b.docs["signed-added"]), "signed-later": boxPath(b.docs["signed-later"]),
		"signed-unknown": boxPath(b.docs["signed-unknown"]), "signed-changed": boxPath(b.docs["signed-changed"]),
		"signed-changed-why": boxPath(b.docs["signed-changed"]) + "?vi-sao=1", "signed-revoked": boxPath(b.docs["signed-revoked"]),
		"report":     boxPath(b.docs["signed-good"]) + "/kiem-tra/0",
		"asked-back": boxPath(b.docs["asked-back"]), "recalled": boxPath(b.docs["recalled"]), "kept": boxPath(b.docs["kept"]), "update": boxPath(b.docs["update"]),
		"replaced-in": boxPath(b.docs["replaced-in"]), "withdrawn": boxPath(b.docs["withdrawn"]), "recalled-out": boxPath(b.docs["recalled-out"]),
		"recalling": boxPath(b.docs["recalling"]), "outgoing-recalled": "/van-ban-di?loc=da-thu-hoi", "incoming-recalled": "/van-ban-den?loc=da-thu-hoi",
		"send-replace": "/gui?thay=" + b.docs["delivered"].ID.String(), "send-update": "/gui?cap-nhat=" + b.docs["many"].ID.String(),
		"account": "/tai-khoan", "password": "/mat-khau",
	}
}

func css(s string) chromedp.CSS { return chromedp.CSS(s) }

func TestPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	for _, width := range webtest.Widths() {
		c := browse(t, b, width, 768)
		c.Open("/dang-nhap")
		c.Fits("sign-in")
		c.Shot(fmt.Sprintf("signin-vi-%d", width))
		c.signIn("lan")
		for _, lang := range webtest.Languages(width) {
			c.Language(lang)
			for name, path := range b.tour() {
				c.See(name, path)
			}
		}
		c.Quiet()
	}
}

// TestAccountPagesFitBothWindowsInBothLanguages is for what an IT officer and a
// newcomer see.
func TestAccountPagesFitBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	newcomer(t, b)
	b.lock("staff")
	for _, width := range webtest.Widths() {
		c := browse(t, b, width, 768)
		for _, lang := range webtest.Languages(width) {
			c.signIn("it")
			c.Language(lang)
			for name, path := range map[string]string{"users": "/nguoi-dung", "user-locked": "/nguoi-dung/staff", "user-self": "/nguoi-dung/it"} {
				c.See(name, path)
			}
			c.Open("/nguoi-dung")
			c.Enter(".send .btn")
			c.Look("users-mistakes")
			c.Enter("[action='/dang-xuat'] button")

			c.Open("/dang-nhap")
			c.Do(chromedp.SetValue(css("#name"), "minh"), chromedp.SetValue(css("#password"), "tạm thời 1"))
			c.Enter(".narrow .btn:not(.plain)")
			c.Do(chromedp.WaitVisible(css("#again")))
			c.Look("first-password")
			c.Enter("[action='/dang-xuat'] button")
		}
		c.Quiet()
	}
}

// TestADayOfAClerk sends a file with progress, sees its track move, accepts,
// and returns, in a real browser.
func TestADayOfAClerk(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	if got := webtest.Value(c.Browser, chromedp.Title()); got != "(HỎA TỐC) Việc cần làm – Trạm" {
		t.Errorf("title of the home page: %q", got)
	}
	sent := c.sendByHand(filepath.Join(t.TempDir(), "Báo cáo.pdf"))

	// The track moves without a reload once the hub has it.
	c.Until("the hub shows in the track", "document.querySelector('.track .todo')", func() {
		b.office.change(func() {
			d, _ := b.office.find(sent)
			d.State, d.To[0].State = office.AtHub, office.AtHub
			d.Events = append(d.Events, office.Event{Step: office.AtHub, At: time.Now(), Learnt: time.Now(), Signer: "H40", Evidence: "custody"})
		})
	}, "document.querySelectorAll('.track .done').length === 3 && document.body.textContent.includes('Biên nhận có chữ ký của H40')")

	// Accept with one key.
	c.Open(boxPath(b.docs["normal"]))
	c.Leave(chromedp.KeyEvent("t"))
	if got := c.Text(".done"); !strings.Contains(got, "Đã tiếp nhận, số đến 1287") {
		t.Errorf("after accepting: %q", got)
	}

	// Return without a reason: the summary has the focus and the title says so.
	c.Open(boxPath(b.docs["urgent"]))
	c.Do(chromedp.Click(css(".act summary")))
	c.Enter(".act .warn")
	if got := c.Text("#errors"); !strings.Contains(got, "Nhập lý do trả lại") {
		t.Errorf("returning without a reason: %q", got)
	}
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.id === 'errors' && document.title.startsWith('Lỗi: ')")) {
		t.Error("the summary of mistakes has no focus")
	}
	c.Accessible("mistakes in returning")
	c.Shot("document-mistake-vi-1366")
	c.Do(webtest.Typed("#reason", "Gửi nhầm đơn vị"))
	c.Enter(".act .warn")
	if got := c.Text(".done"); !strings.Contains(got, "Lý do: Gửi nhầm đơn vị") {
		t.Errorf("after returning: %q", got)
	}
	c.Quiet()
}

// sendByHand goes through the sending form the way a clerk does and returns
// the new document.
func (c *chrome) sendByHand(file string) (id [16]byte) {
	t := c.t
	if err := os.WriteFile(file, []byte(samplePDF("BAO CAO", 2, "")+strings.Repeat("% pad\n", 4<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Leave(chromedp.KeyEvent(kb.F2))
	c.Do(chromedp.WaitVisible(css("#files")))

	// Everything missing: the mistakes come by script, the file stays chosen.
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}), chromedp.Focus(css("#subject")), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))

	c.Do(chromedp.WaitVisible(css("#errors")))
	if got := c.Text("#errors"); strings.Contains(got, "tệp") || !strings.Contains(got, "Nhập trích yếu") || !strings.Contains(got, "Chọn ít nhất một nơi nhận") {
		t.Errorf("mistakes: %q", got)
	}
	c.Accessible("mistakes in the sending form")
	c.Shot("send-mistakes-vi-1366")

	c.Do(chromedp.Click(css("#to")), webtest.Typed("#to", "nội"), chromedp.WaitVisible(css("#to-list[data-q='nội'] [aria-selected=true]")))
	c.Shot("send-pick-vi-1366")
	c.Do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(css(".chips [aria-label]")))
	if got := c.Text(".chips"); !strings.Contains(got, "Sở Nội vụ") {
		t.Errorf("recipient: %q", got)
	}
	c.Do(webtest.Typed("#subject", "Báo cáo tuần 47 về phòng chống lụt bão"), chromedp.Click(css("label[for=declare]")))
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("Object.keys(sessionStorage).length > 0")) {
		t.Error("what is typed is not kept")
	}
	webtest.Value(c.Browser, chromedp.Evaluate[chromedp.Void](`void new MutationObserver(() => { sessionStorage.seen = (sessionStorage.seen || '') + document.querySelector('#copying').textContent + '|' }).observe(document.querySelector('#copying'), { childList: true })`))
	c.slow.Store(true)
	c.Do(chromedp.Click(css(".send .btn.big")), chromedp.WaitVisible(css("div.done")))
	c.slow.Store(false)
	c.Shot("sent-by-hand-vi-1366")
	if got := c.Text("div.done"); !strings.Contains(got, "Đã lưu an toàn trên máy của đơn vị lúc") {
		t.Errorf("confirmation: %q", got)
	}
	if got := webtest.Value(c.Browser, chromedp.Evaluate[string]("sessionStorage.seen")); !strings.Contains(got, "Đang chép vào máy của đơn vị") {
		t.Errorf("no progress was shown: %q", got)
	}
	if webtest.Value(c.Browser, chromedp.Evaluate[bool]("'tram:/gui' in sessionStorage")) {
		t.Error("a sent form is still kept")
	}
	where := webtest.Value(c.Browser, chromedp.Location())
	parsed, err := uuid.Parse(filepath.Base(strings.SplitN(where, "?", 2)[0]))
	if err != nil {
		t.Fatalf("sending led to %s: %v", where, err)
	}
	return parsed
}

func TestKeysAndFocus(t *testing.T) {
	b := start(t, false, fixed)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Leave(chromedp.KeyEvent("2", chromedp.KeyModifiers(chromedp.ModifierAlt)))
	if got := webtest.Value(c.Browser, chromedp.Location()); !strings.HasSuffix(got, "/van-ban-den") {
		t.Errorf("Alt+2 leads to %s", got)
	}
	c.Do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"), chromedp.KeyEvent("j"))
	if got := webtest.Value(c.Browser, chromedp.Evaluate[int]("[...document.querySelectorAll('.open')].indexOf(document.activeElement)")); got != 1 {
		t.Errorf("J and K lead to row %d", got)
	}
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Do(chromedp.WaitVisible(css(".trust")))
	c.Do(chromedp.Click(css(".act summary")), webtest.Typed("#reason", "thu jk"))
	if got := webtest.Value(c.Browser, chromedp.Value(css("#reason"))); got != "thu jk" {
		t.Errorf("letters typed into a field acted as keys: %q", got)
	}
	c.Open("/viec-can-lam")
	c.Do(chromedp.KeyEvent(kb.Tab))
	if !webtest.Value(c.Browser, chromedp.Evaluate[bool]("document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().left >= 0")) {
		t.Error("the first Tab does not show the skip link")
	}
	if got := webtest.Value(c.Browser, chromedp.Evaluate[string]("getComputedStyle(document.activeElement).outlineColor + getComputedStyle(document.activeElement).outlineWidth")); got != "rgb(255, 221, 0)3px" {
		t.Errorf("focus looks like %s", got)
	}
	c.Quiet()
}

func TestTheBoxGoesAwayAndComesBack(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open("/gui")
	c.Do(webtest.Typed("#subject", "Đang gõ dở"))
	b.away.Store(true)
	c.Until("the page says that the box is away", "!document.querySelector('#lost').hidden", nil, "document.querySelector('#lost').textContent.includes('Nội dung đang nhập vẫn được giữ')")
	c.Shot("lost-vi-1366")
	b.away.Store(false)
	c.Until("the page says nothing of it any more", "document.querySelector('#lost').hidden", nil, "true")
	c.Open("/gui")
	if got := webtest.Value(c.Browser, chromedp.Value(css("#subject"))); got != "Đang gõ dở" {
		t.Errorf("what was typed is gone: %q", got)
	}
}

func TestPagesWorkWithoutScripts(t *testing.T) {
	b := start(t, false, fixed)
	c := browse(t, b, 1366, 768)
	if _, err := chromedp.Call(c.Context(), emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "Báo cáo.pdf")
	if err := os.WriteFile(file, []byte(samplePDF("BAO CAO", 1, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.signIn("lan")
	c.Open("/gui")
	c.Shot("send-noscript-vi-1366")
	c.Do(chromedp.SetUploadFiles(css("#files"), []string{file}), webtest.Typed("#to", "H40.13, H40"),
		webtest.Typed("#subject", "Không có kịch bản"), chromedp.Click(css("#declare")))
	c.Enter(".send .btn.big")
	if got := c.Text("div.done"); !strings.Contains(got, "Đã lưu an toàn") {
		t.Errorf("sending without scripts: %q", got)
	}
	c.Open(boxPath(b.docs["normal"]))
	c.Enter(".act .btn")
	if got := c.Text("div.done"); !strings.Contains(got, "Đã tiếp nhận, số đến") {
		t.Errorf("accepting without scripts: %q", got)
	}
}

func TestSlipAndReportPrintOnOneSheet(t *testing.T) {
	b := start(t, false, fixed)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open(boxPath(b.docs["done"]) + "/phieu-gui")
	got, err := chromedp.Call(c.Context(), page.PrintToPDF, page.PrintToPDFParams{})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got.Data), "/Type /Page\n"); n != 1 {
		t.Errorf("the slip of one recipient takes %d sheets", n)
	}
	c.Keep("slip.pdf", got.Data)
	for _, name := range []string{"signed-good", "signed-revoked"} {
		c.Open(boxPath(b.docs[name]) + "/kiem-tra/0")
		got, err := chromedp.Call(c.Context(), page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(got.Data), "/Type /Page\n"); n != 1 {
			t.Errorf("the report on %s takes %d sheets", name, n)
		}
		c.Keep(name+".pdf", got.Data)
	}
}
