package command

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Row is one order as the office keeps it.
type Row struct {
	ID       storage.ID `json:"id"`
	Command  Name       `json:"command"` // "" for what was unreadable
	Until    time.Time  `json:"until,omitzero"`
	By       string     `json:"by"` // account of the hub
	Created  time.Time  `json:"created"`
	Expires  time.Time  `json:"expires"`
	Received time.Time  `json:"received"`
	State    State      `json:"state"`
	Allowed  string     `json:"allowed,omitempty"` // who at the box has decided
	Why      string     `json:"why,omitempty"`
	Ended    time.Time  `json:"ended,omitzero"`
}

const columns = `SELECT id, command, until, ordered, created, expires, received, state, allowed, why, ended FROM commands `

func rows(tx *sqlite.Tx, where string, args ...any) ([]Row, error) {
	return sqlite.Collect(tx, func(rows *sql.Rows, r *Row) error {
		var until, ended int64
		err := rows.Scan(&r.ID, &r.Command, &until, &r.By, sqlite.Timestamp(&r.Created), sqlite.Timestamp(&r.Expires), sqlite.Timestamp(&r.Received),
			&r.State, &r.Allowed, &r.Why, &ended)
		r.Until, r.Ended = sqlite.TimeOrZero(until), sqlite.TimeOrZero(ended)
		return err
	}, columns+where, args...)
}

func (r Row) insert(tx *sqlite.Tx) error {
	_, err := tx.Exec(`INSERT INTO commands (id, command, until, ordered, created, expires, received, state, allowed, why, ended)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, 0) ON CONFLICT DO NOTHING`,
		r.ID, string(r.Command), sqlite.MillisOrZero(r.Until), r.By, r.Created, r.Expires, r.Received, string(r.State), r.Why)
	return err
}

// List is what was ordered, the newest first, at most maxShown.
func (d *Desk) List(ctx context.Context) (list []Row, err error) {
	err = d.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		list, err = rows(tx, `ORDER BY received DESC, id DESC LIMIT ?`, maxShown)
		return err
	})
	return list, err
}

// Waiting are the orders that wait for somebody at the box.
func (d *Desk) Waiting(ctx context.Context) (list []Row, err error) {
	err = d.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		list, err = rows(tx, `WHERE state = 'waiting' AND allowed = '' AND expires > ? ORDER BY received, id`, d.o.Now())
		return err
	})
	return list, err
}

// Path is the local interface about orders: GET lists, POST decides.
const Path = "/v1/commands"

// maxDecision bounds a Decision, in bytes.
const maxDecision = 1 << 10

// Decision is what somebody at the box says to an order.
type Decision struct {
	ID    string `json:"id"`
	Allow bool   `json:"allow"`
}

// Routes adds the calls of this package to a local socket. desk gives the running
// desk, or the problem why there is none.
func Routes(mux *http.ServeMux, log *slog.Logger, desk func() (*Desk, error)) {
	mux.HandleFunc("GET "+Path, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		d, err := desk()
		if err != nil {
			return nil, err
		}
		return d.List(r.Context())
	}))
	mux.HandleFunc("POST "+Path, api.Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		d, err := desk()
		if err != nil {
			return nil, err
		}
		var q Decision
		if err := api.ReadJSONWithin(r.Body, maxDecision, &q); err != nil {
			return nil, err
		}
		id, err := uuid.Parse(q.ID)
		if err != nil {
			return nil, problem.New(problem.NotFound, "command.none", "ID", map[string]any{"id": q.ID})
		}
		return d.Decide(r.Context(), id, q.Allow, "cli")
	}))
}
