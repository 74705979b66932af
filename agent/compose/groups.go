package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Limits of groups. All are hard.
const (
	MaxGroups    = 200
	MaxGroupName = 100 // characters
	MaxCodes     = 4000
)

// Group is offices that are often written to together.
type Group struct {
	Name  string
	Codes []string
}

// Groups lists the office's groups by name.
func (s *Store) Groups(ctx context.Context) (list []Group, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT name, codes FROM compose_groups ORDER BY key`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g Group
			var codes string
			if err := rows.Scan(&g.Name, &codes); err != nil {
				return err
			}
			g.Codes = strings.Split(codes, ",")
			list = append(list, g)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return list, nil
}

// SaveGroup keeps a group on behalf of by; one of the same name is replaced. Case
// and diacritics make no other name.
func (s *Store) SaveGroup(ctx context.Context, g Group, by string) error {
	g.Name = strings.Join(strings.Fields(g.Name), " ")
	var faults problem.List
	switch n := utf8.RuneCountInString(g.Name); {
	case n == 0:
		faults = append(faults, problem.New(problem.Usage, "compose.group-name", "group", nil))
	case n > MaxGroupName:
		faults = append(faults, problem.New(problem.Usage, "compose.group-long", "group", i18n.Args{"limit": MaxGroupName}))
	}
	if len(g.Codes) == 0 || len(g.Codes) > MaxCodes || slices.ContainsFunc(g.Codes, func(c string) bool { return c == "" || strings.ContainsAny(c, ", ") }) {
		faults = append(faults, problem.New(problem.Usage, "compose.group-codes", "to", i18n.Args{"limit": MaxCodes}))
	}
	if err := faults.Err(); err != nil {
		return err
	}
	key := fold.String(g.Name)
	return storing("save group", s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM compose_groups WHERE key <> ?`, key).Scan(&n); err != nil {
			return err
		}
		if n >= MaxGroups {
			return problem.New(problem.Full, "compose.groups-full", "", i18n.Args{"limit": MaxGroups})
		}
		if _, err := tx.Exec(`INSERT INTO compose_groups (name, key, codes) VALUES (?1, ?2, ?3)
			ON CONFLICT (key) DO UPDATE SET name = ?1, codes = ?3`, g.Name, key, strings.Join(g.Codes, ",")); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "group.save", Subject: g.Name, Detail: map[string]string{"offices": fmt.Sprint(len(g.Codes))}})
	}))
}

// DropGroup removes a group on behalf of by. One that is not there is no error.
func (s *Store) DropGroup(ctx context.Context, name, by string) error {
	return storing("drop group", s.db.Update(ctx, func(tx *sqlite.Tx) error {
		res, err := tx.Exec(`DELETE FROM compose_groups WHERE key = ?`, fold.String(name))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "group.drop", Subject: name})
	}))
}
