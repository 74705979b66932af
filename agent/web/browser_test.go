package web

import (
	"fmt"
	"testing"
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
