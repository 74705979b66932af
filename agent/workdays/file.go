package workdays

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/hours"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Version is the version of the calendar file's format.
const Version = 1

// Limits of a calendar file; what is over one is refused.
const (
	MaxFile   = 256 << 10 // bytes
	MaxDays   = 2000
	MaxText   = 1000 // characters of the source
	MaxName   = 200  // characters of a name
	FirstYear = 2000
	LastYear  = 2199
)

// Scope says what a calendar file knows.
type Scope string

// The scopes.
const (
	National Scope = "national" // all public holidays of its years
	Local    Scope = "local"    // days and hours of a province, commune or office
)

// Kind is what a named day is.
type Kind string

// The kinds of days. All but Work are days off, with the hours that are worked
// nevertheless, if any.
const (
	Holiday Kind = "holiday" // public holiday
	Lieu    Kind = "lieu"    // in place of a holiday on a weekend
	Swap    Kind = "swap"    // weekday whose work is done on a weekend day
	Off     Kind = "off"     // day off for a reason of the place
	Work    Kind = "work"    // worked: as the weekday of For, or in Hours
)

// File is a calendar as its data file states it.
type File struct {
	Version     int      `json:"version"`
	Name        string   `json:"name"`
	Scope       Scope    `json:"scope"`
	ValidFrom   int      `json:"valid_from"` // year
	ValidTo     int      `json:"valid_to"`   // year, itself included
	Source      string   `json:"source"`     // decree or notice, and what is verified
	Updated     string   `json:"updated"`    // date
	Provisional bool     `json:"provisional,omitempty"`
	Hours       []string `json:"hours,omitempty"` // "Mon-Fri 07:30-11:30"; none: those of the file below
	Days        []Day    `json:"days"`
}

// Day is a day that differs from its weekday.
type Day struct {
	Date        string   `json:"date"`
	Kind        Kind     `json:"kind"`
	Name        string   `json:"name"` // the reason, as people read it
	For         string   `json:"for,omitempty"`
	Hours       []string `json:"hours,omitempty"` // "07:30-11:30"
	Provisional bool     `json:"provisional,omitempty"`
}

// Parse reads a calendar file, strictly. Its error names every fault with its
// field and next step.
func Parse(data []byte) (File, error) {
	var f File
	if len(data) > MaxFile {
		return f, fault("too-big", "", "most", MaxFile>>10)
	}
	if !utf8.Valid(data) {
		return f, fault("not-json", "", "reason", "UTF-8")
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return f, fault("not-json", "", "reason", err.Error()).Because(err)
	}
	if head.Version != Version {
		return f, fault("version", "version", "value", head.Version, "known", Version)
	}
	if err := repeated(json.NewDecoder(bytes.NewReader(data)), ""); err != nil {
		return f, fault("not-json", "", "reason", err.Error()).Because(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return File{}, fault("not-json", "", "reason", err.Error()).Because(err)
	}
	if err := f.Check(); err != nil {
		return File{}, err
	}
	return f, nil
}

// repeated returns an error when an object names a field twice, in whatever
// case: a reader that took the last one would hide the first.
func repeated(d *json.Decoder, path string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, _ := token.(json.Delim)
	seen := map[string]bool{}
	for i := 0; delim != 0 && d.More(); i++ {
		inner := fmt.Sprintf("%s[%d]", path, i)
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name := strings.ToLower(fmt.Sprint(key))
			if inner = path + "." + name; seen[name] {
				return fmt.Errorf("field %s stands twice", strings.TrimPrefix(inner, "."))
			}
			seen[name] = true
		}
		if err := repeated(d, inner); err != nil {
			return err
		}
	}
	if delim != 0 {
		_, err = d.Token()
	}
	if path == "" && err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return errors.New("something stands behind the calendar")
		}
	}
	return err
}

// Check returns everything that is wrong with the file.
func (f File) Check() error {
	var faults problem.List
	if f.Version != Version {
		faults = append(faults, fault("version", "version", "value", f.Version, "known", Version))
	}
	faults.Note(text("name", f.Name, MaxName))
	faults.Note(text("source", f.Source, MaxText))
	if f.Scope != National && f.Scope != Local {
		faults = append(faults, fault("scope", "scope", "value", f.Scope))
	}
	if f.ValidFrom < FirstYear || f.ValidTo > LastYear || f.ValidFrom > f.ValidTo {
		faults = append(faults, fault("years", "valid_from", "first", FirstYear, "last", LastYear))
	}
	if _, ok := parseDate(f.Updated); !ok {
		faults = append(faults, fault("date", "updated", "value", f.Updated))
	}
	if _, ok := parseHours(f.Hours, true); !ok {
		faults = append(faults, fault("hours", "hours", "value", strings.Join(f.Hours, ", ")))
	}
	if len(f.Days) > MaxDays {
		return append(faults, fault("too-many-days", "days", "most", MaxDays))
	}
	seen := map[date]bool{}
	for i, day := range f.Days {
		field := fmt.Sprintf("days[%d]", i)
		faults.Note(day.check(field, f))
		if on, ok := parseDate(day.Date); ok && seen[on] {
			faults = append(faults, fault("twice", field+".date", "value", day.Date))
		} else {
			seen[on] = true
		}
	}
	return faults.Err()
}

func (d Day) check(field string, f File) error {
	var faults problem.List
	on, ok := parseDate(d.Date)
	if !ok {
		faults = append(faults, fault("date", field+".date", "value", d.Date))
	} else if year := on.year(); year < f.ValidFrom || year > f.ValidTo {
		faults = append(faults, fault("outside-years", field+".date", "value", d.Date, "first", f.ValidFrom, "last", f.ValidTo))
	}
	faults.Note(text(field+".name", d.Name, MaxName))
	switch d.Kind {
	case Holiday, Lieu, Swap, Off, Work:
	default:
		faults = append(faults, fault("kind", field+".kind", "value", d.Kind))
	}
	if _, ok := parseDate(d.For); d.For != "" && !ok {
		faults = append(faults, fault("date", field+".for", "value", d.For))
	}
	if _, ok := parseHours(d.Hours, false); !ok {
		faults = append(faults, fault("hours", field+".hours", "value", strings.Join(d.Hours, ", ")))
	}
	if d.Kind == Work && d.For == "" && len(d.Hours) == 0 {
		faults = append(faults, fault("work-hours", field+".for"))
	}
	return faults.Err()
}

// fault makes a Problem of this package; pairs are names and values of its
// placeholders.
func fault(code, field string, pairs ...any) *problem.Problem {
	args := i18n.Args{"field": field}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i].(string)] = pairs[i+1]
	}
	return problem.New(problem.Usage, "workdays."+code, field, args)
}

func text(field, s string, most int) error {
	if strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > most {
		return fault("text", field, "most", most)
	}
	return nil
}

func parseDate(s string) (date, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < FirstYear || t.Year() > LastYear {
		return 0, false
	}
	return date(t.Unix() / (24 * 60 * 60)), true
}

// parseHours reads spans that end on the day on which they begin.
func parseHours(texts []string, days bool) (hours.Week, bool) {
	var week hours.Week
	if len(texts) > hours.MaxSpans {
		return nil, false
	}
	for _, s := range texts {
		span, err := hours.Parse(s)
		words := strings.Fields(s)
		if err != nil || !days && len(words) != 1 {
			return nil, false
		}
		if from, to, _ := strings.Cut(words[len(words)-1], "-"); from >= to {
			return nil, false
		}
		week = append(week, span)
	}
	return week, true
}
