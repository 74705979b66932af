package dossier

import (
	"slices"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
)

// Role is what an actor may do, as a set.
type Role uint8

// The roles. A leader may do whatever the others may.
const (
	Desk    Role = 1 << iota // the one-stop desk: takes in and gives out
	Officer                  // works on dossiers
	Leader                   // signs: extends, stops
	Public                   // the applicant, or a system on their behalf
)

// step is what a kind of event does to the status.
type step struct {
	from []code.Status // in which it may happen
	to   code.Status   // 0: stays
	back bool          // to what it was before it waited
	by   Role          // who may do it besides leaders
}

var (
	working = []code.Status{code.Received, code.Processing}
	undone  = []code.Status{code.Registered, code.Received, code.Processing, code.Supplement, code.Payment, code.WithdrawalWish}
	held    = undone[1:] // that the office has accepted, unless they came to wait before
	ended   = []code.Status{code.Refused, code.Stopped, code.Returned}
	known   = code.Statuses()
)

// steps are the transitions that are allowed, and who may make them.
var steps = map[Kind]step{
	Filed:            {from: []code.Status{0}, to: code.Registered, by: Desk | Officer | Public},
	Accepted:         {from: undone[:1], to: code.Received, by: Desk},
	Refused:          {from: []code.Status{code.Registered, code.Supplement}, to: code.Refused, by: Desk},
	Started:          {from: undone[1:2], to: code.Processing, by: Desk | Officer},
	SupplementAsked:  {from: undone[:3], to: code.Supplement, by: Desk | Officer},
	Supplemented:     {from: []code.Status{code.Supplement}, back: true, by: Desk | Public},
	PaymentAsked:     {from: undone[:3], to: code.Payment, by: Desk | Officer},
	Paid:             {from: []code.Status{code.Payment}, back: true, by: Desk | Public},
	WithdrawalAsked:  {from: undone[:5], to: code.WithdrawalWish, by: Desk | Public},
	WithdrawalDenied: {from: []code.Status{code.WithdrawalWish}, back: true, by: Desk},
	Withdrawn:        {from: []code.Status{code.WithdrawalWish}, to: code.Stopped, by: Desk},
	Stopped:          {from: held, to: code.Stopped},
	Finished:         {from: working, to: code.Done, by: Officer},
	Reopened:         {from: []code.Status{code.Done}, to: code.Processing},
	Returned:         {from: []code.Status{code.Done}, to: code.Returned, by: Desk},
	Extended:         {from: held},
	Noted:            {from: undone, by: Desk | Officer},
	FeePaid:          {from: known, by: Desk | Public},
	Linked:           {from: known, by: Desk | Officer},
	Printed:          {from: known, by: Desk | Officer},
	Erased:           {from: ended},
	HandedOn:         {from: working, to: code.Processing, by: Desk | Officer},
	HandTaken:        {from: known, by: Desk | Officer},
	Answered:         {from: known, by: Officer},
	HandBack:         {from: known, by: Desk | Officer},
	HandEnded:        {from: known, by: Desk | Officer},
	Recalled:         {from: undone, to: code.Stopped},
}

// Kinds that may follow in a status for an actor with these roles, in a fixed order.
func Kinds(s code.Status, r Role) (list []Kind) {
	for k, st := range steps {
		if slices.Contains(st.from, s) && (r&(st.by|Leader) != 0) {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

// Outcome tells how a finished dossier stands to its date of return.
type Outcome string

// The outcomes.
const (
	Early  Outcome = "early"   // trước hạn: on a day before the date of return
	OnTime Outcome = "on-time" // đúng hạn
	Late   Outcome = "late"    // quá hạn
)

// Standing is where a dossier is.
type Standing struct {
	Status   code.Status `json:"status"`
	Filed    time.Time   `json:"filed,omitzero"`
	Accepted time.Time   `json:"accepted,omitzero"` // when the clock started
	// FirstDue is the date of return on the receipt; Due is the one that holds. It does
	// not move while the clock stands.
	FirstDue time.Time       `json:"first_due,omitzero"`
	Due      time.Time       `json:"due,omitzero"`
	Paused   time.Time       `json:"paused,omitzero"` // since when the clock stands
	Pauses   []workdays.Span `json:"-"`               // that are over
	// Supplements is how often papers were asked for; more than once counts as late.
	Supplements int       `json:"supplements"`
	Extensions  int       `json:"extensions"`
	Done        time.Time `json:"done,omitzero"`     // of the last result
	Closed      time.Time `json:"closed,omitzero"`   // refused or stopped
	Returned    time.Time `json:"returned,omitzero"` // given to the applicant
	Unsure      bool      `json:"unsure,omitempty"`  // a time that counts was of a clock not to be believed

	before   []code.Status // what it was before it waited, innermost last
	extended time.Time     // when the last new date was set
}

// Fold is where the events lead, in the order in which they were learnt. Its error
// says that they cannot have happened so.
func Fold(events []Event, paymentStops bool) (s Standing, err error) {
	for _, e := range events {
		if err := s.Apply(e, paymentStops); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Allows tells why an event cannot happen now, nil when it can.
func (s *Standing) Allows(k Kind) error {
	st, ok := steps[k]
	if !ok || !slices.Contains(st.from, s.Status) || k == Refused && !s.Accepted.IsZero() || k == Stopped && s.Accepted.IsZero() || k == Extended && s.Due.IsZero() {
		return problem.New(problem.Conflict, "dossier.not-now", "", i18n.Args{"act": i18n.Say("dossier.kind." + string(k)), "status": s.Status})
	}
	return nil
}

// Apply takes an event in. One that cannot happen changes nothing.
func (s *Standing) Apply(e Event, paymentStops bool) error {
	if e.Moot {
		return nil
	}
	if err := s.Allows(e.Kind); err != nil {
		return err
	}
	s.move(steps[e.Kind])
	s.times(e, paymentStops)
	return nil
}

func (s *Standing) move(st step) {
	waits := st.to == code.Supplement || st.to == code.Payment || st.to == code.WithdrawalWish
	switch n := len(s.before); {
	case waits:
		s.before = append(slices.Clone(s.before), s.Status)
		s.Status = st.to
	case st.back && n > 0:
		s.Status, s.before = s.before[n-1], s.before[:n-1]
	case st.to != 0:
		s.Status, s.before = st.to, nil
	}
}

// times notes what an event says of the clock.
func (s *Standing) times(e Event, paymentStops bool) {
	switch e.Kind {
	case Filed:
		s.Filed = e.At
	case Accepted:
		s.Accepted, s.FirstDue = e.At, e.Due
	case SupplementAsked:
		s.Supplements++
		s.pause(e.At)
	case PaymentAsked:
		if paymentStops {
			s.pause(e.At)
		}
	case Supplemented, Paid:
		s.resume(e.At)
	case Extended:
		s.Extensions++
		s.extended = e.At
	case Finished:
		s.Done = e.At
	case Reopened:
		s.Done = time.Time{}
	case Refused, Stopped, Withdrawn, Recalled:
		s.Closed = e.At
		s.resume(e.At)
	case Returned:
		s.Returned = e.At
	default:
		return
	}
	s.Unsure = s.Unsure || e.Unsure
	if !e.Due.IsZero() {
		s.Due = e.Due // of a guest also when it is filed
	}
}

// pause stops the clock, which only runs once a dossier is accepted.
func (s *Standing) pause(at time.Time) {
	if !s.Accepted.IsZero() && s.Paused.IsZero() {
		s.Paused = at
	}
}

func (s *Standing) resume(at time.Time) {
	if !s.Paused.IsZero() {
		s.Pauses = append(slices.Clone(s.Pauses), workdays.Span{From: s.Paused, To: at})
		s.Paused = time.Time{}
	}
}

// End is when the office was through with it: the result, else the return, else the
// refusal or the stop (QĐ 766/QĐ-TTg); zero while it is not.
func (s Standing) End() time.Time {
	for _, t := range []time.Time{s.Done, s.Returned, s.Closed} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Open tells whether the office still has to do something before there is a result.
func (s Standing) Open() bool { return slices.Contains(undone, s.Status) }

// Outcome judges an ended dossier as QĐ 766/QĐ-TTg does: late is what ended after
// its date of return, or had papers asked for more than once. It is "" while the
// dossier is not ended, and for one that was never accepted. With a clock that was
// not to be believed days count, not hours.
func (s Standing) Outcome() Outcome {
	end := s.End()
	if end.IsZero() || s.Accepted.IsZero() || s.Due.IsZero() {
		return ""
	}
	last, day := s.Due.In(clock.Vietnam).Format(time.DateOnly), end.In(clock.Vietnam).Format(time.DateOnly)
	switch {
	case s.Supplements > 1, day > last, end.After(s.Due) && !s.Unsure:
		return Late
	case day < last:
		return Early
	}
	return OnTime
}
