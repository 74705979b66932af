package workdays

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"tram/agent/clock"
	"tram/agent/hours"
)

// MaxLayers bounds the files of a calendar; more are refused.
const MaxLayers = 64

// DefaultHours are the office hours of years for which no file has any.
var DefaultHours = []string{"Mon-Fri 07:30-11:30", "Mon-Fri 13:30-17:00"}

//go:embed data/*.json
var data embed.FS

// date is a day, counted from 1 January 1970.
type date int

func dateOf(t time.Time) date {
	y, m, d := t.In(clock.Vietnam).Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

func (d date) utc() time.Time        { return time.Unix(int64(d)*24*60*60, 0).UTC() }
func (d date) year() int             { return d.utc().Year() }
func (d date) weekday() time.Weekday { return d.utc().Weekday() }

// at is a moment of the day.
func (d date) at(of time.Duration) time.Time {
	y, m, day := d.utc().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, clock.Vietnam).Add(of)
}

// Calendar tells when an office works. It does not change, and may be used by
// several goroutines.
type Calendar struct {
	files []File
	days  map[date]named
	weeks map[int][7][]hours.Range // by year
	base  [7][]hours.Range         // office hours of other years
}

type named struct {
	day  Day
	work []hours.Range
}

// New lays files over each other, the first at the bottom.
func New(files ...File) (*Calendar, error) {
	if len(files) > MaxLayers {
		return nil, fault("too-many-layers", "", "most", MaxLayers)
	}
	c := &Calendar{files: slices.Clone(files), days: map[date]named{}, weeks: map[int][7][]hours.Range{}, base: weekOf(DefaultHours)}
	for _, f := range files {
		if err := f.Check(); err != nil {
			return nil, err
		}
		if len(f.Hours) == 0 {
			continue
		}
		for year := f.ValidFrom; year <= f.ValidTo; year++ {
			c.weeks[year] = weekOf(f.Hours)
		}
	}
	for _, f := range files {
		for i, day := range f.Days {
			on, _ := parseDate(day.Date)
			day.Hours = slices.Clone(day.Hours)
			day.Provisional = day.Provisional || f.Provisional
			work := c.hoursOf(day)
			if day.Kind == Work && len(work) == 0 {
				return nil, fault("work-hours", fmt.Sprintf("days[%d].for", i))
			}
			c.days[on] = named{day: day, work: work}
		}
	}
	return c, nil
}

// Vietnam is the calendar of the nation with local files laid over it.
func Vietnam(local ...File) (*Calendar, error) {
	names, err := fs.Glob(data, "data/*.json")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range names {
		raw, err := fs.ReadFile(data, name)
		if err != nil {
			return nil, err
		}
		f, err := Parse(raw)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return New(append(files, local...)...)
}

func weekOf(texts []string) (week [7][]hours.Range) {
	spans, _ := parseHours(texts, true)
	for d := range week {
		week[d] = spans.On(time.Weekday(d))
	}
	return week
}

// hoursOf is what is worked on a named day.
func (c *Calendar) hoursOf(day Day) []hours.Range {
	if len(day.Hours) > 0 {
		spans, _ := parseHours(day.Hours, false)
		return spans.On(time.Monday)
	}
	if day.Kind != Work {
		return nil
	}
	like, _ := parseDate(day.For)
	return c.usual(like)
}

// usual are the office hours of a day's weekday.
func (c *Calendar) usual(d date) []hours.Range {
	week, ok := c.weeks[d.year()]
	if !ok {
		week = c.base
	}
	return week[d.weekday()]
}

// work are the office hours of a day, in order; none: nobody works.
func (c *Calendar) work(d date) []hours.Range {
	if n, ok := c.days[d]; ok {
		return n.work
	}
	return c.usual(d)
}

func minutes(m int) time.Duration { return time.Duration(m) * time.Minute }

func (c *Calendar) opening(d date) time.Time { return d.at(minutes(c.work(d)[0].From)) }

func (c *Calendar) closing(d date) time.Time {
	work := c.work(d)
	return d.at(minutes(work[len(work)-1].To))
}

// clocked is the moment of a working day's office hours that of is or comes
// before, its closing at the latest.
func (c *Calendar) clocked(d date, of time.Duration) time.Time {
	for _, r := range c.work(d) {
		if of < minutes(r.From) {
			return d.at(minutes(r.From))
		}
		if of <= minutes(r.To) {
			return d.at(of)
		}
	}
	return c.closing(d)
}

// maxIdle is how many days in a row may be without work before a calendar is
// refused as one in which nothing is ever due.
const maxIdle = 400

// next is the first working day after d.
func (c *Calendar) next(d date) (date, error) {
	for range maxIdle {
		if d++; len(c.work(d)) > 0 {
			return d, nil
		}
	}
	return 0, fault("never-open", "", "days", maxIdle)
}

// On says what kind of day t lies in. Named is nil for an ordinary weekday.
func (c *Calendar) On(t time.Time) (work []hours.Range, named *Day) {
	d := dateOf(t)
	if n, ok := c.days[d]; ok {
		day := n.day
		named = &day
	}
	return slices.Clone(c.work(d)), named
}

// In returns the files that cover a year, the lowest first, for their source
// lines.
func (c *Calendar) In(year int) []File {
	var in []File
	for _, f := range c.files {
		if f.ValidFrom <= year && year <= f.ValidTo {
			in = append(in, f)
		}
	}
	return in
}

// Covered tells whether the public holidays of a year are known.
func (c *Calendar) Covered(year int) bool {
	return slices.ContainsFunc(c.In(year), func(f File) bool { return f.Scope == National })
}

// provisional tells whether something between two days is not decided yet.
func (c *Calendar) provisional(from, to date) bool {
	for year := from.year(); year <= to.year(); year++ {
		if slices.ContainsFunc(c.In(year), func(f File) bool { return f.Provisional }) {
			return true
		}
	}
	for d, n := range c.days {
		if n.day.Provisional && from <= d && d <= to {
			return true
		}
	}
	return false
}
