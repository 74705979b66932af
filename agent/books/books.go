package books

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tram/agent/clock"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("books", migrations)

// Source is the office; *office.Office implements it.
type Source interface {
	Yearbook(ctx context.Context, box office.Box, year int) ([]office.Booking, error)
	BookYears(ctx context.Context, box office.Box) ([]int, error)
	// Documents returns those that exist, without attachments, in no order.
	Documents(ctx context.Context, ids []storage.ID) ([]office.Document, error)
	// Message is the sealed message; [storage.ErrNotFound] when there is none.
	Message(ctx context.Context, id storage.ID) (*edxml.Document, error)
}

// Followed is what is known of the handling of an incoming document. The zero
// value is nothing.
type Followed struct {
	Recipient  string    // unit or person that has it
	HandedOver time.Time // when it was handed over to them
	Deadline   time.Time
	Progress   string
	Reply      string    // number and notation of the answer
	Done       time.Time // when the handling ended, zero while it goes on
}

// Heading is whose books they are.
type Heading struct{ Superior, Office, Place string }

// Options of [Books]. DB, Blobs, Source and Heading are needed.
type Options struct {
	DB      *sqlite.DB // opened with Schema and audit.Schema
	Blobs   *blob.Store
	Source  Source
	Heading func() Heading
	// Followed tells of the handling of incoming documents; those that are not
	// followed are left out of its answer. nil: nothing is known of any.
	Followed func(ctx context.Context, ids []storage.ID) (map[storage.ID]Followed, error)
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // nil: time.Now
}

// Books are the books of one office. Its methods may be called from several
// goroutines.
type Books struct {
	o Options
	// writing is held while lines go to paper or are changed, so that what is
	// printed is what was there when it was printed.
	writing sync.Mutex
}

// New makes books over opened stores.
func New(o Options) *Books {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Books{o: o}
}

// First and last year of a book.
const minYear, maxYear = 1945, 9999

// Kinds are the books that are printed and bound, in the order of the decree.
func Kinds() []register.Kind {
	var kinds []register.Kind
	for _, b := range register.Books() {
		if b.Bound {
			kinds = append(kinds, b.Kind)
		}
	}
	return kinds
}

// ByHand reports whether people write the lines of a book.
func ByHand(kind register.Kind) bool { return kind == register.Postal || kind == register.KeptCopies }

// bound finds a book that is printed in pages.
func bound(kind register.Kind, year int) (register.Book, error) {
	b, err := register.Find(kind)
	if err == nil && !b.Bound {
		err = problem.New(problem.Conflict, "books.not-bound", "kind", i18n.Args{"book": b.Name(i18n.Vietnamese)})
	}
	if err == nil {
		err = checkYear(year)
	}
	return b, err
}

func checkYear(year int) error {
	if year < minYear || year > maxYear {
		return problem.New(problem.Usage, "books.year", "year", i18n.Args{"year": year})
	}
	return nil
}

// Years lists the years that any book has lines of, the present one with them,
// the newest first.
func (b *Books) Years(ctx context.Context) ([]int, error) {
	years := map[int]bool{b.now().Year(): true}
	for _, box := range []office.Box{office.In, office.Out} {
		found, err := b.o.Source.BookYears(ctx, box)
		if err != nil {
			return nil, err
		}
		for _, y := range found {
			years[y] = true
		}
	}
	err := b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return each(tx, `SELECT year FROM books_entries UNION SELECT year FROM books_files`, nil, func(scan scanner) error {
			var y int
			err := scan(&y)
			years[y] = true
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list years of books: %w", err)
	}
	return descending(years), nil
}

// Uses reports whether a print refers to stored content, for blob.Sweep.
func (b *Books) Uses(ctx context.Context, sha [32]byte) (used bool, err error) {
	err = b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM books_prints WHERE sha256 = ?)`, sha).Scan(&used)
	})
	if err != nil {
		return false, fmt.Errorf("ask for content in use: %w", err)
	}
	return used, nil
}

// now is the time in Vietnam, where the days of the books are counted.
func (b *Books) now() time.Time { return b.o.Now().In(clock.Vietnam) }

// today is the date in Vietnam.
func (b *Books) today() time.Time {
	n := b.now()
	return time.Date(n.Year(), n.Month(), n.Day(), 0, 0, 0, 0, clock.Vietnam)
}

type scanner func(into ...any) error

// each runs a query and hands every row to scan.
func each(tx *sqlite.Tx, query string, args []any, scan func(scanner) error) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// errNoLine is the problem that a book has no line of a key.
func errNoLine() error { return problem.New(problem.NotFound, "books.no-line", "", nil) }

var errMoved = errors.New("the book changed while it was laid out")

// Content is the query of digest and size of the files that the books refer to;
// [Books.Uses] asks the same of one.
const Content = `SELECT sha256, size FROM books_prints WHERE inline IS NULL AND size > 0`
