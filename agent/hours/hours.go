// Package hours reads and judges spans of the week, such as office hours, as
// settings write them: "Mon-Fri 07:30-11:30".
//
// It is pure: a time is judged in the zone that it carries. What Parse accepts,
// String writes in one form, and Parse reads that back as the same.
package hours

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxSpans bounds a Week; more spans are refused.
const MaxSpans = 32

const (
	minutes = 24 * 60 // of a day
	lookout = 8       // days that Next looks ahead: a week, and the rest of today
)

// Span is a span of time on certain days. One that ends before it begins goes
// on into the next day.
type Span struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day; to may be 24:00
}

// Week is a set of spans. The empty Week has no time in it.
type Week []Span

var errSpan = errors.New(`not a span such as "Mon-Fri 07:30-11:30"`)

var dayNames = [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// Parse reads "HH:MM-HH:MM" for every day, or the same behind a day ("Sat") or
// a range of days ("Mon-Fri").
func Parse(s string) (Span, error) {
	span := Span{days: [7]bool{true, true, true, true, true, true, true}}
	words := strings.Fields(s)
	if len(words) == 2 {
		var ok bool
		if span.days, ok = parseDays(words[0]); !ok {
			return Span{}, errSpan
		}
		words = words[1:]
	}
	if len(words) != 1 {
		return Span{}, errSpan
	}
	from, to, _ := strings.Cut(words[0], "-")
	var ok1, ok2 bool
	span.from, ok1 = parseClock(from)
	span.to, ok2 = parseClock(to)
	if !ok1 || !ok2 || span.from == minutes || span.from == span.to {
		return Span{}, errSpan
	}
	return span, nil
}

func parseDays(s string) (days [7]bool, ok bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, b := dayOf(first), dayOf(last)
	if a < 0 || b < 0 {
		return days, false
	}
	for d := a; ; d = (d + 1) % 7 {
		days[d] = true
		if d == b {
			return days, true
		}
	}
}

func dayOf(name string) int {
	return slices.IndexFunc(dayNames[:], func(n string) bool { return strings.EqualFold(n, name) })
}

func parseClock(s string) (minute int, ok bool) {
	h, m, found := strings.Cut(s, ":")
	if !found || len(h) != 2 || len(m) != 2 {
		return 0, false
	}
	hour, err1 := strconv.ParseUint(h, 10, 8)
	min, err2 := strconv.ParseUint(m, 10, 8)
	minute = int(hour)*60 + int(min)
	return minute, err1 == nil && err2 == nil && min < 60 && minute <= minutes
}

// String writes the span as Parse reads it.
func (s Span) String() string {
	times := fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60)
	begin := 0
	for begin < 7 && !(s.days[begin] && !s.days[(begin+6)%7]) {
		begin++
	}
	if begin == 7 {
		return times // every day
	}
	end := begin
	for s.days[(end+1)%7] {
		end = (end + 1) % 7
	}
	if begin == end {
		return dayNames[begin] + " " + times
	}
	return dayNames[begin] + "-" + dayNames[end] + " " + times
}

// Contains tells whether t lies in one of the spans; their ends do not count.
func (w Week) Contains(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	today, yesterday := t.Weekday(), (t.Weekday()+6)%7
	return slices.ContainsFunc(w, func(s Span) bool {
		if s.from < s.to {
			return s.days[today] && minute >= s.from && minute < s.to
		}
		return s.days[today] && minute >= s.from || s.days[yesterday] && minute < s.to
	})
}

// Range is a part of a day, in minutes since midnight; To is 24:00 at most.
type Range struct{ From, To int }

// On returns the parts of a day that lie in the spans, in their order and merged.
func (w Week) On(day time.Weekday) []Range {
	var parts []Range
	for _, s := range w {
		switch before := (day + 6) % 7; {
		case s.from < s.to && s.days[day]:
			parts = append(parts, Range{s.from, s.to})
		case s.from > s.to:
			if s.days[day] {
				parts = append(parts, Range{s.from, minutes})
			}
			if s.days[before] && s.to > 0 {
				parts = append(parts, Range{0, s.to})
			}
		}
	}
	slices.SortFunc(parts, func(a, b Range) int { return a.From - b.From })
	merged := parts[:0]
	for _, p := range parts {
		if n := len(merged); n > 0 && p.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, p.To)
			continue
		}
		merged = append(merged, p)
	}
	return merged
}

// Next is when Contains changes after t, the zero time when it never does.
func (w Week) Next(t time.Time) time.Time {
	now, next := w.Contains(t), time.Time{}
	year, month, day := t.Date()
	for _, s := range w {
		for d := range lookout {
			for _, minute := range []int{s.from, s.to} {
				at := time.Date(year, month, day+d, 0, minute, 0, 0, t.Location())
				if at.After(t) && w.Contains(at) != now && (next.IsZero() || at.Before(next)) {
					next = at
				}
			}
		}
	}
	return next
}
