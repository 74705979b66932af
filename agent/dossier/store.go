package dossier

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier/code"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("dossier", migrations)

// Options of [New]. DB, Blobs and Code are needed.
type Options struct {
	DB    *sqlite.DB // opened with Schema and audit.Schema
	Blobs *blob.Store
	Code  string // of this office
	Name  string
	// Agency is the agency code in the codes that this office gives, in either grammar;
	// "" is Code.
	Agency string
	// News is told of what happens, within its transaction; nil: nobody is.
	News News
	// Post carries steps to other offices; nil: dossiers stay here.
	Post Post
	// Carrier takes dossiers to offices that are not on Trạm; nil: none is handed there.
	Carrier Carrier
	// Sheet makes the sheet that goes with a dossier by a document; needed with Carrier.
	Sheet func(ctx context.Context, d Dossier) (Upload, error)
	// Reporter carries reports to the hub; nil: there are none.
	Reporter Reporter
	// Forget gives up what other parts of the office keep of a dossier that may name the
	// applicant, within the transaction that erases it; nil: nothing.
	Forget func(tx *sqlite.Tx, id storage.ID) error
	// Unsure tells whether the clock is not to be believed now; nil: never.
	Unsure func() bool
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
}

// Store keeps the dossiers of one office. Safe for concurrent use.
type Store struct {
	db       *sqlite.DB
	blobs    *blob.Store
	me, name string
	agency   string
	calendar atomic.Pointer[workdays.Calendar]
	tries    *Tries
	post     Post
	carrier  Carrier
	sheet    func(ctx context.Context, d Dossier) (Upload, error)
	news     News
	wake     chan struct{} // for Run: something is to be told
	reporter Reporter
	told     chan struct{} // for RunReports: the hub is to be told at once
	forget   func(tx *sqlite.Tx, id storage.ID) error
	unsure   func() bool
	log      *slog.Logger
	now      func() time.Time

	reporting sync.Mutex // held by the one report that is made
	heard     heard

	mu   sync.Mutex
	next chan struct{} // closed at the next change
}

// New makes a Store.
func New(ctx context.Context, o Options) (*Store, error) {
	if o.DB == nil || o.Blobs == nil || o.Code == "" {
		return nil, errors.New("open dossiers: an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unsure == nil {
		o.Unsure = func() bool { return false }
	}
	if o.Forget == nil {
		o.Forget = func(*sqlite.Tx, storage.ID) error { return nil }
	}
	s := &Store{db: o.DB, blobs: o.Blobs, me: o.Code, name: o.Name, agency: cmp.Or(o.Agency, o.Code), post: o.Post, carrier: o.Carrier, sheet: o.Sheet, news: o.News, tries: NewTries(MaxTries, TriesWithin), wake: make(chan struct{}, 1), reporter: o.Reporter, told: make(chan struct{}, 1), forget: o.Forget, unsure: o.Unsure, log: o.Logger, now: o.Now, next: make(chan struct{})}
	if err := s.loadCalendar(ctx); err != nil {
		return nil, fmt.Errorf("open dossiers: %w", err)
	}
	return s, nil
}

// Uses reports whether a dossier refers to stored content, for blob.Sweep.
func (s *Store) Uses(ctx context.Context, sha [32]byte) (used bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM dossier_files WHERE sha256 = ?1) OR EXISTS (SELECT 1 FROM dossier_steps WHERE sha256 = ?1)`, sha).Scan(&used)
	})
	if err != nil {
		return false, fmt.Errorf("look for content of dossiers: %w", err)
	}
	return used, nil
}

// Get returns a dossier with its events, files and transfers; a problem of class
// NotFound when there is none.
func (s *Store) Get(ctx context.Context, id storage.ID) (d Dossier, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		d, _, err = load(tx, `id = ?`, id)
		return err
	})
	return d, reading(err)
}

// ByCode returns the dossier of this office with that code, or, of those that were
// handed to it, the newest.
func (s *Store) ByCode(ctx context.Context, c code.Dossier) (d Dossier, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		d, _, err = load(tx, `code_key = ? ORDER BY guest, seq DESC LIMIT 1`, c.Key())
		return err
	})
	return d, reading(err)
}

func unknown() error { return problem.New(problem.NotFound, "dossier.unknown", "", nil) }

func reading(err error) error {
	var p *problem.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("read dossier: %w", err)
}

// acting is one act on one dossier, within its transaction.
type acting struct {
	s   *Store
	tx  *sqlite.Tx
	by  Actor
	seq int64
	d   Dossier
	new []Event // of this act
}

// act changes a dossier. seen is the version that the actor saw, 0 for whichever
// there is.
func (s *Store) act(ctx context.Context, id storage.ID, by Actor, seen int, fn func(a *acting) error) (d Dossier, err error) {
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		d, err = s.actIn(tx, id, by, seen, fn)
		return err
	})
	return d, saving(err)
}

// actIn is act within a transaction that does more.
func (s *Store) actIn(tx *sqlite.Tx, id storage.ID, by Actor, seen int, fn func(a *acting) error) (Dossier, error) {
	a := &acting{s: s, tx: tx, by: by}
	var err error
	if a.d, a.seq, err = load(tx, `id = ?`, id); err != nil {
		return Dossier{}, err
	}
	if seen != 0 && seen != a.d.Version {
		return Dossier{}, a.conflict()
	}
	if a.d.Erased {
		return Dossier{}, problem.New(problem.Conflict, "dossier.erased", "", nil)
	}
	if err := a.timely(); err != nil {
		return Dossier{}, err
	}
	if err := fn(a); err != nil {
		return Dossier{}, err
	}
	return a.d, a.saveAlso()
}

func saving(err error) error {
	var p *problem.Problem
	switch {
	case err == nil || errors.As(err, &p):
		return err
	case errors.Is(err, storage.ErrFull):
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return fmt.Errorf("save dossier: %w", err)
}

// conflict tells who changed what the actor has seen.
func (a *acting) conflict() error {
	args := i18n.Args{"name": "", "time": ""}
	if n := len(a.d.Events); n > 0 {
		last := a.d.Events[n-1]
		args["name"], args["time"] = last.By, clockTime(last.Learnt)
		if p := a.d.Apology; p != nil && p.BackAt.After(last.Learnt) {
			args["name"], args["time"] = p.BackBy, clockTime(p.BackAt)
		} else if p != nil && p.At.After(last.Learnt) {
			args["name"], args["time"] = p.By, clockTime(p.At)
		}
	}
	return problem.New(problem.Conflict, "dossier.changed", "", args)
}

// event has something happen now, by the actor.
func (a *acting) event(e Event) error {
	if !a.by.may(e.Kind) {
		return problem.New(problem.Denied, "dossier.not-allowed", "", i18n.Args{"act": i18n.Say("dossier.kind." + string(e.Kind))})
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	e.ID, e.Office, e.By = id, a.s.me, a.by.Name
	if e.At.IsZero() {
		e.At = a.now()
	}
	e.Unsure = a.s.unsure()
	return a.take(e)
}

// take writes an event that may have happened elsewhere.
func (a *acting) take(e Event) error {
	e.Learnt = a.tx.Now()
	before := a.d.Status
	if err := a.d.Apply(e, a.d.Procedure.PaymentStops); err != nil {
		return err
	}
	if err := a.s.write(a.tx, a.seq, a.d, e, before); err != nil {
		return err
	}
	a.new, a.d.Events = append(a.new, e), append(a.d.Events, e)
	if err := a.dropDraft(e); err != nil {
		return err
	}
	if !e.Moot {
		a.follow(e)
	}
	return nil
}

// save writes how the dossier stands, and the audit entries of what happened.
func (a *acting) save() error {
	a.d.Version++
	a.d.Changed = a.tx.Now()
	if err := update(a.tx, a.seq, a.d); err != nil {
		return err
	}
	owe := slices.ContainsFunc(a.new, func(e Event) bool { return !e.Moot && (toAsked[e.Kind] || toAsking[e.Kind]) })
	if err := a.saveTransfers(owe); err != nil {
		return err
	}
	a.tx.OnCommit(a.s.kick)
	a.tx.OnCommit(a.s.announce)
	for _, e := range a.new {
		detail := map[string]string{"code": a.d.Code.String(), "status": a.d.Status.String()}
		if e.Office != a.s.me {
			detail["office"] = e.Office
		}
		if err := audit.Append(a.tx, audit.Entry{Actor: a.by.Person, Action: "dossier." + string(e.Kind), Subject: a.d.ID.String(), Detail: detail}); err != nil {
			return err
		}
	}
	return nil
}

// Opened notes in the audit log who looked at the personal data of a dossier.
func (s *Store) Opened(ctx context.Context, d Dossier, by Actor) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: by.Person, Action: "dossier.open", Subject: d.ID.String(), Detail: map[string]string{"code": d.Code.String()}})
	})
	return saving(err)
}

// folded is a dossier as it is searched.
func folded(d Dossier) string {
	return fold.String(d.Code.String() + " " + d.Applicant.Name + " " + d.Applicant.Phone + " " + d.Applicant.Number + " " + d.Procedure.Name + " " +
		d.Procedure.Code.String() + " " + d.Subject + " " + d.Reference)
}

// next gives the next number of a series.
func next(tx *sqlite.Tx, series string) (n int, err error) {
	err = tx.QueryRow(`INSERT INTO dossier_counters (series, last) VALUES (?, 1) ON CONFLICT (series) DO UPDATE SET last = last + 1 RETURNING last`, series).Scan(&n)
	return n, err
}

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
