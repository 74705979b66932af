package edxml

import (
	"strings"
	"time"
)

// Vietnam is the zone of all times in a message, which carry none.
var Vietnam = time.FixedZone("+07:00", 7*60*60)

const (
	dateLayout = "2006/01/02"
	timeLayout = "2006/01/02 15:04:05"
)

// Date is a calendar day. The zero Date is no date.
type Date struct {
	Day time.Time // midnight UTC; zero when there is no date or Raw is none
	Raw string    // as written, only when it could not be read
}

// DateOf returns the calendar day of t in Vietnam.
func DateOf(t time.Time) Date {
	y, m, d := t.In(Vietnam).Date()
	return Date{Day: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

// ParseDate reads yyyy/MM/dd, and also dd/MM/yyyy and yyyy-MM-dd. ok is false
// when s is not empty and no date; it is then kept in Raw.
func ParseDate(s string) (d Date, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Date{}, true
	}
	for _, layout := range []string{dateLayout, "02/01/2006", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1 {
			return Date{Day: t}, true
		}
	}
	return Date{Raw: s}, false
}

// IsZero reports whether there is no readable day.
func (d Date) IsZero() bool { return d.Day.IsZero() }

// String returns the day as the message writes it, or Raw.
func (d Date) String() string {
	if d.Day.IsZero() {
		return d.Raw
	}
	return d.Day.Format(dateLayout)
}

// ISO returns the day as yyyy-mm-dd, or Raw.
func (d Date) ISO() string {
	if d.Day.IsZero() {
		return d.Raw
	}
	return d.Day.Format(time.DateOnly)
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{timeLayout, "02/01/2006 15:04:05", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, Vietnam); err == nil && t.Year() >= 1 {
			return t.In(Vietnam), true
		}
	}
	return time.Time{}, s == ""
}

// ClassicID builds the classic DocumentId, OrganId,yyyy/MM/dd,number/notation.
func ClassicID(organ string, date Date, code Code) string {
	return organ + "," + date.String() + "," + code.String()
}
