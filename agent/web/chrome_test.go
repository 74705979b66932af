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

func browse(t *testing.T, b *box, width, height int) *chrome {
	t.Helper()
	return &chrome{b, webtest.New(t, b.url, width, height)}
}

func (c *chrome) signIn(name string) {
	c.t.Helper()
	c.SignIn(name, password)
}
