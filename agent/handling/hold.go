package handling

import (
	"context"
	"errors"
	"fmt"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// part finds a part that is handed over and not finished, and that the actor may
// act on.
func (a *acting) part(id int64) (*Part, error) {
	for i := range a.w.Parts {
		p := &a.w.Parts[i]
		switch {
		case p.ID != id:
			continue
		case !a.by.Directs && (a.by.Person == "" || p.Assignee.Person != a.by.Person):
			return nil, problem.New(problem.Denied, "handling.not-yours", "", nil)
		case p.State != PartOpen:
			return nil, problem.New(problem.Conflict, "handling.no-part", "", nil)
		}
		return p, nil
	}
	return nil, problem.New(problem.Conflict, "handling.no-part", "", nil)
}

// Progress keeps a note on how a part goes on.
func (s *Store) Progress(ctx context.Context, id storage.ID, part int64, text string, by Actor) error {
	var f faults
	text = f.text("progress", text, "handling.no-progress")
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.act(ctx, id, by, 0, func(a *acting) error {
		p, err := a.part(part)
		if err != nil {
			return err
		}
		a.w.Progress = text
		if err := a.step(Step{Kind: StepProgress, Role: p.Role, Who: p.Assignee.Name, Text: text}); err != nil {
			return err
		}
		return a.inProgress()
	})
}

// Finish ends a part with a result, which who only is to know need not give. With
// the last part that leads the work is done, and what supports it ends as well.
func (s *Store) Finish(ctx context.Context, id storage.ID, part int64, result string, by Actor, seen int) error {
	var f faults
	result = f.text("result", result, "")
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		p, err := a.part(part)
		if err != nil {
			return err
		}
		if result == "" && p.Role != Inform {
			return problem.New(problem.Usage, "handling.no-result", "result", nil)
		}
		return errors.Join(a.end(p, result), a.endWork(result))
	})
}

func (a *acting) end(p *Part, result string) error {
	p.State, p.Ended, p.Result = PartDone, a.tx.Now(), result
	if err := a.keep(p); err != nil {
		return err
	}
	return a.step(Step{Kind: StepFinished, Role: p.Role, Who: p.Assignee.Name, Text: result})
}

// endWork ends the work when nobody leads any more and somebody did.
func (a *acting) endWork(result string) error {
	led := false
	for _, p := range a.w.Parts {
		led = led || p.Role == Lead && p.State == PartDone
	}
	if a.leads() || !led || !a.w.Finished.IsZero() {
		return nil
	}
	for i := range a.w.Parts {
		p := &a.w.Parts[i]
		if p.Role != Support || !p.working() {
			continue
		}
		p.State, p.Ended = PartDone, a.tx.Now()
		if err := a.keep(p); err != nil {
			return err
		}
	}
	a.w.Finished, a.w.Result = a.tx.Now(), result
	return a.finished(result)
}

// HandOn gives a part to somebody else: by its holder to who is to do it, or, with
// a reason, by who directs. The deadline stays.
func (s *Store) HandOn(ctx context.Context, id storage.ID, part int64, to Assignee, text string, by Actor, seen int) error {
	var f faults
	text = f.text("reason", text, "")
	list := f.assignees("to", []Assignee{to}, map[string]bool{})
	if len(f.list) == 0 && len(list) == 0 {
		f.add("handling.no-person", "to", nil)
	}
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		p, err := a.part(part)
		if err != nil {
			return err
		}
		kind := StepPassed
		if p.Assignee.Person == "" || p.Assignee.Person != a.by.Person {
			if kind = StepReassigned; text == "" {
				return problem.New(problem.Usage, "handling.no-reason", "reason", nil)
			}
		}
		return a.pass(p, list[0], kind, text)
	})
}

// pass gives a part to somebody else.
func (a *acting) pass(p *Part, to Assignee, kind Kind, text string) error {
	for _, other := range a.w.Parts {
		if other.working() && other.Assignee.key() == to.key() && (other.ID == p.ID || other.Role == p.Role) {
			return problem.New(problem.Usage, "handling.has-it", "to", i18n.Args{"name": to.Name})
		}
	}
	fresh := Part{Role: p.Role, Assignee: to, Deadline: p.Deadline, State: p.State}
	if p.State == PartOpen {
		fresh.HandedOver = a.tx.Now()
	}
	p.State, p.Ended = PartPassed, a.tx.Now()
	if err := a.keep(p); err != nil {
		return err
	}
	role := p.Role
	if err := a.add(fresh); err != nil {
		return err
	}
	return a.step(Step{Kind: kind, Role: role, Who: to.Name, Text: text, Deadline: fresh.Deadline})
}

// Answered notes in the transaction that saves an outgoing document that it
// answers incoming ones. With finish it ends their work, whoever has it; without,
// the work goes on.
func (s *Store) Answered(tx *sqlite.Tx, reply office.Document, answered []storage.ID, finish bool, by Actor) error {
	code := reply.Number
	if reply.Notation != "" {
		code += "/" + reply.Notation
	}
	for _, id := range answered {
		err := s.actIn(tx, id, by, 0, func(a *acting) error { return a.answered(Reply{ID: reply.ID, Code: code}, finish) })
		if err != nil {
			return fmt.Errorf("note answer: %w", err)
		}
	}
	return nil
}

func (a *acting) answered(r Reply, finish bool) error {
	a.w.Reply = r
	if err := a.step(Step{Kind: StepReplied, Text: r.Code}); err != nil {
		return err
	}
	if !finish || a.w.State == Done {
		return nil
	}
	for i := range a.w.Parts {
		p := &a.w.Parts[i]
		if !p.working() || p.Role == Inform {
			continue
		}
		if err := a.end(p, ""); err != nil {
			return err
		}
	}
	a.w.Finished = a.tx.Now()
	return a.finished("")
}

// MayAnswer tells whether somebody may finish the work on a document by answering
// it: who directs, and who holds a part.
func (w Work) MayAnswer(by Actor) bool {
	for _, p := range w.Parts {
		if p.State == PartOpen && p.Role != Inform && by.Person != "" && p.Assignee.Person == by.Person {
			return true
		}
	}
	return by.Directs
}
