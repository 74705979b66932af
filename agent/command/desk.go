package command

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of what was ordered.
var Schema = sqlite.Embedded("command", migrations)

const (
	// lookEvery is how often the desk looks for what it was not told of: the end of a
	// hold, orders whose time is over, what failed and is tried again.
	lookEvery = 15 * time.Second
	// maxShown bounds the list of orders; older ones stay in the audit log alone.
	maxShown = 500
)

// Actions of the audit log.
const (
	actionReceived = "command.received"
	actionAnswered = "command.answered"
	actionAllowed  = "command.allowed"
	actionDeclined = "command.declined"
)

// Mail brings answers to the hub. *office.Office is one.
type Mail interface {
	// SealAnswer encrypts an answer to the hub and signs it as this office.
	SealAnswer(ctx context.Context, of storage.ID, urgency uint8, payload []byte) (office.SealedReport, error)
	PutAnswer(tx *sqlite.Tx, a office.SealedReport) error
}

// Options of New. All are required but Logger.
type Options struct {
	DB   *sqlite.DB // has Schema
	Mail Mail
	Now  func() time.Time
	// Ping and Diagnose give the results of these commands, as JSON objects. They
	// only read.
	Ping, Diagnose func(context.Context) (any, error)
	// Archive makes the support archive. It only reads.
	Archive func(context.Context) ([]byte, error)
	// Remote says that the archive may go out without being asked for at the box.
	Remote bool
	// Resync begins a new session. It is called when the answer is durable.
	Resync func()
	Logger *slog.Logger
}

// Desk does what the hub orders. Its methods may be called from several goroutines.
type Desk struct {
	o    Options
	log  *slog.Logger
	wake chan struct{}
	hold atomic.Pointer[HoldState]
}

// HoldState is a hold that was ordered.
type HoldState struct {
	Since time.Time
	Until time.Time // zero: until it is ended
	By    string
}

// NewDesk opens the desk over what is in the store.
func NewDesk(ctx context.Context, o Options) (*Desk, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Desk{o: o, log: o.Logger, wake: make(chan struct{}, 1)}
	err := o.DB.View(ctx, func(tx *sqlite.Tx) error {
		var h HoldState
		var until int64
		err := tx.QueryRow(`SELECT since, until, ordered FROM command_hold`).Scan(sqlite.Timestamp(&h.Since), &until, &h.By)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		h.Until = sqlite.TimeOrZero(until)
		d.hold.Store(&h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what the hub has ordered: %w", err)
	}
	return d, nil
}

// Hold tells what is held now; false: nothing is.
func (d *Desk) Hold() (HoldState, bool) {
	h := d.hold.Load()
	if h == nil || !h.Until.IsZero() && !d.o.Now().Before(h.Until) {
		return HoldState{}, false
	}
	return *h, true
}

// Ordered implements office.Commander: it notes what the hub orders, once.
func (d *Desk) Ordered(tx *sqlite.Tx, hub string, h bundle.Header, payload []byte) error {
	o, bad := ParseOrder(payload)
	row := Row{ID: h.ID, Command: o.Command, Until: o.Until, By: o.By, Created: h.Created, Expires: h.Expires, Received: tx.Now(), State: New}
	if bad != nil {
		row.Why = WhyUnreadable
	}
	if err := row.insert(tx); err != nil {
		return fmt.Errorf("note order: %w", err)
	}
	tx.OnCommit(d.kick)
	detail := map[string]string{"command": string(o.Command), "by": o.By}
	if bad != nil {
		detail["cause"] = bad.Error()
	}
	return audit.Append(tx, audit.Entry{Actor: hub, Action: actionReceived, Subject: h.ID.String(), Detail: detail})
}

func (d *Desk) kick() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run does what is ordered until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	for {
		if err := d.round(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("orders of the hub not done", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.wake:
		case <-time.After(lookEvery):
		}
	}
}

// round does all that is open, the oldest first. One that cannot be answered now
// keeps nothing behind it back.
func (d *Desk) round(ctx context.Context) error {
	if err := d.endHold(ctx); err != nil {
		return err
	}
	var open []Row
	err := d.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		open, err = rows(tx, `WHERE state IN ('new', 'waiting') ORDER BY received, id`)
		return err
	})
	errs := []error{err}
	for _, r := range open {
		if err := d.do(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("order %s %s: %w", r.Command, r.ID, err))
		}
	}
	return errors.Join(errs...)
}

// do does one order as far as it can be done now.
func (d *Desk) do(ctx context.Context, r Row) error {
	refuse := func(why string) error { return d.answer(ctx, r, Answer{State: Refused, Why: why}, nil) }
	switch {
	case r.Why == WhyUnreadable || r.Why == WhyDeclined:
		return refuse(r.Why)
	case !r.Expires.After(d.o.Now()):
		return refuse(WhyExpired)
	case !r.Command.Known():
		return refuse(WhyUnknown)
	}
	switch r.Command {
	case Hold:
		return d.answer(ctx, r, Answer{State: Done}, func(tx *sqlite.Tx) error {
			return d.setHold(tx, &HoldState{Since: tx.Now(), Until: r.Until, By: r.By})
		})
	case Resume:
		return d.answer(ctx, r, Answer{State: Done}, func(tx *sqlite.Tx) error { return d.setHold(tx, nil) })
	case Resync:
		return d.answer(ctx, r, Answer{State: Done}, func(tx *sqlite.Tx) error {
			tx.OnCommit(d.o.Resync)
			return nil
		})
	case Support:
		return d.support(ctx, r)
	}
	tell := d.o.Ping
	if r.Command == Diagnostics {
		tell = d.o.Diagnose
	}
	value, err := tell(ctx)
	if err == nil {
		var result []byte
		if result, err = json.Marshal(value); err == nil {
			return d.answer(ctx, r, Answer{State: Done, Result: result}, nil)
		}
	}
	return d.failed(ctx, r, err)
}

func (d *Desk) support(ctx context.Context, r Row) error {
	switch {
	case !d.o.Remote && r.Allowed == "" && r.State == Waiting:
		return nil
	case !d.o.Remote && r.Allowed == "":
		return d.answer(ctx, r, Answer{State: Waiting}, nil)
	}
	archive, err := d.o.Archive(ctx)
	if err != nil {
		return d.failed(ctx, r, err)
	}
	return d.answer(ctx, r, Answer{State: Done, Archive: archive}, nil)
}

// failed refuses what cannot be done, unless that may pass by itself.
func (d *Desk) failed(ctx context.Context, r Row, err error) error {
	if ctx.Err() != nil || errors.Is(err, storage.ErrFull) || errors.Is(err, storage.ErrClosed) {
		return err
	}
	d.log.Warn("order of the hub failed", "command", r.Command, "id", r.ID, "error", err)
	return d.answer(ctx, r, Answer{State: Refused, Why: WhyFailed}, nil)
}

// answer makes an answer durable together with what it says was done. A row that
// somebody has answered meanwhile stays as it is.
func (d *Desk) answer(ctx context.Context, r Row, a Answer, act func(tx *sqlite.Tx) error) error {
	a.Order, a.Command, a.At = r.ID, r.Command, d.o.Now()
	urgency := uint8(Urgency)
	if len(a.Archive) > MaxArchive || len(a.Result) > MaxResult {
		a.State, a.Why, a.Archive, a.Result = Refused, WhyTooLarge, nil, nil
	}
	if len(a.Archive) > 0 {
		urgency = 0 // it waits for its turn, and for a line that may carry it
	}
	payload, err := a.Encode()
	if err != nil {
		return err
	}
	sealed, err := d.o.Mail.SealAnswer(ctx, r.ID, urgency, payload)
	if err != nil {
		return err
	}
	return d.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		done, err := tx.Exec(`UPDATE commands SET state = ?, why = ?, ended = ? WHERE id = ? AND state IN ('new', 'waiting') AND state <> ?1 AND allowed = ?`,
			string(a.State), a.Why, sqlite.MillisOrZero(ended(a, tx.Now())), r.ID, r.Allowed)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if act != nil {
			if err := act(tx); err != nil {
				return err
			}
		}
		if err := d.o.Mail.PutAnswer(tx, sealed); err != nil {
			return err
		}
		detail := map[string]string{"command": string(r.Command), "state": string(a.State), "answer": sealed.ID.String()}
		if a.Why != "" {
			detail["why"] = a.Why
		}
		return audit.Append(tx, audit.Entry{Actor: "hub:" + r.By, Action: actionAnswered, Subject: r.ID.String(), Detail: detail})
	})
}

func ended(a Answer, now time.Time) time.Time {
	if a.State == Waiting {
		return time.Time{}
	}
	return now
}

// setHold begins a hold, or ends it with nil.
func (d *Desk) setHold(tx *sqlite.Tx, h *HoldState) error {
	if _, err := tx.Exec(`DELETE FROM command_hold`); err != nil {
		return err
	}
	tx.OnCommit(func() { d.hold.Store(h) })
	if h == nil {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO command_hold (one, since, until, ordered) VALUES (1, ?, ?, ?)`, h.Since, sqlite.MillisOrZero(h.Until), h.By)
	return err
}

// endHold ends a hold whose time is over.
func (d *Desk) endHold(ctx context.Context) error {
	h := d.hold.Load()
	if _, holds := d.Hold(); h == nil || holds {
		return nil
	}
	return d.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return d.setHold(tx, nil) })
}

// Decide lets an order that waits be done, or refuses it. Problems:
// command.none, command.not-waiting.
func (d *Desk) Decide(ctx context.Context, id storage.ID, allow bool, by string) (Row, error) {
	var r Row
	err := d.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		list, err := rows(tx, `WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return problem.New(problem.NotFound, "command.none", "ID", map[string]any{"id": id})
		}
		if r = list[0]; r.State != Waiting {
			return problem.New(problem.Conflict, "command.not-waiting", "ID", map[string]any{"id": id})
		}
		action, set := actionAllowed, `UPDATE commands SET allowed = ?2 WHERE id = ?1`
		if !allow {
			action, set = actionDeclined, `UPDATE commands SET allowed = ?2, why = '`+WhyDeclined+`' WHERE id = ?1`
		}
		if _, err := tx.Exec(set, id, by); err != nil {
			return err
		}
		r.Allowed = by
		tx.OnCommit(d.kick)
		return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: id.String(), Detail: map[string]string{"command": string(r.Command)}})
	})
	return r, err
}
