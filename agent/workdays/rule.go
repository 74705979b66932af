package workdays

import (
	"time"

	"tram/agent/problem"
)

// Unit is what a period is counted in.
type Unit string

// The units of a rule.
const (
	WorkingDays  Unit = "working-days"
	WorkingHours Unit = "working-hours"
	CalendarDays Unit = "calendar-days"
	SameDay      Unit = "same-day" // within the day of receipt
)

// Ends is the time of the last day at which a period in days ends.
type Ends string

// The ends of a period. EndOfDay is the default.
const (
	EndOfDay  Ends = ""           // with the office hours of the day
	SameClock Ends = "same-clock" // at the clock time of receipt
)

// MaxCount bounds a rule's N and Extra; more is refused.
const MaxCount = 2000

// Rule is a time limit, as a version of a procedure states it.
type Rule struct {
	Unit     Unit   `json:"unit"`
	N        int    `json:"n,omitempty"`         // days or hours; none with SameDay
	CutOff   string `json:"cut_off,omitempty"`   // "15:00"; received later counts for the next working day; empty: closing time
	FirstDay bool   `json:"first_day,omitempty"` // the day of receipt counts
	Ends     Ends   `json:"ends,omitempty"`
	Extra    int    `json:"extra,omitempty"` // working days granted on top, such as an extension
}

// Check returns everything that is wrong with the rule.
func (r Rule) Check() error {
	var faults problem.List
	days := r.Unit == WorkingDays || r.Unit == CalendarDays
	if !days && r.Unit != WorkingHours && r.Unit != SameDay {
		faults = append(faults, fault("rule-unit", "unit", "value", r.Unit))
	}
	if r.Unit == SameDay && r.N != 0 || r.Unit != SameDay && (r.N < 1 || r.N > MaxCount) {
		faults = append(faults, fault("rule-count", "n", "most", MaxCount))
	}
	if r.Extra < 0 || r.Extra > MaxCount {
		faults = append(faults, fault("rule-extra", "extra", "most", MaxCount))
	}
	if _, ok := r.cutOff(); !ok {
		faults = append(faults, fault("rule-cut-off", "cut_off", "value", r.CutOff))
	}
	if r.FirstDay && (!days || r.Ends == SameClock) {
		faults = append(faults, fault("rule-first-day", "first_day"))
	}
	if r.Ends != EndOfDay && (!days || r.Ends != SameClock) {
		faults = append(faults, fault("rule-ends", "ends", "value", r.Ends))
	}
	return faults.Err()
}

// cutOff is the cut-off as a part of the day; without one it is the day's end.
func (r Rule) cutOff() (time.Duration, bool) {
	if r.CutOff == "" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", r.CutOff)
	if err != nil || len(r.CutOff) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}
