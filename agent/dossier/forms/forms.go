package forms

import (
	"slices"
	"time"

	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/typeset"
)

// Heading is who makes the forms.
type Heading struct {
	Superior string // cơ quan chủ quản; "" when there is none
	Office   string
	Desk     string // name of the one-stop desk; "" for the usual one
	Place    string // địa danh
}

// Sheet is what a form is made of.
type Sheet struct {
	Form    Form
	Dossier dossier.Dossier // of [dossier.Store.Get]
	Heading Heading
	Lookup  string // word with which the status is looked up; form 01 needs it
	// Steps are the seals of its hand-overs, of [dossier.Store.Steps], for form 06.
	Steps []dossier.SealedStep
	// Nth is which one of a form that a dossier had several times: 1 for the first, 0
	// for the last.
	Nth int
}

// PDF is a form as a file.
type PDF struct {
	Data     []byte
	Template Template
	Pages    int
}

// brings are the events that bring forms about.
var brings = map[Form][]dossier.Kind{
	Receipt: {dossier.Accepted}, Supplement: {dossier.SupplementAsked}, Refusal: {dossier.Refused}, Apology: {dossier.Extended},
	Stop: {dossier.Stopped, dossier.Withdrawn},
}

// Available lists the forms that can be made of a dossier as it stands, in their
// order. A guest has its control sheet alone: the others are its owner's. Of one
// whose personal data were given up nothing else is left either. The book is not a
// form of one dossier.
func Available(d dossier.Dossier) (list []Form) {
	for _, f := range All {
		if Count(d, f) > 0 {
			list = append(list, f)
		}
	}
	return list
}

// Count is how many of a form a dossier has.
func Count(d dossier.Dossier, f Form) int {
	switch {
	case f == Control && (d.Guest || !d.Accepted.IsZero() || len(d.Transfers) > 0):
		return 1
	case d.Guest || d.Erased:
		return 0
	}
	return len(occasions(d, f))
}

// occasions are the places in the history of the events that bring a form about.
func occasions(d dossier.Dossier, f Form) (at []int) {
	for i, e := range d.Events {
		if !e.Moot && slices.Contains(brings[f], e.Kind) {
			at = append(at, i)
		}
	}
	return at
}

// PDF makes the form; a problem of class NotFound when the dossier has none such.
func (s Sheet) PDF() (PDF, error) {
	v, err := s.values()
	if err != nil {
		return PDF{}, err
	}
	t := For(s.Form, v.date)
	pages := v.set(t)
	data, err := typeset.PDFBytes(typeset.Info{Title: t.Title + " " + s.Dossier.Code.String(), Author: s.Heading.Office, Made: v.date}, pages)
	return PDF{Data: data, Template: t, Pages: len(pages)}, err
}

// event is the place of the event that the form is about, and the form's date. The
// control sheet is dated by the last thing that happened: printing is none.
func (s Sheet) event() (at int, date time.Time, err error) {
	list := occasions(s.Dossier, s.Form)
	n := s.Nth
	if n == 0 {
		n = Count(s.Dossier, s.Form)
	}
	if n < 1 || n > Count(s.Dossier, s.Form) {
		return 0, date, problem.New(problem.NotFound, "dossier-forms.none", "form", i18n.Args{"form": string(s.Form)})
	}
	if s.Form != Control {
		at = list[n-1]
		return at, s.Dossier.Events[at].At, nil
	}
	at = -1
	for i, e := range s.Dossier.Events {
		if e.Kind != dossier.Printed && !e.At.Before(date) {
			at, date = i, e.At
		}
	}
	return at, date, nil
}
