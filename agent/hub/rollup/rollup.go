// Package rollup is what a hub knows of the figures of one-stop dossiers of the offices
// below it, over all tiers, and tells the hub above.
//
// It promises that each office's month is as that office told it last, whatever comes
// late, twice or in another order; that an office speaks only for itself and a hub only
// for those behind it (P7); and that there are figures alone, no personal data.
package rollup

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("rollup", migrations)

// Rollup keeps the figures. Safe for concurrent use.
type Rollup struct{ db *sqlite.DB }

// New opens the figures.
func New(db *sqlite.DB) *Rollup { return &Rollup{db} }

// Source says from where a report came.
type Source struct {
	Peer    string    // code of the neighbour
	Created time.Time // of the bundle, by the neighbour's clock
	// Behind tells whether an office is reached through the neighbour, or is it.
	Behind func(office string) (bool, error)
}

// ErrStranger says that somebody reports for an office that is not behind it.
var ErrStranger = errors.New("report about an office that is not behind its sender")

// Take takes a report in. One that is older than what was taken is dropped; newer says
// that it was not. Nothing is written with an error.
func (r *Rollup) Take(tx *sqlite.Tx, from Source, rep dossier.Report) (newer bool, err error) {
	var store storage.ID
	var number int64
	var created time.Time
	err = tx.QueryRow(`SELECT store, number, created FROM rollup_sources WHERE peer = ?`, from.Peer).Scan(&store, &number, sqlite.Timestamp(&created))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if known := err == nil; known && (store == rep.Store && rep.Number <= number || store != rep.Store && !from.Created.After(created)) {
		return false, nil
	}
	for _, o := range rep.Offices {
		if behind, err := from.Behind(o.Code); err != nil {
			return false, err
		} else if !behind {
			return false, fmt.Errorf("%w: %.80q", ErrStranger, o.Code)
		}
	}
	for _, o := range rep.Offices {
		if err := takeOffice(tx, o); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO rollup_sources (peer, store, number, created) VALUES (?, ?, ?, ?)`, from.Peer, rep.Store, rep.Number, from.Created)
	return true, err
}

func takeOffice(tx *sqlite.Tx, o dossier.OfficeFigures) error {
	for _, m := range o.Months {
		if m.Counts == nil {
			m.Counts = []dossier.Counts{}
		}
		raw, err := json.Marshal(m.Counts)
		if err != nil {
			return err
		}
		var same bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM rollup_months WHERE office = ? AND month = ? AND counts = ?)`, o.Code, m.Month, string(raw)).Scan(&same); err != nil || same {
			if err != nil {
				return err
			}
			continue
		}
		if _, err := tx.Exec(`INSERT OR REPLACE INTO rollup_months (office, month, at, serial, counts)
			VALUES (?, ?, ?, (SELECT coalesce(max(serial), 0) + 1 FROM rollup_months), ?)`, o.Code, m.Month, o.At, string(raw)); err != nil {
			return err
		}
	}
	return nil
}

// Line is the figures of one office, of one procedure, or of all.
type Line struct {
	Code     string    `json:"code"` // of the office or procedure; "" for the sum
	Name     string    `json:"name"`
	At       time.Time `json:"at,omitzero"` // as of when the office has told them
	Taken    int       `json:"taken"`
	Early    int       `json:"early"`
	OnTime   int       `json:"on_time"`
	Late     int       `json:"late"`
	Open     int       `json:"open"`
	OpenLate int       `json:"open_late"`
	// Share is how many percent of those that ended were on time; nil when none did.
	Share *float64 `json:"on_time_percent"`
}

func (l *Line) add(c dossier.Counts) {
	l.Taken, l.Early, l.OnTime, l.Late = l.Taken+c.Taken, l.Early+c.Early, l.OnTime+c.OnTime, l.Late+c.Late
	l.Open, l.OpenLate = l.Open+c.Open, l.OpenLate+c.OpenLate
}

func (l *Line) judge() {
	if ended := l.Early + l.OnTime + l.Late; ended > 0 {
		share := float64(l.Early+l.OnTime) * 100 / float64(ended)
		l.Share = &share
	}
}

// Table is the answer of `tram-hub dossiers`.
type Table struct {
	Month   string `json:"month"`
	Sum     Line   `json:"sum"`
	Offices []Line `json:"offices"`
	// Procedures are those of the one office that was asked for.
	Procedures []Line `json:"procedures,omitempty"`
}

// Only is the table of the offices that keep says yes to.
func (t Table) Only(keep func(code string) bool) Table {
	t.Offices = slices.DeleteFunc(slices.Clone(t.Offices), func(l Line) bool { return !keep(l.Code) })
	t.Sum = Line{}
	for _, l := range t.Offices {
		t.Sum.add(dossier.Counts{Taken: l.Taken, Early: l.Early, OnTime: l.OnTime, Late: l.Late, Open: l.Open, OpenLate: l.OpenLate})
	}
	t.Sum.judge()
	return t
}

// Query asks for a table.
type Query struct {
	Month  string // yyyy-mm, "" for the one under way
	Office string // one alone, with its procedures; "" for all
}

// Month is the table of a month, those with the smallest share on time first, and last
// those where nothing ended.
func (r *Rollup) Month(ctx context.Context, q Query, now time.Time) (Table, error) {
	t := Table{Month: q.Month, Offices: []Line{}}
	if t.Month == "" {
		t.Month = now.In(clock.Vietnam).Format("2006-01")
	}
	if _, err := time.Parse("2006-01", t.Month); err != nil {
		return t, problem.New(problem.Usage, "rollup.month", "month", i18n.Args{"value": q.Month})
	}
	err := r.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT office, at, counts FROM rollup_months WHERE month = ?1 AND (?2 = '' OR office = ?2 COLLATE NOCASE) ORDER BY office`, t.Month, q.Office)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l Line
			var raw string
			var counts []dossier.Counts
			if err := rows.Scan(&l.Code, sqlite.Timestamp(&l.At), &raw); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(raw), &counts); err != nil {
				return err
			}
			t.add(l, counts, q.Office != "")
		}
		return rows.Err()
	})
	if err != nil {
		return t, fmt.Errorf("read figures: %w", err)
	}
	t.Sum.judge()
	slices.SortStableFunc(t.Offices, worse)
	slices.SortStableFunc(t.Procedures, worse)
	return t, nil
}

func (t *Table) add(l Line, counts []dossier.Counts, procedures bool) {
	for _, c := range counts {
		l.add(c)
		t.Sum.add(c)
		if procedures {
			p := Line{Code: c.Procedure}
			p.add(c)
			p.judge()
			t.Procedures = append(t.Procedures, p)
		}
	}
	l.judge()
	t.Offices = append(t.Offices, l)
}

func worse(a, b Line) int {
	share := func(l Line) float64 {
		if l.Share == nil {
			return 101
		}
		return *l.Share
	}
	return cmp.Or(cmp.Compare(share(a), share(b)), cmp.Compare(b.OpenLate, a.OpenLate), cmp.Compare(b.Late, a.Late), cmp.Compare(a.Code, b.Code))
}
