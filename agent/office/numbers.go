package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tram/storage/sqlite"
)

// Kinds of number series.
const (
	arrivals = "in"  // số đến
	numbered = "out" // numbers of outgoing documents
)

// numbers gives the numbers of the yearly series.
//
// A number stands inside the sealed message, so it must be known before the
// transaction that makes it durable. It is therefore reserved in memory and
// confirmed in that transaction; who fails gives it back, and the next one gets
// it. A gap remains in one case only: the program dies while two are under way
// and the higher one was already durable.
type numbers struct {
	db *sqlite.DB
	mu sync.Mutex
	by map[seriesKey]*series
}

type seriesKey struct {
	kind string
	year int
}

type series struct {
	last  int          // highest number reserved or durable
	free  []int        // given back, ascending
	taken map[int]bool // given by hand, not to be repeated
}

func newNumbers(db *sqlite.DB) *numbers {
	return &numbers{db: db, by: map[seriesKey]*series{}}
}

// reserve returns the next number of a series.
func (n *numbers) reserve(ctx context.Context, kind string, year int) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, err := n.series(ctx, seriesKey{kind, year})
	if err != nil {
		return 0, err
	}
	if len(s.free) > 0 {
		no := s.free[0]
		s.free = s.free[1:]
		return no, nil
	}
	for s.last++; s.taken[s.last]; s.last++ {
	}
	return s.last, nil
}

// release gives back a number that was not confirmed.
func (n *numbers) release(kind string, year, no int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.by[seriesKey{kind, year}]
	at, _ := slices.BinarySearch(s.free, no)
	s.free = slices.Insert(s.free, at, no)
	for len(s.free) > 0 && s.free[len(s.free)-1] == s.last {
		s.free = s.free[:len(s.free)-1]
		s.last--
	}
}

// confirm makes a reserved number durable with tx.
func (n *numbers) confirm(tx *sqlite.Tx, kind string, year, no int) error {
	_, err := tx.Exec(`INSERT INTO series (kind, year, last) VALUES (?, ?, ?)
		ON CONFLICT (kind, year) DO UPDATE SET last = max(last, excluded.last)`, kind, year, no)
	if err != nil {
		return fmt.Errorf("confirm number: %w", err)
	}
	return nil
}

// take notes a number that a person gave, so that the series leaves it out.
func (n *numbers) take(tx *sqlite.Tx, kind string, year, no int) error {
	_, err := tx.Exec(`INSERT OR IGNORE INTO taken (kind, year, number) VALUES (?, ?, ?)`, kind, year, no)
	if err != nil {
		return fmt.Errorf("note number: %w", err)
	}
	tx.OnCommit(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		s := n.by[seriesKey{kind, year}]
		if s == nil {
			return
		}
		if no > s.last {
			s.taken[no] = true
		}
		s.free = slices.DeleteFunc(s.free, func(f int) bool { return f == no })
	})
	return nil
}

func (n *numbers) series(ctx context.Context, key seriesKey) (*series, error) {
	if s := n.by[key]; s != nil {
		return s, nil
	}
	s := &series{taken: map[int]bool{}}
	err := n.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT last FROM series WHERE kind = ? AND year = ?`, key.kind, key.year).Scan(&s.last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rows, err := tx.Query(`SELECT number FROM taken WHERE kind = ? AND year = ? AND number > ?`, key.kind, key.year, s.last)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var no int
			if err := rows.Scan(&no); err != nil {
				return err
			}
			s.taken[no] = true
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("load number series: %w", err)
	}
	n.by[key] = s
	return s, nil
}
