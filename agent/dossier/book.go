package dossier

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// MaxBook is how many dossiers of a book are gone through at once.
const MaxBook = 50_000

// bookBatch is how many are read in one transaction, so that no reader stands in
// the way of the journal for as long as a book is printed.
const bookBatch = 200

// Book goes through a year's sổ theo dõi hồ sơ in the order of its numbers: the
// dossiers that this office accepted from a time up to another, which is not
// included; zero times stand for the bounds of the year. Which ones these are is
// decided once; each is given as it stands when it comes, with its events and
// transfers. The iteration ends with the first error.
func (s *Store) Book(ctx context.Context, year int, from, to time.Time) iter.Seq2[Dossier, error] {
	begin := time.Date(year, time.January, 1, 0, 0, 0, 0, clock.Vietnam)
	end := begin.AddDate(1, 0, 0)
	if from.After(begin) {
		begin = from
	}
	if !to.IsZero() && to.Before(end) {
		end = to
	}
	return func(yield func(Dossier, error) bool) {
		order, err := s.bookOrder(ctx, begin, end)
		for len(order) > 0 && err == nil {
			n := min(bookBatch, len(order))
			var batch []Dossier
			if batch, err = s.bookPart(ctx, order[:n]); err != nil {
				break
			}
			for _, d := range batch {
				if !yield(d, nil) {
					return
				}
			}
			order = order[n:]
		}
		if err != nil {
			yield(Dossier{}, reading(err))
		}
	}
}

// bookOrder is which dossiers a span of a book has.
func (s *Store) bookOrder(ctx context.Context, from, to time.Time) (order []int64, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		var err error
		order, err = sqlite.Column[int64](tx, `SELECT seq FROM dossiers WHERE guest = 0 AND book > 0 AND accepted >= ? AND accepted < ? ORDER BY book LIMIT ?`, from.UnixMilli(), to.UnixMilli(), MaxBook+1)
		return err
	})
	if len(order) > MaxBook {
		return nil, problem.New(problem.Usage, "dossier.book-large", "from", i18n.Args{"limit": MaxBook})
	}
	return order, err
}

func (s *Store) bookPart(ctx context.Context, order []int64) (batch []Dossier, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, seq := range order {
			d, _, err := load(tx, `seq = ?`, seq)
			if err != nil {
				return err
			}
			batch = append(batch, d)
		}
		return nil
	})
	return batch, err
}

// BookMade notes in the audit log who made a file of the book, whose lines show
// personal data.
func (s *Store) BookMade(ctx context.Context, year int, from, to time.Time, kind string, by Actor) error {
	detail := map[string]string{"kind": kind}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			detail[name] = t.In(clock.Vietnam).Format(time.DateOnly)
		}
	}
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: by.Person, Action: "dossier.book", Subject: strconv.Itoa(year), Detail: detail})
	})
	return saving(err)
}

// Printed notes that a form of the circular was printed, and under which version of
// its template.
func (s *Store) Printed(ctx context.Context, id storage.ID, form, template string, by Actor) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Printed, Text: fmt.Sprintf("%s · %s", form, template)}, true, by, 0)
}
