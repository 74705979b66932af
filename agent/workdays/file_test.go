package workdays

import (
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

const small = `{"version":1,"name":"Xã","scope":"local","valid_from":2026,"valid_to":2026,"source":"Thông báo 1","updated":"2026-01-02",` +
	`"hours":["Mon-Fri 07:30-11:30"],"days":[{"date":"2026-03-10","kind":"off","name":"Lễ hội","hours":["07:30-09:00"]}]}`

func TestACalendarFileIsReadStrictly(t *testing.T) {
	if _, err := Parse([]byte(small)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, code, field string }{
		{`"version":1`, `"version":2`, "version", "version"},
		{`"version":1,`, ``, "version", "version"},
		{`{"version"`, `["version"`, "not-json", ""},
		{`"name":"Xã"`, `"name":"Xã","colour":1`, "not-json", ""},
		{`"name":"Xã"`, `"name":"Xã","Name":"Hai"`, "not-json", ""},
		{`"kind":"off"`, `"kind":"off","kind":"work"`, "not-json", ""},
		{`]}]}`, `]}]} {}`, "not-json", ""},
		{`Xã`, "X\xff", "not-json", ""},
		{`"name":"Xã"`, `"name":" "`, "text", "name"},
		{`"Thông báo 1"`, `""`, "text", "source"},
		{`"Thông báo 1"`, `"` + strings.Repeat("ộ", MaxText+1) + `"`, "text", "source"},
		{`"local"`, `"world"`, "scope", "scope"},
		{`"valid_from":2026`, `"valid_from":2027`, "years", "valid_from"},
		{`"valid_to":2026`, `"valid_to":2300`, "years", "valid_from"},
		{`"2026-01-02"`, `"02/01/2026"`, "date", "updated"},
		{`"Mon-Fri 07:30-11:30"`, `"Mon-Fri 22:00-06:00"`, "hours", "hours"},
		{`"Mon-Fri 07:30-11:30"`, `"thứ hai"`, "hours", "hours"},
		{`"07:30-09:00"`, `"Mon 07:30-09:00"`, "hours", "days[0].hours"},
		{`"2026-03-10"`, `"2026-02-30"`, "date", "days[0].date"},
		{`"2026-03-10"`, `"2027-03-10"`, "outside-years", "days[0].date"},
		{`"kind":"off"`, `"kind":"party"`, "kind", "days[0].kind"},
		{`"kind":"off","name":"Lễ hội","hours":["07:30-09:00"]`, `"kind":"work","name":"Lễ hội"`, "work-hours", "days[0].for"},
		{`"kind":"off"`, `"kind":"off","for":"x"`, "date", "days[0].for"},
		{`"days":[`, `"days":[{"date":"2026-03-10","kind":"off","name":"x"},`, "twice", "days[1].date"},
	} {
		_, err := Parse([]byte(strings.Replace(small, c.old, c.new, 1)))
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != "workdays."+c.code || p.Field != c.field || p.Next(i18n.Vietnamese) == "" {
			t.Errorf("%s: %v, want %s of %q", c.new, err, c.code, c.field)
		}
	}
	if _, err := Parse(make([]byte, MaxFile+1)); problem.From(err).Code != "workdays.too-big" {
		t.Errorf("a file over the limit: %v", err)
	}
	both := strings.NewReplacer(`"local"`, `"x"`, `"off"`, `"x"`).Replace(small)
	if _, err := Parse([]byte(both)); len(problem.All(err)) != 2 {
		t.Errorf("not every fault is told at once: %v", err)
	}
}

func TestCalendarsThatCannotBeLaidAreRefused(t *testing.T) {
	f, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	f.Days = []Day{{Date: "2026-03-14", Kind: Work, Name: "x", For: "2026-03-15"}} // a Sunday has no hours
	if _, err := New(f); problem.From(err).Code != "workdays.work-hours" {
		t.Errorf("a day worked like a Sunday: %v", err)
	}
	if _, err := New(make([]File, MaxLayers+1)...); problem.From(err).Code != "workdays.too-many-layers" {
		t.Errorf("too many layers: %v", err)
	}
}

func TestRulesAndTimesThatCannotBeAreRefused(t *testing.T) {
	cal := calendars(t)["vn"]
	received := moment(t, "2026-03-02 09:00")
	for _, c := range []struct {
		code     string
		rule     Rule
		received time.Time
		pauses   []Span
	}{
		{"rule-unit", Rule{Unit: "weeks", N: 1}, received, nil},
		{"rule-count", Rule{Unit: WorkingDays}, received, nil},
		{"rule-count", Rule{Unit: WorkingDays, N: MaxCount + 1}, received, nil},
		{"rule-count", Rule{Unit: SameDay, N: 1}, received, nil},
		{"rule-extra", Rule{Unit: SameDay, Extra: -1}, received, nil},
		{"rule-cut-off", Rule{Unit: SameDay, CutOff: "3pm"}, received, nil},
		{"rule-cut-off", Rule{Unit: SameDay, CutOff: "9:00"}, received, nil},
		{"rule-first-day", Rule{Unit: WorkingHours, N: 1, FirstDay: true}, received, nil},
		{"rule-first-day", Rule{Unit: WorkingDays, N: 1, FirstDay: true, Ends: SameClock}, received, nil},
		{"rule-ends", Rule{Unit: WorkingHours, N: 1, Ends: SameClock}, received, nil},
		{"time", Rule{Unit: SameDay}, time.Unix(0, 0), nil},
		{"time", Rule{Unit: SameDay}, received, []Span{{}}},
		{"pause", Rule{Unit: SameDay}, received, []Span{{From: received, To: received.Add(-1)}}},
		{"too-many-pauses", Rule{Unit: SameDay}, received, make([]Span, MaxPauses+1)},
	} {
		if _, err := DueWith(cal, c.rule, c.received, c.pauses); problem.All(err)[0].Code != "workdays."+c.code {
			t.Errorf("%+v: %v, want %s", c.rule, err, c.code)
		}
	}
}

// The nation's files are whole: each year one, with its source, and every day
// off that the labour code names.
func TestTheNationsYears(t *testing.T) {
	cal := calendars(t)["vn"]
	for year, want := range map[int]struct{ off, made int }{2025: {12, 1}, 2026: {14, 2}, 2027: {12, 0}} {
		in := cal.In(year)
		if len(in) != 1 || !cal.Covered(year) || in[0].Provisional != (year == 2027) {
			t.Fatalf("%d: %d files, covered %v", year, len(in), cal.Covered(year))
		}
		off, made := 0, 0
		for at := time.Date(year, 1, 1, 12, 0, 0, 0, time.UTC); at.Year() == year; at = at.AddDate(0, 0, 1) {
			work, named := cal.On(at)
			weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
			if named != nil && !weekend && len(work) == 0 {
				off++
			}
			if weekend && len(work) > 0 {
				made++
			}
		}
		if off != want.off || made != want.made {
			t.Errorf("%d: %d weekdays off and %d weekend days worked, want %+v", year, off, made, want)
		}
	}
	if cal.Covered(2028) || cal.Covered(2024) {
		t.Error("a year without data counts as covered")
	}
}

func FuzzParse(f *testing.F) {
	names, err := fs.Glob(data, "data/*.json")
	if err != nil || len(names) != 3 {
		f.Fatalf("seeds: %v, %v", names, err)
	}
	f.Add([]byte(small))
	for _, name := range names {
		raw, err := fs.ReadFile(data, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= MaxFile {
			if back, err := Parse(again); err != nil || !reflect.DeepEqual(clean(back), clean(file)) {
				t.Fatalf("%s is written %s: %v", raw, again, err)
			}
		}
		cal, err := New(file)
		if err != nil {
			return
		}
		received := time.Date(file.ValidFrom, 12, 31, 3, 0, 0, 0, time.UTC)
		due, err := Due(cal, Rule{Unit: WorkingHours, N: 20}, received)
		if err == nil && due.At.Before(received) {
			t.Fatalf("due %v before receipt", due.At)
		}
	})
}

// clean makes lists without entries alike.
func clean(f File) File {
	if len(f.Hours) == 0 {
		f.Hours = nil
	}
	days := f.Days
	f.Days = nil
	for _, d := range days {
		if len(d.Hours) == 0 {
			d.Hours = nil
		}
		f.Days = append(f.Days, d)
	}
	return f
}
