package dossier

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// mailbox takes what other offices tell of dossiers.
type mailbox struct{ *Store }

// Mailbox is where the office delivers what other offices tell of dossiers.
func (s *Store) Mailbox() office.Mailbox { return mailbox{s} }

func refusal(key string, cause error) error {
	return &office.Refusal{Why: i18n.Say("dossier.refused." + key), Cause: cause}
}

// Take files a step of another office, each once and in its order (P2). Only the
// office of a hand-over speaks about it (P7).
func (s mailbox) Take(tx *sqlite.Tx, d office.Delivery) error {
	step, err := ReadStep(d.Message)
	if err == nil && len(step.Files) != len(d.Files) {
		err = fmt.Errorf("%w: %d files, %d named", errStep, len(d.Files), len(step.Files))
	}
	if err != nil {
		return refusal("step", err)
	}
	dossier, err := s.heardOf(tx, step, d)
	if err != nil || dossier == 0 {
		return err
	}
	a := &acting{s: s.Store, tx: tx, by: Actor{Person: d.From.Code, Name: d.From.Name}}
	if a.d, a.seq, err = load(tx, `seq = ?`, dossier); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE dossier_transfers SET heard = ? WHERE id = ?`, step.Number, step.Transfer); err != nil {
		return err
	}
	if a.d.Erased { // it came after the time for which personal data are kept
		return audit.Append(tx, audit.Entry{Actor: d.From.Code, Action: "dossier.drop-step", Subject: a.d.ID.String(), Detail: map[string]string{"code": a.d.Code.String()}})
	}
	if err := a.hear(step, d); err != nil {
		return err
	}
	return insertStep(tx, step.Transfer, step.Number, true, d.ID, d.Verdict.SignedAt, d.Verdict.Code, d.Header, d.Head)
}

// heardOf finds the dossier of a step, and makes it when the step hands one over. It
// is 0 when the step was heard before.
func (s *Store) heardOf(tx *sqlite.Tx, step Step, d office.Delivery) (dossier int64, err error) {
	var peer string
	var heard int
	err = tx.QueryRow(`SELECT dossier, peer, heard FROM dossier_transfers WHERE id = ?`, step.Transfer).Scan(&dossier, &peer, &heard)
	switch {
	case noRows(err) && step.Hand != nil:
		return s.guest(tx, step, d)
	case noRows(err):
		return 0, office.ErrPremature
	case err != nil:
		return 0, err
	case registry.Key(peer) != registry.Key(d.From.Code):
		return 0, refusal("stranger", fmt.Errorf("transfer %s is with %s", step.Transfer, peer))
	case step.Number <= heard:
		return 0, nil
	case step.Number > heard+1:
		return 0, office.ErrPremature
	}
	return dossier, nil
}

// guest files a dossier that was handed to this office.
func (s *Store) guest(tx *sqlite.Tx, step Step, del office.Delivery) (int64, error) {
	h := step.Hand
	id, err := uuid.NewV7()
	if err != nil {
		return 0, err
	}
	filed, err := uuid.NewV7()
	if err != nil {
		return 0, err
	}
	due := h.Deadline
	if due.IsZero() {
		due = h.Due
	}
	d := Dossier{
		ID: id, Code: h.Code, Owner: h.Owner, OwnerName: h.OwnerName, Guest: true, Transfer: step.Transfer, Procedure: h.Procedure, Subject: h.Subject,
		Applicant: h.Applicant, Channel: h.Channel, Papers: h.Papers, Sets: h.Sets, Way: h.Way, Charges: []Charge{}, Results: []Result{}, Version: 1, Changed: tx.Now(),
	}
	e := Event{ID: filed, Kind: Filed, At: tx.Now(), Learnt: tx.Now(), Office: s.me, By: del.From.Name, Text: h.Note, Due: due, Transfer: step.Transfer, Unsure: s.unsure()}
	return s.insertGuest(tx, &d, e, Transfer{
		ID: step.Transfer, Task: h.Task, From: del.From.Code, FromName: h.FromName, To: s.me, ToName: s.name, Note: h.Note, Deadline: h.Deadline,
		State: Delivered, Incoming: true, Sent: h.Sent, By: h.By,
	})
}

// insertGuest writes a dossier of another office with its first event and the hand-over
// by which it came.
func (s *Store) insertGuest(tx *sqlite.Tx, d *Dossier, e Event, t Transfer) (seq int64, err error) {
	if err := d.Apply(e, false); err != nil {
		return 0, err
	}
	if seq, err = insert(tx, *d); err != nil {
		return 0, err
	}
	if err := s.write(tx, seq, *d, e, 0); err != nil {
		return 0, err
	}
	if err := insertTransfer(tx, seq, t, t.From); err != nil {
		return 0, err
	}
	return seq, audit.Append(tx, audit.Entry{Actor: t.From, Action: "dossier.guest", Subject: d.ID.String(), Detail: map[string]string{
		"code": d.Code.String(), "transfer": t.ID.String(), "task": string(t.Task),
	}})
}

// hear takes the events and files of a step in.
func (a *acting) hear(step Step, d office.Delivery) error {
	for i, f := range d.Files {
		p := step.Files[i]
		role := p.Role
		if role != RolePaper && role != RoleResult {
			role = RoleOther
		}
		if err := insertFile(a.tx, a.seq, File{Role: role, Paper: p.Paper, Name: line(f.Name), Media: f.Media, From: d.From.Code, Content: f.Content}); err != nil {
			return err
		}
	}
	t := a.transfer(step.Transfer)
	for _, e := range step.Events {
		if slices.ContainsFunc(a.d.Events, func(old Event) bool { return old.ID == e.ID }) {
			continue
		}
		e.Transfer = step.Transfer
		var err error
		if t.Incoming {
			err = a.heardFromAsking(e)
		} else {
			err = a.heardFromAsked(t, e, step.Results)
		}
		if err != nil {
			return err
		}
	}
	return a.save()
}

// heardFromAsking takes an event of the office that has handed a dossier to this one.
// What ends the dossier there ends the work here, what was missing may be there now;
// the rest is history.
func (a *acting) heardFromAsking(e Event) error {
	e.Due = time.Time{}
	switch e.Kind {
	case Withdrawn, Stopped, HandEnded, Recalled, Finished:
		e.Kind = Recalled
	case Supplemented, Paid:
		if a.d.Allows(e.Kind) == nil && !a.d.Paused.IsZero() {
			due, err := a.d.resumed(a.s.Calendar(), e.At)
			if err != nil {
				return err
			}
			e.Due = due.At
		}
	default:
		e.Moot = true
	}
	return a.hearEvent(e)
}

// heardFromAsked takes an event of an office that this one has handed a dossier to.
func (a *acting) heardFromAsked(t *Transfer, e Event, results []Result) error {
	e.Due = time.Time{}
	switch e.Kind {
	case Accepted:
		t.State, t.Taken, t.TakenBy = Taken, e.At, e.By
		e.Kind = HandTaken
	case Refused, Stopped:
		t.State, t.Ended, t.Answer = Back, e.At, e.Text
		e.Kind = HandBack
	case Finished:
		return a.answered(t, e, results)
	case Reopened:
		t.State, t.Ended, e.Moot = Taken, time.Time{}, true
	case SupplementAsked, PaymentAsked:
	default:
		e.Moot = true
	}
	return a.hearEvent(e)
}

// answered takes the result of another office. Of the whole dossier it is the result,
// at the time when it came about there.
func (a *acting) answered(t *Transfer, e Event, results []Result) error {
	t.State, t.Ended, t.Answer = Given, e.At, e.Text
	if n := len(results); n > 0 {
		t.Result = results[n-1]
		t.Result.Document = storage.ID{} // of its office
	}
	done := e
	e.Kind = Answered
	if err := a.hearEvent(e); err != nil || t.Task != Decide || a.d.Allows(Finished) != nil {
		return err
	}
	done.ID = uuid.NewSHA1(e.ID, []byte(Finished))
	for _, r := range results {
		r.Document = storage.ID{}
		a.d.Results = append(a.d.Results, r)
	}
	return a.hearEvent(done)
}

// hearEvent writes an event of another office; one that comes too late to move the
// dossier is history.
func (a *acting) hearEvent(e Event) error {
	e.Moot = e.Moot || a.d.Allows(e.Kind) != nil
	return a.take(e)
}

// Refuse notes a step that did not verify or was refused; its sender is told.
func (s mailbox) Refuse(tx *sqlite.Tx, u office.Undelivered) error {
	why := ""
	if u.Why != nil {
		why = u.Why.Text(i18n.Vietnamese)
	}
	return audit.Append(tx, audit.Entry{Actor: u.From.Code, Action: "dossier.refuse-step", Subject: u.ID.String(), Detail: map[string]string{"why": why}})
}

// Told follows a step of ours. A hand-over that arrived is marked so; one that came
// back, or never arrived, ends with the reason.
func (s mailbox) Told(tx *sqlite.Tx, id storage.ID, e office.MailEvent) error {
	var transfer storage.ID
	var number int
	err := tx.QueryRow(`SELECT transfer, number FROM dossier_steps WHERE id = ? AND incoming = 0`, id).Scan(&transfer, &number)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch e.Step {
	case office.Delivered:
		return s.arrived(tx, transfer, number)
	case office.Returned, office.Failed:
		return s.fail(tx, transfer, e.Note)
	}
	return nil
}

func (s *Store) arrived(tx *sqlite.Tx, transfer storage.ID, number int) error {
	a, t, err := s.following(tx, transfer)
	if err != nil || number != 1 || t.Incoming || t.State != Sending {
		return err
	}
	t.State = Delivered
	return a.saveTransfers(false)
}

// fail ends a hand-over whose steps do not reach the other office.
func (s *Store) fail(tx *sqlite.Tx, transfer storage.ID, why string) error {
	a, t, err := s.following(tx, transfer)
	if err != nil {
		return err
	}
	kind := HandEnded
	if t.Incoming || !t.running() { // what is ended stays so; that it was not told is history
		kind = Noted
	} else {
		t.State, t.Ended, t.Answer = Ended, tx.Now(), why
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	e := Event{ID: id, Kind: kind, At: tx.Now(), Office: s.me, By: s.name, Text: why, Transfer: transfer}
	if kind == Noted {
		e.Text, e.Moot = i18n.T(i18n.Vietnamese, "dossier.not-told", i18n.Args{"why": why}), true
	}
	return errors.Join(a.hearEvent(e), a.save())
}

// following is a change that nobody here makes.
func (s *Store) following(tx *sqlite.Tx, transfer storage.ID) (*acting, *Transfer, error) {
	var seq int64
	if err := tx.QueryRow(`SELECT dossier FROM dossier_transfers WHERE id = ?`, transfer).Scan(&seq); err != nil {
		return nil, nil, err
	}
	a := &acting{s: s, tx: tx, by: Actor{Person: s.me, Name: s.name}}
	var err error
	a.d, a.seq, err = load(tx, `seq = ?`, seq)
	return a, a.transfer(transfer), err
}
