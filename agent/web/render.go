package web

import (
	"context"
	"embed"
	"net/http"

	"tram/agent/i18n"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

//go:embed assets/*.css assets/*.js templates/*.html
var siteFiles embed.FS

// Page is what every page of these has.
type Page struct {
	page.Page
	CanSend bool
	CanRead bool
}

// What these pages share with other sites.
type (
	FieldError = page.FieldError
	MenuItem   = page.MenuItem
	Strip      = page.Strip
	Tag        = page.Tag
	Fact       = page.Fact
	Option     = page.Option
	Filter     = page.Filter
	Chip       = page.Chip
	Head       = page.Head
	Pager      = page.Pager
)

func (s *site) some(files ...string) []string { return s.Some(files...) }

// setErrors shows errs and says so in the window's title.
func (p *Page) setErrors(_ *visit, errs []FieldError) { p.SetErrors(errs) }

// bare is the layout before sign-in: no menu, no strip.
func (s *site) bare(v *visit, title, path string) Page {
	return Page{Page: s.Bare(v.Visit, title, path)}
}

// page is the layout of a signed-in visitor.
func (s *site) page(ctx context.Context, v *visit, title, current string) Page {
	return Page{Page: s.Page(ctx, v.Visit, title, current), CanSend: v.may(account.Send), CanRead: v.may(account.Content)}
}

// frame is what these pages have around them. Failing figures leave the strip
// out rather than the page.
func (s *site) frame(ctx context.Context, pv *page.Visit, p *page.Page, current string) {
	v := visitOf(pv)
	state, err := s.state(ctx, v)
	if err != nil {
		s.Logger.Error("read figures for the strip", "error", err)
	} else {
		p.Strip, p.Rev = &state.strip, state.rev()
	}
	p.Menu = s.menu(v, state.summary.Unaccepted, current)
	if v.may(account.Send) {
		p.Primary = &MenuItem{Href: "/gui", Text: v.t("web.menu.send"), Key: "F2"}
	}
}

func (s *site) render(v *visit, name string, view any, status int) error {
	return s.Render(v.Visit, name, view, status)
}

func (s *site) renderPart(v *visit, name, part string, view any, status int) error {
	return s.RenderPart(v.Visit, name, part, view, status)
}

// origin is where these pages frame documents from.
func (s *site) origin(r *http.Request) string { return s.Documents.Origin(r) }

// inLang is what a part of a page needs to be shown by itself.
func inLang(lang i18n.Lang) Page { return Page{Page: page.Page{Lang: lang}} }
