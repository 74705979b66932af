package web

import (
	"testing"

	"tram/agent/web/webtest"
)

// chrome is a real browser on a box.
type chrome struct {
	*box
	*webtest.Browser
}

func browse(t testing.TB, b *box, width, height int) *chrome {
	t.Helper()
	return &chrome{b, webtest.New(t, b.url, width, height)}
}

func (c *chrome) signIn(name string) {
	c.t.Helper()
	c.SignIn(name, password)
}

// everyWindow signs a person in and shows visit each window in both languages. It
// fails when the browser complained.
func (b *box) everyWindow(person string, visit func(c *chrome, lang string)) {
	b.t.Helper()
	for _, width := range webtest.Widths() {
		c := browse(b.t, b, width, 768)
		c.signIn(person)
		for _, lang := range webtest.Languages(width) {
			c.Language(lang)
			visit(c, lang)
		}
		c.Quiet()
	}
}
