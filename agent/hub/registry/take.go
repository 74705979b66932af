package registry

import (
	"errors"
	"fmt"
	"time"

	"database/sql"

	"tram/storage/sqlite"
)

// maxAhead bounds how many pages are remembered that came before those that
// they follow; what is over it is asked for again.
const maxAhead = 1000

// Taken is what TakePage did.
type Taken struct {
	Changed int // cards that are new here or replaced an older one
	// Older says that the page is of an older version of the registry than one
	// that has come before, and covers nothing that is missing: it was refused
	// as a whole. Regressed says in addition that it was made later: the hub
	// itself has gone back.
	Older, Regressed bool
	Known            uint64 // the newest version that has come
}

// state is how far a registry has come that is filled by pages.
type state struct {
	complete uint64 // serial up to which no card is missing
	version  uint64 // of the newest page
	made     int64  // of the newest page, unix milliseconds
}

func readState(tx *sqlite.Tx) (state, error) {
	var complete, version, made int64
	err := tx.QueryRow(`SELECT serial, version, made FROM cards_complete`).Scan(&complete, &version, &made)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return state{}, fmt.Errorf("read state of registry: %w", err)
	}
	return state{uint64(complete), uint64(version), made}, nil
}

// TakePage takes in a page of the hub's registry. A card replaces only an older
// one, so that no page, old or repeated, can take a card back. A page of a
// version older than one that came before, from which nothing is missing, is
// refused; that is told in Taken and is no error. It raises Serial when the page
// goes on where that ends; one that comes early counts once the gap is closed.
func (r *Registry) TakePage(tx *sqlite.Tx, p Page) (Taken, error) {
	s, err := readState(tx)
	if err != nil {
		return Taken{}, err
	}
	t := Taken{Known: s.version}
	if p.Version < s.version && p.Until <= s.complete {
		t.Older, t.Regressed = true, p.Made.UnixMilli() > s.made
		return t, nil
	}
	keys, err := putNewer(tx, p.Cards)
	if err != nil {
		return Taken{}, err
	}
	t.Changed = len(keys)
	if s.complete, err = extend(tx, s.complete, p); err != nil {
		return Taken{}, fmt.Errorf("take page: %w", err)
	}
	s.version, s.made = max(s.version, p.Version), max(s.made, p.Made.UnixMilli())
	_, err = tx.Exec(`INSERT INTO cards_complete (one, serial, version, made) VALUES (1, ?1, ?2, ?3)
		ON CONFLICT (one) DO UPDATE SET serial = ?1, version = ?2, made = ?3`, int64(s.complete), int64(s.version), s.made)
	if err != nil {
		return Taken{}, fmt.Errorf("take page: %w", err)
	}
	serial, err := highest(tx)
	if err != nil {
		return Taken{}, fmt.Errorf("take page: %w", err)
	}
	t.Known = s.version
	tx.OnCommit(func() {
		r.committed(serial, keys)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.complete.Store(max(s.complete, r.complete.Load()))
		r.made.Store(max(s.made, r.made.Load()))
	})
	return t, nil
}

// putNewer stores the cards that are newer than what is stored, without a
// signature of their own.
func putNewer(tx *sqlite.Tx, cards []Card) (keys []string, err error) {
	for _, c := range cards {
		fresh, err := newer(tx, c)
		if err != nil {
			return nil, err
		}
		if !fresh {
			continue
		}
		raw, err := c.payload()
		if err != nil {
			return nil, fmt.Errorf("take page: %w", err)
		}
		if err := put(tx, c, raw); err != nil {
			return nil, err
		}
		keys = append(keys, Key(c.Code))
	}
	return keys, nil
}

// extend returns how far the cards are complete with a page more.
func extend(tx *sqlite.Tx, complete uint64, p Page) (uint64, error) {
	if p.After > complete {
		_, err := tx.Exec(`INSERT INTO cards_ahead (after, until) SELECT ?1, ?2 WHERE (SELECT count(*) FROM cards_ahead) < ?3
			ON CONFLICT DO NOTHING`, int64(p.After), int64(p.Until), maxAhead)
		return complete, err
	}
	complete = max(complete, p.Until)
	for {
		var until int64
		err := tx.QueryRow(`SELECT coalesce(max(until), 0) FROM cards_ahead WHERE after <= ?`, int64(complete)).Scan(&until)
		if err != nil {
			return complete, err
		}
		if _, err := tx.Exec(`DELETE FROM cards_ahead WHERE after <= ?`, int64(complete)); err != nil {
			return complete, err
		}
		if uint64(until) <= complete {
			return complete, nil
		}
		complete = uint64(until)
	}
}

// Made is when the newest page was made that has been taken in, by the hub's
// clock: what the hub had issued by then is here when nothing is missing. The
// zero time when none has come.
func (r *Registry) Made() time.Time {
	if ms := r.made.Load(); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
