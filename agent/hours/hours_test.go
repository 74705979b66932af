package hours

import (
	"slices"
	"testing"
	"time"
)

func week(t testing.TB, texts ...string) (w Week) {
	t.Helper()
	for _, text := range texts {
		s, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		w = append(w, s)
	}
	return w
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"Mon-Fri 07:30-11:30": "Mon-Fri 07:30-11:30", "  sat   08:00-24:00 ": "Sat 08:00-24:00", "22:00-06:00": "22:00-06:00",
		"Mon-Sun 00:00-24:00": "00:00-24:00", "Fri-Mon 01:02-03:04": "Fri-Mon 01:02-03:04", "Sun-Sun 10:00-11:00": "Sun 10:00-11:00",
		"": "", "Mon": "", "07:30": "", "7:30-11:30": "", "07:30-07:30": "", "07:60-08:00": "", "24:00-25:00": "", "24:00-01:00": "",
		"Mo 07:30-11:30": "", "Mon- 07:30-11:30": "", "Mon Tue 07:30-11:30": "", "07:30-11:30-12:30": "", "+7:30-11:30": "", "07:30–11:30": "",
	} {
		s, err := Parse(text)
		if got := s.String(); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%q is read as %q, %v, want %q", text, got, err, want)
		}
	}
}

// at is a moment of the week of Monday, 23 November 2026.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse("2 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(2026, 11, moment.Day(), moment.Hour(), moment.Minute(), 30, 0, time.FixedZone("+07", 7*3600))
}

func TestContainsAndNext(t *testing.T) {
	office := week(t, "Mon-Fri 07:30-11:30", "Mon-Fri 13:30-17:00")
	night := week(t, "Fri 22:00-06:00")
	for _, c := range []struct {
		week Week
		now  string
		in   bool
		next string // "": never
	}{
		{office, "23 07:29", false, "23 07:30"}, {office, "23 07:30", true, "23 11:30"}, {office, "23 11:29", true, "23 11:30"},
		{office, "23 11:30", false, "23 13:30"}, {office, "27 18:00", false, "30 07:30"}, {office, "28 09:00", false, "30 07:30"},
		{night, "27 21:59", false, "27 22:00"}, {night, "27 23:00", true, "28 06:00"}, {night, "28 05:59", true, "28 06:00"},
		{night, "28 22:30", false, ""}, // next Friday is in December; see below
		{nil, "23 08:00", false, ""}, {week(t, "00:00-24:00"), "23 08:00", true, ""},
		{week(t, "Mon 08:00-12:00", "Mon 12:00-14:00"), "23 09:00", true, "23 14:00"},
	} {
		now := at(t, c.now)
		if got := c.week.Contains(now); got != c.in {
			t.Errorf("%v contains %s: %v", c.week, c.now, got)
		}
		next, want := c.week.Next(now), time.Time{}
		if c.next != "" {
			want = at(t, c.next).Truncate(time.Minute)
		} else if len(c.week) == 1 && c.week[0] == night[0] {
			want = time.Date(2026, 12, 4, 22, 0, 0, 0, now.Location())
		}
		if !next.Equal(want) {
			t.Errorf("%v at %s changes next at %v, want %v", c.week, c.now, next, want)
		}
	}
}

// FuzzParse holds that what is read is written in a form that reads the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"Mon-Fri 07:30-11:30", "22:00-06:00", "Sat 00:00-24:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s {
			t.Errorf("%q is written %q, read as %+v, %v", text, s.String(), again, err)
		}
	})
}

func TestOn(t *testing.T) {
	w := week(t, "Mon-Fri 13:30-17:00", "Mon-Fri 07:30-11:30", "Fri 16:00-18:00", "Sat 22:00-06:00", "Sun 18:00-24:00", "Sun 05:00-07:00")
	for day, want := range map[time.Weekday][]Range{
		time.Monday: {{450, 690}, {810, 1020}}, time.Friday: {{450, 690}, {810, 1080}},
		time.Saturday: {{1320, 1440}}, time.Sunday: {{0, 420}, {1080, 1440}},
	} {
		if got := w.On(day); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", day, got, want)
		}
	}
	if got := Week(nil).On(time.Monday); len(got) != 0 {
		t.Errorf("no spans have %v", got)
	}
}
