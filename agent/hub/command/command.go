// Package command is a hub's half of what it orders the boxes of its offices to do;
// see package agent/command for the office's.
//
// It promises that
//
//   - an order is made, audited and queued in one transaction, by an account whose
//     role may give it, and waits for an office that is away until it expires;
//   - it can be withdrawn as long as the office has not taken it over, and one that was
//     done all the same says so;
//   - answers are taken from the office that was ordered alone (P7), each once (P2),
//     and are bounded, as is how many orders are open and how many archives are kept.
package command

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/command"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("hubcommand", migrations)

// Limits.
const (
	// MaxOpen is how many orders of one office may be open; another is refused.
	MaxOpen = 16
	// MaxArchives is how many support archives are kept; older ones go.
	MaxArchives = 16
	// MaxListed is the most records of one list.
	MaxListed = 1000
	// keepFor is how long a record is kept; the audit log keeps the fact.
	keepFor = 366 * 24 * time.Hour
)

// Role is what an account of the hub is.
type Role string

// The roles. Local is who uses the command line at the hub itself.
const (
	Local    Role = "local"
	Operator Role = "operator"
	Security Role = "security"
	Officer  Role = "officer" // of a cluster; the caller sees to which offices are its own
)

// grants is who may order what.
var grants = map[Role][]command.Name{
	Local:    command.Names,
	Operator: command.Names,
	Security: {command.Ping, command.Diagnostics, command.Hold, command.Resume},
	Officer:  {command.Ping, command.Diagnostics},
}

// May reports whether a role may give an order. An unknown role may nothing.
func (r Role) May(order command.Name) bool { return slices.Contains(grants[r], order) }

// State is how far an order is.
type State string

// The states.
const (
	Queued    State = "queued" // it will be done when the office connects
	Taken     State = "taken"  // the office has it and has not answered
	Waiting   State = "waiting"
	Done      State = "done"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
	Expired   State = "expired" // no last answer within its time; one may still come
)

func (s State) open() bool { return s == Queued || s == Taken || s == Waiting }

// Record is one order.
type Record struct {
	ID        storage.ID      `json:"id"`
	Office    string          `json:"office"`
	Command   command.Name    `json:"command"`
	Until     time.Time       `json:"until,omitzero"` // of a hold
	By        string          `json:"by"`
	Role      Role            `json:"role"`
	Created   time.Time       `json:"created"`
	Expires   time.Time       `json:"expires"`
	State     State           `json:"state"`
	Taken     time.Time       `json:"taken,omitzero"`    // the office had it
	Answered  time.Time       `json:"answered,omitzero"` // its last answer came
	At        time.Time       `json:"at,omitzero"`       // it was done, by the office's clock
	Why       string          `json:"why,omitempty"`     // of Refused: a word of agent/command, or of a later version
	Result    json.RawMessage `json:"result,omitempty"`
	Archive   int64           `json:"archive,omitempty"`   // bytes of the support archive that is here
	Withdrawn string          `json:"withdrawn,omitempty"` // by whom; it may have been done all the same
}

// Text says in lang how far it is.
func (r Record) Text(lang i18n.Lang) string {
	text := i18n.T(lang, "command.state."+string(r.State))
	if r.Why != "" {
		why := i18n.T(lang, "command.why.other", i18n.Args{"why": r.Why})
		if slices.Contains(knownReasons, r.Why) {
			why = i18n.T(lang, "command.why."+r.Why)
		}
		text = i18n.T(lang, "command.because", i18n.Args{"state": text, "why": why})
	}
	return text
}

var knownReasons = []string{
	command.WhyUnknown, command.WhyUnreadable, command.WhyExpired, command.WhyDeclined, command.WhyFailed, command.WhyTooLarge, whyNotTaken,
}

// whyNotTaken says that the office's program refused the bundle.
const whyNotTaken = "not-taken"

// Book is what one hub has ordered. Safe for concurrent use.
type Book struct{ db *sqlite.DB }

// New opens the book in a database with Schema.
func New(db *sqlite.DB) *Book { return &Book{db} }

// Order is an order to be given. The caller has seen that By may see the office.
type Order struct {
	Office  string // code as on its card
	Command command.Name
	Until   time.Time // of a hold; zero: until it is ended
	Life    time.Duration
	By      string
	Role    Role
}

// Send queues an order for its office, as a bundle that expires.
type Send func(tx *sqlite.Tx, payload []byte, expires time.Time) (storage.ID, error)

// Give makes an order durable and queues it. Problems: command.unknown,
// command.role, command.until, command.life, command.too-many.
func (b *Book) Give(ctx context.Context, o Order, send Send) (r Record, err error) {
	if o.Life == 0 {
		o.Life = command.DefaultLife
	}
	payload, err := o.payload(time.Now())
	if err != nil {
		return r, err
	}
	err = b.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := prune(tx); err != nil {
			return err
		}
		var open int
		err := tx.QueryRow(`SELECT count(*) FROM hub_commands WHERE office = ? AND state IN ('queued', 'taken', 'waiting') AND expires > ?`, o.Office, tx.Now()).Scan(&open)
		if err != nil {
			return err
		}
		if open >= MaxOpen {
			return problem.New(problem.Conflict, "command.too-many", "OFFICE", i18n.Args{"code": o.Office, "limit": MaxOpen})
		}
		r = Record{
			Office: o.Office, Command: o.Command, Until: o.Until, By: o.By, Role: o.Role,
			Created: tx.Now(), Expires: tx.Now().Add(o.Life).Truncate(time.Second), State: Queued,
		}
		if r.ID, err = send(tx, payload, r.Expires); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO hub_commands (id, office, command, until, ordered, role, created, expires, state, taken, answered, at, why, result, withdrawn)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, 0, 0, '', '', '')`,
			r.ID, r.Office, string(r.Command), sqlite.MillisOrZero(r.Until), r.By, string(r.Role), r.Created, r.Expires)
		if err != nil {
			return err
		}
		detail := map[string]string{"office": r.Office, "command": string(r.Command), "role": string(r.Role), "expires": r.Expires.UTC().Format(time.RFC3339)}
		if !r.Until.IsZero() {
			detail["until"] = r.Until.UTC().Format(time.RFC3339)
		}
		return audit.Append(tx, audit.Entry{Actor: r.By, Action: "command.ordered", Subject: r.ID.String(), Detail: detail})
	})
	return r, saving(err)
}

// Bounds of what may be asked for.
const (
	MaxLife = 30 * 24 * time.Hour
	MaxHold = 30 * 24 * time.Hour
	minLife = time.Minute
)

func (o *Order) payload(now time.Time) ([]byte, error) {
	var faults problem.List
	if !o.Command.Known() {
		faults.Note(problem.New(problem.Usage, "command.unknown", "COMMAND", i18n.Args{"command": o.Command, "known": Words()}))
	} else if !o.Role.May(o.Command) {
		faults.Note(problem.New(problem.Denied, "command.role", "COMMAND", i18n.Args{"command": o.Command}))
	}
	switch left := o.Until.Sub(now); {
	case o.Until.IsZero():
	case o.Command != command.Hold:
		faults.Note(problem.New(problem.Usage, "command.until-only", "until", nil))
	case left <= 0 || left > MaxHold:
		faults.Note(problem.New(problem.Usage, "command.until", "until", i18n.Args{"days": int(MaxHold / (24 * time.Hour))}))
	}
	if o.Life < minLife || o.Life > MaxLife {
		faults.Note(problem.New(problem.Usage, "command.life", "life", i18n.Args{"days": int(MaxLife / (24 * time.Hour))}))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	payload, err := command.Order{Command: o.Command, Until: o.Until, By: o.By}.Encode()
	if errors.Is(err, command.ErrMalformed) {
		err = problem.New(problem.Usage, "command.by", "by", nil).Because(err)
	}
	return payload, err
}

// Words are the names of all commands, for people.
func Words() string {
	words := make([]string, len(command.Names))
	for i, n := range command.Names {
		words[i] = string(n)
	}
	return strings.Join(words, ", ")
}

func prune(tx *sqlite.Tx) error {
	old := tx.Now().Add(-keepFor)
	_, err := tx.Exec(`DELETE FROM hub_command_archives WHERE id IN (SELECT id FROM hub_commands WHERE created < ?)`, old)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM hub_commands WHERE created < ?`, old)
	return err
}

func saving(err error) error {
	if errors.Is(err, storage.ErrFull) {
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	var p *problem.Problem
	var l problem.List
	if err == nil || errors.As(err, &p) || errors.As(err, &l) {
		return err
	}
	return fmt.Errorf("save order: %w", err)
}
