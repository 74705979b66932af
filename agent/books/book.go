package books

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"tram/agent/register"
	"tram/storage/sqlite"
)

// State is how far a book of a year is on paper.
type State struct {
	Kind    register.Kind `json:"kind"`
	Year    int           `json:"year"`
	Volume  int           `json:"volume"`  // the open one, from 1
	Pages   int           `json:"pages"`   // printed of it, those of an open print with them
	Printed int           `json:"printed"` // lines on them
	// Last is the number of the last line on them, as the book writes it.
	Last    string    `json:"last"`
	LastAt  time.Time `json:"last_at,omitzero"` // of the last print that went well
	Pending int       `json:"pending"`          // lines that are on no page
	Open    *Job      `json:"open,omitempty"`   // the print that nobody has confirmed yet
}

// printedLine is a line on paper.
type printedLine struct {
	register.Line
	volume, page int
	notes        int64
}

// ledger is a book of a year as it is stored.
type ledger struct {
	book    register.Book
	state   State
	printed map[string]printedLine
	notes   map[string][]note // by line
	lines   int               // on paper in the open volume
	pending []line
}

type note struct {
	seq  int64
	text string
	at   time.Time
}

// State tells how far a book is on paper.
func (b *Books) State(ctx context.Context, kind register.Kind, year int) (State, error) {
	l, err := b.ledger(ctx, kind, year)
	return l.state, err
}

// List tells of all books of a year.
func (b *Books) List(ctx context.Context, year int) ([]State, error) {
	list := []State{}
	for _, kind := range Kinds() {
		s, err := b.State(ctx, kind, year)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ledger reads a book. Lines are read first: one that is entered meanwhile is on
// no page and comes with the next print.
func (b *Books) ledger(ctx context.Context, kind register.Kind, year int) (ledger, error) {
	l := ledger{printed: map[string]printedLine{}, notes: map[string][]note{}}
	var err error
	if l.book, err = bound(kind, year); err != nil {
		return l, err
	}
	var lines []line
	if ByHand(kind) {
		lines, err = b.written(ctx, kind, year)
	} else {
		lines, err = b.made(ctx, kind, year)
	}
	if err != nil {
		return l, err
	}
	l.state = State{Kind: kind, Year: year, Volume: 1}
	if err := b.o.DB.View(ctx, l.read); err != nil {
		return l, fmt.Errorf("read book: %w", err)
	}
	l.open(lines)
	return l, nil
}

// read reads what is on paper and what was put right.
func (l *ledger) read(tx *sqlite.Tx) error {
	kind, year := string(l.state.Kind), l.state.Year
	clear(l.printed)
	clear(l.notes)
	if err := tx.QueryRow(`SELECT coalesce(max(number), 0) + 1 FROM books_volumes WHERE kind = ? AND year = ?`, kind, year).Scan(&l.state.Volume); err != nil {
		return err
	}
	l.lines = 0
	err := each(tx, `SELECT volume, key, page, notes, line FROM books_lines WHERE kind = ? AND year = ? ORDER BY volume, pos`, []any{kind, year}, func(scan scanner) error {
		var p printedLine
		var text string
		if err := scan(&p.volume, &p.Key, &p.page, &p.notes, &text); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &p.Line); err != nil {
			return fmt.Errorf("printed line %s: %w", p.Key, err)
		}
		if l.printed[p.Key] = p; p.volume == l.state.Volume {
			l.lines++
			l.state.Last = numberOf(p.Line)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = each(tx, `SELECT seq, key, at, text FROM books_notes WHERE kind = ? AND year = ? ORDER BY seq`, []any{kind, year}, func(scan scanner) error {
		var n note
		var key string
		err := scan(&n.seq, &key, sqlite.Timestamp(&n.at), &n.text)
		l.notes[key] = append(l.notes[key], n)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(
		tx.QueryRow(`SELECT coalesce(max(page), 0) FROM books_sheets WHERE kind = ? AND year = ? AND volume = ?`, kind, year, l.state.Volume).Scan(&l.state.Pages),
		l.readPrints(tx))
}

func (l *ledger) readPrints(tx *sqlite.Tx) error {
	var at int64
	err := tx.QueryRow(`SELECT coalesce(max(ended), 0) FROM books_prints WHERE kind = ? AND year = ? AND state = 'printed'`, string(l.state.Kind), l.state.Year).Scan(&at)
	if err != nil {
		return err
	}
	if l.state.LastAt = (time.Time{}); at > 0 {
		l.state.LastAt = sqlite.Time(at)
	}
	jobs, err := readJobs(tx, `kind = ? AND year = ? AND state = 'printing'`, string(l.state.Kind), l.state.Year)
	if l.state.Open = nil; len(jobs) > 0 {
		l.state.Open = &jobs[0]
	}
	return err
}

// open finds the lines that are on no page: what was put right first, since it
// has the lower numbers, then the entries in their order.
func (l *ledger) open(lines []line) {
	var right, fresh []line
	for _, e := range lines {
		p, on := l.printed[e.Key]
		if !on {
			fresh = append(fresh, l.noted(e))
			continue
		}
		for _, text := range e.since(p.Line) {
			right = l.correction(right, sinceKey(e.Key, text), p, text, e.day)
		}
	}
	right = l.corrections(right)
	l.pending = append(right, fresh...)
	l.state.Printed, l.state.Pending = l.lines, len(l.pending)
}

// noted writes the corrections of an entry that is on no page under Ghi chú.
func (l *ledger) noted(e line) line {
	for _, n := range l.notes[e.Key] {
		e.Corrections = append(e.Corrections, n.words())
		e.notes = n.seq
	}
	return e
}

func (n note) words() string { return register.Day(dayOf(n.at)) + ": " + n.text }

func noteKey(seq int64) string { return "note-" + strconv.FormatInt(seq, 10) }

// corrections adds the lines that put printed ones right, in the order in which
// they were written.
func (l *ledger) corrections(list []line) []line {
	all, texts := map[int64]printedLine{}, map[int64]note{}
	for key, notes := range l.notes {
		p, on := l.printed[key]
		for _, n := range notes {
			if on && n.seq > p.notes {
				all[n.seq], texts[n.seq] = p, n
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(all)) {
		list = l.correction(list, noteKey(seq), all[seq], texts[seq].text, dayOf(texts[seq].at))
	}
	return list
}

// correction adds one, unless it is printed. A correction may itself be put right
// before it is printed.
func (l *ledger) correction(list []line, key string, wrong printedLine, text string, day time.Time) []line {
	if _, on := l.printed[key]; on {
		return list
	}
	c := line{Line: register.Correction(l.book, key, wrong.Line, wrong.page, text), day: day}
	return append(list, l.noted(c))
}

// numberOf is the number of a line as its book writes it.
func numberOf(l register.Line) string {
	for _, f := range []register.Field{register.ArrivalNo, register.CodeOf} {
		if v := l.Values[f]; v != "" {
			number, _ := register.SplitCode(v)
			return number
		}
	}
	return ""
}
