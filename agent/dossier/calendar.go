package dossier

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tram/agent/workdays"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Calendar is the one in force, with its files for their source lines.
func (s *Store) Calendar() *workdays.Calendar { return s.calendar.Load() }

// TakeCalendar lays a calendar file over those of the program, in the place of one
// with the same name. Dates of return that applicants were told stay.
func (s *Store) TakeCalendar(ctx context.Context, data []byte, origin, by string) (workdays.File, error) {
	f, err := workdays.Parse(data)
	if err != nil {
		return f, err
	}
	var cal *workdays.Calendar
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT OR REPLACE INTO dossier_calendars (name, scope, origin, content) VALUES (?, ?, ?, ?)`, f.Name, string(f.Scope), origin, string(data))
		if err != nil {
			return err
		}
		if cal, err = readCalendar(tx); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "dossier.calendar", Subject: f.Name, Detail: map[string]string{"updated": f.Updated, "origin": origin}})
	})
	if err != nil {
		return f, saving(err)
	}
	s.calendar.Store(cal)
	return f, nil
}

func (s *Store) loadCalendar(ctx context.Context) error {
	return s.db.View(ctx, func(tx *sqlite.Tx) error {
		cal, err := readCalendar(tx)
		s.calendar.Store(cal)
		return err
	})
}

// readCalendar lays the files over each other: the nation's below the local ones.
func readCalendar(tx *sqlite.Tx) (*workdays.Calendar, error) { return calendarWith(tx, nil) }

// calendarWith is readCalendar with a file in the place of the one of its name.
func calendarWith(tx *sqlite.Tx, with *workdays.File) (*workdays.Calendar, error) {
	rows, err := tx.Query(`SELECT name, content FROM dossier_calendars ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []workdays.File
	for rows.Next() {
		var name, raw string
		if err := rows.Scan(&name, &raw); err != nil {
			return nil, err
		}
		if with != nil && with.Name == name {
			continue
		}
		f, err := workdays.Parse([]byte(raw))
		if err != nil {
			return nil, fmt.Errorf("calendar %s: %w", name, err)
		}
		files = append(files, f)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if with != nil {
		files = append(files, *with)
	}
	slices.SortFunc(files, func(a, b workdays.File) int {
		local := func(f workdays.File) string {
			return map[workdays.Scope]string{workdays.National: "0", workdays.Local: "1"}[f.Scope] + f.Name
		}
		return strings.Compare(local(a), local(b))
	})
	return workdays.Vietnam(files...)
}
