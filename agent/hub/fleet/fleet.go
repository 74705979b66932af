// Package fleet is what a hub knows of its offices' boxes: which are there,
// since when, with which software, what they say of themselves, how that is
// judged, and how it has been.
//
// It promises
//   - to say "online" only while an authenticated session stands, and to keep the
//     time of the last contact over restarts of the hub;
//   - one vocabulary of states, decided by [Judge] alone, which is pure;
//   - that time in which the hub itself could hear nobody counts against no box;
//   - bounded space for each box, whatever it sends (P9).
package fleet

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"tram/agent/health/beat"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of agents.
var Schema = sqlite.Embedded("fleet", migrations)

// Agent is one office's box. It is part of the stable JSON of `tram-hub agents`.
type Agent struct {
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Parent   string    `json:"parent"`
	Kind     string    `json:"kind"`
	Enrolled bool      `json:"enrolled"`
	Online   bool      `json:"online"`
	Since    time.Time `json:"since,omitzero"` // of Online; none when never seen
	Seen     time.Time `json:"seen,omitzero"`  // last contact; none when never
	Software string    `json:"software"`
	Waiting  int       `json:"waiting"`            // bundles at the hub that it has not taken over
	Log      time.Time `json:"log,omitzero"`       // since when its audit log is known not to hold; zero: it does
	LogEntry int64     `json:"log_entry,omitzero"` // from which entry on
	Copy     time.Time `json:"copy,omitzero"`      // since when an older copy of it is refused; zero: none is

	Cluster    string    `json:"cluster"`
	State      State     `json:"state"`
	Reason     Reason    `json:"reason,omitzero"`
	StateSince time.Time `json:"state_since,omitzero"` // zero: not judged yet
	Incident   string    `json:"incident,omitempty"`   // open group incident that it is part of
	Beat       time.Time `json:"heartbeat,omitzero"`   // when the last one came; what follows is what it said

	Queue       int       `json:"queue"` // documents that have not left it
	QueueBytes  int64     `json:"queue_bytes"`
	QueueSince  time.Time `json:"queue_since,omitzero"` // of the oldest, by the hub's clock
	Rate        int64     `json:"rate"`                 // bytes per second
	DiskFree    int64     `json:"disk_free"`            // bytes
	DiskDays    *int      `json:"disk_full_days,omitempty"`
	ClockOffset int64     `json:"clock_offset_ms"`
	Certificate time.Time `json:"certificate_until,omitzero"`
	Carrier     string    `json:"carrier,omitempty"`
	SIMLeft     *int64    `json:"sim_left,omitempty"` // bytes of the month's budget; nil: there is none
}

// Report is a box with its last heartbeat and its settings here.
type Report struct {
	Agent
	Tag    string     `json:"tag"`   // cluster that somebody put it in; "" for that of its parent
	Hours  string     `json:"hours"` // its usual hours; "" for those of its cluster
	Paused time.Time  `json:"paused,omitzero"`
	Last   *beat.Beat `json:"last,omitempty"` // nil: none came
}

// Fleet records how the boxes are. Its methods may be called from several
// goroutines.
type Fleet struct {
	db *sqlite.DB
	// interval is DefaultInterval but in tests.
	interval time.Duration

	judging sync.Mutex // held by the one Judge
	mu      sync.Mutex
	flaps   map[string][]time.Time // losses of connections within flapWindow, at most maxFlaps+1 of a box
	changed func(*sqlite.Tx, []Transition) error
}

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
	return &Fleet{db: db, interval: DefaultInterval, flaps: map[string][]time.Time{}}, nil
}

// Change says that an office's session began or ended.
type Change struct {
	Online   bool
	Software string // "" leaves what is known
}

// Sessions records changes, by office, in one transaction.
func (f *Fleet) Sessions(ctx context.Context, changes map[string]Change) error {
	var at time.Time
	var lost []string
	err := f.db.Update(ctx, func(tx *sqlite.Tx) error {
		at, lost = tx.Now(), nil
		now := sqlite.Millis(at)
		for code, c := range changes {
			var was bool
			err := tx.QueryRow(`SELECT online FROM agents WHERE code = ?`, code).Scan(&was)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if was && !c.Online {
				lost = append(lost, code)
			}
			_, err = tx.Exec(`INSERT INTO agents (code, online, since, seen, software) VALUES (?1, ?2, ?3, ?3, ?4)
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
	f.flapped(at, lost)
	return nil
}

// flapped counts losses of connections.
func (f *Fleet) flapped(at time.Time, codes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, code := range codes {
		list := append(recent(f.flaps[code], at), at)
		f.flaps[code] = list[max(0, len(list)-maxFlaps-1):]
	}
}

// flapsOf counts those within flapWindow.
func (f *Fleet) flapsOf(code string, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := recent(f.flaps[code], now)
	if len(list) == 0 {
		delete(f.flaps, code)
	}
	return len(list)
}

func recent(list []time.Time, now time.Time) []time.Time {
	for len(list) > 0 && now.Sub(list[0]) > flapWindow {
		list = list[1:]
	}
	return list
}

// List returns what is known of the offices on cards, in their order.
func (f *Fleet) List(ctx context.Context, cards []registry.Card) ([]Agent, error) {
	agents := make([]Agent, 0, len(cards))
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, scanAgent, `SELECT `+agentColumns+` FROM agents`)
		if err != nil {
			return err
		}
		known := make(map[string]Agent, len(list))
		for _, a := range list {
			known[a.Code] = a
		}
		for _, c := range cards {
			a := known[c.Code]
			a.Code, a.Name, a.Parent, a.Kind, a.Enrolled = c.Code, c.Name, c.Parent, c.Kind, c.Enrolled()
			if a.Cluster == "" {
				a.Cluster = c.Parent
			}
			if a.StateSince.IsZero() {
				s := Judge(tx.Now(), Standing{}, Facts{Enrolled: a.Enrolled, Online: a.Online, Since: a.Since, Seen: a.Seen, Watching: tx.Now()})
				a.State, a.Reason = s.State, s.Reason
			}
			agents = append(agents, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	return agents, nil
}

// agentColumns are those that scanAgent reads.
const agentColumns = `code, name, parent, kind, enrolled, online, since, seen, software, cluster, state, reason, reason_args, state_since,
	incident, beat, queue_count, queue_bytes, queue_since, rate, disk_free, disk_days, clock_offset, certificate, carrier, sim_left`

func scanAgent(rows *sql.Rows, a *Agent) error { return scanInto(rows, a) }

// scanInto reads agentColumns, then more.
func scanInto(rows *sql.Rows, a *Agent, more ...any) error {
	var since, seen, stateSince, heard, queueSince, certificate, left int64
	var days int
	var args string
	err := rows.Scan(append([]any{&a.Code, &a.Name, &a.Parent, &a.Kind, &a.Enrolled, &a.Online, &since, &seen, &a.Software, &a.Cluster, &a.State,
		&a.Reason.Code, &args, &stateSince, &a.Incident, &heard, &a.Queue, &a.QueueBytes, &queueSince, &a.Rate, &a.DiskFree, &days,
		&a.ClockOffset, &certificate, &a.Carrier, &left}, more...)...)
	if err != nil {
		return err
	}
	a.Since, a.Seen, a.StateSince, a.Beat = sqlite.TimeOrZero(since), sqlite.TimeOrZero(seen), sqlite.TimeOrZero(stateSince), sqlite.TimeOrZero(heard)
	a.QueueSince, a.Certificate = sqlite.TimeOrZero(queueSince), sqlite.TimeOrZero(certificate)
	if days >= 0 {
		a.DiskDays = &days
	}
	if left >= 0 {
		a.SIMLeft = &left
	}
	return readArgs(args, &a.Reason)
}

// readArgs reads the arguments of a reason as they are stored.
func readArgs(data string, r *Reason) error {
	if data == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(data), &r.Args); err != nil {
		return fmt.Errorf("read arguments of %q: %w", r.Code, err)
	}
	return nil
}

// argsOf writes the arguments of a reason as they are stored.
func argsOf(r Reason) (string, error) {
	if len(r.Args) == 0 {
		return "", nil
	}
	data, err := json.Marshal(r.Args)
	if err != nil {
		return "", fmt.Errorf("write arguments of %q: %w", r.Code, err)
	}
	return string(data), nil
}
