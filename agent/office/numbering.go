package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/sqlite"
)

// Numbering is how the head of the office has documents numbered.
type Numbering struct {
	// ByType gives each type of administrative documents a series of its own in
	// place of one for all. A change counts from the next year: a year keeps the
	// order in which its first number was given.
	ByType bool
	// Bodies are the abbreviations of councils and boards that use the office's
	// seal. A document with one of them in its notation is of that body's series.
	Bodies []string
}

// copyMarks are what stands in the notation of copies in the place of a type.
var copyMarks = []string{"SY", "SL", "TrS"}

// numberedAs reads from type and notation what decides the series: a legal
// document has the year before its notation, as in 2026/QĐ-UBND.
func (n Numbering) numberedAs(kind edxml.Kind, notation string) register.Numbered {
	var d register.Numbered
	if year, rest, found := strings.Cut(strings.TrimSpace(notation), "/"); found && len(year) == 4 && plainNumber(year) > 0 {
		d.Legal, notation = true, rest
	}
	groups := strings.Split(notation, "-")
	if kind.Abbr != edxml.KindCongVan {
		d.Type = kind.Abbr
	}
	if named, ok := edxml.KindByAbbr(groups[0]); ok && kind.Abbr == "" { // of a type that is not in the decree
		d.Type = named.Abbr
	}
	for _, mark := range copyMarks {
		if register.SameCode(mark, groups[0]) {
			d.Type = mark
		}
	}
	for _, body := range n.Bodies {
		if slices.ContainsFunc(groups, func(g string) bool { return register.SameCode(g, body) }) {
			d.Body = body
		}
	}
	return d
}

// seriesOf is the series from which an outgoing document takes its number.
func (o *Office) seriesOf(ctx context.Context, year int, kind edxml.Kind, notation string) (register.Series, error) {
	byType, err := o.numbers.mode(ctx, year)
	if err != nil {
		return register.Series{}, err
	}
	return register.OutgoingSeries(year, o.numbering.numberedAs(kind, notation), byType), nil
}

// plainNumber reads a number of a yearly series, 0 for anything else.
func plainNumber(s string) int {
	if strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0
	}
	no, _ := numeric(s)
	return no
}

// codeKey is number and notation in the form in which two are compared: as
// [register.SameCode] does, and without regard to zeros before a plain number.
func codeKey(number, notation string) string {
	number = register.CodeKey(number)
	if number == "" {
		return ""
	}
	if plain := plainNumber(number); plain > 0 {
		number = fmt.Sprint(plain)
	}
	return number + "/" + register.CodeKey(notation)
}

// errNumberTaken says that a reserved number is borne by another document.
var errNumberTaken = errors.New("number is taken")

// bearer finds the outgoing document of a year that bears a code.
func bearer(tx *sqlite.Tx, year int, number, notation string) (id storage.ID, ok bool, err error) {
	key := codeKey(number, notation)
	if key == "" {
		return id, false, nil
	}
	err = tx.QueryRow(`SELECT id FROM documents INDEXED BY documents_code
		WHERE code_key <> '' AND code_key = ? AND box = 'out' AND booked = ? ORDER BY seq LIMIT 1`, key, year).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return id, false, nil
	}
	return id, err == nil, err
}

// serialTaken tells whether an outgoing document bears a number of a series.
func serialTaken(tx *sqlite.Tx, s register.Series, no int) (taken bool, err error) {
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM documents INDEXED BY documents_series
		WHERE box = 'out' AND serial > 0 AND booked = ? AND series = ? AND serial = ?)`, s.Year, s.Group, no).Scan(&taken)
	return taken, err
}

// numberedRow is an outgoing number while it becomes durable.
type numberedRow struct {
	series   register.Series
	number   string
	notation string
	reserved bool                  // by the series; else a person or a program gave it
	except   func(storage.ID) bool // documents that may bear the same code; nil for none
}

// number gives a new outgoing row its place in register and series. A code that
// another document of the year bears is refused, as number.taken; a reserved
// number with errNumberTaken.
func (n *numbers) number(tx *sqlite.Tx, seq int64, r numberedRow) error {
	other, found, err := bearer(tx, r.series.Year, r.number, r.notation)
	if err != nil {
		return fmt.Errorf("look for number: %w", err)
	}
	serial := plainNumber(r.number)
	if r.reserved && !found {
		if found, err = serialTaken(tx, r.series, serial); err != nil {
			return fmt.Errorf("look for number: %w", err)
		}
	}
	switch {
	case found && r.reserved:
		return errNumberTaken
	case found && (r.except == nil || !r.except(other)):
		return takenBy(tx, other)
	}
	_, err = tx.Exec(`UPDATE documents SET booked = ?, series = ?, serial = ?, code_key = ? WHERE seq = ?`,
		r.series.Year, r.series.Group, serial, codeKey(r.number, r.notation), seq)
	if err != nil {
		return fmt.Errorf("number document: %w", err)
	}
	if serial == 0 {
		return nil
	}
	return n.confirm(tx, r.series, serial)
}

// unborne looks early whether another document bears the number of a letter.
func (r *review) unborne(ctx context.Context, l letter) error {
	if !l.carries.IsZero() {
		return nil
	}
	var p *problem.Problem
	err := r.o.db.View(ctx, func(tx *sqlite.Tx) error {
		id, found, err := bearer(tx, l.year(), l.code.Number, l.code.Notation)
		if err != nil || !found || l.change.same(id) {
			return err
		}
		return takenBy(tx, id)
	})
	if errors.As(err, &p) {
		r.faults = append(r.faults, p)
		return nil
	}
	return err
}

// takenBy is the problem that a document bears the number already.
func takenBy(tx *sqlite.Tx, id storage.ID) error {
	d, err := getRow(tx, id)
	if err != nil {
		return err
	}
	return problem.New(problem.Conflict, "number.taken", "number", i18n.Args{
		"number": symbolOf(d.Document), "subject": cut(d.Subject, 80), "date": dayOf(d.Date), "id": id.String(),
	})
}

// dayOf writes a date of the form yyyy-mm-dd as people do.
func dayOf(date string) string {
	if d, ok := edxml.ParseDate(date); ok && !d.IsZero() {
		return register.Day(d.Day)
	}
	return date
}

// unused reserves the next number of a series that no document bears. Whoever
// gets it confirms, releases or skips it.
func (o *Office) unused(ctx context.Context, s register.Series, notation string) (int, error) {
	for {
		no, err := o.numbers.reserve(ctx, s)
		if err != nil {
			return 0, err
		}
		taken, err := o.borne(ctx, s, no, notation)
		if err == nil && !taken {
			return no, nil
		}
		if err != nil {
			o.numbers.release(s, no)
			return 0, err
		}
		o.numbers.skip(s, no)
	}
}

// borne tells whether a document bears a number of a series.
func (o *Office) borne(ctx context.Context, s register.Series, no int, notation string) (taken bool, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		if s.Direction == register.In {
			_, taken, err = arrivalOfYear(tx, s.Year, no)
			return err
		}
		if taken, err = serialTaken(tx, s, no); err != nil || taken {
			return err
		}
		_, taken, err = bearer(tx, s.Year, formatNumber(no), notation)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for number: %w", err)
	}
	return taken, nil
}

// arrivalOfYear finds the incoming document with a number of arrival.
func arrivalOfYear(tx *sqlite.Tx, year, no int) (id storage.ID, ok bool, err error) {
	err = tx.QueryRow(`SELECT id FROM documents INDEXED BY documents_register
		WHERE booked > 0 AND box = 'in' AND booked = ? AND arrival = ? LIMIT 1`, year, no).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return id, false, nil
	}
	return id, err == nil, err
}

// withNumber runs save with the next number of a series, and again with the one
// after when another document got that number meanwhile.
func (o *Office) withNumber(ctx context.Context, s register.Series, notation string, save func(no int) error) error {
	for {
		no, err := o.unused(ctx, s, notation)
		if err != nil {
			return err
		}
		err = save(no)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNumberTaken):
			o.numbers.skip(s, no)
		default:
			o.numbers.release(s, no)
			return err
		}
	}
}

// Outlook is what a series of numbers will give next.
type Outlook struct {
	Box   Box    `json:"box"`
	Year  int    `json:"year"`
	Group string `json:"group"` // as that of [register.Series]
	Next  int    `json:"next"`
	// Gaps are the numbers that no document bears below the highest one borne.
	Gaps []register.Range `json:"gaps"`
}

// Outlook tells the next number and the gaps of a series of a year: that of the
// arrivals for In, else the one of a type and notation; "" for those of an
// official letter. It reserves nothing.
func (o *Office) Outlook(ctx context.Context, box Box, year int, kind, notation string) (Outlook, error) {
	s := register.IncomingSeries(year)
	if box == Out {
		r := &review{o: o}
		l := r.coded(kind, "", notation)
		if err := r.faults.Err(); err != nil {
			return Outlook{}, err
		}
		var err error
		if s, err = o.seriesOf(ctx, year, l.kind, l.code.Notation); err != nil {
			return Outlook{}, err
		}
		notation = l.code.Notation
	}
	look := Outlook{Box: box, Year: year, Group: s.Group}
	var err error
	if look.Gaps, err = o.Gaps(ctx, s); err != nil {
		return Outlook{}, err
	}
	if look.Next, err = o.numbers.next(ctx, s); err != nil {
		return Outlook{}, err
	}
	for taken := true; taken; {
		if taken, err = o.borne(ctx, s, look.Next, notation); err != nil {
			return Outlook{}, err
		}
		if taken {
			look.Next++
		}
	}
	return look, nil
}

// Gaps lists the numbers of a series that no document bears, below the highest
// that one does, in order.
func (o *Office) Gaps(ctx context.Context, s register.Series) (gaps []register.Range, err error) {
	query, args := `SELECT serial FROM documents INDEXED BY documents_series WHERE box = 'out' AND serial > 0 AND booked = ? AND series = ?`, []any{s.Year, s.Group}
	if s.Direction == register.In {
		query = `SELECT arrival FROM documents INDEXED BY documents_register WHERE booked > 0 AND box = 'in' AND arrival > 0 AND booked = ?`
		args = args[:1]
	}
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		borne, err := numbersOf(tx, query, args...)
		list := make([]int, len(borne))
		for i, no := range borne {
			list[i] = int(no)
		}
		gaps = append([]register.Range{}, register.Gaps(list)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list gaps: %w", err)
	}
	return gaps, nil
}
