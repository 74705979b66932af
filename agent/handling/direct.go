package handling

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
)

// Instruction is what a leader decides about a document.
type Instruction struct {
	Text string
	Of   string // whose opinion it is, "" for the actor's
	Lead []Assignee
	// Support and Inform may be empty. Who is to know sees the content as well.
	Support, Inform []Assignee
	Deadline        string // yyyy-mm-dd, "" none; of who leads and supports
	HandOver        bool   // at once
}

// faults collects what is wrong with what somebody typed.
type faults struct{ list problem.List }

func (f *faults) add(code, field string, args i18n.Args) {
	f.list = append(f.list, problem.New(problem.Usage, code, field, args))
}

// text cleans a text; need is the problem when it is empty, "" when it may be.
func (f *faults) text(field, text, need string) string {
	text = register.Clean(text)
	switch n := utf8.RuneCountInString(text); {
	case n > MaxText:
		f.add("handling.too-long", field, i18n.Args{"max": MaxText, "have": n})
	case n == 0 && need != "":
		f.add(need, field, nil)
	}
	return text
}

// deadline checks a date that is set now.
func (f *faults) deadline(date string, now time.Time) {
	if date == "" {
		return
	}
	switch due, _ := DueOn(date, now); due {
	case NoDue:
		f.add("handling.deadline", "deadline", nil)
	case Overdue:
		f.add("handling.past-deadline", "deadline", i18n.Args{"date": dayWords(date)})
	}
}

// assignees cleans names and drops those that are there twice.
func (f *faults) assignees(field string, list []Assignee, seen map[string]bool) (clean []Assignee) {
	for _, who := range list {
		who.Name = strings.Join(strings.Fields(register.Clean(who.Name)), " ")
		if who.Name == "" {
			continue
		}
		if utf8.RuneCountInString(who.Name) > MaxName {
			f.add("handling.long-name", field, i18n.Args{"max": MaxName})
			continue
		}
		if key := who.key(); !seen[key] {
			seen[key] = true
			clean = append(clean, who)
		}
	}
	return clean
}

// key tells assignees apart.
func (a Assignee) key() string {
	if a.Person != "" {
		return "person " + a.Person
	}
	return "unit " + strings.ToLower(a.Name)
}

// dayWords is a date as people read it.
func dayWords(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("02/01/2006")
}

func clockTime(t time.Time) string { return t.In(clock.Vietnam).Format("15:04 02/01/2006") }

// directs refuses who may act on their own parts alone.
func directs(by Actor) error {
	if !by.Directs {
		return problem.New(problem.Denied, "handling.not-yours", "", nil)
	}
	return nil
}

// Submit hands a document to a leader for an opinion.
func (s *Store) Submit(ctx context.Context, id storage.ID, leader Assignee, by Actor, seen int) error {
	if err := directs(by); err != nil {
		return err
	}
	var f faults
	to := f.assignees("leader", []Assignee{leader}, map[string]bool{})
	if len(f.list) == 0 && len(to) == 0 {
		f.add("handling.no-leader", "leader", nil)
	}
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		if a.w.State != Submitted {
			return problem.New(problem.Conflict, "handling.instructed", "", i18n.Args{"who": a.w.Instruction.Of})
		}
		a.w.Leader, a.w.Submitted = to[0], a.tx.Now()
		return a.step(Step{Kind: StepSubmitted, Who: to[0].Name})
	})
}

// Instruct keeps an instruction. A second one adds to the first: who has a part
// already keeps it, who supports may come to lead, and the text in force is the new one.
func (s *Store) Instruct(ctx context.Context, id storage.ID, in Instruction, by Actor, seen int) error {
	if err := directs(by); err != nil {
		return err
	}
	var f faults
	in.Text, in.Of = f.text("instruction", in.Text, ""), f.text("opinion_of", in.Of, "")
	named := map[string]bool{}
	in.Lead = f.assignees("lead", in.Lead, named)
	in.Support, in.Inform = f.assignees("support", in.Support, named), f.assignees("inform", in.Inform, named)
	f.deadline(in.Deadline, s.now())
	if err := f.list.Err(); err != nil {
		return err
	}
	if in.Of == "" {
		in.Of = by.Name
	}
	return s.act(ctx, id, by, seen, func(a *acting) error { return a.instruct(in) })
}

func (a *acting) instruct(in Instruction) error {
	if a.w.State == Done {
		return problem.New(problem.Conflict, "handling.done", "", nil)
	}
	if len(in.Lead) == 0 && !a.leads() {
		return problem.New(problem.Usage, "handling.no-lead", "lead", nil)
	}
	a.w.Instruction = Opinion{Text: in.Text, Of: in.Of, At: a.tx.Now()}
	if err := a.step(Step{Kind: StepInstructed, Who: in.Of, Text: in.Text, Deadline: in.Deadline}); err != nil {
		return err
	}
	for _, group := range []struct {
		role Role
		list []Assignee
	}{{Lead, in.Lead}, {Support, in.Support}, {Inform, in.Inform}} {
		for _, who := range group.list {
			if err := a.name(group.role, who, in.Deadline); err != nil {
				return err
			}
		}
	}
	if in.HandOver {
		return a.handOver()
	}
	return nil
}

// leads tells whether somebody leads who is not finished.
func (a *acting) leads() bool {
	for _, p := range a.w.Parts {
		if p.Role == Lead && p.working() {
			return true
		}
	}
	return false
}

// name makes a part for somebody who has no part of the role yet. Who had a lesser
// one gets the new one in its place.
func (a *acting) name(role Role, who Assignee, deadline string) error {
	if role == Inform {
		deadline = ""
	}
	for i := range a.w.Parts {
		p := &a.w.Parts[i]
		if !p.working() || p.Assignee.key() != who.key() {
			continue
		}
		if p.Role == role || p.Role == Lead || role == Inform {
			return nil
		}
		p.State, p.Ended = PartPassed, a.tx.Now()
		if err := a.keep(p); err != nil {
			return err
		}
	}
	if err := a.add(Part{Role: role, Assignee: who, Deadline: deadline, State: PartWaiting}); err != nil {
		return err
	}
	return a.step(Step{Kind: StepNamed, Role: role, Who: who.Name, Deadline: deadline})
}

// HandOver gives a document to all who were named and do not have it yet.
func (s *Store) HandOver(ctx context.Context, id storage.ID, by Actor, seen int) error {
	if err := directs(by); err != nil {
		return err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error {
		for _, p := range a.w.Parts {
			if p.State == PartWaiting {
				return a.handOver()
			}
		}
		return problem.New(problem.Conflict, "handling.nobody-waits", "", nil)
	})
}

func (a *acting) handOver() error {
	var all, lead []string
	for i := range a.w.Parts {
		p := &a.w.Parts[i]
		if p.State != PartWaiting {
			continue
		}
		p.State, p.HandedOver = PartOpen, a.tx.Now()
		if err := a.keep(p); err != nil {
			return err
		}
		all = append(all, p.Assignee.Name)
		if p.Role == Lead {
			lead = append(lead, p.Assignee.Name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	if a.w.HandedOver.IsZero() {
		a.w.HandedOver = a.tx.Now()
	}
	if err := a.step(Step{Kind: StepHandedOver, Who: strings.Join(all, ", ")}); err != nil {
		return err
	}
	if len(lead) == 0 {
		return nil
	}
	return a.assigned(strings.Join(lead, ", "))
}

// Withdraw takes an instruction back with all parts that are not finished; the
// document waits for an opinion again.
func (s *Store) Withdraw(ctx context.Context, id storage.ID, reason string, by Actor, seen int) error {
	return s.reasoned(ctx, id, reason, by, seen, func(a *acting, reason string) error {
		if a.w.State != Instructed && a.w.State != Open {
			return problem.New(problem.Conflict, "handling.none", "", nil)
		}
		for i := range a.w.Parts {
			p := &a.w.Parts[i]
			if !p.working() {
				continue
			}
			p.State, p.Ended = PartWithdrawn, a.tx.Now()
			if err := a.keep(p); err != nil {
				return err
			}
		}
		a.w.Instruction = Opinion{}
		return a.step(Step{Kind: StepWithdrawn, Text: reason})
	})
}

// Reopen takes finished work up again: who led it last has it back.
func (s *Store) Reopen(ctx context.Context, id storage.ID, reason string, by Actor, seen int) error {
	return s.reasoned(ctx, id, reason, by, seen, func(a *acting, reason string) error {
		if a.w.State != Done {
			return problem.New(problem.Conflict, "handling.not-done", "", nil)
		}
		a.w.Finished, a.w.Result = time.Time{}, ""
		var back []string
		for i := range a.w.Parts {
			p := &a.w.Parts[i]
			if p.Role != Lead || p.State != PartDone {
				continue
			}
			p.State, p.Ended, p.Result = PartOpen, time.Time{}, ""
			if err := a.keep(p); err != nil {
				return err
			}
			back = append(back, p.Assignee.Name)
		}
		if len(back) == 0 {
			a.w.Instruction = Opinion{} // it was answered without one: it waits again
		}
		return a.step(Step{Kind: StepReopened, Who: strings.Join(back, ", "), Text: reason})
	})
}

// Extend gives a part another deadline; part 0 is all that are not finished.
func (s *Store) Extend(ctx context.Context, id storage.ID, part int64, deadline, reason string, by Actor, seen int) error {
	var f faults
	if f.deadline(deadline, s.now()); deadline == "" {
		f.add("handling.deadline", "deadline", nil)
	}
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.reasoned(ctx, id, reason, by, seen, func(a *acting, reason string) error {
		var whose []string
		for i := range a.w.Parts {
			p := &a.w.Parts[i]
			if !p.working() || p.Role == Inform || part != 0 && p.ID != part || p.Deadline == deadline {
				continue
			}
			p.Deadline = deadline
			if err := a.keep(p); err != nil {
				return err
			}
			whose = append(whose, p.Assignee.Name)
		}
		if len(whose) == 0 {
			return problem.New(problem.Conflict, "handling.no-part", "", nil)
		}
		return a.step(Step{Kind: StepExtended, Who: strings.Join(whose, ", "), Text: reason, Deadline: deadline})
	})
}

// reasoned is an act of who directs, which needs a reason.
func (s *Store) reasoned(ctx context.Context, id storage.ID, reason string, by Actor, seen int, fn func(a *acting, reason string) error) error {
	if err := directs(by); err != nil {
		return err
	}
	var f faults
	reason = f.text("reason", reason, "handling.no-reason")
	if err := f.list.Err(); err != nil {
		return err
	}
	return s.act(ctx, id, by, seen, func(a *acting) error { return fn(a, reason) })
}
