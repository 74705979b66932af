// Package fleet is what a hub knows of its offices' boxes: which are there,
// since when, and with which software.
//
// It promises to say "online" only while an authenticated session stands, and
// to keep the time of the last contact over restarts of the hub.
package fleet

import (
	"context"
	"embed"
	"fmt"
	"time"

	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the table of agents.
var Schema = sqlite.Embedded("fleet", migrations)

// Agent is one office's box. It is part of the stable JSON of `tram-hub agents`.
type Agent struct {
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Parent   string    `json:"parent"`
	Kind     string    `json:"kind"`
	Enrolled bool      `json:"enrolled"`
	Online   bool      `json:"online"`
	Since    time.Time `json:"since"` // of Online; zero when never seen
	Seen     time.Time `json:"seen"`  // last contact; zero when never
	Software string    `json:"software"`
	Waiting  int       `json:"waiting"`            // bundles at the hub that it has not taken over
	Log      time.Time `json:"log,omitzero"`       // since when its audit log is known not to hold; zero: it does
	LogEntry int64     `json:"log_entry,omitzero"` // from which entry on
	Copy     time.Time `json:"copy,omitzero"`      // since when an older copy of it is refused; zero: none is
}

// Fleet records presence.
type Fleet struct{ db *sqlite.DB }

// New returns the fleet in db, whose agents all count as offline until they
// are heard.
func New(ctx context.Context, db *sqlite.DB) (*Fleet, error) {
	err := db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE agents SET online = 0, since = ? WHERE online = 1`, sqlite.Millis(tx.Now()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reset presence: %w", err)
	}
	return &Fleet{db}, nil
}

// Change says that an office's session began or ended.
type Change struct {
	Online   bool
	Software string // "" leaves what is known
}

// Sessions records changes, by office, in one transaction.
func (f *Fleet) Sessions(ctx context.Context, changes map[string]Change) error {
	err := f.db.Update(ctx, func(tx *sqlite.Tx) error {
		now := sqlite.Millis(tx.Now())
		for code, c := range changes {
			_, err := tx.Exec(`INSERT INTO agents (code, online, since, seen, software) VALUES (?1, ?2, ?3, ?3, ?4)
				ON CONFLICT (code) DO UPDATE SET since = CASE WHEN online = ?2 THEN since ELSE ?3 END,
					online = ?2, seen = ?3, software = CASE WHEN ?4 = '' THEN software ELSE ?4 END`,
				code, c.Online, now, c.Software)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record presence of %d offices: %w", len(changes), err)
	}
	return nil
}

// List returns what is known of the offices on cards, in their order.
func (f *Fleet) List(ctx context.Context, cards []registry.Card) ([]Agent, error) {
	agents := make([]Agent, 0, len(cards))
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		known, err := presence(tx)
		if err != nil {
			return err
		}
		for _, c := range cards {
			a := known[c.Code]
			a.Code, a.Name, a.Parent, a.Kind, a.Enrolled = c.Code, c.Name, c.Parent, c.Kind, c.Enrolled()
			agents = append(agents, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	return agents, nil
}

func presence(tx *sqlite.Tx) (map[string]Agent, error) {
	rows, err := tx.Query(`SELECT code, online, since, seen, software FROM agents`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]Agent{}
	for rows.Next() {
		var a Agent
		var since, seen int64
		if err := rows.Scan(&a.Code, &a.Online, &since, &seen, &a.Software); err != nil {
			return nil, err
		}
		a.Since, a.Seen = sqlite.Time(since), sqlite.Time(seen)
		known[a.Code] = a
	}
	return known, rows.Err()
}
