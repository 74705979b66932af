package dossier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Bounds of what is handed in.
const (
	MaxFiles = 100       // of one act
	MaxFile  = 200 << 20 // bytes of one file
	MaxSets  = 50
	// MaxCopies is how many copies of one paper may be handed in. Hard.
	MaxCopies = 99
	// maxBackdate is how long after it happened a reception may be entered, such as one
	// that was taken on paper while the power was out.
	maxBackdate = 7 * 24 * time.Hour
)

// Upload is a file that is handed in. Body is read once.
type Upload struct {
	Role  FileRole
	Paper int // index of the paper that it is, -1 for none
	Name  string
	Media string
	Body  io.Reader
}

// Filing is what an applicant, or a system on their behalf, hands in.
type Filing struct {
	Procedure code.Procedure
	Subject   string
	Applicant Applicant
	Channel   Channel
	Copies    []int // of each paper of the procedure; missing ones are 0
	Sets      int   // 0 for 1
	Way       Way   // "" for WayDesk
	Paid      []Payment
	Files     []Upload
	// At is when it was handed in; zero for now.
	At time.Time
	// Code is the one that another system gave it, zero to have this office give one.
	Code code.Dossier
	// Reference is the number at the application that files it. The same one again is
	// answered with the dossier that there is.
	Reference string
}

// Payment says that a fee was paid.
type Payment struct {
	Fee     int // index of the charge
	Receipt string
	Online  bool
}

// Receive takes a dossier in at the desk: it is registered and accepted at once, and
// has its code, its number in the book and its date of return.
func (s *Store) Receive(ctx context.Context, f Filing, by Actor) (Dossier, error) {
	return s.file(ctx, f, by, func(a *acting) error { return a.accept(a.d.Filed) })
}

// File registers a dossier that somebody still has to look at, see [Store.Accept].
func (s *Store) File(ctx context.Context, f Filing, by Actor) (Dossier, error) {
	return s.file(ctx, f, by, nil)
}

// ReceiveLacking registers a dossier that lacks papers and asks for them (form 02).
// Its clock starts when they have come and it is accepted.
func (s *Store) ReceiveLacking(ctx context.Context, f Filing, what, legal string, by Actor) (Dossier, error) {
	return s.filedWith(ctx, f, Event{Kind: SupplementAsked, Text: what, Legal: legal}, by)
}

// TurnAway registers a dossier that is not taken in, with the reason (form 03).
func (s *Store) TurnAway(ctx context.Context, f Filing, reason, legal string, by Actor) (Dossier, error) {
	return s.filedWith(ctx, f, Event{Kind: Refused, Text: reason, Legal: legal}, by)
}

func (s *Store) filedWith(ctx context.Context, f Filing, e Event, by Actor) (Dossier, error) {
	var v faults
	e.Text, e.Legal = v.text("text", e.Text, true), v.text("legal", e.Legal, false)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.file(ctx, f, by, func(a *acting) error { return a.event(e) })
}

// file registers a dossier; then is what follows at once, nil for nothing.
func (s *Store) file(ctx context.Context, f Filing, by Actor, then func(a *acting) error) (Dossier, error) {
	if d, ok, err := s.filed(ctx, f, by); err != nil || ok {
		return d, err
	}
	d, err := s.check(ctx, f, by)
	if err != nil {
		return Dossier{}, err
	}
	staged, err := s.stage(ctx, f.Files, len(d.Papers))
	if err != nil {
		return Dossier{}, err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		a := &acting{s: s, tx: tx, by: by, d: d}
		if err := a.register(f); err != nil {
			return err
		}
		if err := a.files(staged); err != nil {
			return err
		}
		if then != nil {
			if err := then(a); err != nil {
				return err
			}
		}
		if err := a.saveAlso(); err != nil {
			return err
		}
		d = a.d
		return nil
	})
	if sqlite.IsUnique(err) { // two at a time: the other one was first
		if d, ok, err := s.filed(ctx, f, by); err != nil || ok {
			return d, err
		}
		return Dossier{}, problem.New(problem.Conflict, "dossier.code-taken", "code", i18n.Args{"code": f.Code.String()}).Because(err)
	}
	if err != nil {
		return Dossier{}, saving(err)
	}
	return s.Get(ctx, d.ID)
}

// filed finds what the application filed before under the same reference.
func (s *Store) filed(ctx context.Context, f Filing, by Actor) (d Dossier, ok bool, err error) {
	return s.Filed(ctx, by.App, f.Reference)
}

// Filed is what an application filed under its reference; ok is false for nothing.
func (s *Store) Filed(ctx context.Context, app, reference string) (d Dossier, ok bool, err error) {
	if reference = line(reference); app == "" || reference == "" {
		return d, false, nil
	}
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		d, _, err = load(tx, `app = ? AND reference = ?`, app, reference)
		return err
	})
	if errors.Is(err, unknown()) {
		return Dossier{}, false, nil
	}
	return d, err == nil, reading(err)
}

// check makes the dossier of a filing.
func (s *Store) check(ctx context.Context, f Filing, by Actor) (Dossier, error) {
	var v faults
	now := s.now()
	if f.At.IsZero() {
		f.At = now
	}
	if f.At.After(now) || now.Sub(f.At) > maxBackdate {
		v.add("dossier.filed-at", "at", i18n.Args{"days": int(maxBackdate / (24 * time.Hour))})
	}
	d := Dossier{
		Owner: s.me, OwnerName: s.name, Subject: v.text("subject", f.Subject, false), Applicant: v.applicant(f.Applicant), Channel: f.Channel,
		Sets: max(f.Sets, 1), Way: f.Way, App: by.App, Reference: v.short("reference", f.Reference), Code: f.Code, Results: []Result{},
	}
	p, err := s.InForce(ctx, f.Procedure, f.At)
	if err != nil {
		v.err(err)
		return d, v.list.Err()
	}
	d.Procedure, d.Papers, d.Charges = p, []Handed{}, []Charge{}
	if d.Sets > MaxSets {
		v.add("dossier.sets", "sets", i18n.Args{"limit": MaxSets})
	}
	if d.Channel < AtDesk || d.Channel > ByPost {
		v.add("dossier.channel", "channel", nil)
	}
	switch d.Way {
	case "":
		d.Way = WayDesk
	case WayDesk, WayPost, WayOnline:
	default:
		v.add("dossier.way", "way", nil)
	}
	for i, paper := range p.Papers {
		h := Handed{Paper: paper}
		if i < len(f.Copies) {
			h.Copies = f.Copies[i]
		}
		v.copies(i, h)
		d.Papers = append(d.Papers, h)
	}
	for _, fee := range p.Fees {
		d.Charges = append(d.Charges, Charge{Fee: fee})
	}
	for _, paid := range f.Paid {
		v.paid(&d, paid, f.At)
	}
	return d, v.list.Err()
}

func (v *faults) applicant(a Applicant) Applicant {
	a.Name = v.name("applicant.name", a.Name)
	a.Number, a.Address, a.Phone = v.short("applicant.number", a.Number), v.short("applicant.address", a.Address), v.short("applicant.phone", a.Phone)
	a.Email, a.Agent = v.short("applicant.email", a.Email), v.short("applicant.agent", a.Agent)
	if a.Kind != Citizen && a.Kind != Organisation {
		v.add("dossier.applicant-kind", "applicant.kind", nil)
	}
	return a
}

func (v *faults) paid(d *Dossier, p Payment, at time.Time) {
	if p.Fee < 0 || p.Fee >= len(d.Charges) {
		v.add("dossier.no-fee", "paid", nil)
		return
	}
	c := &d.Charges[p.Fee]
	c.Paid, c.Receipt, c.Online = at, v.short("receipt", p.Receipt), p.Online
}

// staged is a file whose bytes are stored.
type staged struct {
	Upload
	content blob.Content
}

func (s *Store) stage(ctx context.Context, list []Upload, papers int) ([]staged, error) {
	var v faults
	if len(list) > MaxFiles {
		v.add("dossier.files", "files", i18n.Args{"limit": MaxFiles})
		return nil, v.list.Err()
	}
	var done []staged
	for _, u := range list {
		args := i18n.Args{"name": u.Name, "limit": MaxFile >> 20}
		u.Name = line(u.Name)
		if u.Name == "" || utf8.RuneCountInString(u.Name) > 255 || u.Paper < -1 || u.Paper >= papers {
			v.add("dossier.file", "files", args)
			continue
		}
		body := &storage.Source{R: u.Body}
		c, err := s.blobs.Stage(ctx, body, MaxFile)
		switch {
		case errors.Is(err, blob.ErrTooLarge):
			v.add("dossier.file-large", "files", args)
		case body.Err != nil:
			v.err(problem.New(problem.Usage, "dossier.file-unreadable", "files", args).Because(body.Err))
		case err != nil:
			return nil, saving(err)
		case c.Size == 0:
			v.add("dossier.file-empty", "files", args)
		}
		done = append(done, staged{u, c})
	}
	return done, v.list.Err()
}

func (a *acting) files(list []staged) error {
	for _, f := range list {
		role := f.Role
		if role == "" {
			role = RolePaper
		}
		err := insertFile(a.tx, a.seq, File{Role: role, Paper: f.Paper, Name: f.Name, Media: f.Media, From: a.s.me, Content: f.content})
		if err != nil {
			return err
		}
	}
	return nil
}

// register writes a new dossier with its code and its first event.
func (a *acting) register(f Filing) (err error) {
	at := f.At
	if at.IsZero() {
		at = a.tx.Now()
	}
	if a.d.ID, err = uuid.NewV7(); err != nil {
		return err
	}
	if a.d.Code.IsZero() {
		if a.d.Code, err = a.s.issue(a.tx, at); err != nil {
			return err
		}
	}
	e := Event{Kind: Filed, At: at, Office: a.s.me, By: a.by.Name, Unsure: a.s.unsure(), Learnt: a.tx.Now()}
	if e.ID, err = uuid.NewV7(); err != nil {
		return err
	}
	if !a.by.may(Filed) {
		return problem.New(problem.Denied, "dossier.not-allowed", "", i18n.Args{"act": i18n.Say("dossier.kind.filed")})
	}
	if err := a.d.Apply(e, a.d.Procedure.PaymentStops); err != nil {
		return err
	}
	a.d.Changed = a.tx.Now()
	if a.seq, err = insert(a.tx, a.d); err != nil {
		return err
	}
	a.new, a.d.Events = []Event{e}, []Event{e}
	return a.s.write(a.tx, a.seq, a.d, e, 0)
}

// issue gives the next code of the day that is free: other systems may have brought
// dossiers with codes of this office.
func (s *Store) issue(tx *sqlite.Tx, at time.Time) (code.Dossier, error) {
	day, form := at.In(clock.Vietnam), code.New
	if edxml.FormOf(s.agency) == edxml.OrganOld {
		form = code.Old
	}
	for {
		n, err := next(tx, "code "+s.agency+" "+day.Format(time.DateOnly))
		if err != nil {
			return code.Dossier{}, err
		}
		c, err := code.NewDossier(form, s.agency, day, n)
		if err != nil {
			return code.Dossier{}, err
		}
		var taken bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM dossiers WHERE code_key = ? AND guest = 0)`, c.Key()).Scan(&taken); err != nil || !taken {
			return c, err
		}
	}
}

// accept starts the clock: the date of return is set, and the number in the book. Of
// a guest it signs for the hand-over, whose deadline it has.
func (a *acting) accept(at time.Time) error {
	if a.d.Guest {
		return a.event(Event{Kind: Accepted, At: at, Due: a.d.Due})
	}
	var v faults
	for i, h := range a.d.Papers {
		if h.Paper.Required && h.Copies == 0 {
			v.add("dossier.paper-missing", fmt.Sprintf("copies[%d]", i), i18n.Args{"name": h.Paper.Name})
		}
	}
	if err := v.list.Err(); err != nil {
		return err
	}
	due, err := workdays.Due(a.s.Calendar(), a.d.Procedure.Limit, at)
	if err != nil {
		return err
	}
	a.d.Uncovered = due.Uncovered || due.Provisional
	if a.d.Book == 0 {
		if a.d.Book, err = next(a.tx, fmt.Sprintf("book %d", at.In(clock.Vietnam).Year())); err != nil {
			return err
		}
	}
	return a.event(Event{Kind: Accepted, At: at, Due: due.At})
}

// copies checks how many there are of a paper.
func (v *faults) copies(i int, h Handed) {
	if h.Copies < 0 || h.Copies > MaxCopies {
		v.add("dossier.copies", fmt.Sprintf("copies[%d]", i), i18n.Args{"name": h.Paper.Name, "limit": MaxCopies})
	}
}

// copies notes of how many papers there are how many; what is not said stays.
func (a *acting) copies(list []int) error {
	var v faults
	for i := range min(len(list), len(a.d.Papers)) {
		a.d.Papers[i].Copies = list[i]
		v.copies(i, a.d.Papers[i])
	}
	return v.list.Err()
}

// Accept takes in a dossier that was filed. With papers missing it is refused: ask
// for them, or have copies say that they are there.
func (s *Store) Accept(ctx context.Context, id storage.ID, copies []int, by Actor, seen int) (Dossier, error) {
	return s.act(ctx, id, by, seen, func(a *acting) error {
		if err := a.copies(copies); err != nil {
			return err
		}
		return a.accept(a.now())
	})
}
