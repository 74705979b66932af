package workdays

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/clock"
)

// MaxPauses bounds the pauses of one deadline; more are refused.
const MaxPauses = 1000

// Span is a time for which a clock stands still. Without To it still does.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// Deadline is what a rule gives for a dossier.
type Deadline struct {
	From        time.Time // when the dossier counts as received
	At          time.Time // when it is due; zero while Stopped
	Stopped     bool      // the clock stands still: nothing is due until it is resumed
	Uncovered   bool      // in some year only weekends were counted: its holidays are not known
	Provisional bool      // it rests on days that are not decided yet
}

// Due is when a dossier is due that was never stopped.
func Due(cal *Calendar, rule Rule, received time.Time) (Deadline, error) {
	return DueWith(cal, rule, received, nil)
}

// DueWith is when a dossier is due whose clock stood still in the pauses, in
// whatever order they come and however they overlap. It follows from its
// arguments alone.
func DueWith(cal *Calendar, rule Rule, received time.Time, pauses []Span) (Deadline, error) {
	if err := rule.Check(); err != nil {
		return Deadline{}, err
	}
	if !inYears(received) {
		return Deadline{}, fault("time", "received", "first", FirstYear, "last", LastYear)
	}
	c := &count{cal: cal, rule: rule}
	var err error
	if c.from, err = cal.receipt(rule, received); err != nil {
		return Deadline{}, err
	}
	if err := c.take(pauses); err != nil {
		return Deadline{}, err
	}
	due := Deadline{From: c.from}
	due.At, err = c.due()
	last := due.At
	if errors.Is(err, errStopped) {
		due.Stopped, last = true, c.stops[len(c.stops)-1].From
	} else if err != nil {
		return Deadline{}, err
	}
	first, end := dateOf(c.from), dateOf(last)
	due.Provisional = cal.provisional(dateOf(received), end)
	for year := min(first, dateOf(received)).year(); year <= end.year(); year++ {
		due.Uncovered = due.Uncovered || !cal.Covered(year)
	}
	return due, nil
}

func inYears(t time.Time) bool {
	year := t.In(clock.Vietnam).Year()
	return year >= FirstYear && year <= LastYear
}

// receipt is when something that comes at t counts as received.
func (c *Calendar) receipt(rule Rule, t time.Time) (time.Time, error) {
	t = t.In(clock.Vietnam)
	d := dateOf(t)
	if len(c.work(d)) > 0 {
		cutOff, _ := rule.cutOff()
		if t.Before(c.opening(d)) && !t.After(d.at(cutOff)) {
			return c.opening(d), nil
		}
		if !t.After(c.closing(d)) && !t.After(d.at(cutOff)) {
			return t, nil
		}
	}
	d, err := c.next(d)
	if err != nil {
		return time.Time{}, err
	}
	return c.opening(d), nil
}

// count is one computation of a deadline.
type count struct {
	cal   *Calendar
	rule  Rule
	from  time.Time // receipt
	stops []Span    // united, in order, none before from; the last may be open
}

// errStopped says that the clock stands still for as long as is known.
var errStopped = errors.New("the clock stands still")

// take unites the pauses.
func (c *count) take(pauses []Span) error {
	if len(pauses) > MaxPauses {
		return fault("too-many-pauses", "pauses", "most", MaxPauses)
	}
	var stops []Span
	for i, p := range pauses {
		field := fmt.Sprintf("pauses[%d]", i)
		open := p.To.IsZero()
		if !inYears(p.From) || !open && !inYears(p.To) {
			return fault("time", field, "first", FirstYear, "last", LastYear)
		}
		if !open && p.To.Before(p.From) {
			return fault("pause", field)
		}
		if p.From.Before(c.from) {
			p.From = c.from
		}
		if !open {
			var err error
			if p.To, err = c.resumption(p.To); err != nil {
				return err
			}
		}
		if open || p.From.Before(p.To) {
			stops = append(stops, p)
		}
	}
	slices.SortFunc(stops, func(a, b Span) int { return a.From.Compare(b.From) })
	for _, p := range stops {
		n := len(c.stops)
		if n == 0 || !c.stops[n-1].To.IsZero() && c.stops[n-1].To.Before(p.From) {
			c.stops = append(c.stops, p)
			continue
		}
		if last := &c.stops[n-1]; p.To.IsZero() || !last.To.IsZero() && p.To.After(last.To) {
			last.To = p.To
		}
	}
	return nil
}

// resumption is when a clock resumed at t runs again.
func (c *count) resumption(t time.Time) (time.Time, error) {
	d := dateOf(t)
	cutOff, _ := c.rule.cutOff()
	if len(c.cal.work(d)) == 0 || !t.After(d.at(cutOff)) {
		return t, nil
	}
	d, err := c.cal.next(d)
	if err != nil {
		return t, err
	}
	return c.cal.opening(d), nil
}

// runs tells whether the clock runs at t, from t on.
func (c *count) runs(t time.Time) (bool, error) {
	for _, s := range c.stops {
		if s.From.After(t) {
			break
		}
		if s.To.IsZero() {
			return false, errStopped
		}
		if t.Before(s.To) {
			return false, nil
		}
	}
	return true, nil
}

func (c *count) due() (time.Time, error) {
	d, of := dateOf(c.from), 24*time.Hour // the closing of whichever day
	var err error
	switch c.rule.Unit {
	case WorkingHours:
		at, err := c.hours()
		if err != nil || c.rule.Extra == 0 {
			return at, err
		}
		d = dateOf(at)
		of = at.Sub(d.at(0))
	case WorkingDays:
		d, err = c.workingDays(d, c.days())
	case CalendarDays:
		d, err = c.calendarDays(d, c.days())
	}
	if c.rule.Ends == SameClock {
		of = c.from.Sub(dateOf(c.from).at(0))
	}
	if err == nil {
		d, err = c.workingDays(d, c.rule.Extra)
	}
	if err != nil {
		return time.Time{}, err
	}
	return c.settle(d, of)
}

// days are those to count after the day of receipt.
func (c *count) days() int {
	if c.rule.FirstDay {
		return c.rule.N - 1
	}
	return c.rule.N
}

// workingDays is the nth working day after d on which the clock runs at opening.
func (c *count) workingDays(d date, n int) (date, error) {
	for n > 0 {
		next, err := c.cal.next(d)
		if err != nil {
			return 0, err
		}
		d = next
		runs, err := c.runs(c.cal.opening(d))
		if err != nil {
			return 0, err
		}
		if runs {
			n--
		}
	}
	return d, nil
}

// calendarDays is the nth day after d at whose midnight the clock runs, or the
// first working day after it.
func (c *count) calendarDays(d date, n int) (date, error) {
	for n > 0 {
		d++
		runs, err := c.runs(d.at(0))
		if err != nil {
			return 0, err
		}
		if runs {
			n--
		}
	}
	if len(c.cal.work(d)) == 0 {
		return c.cal.next(d)
	}
	return d, nil
}

// settle is the moment of at which the period ends on d, or on the day on
// which a clock that stands still then is resumed.
func (c *count) settle(d date, of time.Duration) (time.Time, error) {
	at := c.cal.clocked(d, of)
	for _, s := range c.stops {
		if !s.From.Before(at) {
			break
		}
		if s.To.IsZero() {
			return time.Time{}, errStopped
		}
		if at.After(s.To) {
			continue
		}
		for d = dateOf(s.To); len(c.cal.work(d)) == 0 || !c.cal.clocked(d, of).After(s.To); {
			next, err := c.cal.next(d)
			if err != nil {
				return time.Time{}, err
			}
			d = next
		}
		at = c.cal.clocked(d, of)
	}
	return at, nil
}

// hours is when the rule's hours of working time have run.
func (c *count) hours() (time.Time, error) {
	left := time.Duration(c.rule.N) * time.Hour
	for d := dateOf(c.from); ; {
		for _, r := range c.cal.work(d) {
			from, to := d.at(minutes(r.From)), d.at(minutes(r.To))
			if from.Before(c.from) {
				from = c.from
			}
			for from.Before(to) {
				run, resumed, err := c.running(from, to)
				if err != nil && run < left {
					return time.Time{}, err
				}
				if run >= left {
					return from.Add(left), nil
				}
				left -= run
				from = resumed
			}
		}
		next, err := c.cal.next(d)
		if err != nil {
			return time.Time{}, err
		}
		d = next
	}
}

// running is how long the clock runs from from on, until to or the next stop,
// and when it is resumed. The error is errStopped when that is never.
func (c *count) running(from, to time.Time) (time.Duration, time.Time, error) {
	for _, s := range c.stops {
		switch {
		case !s.From.Before(to):
			return to.Sub(from), to, nil
		case s.To.IsZero():
			return max(0, s.From.Sub(from)), to, errStopped
		case s.To.After(from):
			return max(0, s.From.Sub(from)), s.To, nil
		}
	}
	return to.Sub(from), to, nil
}
