package handling

import (
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/register"
)

// Slip fills the phiếu giải quyết văn bản đến of a document; what is not known yet
// stays to be written on.
func (w Work) Slip(d office.Document) register.Handling {
	h := register.Handling{Type: d.TypeName, Code: edxml.Code{Number: d.Number, Notation: d.Notation}.String(), Issued: onPaper(d.Date),
		Author: d.From.Name, Subject: d.Subject}
	h.Leader.Text, h.Leader.Date = w.Instruction.Text, inVietnam(w.Instruction.At)
	var deadlines []string
	named := func(role Role) string {
		var names []string
		for _, p := range w.Parts {
			if p.Role != role || p.State == PartPassed || p.State == PartWithdrawn {
				continue
			}
			names = append(names, p.Assignee.Name)
			if p.Deadline != "" {
				deadlines = append(deadlines, p.Assignee.Name+": "+dayWords(p.Deadline))
			}
		}
		return strings.Join(names, ", ")
	}
	h.Leader.Lead, h.Leader.Support = named(Lead), named(Support)
	h.Leader.Deadlines = strings.Join(deadlines, "; ")
	for _, e := range w.Steps {
		switch e.Kind {
		case StepPassed:
			h.Unit.Text, h.Unit.Date, h.Unit.Person = e.Text, inVietnam(e.At), e.Who
			if h.Unit.Deadline = ""; e.Deadline != "" {
				h.Unit.Deadline = dayWords(e.Deadline)
			}
		case StepProgress, StepFinished:
			if e.Text != "" {
				h.Proposal.Text, h.Proposal.Date = e.Text, inVietnam(e.At)
			}
		}
	}
	return h
}

// onPaper is a date as a day in Vietnam, the zero time for none.
func onPaper(date string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, date, clock.Vietnam)
	if err != nil {
		return time.Time{}
	}
	return t
}

func inVietnam(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(clock.Vietnam)
}
