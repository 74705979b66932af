package workdays

import (
	"time"

	"tram/agent/i18n"
)

// Margin is how far a moment is from a due time, in working time.
type Margin struct {
	Overdue bool          // the due time has passed; being due now is not overdue
	Days    int           // working days that begin between the two: after the day of the earlier one, before the later one
	Work    time.Duration // office hours between the two
}

// Left is how much working time there is from now until due, or has been since.
func Left(cal *Calendar, now, due time.Time) Margin {
	m := Margin{Overdue: now.After(due)}
	from, to := now, due
	if m.Overdue {
		from, to = due, now
	}
	first, last := dateOf(from), dateOf(to)
	for d := first; d <= last; d++ {
		work := cal.work(d)
		if d > first && len(work) > 0 && within(cal.opening(d), to, m.Overdue) {
			m.Days++
		}
		for _, r := range work {
			begin, end := d.at(minutes(r.From)), d.at(minutes(r.To))
			if begin.Before(from) {
				begin = from
			}
			if end.After(to) {
				end = to
			}
			m.Work += max(0, end.Sub(begin))
		}
	}
	return m
}

// within tells whether a day that opens at t has begun by the end of a margin:
// a day of delay has when it opens, a day that is left when some of it is left.
func within(t, end time.Time, overdue bool) bool {
	return t.Before(end) || overdue && t.Equal(end)
}

// Say tells the margin in words: "còn 2 ngày làm việc", "quá hạn 3 giờ làm việc".
func (m Margin) Say() *i18n.Said {
	side, n, unit := "left", m.Days, "days"
	if m.Overdue {
		side = "over"
	}
	switch {
	case n > 0:
	case m.Work >= time.Hour:
		n, unit = int(m.Work/time.Hour), "hours"
	default:
		n, unit = int(m.Work/time.Minute), "minutes"
	}
	if n == 0 {
		return i18n.Say("workdays." + side + ".now")
	}
	if n == 1 {
		unit += ".one"
	}
	return i18n.Say("workdays."+side+"."+unit, i18n.Args{"n": n})
}

// Remaining is what a clock has left at a moment. While it stands still, that is
// what it would have if it were resumed at that moment: for hours, the time that
// was left at the stop; for days, the days that were left after the day of the
// stop, and today's rest when there were none.
func Remaining(cal *Calendar, rule Rule, received time.Time, pauses []Span, at time.Time) (Margin, error) {
	past := make([]Span, 0, len(pauses))
	for _, p := range pauses {
		if p.From.After(at) {
			continue
		}
		if p.To.IsZero() || p.To.After(at) {
			p.To = at
		}
		past = append(past, p)
	}
	due, err := DueWith(cal, rule, received, past)
	if err != nil {
		return Margin{}, err
	}
	return Left(cal, at, due.At), nil
}

// Resume is when a dossier is due if its clock, wherever it stands still, is
// resumed at a moment.
func Resume(cal *Calendar, rule Rule, received time.Time, pauses []Span, at time.Time) (Deadline, error) {
	ended := make([]Span, 0, len(pauses))
	for _, p := range pauses {
		if p.To.IsZero() {
			if p.From.After(at) {
				return Deadline{}, fault("pause", "at")
			}
			p.To = at
		}
		ended = append(ended, p)
	}
	return DueWith(cal, rule, received, ended)
}
