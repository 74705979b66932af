package books

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// MaxNote bounds a correction, in characters.
const MaxNote = 500

// Found is a line of a book with where it stands.
type Found struct {
	register.Line
	Volume, Page int // where it is printed, 0 for on no page
	Notes        []Note
}

// Note is a correction.
type Note struct {
	At   time.Time
	By   string
	Text string
}

// Line finds a line of a book.
func (b *Books) Line(ctx context.Context, kind register.Kind, year int, key string) (Found, error) {
	l, err := b.ledger(ctx, kind, year)
	if err != nil {
		return Found{}, err
	}
	f, err := l.find(key)
	if err != nil {
		return Found{}, err
	}
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		f.Notes = nil
		return each(tx, `SELECT at, actor, text FROM books_notes WHERE kind = ? AND year = ? AND key = ? ORDER BY seq`, []any{string(kind), year, key}, func(scan scanner) error {
			var n Note
			err := scan(sqlite.Timestamp(&n.At), &n.By, &n.Text)
			f.Notes = append(f.Notes, n)
			return err
		})
	})
	if err != nil {
		return Found{}, fmt.Errorf("read corrections: %w", err)
	}
	return f, nil
}

func (l *ledger) find(key string) (Found, error) {
	if p, ok := l.printed[key]; ok {
		return Found{Line: p.Line, Volume: p.volume, Page: p.page}, nil
	}
	i := slices.IndexFunc(l.pending, func(e line) bool { return e.Key == key })
	if i < 0 {
		return Found{}, errNoLine()
	}
	return Found{Line: l.pending[i].Line}, nil
}

// Correct puts a line right. On a line that is on no page the text stands under
// Ghi chú; for one that is printed a new line says it, on the next sheet.
func (b *Books) Correct(ctx context.Context, kind register.Kind, year int, key, text, by string) error {
	text = strings.TrimSpace(register.Clean(text))
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return problem.New(problem.Usage, "books.no-note", "note", nil)
	case n > MaxNote:
		return problem.New(problem.Usage, "books.long-note", "note", i18n.Args{"most": MaxNote})
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	l, err := b.ledger(ctx, kind, year)
	if err != nil {
		return err
	}
	f, err := l.find(key)
	if err != nil {
		return err
	}
	err = b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO books_notes (kind, year, key, at, actor, text) VALUES (?, ?, ?, ?, ?, ?)`, string(kind), year, key, tx.Now(), by, text)
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "books.correct", Subject: fmt.Sprintf("%s %d", kind, year),
			Detail: map[string]string{"line": key, "number": numberOf(f.Line), "page": fmt.Sprint(f.Page)}})
	})
	if err != nil {
		return fmt.Errorf("correct line: %w", err)
	}
	return nil
}
