package web

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"tram/agent/tooltest"
)

// chrome is a real browser on a box. It notes console messages and every
// address that is asked for.
type chrome struct {
	*box
	ctx context.Context

	axe      string // axe-core, "" where it is not installed
	mu       sync.Mutex
	console  []string
	requests []string
}

// step is an action without a value.
type step = chromedp.Action[chromedp.Void]

// browserBinary finds the browser. Where CI is set a missing one is a failure,
// elsewhere a reported skip.
func browserBinary(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no chromium: the browser tests must run in CI")
	}
	t.Skip("no chromium on this machine: pages were not tried in a browser")
	return ""
}

// axeCore is the public checker of accessible pages. Where CI is set a missing
// one is a failure, elsewhere it is said.
func axeCore(t *testing.T) string {
	t.Helper()
	modules, ok := tooltest.NPMIfThere(t)
	if !ok {
		t.Log("axe-core is not installed (make tools): pages were not checked with it")
		return ""
	}
	data, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// browse opens a browser window of the given size with no way out of this
// machine.
func browse(t *testing.T, b *box, width, height int) *chrome {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserBinary(t)), chromedp.NoSandbox, chromedp.WindowSize(width, height),
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	if strings.HasPrefix(b.url, "https:") { // the box's own certificate, which a person would compare
		options = append(options, chromedp.Flag("ignore-certificate-errors", true))
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	c := &chrome{box: b, ctx: ctx, axe: axeCore(t)}
	messages := chromedp.Console(ctx)
	if err := chromedp.Listen(ctx, c.note); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			c.complain(m)
		}
	})
	t.Cleanup(func() { cancel(); cancelAlloc(); reader.Wait() })
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("watch network: %v", err)
	}
	c.do(chromedp.EmulateViewport(int64(width), int64(height)))
	return c
}

// complain keeps what the browser says, apart from its notes on answers such
// as 422, which are as intended.
func (c *chrome) complain(m chromedp.ConsoleMessage) {
	if m.Source == "network" && strings.Contains(m.Text, "status of 4") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console = append(c.console, m.String()+" "+m.URL)
}

func (c *chrome) note(event any) {
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, e.Request.URL)
	}
}

// do runs steps within a bounded time.
func (c *chrome) do(steps ...step) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		c.t.Fatalf("browser: %v", err)
	}
}

// value runs an action for its value.
func value[T any](c *chrome, a chromedp.Action[T]) T {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	got, err := chromedp.Run(ctx, a)
	if err != nil {
		c.t.Fatalf("browser: %v", err)
	}
	return got
}

func (c *chrome) open(path string) {
	c.t.Helper()
	c.do(chromedp.Navigate(c.url+path), chromedp.WaitReady(chromedp.CSS("main")))
}

func (c *chrome) signIn(name string) {
	c.t.Helper()
	c.open("/dang-nhap")
	c.do(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.SetValue(chromedp.CSS("#password"), password))
	c.leave(chromedp.Click(chromedp.CSS(".narrow .btn:not(.plain)")))
	c.do(chromedp.WaitVisible(chromedp.CSS(".menu")))
}

// leave does a step that leads to another page and waits for that page.
func (c *chrome) leave(s step) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, s); err != nil {
		c.t.Fatalf("browser: %v", err)
	}
}

func (c *chrome) language(lang string) {
	c.t.Helper()
	c.leave(chromedp.Click(chromedp.CSS(".lang [value=" + lang + "]")))
	c.do(chromedp.WaitReady(chromedp.CSS("html[lang=" + lang + "] main")))
}

// typed puts the focus on an element and types. The library's own way reads
// the element while the page changes it, which is a data race.
func typed(selector, text string) step {
	focus := chromedp.Evaluate[chromedp.Void]("void document.querySelector('" + selector + "').focus()")
	return chromedp.Steps(focus, chromedp.KeyEvent(text))
}

// text returns what a person reads in the element.
func (c *chrome) text(selector string) string {
	c.t.Helper()
	return value(c, chromedp.Text(chromedp.CSS(selector)))
}

// fits fails the test when the page is wider than the window.
func (c *chrome) fits(what string) {
	c.t.Helper()
	if !value(c, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)) {
		return
	}
	culprit := value(c, chromedp.Evaluate[string](`[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')`))
	c.t.Errorf("%s scrolls sideways because of %s", what, culprit)
}

// findings names what keeps people with assistive technology out.
const findings = `[
	...[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i).map(id => 'id twice: ' + id),
	...[...document.querySelectorAll('input:not([type=hidden]),select,textarea')].filter(e => !e.labels.length && !e.ariaLabel).map(e => 'no label: ' + e.name),
	...[...document.querySelectorAll('a,button,summary')].filter(e => !e.textContent.trim() && !e.getAttribute('aria-label')).map(e => 'no name: ' + e.outerHTML),
	...[...document.querySelectorAll('button,input:not([type=hidden]),select,summary')].filter(e => e.offsetParent && e.getBoundingClientRect().height < 24).map(e => 'too small: ' + e.outerHTML),
	...[...document.querySelectorAll('[aria-describedby],[aria-labelledby],[aria-controls]')].flatMap(e => ['describedby', 'labelledby', 'controls'].flatMap(a => (e.getAttribute('aria-' + a) || '').split(' ').filter(id => id && !document.getElementById(id)).map(id => 'dangling: ' + id))),
	...[...document.querySelectorAll('table.list')].filter(e => !e.caption).map(() => 'table without caption'),
	...[...document.querySelectorAll('.summary a')].filter(a => !document.querySelector(a.getAttribute('href'))).map(a => 'error leads nowhere: ' + a.href),
	...(document.querySelectorAll('h1').length === 1 ? [] : ['h1: ' + document.querySelectorAll('h1').length]),
].join('; ')`

// accessible fails the test when our audit or axe-core finds something in the
// page as it stands.
func (c *chrome) accessible(what string) {
	c.t.Helper()
	if found := value(c, chromedp.Evaluate[string](findings)); found != "" {
		c.t.Errorf("%s: %s", what, found)
	}
	if c.axe == "" {
		return
	}
	if found := value(c, chromedp.Evaluate[string](c.axe+axeRun, chromedp.EvalAwaitPromise)); found != "" {
		c.t.Errorf("%s: axe-core: %s", what, found)
	}
}

// axeRun gives the violations of WCAG 2.2 A and AA and of axe's best practices.
const axeRun = `;axe.run({iframes: false, resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ' (' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + n.failureSummary.replace(/\s+/g, ' ')).join(' | ') + ')').join('\n'))`

// quiet fails the test when the browser complained or asked another place.
func (c *chrome) quiet() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.console {
		c.t.Errorf("the browser complained: %s", line)
	}
	for _, url := range c.requests {
		local := strings.HasPrefix(url, "http://127.0.0.1:") || strings.HasPrefix(url, "https://127.0.0.1:") || strings.HasPrefix(url, "data:") || strings.HasPrefix(url, "chrome-extension:") || strings.HasPrefix(url, "chrome:")
		if !local {
			c.t.Errorf("the page asked for %s", url)
		}
	}
}

// until waits for first to hold, calls then, and waits for last to hold.
func (c *chrome) until(what, first string, then func(), last string) {
	c.t.Helper()
	for _, expression := range []string{first, last} {
		ok := false
		for range 150 {
			if ok = value(c, chromedp.Evaluate[bool]("!!("+expression+")")); ok {
				break
			}
			// Somebody moves the mouse now and then, so the page stays lively.
			c.do(chromedp.Evaluate[chromedp.Void]("void document.dispatchEvent(new MouseEvent('mousemove'))"), chromedp.Sleep(100*time.Millisecond))
		}
		if !ok {
			c.t.Fatalf("waited in vain until %s: %s", what, expression)
		}
		if then != nil {
			then()
			then = nil
		}
	}
}

// shot saves a picture of the whole page when TRAM_SHOTS names a folder.
func (c *chrome) shot(name string) {
	c.t.Helper()
	dir := os.Getenv("TRAM_SHOTS")
	if dir == "" {
		return
	}
	c.do(chromedp.Sleep(150 * time.Millisecond))
	c.keep(name+".png", value(c, chromedp.FullScreenshot(100)))
}

// keep saves a file when TRAM_SHOTS names a folder.
func (c *chrome) keep(name string, data []byte) {
	c.t.Helper()
	dir := os.Getenv("TRAM_SHOTS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}
