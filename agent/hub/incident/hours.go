package incident

import (
	"time"

	"tram/agent/clock"
	"tram/agent/workdays"
)

// maxIdle bounds the search for the next day on which somebody works, in days.
const maxIdle = 60

// officeDay is the day of t from its first opening to its last closing; false when
// nobody works. What lies between, lunch too, counts: boxes stay on.
func officeDay(cal *workdays.Calendar, t time.Time) (open, shut time.Time, works bool) {
	work, _ := cal.On(t)
	if len(work) == 0 {
		return open, shut, false
	}
	y, m, d := t.In(clock.Vietnam).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, clock.Vietnam)
	at := func(minutes int) time.Time { return midnight.Add(time.Duration(minutes) * time.Minute) }
	return at(work[0].From), at(work[len(work)-1].To), true
}

// inOffice says whether t lies in office hours.
func inOffice(cal *workdays.Calendar, t time.Time) bool {
	open, shut, works := officeDay(cal, t)
	return works && !t.Before(open) && t.Before(shut)
}

// NextOpening is when office hours begin after t.
func NextOpening(cal *workdays.Calendar, t time.Time) time.Time {
	for n := range maxIdle {
		open, _, works := officeDay(cal, t.AddDate(0, 0, n))
		if works && open.After(t) {
			return open
		}
	}
	return t.AddDate(0, 0, maxIdle)
}

// closingAfter is the end of the n-th working day after that of t.
func closingAfter(cal *workdays.Calendar, t time.Time, n int) time.Time {
	end := t
	for range n {
		y, m, d := end.In(clock.Vietnam).Date()
		_, end, _ = officeDay(cal, NextOpening(cal, time.Date(y, m, d, 23, 59, 59, 0, clock.Vietnam)))
	}
	return end
}

// missedSince is when a box that is away since then is first missed: at once in its
// hours, and after a night some time into the morning. Boxes are switched off a little
// before the end of the day.
func (s Settings) missedSince(a Agent, since time.Time) time.Time {
	since = since.Add(a.Away)
	if a.Round {
		return since
	}
	if s.on(a, since) && s.on(a, since.Add(s.Evening)) {
		return since
	}
	return s.nextOn(a, since).Add(s.Morning)
}

// on says whether a box is on at t as a rule.
func (s Settings) on(a Agent, t time.Time) bool {
	if len(a.Hours) == 0 {
		return inOffice(s.Calendar, t)
	}
	work, named := s.Calendar.On(t)
	return (named == nil || len(work) > 0) && a.Hours.Contains(t.In(clock.Vietnam))
}

// nextOn is when a box is switched on after t as a rule.
func (s Settings) nextOn(a Agent, t time.Time) time.Time {
	if len(a.Hours) == 0 {
		return NextOpening(s.Calendar, t)
	}
	for end := t.AddDate(0, 0, maxIdle); t.Before(end); {
		next := a.Hours.Next(t.In(clock.Vietnam))
		if next.IsZero() {
			return t
		}
		if t = next; s.on(a, t) {
			return t
		}
	}
	return t
}
