package registry

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"

	"tram/storage/sqlite"
)

const (
	// maxOverlay is how many cards may have changed before the index is read
	// anew, which 120,000 offices make worth avoiding.
	maxOverlay = 2000
	// spare is how many results more are looked for, since hubs are left out
	// only when the card is at hand.
	spare = 8
	// sep stands between name and codes in a line of the index.
	sep = "\x00"
	// reachable and unreachable begin a line. No query holds them.
	reachable, unreachable = 1, 2
)

// searchIndex is the folded names and codes of all offices in memory. A search
// reads through them: over 120,000 offices that is faster than an index on disk
// is read, finds what stands within a word, and needs nothing kept in step.
type searchIndex struct {
	mu      sync.Mutex
	built   bool
	base    []byte            // lines, by name and code
	overlay map[string]string // line by key, "" for none; goes before base

	dirtyMu sync.Mutex
	dirty   map[string]bool // keys of cards that have changed since
}

// search is one query in the form that the index knows.
type search struct {
	words     [][]byte
	limit     int
	reachable bool
	// The query as a whole, folded: by itself, as a beginning of a word and of a
	// code.
	text, word, code []byte
}

func newSearch(text string, words []string, limit int, reachable bool) search {
	s := search{limit: limit + spare, reachable: reachable, text: []byte(text), word: []byte(" " + text), code: []byte(sep + text)}
	for _, w := range words {
		s.words = append(s.words, []byte(w))
	}
	// The longest word leaves the fewest lines to look at.
	slices.SortStableFunc(s.words, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	return s
}

// hit is a line that was found.
type hit struct {
	rank      int
	name, key string
}

// changed notes cards that have been stored. It does not wait for searches.
func (x *searchIndex) changed(keys []string) {
	x.dirtyMu.Lock()
	defer x.dirtyMu.Unlock()
	if x.dirty == nil {
		x.dirty = map[string]bool{}
	}
	if len(x.dirty) > maxOverlay {
		return // it will be read anew
	}
	for _, key := range keys {
		x.dirty[key] = true
	}
}

// search returns the keys of what is found, the best first: a few more than
// the limit.
func (x *searchIndex) search(ctx context.Context, db *sqlite.DB, s search) ([]string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.refresh(ctx, db); err != nil {
		return nil, err
	}
	hits := x.scan(s)
	for _, line := range x.overlay {
		if line != "" && s.holds([]byte(line)) {
			hits = append(hits, newHit(s.rank([]byte(line)), []byte(line)))
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name), cmp.Compare(a.key, b.key))
	})
	hits = hits[:min(len(hits), s.limit)]
	keys := make([]string, len(hits))
	for i, h := range hits {
		keys[i] = h.key
	}
	return keys, nil
}

// scan looks for the longest word in all of base at once, and at the lines
// where it stands. Lines are in order, so the first of each rank are the best.
func (x *searchIndex) scan(s search) []hit {
	var hits []hit
	var count [lastRank + 1]int
	for at := 0; at < len(x.base); {
		i := bytes.Index(x.base[at:], s.words[0])
		if i < 0 {
			break
		}
		i += at
		begin := at + bytes.LastIndexByte(x.base[at:i], '\n') + 1
		end := i + bytes.IndexByte(x.base[i:], '\n')
		line := x.base[begin:end]
		at = end + 1
		if !s.holds(line) {
			continue
		}
		rank := s.rank(line)
		if count[rank] >= s.limit {
			continue
		}
		h := newHit(rank, line)
		if _, newer := x.overlay[h.key]; newer {
			continue
		}
		count[rank]++
		hits = append(hits, h)
	}
	return hits
}

func (s search) holds(line []byte) bool {
	if s.reachable && line[0] != reachable {
		return false
	}
	for _, w := range s.words {
		if !bytes.Contains(line, w) {
			return false
		}
	}
	return true
}

// Ranks of a hit.
const (
	exactCode = iota
	beginning // of name or code
	wordBegins
	lastRank
)

func (s search) rank(line []byte) int {
	split := bytes.IndexByte(line, sep[0])
	name, codes := line[1:split], line[split:]
	found := bytes.HasPrefix(name, s.text)
	for rest := codes; ; {
		i := bytes.Index(rest, s.code)
		if i < 0 {
			break
		}
		if rest, found = rest[i+len(s.code):], true; len(rest) == 0 || rest[0] == sep[0] {
			return exactCode
		}
	}
	switch {
	case found:
		return beginning
	case bytes.Contains(name, s.word):
		return wordBegins
	}
	return lastRank
}

func newHit(rank int, line []byte) hit {
	name, codes, _ := strings.Cut(string(line[1:]), sep)
	key, _, _ := strings.Cut(codes, sep)
	return hit{rank: rank, name: name, key: key}
}

// refresh reads what is new.
func (x *searchIndex) refresh(ctx context.Context, db *sqlite.DB) error {
	x.dirtyMu.Lock()
	dirty := x.dirty
	x.dirty = nil
	x.dirtyMu.Unlock()
	var err error
	if !x.built || len(dirty)+len(x.overlay) > maxOverlay {
		err = x.build(ctx, db)
	} else if len(dirty) > 0 {
		err = x.overlap(ctx, db, dirty)
	}
	x.built = err == nil // else what was noted is lost, and all is read anew
	return err
}

const indexRow = `SELECT name_fold, code_key, device IS NOT NULL OR into_key <> '' FROM cards `

func (x *searchIndex) build(ctx context.Context, db *sqlite.DB) error {
	x.overlay = map[string]string{}
	return db.View(ctx, func(tx *sqlite.Tx) error {
		var size int
		err := tx.QueryRow(`SELECT coalesce(sum(length(CAST(name_fold AS BLOB)) + length(code_key) + 3), 0)
			+ (SELECT coalesce(sum(length(old_key) + 1), 0) FROM old_codes) FROM cards`).Scan(&size)
		if err != nil {
			return err
		}
		old, err := oldCodes(tx, ``)
		if err != nil {
			return err
		}
		rows, err := tx.Query(indexRow + `ORDER BY name_fold, code_key`)
		if err != nil {
			return err
		}
		defer rows.Close()
		x.base = make([]byte, 0, size)
		for rows.Next() {
			line, err := scanLine(rows, old)
			if err != nil {
				return err
			}
			x.base = append(append(x.base, line...), '\n')
		}
		return rows.Err()
	})
}

func (x *searchIndex) overlap(ctx context.Context, db *sqlite.DB, keys map[string]bool) error {
	return db.View(ctx, func(tx *sqlite.Tx) error {
		for key := range keys {
			old, err := oldCodes(tx, `WHERE code_key = ?`, key)
			if err != nil {
				return err
			}
			line, err := scanLine(tx.QueryRow(indexRow+`WHERE code_key = ?`, key), old)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			x.overlay[key] = line
		}
		return nil
	})
}

// oldCodes are the old codes of offices by their key, each with sep before it.
func oldCodes(tx *sqlite.Tx, where string, args ...any) (map[string]string, error) {
	rows, err := tx.Query(`SELECT code_key, old_key FROM old_codes `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	old := map[string]string{}
	for rows.Next() {
		var key, code string
		if err := rows.Scan(&key, &code); err != nil {
			return nil, err
		}
		old[key] += sep + code
	}
	return old, rows.Err()
}

// scanLine makes a line of the index: whether the office can be reached, name,
// and codes, that of today first.
func scanLine(row interface{ Scan(...any) error }, old map[string]string) (string, error) {
	var name, key string
	var open bool
	if err := row.Scan(&name, &key, &open); err != nil {
		return "", err
	}
	mark := byte(unreachable)
	if open {
		mark = reachable
	}
	return string(rune(mark)) + name + sep + key + old[key], nil
}
