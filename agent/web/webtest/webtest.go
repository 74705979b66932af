// Package webtest drives a real browser over the pages of an office, for tests: it
// opens, types, presses keys, and looks at what a person would stumble over. It is
// in no product.
package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"tram/agent/tooltest"
)

// Browser is a window of a real browser. It notes console messages and every
// address that is asked for. Its methods end the test when the browser fails.
type Browser struct {
	t   testing.TB
	ctx context.Context
	url string // of the pages
	// width is that of the window, in CSS pixels.
	width int
	axe   string // axe-core, "" where it is not installed

	mu       sync.Mutex
	console  []string
	requests []string
}

// patience is how long one thing may take on a busy machine.
const patience = time.Minute

// Step is an action without a value.
type Step = chromedp.Action[chromedp.Void]

// browserBinary finds the browser. Where CI is set a missing one is a failure,
// elsewhere a reported skip.
func browserBinary(t testing.TB) string {
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
func axeCore(t testing.TB) string {
	t.Helper()
	modules, ok := tooltest.NPMIfThere(t, Packages(t))
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

// New opens a window of the given size over the pages at url, with no way out of
// this machine. Under the race detector the test is skipped: the pages' handlers are
// tried there without a browser, and make test drives browsers without it.
func New(t testing.TB, url string, width, height int) *Browser {
	t.Helper()
	if racing {
		t.Skip("browsers are driven without the race detector")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserBinary(t)), chromedp.NoSandbox, chromedp.WindowSize(width, height),
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))
	if strings.HasPrefix(url, "https:") { // the box's own certificate, which a person would compare
		options = append(options, chromedp.Flag("ignore-certificate-errors", true))
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	c := &Browser{t: t, url: url, width: width, ctx: ctx, axe: axeCore(t)}
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
	c.Do(chromedp.EmulateViewport(int64(width), int64(height)))
	return c
}

// Context is that of the window, for calls that have no method here.
func (c *Browser) Context() context.Context { return c.ctx }

// Width is that of the window, in CSS pixels.
func (c *Browser) Width() int { return c.width }

// complain keeps what the browser says, apart from its notes on answers such as
// 422 and on a field that has the focus already, which are as intended.
func (c *Browser) complain(m chromedp.ConsoleMessage) {
	if m.Source == "network" && strings.Contains(m.Text, "status of 4") || strings.Contains(m.Text, "Autofocus processing was blocked") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console = append(c.console, m.String()+" "+m.URL)
}

func (c *Browser) note(event any) {
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, e.Request.URL)
	}
}

// Requests are the addresses that the window has asked for.
func (c *Browser) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// Complaints are the messages of the console.
func (c *Browser) Complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.console)
}

// Do runs steps within a bounded time.
func (c *Browser) Do(steps ...Step) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		c.t.Fatalf("browser: %v", err)
	}
}

// Value runs an action for its value.
func Value[T any](c *Browser, a chromedp.Action[T]) T {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, a)
	if err != nil {
		c.t.Fatalf("browser: %v", err)
	}
	return got
}

// Open opens a page and waits until it is there.
func (c *Browser) Open(path string) {
	c.t.Helper()
	c.Do(chromedp.Navigate(c.url+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// SignIn signs in on the page for that.
func (c *Browser) SignIn(name, password string) {
	c.t.Helper()
	c.Open("/dang-nhap")
	c.Do(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.SetValue(chromedp.CSS("#password"), password))
	c.Enter(".narrow .btn:not(.plain)")
	c.Do(chromedp.WaitVisible(chromedp.CSS(".menu")))
}

// Leave does a step that leads to another page and waits for that page.
func (c *Browser) Leave(s Step) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, s); err != nil {
		c.t.Fatalf("browser: %v", err)
	}
}

// Language switches the language of the pages.
func (c *Browser) Language(lang string) {
	c.t.Helper()
	c.Enter(".lang [value=" + lang + "]")
	c.Do(chromedp.WaitReady(chromedp.CSS("html[lang=" + lang + "] main")))
}

// Typed puts the focus on an element and types. The library's own way reads
// the element while the page changes it, which is a data race.
func Typed(selector, text string) Step {
	focus := chromedp.Evaluate[chromedp.Void]("void document.querySelector('" + selector + "').focus()")
	return chromedp.Steps(focus, chromedp.KeyEvent(text))
}

// Text returns what a person reads in the element.
func (c *Browser) Text(selector string) string {
	c.t.Helper()
	return Value(c, chromedp.Text(chromedp.CSS(selector)))
}

// Fits fails the test when the page is wider than the window.
func (c *Browser) Fits(what string) {
	c.t.Helper()
	if !Value(c, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)) {
		return
	}
	culprit := Value(c, chromedp.Evaluate[string](`[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')`))
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

// Accessible fails the test when our audit or axe-core finds something in the
// page as it stands.
func (c *Browser) Accessible(what string) {
	c.t.Helper()
	if found := Value(c, chromedp.Evaluate[string](findings)); found != "" {
		c.t.Errorf("%s: %s", what, found)
	}
	// What axe-core finds in one language it finds in the other.
	if c.axe == "" || Value(c, chromedp.Evaluate[bool]("document.documentElement.lang === 'en'")) {
		return
	}
	if found := Value(c, chromedp.Evaluate[string](c.axe+axeRun, chromedp.EvalAwaitPromise)); found != "" {
		c.t.Errorf("%s: axe-core: %s", what, found)
	}
}

// axeRun gives the violations of WCAG 2.2 A and AA and of axe's best practices.
const axeRun = `;axe.run({iframes: false, resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ' (' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + n.failureSummary.replace(/\s+/g, ' ')).join(' | ') + ')').join('\n'))`

// Quiet fails the test when the browser complained or asked another place.
func (c *Browser) Quiet() {
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

// Until waits for first to hold, calls then, and waits for last to hold.
func (c *Browser) Until(what, first string, then func(), last string) {
	c.t.Helper()
	for _, expression := range []string{first, last} {
		ok := false
		for range 150 {
			if ok = Value(c, chromedp.Evaluate[bool]("!!("+expression+")")); ok {
				break
			}
			// Somebody moves the mouse now and then, so the page stays lively.
			c.Do(chromedp.Evaluate[chromedp.Void]("void document.dispatchEvent(new MouseEvent('mousemove'))"), chromedp.Sleep(100*time.Millisecond))
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

// See opens a page and looks at it.
func (c *Browser) See(name, path string) {
	c.t.Helper()
	c.Open(path)
	c.Look(name)
}

// Look holds that the page as it stands fits the window and is accessible, and
// saves its picture.
func (c *Browser) Look(name string) {
	c.t.Helper()
	lang := Value(c, chromedp.Evaluate[string]("document.documentElement.lang"))
	what := fmt.Sprintf("%s in %s at %d px", name, lang, c.width)
	c.Fits(what)
	if lang == "vi" || c.width > narrow || os.Getenv("TRAM_SHOTS") != "" { // in one language at 400 %, which has the same page as the other
		c.Accessible(what)
	}
	c.Shot(fmt.Sprintf("%s-%s-%d", name, lang, c.width))
}

// Shot saves a picture of the whole page when TRAM_SHOTS names a folder.
func (c *Browser) Shot(name string) {
	c.t.Helper()
	dir := os.Getenv("TRAM_SHOTS")
	if dir == "" {
		return
	}
	c.Do(chromedp.Sleep(150 * time.Millisecond))
	c.Keep(name+".png", Value(c, chromedp.FullScreenshot(100)))
}

// narrow is the window of 400 %.
const narrow = 320

// Widths are the windows that pages are tried in: the screen of the oldest PCs, and
// that screen at 400 %. Where pictures are made there is one of 200 % as well.
func Widths() []int {
	if os.Getenv("TRAM_SHOTS") != "" {
		return []int{1366, 683, narrow}
	}
	return []int{1366, narrow}
}

// Languages are those that pages are tried in, in a window of a width: both, but in CI
// each language in one window, the narrow one in the language that most will read there.
func Languages(width int) []string {
	switch {
	case os.Getenv("CI") == "" || os.Getenv("TRAM_SHOTS") != "":
		return []string{"vi", "en"}
	case width == narrow:
		return []string{"vi"}
	}
	return []string{"en"}
}

// Keep saves a file when TRAM_SHOTS names a folder.
func (c *Browser) Keep(name string, data []byte) {
	c.t.Helper()
	dir := os.Getenv("TRAM_SHOTS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Packages is the folder that pins the packages of npm that tests of pages use.
func Packages(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("nobody knows where this file is")
	}
	return filepath.Join(filepath.Dir(file), "npm")
}
