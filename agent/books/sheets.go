package books

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage/sqlite"
)

// Selection is a part of a book. The zero value is all of it, as it would be bound.
type Selection struct {
	Volume int // 0: the open one, of an export all
	// From and To bound the days of the entries, both in; zero bounds nothing. A
	// part by days has pages of its own numbers, which are no pages of the book.
	From, To time.Time
}

func (s Selection) byDays() bool { return !s.From.IsZero() || !s.To.IsZero() }

func (s Selection) has(l line) bool {
	return (s.From.IsZero() || !l.day.Before(dayOf(s.From))) && (s.To.IsZero() || !l.day.After(dayOf(s.To)))
}

func (s Selection) check() error {
	if !s.From.IsZero() && !s.To.IsZero() && s.To.Before(s.From) {
		return problem.New(problem.Usage, "books.period", "to", nil)
	}
	return nil
}

// Preview is some sheets of a book or list, one behind the other.
type Preview struct {
	Sheets  []register.Sheet
	Printed int // the first so many pages of the whole are on paper
	Pages   int // of the whole
	Lines   int // of the whole
	Totals  []register.Total
}

// Preview lays out the sheets from page first on, count at most: those on paper
// as they are, those behind them as the next print would have them.
func (b *Books) Preview(ctx context.Context, kind register.Kind, year int, sel Selection, first, count int) (Preview, error) {
	if err := sel.check(); err != nil {
		return Preview{}, err
	}
	book, err := register.Find(kind)
	if err != nil {
		return Preview{}, err
	}
	if !book.Bound || sel.byDays() {
		return b.free(ctx, book, year, sel, first, count)
	}
	l, err := b.ledger(ctx, kind, year)
	if err != nil {
		return Preview{}, err
	}
	if sel.Volume == 0 {
		sel.Volume = l.state.Volume
	}
	p, err := b.onPaper(ctx, l, sel.Volume, first, count)
	if err != nil || sel.Volume != l.state.Volume {
		return p, err
	}
	fresh, err := register.Paginate(l.book, b.volume(&l), plain(l.pending), register.Printed{Page: l.state.Pages})
	if err != nil {
		return Preview{}, err
	}
	p.Pages += len(fresh)
	p.Lines += len(l.pending)
	for _, s := range fresh {
		if s.Page >= first && s.Page < first+count {
			p.Sheets = append(p.Sheets, s)
		}
	}
	return p, nil
}

// free lays out what has no pages of a book.
func (b *Books) free(ctx context.Context, book register.Book, year int, sel Selection, first, count int) (Preview, error) {
	t, err := b.Table(ctx, book.Kind, year, sel)
	if err != nil {
		return Preview{}, err
	}
	sheets, err := register.Paginate(book, t.Volume, t.Lines, register.Printed{})
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Pages: len(sheets), Lines: len(t.Lines), Totals: t.Volume.Totals}
	if first <= len(sheets) {
		p.Sheets = sheets[max(first, 1)-1 : min(first-1+count, len(sheets))]
	}
	return p, nil
}

// printPart is what of one print is on the pages that were asked for.
type printPart struct {
	volume register.Volume
	marks  []register.Printed
	lines  []register.Line
}

// onPaper gives printed pages of a volume as they are.
func (b *Books) onPaper(ctx context.Context, l ledger, volume, first, count int) (p Preview, err error) {
	var parts []*printPart
	args := []any{string(l.state.Kind), l.state.Year, volume}
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		err = tx.QueryRow(`SELECT coalesce(max(page), 0), (SELECT count(*) FROM books_lines WHERE kind = ?1 AND year = ?2 AND volume = ?3)
			FROM books_sheets WHERE kind = ?1 AND year = ?2 AND volume = ?3`, args...).Scan(&p.Pages, &p.Lines)
		if err == nil {
			parts, err = readParts(tx, append(slices.Clone(args), first, first+count))
		}
		return err
	})
	if err != nil {
		return Preview{}, fmt.Errorf("read printed pages: %w", err)
	}
	p.Printed = p.Pages
	for _, part := range parts {
		sheets, err := register.Reprint(l.book, part.volume, part.lines, part.marks)
		if err != nil {
			return Preview{}, err
		}
		p.Sheets = append(p.Sheets, sheets...)
	}
	return p, nil
}

// readParts reads the pages of a volume, print by print: args are kind, year,
// volume, the first page, and the one behind the last.
func readParts(tx *sqlite.Tx, args []any) (parts []*printPart, err error) {
	of := map[int64]*printPart{}
	err = each(tx, `SELECT s.print, s.mark, p.heading FROM books_sheets s JOIN books_prints p ON p.seq = s.print
		WHERE s.kind = ? AND s.year = ? AND s.volume = ? AND s.page >= ? AND s.page < ? ORDER BY s.page`, args, func(scan scanner) error {
		var id int64
		var mark, heading string
		if err := scan(&id, &mark, &heading); err != nil {
			return err
		}
		if of[id] == nil {
			of[id] = &printPart{}
			parts = append(parts, of[id])
			if err := json.Unmarshal([]byte(heading), &of[id].volume); err != nil {
				return err
			}
		}
		var m register.Printed
		err := json.Unmarshal([]byte(mark), &m)
		of[id].marks = append(of[id].marks, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return parts, each(tx, `SELECT print, line FROM books_lines WHERE kind = ? AND year = ? AND volume = ? AND page >= ? AND page < ? ORDER BY pos`, args, func(scan scanner) error {
		var id int64
		var text string
		var line register.Line
		if err := scan(&id, &text); err != nil {
			return err
		}
		err := json.Unmarshal([]byte(text), &line)
		of[id].lines = append(of[id].lines, line)
		return err
	})
}

// all are the lines of a bound book, of every volume or of one, those on paper
// first.
func (b *Books) all(ctx context.Context, kind register.Kind, year, volume int) (lines []line, open int, err error) {
	l, err := b.ledger(ctx, kind, year)
	if err != nil {
		return nil, 0, err
	}
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		lines = nil
		return each(tx, `SELECT key, day FROM books_lines WHERE kind = ? AND year = ? AND (? = 0 OR volume = ?) ORDER BY volume, pos`,
			[]any{string(kind), year, volume, volume}, func(scan scanner) error {
				var key string
				var e line
				err := scan(&key, sqlite.Timestamp(&e.day))
				e.Line, e.day = l.printed[key].Line, dayOf(e.day)
				lines = append(lines, e)
				return err
			})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read printed lines: %w", err)
	}
	if volume == 0 || volume == l.state.Volume {
		lines = append(lines, l.pending...)
	}
	return lines, l.state.Volume, nil
}

// Table gives lines without pages: of a book, one volume or all; of a report or
// list, all.
func (b *Books) Table(ctx context.Context, kind register.Kind, year int, sel Selection) (register.Table, error) {
	t := register.Table{Made: b.now()}
	var err error
	if t.Book, err = register.Find(kind); err == nil {
		err = sel.check()
	}
	if err == nil {
		err = checkYear(year)
	}
	if err != nil {
		return t, err
	}
	h := b.o.Heading()
	t.Volume = register.Volume{Superior: h.Superior, Office: h.Office, Place: h.Place, Year: year, FirstDay: sel.From, LastDay: sel.To}
	var lines []line
	switch {
	case t.Book.Bound:
		if lines, _, err = b.all(ctx, kind, year, sel.Volume); err == nil && !sel.byDays() {
			t.Volume.Number = sel.Volume
		}
	case kind == register.FileList: // no days
		sel = Selection{}
		lines, err = b.fileList(ctx, year)
	case kind == register.FileContents:
		err = problem.New(problem.Usage, "books.which-file", "file", nil)
	default:
		lines, t.Volume.Totals, err = b.report(ctx, kind, year, sel)
	}
	if err != nil {
		return t, err
	}
	lines = slices.DeleteFunc(lines, func(l line) bool { return !sel.has(l) })
	t.Lines = plain(lines)
	bounds(&t.Volume, lines)
	return t, nil
}

// bounds writes first and last day and number of lines on their cover.
func bounds(v *register.Volume, lines []line) {
	least, most := 0, 0
	for _, l := range lines {
		if v.FirstDay.IsZero() || l.day.Before(v.FirstDay) {
			v.FirstDay = l.day
		}
		if l.day.After(v.LastDay) {
			v.LastDay = l.day
		}
		if n, err := strconv.Atoi(numberOf(l.Line)); err == nil && n > 0 {
			if least == 0 || n < least {
				least, v.FirstCode = n, numberOf(l.Line)
			}
			if n > most {
				most, v.LastCode = n, numberOf(l.Line)
			}
		}
	}
}

// Format is a kind of file that a book is exported to.
type Format string

// The formats.
const (
	PDF  Format = "pdf"
	XLSX Format = "xlsx"
	DOCX Format = "docx"
)

// Export makes a file of a book or list: PDF with its cover and its pages as they
// are bound, the others as tables. It marks nothing as printed.
func (b *Books) Export(ctx context.Context, kind register.Kind, year int, sel Selection, format Format) ([]byte, error) {
	t, err := b.Table(ctx, kind, year, sel)
	if err != nil {
		return nil, err
	}
	if format != PDF {
		return tableFile(t, format)
	}
	p, err := b.Preview(ctx, kind, year, sel, 1, register.MaxPages+1)
	if err != nil {
		return nil, err
	}
	if t.Book.Bound && !sel.byDays() && sel.Volume == 0 { // the pages are those of the open volume
		s, err := b.Table(ctx, kind, year, Selection{Volume: b.openVolume(p)})
		if err != nil {
			return nil, err
		}
		t.Volume = s.Volume
	}
	return register.Print{Cover: &register.Cover{Book: t.Book, Volume: t.Volume}, Sheets: p.Sheets, Made: b.now()}.PDF()
}

// openVolume is that of the pages of a preview, 1 where there are none.
func (b *Books) openVolume(p Preview) int {
	if len(p.Sheets) == 0 {
		return 1
	}
	return p.Sheets[0].Volume.Number
}

func tableFile(t register.Table, format Format) ([]byte, error) {
	switch format {
	case XLSX:
		return t.XLSX()
	case DOCX:
		return t.DOCX()
	}
	return nil, problem.New(problem.Usage, "books.format", "format", i18n.Args{"format": string(format)})
}

// Cover makes the first page of a volume, 0 for the open one.
func (b *Books) Cover(ctx context.Context, kind register.Kind, year, volume int) ([]byte, error) {
	if volume == 0 {
		s, err := b.State(ctx, kind, year)
		if err != nil {
			return nil, err
		}
		volume = s.Volume
	}
	t, err := b.Table(ctx, kind, year, Selection{Volume: volume})
	if err != nil {
		return nil, err
	}
	return register.Print{Cover: &register.Cover{Book: t.Book, Volume: t.Volume}, Made: b.now()}.PDF()
}
