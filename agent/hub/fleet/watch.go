package fleet

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/health/beat"
	"tram/agent/hours"
	"tram/storage/sqlite"
)

// Watched is a box with what incidents are made of.
type Watched struct {
	Agent
	Stopped bool          // paused or revoked: nothing is expected of it
	Hours   hours.Week    // its usual hours; empty: none are set
	Away    time.Duration // how long it may be away by its own plan
	Last    *beat.Beat    // its last heartbeat; nil: none came
	Back    bool          // its clock stood earlier then than at the one before
}

// backBy is how much earlier a clock must stand to have gone backwards: one that is set
// right by a few seconds has not.
const backBy = time.Minute

// Watch lists all boxes. Heartbeats that came before the time of an earlier call are
// not read again: known, by code, has those of then and is brought up to date.
func (f *Fleet) Watch(ctx context.Context, known map[string]Watched) ([]Watched, error) {
	var list []Watched
	err := f.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		weeks := map[string]hours.Week{}
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, w *Watched) error {
			var away int64
			var usual string
			if err := scanInto(rows, &w.Agent, &away, &w.Stopped, &usual); err != nil {
				return err
			}
			w.Away = time.Duration(away) * time.Millisecond
			week, seen := weeks[usual]
			if !seen {
				if week, err = parseHours(usual); err != nil {
					return err
				}
				weeks[usual] = week
			}
			w.Hours = week
			return nil
		}, `SELECT `+agentColumns+`, away, paused <> 0 OR revoked = 1,
			CASE WHEN hours = '' THEN coalesce((SELECT c.hours FROM clusters c WHERE c.name = agents.cluster), '') ELSE hours END
			FROM agents WHERE listed = 1 ORDER BY code`)
		if err != nil {
			return err
		}
		for i := range list {
			if err := list[i].read(tx, known); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list watched boxes: %w", err)
	}
	clear(known)
	for _, w := range list {
		known[w.Code] = w
	}
	return list, nil
}

// Some returns what is known of the boxes of some offices, by code; those that are not
// known are left out.
func (f *Fleet) Some(ctx context.Context, codes []string) (map[string]Agent, error) {
	among, err := json.Marshal(append([]string{}, codes...))
	if err != nil {
		return nil, err
	}
	found := make(map[string]Agent, len(codes))
	err = f.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, scanAgent, `SELECT `+agentColumns+` FROM agents WHERE listed = 1 AND code IN (SELECT value FROM json_each(?))`, string(among))
		for _, a := range list {
			found[a.Code] = a
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up %d boxes: %w", len(codes), err)
	}
	return found, nil
}

// read finds the last heartbeat.
func (w *Watched) read(tx *sqlite.Tx, known map[string]Watched) error {
	if w.Beat.IsZero() {
		return nil
	}
	was := known[w.Code]
	if was.Last != nil && was.Beat.Equal(w.Beat) {
		w.Last, w.Back = was.Last, was.Back
		return nil
	}
	var report []byte
	err := tx.QueryRow(`SELECT CAST(report AS BLOB) FROM beats WHERE code = ?`, w.Code).Scan(&report)
	if err != nil {
		return err
	}
	b, err := beat.Parse(report)
	if err != nil {
		return fmt.Errorf("read heartbeat of %q: %w", w.Code, err)
	}
	w.Last, w.Back = &b, was.Last != nil && b.At.Before(was.Last.At.Add(-backBy))
	return nil
}
