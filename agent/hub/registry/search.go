package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"tram/agent/fold"
	"tram/storage/sqlite"
)

// Limits of searches. Input over MaxQuery or MaxWords is cut; what is cut
// only makes the result wider.
const (
	DefaultResults = 20   // when limit is not positive
	MaxResults     = 200  // hard
	MaxQuery       = 200  // bytes of a query
	MaxWords       = 8    // words of a query
	MaxSince       = 4096 // cards of one page of Since, as MaxCards
)

// Query is what Find looks for.
type Query struct {
	Text  string
	Limit int // DefaultResults when not positive, at most MaxResults
	// Reachable leaves out hubs and offices without keys. Offices that have
	// ended stay: their successors are reachable by their names.
	Reachable bool
}

// Search returns offices whose code or name holds every word of query, without
// regard to case and diacritics. The exact code comes first, then codes and
// names that begin with the query, then names in which a word begins with it,
// then the rest; alphabetically within each. Earlier codes of an office count as
// its code. An empty query finds nothing.
func (r *Registry) Search(ctx context.Context, query string, limit int) ([]Card, error) {
	return r.Find(ctx, Query{Text: query, Limit: limit})
}

// Find is Search with more to choose from. The first one reads the words of the
// whole registry into memory, about 50 bytes for each office, where they stay.
func (r *Registry) Find(ctx context.Context, q Query) ([]Card, error) {
	text := fold.String(strings.Map(blank, cut(q.Text, MaxQuery)))
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, nil
	}
	words = words[:min(len(words), MaxWords)]
	if q.Limit <= 0 {
		q.Limit = DefaultResults
	}
	q.Limit = min(q.Limit, MaxResults)
	keys, err := r.index.search(ctx, r.db, newSearch(text, words, q.Limit, q.Reachable))
	if err != nil {
		return nil, fmt.Errorf("search offices: %w", err)
	}
	var cards []Card
	for _, key := range keys {
		c, err := r.Lookup(key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("search offices: %w", err)
		}
		if len(cards) < q.Limit && (!q.Reachable || !c.IsHub()) {
			cards = append(cards, c)
		}
	}
	return cards, nil
}

// WarmSearch reads the words now that the first search would otherwise wait for.
func (r *Registry) WarmSearch(ctx context.Context) error {
	_, err := r.Search(ctx, "-", 1)
	return err
}

// blank turns control characters into spaces.
func blank(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// Children returns the offices directly below code, in alphabetical order, at
// most limit of them.
func (r *Registry) Children(ctx context.Context, code string, limit int) ([]Card, error) {
	cards, err := r.list(ctx, `SELECT raw FROM cards WHERE parent_key = ? ORDER BY name_fold, code_key LIMIT ?`, Key(code), limit)
	if err != nil {
		return nil, fmt.Errorf("list offices: %w", err)
	}
	return cards, nil
}

// Around returns the signed cards of at most limit offices that an office most
// likely writes to: the one above it and those beside and below it, then others,
// each time those with keys first. It is for a hub's own registry.
func (r *Registry) Around(ctx context.Context, code string, limit int) (cards [][]byte, err error) {
	parent := ""
	if c, err := r.Lookup(code); err == nil {
		parent = Key(c.Parent)
	} else if !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("list offices around %q: %w", code, err)
	}
	seen := map[string]bool{}
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		for _, where := range []string{
			`WHERE (code_key = ?1 OR parent_key IN (?1, ?2)) ORDER BY code_key <> ?1, device IS NULL, code_key`,
			`WHERE device IS NOT NULL ORDER BY code_key`, `ORDER BY code_key`,
		} {
			args := []any{parent, Key(code)}[:strings.Count(where, "?1, ?2")*2]
			if cards, err = around(tx, `SELECT code_key, raw FROM cards `+where, args, limit, seen, cards); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list offices around %q: %w", code, err)
	}
	return cards, nil
}

// around adds what a query finds to cards, up to limit.
func around(tx *sqlite.Tx, query string, args []any, limit int, seen map[string]bool, cards [][]byte) ([][]byte, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for len(cards) < limit && rows.Next() {
		var key string
		var raw []byte
		if err := rows.Scan(&key, &raw); err != nil {
			return nil, err
		}
		if !seen[key] {
			seen[key] = true
			cards = append(cards, raw)
		}
	}
	return cards, rows.Err()
}

// childrenTx returns all offices directly below code that have not ended.
func (r *Registry) childrenTx(tx *sqlite.Tx, code string) ([]Card, error) {
	return r.rows(tx, `SELECT raw FROM cards WHERE parent_key = ? AND into_key = '' ORDER BY code_key`, Key(code))
}

// Count returns how many offices there are and how many of them are enrolled.
func (r *Registry) Count(ctx context.Context) (all, enrolled int, err error) {
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*), count(device) FROM cards`).Scan(&all, &enrolled)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count offices: %w", err)
	}
	return all, enrolled, nil
}

// Since returns cards with a serial above serial, lowest first: at most limit
// of them, or more when the last ones share a serial, so that going on from
// the highest serial received skips nothing. Limit is at most MaxSince, which
// a value that is not positive stands for.
func (r *Registry) Since(ctx context.Context, serial uint64, limit int) ([][]byte, error) {
	if limit <= 0 || limit > MaxSince {
		limit = MaxSince
	}
	var cards [][]byte
	err := r.db.View(ctx, func(tx *sqlite.Tx) error {
		var err error
		cards, err = sqlite.Column[[]byte](tx, `SELECT raw FROM cards WHERE serial > ?1 AND serial <= coalesce(
			(SELECT serial FROM cards WHERE serial > ?1 ORDER BY serial LIMIT 1 OFFSET ?2), 9223372036854775807)
			ORDER BY serial, code_key`, int64(min(serial, maxSerial)), limit-1)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list cards: %w", err)
	}
	return cards, nil
}

func (r *Registry) list(ctx context.Context, query string, args ...any) (cards []Card, err error) {
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		cards, err = r.rows(tx, query, args...)
		return err
	})
	return cards, err
}

func (r *Registry) rows(tx *sqlite.Tx, query string, args ...any) ([]Card, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var cards []Card
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		c, err := r.stored(raw)
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	return cards, rows.Err()
}

// cut shortens s to at most n bytes, at a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
