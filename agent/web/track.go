package web

import (
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
)

// Step is one step of a track.
type Step struct {
	Tone  string // "done", "now", "todo", "bad"
	Label string
	When  string
	Proof string // who signed for it
	Note  string
	Tell  string   // the tone in a word, for those who do not see it
	Lines []string // what the recipient did with it later
}

// Track is how far a document came with one recipient.
type Track struct {
	Party  office.Party
	Name   string
	State  Tag
	Reason string
	Steps  []Step
	Asked  []Step // recalls and updates, and what was answered
	Ask    Tag
	Others []Step // what hubs and time stamp authorities testify beside
	Open   bool
	Via    string // how it is reached, "" for over Trạm
}

// road is the five steps in order.
var road = []office.State{office.Saved, office.Sending, office.AtHub, office.Delivered, office.Accepted}

// tracksOpen is how many recipients are shown unfolded.
const tracksOpen = 3

// tracks makes one track per recipient. live is the transfer under way, nil
// when there is none.
func (v *visit) tracks(d office.Document, live *Meter) []Track {
	var all []Track
	for i, r := range d.To {
		via := ""
		if r.Via != "" {
			via = v.t("web.via", i18n.Args{"via": r.Via})
		}
		all = append(all, Track{Via: via, Party: r.Party, Name: partyName(r.Party), State: v.stateTag(r.State), Reason: r.ReasonIn(v.lang),
			Steps: v.told(v.track(d, r, live)), Asked: v.told(v.asked(d, r)), Ask: v.askTag(r), Others: v.told(v.testimony(d, r)), Open: i < tracksOpen})
	}
	return all
}

// track fills the five steps from the events that concern r. A return or
// failure takes the place of the first step not reached.
func (v *visit) track(d office.Document, r office.Recipient, live *Meter) []Step {
	happened := map[office.State]*office.Event{}
	for i, e := range d.Events {
		if concerns(e, r) && !handledThere(e) && (!aboutAsks(e) || e.Step == office.Recalled) && !remarked(e) && (!testified(e) || e.Step == office.Failed) {
			happened[e.Step] = &d.Events[i]
		}
	}
	reached := 0
	for i, s := range road {
		if happened[s] != nil || s == r.State {
			reached = i
		}
	}
	var steps []Step
	for i, s := range road {
		step := Step{Tone: "todo", Label: v.t("web.step." + string(s))}
		if s == office.AtHub && r.Via != "" {
			step.Label = v.t("web.step.axis", i18n.Args{"via": r.Via})
		}
		if i <= reached {
			step.Tone = "done"
		}
		v.fill(&step, happened[s])
		if s == office.Sending && i >= reached && live != nil {
			step.Note = live.Line
			if live.Bar || i == reached {
				step.Tone = "now"
			}
		}
		if s == office.Accepted && r.Number != "" {
			step.Note = v.t("web.step.number", i18n.Args{"n": r.Number})
		}
		if s == office.Accepted {
			step.Lines = v.handledLines(d, r)
		}
		steps = append(steps, step)
	}
	if r.State == office.Recalled || r.State == office.Withdrawn {
		return v.takenBack(steps[:reached+1], r, happened[r.State])
	}
	if r.State != office.Returned && r.State != office.Failed {
		return steps
	}
	// What never happened is left out; the end is the bad news.
	kept := steps[:reached+1]
	if r.State == office.Returned && reached == len(road)-1 {
		kept = steps[:len(road)-1]
	}
	for i := range kept {
		kept[i].Tone = "done"
	}
	end := Step{Tone: "bad", Label: v.t("web.step." + string(r.State)), Note: r.ReasonIn(v.lang)}
	note := end.Note
	v.fill(&end, happened[r.State])
	if note != "" {
		end.Note = note
	}
	return append(kept, end)
}

// handledThere tells of a status how a recipient goes on with a document that it
// has accepted.
func handledThere(e office.Event) bool {
	return e.Code == edxml.StatusAssigned || e.Code == edxml.StatusInProgress || e.Code == edxml.StatusDone
}

// handledLines are these statuses, which stand below the last step.
func (v *visit) handledLines(d office.Document, r office.Recipient) (lines []string) {
	for _, e := range d.Events {
		if concerns(e, r) && handledThere(e) {
			lines = append(lines, joinDots(v.clock(e.At), e.Words(v.lang)))
		}
	}
	return lines
}

// takenBack ends a track with the document being taken back: what did not happen
// will not.
func (v *visit) takenBack(kept []Step, r office.Recipient, e *office.Event) []Step {
	for i := range kept {
		kept[i].Tone = "done"
	}
	end := Step{Tone: "done", Label: v.t("web.step." + string(r.State))}
	v.fill(&end, e)
	end.Note = ""
	if r.State == office.Withdrawn { // of a recall the answer stands below
		end.Note = r.ReasonIn(v.lang)
	}
	return append(kept, end)
}

// concerns tells whether a step is one of the way to r: steps of the hub are not
// for those that are reached outside of Trạm.
func concerns(e office.Event, r office.Recipient) bool {
	return e.Office == r.Code || e.Office == "" && (r.Via == "" || e.Step == office.Saved)
}

// testified tells what stands beside the five steps.
func testified(e office.Event) bool {
	return e.Evidence == office.EvidenceRecord || e.Evidence == office.EvidenceStamp
}

// testimony lists what others testify about the way to r.
func (v *visit) testimony(d office.Document, r office.Recipient) []Step {
	var steps []Step
	for _, e := range d.Events {
		if !testified(e) || !concerns(e, r) {
			continue
		}
		s := Step{Tone: "done", Label: e.Words(v.lang), When: v.clock(e.At), Proof: v.proof(e)}
		if e.Step == office.Failed {
			s.Tone = "bad"
		}
		steps = append(steps, s)
	}
	return steps
}

// fill adds time and proof of an event.
func (v *visit) fill(s *Step, e *office.Event) {
	if e == nil {
		return
	}
	s.When, s.Note = v.clock(e.At), e.Words(v.lang)
	s.Proof = v.proof(*e)
}

// proof says which signed record stands behind an event.
func (v *visit) proof(e office.Event) string {
	switch e.Evidence {
	case office.EvidenceForeign:
		return v.t("web.proof.foreign")
	case "seal", "custody", "status", "notice", office.EvidenceRecord, office.EvidenceStamp:
		return v.t("web.proof."+e.Evidence, i18n.Args{"who": e.Signer})
	}
	return v.t("web.proof.own")
}

// incomingSteps is the history of an incoming document.
func (v *visit) incomingSteps(d office.Document) []Step {
	var steps []Step
	for _, e := range d.Events {
		s := Step{Tone: "done", Label: v.t("web.in.step." + incomingStep(e.Step))}
		if e.Step == office.Returned || e.Step == office.Failed {
			s.Tone = "bad"
		}
		v.fill(&s, &e)
		switch {
		case d.Medium == office.Paper && e.Step == office.Accepted && e.Note == "":
			s.Label, s.When = v.t("web.paper.step"), formatDay(e.At)
		case aboutAsks(e):
			s.Note = v.ownWords(e)
			if e.Step != office.Recalled {
				s.Label = v.t("web.in.asked." + string(e.Code))
			}
		case handledThere(e):
			s.Label = v.t("web.in.step.reported")
		case remarked(e):
			s.Label = v.t("web.in.step.remark")
		}
		steps = append(steps, s)
	}
	return v.told(steps)
}

func (v *visit) told(steps []Step) []Step {
	for i := range steps {
		steps[i].Tell = v.t("web.tone." + steps[i].Tone)
	}
	return steps
}

func incomingStep(s office.State) string {
	switch s {
	case office.Saved, office.Sending:
		return "sealed"
	case office.Delivered:
		return "arrived"
	}
	return string(s)
}
