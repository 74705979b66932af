package handling

import (
	"time"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/storage"
)

// Role is what somebody has to do about a document.
type Role string

// The roles of a part.
const (
	Lead    Role = "lead"    // chủ trì
	Support Role = "support" // phối hợp
	Inform  Role = "inform"  // để biết
)

// State is how far the handling of a document is.
type State string

// The states.
const (
	Submitted  State = "submitted"  // waits for a leader's opinion
	Instructed State = "instructed" // has an instruction and is not handed over
	Open       State = "open"       // handed over, not finished
	Done       State = "done"
)

// PartState is how far one part is.
type PartState string

// The states of a part.
const (
	PartWaiting   PartState = "waiting" // named, not handed over
	PartOpen      PartState = "open"
	PartDone      PartState = "done"
	PartPassed    PartState = "passed" // somebody else has it now
	PartWithdrawn PartState = "withdrawn"
)

// Assignee is a person with an account, or a unit without one.
type Assignee struct {
	Person string `json:"person,omitempty"` // sign-in name
	Name   string `json:"name"`
}

// Actor is who acts.
type Actor struct {
	Person string // sign-in name, for the audit log
	Name   string
	// Directs says that they may act on every part, as leaders do and clerks on
	// their behalf; others on their own alone.
	Directs bool
}

// Part is what one assignee has to do.
type Part struct {
	ID         int64     `json:"id"`
	Role       Role      `json:"role"`
	Assignee   Assignee  `json:"assignee"`
	Deadline   string    `json:"deadline,omitempty"` // yyyy-mm-dd
	State      PartState `json:"state"`
	HandedOver time.Time `json:"handed_over,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Result     string    `json:"result,omitempty"`
}

// working tells whether something is still to be done for it.
func (p Part) working() bool { return p.State == PartWaiting || p.State == PartOpen }

// Kind is what a step of the history was.
type Kind string

// The kinds.
const (
	StepSubmitted  Kind = "submitted"
	StepInstructed Kind = "instructed"
	StepNamed      Kind = "named" // a part came about
	StepHandedOver Kind = "handed-over"
	StepProgress   Kind = "progress"
	StepFinished   Kind = "finished"
	StepPassed     Kind = "passed"
	StepReassigned Kind = "reassigned"
	StepExtended   Kind = "extended"
	StepWithdrawn  Kind = "withdrawn"
	StepReopened   Kind = "reopened"
	StepReplied    Kind = "replied"
)

// Step is one entry of the history.
type Step struct {
	At       time.Time `json:"at"`
	By       Assignee  `json:"by"`
	Kind     Kind      `json:"kind"`
	Role     Role      `json:"role,omitempty"`
	Who      string    `json:"who,omitempty"` // whom it concerns
	Text     string    `json:"text,omitempty"`
	Deadline string    `json:"deadline,omitempty"`
}

// Opinion is an instruction that is in force.
type Opinion struct {
	Text string    `json:"text,omitempty"`
	Of   string    `json:"of,omitempty"` // whose it is
	At   time.Time `json:"at,omitzero"`  // zero: there is none
}

// Reply is the document that answers.
type Reply struct {
	ID   storage.ID `json:"id,omitzero"`
	Code string     `json:"code,omitempty"`
}

// Work is the handling of one document.
type Work struct {
	Document    storage.ID     `json:"document"`
	Version     int            `json:"version"` // counts changes
	State       State          `json:"state"`
	Urgency     office.Urgency `json:"urgency"`
	Leader      Assignee       `json:"leader,omitzero"` // whom it was submitted to
	Submitted   time.Time      `json:"submitted,omitzero"`
	Instruction Opinion        `json:"instruction,omitzero"`
	HandedOver  time.Time      `json:"handed_over,omitzero"` // for the first time
	Due         string         `json:"due,omitempty"`        // the earliest deadline that is not met, yyyy-mm-dd
	Progress    string         `json:"progress,omitempty"`   // the newest note
	Finished    time.Time      `json:"finished,omitzero"`
	Result      string         `json:"result,omitempty"`
	Reply       Reply          `json:"reply,omitzero"`
	Parts       []Part         `json:"parts"`
	Steps       []Step         `json:"steps,omitempty"` // oldest first; only from Of
}

// Holds tells whether a document was handed over to a person, who may see its
// content then and later.
func (w Work) Holds(person string) bool {
	for _, p := range w.Parts {
		if person != "" && p.Assignee.Person == person && !p.HandedOver.IsZero() {
			return true
		}
	}
	return false
}

// Limits of what people type, in characters, and of one document.
const (
	MaxText = 2000
	MaxName = 100
	// MaxParts bounds the parts of one document over its whole life.
	MaxParts = 100
)

// SoonDays is how many days before a deadline it is called near.
const SoonDays = 3

// Due says how near a deadline is.
type Due string

// The steps of [DueOn].
const (
	NoDue   Due = ""
	Overdue Due = "overdue"
	Today   Due = "today"
	Soon    Due = "soon" // within SoonDays
	Later   Due = "later"
)

// DueOn tells how near a deadline is at a moment, and how many days it is away:
// fewer than none when it has passed. A deadline holds to the end of its day in
// Vietnam.
func DueOn(deadline string, now time.Time) (due Due, days int) {
	end, err := time.Parse(time.DateOnly, deadline)
	if err != nil {
		return NoDue, 0
	}
	today, _ := time.Parse(time.DateOnly, dayOf(now)) // its own format
	days = int(end.Sub(today) / (24 * time.Hour))
	switch {
	case days < 0:
		return Overdue, days
	case days == 0:
		return Today, 0
	case days <= SoonDays:
		return Soon, days
	}
	return Later, days
}

// dayOf is the date in Vietnam, yyyy-mm-dd.
func dayOf(t time.Time) string { return t.In(clock.Vietnam).Format(time.DateOnly) }
