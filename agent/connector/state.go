package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/storage/sqlite"
)

// State is how a connector stands.
type State struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Settings json.RawMessage `json:"settings"`
	Secret   bool            `json:"secret"` // whether it has one
	Created  time.Time       `json:"created"`
	State    string          `json:"state"` // "running", "failing" or "paused"
	// Failure is why it fails or has paused by itself, Since since when.
	Failure   *Failure  `json:"failure,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Waiting   int       `json:"waiting"` // entries, dead letters left out
	Dead      int       `json:"dead"`    // dead letters
	Delivered int64     `json:"delivered"`
	// Collected is how many rounds have ended well since the start, as Delivered
	// counts entries.
	Collected    int64     `json:"collected"`
	LastDelivery time.Time `json:"last_delivery,omitzero"`
	LastRound    time.Time `json:"last_round,omitzero"`
}

// States a connector is in.
const (
	Running = "running"
	Failing = "failing"
	Paused  = "paused"
)

// List tells how all connectors stand, by name.
func (h *Host) List(ctx context.Context) ([]State, error) {
	all, err := h.store.all(ctx)
	if err != nil {
		return nil, err
	}
	waiting, dead, err := h.store.counts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]State, 0, len(all))
	for _, c := range all {
		s := State{
			Name: c.Name, Kind: c.Kind, Settings: c.Settings, Secret: c.Secret != nil, Created: c.created, State: Running,
			Waiting: waiting[c.Name], Dead: dead[c.Name],
		}
		h.mu.Lock()
		r := h.running[c.Name]
		h.mu.Unlock()
		if r != nil {
			r.fill(&s)
		}
		if c.paused {
			s.State = Paused
		}
		list = append(list, s)
	}
	return list, nil
}

func (r *runner) fill(s *State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := &r.vitals
	s.Delivered, s.Collected, s.LastDelivery, s.LastRound = v.delivered, v.rounds, v.lastDelivery, v.lastRound
	for _, f := range v.faults {
		if f.why != nil {
			s.State, s.Failure, s.Since = Failing, f.why, f.since
			return
		}
	}
}

// counts is how many entries wait for each connector, and how many dead letters
// each has.
func (s store) counts(ctx context.Context) (waiting, dead map[string]int, err error) {
	waiting, dead = map[string]int{}, map[string]int{}
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT connector, dead, count(*) FROM deliveries GROUP BY connector, dead`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var gone bool
			var n int
			if err := rows.Scan(&name, &gone, &n); err != nil {
				return err
			}
			if gone {
				dead[name] = n
			} else {
				waiting[name] = n
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("count deliveries: %w", err)
	}
	return waiting, dead, nil
}

// Conditions names the connectors that fail and those with dead letters.
func (h *Host) Conditions(ctx context.Context) ([]health.Condition, error) {
	list, err := h.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []health.Condition
	for _, s := range list {
		if s.State == Failing {
			out = append(out, health.Condition{Code: health.ConnectorFailing, Args: i18n.Args{"name": s.Name, "why": s.Failure}})
		}
		if s.Dead > 0 {
			out = append(out, health.Condition{Code: health.ConnectorDead, Args: i18n.Args{"name": s.Name, "count": s.Dead}})
		}
		if s.Waiting+s.Dead >= MaxWaiting {
			out = append(out, health.Condition{Code: health.ConnectorFull, Args: i18n.Args{"name": s.Name, "count": s.Waiting + s.Dead}})
		}
	}
	return out, nil
}
