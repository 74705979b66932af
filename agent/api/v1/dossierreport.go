package v1

import (
	"errors"
	"fmt"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// StateRequest is the body of reportDossier: how far a one-stop system is with a
// dossier, in its own words or by the number of the national portal.
type StateRequest struct {
	State   string         `json:"state"`
	Status  int            `json:"status"`
	Reason  string         `json:"reason"` // for the applicant; of a return who took the result
	Legal   string         `json:"legal"`
	At      *time.Time     `json:"at"`      // when it happened there; none for now
	By      string         `json:"by"`      // who decided, as shown
	Handler string         `json:"handler"` // who works on it, as shown
	Copies  []int          `json:"copies"`  // of each paper, when it is taken in or supplemented
	Receipt string         `json:"receipt"` // of a payment that was waited for
	Result  *DossierResult `json:"result"`
	Files   []PaperFile    `json:"files"` // of the result
}

// HandOverRequest is the body of handOverDossier.
type HandOverRequest struct {
	To       []string     `json:"to"` // codes of offices
	Task     dossier.Task `json:"task"`
	Note     string       `json:"note"`
	Deadline string       `json:"deadline"` // yyyy-mm-dd
}

// handOverDossier hands a dossier over to offices that the registry knows.
func (s *Server) handOverDossier(c *call) error {
	var q HandOverRequest
	return s.actOn(c, &q, dossier.Desk|dossier.Officer, func(d dossier.Dossier, by dossier.Actor, seen int, _ *papers) error {
		var hands []dossier.Hand
		var faults problem.List
		for i, to := range q.To[:min(len(q.To), dossier.MaxHands+1)] {
			card, _, err := s.o.Directory.Resolve(to)
			if err != nil && !errors.Is(err, registry.ErrNotFound) {
				return err
			}
			if err != nil {
				p := *problem.New(problem.Usage, "send.unknown-recipient", fmt.Sprintf("to[%d]", i), i18n.Args{"code": shown(to)})
				faults.Note(&p)
				continue
			}
			hands = append(hands, dossier.Hand{To: card.Code, Name: card.Name, Task: q.Task, Note: q.Note, Deadline: q.Deadline})
		}
		if err := faults.Err(); err != nil {
			return err
		}
		_, err := s.o.Dossiers.HandOn(c.ctx(), d.ID, hands, by, seen)
		return err
	})
}

// maxSteps is more acts than any way from one status to another has.
const maxSteps = 4

// reportDossier brings a dossier to where the other system has it. The acts between
// are made one after the other; what a crash cuts off is made by the same call again.
func (s *Server) reportDossier(c *call) error {
	var q StateRequest
	sum, d, view, err := c.onDossier(&q)
	if err != nil {
		return err
	}
	to, err := view.reported(q)
	if err != nil {
		return err
	}
	return c.once(false, sum, func(keep keeper) (answer, error) {
		seen, err := c.seen(d)
		if err != nil {
			return answer{}, err
		}
		r := &report{s: s, c: c, q: q, to: to, files: &papers{c: c}}
		defer r.files.release()
		r.by = r.actor(view, keep)
		return r.run(d, seen, view)
	})
}

// reported is the status that a report means.
func (v dossierView) reported(q StateRequest) (code.Status, error) {
	switch s := code.Status(q.Status); {
	case q.State != "" && q.Status != 0:
		return 0, problem.New(problem.Usage, "api.state-twice", "state", nil)
	case q.State != "":
		return v.statusOf(q.State)
	case s.Valid():
		return s, nil
	}
	return 0, problem.New(problem.Usage, "api.no-state", "state", nil)
}

// report is one on its way.
type report struct {
	s     *Server
	c     *call
	q     StateRequest
	to    code.Status
	by    dossier.Actor
	files *papers
	a     answer
}

// actor is the system, or whom it names, with the answer to be kept by the act that
// brings the dossier there.
func (r *report) actor(view dossierView, keep keeper) dossier.Actor {
	by := r.c.actor(dossier.Desk | dossier.Officer | dossier.Leader)
	if r.q.By != "" {
		by.Name = r.q.By
	}
	if r.q.At != nil {
		by.At = *r.q.At
	}
	by.Also = func(tx *sqlite.Tx, d dossier.Dossier) error {
		if d.Status != r.to {
			return nil
		}
		return kept(view, 200, keep, r.files.taken, &r.a)(tx, d)
	}
	return by
}

func (r *report) run(d dossier.Dossier, seen int, view dossierView) (answer, error) {
	for step := 0; d.Status != r.to; step++ {
		if step > 0 && r.to == code.Received && d.Status == code.Processing { // it was further already when it came to wait
			break
		}
		if step == maxSteps {
			return answer{}, problem.New(problem.Conflict, "api.no-way", "state", nil)
		}
		next, err := r.act(d, seen)
		if err != nil {
			return answer{}, err
		}
		d, seen = next, 0
	}
	if r.files.taken != nil && r.a.body != nil {
		r.files.taken.remove()
	}
	if r.a.body == nil {
		return dossierAnswer(200, view.acted(d))
	}
	return r.a, nil
}

// act is the next one on the way.
func (r *report) act(d dossier.Dossier, seen int) (dossier.Dossier, error) {
	ctx, store, q := r.c.ctx(), r.s.o.Dossiers, r.q
	switch r.to {
	case code.Refused:
		return store.Refuse(ctx, d.ID, q.Reason, q.Legal, r.by, seen)
	case code.Supplement:
		return store.AskSupplement(ctx, d.ID, q.Reason, q.Legal, r.by, seen)
	case code.Payment:
		return store.AskPayment(ctx, d.ID, q.Reason, r.by, seen)
	case code.WithdrawalWish:
		return store.AskWithdrawal(ctx, d.ID, q.Reason, r.by, seen)
	case code.Stopped:
		if d.Status == code.WithdrawalWish {
			return store.Withdraw(ctx, d.ID, q.Reason, r.by, seen)
		}
		return store.Stop(ctx, d.ID, q.Reason, q.Legal, r.by, seen)
	case code.Registered:
		return d, problem.New(problem.Conflict, "api.no-way", "state", nil)
	}
	return r.onward(d, seen)
}

// onward leads to a status in which the office works on the dossier or is through.
func (r *report) onward(d dossier.Dossier, seen int) (dossier.Dossier, error) {
	ctx, store, q := r.c.ctx(), r.s.o.Dossiers, r.q
	switch d.Status {
	case code.Registered:
		return store.Accept(ctx, d.ID, q.Copies, r.by, seen)
	case code.Supplement:
		return store.Supplement(ctx, d.ID, q.Copies, nil, q.Reason, r.by, seen)
	case code.Payment:
		return store.Pay(ctx, d.ID, dossier.Payment{Fee: unpaid(d), Receipt: q.Receipt}, r.by, seen)
	case code.WithdrawalWish:
		return store.DenyWithdrawal(ctx, d.ID, q.Reason, r.by, seen)
	case code.Done:
		if r.to == code.Returned {
			return store.Return(ctx, d.ID, q.Reason, r.by, seen)
		}
		if r.to == code.Processing {
			return store.Reopen(ctx, d.ID, q.Reason, r.by, seen)
		}
	case code.Received, code.Processing:
		if r.to == code.Done || r.to == code.Returned {
			return r.finish(d, seen)
		}
		if r.to == code.Processing {
			return store.Start(ctx, d.ID, r.handler(), r.by, seen)
		}
	}
	return d, problem.New(problem.Conflict, "api.no-way", "state", nil)
}

func (r *report) handler() string {
	if r.q.Handler != "" {
		return r.q.Handler
	}
	return r.by.Name
}

// finish gives the result, by the name that the procedure has for it when the system
// names none.
func (r *report) finish(d dossier.Dossier, seen int) (dossier.Dossier, error) {
	files, err := r.files.take(r.q.Files)
	if err != nil {
		return d, err
	}
	result := dossier.Result{Name: d.Procedure.Name}
	if len(d.Procedure.Results) > 0 {
		result.Name = d.Procedure.Results[0]
	}
	if q := r.q.Result; q != nil {
		result = dossier.Result{Name: q.Name, Number: q.Number, Date: q.Date, Text: q.Text}
	}
	return r.s.o.Dossiers.Finish(r.c.ctx(), d.ID, result, files, r.by, seen)
}

// unpaid is the first fee that is not paid, -1 for none.
func unpaid(d dossier.Dossier) int {
	for i, c := range d.Charges {
		if c.Paid.IsZero() {
			return i
		}
	}
	return -1
}
