package web

import (
	"context"
	"net/http"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

// AdminView is a page of sections: facts, lists, commands and forms. The
// administration pages and those of sticks are such.
type AdminView struct {
	Page
	Done           string
	Back, BackText string // way to the list that this is one of
	Heading        string
	Tag            Tag
	Sections       []Section
	Pager          Pager
}

// What an administration page consists of.
type (
	// Section is a part of it under a heading of its own.
	Section = page.Section
	// Notice is something that is to be known, with what mends it.
	Notice = page.Notice
	// Grid is a table, Cell one place in it.
	Grid = page.Grid
	Cell = page.Cell
	// Form is what can be asked for, with its Inputs and Buttons.
	Form   = page.Form
	Input  = page.Input
	Button = page.Button
)

// mistakes ties problems to the inputs that they name, by name or "s-" and the
// name; others are said on top.
func (v *visit) mistakes(err error, inputs []Input) []FieldError {
	return v.Mistakes(err, inputs, settingPrefix)
}

// adminPage is the layout of an administration page; path is its own or that of
// the list it belongs to.
func (s *site) adminPage(ctx context.Context, v *visit, title, path string) Page {
	p := s.page(ctx, v, title, adminPath)
	p.Styles = s.some("admin.css")
	for _, e := range adminPages {
		if v.may(e.who) && (e.href != "/chung-thu" || s.Certificate != nil) {
			p.Side = append(p.Side, MenuItem{Href: e.href, Text: v.t(e.text), Current: e.href == path})
		}
	}
	p.Path, p.SideText = path, v.t("admin.title")
	return p
}

// show renders an administration page; errs are the mistakes in its form.
func (s *site) show(v *visit, view AdminView, errs []FieldError, status int) error {
	if view.Done == "" && errs == nil {
		if key := "admin.done." + v.r.URL.Query().Get("xong"); i18n.Has(key) {
			view.Done = v.t(key)
		}
	}
	view.setErrors(v, errs)
	if status == 0 {
		status = http.StatusOK
	}
	return s.render(v, "board", view, status)
}

// mended shows a page again with what err says, or gives err back when nobody
// can mend it.
func (s *site) mended(v *visit, view AdminView, inputs []Input, err error) error {
	if !page.Mendable(err) {
		return err
	}
	return s.show(v, view, v.mistakes(err, inputs), statusOf(problem.From(err)))
}
