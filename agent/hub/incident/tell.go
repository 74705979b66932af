package incident

import (
	"math"
	"slices"
	"time"

	"tram/agent/clock"
)

// NoticeKind is what is told.
type NoticeKind string

// Kinds of notices.
const (
	Alert    NoticeKind = "alert"    // the first of an incident
	Update   NoticeKind = "update"   // what it concerns has changed
	Recovery NoticeKind = "recovery" // it is over
	Digest   NoticeKind = "digest"   // what could wait
	Test     NoticeKind = "test"     // whether a channel works
)

// Bounds of what a notice names; the counts beside them are of all.
const (
	maxOffices   = 10
	maxDocuments = 5
)

// Notice is one message to people.
type Notice struct {
	Kind     NoticeKind `json:"kind"`
	At       time.Time  `json:"at"`
	Severity Severity   `json:"severity"`
	// Incidents are the one that it is about, or those of a digest.
	Incidents []Summary `json:"incidents"`
}

// Summary is an incident as a notice tells it.
type Summary struct {
	ID        ID        `json:"id,omitzero"`
	Rule      Code      `json:"rule"`
	Severity  Severity  `json:"severity"`
	Scope     string    `json:"scope,omitempty"`
	Group     *Group    `json:"group,omitempty"`
	Total     int       `json:"total,omitzero"` // offices of the group
	Count     int       `json:"count"`          // that are concerned now
	Peak      int       `json:"peak"`           // that were at most
	Opened    time.Time `json:"opened"`
	Recovered time.Time `json:"recovered,omitzero"`
	Drained   time.Time `json:"drained,omitzero"` // zero in a recovery: something still waits
	Offices   []string  `json:"offices,omitempty"`
	// Urgent counts the urgent documents that wait for these offices; Documents are the
	// most urgent of them.
	Urgent    int       `json:"urgent,omitzero"`
	Documents []Waiting `json:"documents,omitempty"`
}

// Waiting is an urgent document that waits for offices of an incident.
type Waiting struct {
	ID      string    `json:"id"`
	From    string    `json:"from"`
	Urgency int       `json:"urgency"`
	Since   time.Time `json:"since"`
	Offices int       `json:"offices"` // that wait for it
}

// tell decides which notices go out.
func (e *Engine) tell(f Facts) {
	for _, i := range e.closedNow() {
		if !i.Told.IsZero() {
			e.say(Recovery, i, f)
		}
	}
	for _, i := range e.openOnes() {
		switch {
		case i.Severity.Digest() || !i.Recovered.IsZero() || i.Ack != nil || e.now.Before(i.Snoozed) || !e.may(i.Severity):
		case i.Told.IsZero():
			if e.now.Sub(i.Opened) >= e.wait(i) && !e.returning(i) {
				i.Told = e.now
				e.remember(i, e.now)
				e.say(Alert, i, f)
			}
		case i.Updates < MaxUpdates && e.now.Sub(i.Updated) >= e.s.Between && e.differs(i):
			i.Updates++
			e.remember(i, e.now)
			e.say(Update, i, f)
		}
	}
}

// may says whether something of that severity is told now.
func (e *Engine) may(s Severity) bool {
	switch s {
	case Critical:
		return len(e.s.OnCall) == 0 || e.s.OnCall.Contains(e.now.In(clock.Vietnam))
	case Warning:
		return inOffice(e.s.Calendar, e.now)
	}
	return true
}

func (e *Engine) wait(i *Incident) time.Duration { return e.s.Rules.For(i.cluster(), i.Rule).Wait }

// returning says that most of a group is back already, which has only to hold.
func (e *Engine) returning(i *Incident) bool {
	if i.Group == nil {
		return false
	}
	back, out := 0, i.Concerned()
	for _, office := range out {
		if t := e.state.Tracks[office]; t != nil && !t.Back.IsZero() {
			back++
		}
	}
	return 2*back > len(out)
}

func (i *Incident) cluster() string {
	if i.Group != nil {
		return i.Group.cluster()
	}
	return i.Scope // of those that are per cluster; of others it is the name of none
}

// differs says whether what people were told is no longer so.
func (e *Engine) differs(i *Incident) bool {
	if i.Severity.rank() > i.As.rank() {
		return true
	}
	return math.Abs(float64(i.Out()-i.Count)) > e.s.Change*float64(max(i.Count, 1))
}

func (e *Engine) say(kind NoticeKind, i *Incident, f Facts) {
	i.Updated, i.Count, i.As = e.now, i.Out(), i.Severity
	e.touch(i)
	e.notices = append(e.notices, Notice{Kind: kind, At: e.now, Severity: i.Severity, Incidents: []Summary{Summarize(i, f.Documents)}})
	e.note(Event{Kind: Told, Incident: i.ID, Severity: i.Severity, Count: i.Count, Notice: kind})
}

// Summarize tells an incident in short, with the urgent of the documents that wait for
// its offices.
func Summarize(i *Incident, documents []Document) Summary {
	s := Summary{
		ID: i.ID, Rule: i.Rule, Severity: i.Severity, Scope: i.Scope, Group: i.Group, Total: i.Total, Count: i.Out(), Peak: i.Peak,
		Opened: i.Opened, Recovered: i.Recovered, Drained: i.Drained,
	}
	names := i.Concerned()
	s.Offices = names[:min(len(names), maxOffices)]
	for _, d := range documents {
		n := 0
		for _, office := range d.Waiting {
			if m, ok := i.Members[office]; ok && m.Left.IsZero() {
				n++
			}
		}
		if n > 0 && d.Urgency > 0 {
			s.Urgent++
			s.Documents = append(s.Documents, Waiting{ID: d.ID, From: d.From, Urgency: d.Urgency, Since: d.Since, Offices: n})
		}
	}
	slices.SortFunc(s.Documents, func(a, b Waiting) int {
		if a.Urgency != b.Urgency {
			return b.Urgency - a.Urgency
		}
		return a.Since.Compare(b.Since)
	})
	s.Documents = s.Documents[:min(len(s.Documents), maxDocuments)]
	return s
}

// digests tells what could wait: at the opening of each working day what is of that
// day, at the first one of a week that of the week. The weekly one comes also when
// there is nothing, so that its absence is noticed.
func (e *Engine) digests(f Facts) {
	if !inOffice(e.s.Calendar, e.now) {
		return
	}
	today := e.now.In(clock.Vietnam).Format(time.DateOnly)
	if e.state.Daily.In(clock.Vietnam).Format(time.DateOnly) != today {
		e.state.Daily = e.now
		if list := e.due(Daily, f); len(list) > 0 {
			e.notices = append(e.notices, Notice{Kind: Digest, At: e.now, Severity: Daily, Incidents: list})
		}
	}
	if weekOf(e.state.Weekly) != weekOf(e.now) {
		e.state.Weekly = e.now
		e.notices = append(e.notices, Notice{Kind: Digest, At: e.now, Severity: Weekly, Incidents: e.due(Weekly, f)})
	}
}

// due are the open incidents that a digest tells. That of the week has all, so that
// nothing is forgotten.
func (e *Engine) due(s Severity, f Facts) []Summary {
	var list []Summary
	for _, i := range e.openOnes() {
		if i.Severity == s || s == Weekly {
			list = append(list, Summarize(i, f.Documents))
		}
	}
	return list
}

// SortSummaries puts the most severe first, and of these the oldest.
func SortSummaries(list []Summary) {
	slices.SortFunc(list, func(a, b Summary) int {
		if a.Severity != b.Severity {
			return b.Severity.rank() - a.Severity.rank()
		}
		return int(a.ID - b.ID)
	})
}
