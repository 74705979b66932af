package web

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/web/account"
)

// findColumn is a column of results: its name in the address, the key of its title
// and the field that stands in it.
type findColumn struct {
	name, key string
	field     search.Field
	shown     bool // when nobody chose
}

var findColumns = []findColumn{
	{"so", "web.col.symbol", search.FieldCode, true},
	{"ngay", "web.find.date", "", true},
	{"loai", "web.fact.type", search.FieldType, false},
	{"trich-yeu", "web.col.subject", search.FieldSubject, true},
	{"gui", "web.find.facet.sender", search.FieldSender, true},
	{"nhan", "web.col.to", search.FieldRecipients, false},
	{"ky", "web.find.signer", search.FieldSigner, false},
	{"so-den", "web.col.arrival", search.FieldArrival, false},
	{"tt", "web.col.state", "", true},
}

func columnOf(name string) *findColumn {
	at := slices.IndexFunc(findColumns, func(c findColumn) bool { return c.name == name })
	if at < 0 {
		return nil
	}
	return &findColumns[at]
}

// columns are those that were chosen. The subject, which leads to the document, is
// always there.
func (f *findVisit) columns() (list []findColumn) {
	chosen := f.values["cot"]
	for _, c := range findColumns {
		if len(chosen) == 0 && c.shown || slices.Contains(chosen, c.name) || c.name == "trich-yeu" {
			list = append(list, c)
		}
	}
	return list
}

func (f *findVisit) columnOptions() (options []Option) {
	shown := f.columns()
	for _, c := range findColumns {
		if c.name != "trich-yeu" {
			options = append(options, Option{Value: c.name, Text: f.t(c.key), Chosen: slices.Contains(shown, c)})
		}
	}
	return options
}

// fields are those that the columns need.
func (f *findVisit) fields() (list []search.Field) {
	for _, c := range f.columns() {
		if c.field != "" {
			list = append(list, c.field)
		}
	}
	return list
}

// row words a document that was found.
func (f *findVisit) row(h search.Hit) FindRow {
	row := FindRow{Href: boxPath(office.Document{ID: h.ID, Box: h.Box}), Urgent: f.urgent(h.Urgency)}
	field := func(of search.Field) (search.Snippet, bool) {
		at := slices.IndexFunc(h.Fields, func(s search.Snippet) bool { return s.Field == of })
		if at < 0 {
			return search.Snippet{}, false
		}
		return h.Fields[at], true
	}
	placed := map[search.Field]bool{}
	for _, c := range f.columns() {
		cell := FindCell{Label: f.t(c.key), Open: c.name == "trich-yeu"}
		switch c.name {
		case "ngay":
			cell.Class, cell.Pieces = "day", []Piece{{Text: formatDocDate(h.Date)}}
		case "tt":
			cell.Tag = f.hitTag(h)
		default:
			s, _ := field(c.field)
			if c.field == search.FieldSender {
				s = withoutCode(s)
			}
			placed[c.field], cell.Pieces = true, pieces(s)
		}
		if cell.Open {
			cell.Class = "subject"
			if len(cell.Pieces) == 0 {
				cell.Pieces = []Piece{{Text: f.t("web.find.no-value")}}
			}
		}
		row.Cells = append(row.Cells, cell)
	}
	for _, s := range h.Fields {
		if !placed[s.Field] && len(s.Marks) > 0 && (s.Field != search.FieldSummary || f.may(account.Content)) {
			row.Others = append(row.Others, FindCell{Label: f.t("web.find.in." + string(s.Field)), Pieces: pieces(s)})
		}
	}
	switch {
	case h.Passage != nil:
		row.Others = append(row.Others, FindCell{Label: f.t("web.find.in.text"), Pieces: pieces(*h.Passage)})
	case h.InFiles && !f.query.FieldsOnly:
		row.InFiles = f.t("web.find.in-files")
	}
	return row
}

// withoutCode takes the code off the name of a sender, unless it was searched.
func withoutCode(s search.Snippet) search.Snippet {
	at := strings.LastIndex(s.Text, "; ")
	if at <= 0 {
		return s
	}
	name := s.Text[:at]
	if n := utf8.RuneCountInString(name); !slices.ContainsFunc(s.Marks, func(m [2]int) bool { return m[1] > n }) {
		s.Text = name
	}
	return s
}

// hitTag words the state of a document that was found.
func (f *findVisit) hitTag(h search.Hit) Tag {
	if h.Box == office.In {
		return f.incomingTag(office.Document{Box: h.Box, State: h.State})
	}
	return f.stateTag(h.State)
}

// pieces splits a field into what was searched and the rest.
func pieces(s search.Snippet) (list []Piece) {
	runes := []rune(s.Text)
	at := 0
	add := func(to int, mark bool) {
		if to > at && to <= len(runes) {
			list = append(list, Piece{string(runes[at:to]), mark})
			at = to
		}
	}
	for _, m := range s.Marks {
		add(m[0], false)
		add(m[1], true)
	}
	add(len(runes), false)
	if s.Cut && len(list) > 0 {
		list = append(append([]Piece{{Text: "… "}}, list...), Piece{Text: " …"})
	}
	return list
}
