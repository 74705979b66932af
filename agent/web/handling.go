package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
	"tram/storage"
	"tram/storage/sqlite"
)

// Handling is how documents are worked on after they were accepted.
// *handling.Store is one. Errors are as those of [Desk].
type Handling interface {
	HandlingRecords
	Directing
	Holding
}

// HandlingRecords reads it.
type HandlingRecords interface {
	Of(ctx context.Context, id storage.ID) (w handling.Work, ok bool, err error)
	Some(ctx context.Context, ids []storage.ID) (map[storage.ID]handling.Work, error)
	Holds(ctx context.Context, id storage.ID, person string) (bool, error)
	Todo(ctx context.Context, who handling.Actor) (handling.Todo, error)
	Mine(ctx context.Context, person string, ended bool, offset int) (items []handling.Item, total int, err error)
	Load(ctx context.Context) (map[string]int, error)
}

// Directing is what leaders do, and clerks on their behalf.
type Directing interface {
	Submit(ctx context.Context, id storage.ID, leader handling.Assignee, by handling.Actor, seen int) error
	Instruct(ctx context.Context, id storage.ID, in handling.Instruction, by handling.Actor, seen int) error
	HandOver(ctx context.Context, id storage.ID, by handling.Actor, seen int) error
	Extend(ctx context.Context, id storage.ID, part int64, deadline, reason string, by handling.Actor, seen int) error
	Withdraw(ctx context.Context, id storage.ID, reason string, by handling.Actor, seen int) error
	Reopen(ctx context.Context, id storage.ID, reason string, by handling.Actor, seen int) error
	ReassignAll(ctx context.Context, from string, to handling.Assignee, reason string, by handling.Actor) (n int, err error)
}

// Holding is what who has a document does.
type Holding interface {
	Progress(ctx context.Context, id storage.ID, part int64, text string, by handling.Actor) error
	Finish(ctx context.Context, id storage.ID, part int64, result string, by handling.Actor, seen int) error
	HandOn(ctx context.Context, id storage.ID, part int64, to handling.Assignee, text string, by handling.Actor, seen int) error
	// Answered notes an answer in the transaction that saves it.
	Answered(tx *sqlite.Tx, reply office.Document, answered []storage.ID, finish bool, by handling.Actor) error
}

// HandlingView is the panel "Xử lý" of an incoming document.
type HandlingView struct {
	Page
	Base    string
	Version int
	State   Tag
	Lines   []string // what stands now, in sentences
	Opinion string   // bút phê in force
	Parts   []PartView
	History []Step
	Full    bool // the visitor may read what was written

	Submit   bool // offer these
	Instruct bool
	HandOver bool
	Extend   bool
	Withdraw bool
	Reopen   bool
	Reply    string // address of the form that answers, "" for none
	Slip     string // address of the phiếu giải quyết
	Leading  bool   // the visitor is a leader: the opinion is theirs
	First    bool   // the opinion is what is waited for

	People  []Option
	Leaders []Option
	Came    string // "" or the form that came back with mistakes
	Part    string // of that form
	typed   url.Values
	MaxText int
}

// PartView is one part of the panel.
type PartView struct {
	ID                 string
	Role, Name, Result string
	State, Due         Tag
	Mine               bool // open the forms
	CanAct, CanExtend  bool
	Inform             bool
	Reassign           bool // not the visitor's: needs a reason
}

// Was is what was typed into a field of the form that came back.
func (h HandlingView) Was(form, field string) string {
	if form != h.Came {
		return ""
	}
	return h.typed.Get(field)
}

// WasIn is Was of a form of one part.
func (h HandlingView) WasIn(form, part, field string) string {
	if part != h.Part {
		return ""
	}
	return h.Was(form, field)
}

// Wrong is the message at a field of a form that came back.
func (h HandlingView) Wrong(form, part, field string) string {
	if form != h.Came || part != h.Part {
		return ""
	}
	return h.ErrorOf(fieldOf(form, part, field))
}

// fieldOf is the id of a field of the panel.
func fieldOf(form, part, field string) string {
	if part != "" {
		form += "-" + part
	}
	return form + "-" + field
}

// actor is the visitor as who acts.
func (v *visit) actor() handling.Actor {
	u := v.session.User
	return handling.Actor{Person: u.Name, Name: u.Display, Directs: v.may(account.Direct)}
}

// handlingOf is the panel of a document; full says that the visitor may read what
// was written. It is nil for a document that was not accepted.
func (s *site) handlingOf(ctx context.Context, v *visit, d office.Document, full bool, errs []FieldError) (*HandlingView, error) {
	w, known, err := s.Handling.Of(ctx, d.ID)
	if err != nil {
		return nil, fmt.Errorf("read handling: %w", err)
	}
	if !known && d.State != office.Accepted {
		return nil, nil
	}
	h := &HandlingView{Page: inLang(v.lang), Base: boxPath(d), Version: w.Version, Full: full, MaxText: handling.MaxText}
	h.Errors = errs
	h.Form, h.Came, h.Part, h.typed = v.FormToken(), v.came, v.cameFor, v.r.PostForm
	h.State = v.handlingTag(w, known)
	h.Lines = v.handlingLines(w)
	if full {
		h.Slip = h.Base + "/phieu-giai-quyet"
		h.Opinion = w.Instruction.Text
		h.History = v.handlingSteps(w)
	}
	open := d.State == office.Accepted
	direct := open && v.may(account.Direct)
	roles := []handling.Role{handling.Lead, handling.Support, handling.Inform}
	slices.SortStableFunc(w.Parts, func(a, b handling.Part) int { return slices.Index(roles, a.Role) - slices.Index(roles, b.Role) })
	for _, p := range w.Parts {
		if p.State == handling.PartPassed || p.State == handling.PartWithdrawn {
			continue
		}
		h.Parts = append(h.Parts, v.partView(p, full, open, direct))
	}
	if open && v.may(account.Send) {
		h.Reply = "/gui?tra-loi=" + d.ID.String()
	}
	if !direct {
		return h, nil
	}
	h.Submit = w.State == handling.Submitted || !known
	h.Instruct = w.State != handling.Done
	h.HandOver = slices.ContainsFunc(w.Parts, func(p handling.Part) bool { return p.State == handling.PartWaiting })
	h.Withdraw = w.State == handling.Instructed || w.State == handling.Open
	h.Extend, h.Reopen = h.Withdraw, w.State == handling.Done
	h.Leading = v.session.User.Role == account.Leader
	h.First = h.Submit && h.Leading && w.Leader.Person == v.session.User.Name
	return h, s.handlingPeople(ctx, w, h)
}

// handlingPeople fills in who can be chosen.
func (s *site) handlingPeople(ctx context.Context, w handling.Work, h *HandlingView) error {
	people, err := s.people(ctx)
	if err != nil {
		return err
	}
	for _, u := range people {
		h.People = append(h.People, Option{Value: u.Name, Text: u.Display})
		if u.Role == account.Leader {
			h.Leaders = append(h.Leaders, Option{Value: u.Name, Text: u.Display, Chosen: u.Name == w.Leader.Person})
		}
	}
	return nil
}

// people are those whom work can be given to: open accounts of those who handle
// documents.
func (s *site) people(ctx context.Context) ([]account.User, error) {
	all, err := s.Accounts.Users(ctx)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return slices.DeleteFunc(all, func(u account.User) bool { return u.Disabled || !u.Role.May(account.Handle) }), nil
}

func (v *visit) partView(p handling.Part, full, open, direct bool) PartView {
	own := p.Assignee.Person != "" && p.Assignee.Person == v.session.User.Name && v.may(account.Handle)
	view := PartView{ID: strconv.FormatInt(p.ID, 10), Role: v.t("web.handling.role." + string(p.Role)), Name: p.Assignee.Name,
		State: Tag{v.t("web.handling.part." + string(p.State)), partTone[p.State]}, Inform: p.Role == handling.Inform}
	if p.Role == handling.Inform {
		view.State.Text = v.t("web.handling.inform." + string(p.State))
	}
	if full {
		view.Result = p.Result
	}
	going := p.State == handling.PartOpen || p.State == handling.PartWaiting
	if going {
		view.Due = v.dueTag(p.Deadline)
	} else if p.Deadline != "" {
		view.Due = Tag{v.t("web.handling.deadline", i18n.Args{"date": formatDocDate(p.Deadline)}), "grey"}
	}
	view.Mine = own && open && p.State == handling.PartOpen
	view.CanAct = open && p.State == handling.PartOpen && (own || direct)
	view.CanExtend = direct && going && p.Role != handling.Inform
	view.Reassign = !own
	return view
}

var partTone = map[handling.PartState]string{handling.PartWaiting: "amber", handling.PartOpen: "blue", handling.PartDone: "green"}

// dueTag words a deadline: how near it is, and the date.
func (v *visit) dueTag(deadline string) Tag {
	due, days := handling.DueOn(deadline, v.now)
	if due == handling.NoDue {
		return Tag{}
	}
	tone := map[handling.Due]string{handling.Overdue: "red", handling.Today: "amber", handling.Soon: "amber"}[due]
	return Tag{v.t("web.due."+string(due), i18n.Args{"n": max(days, -days), "date": formatDocDate(deadline)}), cmp.Or(tone, "grey")}
}

func (v *visit) handlingTag(w handling.Work, known bool) Tag {
	switch {
	case !known || w.State == handling.Submitted && w.Submitted.IsZero():
		return Tag{v.t("web.handling.state.none"), "amber"}
	case w.State == handling.Done:
		return Tag{v.t("web.handling.state.done"), "green"}
	case w.State == handling.Open:
		return Tag{v.t("web.handling.state.open"), "blue"}
	}
	return Tag{v.t("web.handling.state." + string(w.State)), "amber"}
}

// handlingLines say where the work stands.
func (v *visit) handlingLines(w handling.Work) (lines []string) {
	say := func(key string, args i18n.Args) { lines = append(lines, v.t("web.handling.line."+key, args)) }
	if w.State == handling.Submitted && !w.Submitted.IsZero() {
		say("submitted", i18n.Args{"who": w.Leader.Name, "time": v.clock(w.Submitted)})
	}
	if !w.Instruction.At.IsZero() {
		say("instructed", i18n.Args{"who": w.Instruction.Of, "time": v.clock(w.Instruction.At)})
	}
	if !w.HandedOver.IsZero() {
		say("handed-over", i18n.Args{"time": v.clock(w.HandedOver)})
	}
	if w.Reply.Code != "" {
		say("reply", i18n.Args{"code": w.Reply.Code})
	}
	if !w.Finished.IsZero() {
		say("finished", i18n.Args{"time": v.clock(w.Finished)})
	}
	return lines
}

// handlingSteps is the history, newest first.
func (v *visit) handlingSteps(w handling.Work) (steps []Step) {
	for _, e := range slices.Backward(w.Steps) {
		args := i18n.Args{"who": e.Who, "code": e.Text, "role": "", "date": formatDocDate(e.Deadline)}
		key := "web.handling.step." + string(e.Kind)
		if e.Role != "" {
			args["role"] = v.t("web.handling.role." + string(e.Role))
		}
		if e.Kind == handling.StepNamed && e.Deadline != "" {
			key += "-due"
		}
		step := Step{Label: v.t(key, args), When: joinDots(v.clock(e.At), e.By.Name), Tone: "done"}
		if e.Kind != handling.StepReplied {
			step.Note = e.Text
		}
		steps = append(steps, step)
	}
	return steps
}

// workDue is a document with a deadline, on the home page.
func (v *visit) workDue(i handling.Item) WorkRow {
	row := v.workRow(i.Document)
	row.Who, row.Due, row.Action = i.Who, v.dueTag(i.Deadline), v.t("web.work.handle")
	if i.Who == "" {
		row.Who = partyName(i.From)
	}
	return row
}

// workWaiting is one without a deadline, or one that waits for a person.
func (v *visit) workWaiting(i handling.Item) WorkRow {
	row := v.workRow(i.Document)
	row.Who, row.Due, row.Action = partyName(i.From), v.dueTag(i.Deadline), v.t("web.work.handle")
	if !i.Since.IsZero() {
		row.When = v.t("web.work.since", i18n.Args{"time": v.clock(i.Since), "span": i18n.Span(v.lang, v.now.Sub(i.Since))})
	}
	return row
}

// deadlines are the tags of documents in a list whose deadline is not met yet.
func (s *site) deadlines(ctx context.Context, v *visit, docs []office.Document) (map[storage.ID]Tag, error) {
	ids := make([]storage.ID, 0, len(docs))
	for _, d := range docs {
		if d.State == office.Accepted {
			ids = append(ids, d.ID)
		}
	}
	works, err := s.Handling.Some(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read deadlines: %w", err)
	}
	tags := map[storage.ID]Tag{}
	for id, w := range works {
		if tag := v.dueTag(w.Due); tag.Text != "" {
			tags[id] = tag
		}
	}
	return tags, nil
}

// dateTyped turns a typed date into yyyy-mm-dd; what is none stays as it is.
func dateTyped(text string) string {
	text = strings.TrimSpace(text)
	if date, ok := parseDate(text); ok {
		return date
	}
	return text
}

// These carry the panel into the templates of its parts.
type (
	partForms struct {
		HandlingView
		Now PartView
	}
	choosing struct {
		HandlingView
		Role string
		Any  bool // something was chosen
	}
	asking struct {
		HandlingView
		Ask, Words string
	}
)

// With is the panel with one of its parts.
func (h HandlingView) With(p PartView) partForms { return partForms{h, p} }

// Choosing is the panel with a role that several may have.
func (h HandlingView) Choosing(role string) choosing {
	c := choosing{HandlingView: h, Role: role, Any: h.Was("but-phe", role+"_unit") != "" || h.Wrong("but-phe", "", role) != ""}
	for _, p := range h.People {
		c.Any = c.Any || h.Was("but-phe", role+"_"+p.Value) != ""
	}
	return c
}

// Asking is the panel with an act that needs a reason alone.
func (h HandlingView) Asking(form, words string) asking { return asking{h, form, words} }
