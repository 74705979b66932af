package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/storage"
)

// Recalls takes documents back and answers those who take theirs back here.
// Errors are as those of [Desk].
type Recalls interface {
	Withdraw(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Recall(ctx context.Context, id storage.ID, to []string, reason, by string) (office.Document, error)
	Grant(ctx context.Context, id storage.ID, by string) (office.Document, error)
	Refuse(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
}

// LinkView is a document that another one updates or replaces.
type LinkView struct {
	Text, Href, Title, Reason string
}

// links words what a document is to others.
func (v *visit) links(d office.Document) []LinkView {
	var all []LinkView
	for _, l := range d.Links {
		key := "web.link." + string(l.Kind)
		if l.Waits {
			key += "-waits"
		}
		view := LinkView{Text: v.t(key), Title: joinDots(l.Symbol, l.Subject), Reason: l.Reason}
		if l.ID != (storage.ID{}) {
			view.Href = boxPath(office.Document{ID: l.ID, Box: cmp.Or(l.Box, d.Box)})
		} else {
			view.Title = joinDots(l.EdXMLID, v.t("web.link.not-here"))
		}
		all = append(all, view)
	}
	return all
}

// remarks are the marks of a document in a register: its place stays, and what
// became of it stands beside it.
func (v *visit) remarks(d office.Document) []Tag {
	var all []Tag
	if r := d.Request; r != nil && r.State == office.RequestPending && d.State != office.Returned {
		all = append(all, Tag{v.t("web.request.mark-" + r.Kind), "amber"})
	}
	seen := map[office.LinkKind]bool{}
	for _, l := range d.Links {
		if by := l.Kind == office.ReplacedBy || l.Kind == office.UpdatedBy; by && !l.Waits && !seen[l.Kind] {
			seen[l.Kind] = true
			all = append(all, Tag{joinDots(v.t("web.link."+string(l.Kind)), l.Symbol), "grey"})
		}
	}
	return all
}

// askTag words what one recipient was asked and answered, "" for nothing.
func (v *visit) askTag(r office.Recipient) Tag {
	kind, a := office.AskRecall, r.Recall
	if a == nil {
		kind, a = office.AskUpdate, r.Update
	}
	if a == nil || kind == office.AskRecall && a.State == office.AskAgreed {
		return Tag{} // the state says so
	}
	tone := map[office.AskState]string{office.AskAgreed: "green", office.AskRefused: "red", office.AskUnsent: "red"}[a.State]
	if tone == "" {
		tone = "amber"
	}
	return Tag{v.t("web.ask." + kind + "-" + string(a.State)), tone}
}

// asked are the steps of a recall or an update with one recipient.
func (v *visit) asked(d office.Document, r office.Recipient) []Step {
	var steps []Step
	for _, e := range d.Events {
		if !aboutAsks(e) || !concerns(e, r) {
			continue
		}
		s := Step{Tone: "done", Label: v.t("web.asked." + string(e.Code))}
		if e.Code == edxml.StatusRefused {
			s.Tone = "bad"
		}
		v.fill(&s, &e)
		s.Note = v.ownWords(e)
		steps = append(steps, s)
	}
	for _, a := range []*office.Ask{r.Recall, r.Update} {
		if a != nil && a.State == office.AskUnsent {
			steps = append(steps, Step{Tone: "bad", Label: v.t("web.ask.recall-unsent"), When: v.clock(a.Answered), Note: a.AnswerIn(v.lang)})
		}
	}
	return steps
}

// ownWords are those of who asked or answered; the label says the rest.
func (v *visit) ownWords(e office.Event) string {
	if e.Said != nil && strings.HasPrefix(e.Said.Key, "office.status.") {
		text, _ := e.Said.Args["text"].(string)
		return text
	}
	return e.Words(v.lang)
}

// aboutAsks tells statuses of recalls and updates from those of the five steps.
func aboutAsks(e office.Event) bool {
	return e.Code == edxml.StatusTakeBack || e.Code == edxml.StatusAgreed || e.Code == edxml.StatusRefused
}

// remarked tells what a later document, or another office, adds to the track.
func remarked(e office.Event) bool {
	return e.Said != nil && (strings.HasPrefix(e.Said.Key, "office.change.") || strings.HasPrefix(e.Said.Key, "office.recall."))
}

// OrderView is what the sender of an incoming document asks, with the forms to
// answer it.
type OrderView struct {
	Title, Who, When, Reason string
	Hint, Agree              string // what agreeing does, and its button
	Outcome                  string // how it was answered
	May                      bool   // answer it
	Typed                    string // reason of a refusal as it was typed
	Refusing                 bool   // the form for refusing is open
}

// order shows the newest request about a document, nil for none.
func (v *visit) order(d office.Document, typed string, refusing bool) *OrderView {
	r := d.Request
	if r == nil || d.State == office.Recalled {
		return nil
	}
	o := &OrderView{
		Title: v.t("web.request." + r.Kind), Hint: v.t("web.request.hint-" + r.Kind), Agree: v.t("web.request.grant-" + r.Kind), Who: joinDots(r.Person, partyName(d.From)), When: v.clock(r.At), Reason: r.Reason,
		May: r.State == office.RequestPending && d.State != office.Returned && v.may(account.Answer), Typed: typed, Refusing: refusing,
	}
	if r.State != office.RequestPending {
		o.Outcome = v.t("web.request."+string(r.State), i18n.Args{"time": v.clock(r.Answered), "who": r.By, "reason": r.Answer})
	}
	return o
}

// recalled words that an incoming document was cancelled, "" when it was not.
func (v *visit) recalled(d office.Document) string {
	if d.State != office.Recalled {
		return ""
	}
	args := i18n.Args{"date": "", "who": partyName(d.From), "reason": d.ReasonIn(v.lang)}
	for _, e := range d.Events {
		if e.Step == office.Recalled {
			args["date"] = formatDay(e.At)
		}
	}
	return v.t("web.recall.in", args)
}

// frozen words that an outgoing document is taken back, "" when it is not.
func (v *visit) frozen(d office.Document) string {
	if d.State != office.Recalled && d.State != office.Withdrawn {
		return ""
	}
	when := ""
	for _, e := range d.Events {
		if e.Step == d.State {
			when = formatFull(e.At)
		}
	}
	return v.t("web.recall.out-"+string(d.State), i18n.Args{"time": when})
}

// TakeBack is the form that takes an outgoing document back.
type TakeBack struct {
	Withdraw bool // no byte has left
	To       []RecallChoice
	Reason   string
	Open     bool
}

// RecallChoice is one recipient that can be asked to cancel a document.
type RecallChoice struct {
	Code, Name string
	State      Tag
	Chosen     bool
}

// takeBack is the form for a document, nil when there is nobody left to ask.
func (v *visit) takeBack(d office.Document) *TakeBack {
	if !v.may(account.Send) || d.Medium == office.Paper {
		return nil
	}
	if d.State == office.Saved && (d.Progress == nil || d.Progress.Sent == 0) {
		return &TakeBack{Withdraw: true}
	}
	form := &TakeBack{}
	for _, r := range d.To {
		switch r.State {
		case office.Returned, office.Failed, office.Withdrawn, office.Recalled:
			continue
		}
		if a := r.Recall; a != nil && a.State != office.AskRefused && a.State != office.AskUnsent {
			continue
		}
		form.To = append(form.To, RecallChoice{Code: r.Code, Name: partyName(r.Party), State: v.stateTag(r.State), Chosen: true})
	}
	if len(form.To) == 0 {
		return nil
	}
	return form
}

func (s *site) withdraw(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.Out)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if _, err := s.Office.Withdraw(ctx, d.ID, reason, v.session.User.Name); err != nil {
		return s.takeBackFailed(ctx, v, d.ID, nil, reason, err)
	}
	v.redirect(boxPath(d))
	return nil
}

func (s *site) recall(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.Out)
	if err != nil {
		return err
	}
	reason, to := strings.TrimSpace(v.r.PostFormValue("reason")), v.r.PostForm["to"]
	if len(to) == 0 {
		return s.takeBackFailed(ctx, v, d.ID, nil, reason, problem.New(problem.Usage, "web.recall.nobody", "to", nil))
	}
	if _, err := s.Office.Recall(ctx, d.ID, to, reason, v.session.User.Name); err != nil {
		return s.takeBackFailed(ctx, v, d.ID, to, reason, err)
	}
	v.redirect(boxPath(d))
	return nil
}

// takeBackFailed shows the document as it is now with what went wrong.
func (s *site) takeBackFailed(ctx context.Context, v *visit, id storage.ID, to []string, reason string, err error) error {
	p := problem.From(err)
	if p.Class == problem.Failed {
		return fmt.Errorf("take document back: %w", err)
	}
	d, getErr := s.Office.Get(ctx, id)
	if getErr != nil {
		return fmt.Errorf("get document: %w", getErr)
	}
	view := s.sentView(ctx, v, d)
	view.setErrors(v, v.fieldErrors(err))
	if f := view.TakeBack; f != nil {
		f.Open, f.Reason = true, reason
		for i := range f.To {
			f.To[i].Chosen = slices.Contains(to, f.To[i].Code)
		}
	}
	return s.render(v, "sent", view, statusOf(p))
}

func (s *site) grant(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	if _, err := s.Office.Grant(ctx, d.ID, v.session.User.Name); err != nil {
		return s.answerFailed(ctx, v, d.ID, "", err)
	}
	v.redirect(boxPath(d))
	return nil
}

func (s *site) refuse(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.r.PostFormValue("refusal"))
	text := ""
	switch {
	case reason == "":
		text = v.t("web.request.no-reason")
	case utf8.RuneCountInString(reason) > maxReason:
		text = v.t("web.in.long-reason", i18n.Args{"max": maxReason})
	}
	if text != "" {
		return s.showIncoming(ctx, v, d, []FieldError{{"refusal", text}}, reason, http.StatusUnprocessableEntity)
	}
	if _, err := s.Office.Refuse(ctx, d.ID, reason, v.session.User.Name); err != nil {
		return s.answerFailed(ctx, v, d.ID, reason, err)
	}
	v.redirect(boxPath(d))
	return nil
}
