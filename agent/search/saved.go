package search

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Limits of what is kept.
const (
	// MaxSaved is how many searches one person may keep on all pages together.
	MaxSaved = 100
	// MaxName is the length of a name, in characters.
	MaxName = 80
	// MaxAddress is the length of what is kept of an address, in bytes.
	MaxAddress = 2000
	// listed is how many searches a page offers.
	listed = 200
)

// Saved is a search, or a filter of a list, under a name.
type Saved struct {
	Seq    int64 // names it; drawn by Save
	Owner  string
	Page   string // whose address it is
	Name   string
	Query  string // of the address
	Shared bool   // the whole office sees it
}

// Save keeps a search; one that the owner has under that name on that page is
// replaced. The audit log tells of it.
func (x *Index) Save(ctx context.Context, s Saved) error {
	s.Name = strings.Join(strings.Fields(strings.ToValidUTF8(s.Name, "")), " ")
	var faults problem.List
	if s.Name == "" {
		faults = append(faults, problem.New(problem.Usage, "search.saved-name", "name", nil))
	}
	if utf8.RuneCountInString(s.Name) > MaxName {
		faults = append(faults, problem.New(problem.Usage, "search.saved-long", "name", i18n.Args{"most": MaxName}))
	}
	if _, err := url.ParseQuery(s.Query); err != nil || len(s.Query) > MaxAddress {
		faults = append(faults, problem.New(problem.Usage, "search.saved-query", "query", nil))
	}
	if len(faults) > 0 {
		return faults
	}
	return x.db.Update(ctx, func(tx *sqlite.Tx) error {
		var others int
		if err := tx.QueryRow(`SELECT count(*) FROM search_saved WHERE owner = ? AND NOT (page = ? AND name = ?)`, s.Owner, s.Page, s.Name).Scan(&others); err != nil {
			return fmt.Errorf("save search: %w", err)
		}
		if others >= MaxSaved {
			return problem.New(problem.Full, "search.saved-full", "name", i18n.Args{"most": MaxSaved})
		}
		if _, err := tx.Exec(`INSERT INTO search_saved (owner, page, name, query, shared, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (owner, page, name) DO UPDATE SET query = excluded.query, shared = excluded.shared, at = excluded.at`,
			s.Owner, s.Page, s.Name, s.Query, s.Shared, tx.Now()); err != nil {
			return fmt.Errorf("save search: %w", err)
		}
		return s.tell(tx, s.Owner, "search.saved")
	})
}

func (s Saved) tell(tx *sqlite.Tx, by, action string) error {
	return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: s.Name, Detail: map[string]string{
		"page": s.Page, "query": s.Query, "owner": s.Owner, "shared": fmt.Sprint(s.Shared),
	}})
}

// SavedFor lists the searches of a page that a person sees: the person's own and
// those of the office, by name. Of very many the first are listed.
func (x *Index) SavedFor(ctx context.Context, person, page string) (list []Saved, err error) {
	err = x.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT seq, owner, page, name, query, shared FROM search_saved
			WHERE page = ? AND (owner = ? OR shared = 1) ORDER BY name, seq LIMIT ?`, page, person, listed)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Saved
			if err := rows.Scan(&s.Seq, &s.Owner, &s.Page, &s.Name, &s.Query, &s.Shared); err != nil {
				return err
			}
			list = append(list, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list saved searches: %w", err)
	}
	return list, nil
}

// Forget drops a saved search for its owner; any lets by drop those that the
// office shares as well. One that is gone, or not theirs, is NotFound.
func (x *Index) Forget(ctx context.Context, seq int64, by string, any bool) error {
	return x.db.Update(ctx, func(tx *sqlite.Tx) error {
		s := Saved{Seq: seq}
		ok, err := found(tx.QueryRow(`DELETE FROM search_saved WHERE seq = ? AND (owner = ? OR shared = 1 AND ?) RETURNING owner, page, name, query, shared`,
			seq, by, any).Scan(&s.Owner, &s.Page, &s.Name, &s.Query, &s.Shared))
		if err != nil {
			return fmt.Errorf("forget search: %w", err)
		}
		if !ok {
			return problem.New(problem.NotFound, "search.saved-gone", "", nil)
		}
		return s.tell(tx, by, "search.forgotten")
	})
}
