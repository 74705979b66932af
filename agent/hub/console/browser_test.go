package console_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tram/agent/web/webtest"
)

// TestConsoleFitsBothWindowsInBothLanguages shows every screen and its states to a
// real browser.
func TestConsoleFitsBothWindowsInBothLanguages(t *testing.T) {
	w, new := seeded(t), empty(t)
	w.duty(t.Context())
	w.releases(t.Context())
	w.day(t.Context())
	w.orders(t.Context())
	for _, width := range webtest.Widths() {
		c := webtest.New(t, w.url, width, 768)
		c.Open("/dang-nhap")
		c.Look("signin")
		c.SignIn("sec", password)
		first := webtest.New(t, new.url, width, 768)
		first.SignIn("op", password)
		officer := webtest.New(t, w.url, width, 768)
		officer.SignIn("ky", password)
		for _, lang := range webtest.Languages(width) {
			c.Language(lang)
			first.Language(lang)
			officer.Language(lang)
			first.See("empty", "/tinh-hinh")
			officer.See("officer", "/tinh-hinh")
			for name, path := range tour {
				if name != "office-form" {
					c.See(name, path)
				}
			}
			c.See("incident", "/su-co/mot/7")
			first.See("urgent-none", "/van-ban-khan")
			c.Open("/moi/them")
			c.Enter("form[action='/moi/them'] .btn")
			c.Look("invite-mistakes")
			c.Open("/thiet-bi/mot/H40.1.03")
			c.Enter(".btn.warn")
			c.Look("revoke-mistakes")
			c.Open("/thiet-bi?tu=mường 0")
			c.Do(chromedp.Click("#lenh summary"), chromedp.Click("#chon-H40\\.1\\.00"))
			c.Enter("button[value=chon]")
			c.Look("bulk-preview")
			c.Open("/cap-nhat/mot/1.5.0")
			c.Enter("form[action$='/dung'] .btn")
			c.Look("update-preview")
			c.Open("/mot-cua?thang=x")
			c.Look("dossiers-mistake")
		}
		c.Quiet()
		first.Quiet()
		officer.Quiet()
	}
}

// TestABoxIsFoundAndInvitedAgainByKeyboard goes from the overview to the new
// invite without a mouse.
func TestABoxIsFoundAndInvitedAgainByKeyboard(t *testing.T) {
	w := seeded(t)
	c := webtest.New(t, w.url, 1366, 768)
	c.SignIn("sec", password)
	c.Leave(webtest.Key("2", chromedp.ModifierAlt))
	c.TabTo("summary")
	c.Press(kb.Enter)
	c.Into("#tu", "mường 0")
	c.Leave(webtest.Key(kb.Enter))
	c.Press("j")
	c.Leave(webtest.Key(kb.Enter))
	if got := c.Text("h1"); got != "UBND xã Mường 0" {
		t.Fatalf("the keys led to %q", got)
	}
	c.TabTo("form[action$='/moi-lai'] .btn")
	c.Leave(webtest.Key(kb.Enter))
	if got := c.Text("#errors"); !strings.Contains(got, "Chưa đánh dấu xác nhận") {
		t.Errorf("without confirming: %q", got)
	}
	c.TabTo("#replace")
	c.Press(" ")
	c.TabTo("form[action$='/moi-lai'] .btn")
	c.Leave(webtest.Key(kb.Enter))
	if got := c.Text("div.done"); !strings.Contains(got, "Đã làm thẻ mời") {
		t.Errorf("after inviting: %q", got)
	}
	c.Quiet()
}
