package webtest

import (
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// maxTabs is how often a person presses Tab before giving up.
const maxTabs = 250

// settled is after what time a focus that has not moved stays.
const settled = 150 * time.Millisecond

// TabTo presses Tab until the element has the focus and keeps it: it proves that it
// can be reached, and leaves the keyboard there. A Tab out of the viewer of a PDF,
// which is a process of its own, may still be on its way when the next one has moved
// the focus already.
func (c *Browser) TabTo(selector string) {
	c.t.Helper()
	at := chromedp.Evaluate[bool](fmt.Sprintf("!!document.activeElement && document.activeElement.matches(%q)", selector))
	for range maxTabs {
		if Value(c, at) {
			c.Do(chromedp.Sleep(settled))
			if Value(c, at) {
				return
			}
		}
		c.Do(chromedp.KeyEvent(kb.Tab))
	}
	c.t.Fatalf("no Tab leads to %s at %s; the focus is on %s; the page says %s", selector, Value(c, chromedp.Location()),
		Value(c, chromedp.Evaluate[string]("document.activeElement.outerHTML.slice(0, 300)")),
		Value(c, chromedp.Evaluate[string]("document.querySelector('main').innerText.slice(0, 600)")))
}

// Type writes into what has the focus, over what is selected in it.
func (c *Browser) Type(text string) {
	c.t.Helper()
	c.Do(chromedp.KeyEvent(text))
}

// Into goes to a field by Tab and writes over what it has.
func (c *Browser) Into(selector, text string) {
	c.t.Helper()
	c.TabTo(selector)
	c.Do(chromedp.Evaluate[chromedp.Void]("void (document.activeElement.select && document.activeElement.select())"))
	c.Type(text)
}

// Press presses a key with modifiers, such as Press("2", chromedp.ModifierAlt).
func (c *Browser) Press(key string, modifiers ...chromedp.Modifier) {
	c.t.Helper()
	c.Do(Key(key, modifiers...))
}

// Key is the step of pressing a key with modifiers.
func Key(key string, modifiers ...chromedp.Modifier) Step {
	return chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...))
}

// Enter presses Enter on an element that leads to another page, wherever it stands:
// a click goes astray when the page moves under it.
func (c *Browser) Enter(selector string) {
	c.t.Helper()
	focus := fmt.Sprintf("(e => !!e && (e.focus(), document.activeElement === e))(document.querySelector(%q))", selector)
	c.until(selector+" takes the focus", "document.readyState !== 'loading' && "+focus)
	c.Leave(chromedp.KeyEvent(kb.Enter))
}

// Follow presses Enter on an element that leads to another page.
func (c *Browser) Follow(selector string) {
	c.t.Helper()
	c.TabTo(selector)
	c.Leave(chromedp.KeyEvent(kb.Enter))
	c.Wait("the page is there", "true")
}

// Wait waits until the page is complete, so that its keys work, and an expression
// holds.
func (c *Browser) Wait(what, expression string) {
	c.t.Helper()
	c.until(what, "document.readyState === 'complete' && !!("+expression+")")
}

// until waits until an expression is true.
func (c *Browser) until(what, expression string) {
	c.t.Helper()
	for range 600 {
		if Value(c, chromedp.Evaluate[bool](expression)) {
			return
		}
		c.Do(chromedp.Sleep(100 * time.Millisecond))
	}
	c.t.Fatalf("waited in vain until %s: %s at %s", what, expression, Value(c, chromedp.Location()))
}
