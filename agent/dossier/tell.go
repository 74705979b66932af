package dossier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Post carries sealed messages to other offices; *office.Office is one.
type Post interface {
	SealMail(ctx context.Context, m office.Mail) (office.SealedMail, error)
	PutMail(tx *sqlite.Tx, m office.SealedMail) error
}

// What the office that is asked hears of the dossier, and what the one that asks.
var (
	toAsked = map[Kind]bool{
		HandedOn: true, HandEnded: true, Supplemented: true, Paid: true, WithdrawalAsked: true, WithdrawalDenied: true, Withdrawn: true, Stopped: true,
		Extended: true, Finished: true, Recalled: true,
	}
	toAsking = map[Kind]bool{
		Accepted: true, Refused: true, Started: true, SupplementAsked: true, PaymentAsked: true, Noted: true, Finished: true, Stopped: true, Reopened: true,
	}
)

// lookEvery is how often what could not be told is tried again.
const lookEvery = time.Minute

// notYet is the problem of an office whose card is still on its way.
const notYet = "send.recipient-not-enrolled"

func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run tells other offices what they are to know, until ctx ends. What a crash or a
// fault kept back is told then or later, once and in order.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := s.Tell(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("other offices not told of dossiers", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// Tell tells what is owed now.
func (s *Store) Tell(ctx context.Context) error {
	if s.post == nil {
		return nil
	}
	var owed []storage.ID
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		var err error
		owed, err = sqlite.Column[storage.ID](tx, `SELECT id FROM dossier_transfers WHERE owed = 1 ORDER BY id`)
		return err
	})
	if err != nil {
		return err
	}
	var faults []error
	for _, id := range owed {
		for more := true; more; {
			if more, err = s.tell(ctx, id); err != nil {
				faults = append(faults, fmt.Errorf("hand-over %s: %w", id, err))
				break
			}
		}
	}
	return errors.Join(faults...)
}

// owing is what one office is to be told next.
type owing struct {
	transfer          Transfer
	seq               int64 // of the dossier
	peer              string
	step              Step
	files             []office.MailFile
	told, given, said int64 // as they are once it is told
	dossier           Dossier
}

// tell tells one step; more says that there may be another.
func (s *Store) tell(ctx context.Context, id storage.ID) (more bool, err error) {
	var o owing
	if err := s.db.View(ctx, func(tx *sqlite.Tx) error { o, err = s.owing(tx, id); return err }); err != nil {
		return false, err
	}
	switch {
	case o.step.Hand == nil && len(o.step.Events) == 0 && len(o.files) == 0:
		return s.settle(ctx, o, nil)
	case o.transfer.Outside || o.transfer.Document != (storage.ID{}):
		more, err = s.carry(ctx, o)
	default:
		more, err = s.mail(ctx, o)
	}
	var p *problem.Problem
	if errors.As(err, &p) && slices.Contains(final, p.Class) && p.Code != notYet {
		return false, s.undeliverable(ctx, o, p)
	}
	return more, err
}

// final are the classes of problems that trying again does not mend.
var final = []problem.Class{problem.Usage, problem.NotFound, problem.Conflict}

// mail sends a step to an office on Trạm.
func (s *Store) mail(ctx context.Context, o owing) (more bool, err error) {
	raw, err := json.Marshal(o.step)
	if err != nil {
		return false, err
	}
	sealed, err := s.post.SealMail(ctx, office.Mail{
		Kind: bundle.KindDossier, To: []string{o.peer}, Name: stepName, Media: stepMedia, Message: raw, Files: o.files, By: o.transfer.By,
	})
	if err != nil {
		return false, err
	}
	return s.settle(ctx, o, &sealed)
}

// owing composes the next step of a hand-over.
func (s *Store) owing(tx *sqlite.Tx, id storage.ID) (o owing, err error) {
	var raw string
	err = tx.QueryRow(`SELECT dossier, peer, told, files, said, content FROM dossier_transfers WHERE id = ?`, id).Scan(&o.seq, &o.peer, &o.told, &o.given, &o.said, &raw)
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal([]byte(raw), &o.transfer); err != nil {
		return o, err
	}
	d, _, err := load(tx, `seq = ?`, o.seq)
	if err != nil {
		return o, err
	}
	o.dossier = d
	o.step = Step{Format: stepFormat, Version: stepVersion, Transfer: id, Number: int(o.said) + 1, Events: []Event{}}
	first := o.said == 0 && !o.transfer.Incoming
	if first {
		o.step.Hand = handOver(d, o.transfer)
	}
	if err := o.events(tx, first); err != nil {
		return o, err
	}
	for _, f := range d.Files {
		if f.ID <= o.given {
			continue
		}
		if len(o.step.Files) == maxPieces { // the rest goes with the next step
			break
		}
		if o.given = f.ID; f.Role == RoleForm || f.From == o.peer {
			continue
		}
		o.step.Files = append(o.step.Files, Piece{f.Role, f.Paper})
		o.files = append(o.files, office.MailFile{Name: f.Name, Media: f.Media, Content: f.Content})
	}
	if o.transfer.Incoming && len(o.step.Events) > 0 {
		o.step.Results = d.Results
	}
	return o, nil
}

// events takes those that the other office has not heard of. What came from it goes
// not back to it.
func (o *owing) events(tx *sqlite.Tx, first bool) error {
	list, err := events(tx, o.seq, o.told)
	if err != nil {
		return err
	}
	tells := toAsked
	if o.transfer.Incoming {
		tells = toAsking
	}
	for _, e := range list {
		if len(o.step.Events) == maxEvents {
			break
		}
		o.told = e.seq
		own := (e.Kind != HandedOn && e.Kind != HandEnded) || e.Transfer == o.transfer.ID
		if e.Office == o.peer && !first || e.Transfer == o.transfer.ID && e.Kind == HandedOn || !own {
			continue
		}
		if first && e.Kind != HandEnded || tells[e.Kind] && !e.Moot {
			e.Learnt = time.Time{}
			o.step.Events = append(o.step.Events, e)
		}
	}
	return nil
}

func handOver(d Dossier, t Transfer) *HandOver {
	return &HandOver{
		Task: t.Task, Note: t.Note, Deadline: t.Deadline, Sent: t.Sent, By: t.By, FromName: t.FromName, ToName: t.ToName, Code: d.Code, Owner: d.Owner,
		OwnerName: d.OwnerName, Due: d.Due, Procedure: d.Procedure, Subject: d.Subject, Applicant: d.Applicant, Channel: d.Channel, Papers: d.Papers, Sets: d.Sets, Way: d.Way,
	}
}

// settle writes that a step was told, with its bundle in the same transaction.
func (s *Store) settle(ctx context.Context, o owing, sealed *office.SealedMail) (more bool, err error) {
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if sealed != nil {
			if err := s.post.PutMail(tx, *sealed); err != nil {
				return err
			}
			o.said++
			o.peer = sealed.To[0].Code
			if err := insertStep(tx, o.transfer.ID, int(o.said), false, sealed.ID, sealed.Created, s.me, sealed.Header, sealed.Head); err != nil {
				return err
			}
		}
		more, err = o.settled(tx)
		return err
	})
	return more, saving(err)
}

// settled writes that all of it was told; more says that there is another step.
func (o owing) settled(tx *sqlite.Tx) (more bool, err error) {
	err = tx.QueryRow(`UPDATE dossier_transfers SET told = ?1, files = ?2, said = ?3, peer = ?4,
			owed = EXISTS (SELECT 1 FROM dossier_events WHERE dossier = ?5 AND seq > ?1) OR EXISTS (SELECT 1 FROM dossier_files WHERE dossier = ?5 AND seq > ?2)
		WHERE id = ?6 RETURNING owed`, o.told, o.given, o.said, o.peer, o.seq, o.transfer.ID).Scan(&more)
	return more, err
}

// undeliverable ends a hand-over to an office that is not there.
func (s *Store) undeliverable(ctx context.Context, o owing, why *problem.Problem) error {
	s.log.Warn("dossier cannot be handed over", "code", o.dossier.Code, "to", o.peer, "reason", why)
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`UPDATE dossier_transfers SET owed = 0 WHERE id = ?`, o.transfer.ID); err != nil {
			return err
		}
		return s.fail(tx, o.transfer.ID, why.Message(i18n.Vietnamese))
	})
}

func insertStep(tx *sqlite.Tx, transfer storage.ID, number int, incoming bool, id storage.ID, at time.Time, signer string, header []byte, head blob.Content) error {
	var inline any
	if head.Inline != nil {
		inline = head.Inline
	}
	_, err := tx.Exec(`INSERT INTO dossier_steps (id, transfer, incoming, number, at, signer, header, size, sha256, inline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, transfer, incoming, number, at, signer, header, head.Size, head.SHA256, inline)
	return err
}
