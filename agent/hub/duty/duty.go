// Package duty is the duty room of a hub: it keeps the incidents that package incident
// makes of facts, who took them over, who was called about which document, and what is
// still to be told through which channel.
//
// It promises:
//
//   - What a step of the engine comes to is stored whole or not at all; a hub that
//     starts again goes on from there. No alert goes out that is not on record.
//   - A notice is tried by each of its channels until one of them takes it or it is
//     given up, and both are on record. After a crash it may be sent again, under the
//     same number.
//   - What a person does stands in one transaction with its audit entry.
//   - Bounded space: closed incidents, events and calls go after [Keep], the oldest
//     events before that when there are more than [MaxEvents].
package duty

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tram/agent/hub/incident"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("duty", migrations)

const (
	// Keep is how long closed incidents, events, notices and calls are kept.
	Keep = 400 * 24 * time.Hour
	// MaxEvents bounds the events that are kept; the oldest go first.
	MaxEvents = 1_000_000
	// tidyBatch bounds what is removed in one transaction, in rows.
	tidyBatch = 10_000
)

// Room is the duty room of one hub. Safe for concurrent use.
type Room struct {
	db       *sqlite.DB
	settings incident.Settings
	channels []string
	skip     func(channel string, n incident.Notice) bool
	changed  func(tx *sqlite.Tx, r incident.Result) error
	log      *slog.Logger

	mu     sync.Mutex
	engine *incident.Engine         // nil: to be loaded
	facts  incident.Facts           // of the last step
	at     time.Time                // of it
	ready  map[string]chan struct{} // by channel: notices wait
}

// Options configure a Room.
type Options struct {
	Settings incident.Settings
	Channels []string // names of those that notices go out by
	// Skip says that a notice does not go by a channel; nil: all go by all.
	Skip func(channel string, n incident.Notice) bool
	// Changed is called with what a step came to, in the transaction that stores it; an
	// error undoes it. nil: nobody is.
	Changed func(tx *sqlite.Tx, r incident.Result) error
	Logger  *slog.Logger
}

// New opens the duty room in db, which was opened with [Schema].
func New(db *sqlite.DB, o Options) *Room {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Room{db: db, settings: o.Settings, channels: o.Channels, skip: o.Skip, changed: o.Changed, log: o.Logger, ready: map[string]chan struct{}{}}
	for _, name := range o.Channels {
		r.ready[name] = make(chan struct{}, 1)
	}
	return r
}

// Step takes in what is known at now, and stores what it came to.
func (r *Room) Step(ctx context.Context, now time.Time, f incident.Facts) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return err
	}
	state := r.engine.State()
	before := [3]int64{int64(state.Last), state.Daily.UnixMilli(), state.Weekly.UnixMilli()}
	result := r.engine.Step(now, f)
	after := [3]int64{int64(state.Last), state.Daily.UnixMilli(), state.Weekly.UnixMilli()}
	if before != after || len(result.Events)+len(result.Notices)+len(result.Incidents)+len(result.Findings)+len(result.Tracks) > 0 {
		if err := r.db.Update(ctx, func(tx *sqlite.Tx) error { return r.save(tx, result) }); err != nil {
			r.engine = nil // what it knows is not what is stored
			return fmt.Errorf("store incidents: %w", err)
		}
	}
	r.facts, r.at = f, now
	if len(result.Notices) > 0 {
		r.wake()
	}
	return nil
}

func (r *Room) wake() {
	for _, ready := range r.ready {
		select {
		case ready <- struct{}{}:
		default:
		}
	}
}

// Ready has something in it when notices may wait for a channel that did not before.
func (r *Room) Ready(channel string) <-chan struct{} { return r.ready[channel] }

// load makes the engine from what is stored.
func (r *Room) load(ctx context.Context) error {
	if r.engine != nil {
		return nil
	}
	state := incident.NewState()
	err := r.db.View(ctx, func(tx *sqlite.Tx) error {
		var daily, weekly int64
		err := tx.QueryRow(`SELECT last, daily, weekly FROM duty`).Scan(&state.Last, &daily, &weekly)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		state.Daily, state.Weekly = sqlite.TimeOrZero(daily), sqlite.TimeOrZero(weekly)
		open, err := sqlite.Collect(tx, scanJSON[incident.Incident], `SELECT data FROM incidents WHERE closed = 0`)
		if err != nil {
			return err
		}
		for i := range open {
			state.Incidents[open[i].ID] = &open[i]
		}
		findings, err := sqlite.Collect(tx, scanJSON[incident.Finding], `SELECT data FROM findings`)
		if err != nil {
			return err
		}
		for i := range findings {
			state.Findings[findings[i].Key] = &findings[i]
		}
		type track struct {
			office string
			incident.Track
		}
		tracks, err := sqlite.Collect(tx, func(rows *sql.Rows, t *track) error {
			var data []byte
			return errors.Join(rows.Scan(&t.office, &data), json.Unmarshal(data, &t.Track))
		}, `SELECT office, CAST(data AS BLOB) FROM tracks`)
		for i := range tracks {
			state.Tracks[tracks[i].office] = &tracks[i].Track
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("load incidents: %w", err)
	}
	r.engine = incident.New(r.settings, state)
	return nil
}

func scanJSON[T any](rows *sql.Rows, v *T) error {
	var data string
	if err := rows.Scan(&data); err != nil {
		return err
	}
	return json.Unmarshal([]byte(data), v)
}

// save writes what one step came to.
func (r *Room) save(tx *sqlite.Tx, result incident.Result) error {
	state := r.engine.State()
	if _, err := tx.Exec(`INSERT OR REPLACE INTO duty (one, last, daily, weekly) VALUES (1, ?, ?, ?)`,
		int64(state.Last), sqlite.MillisOrZero(state.Daily), sqlite.MillisOrZero(state.Weekly)); err != nil {
		return err
	}
	for _, i := range result.Incidents {
		if err := saveIncident(tx, i); err != nil {
			return err
		}
	}
	for _, key := range result.Findings {
		if err := saveFinding(tx, key, state.Findings[key]); err != nil {
			return err
		}
	}
	for _, office := range result.Tracks {
		if err := saveTrack(tx, office, state.Tracks[office]); err != nil {
			return err
		}
	}
	for _, e := range result.Events {
		if err := saveEvent(tx, Entry{Event: e}); err != nil {
			return err
		}
	}
	for _, n := range result.Notices {
		if _, err := r.enqueue(tx, n); err != nil {
			return err
		}
	}
	if r.changed != nil {
		return r.changed(tx, result)
	}
	return nil
}

func saveIncident(tx *sqlite.Tx, i *incident.Incident) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO incidents (id, rule, severity, opened, closed, data) VALUES (?, ?, ?, ?, ?, ?)`,
		int64(i.ID), string(i.Rule), string(i.Severity), i.Opened, sqlite.MillisOrZero(i.Closed), string(data))
	return err
}

func saveFinding(tx *sqlite.Tx, key incident.Key, f *incident.Finding) error {
	if f == nil {
		_, err := tx.Exec(`DELETE FROM findings WHERE rule = ? AND subject = ? AND office = ?`, string(key.Rule), key.Subject, key.Office)
		return err
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO findings (rule, subject, office, data) VALUES (?, ?, ?, ?)`, string(key.Rule), key.Subject, key.Office, string(data))
	return err
}

func saveTrack(tx *sqlite.Tx, office string, t *incident.Track) error {
	if t == nil {
		_, err := tx.Exec(`DELETE FROM tracks WHERE office = ?`, office)
		return err
	}
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO tracks (office, data) VALUES (?, ?)`, office, string(data))
	return err
}

// Entry is one line of the record of an incident: what happened, or what a person did.
type Entry struct {
	incident.Event
	By    string    `json:"by,omitempty"`   // who did it; "" for the hub
	Note  string    `json:"note,omitempty"` // what they said
	Until time.Time `json:"until,omitzero"` // of Snoozed
}

// What people do with incidents; kinds of events beside those of package incident.
const (
	Acknowledged incident.EventKind = "acknowledged"
	Snoozed      incident.EventKind = "snoozed"
	Noted        incident.EventKind = "noted"
)

func saveEvent(tx *sqlite.Tx, e Entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO incident_events (incident, at, data) VALUES (?, ?, ?)`, int64(e.Incident), e.At, string(data))
	return err
}

// Tidy removes what was kept for long enough.
func (r *Room) Tidy(ctx context.Context, now time.Time) error {
	old := now.Add(-Keep)
	for {
		var removed int64
		err := r.db.Update(ctx, func(tx *sqlite.Tx) error {
			removed = 0
			for _, q := range []struct {
				query string
				args  []any
			}{
				{`DELETE FROM incident_events WHERE seq IN (SELECT seq FROM incident_events WHERE at < ? LIMIT ?)`, []any{old, tidyBatch}},
				{`DELETE FROM incident_events WHERE seq <= (SELECT max(seq) FROM incident_events) - ? AND seq < (SELECT min(seq) FROM incident_events) + ?`, []any{MaxEvents, tidyBatch}},
				{`DELETE FROM notices WHERE seq IN (SELECT seq FROM notices WHERE at < ? LIMIT ?)`, []any{old, tidyBatch}},
				{`DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE closed > 0 AND closed < ? LIMIT ?)`, []any{old, tidyBatch}},
				{`DELETE FROM calls WHERE seq IN (SELECT seq FROM calls WHERE at < ? LIMIT ?)`, []any{old, tidyBatch}},
			} {
				res, err := tx.Exec(q.query, q.args...)
				if err != nil {
					return err
				}
				n, err := res.RowsAffected()
				if err != nil {
					return err
				}
				removed = max(removed, n)
			}
			return nil
		})
		if err != nil || removed < tidyBatch {
			return err
		}
	}
}

// audited writes the audit entry of what a person did.
func audited(tx *sqlite.Tx, by, action, subject string, detail map[string]string) error {
	return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: subject, Detail: detail})
}

// Settings are those of the engine.
func (r *Room) Settings() incident.Settings { return r.settings }
