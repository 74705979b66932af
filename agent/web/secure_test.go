package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tram/agent/lan"
)

// overTLS is a box on the local network with a certificate of its own.
func overTLS(t *testing.T) *box {
	t.Helper()
	k, err := lan.Open(lan.Options{Dir: t.TempDir(), Names: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return startOver(t, k.TLS(), false, fixed)
}

func TestCookiesOverTLSAreBoundToTheHost(t *testing.T) {
	b := overTLS(t)
	v := b.visitor()
	res, _ := v.post("/dang-nhap", map[string][]string{"name": {"lan"}, "password": {password}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in gave %d", res.StatusCode)
	}
	other, _ := v.post("/ngon-ngu", map[string][]string{"lang": {"en"}})
	first, _ := b.visitor().get("/dang-nhap")
	seen := 0
	for _, r := range []*http.Response{res, other, first} {
		for _, c := range r.Cookies() {
			seen++
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %s: %+v", c.Name, c)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d cookies were seen", seen)
	}
}

func TestADocumentIsReadOverTLS(t *testing.T) {
	b := overTLS(t)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open(boxPath(b.docs["normal"]))
	c.Until("the frame is there", "document.querySelector('iframe')", nil, "true")
	c.Shot("document-tls-vi-1366")
	c.Leave(chromedp.KeyEvent("t"))
	if got := c.Text(".done"); !strings.Contains(got, "Đã tiếp nhận") {
		t.Errorf("after accepting: %q", got)
	}
	c.Quiet()
	fromDocuments, asked := 0, c.Requests()
	for _, url := range asked {
		if strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, b.url) {
			fromDocuments++
		}
	}
	if fromDocuments == 0 {
		t.Errorf("nothing came from the document origin: %q", asked)
	}
}

// TestEachPageHasTheStrictPolicy looks at every page of every role.
func TestEachPageHasTheStrictPolicy(t *testing.T) {
	b := start(t, false, fixed)
	origin := b.site.Documents.Origin(&http.Request{Host: strings.TrimPrefix(b.url, "http://")})
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self' " +
		origin + "; base-uri 'none'; frame-ancestors 'none'"
	for _, name := range []string{"", "lan", "it"} {
		v := b.visitor()
		if name != "" {
			v = b.as(name)
		}
		for _, path := range b.tour() {
			res, _ := v.get(path)
			got := res.Header.Get("Content-Security-Policy")
			if redirect := res.StatusCode == http.StatusSeeOther; got != want && !redirect || redirect && !strings.HasPrefix(got, "default-src 'none'; frame-ancestors 'none'") {
				t.Errorf("%s as %q has the policy %q", path, name, got)
			}
		}
	}
}

// TestABrowserHoldsThePolicy does in a page what injected content would try.
func TestABrowserHoldsThePolicy(t *testing.T) {
	b := start(t, false, fixed)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open(boxPath(b.docs["express"]))
	for what, try := range map[string]string{
		"script-src-elem": `(s => { s.textContent = 'window.ran = 1'; document.head.append(s) })(document.createElement('script'))`,
		"script-src-attr": `(s => { s.setAttribute('onclick', 'window.ran = 1'); document.body.append(s); s.click() })(document.createElement('b'))`,
		"style-src-elem":  `(s => { s.textContent = 'body { color: red }'; document.head.append(s) })(document.createElement('style'))`,
		"connect-src":     `(s => {})(new WebSocket('wss://127.0.0.1:8987/'))`,
		"img-src":         `(s => { s.src = 'http://127.0.0.1:9/x.png' })(document.createElement('img'))`,
		"frame-src":       `(s => { s.src = 'http://127.0.0.1:9/'; document.body.append(s) })(document.createElement('iframe'))`,
		"form-action":     `(s => { s.action = 'http://127.0.0.1:9/'; document.body.append(s); s.submit() })(document.createElement('form'))`,
		"base-uri":        `(s => { s.href = 'http://127.0.0.1:9/'; document.head.append(s) })(document.createElement('base'))`,
	} {
		c.Do(chromedp.Evaluate[chromedp.Void](`window.broken = ''; document.addEventListener('securitypolicyviolation', e => broken += e.effectiveDirective + ' '); void ` + try))
		c.Until(what+" is refused", "broken.includes('"+what+"')", nil, "window.ran === undefined")
	}
}

// TestNoOtherSiteFramesThePages is clickjacking.
func TestNoOtherSiteFramesThePages(t *testing.T) {
	b := start(t, false, time.Now)
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<main><iframe src="%s%s"></iframe></main>`, b.url, boxPath(b.docs["normal"]))
	}))
	defer hostile.Close()
	c.Do(chromedp.Navigate(hostile.URL), chromedp.WaitReady(css("main")), chromedp.Sleep(500*time.Millisecond))
	if said := c.Complaints(); !strings.Contains(strings.Join(said, "\n"), "frame-ancestors") {
		t.Errorf("the browser showed the page in a frame of another site: %q", said)
	}
}
