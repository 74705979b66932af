package backup

import (
	"fmt"
	"time"

	"tram/agent/clock"
)

// Policy is which backups stay: the newest of each of so many days, weeks and months.
type Policy struct{ Days, Weeks, Months int }

// DefaultPolicy keeps a week of days, a month of weeks and a year of months.
var DefaultPolicy = Policy{Days: 7, Weeks: 4, Months: 12}

// Keep tells which of the backups stay, whose times are in order, the newest first. The
// newest does always. Days are those of Vietnam.
func (p Policy) Keep(made []time.Time) []bool {
	keep := make([]bool, len(made))
	rules := []struct {
		most int
		span func(time.Time) string
	}{
		{p.Days, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{p.Weeks, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }},
		{p.Months, func(t time.Time) string { return t.Format("2006-01") }},
	}
	for _, r := range rules {
		last, n := "", 0
		for i, t := range made {
			span := r.span(t.In(clock.Vietnam))
			if span == last || n == r.most {
				continue
			}
			last, n, keep[i] = span, n+1, true
		}
	}
	if len(keep) > 0 {
		keep[0] = true
	}
	return keep
}
