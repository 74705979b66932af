package web

import (
	"context"
	"html/template"
	"net/http"
	"slices"

	"tram/agent/i18n"
	"tram/agent/problem"
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

// Section is a part of it under a heading of its own.
type Section struct {
	Title, Text string
	Secret      string // what is shown this once
	Bar         bool
	Percent     int
	Facts       []Fact
	Notices     []Notice
	Grid        Grid
	Commands    []string // to be typed as they are
	Forms       []Form
}

// Notice is something that is to be known, with what mends it.
type Notice struct{ Tone, Text, Fix, Href, Link, Since string }

// Grid is a table. Without rows it says Empty; without a caption there is none.
type Grid struct {
	Caption, Empty string
	Head           []string
	Rows           [][]Cell
}

// Cell is one place in a Grid.
type Cell struct {
	Text, Href string
	Tag        Tag
	Note       string
	Whole      bool // is not broken where there is room
}

// Form is what can be asked for. Get says that it changes nothing.
type Form struct {
	Action     string
	Get, Files bool
	Inputs     []Input
	Buttons    []Button
	Links      []Option // beside the buttons; Chosen ones are files
}

// Button sends a form; the empty Tone is the main one.
type Button struct{ Text, Name, Value, Tone string }

// Input is a field of a Form. Kind is "text", "number", "password", "list",
// "select", "check", "file" or "hidden".
type Input struct {
	ID, Name, Kind     string
	Label, Hint, Value string
	Error              string
	Checked            bool
	Options            []Option
}

// Described ties hint and error to the field.
func (i Input) Described() template.HTMLAttr {
	refs := ""
	if i.Hint != "" {
		refs = i.ID + "-hint"
	}
	if i.Error != "" {
		refs += " " + i.ID + "-err"
	}
	if refs == "" {
		return ""
	}
	attr := ` aria-describedby="` + template.HTMLEscapeString(refs) + `"`
	if i.Error != "" {
		attr += ` aria-invalid="true"`
	}
	return template.HTMLAttr(attr)
}

// mistakes ties problems to the inputs that they name, by name or "s-" and the
// name; others are said on top.
func (v *visit) mistakes(err error, inputs []Input) []FieldError {
	var errs []FieldError
	for _, p := range problems(err) {
		id := "main"
		if i := slices.IndexFunc(inputs, func(in Input) bool {
			return in.Kind != "hidden" && (in.Name == p.Field || in.Name == settingPrefix+p.Field)
		}); i >= 0 {
			id = inputs[i].ID
			inputs[i].Error = v.whole(p)
		}
		errs = append(errs, FieldError{id, v.whole(p)})
	}
	return errs
}

// forPeople tells whether somebody can mend what err says, so that it belongs on
// the page with the form.
func forPeople(err error) bool {
	for _, p := range problems(err) {
		if p.Class == problem.Failed && p.Code == "internal" {
			return false
		}
	}
	return err != nil
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
	p.Path = path
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
	return s.render(v, "admin", view, status)
}

// mended shows a page again with what err says, or gives err back when nobody
// can mend it.
func (s *site) mended(v *visit, view AdminView, inputs []Input, err error) error {
	if !forPeople(err) {
		return err
	}
	return s.show(v, view, v.mistakes(err, inputs), statusOf(problem.From(err)))
}
