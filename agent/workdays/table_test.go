package workdays

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
)

// commune works longer hours, and on Saturday mornings.
var commune = File{
	Version: Version, Name: "Xã Tân Lập", Scope: Local, ValidFrom: 2026, ValidTo: 2027, Source: "Thông báo 12/TB-UBND", Updated: "2026-01-05",
	Hours: []string{"Mon-Fri 07:00-11:30", "Mon-Fri 13:30-17:00", "Sat 07:00-11:30"},
	Days: []Day{
		{Date: "2026-03-10", Kind: Off, Name: "Lễ hội của xã"},
		{Date: "2026-12-31", Kind: Off, Name: "Kiểm kê cuối năm, chỉ làm buổi sáng", Hours: []string{"07:00-11:30"}},
	},
}

func calendars(t testing.TB) map[string]*Calendar {
	t.Helper()
	nation, err := Vietnam()
	if err != nil {
		t.Fatal(err)
	}
	local, err := Vietnam(commune)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Calendar{"vn": nation, "xa": local}
}

// moment reads "2026-03-02 09:14" as Vietnam's time.
func moment(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", s, time.FixedZone("", 7*60*60))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var units = map[string]Unit{"wd": WorkingDays, "wh": WorkingHours, "cd": CalendarDays}

// ruled reads "3wd cut15:00 first clock +2".
func ruled(t testing.TB, s string) (r Rule) {
	t.Helper()
	for _, word := range strings.Fields(s) {
		switch {
		case word == "same":
			r.Unit = SameDay
		case word == "first":
			r.FirstDay = true
		case word == "clock":
			r.Ends = SameClock
		case strings.HasPrefix(word, "cut"):
			r.CutOff = word[len("cut"):]
		case strings.HasPrefix(word, "+"):
			r.Extra, _ = strconv.Atoi(word[1:])
		default:
			n := len(word) - len("wd")
			r.Unit = units[word[n:]]
			r.N, _ = strconv.Atoi(word[:n])
		}
	}
	if err := r.Check(); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return r
}

// paused reads "2026-03-04 10:00 / 2026-03-06 14:00; 2026-03-09 08:00 /".
func paused(t testing.TB, s string) (spans []Span) {
	t.Helper()
	for part := range strings.SplitSeq(s, ";") {
		from, to, ok := strings.Cut(part, "/")
		if !ok {
			continue
		}
		span := Span{From: moment(t, strings.TrimSpace(from))}
		if to = strings.TrimSpace(to); to != "" {
			span.To = moment(t, to)
		}
		spans = append(spans, span)
	}
	return spans
}

// said writes a deadline as the tables do: U for uncovered, P for provisional.
func said(d Deadline) string {
	text := d.At.In(clock.Vietnam).Format("2006-01-02 15:04")
	if d.Stopped {
		text = "stopped"
	}
	if d.Uncovered {
		text += " U"
	}
	if d.Provisional {
		text += " P"
	}
	return text
}

type row struct{ cal, rule, received, pauses, want, why string }

// The dates were worked out by hand on a printed calendar. 2 March 2026 is a
// Monday in a month without holidays; a full day has 7 h 30, the commune's 8 h.
var running = []row{
	{"vn", "3wd", "2026-03-02 09:14", "", "2026-03-05 17:00", "Tue, Wed, Thu"},
	{"vn", "3wd", "2026-03-05 09:14", "", "2026-03-10 17:00", "Fri, Mon, Tue: over a weekend"},
	{"vn", "1wd", "2026-03-06 16:59", "", "2026-03-09 17:00", "Friday's next working day is Monday"},
	{"vn", "5wd", "2026-03-02 08:00", "", "2026-03-09 17:00", "Tue to Fri, Mon"},
	{"vn", "10wd", "2026-03-02 08:00", "", "2026-03-16 17:00", "two weeks"},
	{"vn", "15wd", "2026-03-03 08:00", "", "2026-03-24 17:00", "three weeks"},
	{"vn", "1wd", "2026-03-02 17:00", "", "2026-03-03 17:00", "closing itself is in time"},
	{"vn", "1wd", "2026-03-02 17:01", "", "2026-03-04 17:00", "after closing: received Tuesday"},
	{"vn", "1wd", "2026-03-02 23:59", "", "2026-03-04 17:00", "at night: received Tuesday"},
	{"vn", "1wd", "2026-03-03 00:00", "", "2026-03-04 17:00", "midnight is Tuesday already: received at its opening"},
	{"vn", "1wd", "2026-03-02 06:00", "", "2026-03-03 17:00", "before opening: received the same day"},
	{"vn", "1wd", "2026-03-02 12:15", "", "2026-03-03 17:00", "over lunch: received the same day"},
	{"vn", "1wd", "2026-03-07 09:00", "", "2026-03-10 17:00", "Saturday: received Monday"},
	{"vn", "1wd", "2026-03-08 23:59", "", "2026-03-10 17:00", "Sunday night: received Monday"},

	{"vn", "3wd", "2026-02-12 10:00", "", "2026-02-24 17:00", "Fri 13, then after Tết Mon 23, Tue 24"},
	{"vn", "1wd", "2026-02-13 15:00", "", "2026-02-23 17:00", "last day before Tết"},
	{"vn", "2wd", "2026-02-18 09:00", "", "2026-02-25 17:00", "on mùng 2: received Mon 23; Tue, Wed"},
	{"vn", "20wd", "2026-02-02 08:00", "", "2026-03-09 17:00", "4 + 5 before Tết, 5 + 5 + 1 after it"},
	{"vn", "5wd", "2025-01-24 10:00", "", "2025-02-07 17:00", "Tết 2025: 27 to 31 January off"},
	{"vn", "3wd", "2027-02-03 10:00", "", "2027-02-15 17:00 P", "Thu 4, then Fri 12, Mon 15: as computed, not announced"},

	{"vn", "3wd", "2026-04-24 09:00", "", "2026-05-04 17:00", "27 in lieu; Tue 28, Wed 29; 30/4, 1/5; Mon 4"},
	{"vn", "1wd", "2026-04-29 16:00", "", "2026-05-04 17:00", "30/4, 1/5 and the weekend"},
	{"vn", "2wd", "2025-04-04 10:00", "", "2025-04-09 17:00", "Giỗ Tổ on Mon 7; Tue, Wed"},
	{"vn", "1wd", "2025-08-29 10:00", "", "2025-09-03 17:00", "1/9 and 2/9"},
	{"vn", "2wd", "2026-11-23 10:00", "", "2026-11-26 17:00 P", "24/11 not in law as far as we know; Wed, Thu"},
	{"vn", "1wd", "2026-04-26 10:00", "", "2026-04-29 17:00", "on Giỗ Tổ, a Sunday: Mon in lieu, received Tue 28"},
	{"vn", "1wd", "2026-04-27 10:00", "", "2026-04-29 17:00", "on the day in lieu: received Tue 28"},

	{"vn", "1wd", "2025-04-25 10:00", "", "2025-04-26 17:00", "make-up Saturday is worked"},
	{"vn", "3wd", "2025-04-25 10:00", "", "2025-04-29 17:00", "Sat 26, Mon, Tue"},
	{"vn", "1wd", "2025-04-29 10:00", "", "2025-05-05 17:00", "30/4, 1/5, 2/5 swapped, weekend"},
	{"vn", "1wd", "2025-04-26 09:00", "", "2025-04-28 17:00", "received on a make-up Saturday"},
	{"vn", "5wd", "2026-01-05 10:00", "", "2026-01-10 17:00", "Tue to Fri, make-up Sat 10"},
	{"vn", "1wd", "2026-01-10 17:30", "", "2026-01-13 17:00", "after closing of the make-up Saturday: received Mon 12"},
	{"vn", "1wd", "2026-08-21 10:00", "", "2026-08-22 17:00", "make-up Sat 22/8"},
	{"vn", "1wd", "2026-08-22 16:59", "", "2026-08-24 17:00", "received on it"},
	{"vn", "1wd", "2026-08-28 10:00", "", "2026-09-03 17:00", "31/8 swapped, 1/9, 2/9"},
	{"vn", "3wd", "2026-08-28 09:14", "", "2026-09-07 17:00", "Thu 3, Fri 4, Mon 7"},

	{"vn", "1wd", "2025-12-31 10:00", "", "2026-01-05 17:00", "year end: 1/1, 2/1 swapped, weekend"},
	{"vn", "5wd", "2026-12-30 10:00", "", "2027-01-07 17:00 P", "Thu 31; 1/1 a Friday; Mon 4 to Thu 7"},
	{"vn", "1wd", "2028-02-28 10:00", "", "2028-02-29 17:00 U", "leap day, a Tuesday; 2028 has no data"},
	{"vn", "2wd", "2028-02-28 10:00", "", "2028-03-01 17:00 U", "Tue 29 February, Wed 1 March"},
	{"vn", "1cd", "2028-02-28 10:00", "", "2028-02-29 17:00 U", "leap day is a calendar day"},
	{"vn", "3wd", "2027-12-29 10:00", "", "2028-01-03 17:00 U P", "Thu, Fri, Mon: into a year without data"},
	{"vn", "5wd", "2024-12-31 10:00", "", "2025-01-08 17:00 U", "from a year without data; 1/1, then Thu 2 to Wed 8"},

	{"vn", "3wd first", "2026-03-02 09:00", "", "2026-03-04 17:00", "Mon itself, Tue, Wed"},
	{"vn", "1wd first", "2026-03-02 09:00", "", "2026-03-02 17:00", "today"},
	{"vn", "3wd first", "2026-03-07 09:00", "", "2026-03-11 17:00", "Saturday: received Mon, which counts; Tue, Wed"},
	{"vn", "3wd first cut15:00", "2026-03-02 15:01", "", "2026-03-05 17:00", "received Tue, which counts; Wed, Thu"},
	{"vn", "3wd clock", "2026-03-02 09:14", "", "2026-03-05 09:14", "same clock time on Thu"},
	{"vn", "1wd clock", "2026-03-02 12:00", "", "2026-03-03 13:30", "lunch: the next moment of work"},
	{"vn", "1wd clock", "2026-03-02 18:00", "", "2026-03-04 07:30", "received at Tuesday's opening"},
	{"vn", "1wd clock", "2026-03-02 06:45", "", "2026-03-03 07:30", "received at opening"},
	{"vn", "2wd clock", "2026-02-12 16:40", "", "2026-02-23 16:40", "Fri 13, after Tết Mon 23"},

	{"vn", "1wd cut15:00", "2026-03-02 15:00", "", "2026-03-03 17:00", "the cut-off itself is in time"},
	{"vn", "1wd cut15:00", "2026-03-02 15:01", "", "2026-03-04 17:00", "a minute after it: received Tue"},
	{"vn", "1wd cut16:00", "2026-03-06 16:30", "", "2026-03-10 17:00", "Friday after the cut-off: received Mon"},
	{"vn", "same", "2026-03-07 10:00", "", "2026-03-09 17:00", "Saturday: within Monday"},
	{"vn", "same cut15:00", "2026-03-02 14:59", "", "2026-03-02 17:00", "within the day"},
	{"vn", "same cut15:00", "2026-03-02 15:30", "", "2026-03-03 17:00", "after the cut-off: within Tuesday"},
	{"vn", "same cut15:00", "2026-02-13 16:00", "", "2026-02-23 17:00", "after the cut-off before Tết"},
	{"vn", "4wh cut15:00", "2026-03-02 16:00", "", "2026-03-03 11:30", "after the cut-off: 4 h of Tuesday morning"},

	{"vn", "2wh", "2026-03-02 08:00", "", "2026-03-02 10:00", "within the morning"},
	{"vn", "4wh", "2026-03-02 09:00", "", "2026-03-02 15:00", "2 h 30 + 1 h 30 after lunch"},
	{"vn", "4wh", "2026-03-02 07:30", "", "2026-03-02 11:30", "ends as lunch begins, not after it"},
	{"vn", "8wh", "2026-03-02 07:30", "", "2026-03-03 08:00", "7 h 30 + 0 h 30"},
	{"vn", "8wh", "2026-03-06 14:00", "", "2026-03-09 14:30", "3 h, weekend, 4 h + 1 h"},
	{"vn", "2wh", "2026-03-06 16:00", "", "2026-03-09 08:30", "1 h, weekend, 1 h"},
	{"vn", "8wh", "2026-03-02 12:00", "", "2026-03-03 14:00", "from 13:30: 3 h 30 + 4 h + 0 h 30"},
	{"vn", "4wh", "2026-03-07 10:00", "", "2026-03-09 11:30", "Saturday: from Monday's opening"},
	{"vn", "8wh", "2026-02-13 16:30", "", "2026-02-23 17:00", "0 h 30, Tết, 7 h 30"},
	{"vn", "24wh", "2026-03-02 07:30", "", "2026-03-05 09:00", "3 × 7 h 30 + 1 h 30"},
	{"vn", "4wh", "2026-08-22 15:00", "", "2026-08-24 09:30", "2 h of the make-up Saturday + 2 h"},
	{"vn", "8wh", "2025-12-31 15:00", "", "2026-01-05 15:30", "2 h, year end, 4 h + 2 h"},

	{"vn", "5cd", "2026-03-02 10:00", "", "2026-03-09 17:00", "ends Sat 7: Monday"},
	{"vn", "10cd", "2026-03-02 10:00", "", "2026-03-12 17:00", "Thu 12"},
	{"vn", "7cd", "2026-02-09 10:00", "", "2026-02-23 17:00", "ends in Tết: after it"},
	{"vn", "30cd", "2026-03-01 10:00", "", "2026-04-01 17:00", "Sunday: received Mon 2; 29 days to the 31st, 1 April"},
	{"vn", "3cd", "2026-04-24 10:00", "", "2026-04-28 17:00", "ends on the day in lieu: Tue"},
	{"vn", "5cd first", "2026-03-02 10:00", "", "2026-03-06 17:00", "2, 3, 4, 5, 6"},
	{"vn", "3cd clock", "2026-03-02 09:14", "", "2026-03-05 09:14", "same clock time"},
	{"vn", "5cd clock", "2026-03-02 09:14", "", "2026-03-09 09:14", "ends Sat 7: Monday at the clock time"},
	{"vn", "5cd", "2026-08-17 10:00", "", "2026-08-22 17:00", "ends on a make-up Saturday, which is worked"},
	{"vn", "60cd", "2027-01-01 10:00", "", "2027-03-05 17:00 P", "received Mon 4; 27 + 28 + 5 days"},

	{"xa", "1wd", "2026-03-06 10:00", "", "2026-03-07 11:30", "Saturday's half day counts, ends at its closing"},
	{"xa", "2wd", "2026-03-06 10:00", "", "2026-03-09 17:00", "Sat, Mon"},
	{"xa", "1wd", "2026-03-07 11:30", "", "2026-03-09 17:00", "closing of the half day is in time"},
	{"xa", "1wd", "2026-03-07 11:31", "", "2026-03-11 17:00", "received Mon 9; Tue 10 is the place's own day off"},
	{"xa", "1wd", "2026-03-09 10:00", "", "2026-03-11 17:00", "the place's own day off"},
	{"vn", "1wd", "2026-03-09 10:00", "", "2026-03-10 17:00", "which the nation does not have"},
	{"xa", "8wh", "2026-03-06 14:00", "", "2026-03-09 07:30", "3 h + 4 h 30 + 0 h 30"},
	{"xa", "1wd clock", "2026-03-06 15:00", "", "2026-03-07 11:30", "15:00 is after the half day: its closing"},
	{"xa", "1wd", "2026-12-30 10:00", "", "2026-12-31 11:30", "half a day off: its morning counts"},
	{"xa", "8wh", "2026-12-31 09:00", "", "2027-01-04 08:00 P", "2 h 30, 1/1, Sat 4 h 30, Mon 1 h"},
	{"xa", "4wh", "2026-08-22 15:00", "", "2026-08-24 09:00", "make-up Saturday has a Monday's hours: 2 h + 2 h"},
	{"xa", "2wd", "2026-02-21 08:00", "", "2026-02-24 17:00", "Saturday after Tết: received; Mon, Tue"},
	{"xa", "5cd", "2026-03-02 10:00", "", "2026-03-07 11:30", "ends Sat 7, which is worked"},
	{"xa", "1wd first", "2026-12-31 12:00", "", "2027-01-02 11:30 P", "after the half day's closing: received Sat 2, which counts"},
}

var stopped = []row{
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-04 10:00 / 2026-03-06 14:00", "2026-03-11 17:00", "Mon 9 moves by Thu and Fri"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-02 10:00 / 2026-03-06 16:00", "2026-03-11 17:00", "stopped on receipt: as if received on Fri 6"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-03 08:00 / 2026-03-03 16:00", "2026-03-05 17:00", "within one day: nothing moves"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-03 17:30 / 2026-03-04 07:00", "2026-03-05 17:00", "at night: nothing moves"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-03 18:00 / 2026-03-04 07:30", "2026-03-05 17:00", "resumed as Wed opens: Wed counts"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-03 18:00 / 2026-03-04 07:31", "2026-03-06 17:00", "a minute later: Wed is lost"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-04 07:30 / 2026-03-04 16:00", "2026-03-06 17:00", "stopped as Wed opens: Wed does not count"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-03 16:00 / 2026-03-04 08:00", "2026-03-06 17:00", "overnight in working time: one day"},
	{"vn", "3wd", "2026-03-05 09:00", "2026-03-06 17:30 / 2026-03-09 07:00", "2026-03-10 17:00", "over the weekend: nothing moves"},
	{"vn", "3wd", "2026-03-05 09:00", "2026-03-07 08:00 / 2026-03-08 20:00", "2026-03-10 17:00", "within the weekend: nothing moves"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-04 10:00; 2026-03-05 10:00 / 2026-03-09 10:00", "2026-03-12 17:00", "two pauses: Wed; Fri, Mon"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-05 10:00; 2026-03-04 10:00 / 2026-03-06 10:00", "2026-03-12 17:00", "overlapping: Wed, Thu, Fri once"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-04 12:00 / 2026-03-04 13:00; 2026-03-03 10:00 / 2026-03-06 10:00", "2026-03-12 17:00", "one inside the other, later one first"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-04 10:00; 2026-03-04 10:00 / 2026-03-05 10:00", "2026-03-11 17:00", "touching: Wed, Thu"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-04 10:00 /", "stopped", "not resumed"},
	{"vn", "5wd", "2026-03-02 09:00", "2026-03-04 10:00 /; 2026-03-03 10:00 / 2026-03-05 10:00", "stopped", "an open pause over a closed one"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-04 09:00 /", "2026-03-03 17:00", "stopped when it was over: nothing changes"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 17:00 /", "2026-03-03 17:00", "stopped as it ends: nothing changes"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 16:00 /", "stopped", "an hour before its end"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-05 14:00", "2026-03-05 17:00", "stopped on the last day: its rest on Thu"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-05 18:00", "2026-03-06 17:00", "resumed after closing: Fri"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-05 17:00", "2026-03-06 17:00", "resumed at closing: nothing of Thu is left"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-03 17:00", "2026-03-04 17:00", "resumed as the period would end: Wed"},
	{"vn", "1wd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-07 10:00", "2026-03-09 17:00", "resumed on a Saturday: Mon"},
	{"vn", "5wd", "2026-12-28 09:00", "2026-12-30 10:00 / 2027-01-05 10:00", "2027-01-08 17:00 P", "year end: Tue, Wed used; Wed 6 to Fri 8"},
	{"vn", "3wd", "2026-02-11 09:00", "2026-02-12 10:00 / 2026-02-24 09:00", "2026-02-26 17:00", "over Tết: Thu used; Wed 25, Thu 26"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-02-26 09:00 / 2026-03-02 08:00", "2026-03-05 17:00", "before receipt: nothing"},
	{"vn", "3wd", "2026-03-02 09:00", "2026-03-01 09:00 / 2026-03-03 10:00", "2026-03-06 17:00", "from before receipt: Tue is lost"},
	{"vn", "3wd first", "2026-03-02 09:00", "2026-03-02 10:00 / 2026-03-05 14:00", "2026-03-09 17:00", "Mon used; Fri, Mon"},
	{"vn", "3wd clock", "2026-03-02 09:14", "2026-03-04 10:00 / 2026-03-06 14:00", "2026-03-09 09:14", "Thu moves by Thu and Fri"},
	{"vn", "3wd clock", "2026-03-02 09:14", "2026-03-05 08:00 / 2026-03-05 10:00", "2026-03-06 09:14", "stands still at 09:14 of Thu: Fri"},
	{"vn", "3wd clock", "2026-03-02 09:14", "2026-03-05 10:00 / 2026-03-09 10:00", "2026-03-05 09:14", "was over at 09:14"},
	{"vn", "same", "2026-03-02 09:00", "2026-03-02 10:00 / 2026-03-04 11:00", "2026-03-04 17:00", "within the day of resumption"},
	{"vn", "same cut15:00", "2026-03-02 09:00", "2026-03-02 10:00 / 2026-03-02 16:00", "2026-03-03 17:00", "resumed after the cut-off: Tuesday"},
	{"vn", "1wd", "2026-08-21 09:00", "2026-08-21 10:00 / 2026-08-22 10:00", "2026-08-24 17:00", "make-up Saturday is lost"},

	{"vn", "8wh", "2026-03-02 08:00", "2026-03-02 10:00 / 2026-03-03 10:00", "2026-03-04 08:30", "2 h; Tue 1 h 30 + 3 h 30; 1 h"},
	{"vn", "4wh", "2026-03-02 08:00", "2026-03-02 09:00 / 2026-03-02 09:30", "2026-03-02 14:30", "1 h + 2 h + 1 h"},
	{"vn", "4wh", "2026-03-02 09:00", "2026-03-02 11:30 / 2026-03-02 13:30", "2026-03-02 15:00", "over lunch: nothing moves"},
	{"vn", "4wh", "2026-03-02 09:00", "2026-03-02 11:00 / 2026-03-02 14:00", "2026-03-02 16:00", "2 h; from 14:00 2 h"},
	{"vn", "4wh", "2026-03-02 09:00", "2026-03-02 10:00 /", "stopped", "not resumed"},
	{"vn", "2wh", "2026-03-02 08:00", "2026-03-02 10:00 /", "2026-03-02 10:00", "stopped as it ends"},
	{"vn", "8wh", "2026-03-02 07:30", "2026-03-02 10:30 / 2026-03-02 10:45; 2026-03-02 08:00 / 2026-03-02 10:00; 2026-03-02 09:00 / 2026-03-02 11:00", "2026-03-03 11:00", "0 h 30 + 0 h 30 + 3 h 30; Tue 3 h 30"},
	{"vn", "4wh cut15:00", "2026-03-02 08:00", "2026-03-02 10:00 / 2026-03-02 15:30", "2026-03-03 09:30", "2 h; resumed after the cut-off: Tue 2 h"},
	{"vn", "8wh", "2026-03-06 14:00", "2026-03-06 17:00 / 2026-03-09 07:30", "2026-03-09 14:30", "from closing to opening: nothing moves"},
	{"vn", "8wh", "2025-12-31 15:00", "2025-12-31 16:00 / 2026-01-05 08:30", "2026-01-06 08:00", "1 h; Mon 3 h + 3 h 30; 0 h 30"},

	{"vn", "10cd", "2026-03-02 09:00", "2026-03-04 10:00 / 2026-03-06 14:00", "2026-03-16 17:00", "Thu 12 moves by 2 to Sat 14: Mon"},
	{"vn", "5cd", "2026-03-02 09:00", "2026-03-03 10:00 / 2026-03-03 15:00", "2026-03-09 17:00", "within one day: nothing moves"},
	{"vn", "3cd", "2026-03-02 09:00", "2026-03-05 10:00 / 2026-03-07 12:00", "2026-03-09 17:00", "stopped on the last day, resumed on a Saturday"},
	{"vn", "5cd", "2026-03-02 09:00", "2026-03-07 10:00 / 2026-03-08 10:00", "2026-03-09 17:00", "Sat 7 has begun; Monday as without"},
	{"vn", "5cd cut15:00", "2026-03-02 09:00", "2026-03-04 10:00 / 2026-03-06 15:30", "2026-03-12 17:00", "resumed Mon 9; Tue, Wed used; 10, 11, 12"},

	{"vn", "3wd +2", "2026-03-02 09:00", "", "2026-03-09 17:00", "extension: Thu, then Fri, Mon"},
	{"vn", "8wh +1", "2026-03-02 07:30", "", "2026-03-04 08:00", "Tue 08:00, a working day later"},
	{"vn", "5cd +2", "2026-03-02 09:00", "", "2026-03-11 17:00", "Mon 9, then Tue, Wed"},
	{"vn", "same +1", "2026-03-02 09:00", "", "2026-03-03 17:00", "Mon, then Tue"},
	{"vn", "3wd clock +2", "2026-03-02 09:14", "", "2026-03-09 09:14", "at the clock time"},
	{"vn", "3wd +1", "2026-03-02 09:00", "2026-03-05 10:00 / 2026-03-09 10:00", "2026-03-10 17:00", "Thu used; Fri, Mon lost; Tue"},
	{"xa", "8wh +1", "2026-03-06 09:00", "", "2026-03-09 09:00", "2 h 30 + 3 h 30, Sat 2 h; Mon at 09:00"},
	{"xa", "2wd", "2026-03-06 10:00", "2026-03-07 12:00 / 2026-03-09 06:00", "2026-03-09 17:00", "after the half day's closing: nothing moves"},
	{"xa", "1wd", "2026-03-06 10:00", "2026-03-07 10:00 / 2026-03-07 15:00", "2026-03-09 17:00", "the half day closed meanwhile: Mon"},
	{"xa", "1wd", "2026-12-30 10:00", "2026-12-31 09:00 / 2027-01-04 09:00", "2027-01-04 17:00 P", "stopped on the half day, its last: Mon 4"},
}

func TestDueTimesWorkedOutByHand(t *testing.T) {
	cals := calendars(t)
	if n := len(running) + len(stopped); n < 140 {
		t.Fatalf("only %d cases", n)
	}
	for _, rows := range [][]row{running, stopped} {
		for _, c := range rows {
			due, err := DueWith(cals[c.cal], ruled(t, c.rule), moment(t, c.received), paused(t, c.pauses))
			if got := said(due); err != nil || got != c.want {
				t.Errorf("%s %s from %s, stopped %q: %s, %v; want %s (%s)", c.cal, c.rule, c.received, c.pauses, got, err, c.want, c.why)
			}
		}
	}
}

func TestTheZoneOfATimeDoesNotMatter(t *testing.T) {
	cal := calendars(t)["vn"]
	rule := ruled(t, "1wd")
	received := moment(t, "2026-03-02 06:30")
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", -10*60*60), time.FixedZone("", 14*60*60)} {
		due, err := DueWith(cal, rule, received.In(zone), []Span{{From: received.Add(24 * time.Hour).In(zone), To: received.Add(29 * time.Hour).In(zone)}})
		if got := said(due); err != nil || got != "2026-03-04 17:00" {
			t.Errorf("in %v: %s, %v", zone, got, err)
		}
		if got := due.At.Format("15:04 -0700"); got != "17:00 +0700" {
			t.Errorf("in %v the due time is given as %s", zone, got)
		}
	}
}
