package workdays

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The world of the simulation: days of minutes, around a year's end.
const (
	simDays = 90
	simDay  = 24 * 60
)

var simStart = time.Date(2026, 11, 20, 0, 0, 0, 0, time.FixedZone("", 7*60*60))

// world is a calendar as minutes that are worked or not, beside the files that
// say the same.
type world struct {
	open          [simDays * simDay]bool
	opens, closes [simDays]int // first worked minute of a day, end of its last; -1: none
	files         []File
}

func simTime(minute int) time.Time { return simStart.Add(time.Duration(minute) * time.Minute) }

// spans makes up to three spans of a day, touching and overlapping ones too,
// and works them into minutes.
func spans(r *rand.Rand, least int, work func(from, to int)) (texts []string) {
	for range least + r.IntN(4-least) {
		from := r.IntN(142) * 10
		to := from + 10 + r.IntN((simDay-from)/10)*10
		to = min(to, simDay)
		texts = append(texts, fmt.Sprintf("%02d:%02d-%02d:%02d", from/60, from%60, to/60, to%60))
		work(from, to)
	}
	return texts
}

func randomWorld(r *rand.Rand) *world {
	w := &world{}
	names := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	var weeks [2][7][simDay]bool
	for i := range weeks {
		f := File{Version: 1, Name: "x", Scope: National, ValidFrom: 2026 + i, ValidTo: 2027, Source: "x", Updated: "2026-01-01"}
		f.Scope = []Scope{National, Local}[i]
		for d := range 7 {
			if d > 0 && r.IntN(4) == 0 {
				continue
			}
			for _, text := range spans(r, min(1, d), func(from, to int) {
				for m := from; m < to; m++ {
					weeks[i][d][m] = true
				}
			}) {
				f.Hours = append(f.Hours, names[d]+" "+text)
			}
		}
		if len(f.Hours) == 0 {
			f.Hours, weeks[i][1] = []string{"Mon 08:00-09:00"}, [simDay]bool{}
			for m := 8 * 60; m < 9*60; m++ {
				weeks[i][1][m] = true
			}
		}
		w.files = append(w.files, f)
	}
	usual := func(day int) [simDay]bool {
		at := simTime(day * simDay)
		return weeks[at.Year()-2026][at.Weekday()]
	}
	for day := range simDays {
		minutes := usual(day)
		if r.IntN(5) == 0 {
			minutes = w.special(r, day, usual)
		}
		copy(w.open[day*simDay:], minutes[:])
	}
	w.survey()
	return w
}

// special makes a day differ from its weekday.
func (w *world) special(r *rand.Rand, day int, usual func(int) [simDay]bool) (minutes [simDay]bool) {
	d := Day{Date: simTime(day * simDay).Format(time.DateOnly), Kind: []Kind{Holiday, Lieu, Swap, Off, Work}[r.IntN(5)], Name: "x"}
	like := r.IntN(simDays)
	switch shown := usual(like); {
	case d.Kind == Work && slices.Contains(shown[:], true) && r.IntN(2) == 0:
		d.For = simTime(like * simDay).Format(time.DateOnly)
		minutes = shown
	case d.Kind == Work || r.IntN(3) == 0:
		d.Hours = spans(r, 1, func(from, to int) {
			for m := from; m < to; m++ {
				minutes[m] = true
			}
		})
	}
	f := &w.files[0]
	if simTime(day*simDay).Year() == 2027 {
		f = &w.files[r.IntN(2)]
	}
	f.Days = append(f.Days, d)
	return minutes
}

// survey notes when days open and close.
func (w *world) survey() {
	for day := range simDays {
		w.opens[day], w.closes[day] = -1, -1
		for m := day * simDay; m < (day+1)*simDay; m++ {
			if w.open[m] {
				if w.opens[day] < 0 {
					w.opens[day] = m
				}
				w.closes[day] = m + 1
			}
		}
	}
}

func (w *world) first(day int) int { return w.opens[day] }
func (w *world) last(day int) int  { return w.closes[day] }

// nextFirst is the first worked minute after the day.
func (w *world) nextFirst(day int) int {
	for m := (day + 1) * simDay; m < len(w.open); m++ {
		if w.open[m] {
			return m
		}
	}
	return len(w.open)
}

type simPause struct{ from, to int } // to -1: open

// sim is a rule that runs minute by minute.
type sim struct {
	*world
	rule   Rule
	cutOff int
	start  int
	paused []bool
}

func simulate(w *world, rule Rule, cutOff, received int, pauses []simPause) *sim {
	s := &sim{world: w, rule: rule, cutOff: cutOff, paused: make([]bool, len(w.open))}
	day := received / simDay
	s.start = w.nextFirst(day)
	if w.first(day) >= 0 && received <= w.last(day) && received%simDay <= cutOff {
		s.start = max(received, w.first(day))
	}
	for _, p := range pauses {
		to := p.to
		if to < 0 {
			to = len(w.open)
		} else if d := to / simDay; w.first(d) >= 0 && to%simDay > cutOff {
			to = w.nextFirst(d)
		}
		for m := p.from; m < to; m++ {
			s.paused[m] = true
		}
	}
	return s
}

// due is the minute at which the rule has run, -1 when the world ends before.
func (s *sim) due() int {
	day, left := s.start/simDay, s.rule.N
	if s.rule.FirstDay {
		left--
	}
	of := simDay
	switch s.rule.Unit {
	case WorkingHours:
		left *= 60
		m := s.start
		for ; left > 0; m++ {
			if m == len(s.open) {
				return -1
			}
			if s.open[m] && !s.paused[m] {
				left--
			}
		}
		if s.rule.Extra == 0 {
			return m
		}
		// The last minute that ran decides the day, for midnight is its end.
		day, of = m/simDay, m%simDay
	case WorkingDays:
		day = s.openings(day, left)
	case CalendarDays:
		for left > 0 && day >= 0 {
			if day++; day == simDays {
				return -1
			}
			if !s.paused[day*simDay] {
				left--
			}
		}
		if s.first(day) < 0 {
			day = s.nextFirst(day) / simDay
		}
	}
	if s.rule.Ends == SameClock {
		of = s.start % simDay
	}
	return s.end(s.openings(day, s.rule.Extra), of)
}

// openings walks to the nth opening after a day at which the clock runs.
func (s *sim) openings(day, n int) int {
	if day < 0 {
		return -1
	}
	for m := (day + 1) * simDay; n > 0; m++ {
		if m >= len(s.open) {
			return -1
		}
		if m == s.first(m/simDay) {
			if day = m / simDay; !s.paused[m] {
				n--
			}
		}
	}
	return day
}

// end walks to the first end of a working day, from day on, that the clock
// reaches running.
func (s *sim) end(day, of int) int {
	for ; day >= 0 && day < simDays; day++ {
		if s.first(day) < 0 {
			continue
		}
		m := day*simDay + of
		for m < s.last(day) && !s.open[m] && (m == day*simDay || !s.open[m-1]) {
			m++
		}
		if m = min(m, s.last(day)); m == 0 || m <= s.start || !s.paused[m-1] {
			return m
		}
	}
	return -1
}

func randomRule(r *rand.Rand) (Rule, int) {
	rule := Rule{Unit: []Unit{WorkingDays, WorkingHours, CalendarDays, SameDay}[r.IntN(4)], N: 1 + r.IntN(12)}
	if rule.Unit == SameDay {
		rule.N = 0
	}
	if rule.Unit == WorkingDays || rule.Unit == CalendarDays {
		switch r.IntN(3) {
		case 0:
			rule.FirstDay = true
		case 1:
			rule.Ends = SameClock
		}
	}
	if r.IntN(3) == 0 {
		rule.Extra = r.IntN(4)
	}
	if r.IntN(2) == 0 {
		return rule, simDay
	}
	cutOff := r.IntN(simDay)
	rule.CutOff = fmt.Sprintf("%02d:%02d", cutOff/60, cutOff%60)
	return rule, cutOff
}

// instant is a minute of the world, often one where something happens.
func (w *world) instant(r *rand.Rand, before int) int {
	m := r.IntN(before)
	switch day := m / simDay; {
	case r.IntN(4) == 0:
		return day * simDay
	case r.IntN(3) == 0 && w.first(day) >= 0:
		return w.first(day) + r.IntN(3) - min(1, w.first(day))
	case r.IntN(3) == 0 && w.last(day) >= 0:
		return w.last(day) + r.IntN(3) - 1
	}
	return m
}

// Seeded worlds, rules, receipts and pauses, each computed and simulated minute
// by minute.
func TestDueTimesAreThoseOfASimulation(t *testing.T) {
	const worlds, cases = 60, 80
	ends, stops := 0, 0
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := randomWorld(r)
		cal, err := New(w.files...)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range cases {
			rule, cutOff := randomRule(r)
			received := w.instant(r, 30*simDay)
			var pauses []simPause
			var given []Span
			for range r.IntN(4) {
				p := simPause{from: w.instant(r, 45*simDay), to: -1}
				span := Span{From: simTime(p.from)}
				if r.IntN(6) > 0 {
					p.to = max(p.from, min(w.instant(r, 60*simDay), p.from+r.IntN(12*simDay)))
					span.To = simTime(p.to)
				}
				pauses, given = append(pauses, p), append(given, span)
			}
			due, err := DueWith(cal, rule, simTime(received), given)
			if err != nil {
				t.Fatalf("seed %d: %+v: %v", seed, rule, err)
			}
			s := simulate(w, rule, cutOff, received, pauses)
			want := s.due()
			open := slices.ContainsFunc(pauses, func(p simPause) bool { return p.to < 0 })
			switch {
			case !due.From.Equal(simTime(s.start)):
				t.Fatalf("seed %d: %+v at %v counts as received at %v, simulated %v", seed, rule, simTime(received), due.From, simTime(s.start))
			case want < 0 && open && due.Stopped:
				stops++
			case want < 0 && !due.Stopped && !due.At.Before(simTime(len(w.open))):
				// Both go beyond the world.
			case want < 0 || due.Stopped || !due.At.Equal(simTime(want)):
				t.Fatalf("seed %d: %+v received %v, pauses %v: due %v (stopped %v), simulated %v\n%+v", seed, rule, simTime(received), given, due.At, due.Stopped, simTime(want), w.files)
			default:
				ends++
			}
			laws(t, w, cal, rule, simTime(received), given, due)
		}
	}
	if ends < 2500 || stops < 200 {
		t.Errorf("only %d due times and %d stopped clocks were compared", ends, stops)
	}
}

// laws holds what must be so between answers.
func laws(t *testing.T, w *world, cal *Calendar, rule Rule, received time.Time, given []Span, due Deadline) {
	t.Helper()
	turned := slices.Clone(given)
	slices.Reverse(turned)
	if again, err := DueWith(cal, rule, received, append(turned, given...)); err != nil || again != due {
		t.Fatalf("pauses in another order, twice: %v, %v; was %v", again, err, due)
	}
	plain, err := Due(cal, rule, received)
	if err != nil || !due.Stopped && due.At.Before(plain.At) {
		t.Fatalf("%+v received %v: pauses %v bring the due time %v forward to %v, %v", rule, received, given, plain.At, due.At, err)
	}
	if due.At.Before(due.From) && !due.Stopped {
		t.Fatalf("%+v is due at %v, before receipt at %v", rule, due.At, due.From)
	}
	if due.Stopped {
		at := simTime(50 * simDay)
		resumed, err := Resume(cal, rule, received, given, at)
		if err != nil || resumed.Stopped || resumed.At.Before(at) {
			t.Fatalf("%+v resumed at %v: %+v, %v", rule, at, resumed, err)
		}
	}
	margin := Left(cal, due.From, plain.At)
	switch {
	case rule.Unit == WorkingHours && rule.Extra == 0 && margin.Work != time.Duration(rule.N)*time.Hour,
		rule.Unit == WorkingDays && rule.Ends == EndOfDay && !rule.FirstDay && margin.Days != rule.N+rule.Extra:
		t.Fatalf("%+v received %v is due %v, which is %+v away", rule, due.From, plain.At, margin)
	}
}

// What is left and what is overdue, against counting minutes.
func TestMarginsAreThoseOfASimulation(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := randomWorld(r)
		cal, err := New(w.files...)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			now, due := w.instant(r, 30*simDay), w.instant(r, 30*simDay)
			from, to := min(now, due), max(now, due)
			want := Margin{Overdue: now > due}
			for m := from; m <= to; m++ {
				if m < to && w.open[m] {
					want.Work += time.Minute
				}
				if m/simDay > from/simDay && m == w.first(m/simDay) && (m < to || want.Overdue) {
					want.Days++
				}
			}
			if got := Left(cal, simTime(now), simTime(due)); got != want {
				t.Fatalf("seed %d: from %v to %v: %+v, counted %+v", seed, simTime(now), simTime(due), got, want)
			}
		}
	}
}
