package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"tram/storage/sqlite"
)

// Hard limits of ways through the tree and through time: a longer one is taken
// for a circle.
const (
	maxMoves = 16 // from an office that has ended to the one that is there now
	maxDepth = 32 // from an office to the top of the tree
)

// Resolve returns the card of the office that code names today. Of an office
// that was merged or has a new code that is its successor, which moved tells;
// so it does when code is an earlier one of the office. While the successor has
// no keys the office that has ended answers itself if it has some. ErrNotFound
// when there is neither, ErrChain when successors form a circle.
func (r *Registry) Resolve(code string) (c Card, moved bool, err error) {
	c, err = r.Lookup(code)
	if errors.Is(err, ErrNotFound) {
		c, err = r.byOldCode(code)
		moved = true
	}
	if err != nil {
		return Card{}, false, err
	}
	answers, since := c, moved
	for range maxMoves {
		if c.Enrolled() || !answers.Enrolled() {
			answers, since = c, moved
		}
		if c.Into == "" {
			return answers, since, nil
		}
		next, err := r.Lookup(c.Into)
		if errors.Is(err, ErrNotFound) {
			return answers, since, nil // its card is on the way
		}
		if err != nil {
			return Card{}, false, err
		}
		c, moved = next, true
	}
	return Card{}, false, fmt.Errorf("find the successor of %q: %w", code, ErrChain)
}

func (r *Registry) byOldCode(code string) (Card, error) {
	var raw []byte
	err := r.view(func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT raw FROM cards JOIN old_codes USING (code_key) WHERE old_key = ?`, Key(code)).Scan(&raw)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Card{}, fmt.Errorf("look up old code %q: %w", code, ErrNotFound)
	}
	if err != nil {
		return Card{}, fmt.Errorf("look up old code %q: %w", code, err)
	}
	return r.stored(raw)
}

// putOld makes the old codes of a card its own.
func putOld(tx *sqlite.Tx, c Card) error {
	if _, err := tx.Exec(`DELETE FROM old_codes WHERE code_key = ?`, Key(c.Code)); err != nil {
		return fmt.Errorf("store old codes: %w", err)
	}
	for _, old := range c.Old {
		_, err := tx.Exec(`INSERT INTO old_codes (old_key, code_key, serial) VALUES (?, ?, ?)
			ON CONFLICT (old_key) DO UPDATE SET code_key = excluded.code_key, serial = excluded.serial WHERE excluded.serial > serial`,
			Key(old), Key(c.Code), int64(c.Serial))
		if err != nil {
			return fmt.Errorf("store old codes: %w", err)
		}
	}
	return nil
}

// Allows reports whether the office of from may write to the office to, by the
// rules on its card. An office that is not in the registry is allowed only by
// its code or by Everybody.
func (r *Registry) Allows(from Card, to string) (bool, error) {
	if !from.Restricted() {
		return true, nil
	}
	target := Key(to)
	c, _, err := r.Resolve(to)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if known {
		target = Key(c.Code)
	}
	above := map[string]bool{target: true}
	for range maxDepth {
		if !known || c.Parent == "" || above[Key(c.Parent)] {
			break
		}
		above[Key(c.Parent)] = true
		if c, err = r.Lookup(c.Parent); errors.Is(err, ErrNotFound) {
			break
		} else if err != nil {
			return false, err
		}
	}
	for _, rule := range from.May {
		code, subtree := strings.CutSuffix(rule, below)
		if now, moved, err := r.Resolve(code); err == nil && moved {
			code = now.Code // the rule outlives the code that it names
		}
		if rule == Everybody || Key(code) == target || subtree && above[Key(code)] {
			return true, nil
		}
	}
	return false, nil
}

func (r *Registry) view(fn func(*sqlite.Tx) error) error { return r.db.View(context.Background(), fn) }
