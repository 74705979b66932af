package forms

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/storage"
)

// step is a row of the control sheet: a hand-over between two offices, or between
// two people of one.
type step struct {
	at           time.Time // when it comes in the sheet
	from, to     side
	unsigned     bool // to has not signed for it
	outcome      dossier.Outcome
	notes        []string
	moot, unsure bool
}

// side is one of the two of a hand-over.
type side struct {
	office, person string
	at             time.Time
}

// sheet collects the steps of a dossier.
type sheet struct {
	dossier.Dossier
	desk   string
	sealed []dossier.SealedStep
	steps  []step
}

// handing are the kinds of events that the row of their transfer already says.
var handing = []dossier.Kind{dossier.HandedOn, dossier.HandTaken, dossier.Answered, dossier.HandBack, dossier.HandEnded, dossier.Finished}

// steps are the rows of the control sheet, in the order in which things happened.
// Each transfer has its row, and what came back of it another; other events have
// theirs when papers or the work change hands.
func steps(d dossier.Dossier, desk string, sealed []dossier.SealedStep) []map[string]string {
	c := sheet{Dossier: d, desk: desk, sealed: sealed}
	known := map[storage.ID]bool{}
	for _, t := range d.Transfers {
		known[t.ID] = true
		c.transfer(t)
	}
	for i, e := range d.Events {
		if !(known[e.Transfer] && slices.Contains(handing, e.Kind)) && !c.told(e) {
			c.event(i, e)
		}
	}
	slices.SortStableFunc(c.steps, func(a, b step) int { return a.at.Compare(b.at) })
	rows := make([]map[string]string, len(c.steps))
	for i, s := range c.steps {
		rows[i] = s.row()
	}
	return rows
}

func (c *sheet) transfer(t dossier.Transfer) {
	s := step{at: t.Sent, from: side{t.FromName, t.By, t.Sent}, to: side{t.ToName, t.TakenBy, t.Taken}, unsigned: t.Taken.IsZero()}
	s.notes = append(s.notes, word("task."+string(t.Task)), t.Note)
	if !t.Deadline.IsZero() {
		s.notes = append(s.notes, word("deadline", "time", shortText(t.Deadline)))
	}
	s.notes = append(s.notes, c.signed(t.ID, t.From, t.FromName, t.Sent, time.Time{}))
	if s.unsigned {
		s.notes = append(s.notes, word("no-receipt"))
	} else {
		s.notes = append(s.notes, c.signed(t.ID, t.To, t.ToName, t.Taken, t.Taken))
	}
	first, back := c.of(t.ID, dossier.HandedOn, dossier.HandTaken), c.of(t.ID, dossier.Answered, dossier.HandBack)
	if t.Incoming { // what the other side learnt, and when, is not known here
		for _, e := range c.Events {
			if ends(e, t) {
				back = dossier.Event{By: e.By, Unsure: e.Unsure}
			}
		}
	}
	s.unsure = first.Unsure
	note := ""
	switch {
	case t.Ended.IsZero():
	case t.State == dossier.Ended:
		s.notes = append(s.notes, word("ended", "text", strings.TrimSpace(shortText(t.Ended)+" "+t.Answer)))
	case t.State == dossier.Back:
		note = word("back", "text", t.Answer)
	case t.State == dossier.Given:
		s.outcome, note = outcomeOf(t), word("answered", "text", t.Answer)
	}
	c.steps = append(c.steps, s)
	if note != "" {
		c.steps = append(c.steps, step{at: t.Ended, from: side{t.ToName, back.By, t.Ended}, to: side{t.FromName, "", back.Learnt}, notes: []string{note, c.signed(t.ID, t.To, t.ToName, t.Ended, time.Time{})},
			moot: back.Moot, unsure: back.Unsure})
	}
}

// signed says who signed for a step of a transfer, and when: by the first seal of
// that office since, else at the time that it told; "" when there is neither.
func (c *sheet) signed(transfer storage.ID, code, name string, since, told time.Time) string {
	for _, s := range c.sealed {
		if s.Transfer == transfer && s.Signer == code && !s.At.Before(since) {
			told = s.At
			break
		}
	}
	if told.IsZero() {
		return ""
	}
	return word("signed", "office", name, "time", shortText(told))
}

// told reports whether a transfer already says what an event of a guest is: that it
// was taken, or what was given back.
func (c *sheet) told(e dossier.Event) bool {
	return c.Guest && slices.ContainsFunc(c.Transfers, func(t dossier.Transfer) bool {
		return t.ID == c.Dossier.Transfer && (e.Kind == dossier.Accepted && e.At.Equal(t.Taken) || ends(e, t))
	})
}

// ends reports whether an event of a guest is what ended the transfer by which it came.
func ends(e dossier.Event, t dossier.Transfer) bool {
	return t.Incoming && e.At.Equal(t.Ended) && slices.Contains([]dossier.Kind{dossier.Refused, dossier.Stopped, dossier.Finished, dossier.Recalled}, e.Kind)
}

// of is the first event of a transfer that is of one of the kinds; the zero event
// when there is none.
func (c *sheet) of(id storage.ID, kinds ...dossier.Kind) dossier.Event {
	for _, e := range c.Events {
		if e.Transfer == id && slices.Contains(kinds, e.Kind) {
			return e
		}
	}
	return dossier.Event{}
}

// outcomeOf judges a step against its deadline, as a dossier is judged.
func outcomeOf(t dossier.Transfer) dossier.Outcome {
	if t.Deadline.IsZero() {
		return ""
	}
	end, last := t.Ended.In(clock.Vietnam).Format(time.DateOnly), t.Deadline.In(clock.Vietnam).Format(time.DateOnly)
	switch {
	case t.Ended.After(t.Deadline):
		return dossier.Late
	case end < last:
		return dossier.Early
	}
	return dossier.OnTime
}

// event adds the row of an event that belongs to no transfer known here.
func (c *sheet) event(i int, e dossier.Event) {
	office := side{c.office(e), e.By, e.At}
	desk := side{c.desk + ", " + c.deskOffice(e), e.By, e.At}
	applicant := side{word("applicant"), c.handedBy(), e.At}
	s := step{at: e.At, from: office, to: applicant, moot: e.Moot, unsure: e.Unsure}
	text := func(key string) { s.notes = []string{word(key, "text", e.Text, "time", shortText(e.Due))} }
	switch e.Kind {
	case dossier.Accepted:
		applicant.at = c.Filed
		s.from, s.to = applicant, desk
		text("accepted")
	case dossier.Started:
		s.from, s.to = office, side{office.office, e.Text, e.At}
		text("started")
	case dossier.SupplementAsked:
		s.to = side{office: applicant.office}
		text("supplement-asked")
	case dossier.Supplemented:
		s.from, s.to = applicant, desk
		text("supplemented")
	case dossier.Finished:
		s.to = side{desk.office, "", e.At}
		after, _ := dossier.Fold(c.Events[:i+1], c.Procedure.PaymentStops) // they happened: the store took them
		s.outcome = after.Outcome()
		text("finished")
	case dossier.Reopened:
		s.from, s.to = desk, side{office: office.office}
		text("reopened")
	case dossier.Returned:
		s.from, s.to.person = desk, e.Text
		text("returned")
	case dossier.Refused:
		s.from = desk
		text("refused")
	case dossier.Stopped, dossier.Recalled:
		text("stop")
	case dossier.Withdrawn:
		text("withdraw")
	case dossier.Extended:
		s.to = side{office: applicant.office}
		text("extended")
	case dossier.HandedOn, dossier.HandTaken, dossier.Answered, dossier.HandBack, dossier.HandEnded:
		s.to = side{}
		s.notes = []string{i18n.T(i18n.Vietnamese, "dossier.kind."+string(e.Kind)), e.Text}
	default:
		return
	}
	c.steps = append(c.steps, s)
}

// handedBy is who stands at the desk for the applicant.
func (c *sheet) handedBy() string {
	if c.Applicant.Agent != "" {
		return word("agent", "name", c.Applicant.Agent)
	}
	return c.Applicant.Name
}

// office is the name of the office where an event happened.
func (c *sheet) office(e dossier.Event) string {
	if e.Office == c.Owner {
		return c.OwnerName
	}
	for _, t := range c.Transfers {
		switch e.Office {
		case t.To:
			return t.ToName
		case t.From:
			return t.FromName
		}
	}
	return e.Office
}

// deskOffice is whose one-stop desk an event is about: the owner's, and a guest's own.
func (c *sheet) deskOffice(e dossier.Event) string {
	if c.Guest {
		return c.office(e)
	}
	return c.OwnerName
}

// row is the step as the table shows it.
func (s step) row() map[string]string {
	offices := []string{word("giver", "name", s.from.office)}
	times := []string{word("gave", "time", clockText(s.from.at)), word("person-gave", "name", cmp.Or(s.from.person, word("nobody")))}
	if s.to.office != "" {
		offices = append(offices, word("taker", "name", s.to.office))
		took := word("not-taken")
		if !s.to.at.IsZero() {
			took = word("took", "time", clockText(s.to.at))
		}
		times = append(times, took, word("person-took", "name", cmp.Or(s.to.person, word("nobody"))))
	}
	notes := s.notes
	if s.moot {
		notes = append(notes, word("moot"))
	}
	if s.unsure {
		notes = append(notes, word("unsure"))
	}
	return map[string]string{
		"office": strings.Join(offices, "\n"), "times": strings.Join(times, "\n"), "outcome": outcome(s.outcome),
		"notes": strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "\n"),
	}
}
