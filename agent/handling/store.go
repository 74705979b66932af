package handling

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("handling", migrations)

// Office is what this package asks of the office; *office.Office is one.
type Office interface {
	// Handle allows a change of how an accepted incoming document is handled, in
	// the transaction that makes it; its error is a *problem.Problem otherwise.
	Handle(tx *sqlite.Tx, id storage.ID) (office.Urgency, error)
	// Documents returns those that there are, without track and checks.
	Documents(ctx context.Context, ids []storage.ID) ([]office.Document, error)
	// Report tells the sender a status, once.
	Report(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) (doc office.Document, changed bool, err error)
}

// Options of New. DB and Office are needed.
type Options struct {
	DB     *sqlite.DB // opened with Schema and audit.Schema
	Office Office
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
}

// Store keeps how documents are handled. Safe for concurrent use.
type Store struct {
	db     *sqlite.DB
	office Office
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{} // for Run: there is something to tell
}

// New makes a Store. [Store.Run] must run for statuses to go out.
func New(o Options) (*Store, error) {
	if o.DB == nil || o.Office == nil {
		return nil, errors.New("open handling: an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{db: o.DB, office: o.Office, log: o.Logger, now: o.Now, wake: make(chan struct{}, 1)}, nil
}

// Of returns how a document is handled, with its history; ok is false while
// nothing was done about it.
func (s *Store) Of(ctx context.Context, id storage.ID) (w Work, ok bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		if w, ok, err = load(tx, id); err != nil || !ok {
			return err
		}
		w.Steps, err = steps(tx, id)
		return err
	})
	if err != nil {
		return Work{}, false, fmt.Errorf("read handling: %w", err)
	}
	return w, ok, nil
}

const workColumns = `document, version, state, urgency, leader, leader_name, submitted, instruction, opinion_of, instructed, handed, due,
	progress, finished, result, coalesce(reply, zeroblob(16)), reply_code`

func scanWork(row interface{ Scan(...any) error }) (w Work, err error) {
	var submitted, instructed, handed, finished int64
	w.Parts = []Part{} // [] in JSON, never null
	err = row.Scan(&w.Document, &w.Version, &w.State, &w.Urgency, &w.Leader.Person, &w.Leader.Name, &submitted, &w.Instruction.Text,
		&w.Instruction.Of, &instructed, &handed, &w.Due, &w.Progress, &finished, &w.Result, &w.Reply.ID, &w.Reply.Code)
	w.Submitted, w.Instruction.At, w.HandedOver, w.Finished = sqlite.TimeOrZero(submitted), sqlite.TimeOrZero(instructed), sqlite.TimeOrZero(handed), sqlite.TimeOrZero(finished)
	return w, err
}

// load reads a work without its history; ok is false when there is none.
func load(tx *sqlite.Tx, id storage.ID) (w Work, ok bool, err error) {
	w, err = scanWork(tx.QueryRow(`SELECT `+workColumns+` FROM works WHERE document = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Work{Document: id}, false, nil
	}
	if err != nil {
		return Work{}, false, err
	}
	w.Parts, err = parts(tx, `document = ?`, id)
	return w, true, err
}

// parts are those that fulfil a condition.
func parts(tx *sqlite.Tx, where string, args ...any) ([]Part, error) {
	list := []Part{}
	rows, err := tx.Query(`SELECT seq, role, person, name, deadline, state, handed, ended, result FROM parts WHERE `+where+` ORDER BY seq`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p Part
		var handed, ended int64
		if err := rows.Scan(&p.ID, &p.Role, &p.Assignee.Person, &p.Assignee.Name, &p.Deadline, &p.State, &handed, &ended, &p.Result); err != nil {
			return nil, err
		}
		p.HandedOver, p.Ended = sqlite.TimeOrZero(handed), sqlite.TimeOrZero(ended)
		list = append(list, p)
	}
	return list, rows.Err()
}

func steps(tx *sqlite.Tx, id storage.ID) (list []Step, err error) {
	rows, err := tx.Query(`SELECT at, actor, actor_name, kind, role, who, text, deadline FROM steps WHERE document = ? ORDER BY seq`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Step
		if err := rows.Scan(sqlite.Timestamp(&e.At), &e.By.Person, &e.By.Name, &e.Kind, &e.Role, &e.Who, &e.Text, &e.Deadline); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// acting is one act on one document, within its transaction.
type acting struct {
	tx    *sqlite.Tx
	by    Actor
	w     Work
	known bool // there was a work before
}

// act changes the handling of a document. seen is the version that the actor saw,
// 0 for whichever there is. fn works on the loaded state.
func (s *Store) act(ctx context.Context, id storage.ID, by Actor, seen int, fn func(a *acting) error) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error { return s.actIn(tx, id, by, seen, fn) })
	var p *problem.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	if errors.Is(err, storage.ErrFull) {
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return fmt.Errorf("save handling: %w", err)
}

func (s *Store) actIn(tx *sqlite.Tx, id storage.ID, by Actor, seen int, fn func(a *acting) error) error {
	urgency, err := s.office.Handle(tx, id)
	if err != nil {
		return err
	}
	a := &acting{tx: tx, by: by}
	if a.w, a.known, err = load(tx, id); err != nil {
		return err
	}
	if seen != 0 && seen != a.w.Version {
		return a.changed()
	}
	a.w.Urgency = urgency
	if !a.known {
		if err := a.create(); err != nil {
			return err
		}
	}
	if err := fn(a); err != nil {
		return err
	}
	if err := a.save(); err != nil {
		return err
	}
	tx.OnCommit(s.kick)
	return nil
}

// changed tells who changed what the actor has seen.
func (a *acting) changed() error {
	args := i18n.Args{"name": "", "time": ""}
	list, err := steps(a.tx, a.w.Document)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		last := list[len(list)-1]
		args["name"], args["time"] = last.By.Name, clockTime(last.At)
	}
	return problem.New(problem.Conflict, "handling.changed", "", args)
}

// create makes the row that parts and steps refer to.
func (a *acting) create() error {
	a.w.State = Submitted
	_, err := a.tx.Exec(`INSERT INTO works (document, version, state, urgency, leader, leader_name, submitted, instruction, opinion_of, instructed,
		handed, due, progress, finished, result, reply_code) VALUES (?, 0, ?, 0, '', '', 0, '', '', 0, 0, '', '', 0, '', '')`, a.w.Document, string(a.w.State))
	return err
}

// save settles the state and writes the work.
func (a *acting) save() error {
	w := &a.w
	w.settle()
	w.Version++
	var reply any
	if w.Reply.ID != (storage.ID{}) {
		reply = w.Reply.ID
	}
	_, err := a.tx.Exec(`UPDATE works SET version = ?, state = ?, urgency = ?, leader = ?, leader_name = ?, submitted = ?, instruction = ?, opinion_of = ?,
		instructed = ?, handed = ?, due = ?, progress = ?, finished = ?, result = ?, reply = ?, reply_code = ? WHERE document = ?`,
		w.Version, string(w.State), int(w.Urgency), w.Leader.Person, w.Leader.Name, sqlite.MillisOrZero(w.Submitted), w.Instruction.Text, w.Instruction.Of,
		sqlite.MillisOrZero(w.Instruction.At), sqlite.MillisOrZero(w.HandedOver), w.Due, w.Progress, sqlite.MillisOrZero(w.Finished), w.Result, reply, w.Reply.Code, w.Document)
	return err
}

// settle makes the state and the earliest deadline follow from the parts.
func (w *Work) settle() {
	handed, lead, left := false, false, false
	w.Due = ""
	for _, p := range w.Parts {
		if !p.working() {
			continue
		}
		left = true
		handed = handed || p.State == PartOpen
		lead = lead || p.Role == Lead
		if p.Role != Inform && p.Deadline != "" && (w.Due == "" || p.Deadline < w.Due) {
			w.Due = p.Deadline
		}
	}
	switch {
	case !w.Finished.IsZero():
		w.State, w.Due = Done, ""
	case !left && w.Instruction.At.IsZero():
		w.State = Submitted
	case handed:
		w.State = Open
	case lead:
		w.State = Instructed
	default:
		w.State = Submitted
	}
}

// audited are the steps whose text is a reason or a number. Other texts are about
// what documents say and stay out of the audit log.
var audited = []Kind{StepReassigned, StepExtended, StepWithdrawn, StepReopened, StepReplied}

// step adds to the history and to the audit log.
func (a *acting) step(e Step) error {
	_, err := a.tx.Exec(`INSERT INTO steps (document, at, actor, actor_name, kind, role, who, text, deadline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.w.Document, a.tx.Now(), a.by.Person, a.by.Name, string(e.Kind), string(e.Role), e.Who, e.Text, e.Deadline)
	if err != nil {
		return fmt.Errorf("keep step: %w", err)
	}
	detail, text := map[string]string{}, ""
	if slices.Contains(audited, e.Kind) {
		text = e.Text
	}
	for name, value := range map[string]string{"role": string(e.Role), "who": e.Who, "text": text, "deadline": e.Deadline} {
		if value != "" {
			detail[name] = value
		}
	}
	return audit.Append(a.tx, audit.Entry{Actor: a.by.Person, Action: "handling." + string(e.Kind), Subject: a.w.Document.String(), Detail: detail})
}

// add makes a part.
func (a *acting) add(p Part) error {
	if len(a.w.Parts) >= MaxParts {
		return problem.New(problem.Usage, "handling.too-many", "lead", i18n.Args{"max": MaxParts})
	}
	res, err := a.tx.Exec(`INSERT INTO parts (document, role, person, name, deadline, state, handed, ended, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.w.Document, string(p.Role), p.Assignee.Person, p.Assignee.Name, p.Deadline, string(p.State), sqlite.MillisOrZero(p.HandedOver), sqlite.MillisOrZero(p.Ended), p.Result)
	if err != nil {
		return fmt.Errorf("keep part: %w", err)
	}
	p.ID, err = res.LastInsertId()
	a.w.Parts = append(a.w.Parts, p)
	return err
}

// keep writes a part that was changed.
func (a *acting) keep(p *Part) error {
	_, err := a.tx.Exec(`UPDATE parts SET deadline = ?, state = ?, handed = ?, ended = ?, result = ? WHERE seq = ?`,
		p.Deadline, string(p.State), sqlite.MillisOrZero(p.HandedOver), sqlite.MillisOrZero(p.Ended), p.Result, p.ID)
	if err != nil {
		return fmt.Errorf("keep part: %w", err)
	}
	return nil
}
