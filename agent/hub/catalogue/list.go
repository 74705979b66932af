package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage/sqlite"
)

// MaxList is how many entries a list has at most.
const MaxList = dossier.MaxCatalogue

// Spread is how far the catalogue has come.
type Spread struct {
	Version int64 `json:"version"` // of the catalogue, 0 when there is nothing in it
	Offices int   `json:"offices"` // below this hub that take it, hubs among them
	Current int   `json:"current"` // of these the ones that have the newest
}

// Procedures is the answer of `tram-hub procedures list`.
type Procedures struct {
	Spread
	Procedures []Entry `json:"procedures"`
}

// Procedures lists, by words of code, name or field, the newest version of each
// procedure, in the order of their codes.
func (c *Catalogue) Procedures(ctx context.Context, words string) (p Procedures, err error) {
	where, args := `version = (SELECT max(version) FROM catalogue_items q WHERE q.kind = 'procedure' AND q.name = catalogue_items.name)`, []any{}
	for _, w := range strings.Fields(fold.String(words)) {
		where += ` AND instr(folded, ?) > 0`
		args = append(args, w)
	}
	err = c.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if p.Spread, err = spread(tx); err != nil {
			return err
		}
		p.Procedures, err = entries(tx, where, args...)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("list catalogue: %w", err)
	}
	return p, nil
}

// Show lists all versions of one procedure, the newest first.
func (c *Catalogue) Show(ctx context.Context, text string) (p Procedures, err error) {
	which, err := code.ParseProcedure(text)
	if err != nil {
		return p, err
	}
	err = c.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if p.Spread, err = spread(tx); err != nil {
			return err
		}
		p.Procedures, err = entries(tx, `name = ?`, which.String())
		return err
	})
	if err != nil {
		return p, fmt.Errorf("show procedure: %w", err)
	}
	if len(p.Procedures) == 0 {
		return p, problem.New(problem.NotFound, "catalogue.no-procedure", "CODE", i18n.Args{"code": which.String()})
	}
	return p, nil
}

func entries(tx *sqlite.Tx, where string, args ...any) ([]Entry, error) {
	list := []Entry{}
	rows, err := tx.Query(`SELECT content, origin, serial, at FROM catalogue_items WHERE kind = 'procedure' AND `+where+` ORDER BY name, version DESC LIMIT ?`, append(args, MaxList)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var raw string
		var e Entry
		if err := rows.Scan(&raw, &e.Origin, &e.Serial, sqlite.Timestamp(&e.At)); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(raw), &e.Procedure); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// Calendar is a calendar of the catalogue.
type Calendar struct {
	Name    string         `json:"name"`
	Scope   workdays.Scope `json:"scope"`
	From    int            `json:"valid_from"`
	To      int            `json:"valid_to"`
	Source  string         `json:"source"`
	Updated string         `json:"updated"`
	Origin  string         `json:"origin"`
	Serial  int64          `json:"serial"`
	At      time.Time      `json:"at"`
}

// Calendars is the answer of `tram-hub calendar list`.
type Calendars struct {
	Spread
	Calendars []Calendar `json:"calendars"`
}

// Calendars lists the calendars by name.
func (c *Catalogue) Calendars(ctx context.Context) (Calendars, error) {
	list := Calendars{Calendars: []Calendar{}}
	err := c.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if list.Spread, err = spread(tx); err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT content, origin, serial, at FROM catalogue_items WHERE kind = 'calendar' ORDER BY name LIMIT ?`, MaxList)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var raw string
			var f workdays.File
			var x Calendar
			if err := rows.Scan(&raw, &x.Origin, &x.Serial, sqlite.Timestamp(&x.At)); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(raw), &f); err != nil {
				return err
			}
			x.Name, x.Scope, x.From, x.To, x.Source, x.Updated = f.Name, f.Scope, f.ValidFrom, f.ValidTo, f.Source, f.Updated
			list.Calendars = append(list.Calendars, x)
		}
		return rows.Err()
	})
	if err != nil {
		return list, fmt.Errorf("list calendars: %w", err)
	}
	return list, nil
}

// Names are the names of all procedures by their codes.
func (c *Catalogue) Names(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	err := c.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT name, json_extract(content, '$.name') FROM catalogue_items WHERE kind = 'procedure' ORDER BY version`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var code, name string
			if err := rows.Scan(&code, &name); err != nil {
				return err
			}
			names[code] = name
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read names of procedures: %w", err)
	}
	return names, nil
}

func spread(tx *sqlite.Tx) (s Spread, err error) {
	if s.Version, err = newest(tx); err != nil {
		return s, err
	}
	err = tx.QueryRow(`SELECT count(*), coalesce(sum(has = ?), 0) FROM catalogue_offices`, s.Version).Scan(&s.Offices, &s.Current)
	return s, err
}
