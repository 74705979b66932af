package registry

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
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
)

// searchIndex is the folded names and codes of all offices in memory. A search
// reads through them: over 120,000 offices that is faster than an index on disk
// is read, finds what stands within a word, and needs nothing kept in step.
type searchIndex struct {
	mu      sync.Mutex
	base    []byte            // lines: name, codes, line feed; by name and code
	starts  []uint32          // of each line
	open    []bool            // of each line: can be reached, or has ended
	overlay map[string]string // line by key, "" for none; goes before base
	opened  map[string]bool   // of overlay

	dirtyMu sync.Mutex
	dirty   map[string]bool // keys of cards that have changed since
}

// search is one query in the form that the index knows.
type search struct {
	text      string // folded
	words     []string
	limit     int
	reachable bool
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
	s.limit += spare
	hits := x.scan(s)
	for key, line := range x.overlay {
		if line != "" && (!s.reachable || x.opened[key]) && s.all(line) {
			hits = append(hits, s.hit(line))
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
	needle := []byte(slices.MaxFunc(s.words, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
	var hits []hit
	var count [lastRank + 1]int
	for at := 0; at < len(x.base); {
		i := bytes.Index(x.base[at:], needle)
		if i < 0 {
			break
		}
		n := sort.Search(len(x.starts), func(n int) bool { return int(x.starts[n]) > at+i }) - 1
		end := len(x.base)
		if n+1 < len(x.starts) {
			end = int(x.starts[n+1])
		}
		line := x.base[x.starts[n] : end-1]
		at = end
		if s.reachable && !x.open[n] || !s.allBytes(line) {
			continue
		}
		h := s.hit(string(line))
		if _, newer := x.overlay[h.key]; newer || count[h.rank] >= s.limit {
			continue
		}
		count[h.rank]++
		hits = append(hits, h)
	}
	return hits
}

func (s search) all(line string) bool { return s.allBytes([]byte(line)) }

func (s search) allBytes(line []byte) bool {
	for _, w := range s.words {
		if !bytes.Contains(line, []byte(w)) {
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

func (s search) hit(line string) hit {
	name, codes, _ := strings.Cut(line, sep)
	key, _, _ := strings.Cut(codes, sep)
	h := hit{rank: lastRank, name: name, key: key}
	between := sep + codes + sep
	switch {
	case strings.Contains(between, sep+s.text+sep):
		h.rank = exactCode
	case strings.HasPrefix(name, s.text), strings.Contains(between, sep+s.text):
		h.rank = beginning
	case strings.Contains(name, " "+s.text):
		h.rank = wordBegins
	}
	return h
}

// refresh reads what is new.
func (x *searchIndex) refresh(ctx context.Context, db *sqlite.DB) error {
	x.dirtyMu.Lock()
	dirty := x.dirty
	x.dirty = nil
	x.dirtyMu.Unlock()
	var err error
	if whole := x.starts == nil || len(dirty)+len(x.overlay) > maxOverlay; whole {
		err = x.build(ctx, db)
	} else if len(dirty) > 0 {
		err = x.overlap(ctx, db, dirty)
	}
	if err != nil {
		x.starts = nil // what was noted is lost, so all is read anew
	}
	return err
}

const indexRow = `SELECT c.name_fold, c.code_key, c.device IS NOT NULL AND c.into_key = '' OR c.into_key <> '',
	coalesce((SELECT group_concat(old_key, char(0)) FROM old_codes o WHERE o.code_key = c.code_key), '') FROM cards c `

func (x *searchIndex) build(ctx context.Context, db *sqlite.DB) error {
	x.base, x.starts, x.open = x.base[:0], x.starts[:0], x.open[:0]
	x.overlay, x.opened = map[string]string{}, map[string]bool{}
	return db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(indexRow + `ORDER BY c.name_fold, c.code_key`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			line, _, open, err := scanLine(rows)
			if err != nil {
				return err
			}
			x.starts, x.open = append(x.starts, uint32(len(x.base))), append(x.open, open)
			x.base = append(append(x.base, line...), '\n')
		}
		x.base, x.starts, x.open = slices.Clip(x.base), slices.Clip(x.starts), slices.Clip(x.open)
		if x.starts == nil {
			x.starts = []uint32{}
		}
		return rows.Err()
	})
}

func (x *searchIndex) overlap(ctx context.Context, db *sqlite.DB, keys map[string]bool) error {
	return db.View(ctx, func(tx *sqlite.Tx) error {
		for key := range keys {
			x.overlay[key] = ""
			rows, err := tx.Query(indexRow+`WHERE c.code_key = ?`, key)
			if err != nil {
				return err
			}
			for rows.Next() {
				var line string
				if line, _, x.opened[key], err = scanLine(rows); err != nil {
					break
				}
				x.overlay[key] = line
			}
			if err := cmp.Or(err, rows.Err(), rows.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

func scanLine(rows interface{ Scan(...any) error }) (line, key string, open bool, err error) {
	var name, old string
	err = rows.Scan(&name, &key, &open, &old)
	line = name + sep + key
	if old != "" {
		line += sep + old
	}
	return line, key, open, err
}
