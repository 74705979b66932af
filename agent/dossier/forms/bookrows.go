package forms

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/typeset"
)

// Span is what a book covers: a year, or a part of it.
type Span struct {
	Year     int
	From, To time.Time // days, To included; zero for the bounds of the year
}

// Text names the span, as the book does under its title.
func (s Span) Text() string {
	year := word("year", "year", strconv.Itoa(s.Year))
	if s.From.IsZero() && s.To.IsZero() {
		return year
	}
	from, to := s.From, s.To
	if from.IsZero() {
		from = time.Date(s.Year, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if to.IsZero() {
		to = time.Date(s.Year, time.December, 31, 0, 0, 0, 0, time.UTC)
	}
	return word("span", "from", from.Format("02/01/2006"), "to", to.Format("02/01/2006"))
}

// date is the day whose template holds.
func (s Span) date() time.Time {
	if s.To.IsZero() {
		return time.Date(s.Year, time.December, 31, 12, 0, 0, 0, time.UTC)
	}
	return s.To
}

// Register is the book of form 07.
type Register struct {
	Heading Heading
	Span    Span
	// Dossiers are its lines in their order, of [dossier.Store.Book].
	Dossiers iter.Seq2[dossier.Dossier, error]
}

// Template is the one that the book is made under.
func (r Register) Template() Template { return For(Book, r.Span.date()) }

// rows are the values of the columns, line by line.
func (r Register) rows(t Template) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for d, err := range r.Dossiers {
			if err != nil {
				yield(nil, err)
				return
			}
			values := lineValues(d, r.heading())
			cells := make([]string, len(t.Book))
			for i, c := range t.Book {
				cells[i] = values[c.Value]
			}
			if !yield(cells, nil) {
				return
			}
		}
	}
}

func (r Register) heading() Heading {
	h := r.Heading
	if h.Desk == "" {
		h.Desk = law.Desk
	}
	return h
}

// lineValues are the values of a dossier that columns may show.
func lineValues(d dossier.Dossier, h Heading) map[string]string {
	v := dossierValues(d, h)
	for name, t := range map[string]time.Time{"accepted": d.Accepted, "due": d.Due, "returned": d.Returned} {
		v[name+"-short"] = shortText(t)
	}
	v["contact"] = strings.Join(present(d.Applicant.Address, d.Applicant.Phone), "\n")
	v["lead"] = lead(d)
	v["way-short"] = word("by." + string(d.Way))
	v["taken-by"] = ""
	for _, e := range d.Events {
		if e.Kind == dossier.Returned && !e.Moot {
			v["taken-by"] = e.Text
		}
	}
	v["status"] = d.Status.Text(i18n.Vietnamese)
	v["remarks"] = remarks(d)
	return v
}

// lead is the office that decides: the last one that the whole dossier was handed to.
func lead(d dossier.Dossier) string {
	name := d.OwnerName
	for _, t := range d.Transfers {
		if t.Task == dossier.Decide && t.From == d.Owner && t.State != dossier.Back && t.State != dossier.Ended {
			name = t.ToName
		}
	}
	return name
}

func remarks(d dossier.Dossier) string {
	var notes []string
	if d.Status == code.Stopped || d.Status == code.WithdrawalWish {
		notes = append(notes, d.Status.Text(i18n.Vietnamese))
	}
	notes = append(notes, outcome(d.Outcome()))
	if d.Supplements > 0 {
		notes = append(notes, word("note.supplements", "n", strconv.Itoa(d.Supplements)))
	}
	if d.Extensions > 0 {
		notes = append(notes, word("note.extensions", "n", strconv.Itoa(d.Extensions)))
	}
	if d.Unsure {
		notes = append(notes, word("unsure"))
	}
	return strings.Join(present(notes...), "; ")
}

// present are the texts that are not empty.
func present(texts ...string) (list []string) {
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}

// spreadsheet is the book with its columns, the group above them where there is one.
func (r Register) spreadsheet(t Template) typeset.Spreadsheet {
	h := r.heading()
	s := typeset.Spreadsheet{
		Title: t.Title, Author: h.Office,
		Above:  [3]string{h.Office + " – " + h.Desk, t.Title, strings.Join([]string{r.Span.Text(), footer(t)}, " · ")},
		Heads:  make([]typeset.SheetHead, 3),
		Footer: word("page", "n", "&P"),
		Rows:   r.rows(t),
	}
	s.Heads[2].Numbers = true
	for i, c := range t.Book {
		align := typeset.Left
		if c.Center {
			align = typeset.Center
		}
		s.Columns = append(s.Columns, typeset.SheetColumn{Width: c.Width, Align: align})
		group, title := c.Title, ""
		if c.Group != "" {
			group, title = c.Group, c.Title
		}
		s.Heads[0].Cells = append(s.Heads[0].Cells, group)
		s.Heads[1].Cells = append(s.Heads[1].Cells, title)
		s.Heads[2].Cells = append(s.Heads[2].Cells, fmt.Sprintf("(%d)", i+1))
	}
	for _, g := range groups(t.Book) {
		first, last := typeset.ColumnName(g.first), typeset.ColumnName(g.last)
		switch {
		case g.title == "":
			s.Merges = append(s.Merges, fmt.Sprintf("%s%d:%s%d", first, typeset.FirstHead, first, typeset.FirstHead+1))
		case g.last > g.first:
			for i := g.first + 1; i <= g.last; i++ {
				s.Heads[0].Cells[i] = ""
			}
			s.Merges = append(s.Merges, fmt.Sprintf("%s%d:%s%d", first, typeset.FirstHead, last, typeset.FirstHead))
		}
	}
	return s
}

// group is neighbouring columns under one title, or one column without.
type group struct {
	title       string
	first, last int
}

func groups(columns []column) (list []group) {
	for i, c := range columns {
		if n := len(list); n > 0 && c.Group != "" && list[n-1].title == c.Group {
			list[n-1].last = i
			continue
		}
		list = append(list, group{c.Group, i, i})
	}
	return list
}
