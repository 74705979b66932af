package dossier

import (
	"context"

	"tram/storage"
	"tram/storage/sqlite"
)

// Refuse tells the applicant why the dossier is not taken in (form 03).
func (s *Store) Refuse(ctx context.Context, id storage.ID, reason, legal string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Refused, Text: reason, Legal: legal}, true, by, seen)
}

// Start says that somebody works on the dossier; handler is who, as shown.
func (s *Store) Start(ctx context.Context, id storage.ID, handler string, by Actor, seen int) (Dossier, error) {
	var v faults
	handler = v.name("handler", handler)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		a.d.Handler = handler
		return a.event(Event{Kind: Started, Text: handler})
	})
}

// AskSupplement asks the applicant for what is missing (form 02). The clock stands
// until it comes.
func (s *Store) AskSupplement(ctx context.Context, id storage.ID, what, legal string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: SupplementAsked, Text: what, Legal: legal}, true, by, seen)
}

// Supplement takes in what was asked for. The clock goes on with the working time
// that was left when it was asked for.
func (s *Store) Supplement(ctx context.Context, id storage.ID, copies []int, list []Upload, note string, by Actor, seen int) (Dossier, error) {
	var v faults
	note = v.text("note", note, false)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	staged, err := s.stage(ctx, list, MaxPapers)
	if err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		if err := a.d.Allows(Supplemented); err != nil {
			return err
		}
		if err := a.copies(copies); err != nil {
			return err
		}
		if err := a.files(staged); err != nil {
			return err
		}
		return a.resume(Event{Kind: Supplemented, Text: note})
	})
}

// AskPayment asks the applicant to pay before the office goes on.
func (s *Store) AskPayment(ctx context.Context, id storage.ID, what string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: PaymentAsked, Text: what}, true, by, seen)
}

// Pay notes that a fee was paid. When the dossier waited for it, it goes on.
func (s *Store) Pay(ctx context.Context, id storage.ID, p Payment, by Actor, seen int) (Dossier, error) {
	return s.act(ctx, id, by, seen, func(a *acting) error {
		var v faults
		v.paid(&a.d, p, a.now())
		if err := v.list.Err(); err != nil {
			return err
		}
		text := a.d.Charges[p.Fee].Fee.Name
		if a.d.Allows(Paid) != nil {
			return a.event(Event{Kind: FeePaid, Text: text})
		}
		return a.resume(Event{Kind: Paid, Text: text})
	})
}

// AskWithdrawal notes that the applicant wishes to have the dossier back.
func (s *Store) AskWithdrawal(ctx context.Context, id storage.ID, reason string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: WithdrawalAsked, Text: reason}, false, by, seen)
}

// Withdraw gives it back (form 05).
func (s *Store) Withdraw(ctx context.Context, id storage.ID, note string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Withdrawn, Text: note}, false, by, seen)
}

// DenyWithdrawal goes on with it.
func (s *Store) DenyWithdrawal(ctx context.Context, id storage.ID, reason string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: WithdrawalDenied, Text: reason}, true, by, seen)
}

// Stop ends the work without a result, by a decision (form 05).
func (s *Store) Stop(ctx context.Context, id storage.ID, reason, legal string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Stopped, Text: reason, Legal: legal}, true, by, seen)
}

// Finish gives the result.
func (s *Store) Finish(ctx context.Context, id storage.ID, r Result, list []Upload, by Actor, seen int) (Dossier, error) {
	var v faults
	r.Name, r.Number, r.Text = v.name("result", r.Name), v.short("number", r.Number), v.text("text", r.Text, false)
	v.day("date", r.Date, false)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	for i := range list {
		list[i].Role, list[i].Paper = RoleResult, -1
	}
	staged, err := s.stage(ctx, list, 0)
	if err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		a.d.Results = append(a.d.Results, r)
		if err := a.event(Event{Kind: Finished, Text: r.Name}); err != nil {
			return err
		}
		return a.files(staged)
	})
}

// Reopen takes a result back that was not given out yet.
func (s *Store) Reopen(ctx context.Context, id storage.ID, reason string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Reopened, Text: reason}, true, by, seen)
}

// Return gives the result to the applicant; to is who took it, and how.
func (s *Store) Return(ctx context.Context, id storage.ID, to string, by Actor, seen int) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Returned, Text: to}, false, by, seen)
}

// Note keeps a note of progress.
func (s *Store) Note(ctx context.Context, id storage.ID, text string, by Actor) (Dossier, error) {
	return s.say(ctx, id, Event{Kind: Noted, Text: text}, true, by, 0)
}

// Link notes a document of this office that was drafted for the dossier.
func (s *Store) Link(ctx context.Context, id, document storage.ID, symbol string, by Actor) (d Dossier, err error) {
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		d, err = s.LinkIn(tx, id, document, symbol, by)
		return err
	})
	return d, saving(err)
}

// LinkIn is Link within the transaction that saves the document.
func (s *Store) LinkIn(tx *sqlite.Tx, id, document storage.ID, symbol string, by Actor) (Dossier, error) {
	return s.actIn(tx, id, by, 0, func(a *acting) error {
		a.d.Results = append(a.d.Results, Result{Name: symbol, Document: document})
		return a.event(Event{Kind: Linked, Text: symbol})
	})
}

// say is an act that is an event and no more. need says that its text may not be
// empty.
func (s *Store) say(ctx context.Context, id storage.ID, e Event, need bool, by Actor, seen int) (Dossier, error) {
	var v faults
	e.Text, e.Legal = v.text("text", e.Text, need), v.text("legal", e.Legal, false)
	if err := v.list.Err(); err != nil {
		return Dossier{}, err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error { return a.event(e) })
}
