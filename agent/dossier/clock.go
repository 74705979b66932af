package dossier

import (
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
)

// resume is an event after which the clock goes on, with the date that follows.
func (a *acting) resume(e Event) error {
	e.At = a.now()
	if a.d.Paused.IsZero() || a.d.Due.IsZero() {
		return a.event(e)
	}
	due, err := a.d.resumed(a.s.Calendar(), e.At)
	if err != nil {
		return err
	}
	e.Due, a.d.Uncovered = due.At, a.d.Uncovered || due.Uncovered || due.Provisional
	return a.event(e)
}

// resumed is the date of return when the clock that stands goes on at a time. One
// that an apology or a hand-over has set moves as one that a rule has set: by the
// working days for which the clock stood since.
func (d *Dossier) resumed(cal *workdays.Calendar, at time.Time) (workdays.Deadline, error) {
	from, rule := d.Accepted, d.Procedure.Limit
	if !d.extended.IsZero() {
		from = d.extended
	}
	if d.Guest || !d.extended.IsZero() {
		var err error
		if rule, err = ruleFor(cal, from, d.Due); err != nil {
			return workdays.Deadline{}, err
		}
	}
	var pauses []workdays.Span
	for _, p := range append(d.Pauses[:len(d.Pauses):len(d.Pauses)], workdays.Span{From: d.Paused}) {
		if p.To.IsZero() || p.To.After(from) {
			if p.From.Before(from) {
				p.From = from
			}
			pauses = append(pauses, p)
		}
	}
	return workdays.Resume(cal, rule, from, pauses, at)
}

// ruleFor is the rule that leads from a time to a date of return.
func ruleFor(cal *workdays.Calendar, from, due time.Time) (workdays.Rule, error) {
	day := due.In(clock.Vietnam).Format(time.DateOnly)
	for n := workdays.Left(cal, from, due).Days; n > 0; n-- {
		rule := workdays.Rule{Unit: workdays.WorkingDays, N: n}
		d, err := workdays.Due(cal, rule, from)
		if err != nil {
			return rule, err
		}
		if d.At.In(clock.Vietnam).Format(time.DateOnly) <= day {
			return rule, nil
		}
	}
	return workdays.Rule{Unit: workdays.SameDay}, nil
}

// endOf is the end of the office hours of a day.
func endOf(cal *workdays.Calendar, day time.Time) (time.Time, error) {
	d, err := workdays.Due(cal, workdays.Rule{Unit: workdays.SameDay}, day)
	if err != nil {
		return time.Time{}, err
	}
	if d.At.In(clock.Vietnam).Format(time.DateOnly) != day.Format(time.DateOnly) {
		return time.Time{}, problem.New(problem.Usage, "dossier.day-off", "day", i18n.Args{"day": day.Format("02/01/2006")})
	}
	return d.At, nil
}

// soon is until when a date of return is near. A calendar that cannot tell takes days
// as they come.
func (s *Store) soon() time.Time {
	d, err := workdays.Due(s.Calendar(), workdays.Rule{Unit: workdays.WorkingDays, N: soonDays}, s.now())
	if err != nil {
		return s.now().AddDate(0, 0, soonDays)
	}
	return d.At
}

// Left is how much working time a dossier has, or is late by; ok is false when
// no clock runs.
func (s *Store) Left(d Standing) (m workdays.Margin, ok bool) {
	if d.Due.IsZero() || !d.Open() || !d.Paused.IsZero() {
		return m, false
	}
	return workdays.Left(s.Calendar(), s.now(), d.Due), true
}

// Unsure tells whether the clock of this machine is not to be believed now: deadlines
// are then told in days.
func (s *Store) Unsure() bool { return s.unsure() }

// LeftOf is [Store.Left] of a dossier in a list.
func (s *Store) LeftOf(r Row) (m workdays.Margin, ok bool) {
	return s.Left(Standing{Status: r.Status, Due: r.Due, Paused: r.Paused})
}
