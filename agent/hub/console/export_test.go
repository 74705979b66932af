package console

import (
	"net/http"

	"tram/agent/web/page"
)

// Site is the console as its tests see it.
type Site struct{ *site }

// NewSite makes one.
func NewSite(o Options) (Site, error) {
	s, err := newSite(o)
	return Site{s}, err
}

// Handler serves it.
func (s Site) Handler() http.Handler { return s.Serve(s.table()) }

// Table is every route.
func (s Site) Table() []page.Route { return s.table() }
