package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tram/agent/register"
	"tram/storage/sqlite"
)

// numbers gives the numbers of the yearly series.
//
// A number stands inside the sealed message, so it must be known before the
// transaction that makes it durable. It is therefore reserved in memory and
// confirmed in that transaction; who fails gives it back, and the next one gets
// it. When a higher number becomes durable first, those below that are still
// under way are kept as spare in the same transaction, so that a crash loses
// none. A number given by hand moves its series on: what it leaps over is for
// people to account for, as the numbers of a paper book are.
type numbers struct {
	db     *sqlite.DB
	byType bool // what the head decided on administrative documents, for years that have no number yet
	mu     sync.Mutex
	by     map[register.Series]*series
	modes  map[int]bool // of years that have numbers, whether they are given by type
}

type series struct {
	last  int   // highest number reserved or durable
	free  []int // reserved once and borne by nobody, ascending
	doing []int // reserved and not yet confirmed
}

func newNumbers(db *sqlite.DB, byType bool) *numbers {
	return &numbers{db: db, byType: byType, by: map[register.Series]*series{}, modes: map[int]bool{}}
}

// kindOf is how a series is called in the tables.
func kindOf(s register.Series) string {
	if s.Group == "" {
		return string(s.Direction)
	}
	return string(s.Direction) + ":" + s.Group
}

// mode tells whether the outgoing numbers of a year are given by type.
func (n *numbers) mode(ctx context.Context, year int) (byType bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if byType, known := n.modes[year]; known {
		return byType, nil
	}
	err = n.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT by_type FROM numbering WHERE year = ?`, year).Scan(&byType)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return n.byType, nil
	}
	if err != nil {
		return false, fmt.Errorf("load numbering of the year: %w", err)
	}
	n.modes[year] = byType
	return byType, nil
}

// reserve returns the next number of a series.
func (n *numbers) reserve(ctx context.Context, key register.Series) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, err := n.series(ctx, key)
	if err != nil {
		return 0, err
	}
	no := s.next()
	if len(s.free) > 0 {
		s.free = s.free[1:]
	} else {
		s.last = no
	}
	s.doing = append(s.doing, no)
	return no, nil
}

func (s *series) next() int {
	if len(s.free) > 0 {
		return s.free[0]
	}
	return s.last + 1
}

// next is the number that reserve would return now.
func (n *numbers) next(ctx context.Context, key register.Series) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, err := n.series(ctx, key)
	if err != nil {
		return 0, err
	}
	return s.next(), nil
}

// release gives back a number that was not confirmed.
func (n *numbers) release(key register.Series, no int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.by[key]
	s.drop(no)
	if at, found := slices.BinarySearch(s.free, no); !found {
		s.free = slices.Insert(s.free, at, no)
	}
	for len(s.free) > 0 && s.free[len(s.free)-1] == s.last {
		s.free = s.free[:len(s.free)-1]
		s.last--
	}
}

// skip gives up a reserved number, which somebody else bears.
func (n *numbers) skip(key register.Series, no int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.by[key].drop(no)
}

func (s *series) drop(no int) {
	s.doing = slices.DeleteFunc(s.doing, func(d int) bool { return d == no })
}

// confirm makes a number durable with tx: a reserved one, or one that a person
// gave, with which the series goes on when it is the highest.
func (n *numbers) confirm(tx *sqlite.Tx, key register.Series, no int) error {
	kind := kindOf(key)
	_, err := tx.Exec(`INSERT INTO series (kind, year, last) VALUES (?, ?, ?)
		ON CONFLICT (kind, year) DO UPDATE SET last = max(last, excluded.last)`, kind, key.Year, no)
	if err != nil {
		return fmt.Errorf("confirm number: %w", err)
	}
	for _, open := range n.below(key, no) {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO spare (kind, year, number) VALUES (?, ?, ?)`, kind, key.Year, open); err != nil {
			return fmt.Errorf("keep spare number: %w", err)
		}
	}
	if _, err := tx.Exec(`DELETE FROM spare WHERE kind = ? AND year = ? AND number = ?`, kind, key.Year, no); err != nil {
		return fmt.Errorf("confirm number: %w", err)
	}
	if key.Direction == register.Out {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO numbering (year, by_type) VALUES (?, ?)`, key.Year, n.byType); err != nil {
			return fmt.Errorf("keep numbering of the year: %w", err)
		}
	}
	tx.OnCommit(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if s := n.by[key]; s != nil {
			s.drop(no)
			s.last = max(s.last, no)
			s.free = slices.DeleteFunc(s.free, func(f int) bool { return f == no })
		}
	})
	return nil
}

// below are the numbers below no that are reserved or given back.
func (n *numbers) below(key register.Series, no int) (open []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.by[key]; s != nil {
		for _, o := range slices.Concat(s.free, s.doing) {
			if o < no {
				open = append(open, o)
			}
		}
	}
	return open
}

func (n *numbers) series(ctx context.Context, key register.Series) (*series, error) {
	if s := n.by[key]; s != nil {
		return s, nil
	}
	s := &series{}
	err := n.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT last FROM series WHERE kind = ? AND year = ?`, kindOf(key), key.Year).Scan(&s.last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		spare, err := numbersOf(tx, `SELECT number FROM spare WHERE kind = ? AND year = ? ORDER BY number`, kindOf(key), key.Year)
		for _, no := range spare {
			s.free = append(s.free, int(no))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load number series: %w", err)
	}
	n.by[key] = s
	return s, nil
}
