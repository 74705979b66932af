package office

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/register"
	"tram/storage/sqlite"
)

// Skipped are numbers of a series that a restored office gives to nobody: they may have
// been given after its backup was made.
type Skipped struct {
	Kind  string `json:"kind"` // "in", "out", or "out:" and the group of the series
	Year  int    `json:"year"`
	First int    `json:"first"`
	Last  int    `json:"last"`
}

// Direction is "in" or "out".
func (s Skipped) Direction() string {
	direction, _, _ := strings.Cut(s.Kind, ":")
	return direction
}

// Group is that of the series, "" for the common one.
func (s Skipped) Group() string {
	_, group, _ := strings.Cut(s.Kind, ":")
	return group
}

// leastSkipped is how many numbers of a series are skipped at least when nobody says how
// many were given.
const leastSkipped = 5

// Content are the queries of digest and size of the files that an office's documents
// refer to; [Office.Uses] asks the same of one.
var Content = []string{
	`SELECT sha256, size FROM attachments WHERE gone = 0 AND inline IS NULL AND size > 0`,
	`SELECT sha256, size FROM heads WHERE sha256 IS NOT NULL AND inline IS NULL AND size > 0`,
	`SELECT sha256, size FROM checks_evidence WHERE inline IS NULL AND size > 0`,
	`SELECT sha256, size FROM originals WHERE inline IS NULL AND size > 0`,
	`SELECT sha256, size FROM quarantine WHERE sha256 IS NOT NULL AND inline IS NULL AND size > 0`,
}

// Restored has the books of an office that was raised from its backup go on behind every
// number that may have been given since it was made. skip is how many to leave out in
// each series; below 0: twice as many as were given in as long a time before the backup.
// Numbers that were given back are not given again. No office may be open on the store.
func Restored(tx *sqlite.Tx, made, now time.Time, skip int) ([]Skipped, error) {
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, s *Skipped) error { return rows.Scan(&s.Kind, &s.Year, &s.First) },
		`SELECT kind, year, last FROM series ORDER BY year, kind`)
	if err != nil {
		return nil, fmt.Errorf("skip numbers: %w", err)
	}
	year := now.In(clock.Vietnam).Year()
	then := min(made.In(clock.Vietnam).Year(), year)
	last := map[Skipped]int{}
	for _, s := range list {
		if s.Year < then {
			continue // closed: nothing was given in it any more
		}
		last[Skipped{Kind: s.Kind, Year: s.Year}] = s.First
		if next := (Skipped{Kind: s.Kind, Year: year}); s.Year < year {
			last[next] = max(last[next], 0)
		}
	}
	return skipAll(tx, last, made, now, skip)
}

func skipAll(tx *sqlite.Tx, last map[Skipped]int, made, now time.Time, skip int) (skipped []Skipped, err error) {
	for s, at := range last {
		n := skip
		if n < 0 {
			if n, err = likely(tx, s, made, now.Sub(made)); err != nil {
				return nil, err
			}
		}
		if n == 0 {
			continue
		}
		s.First, s.Last = at+1, at+n
		if _, err := tx.Exec(`INSERT INTO series (kind, year, last) VALUES (?, ?, ?) ON CONFLICT (kind, year) DO UPDATE SET last = excluded.last`,
			s.Kind, s.Year, s.Last); err != nil {
			return nil, fmt.Errorf("skip numbers: %w", err)
		}
		if _, err := tx.Exec(`DELETE FROM spare WHERE kind = ? AND year = ?`, s.Kind, s.Year); err != nil {
			return nil, fmt.Errorf("skip numbers: %w", err)
		}
		skipped = append(skipped, s)
	}
	slices.SortFunc(skipped, func(a, b Skipped) int { return strings.Compare(fmt.Sprint(a.Year, a.Kind), fmt.Sprint(b.Year, b.Kind)) })
	return skipped, nil
}

// likely is how many numbers of a series may have been given in a span after made: twice
// those of the span before.
func likely(tx *sqlite.Tx, s Skipped, made time.Time, span time.Duration) (n int, err error) {
	since := made.Add(-max(span, 0))
	if register.Direction(s.Direction()) == register.In {
		err = tx.QueryRow(`SELECT count(*) FROM documents WHERE box = 'in' AND arrival > 0 AND created >= ?`, since).Scan(&n)
	} else {
		err = tx.QueryRow(`SELECT count(*) FROM documents WHERE box = 'out' AND serial > 0 AND series = ? AND created >= ?`, s.Group(), since).Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("count numbers: %w", err)
	}
	return max(2*n, leastSkipped), nil
}
