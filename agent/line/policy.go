package line

import (
	"time"

	"tram/agent/hours"
	"tram/sync/schedule"
)

// Code says, for a person and for tools, why something may not go. Never rename
// one.
type Code string

// The codes, of a verdict and of one document.
const (
	Open       Code = "open"        // everything may go
	Metered    Code = "metered"     // the line costs money: its standing rules hold
	OffHours   Code = "off-hours"   // outside office hours only khẩn and above go
	BudgetUsed Code = "budget-used" // the month's budget is used up: the same
	TooLarge   Code = "too-large"   // of a document: over the size for a metered line
	Ordered    Code = "ordered"     // the hub has ordered that only khẩn and above go
)

// Policy is what an office allows over metered lines. The zero Policy allows
// everything.
type Policy struct {
	Urgency uint8      // least urgency; above thượng khẩn it counts as thượng khẩn
	Size    int64      // bound for one document, bytes; 0: none
	Budget  int64      // bytes a month; 0: no bound
	Hours   hours.Week // when documents below khẩn may go; empty: always
}

// Verdict is what may go at a moment, and why not more.
type Verdict struct {
	Rules schedule.Rules
	Code  Code
	Until time.Time // when Code ends by itself; zero: not known
}

// Decide tells what may go over a line that is metered or not, when used bytes
// of the month's budget are gone. resets is when the next month begins.
func (p Policy) Decide(now time.Time, metered bool, used int64, resets time.Time) Verdict {
	v := Verdict{Code: Open}
	if !metered {
		return v
	}
	v.Rules = schedule.Rules{MinUrgency: min(p.Urgency, schedule.VeryUrgent), MaxSize: p.Size}
	if v.Rules != (schedule.Rules{}) {
		v.Code = Metered
	}
	urgentOnly := func(c Code, until time.Time) {
		v.Rules.MinUrgency = max(v.Rules.MinUrgency, schedule.Urgent)
		v.Code, v.Until = c, until
	}
	switch {
	case p.Budget > 0 && used >= p.Budget:
		urgentOnly(BudgetUsed, resets)
	case len(p.Hours) > 0 && !p.Hours.Contains(now) && v.Rules.MinUrgency < schedule.Urgent:
		urgentOnly(OffHours, p.Hours.Next(now))
	}
	return v
}

// Order adds to a verdict that the hub has ordered to hold everything below khẩn,
// until a time; zero: until it says otherwise.
func (v Verdict) Order(until time.Time) Verdict {
	v.Rules.MinUrgency = max(v.Rules.MinUrgency, schedule.Urgent)
	v.Code, v.Until = Ordered, until
	return v
}

// Holds tells why a document of this urgency and size may not go, "" when it
// may.
func (v Verdict) Holds(urgency uint8, size int64) Code {
	switch {
	case v.Rules.Allow(urgency, size):
		return ""
	case urgency >= v.Rules.MinUrgency:
		return TooLarge
	}
	return v.Code
}

// Month is the month of a SIM around now that begins on day, in now's zone. In
// a shorter month that is its last day.
func Month(now time.Time, day int) (from, to time.Time) {
	begin := func(months int) time.Time {
		first := time.Date(now.Year(), now.Month()+time.Month(months), 1, 0, 0, 0, 0, now.Location())
		last := first.AddDate(0, 1, -1).Day()
		return first.AddDate(0, 0, min(day, last)-1)
	}
	if from = begin(0); now.Before(from) {
		return begin(-1), from
	}
	return from, begin(1)
}
