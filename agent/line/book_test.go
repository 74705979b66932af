package line

import (
	"path/filepath"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// ledger is a book on a disk, with a clock that a test sets.
type ledger struct {
	t       *testing.T
	path    string
	now     time.Time
	trusted bool
	db      *sqlite.DB
	*Book
}

func newLedger(t *testing.T, now time.Time) *ledger {
	l := &ledger{t: t, path: filepath.Join(t.TempDir(), "office.db"), now: now, trusted: true}
	l.open()
	t.Cleanup(func() { l.db.Close() })
	return l
}

func (l *ledger) open() {
	l.t.Helper()
	var err error
	if l.db, err = sqlite.Open(l.t.Context(), l.path, sqlite.Options{Schemas: []sqlite.Schema{Schema}}); err != nil {
		l.t.Fatal(err)
	}
	l.Book, err = OpenBook(l.t.Context(), l.db, func() time.Time { return l.now }, func() bool { return l.trusted })
	if err != nil {
		l.t.Fatal(err)
	}
}

// restart saves or not, and opens the book anew.
func (l *ledger) restart(save bool) {
	l.t.Helper()
	if save {
		if err := l.Save(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := l.db.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.open()
}

func (l *ledger) used(want int64) {
	l.t.Helper()
	if got := l.Account(1).Used; got != want {
		l.t.Errorf("used %d, want %d", got, want)
	}
}

func TestP1_BytesUsedSurviveARestart(t *testing.T) {
	l := newLedger(t, monday(9))
	l.Add(true, Use{100, 50})
	l.Add(false, Use{7000, 7000}) // over ADSL
	l.restart(true)
	l.used(150)
	l.Add(true, Use{1, 0})
	l.restart(true)
	l.used(151)
	l.Add(true, Use{1000, 0})
	l.restart(false) // a power cut within SaveEvery
	l.used(151)
}

func TestAMonthEnds(t *testing.T) {
	l := newLedger(t, time.Date(2026, 11, 30, 23, 59, 0, 0, zone))
	l.Add(true, Use{100, 0})
	l.now = l.now.Add(2 * time.Minute)
	l.used(0)
	l.Add(true, Use{3, 0})
	l.used(3)
	if a := l.Account(20); a.Used != 103 || !a.Resets.Equal(time.Date(2026, 12, 20, 0, 0, 0, 0, zone)) {
		t.Errorf("the month from the 20th: %+v", a)
	}
}

// TestP11_BytesAtADeadClockCountForTheMonthThatItIs runs a machine that wakes
// up in 1970, restarts it, and lets it hear the time.
func TestP11_BytesAtADeadClockCountForTheMonthThatItIs(t *testing.T) {
	l := newLedger(t, time.Date(1970, 1, 1, 8, 0, 0, 0, zone))
	l.trusted = false
	l.Add(true, Use{10, 5})
	l.used(15)
	l.restart(true)
	l.used(15)
	l.now, l.trusted = monday(9), true
	l.Add(true, Use{1, 0})
	l.used(16)
	l.restart(true)
	l.used(16)
	l.now = monday(9).AddDate(0, 1, 0)
	l.used(0)
}

func TestForecast(t *testing.T) {
	l := newLedger(t, time.Date(2026, 11, 1, 12, 0, 0, 0, zone))
	forecast := func(want int64) {
		t.Helper()
		if got := l.Account(1).Forecast; got != want {
			t.Errorf("at %v the forecast is %d, want %d", l.now.Format(time.DateTime), got, want)
		}
	}
	l.Add(true, Use{50, 50})
	forecast(-1) // half a day says nothing
	l.now = l.now.Add(12 * time.Hour)
	forecast(100 + 29*100) // 100 bytes a day
	for l.now.Day() < 15 {
		l.Add(true, Use{100, 100})
		l.now = l.now.Add(24 * time.Hour)
	}
	// The 15th begins: of the last seven days, today included, six had 200.
	forecast(100 + 13*200 + 16*200)
	l.now = l.now.Add(12 * time.Hour)
	forecast(100 + 13*200 + 2861) // 1200 in 6.5 days, 15.5 to come
}

func TestAUsualDay(t *testing.T) {
	l := newLedger(t, monday(9))
	for day, used := range []int64{40, 10, 30, 10} {
		want := map[int]int64{0: -1, 1: -1, 2: -1, 3: (40 + 10 + 30) / 3}[day]
		l.Add(true, Use{used, 0})
		l.Add(false, Use{1000, 0})
		if a := l.Account(1); a.Today != used || a.Usual != want {
			t.Errorf("day %d: today %d, usually %d, want %d and %d", day, a.Today, a.Usual, used, want)
		}
		l.now = l.now.Add(24 * time.Hour)
	}
	l.now = l.now.Add(6 * 24 * time.Hour) // two of the last seven days had something
	if a := l.Account(1); a.Today != 0 || a.Usual != 10/7 {
		t.Errorf("today %d, usually %d", a.Today, a.Usual)
	}
}

func TestDaysAreBounded(t *testing.T) {
	l := newLedger(t, monday(9))
	for range maxDays + 5 {
		l.Add(true, Use{1, 1})
		l.now = l.now.AddDate(0, 0, 1)
	}
	l.restart(true)
	if len(l.days) != maxDays {
		t.Errorf("%d days are kept, want %d", len(l.days), maxDays)
	}
}

func TestOnWire(t *testing.T) {
	for _, c := range []struct {
		sent, received, connections int64
		want                        Use
	}{
		{0, 0, 0, Use{}},
		{1, 0, 0, Use{53, 52}},
		{1360, 1361, 0, Use{1360 + 52*2, 1361 + 52*3}},
		{0, 0, 1, Use{156, 156}},
		{136000, 0, 0, Use{136000 + 52*100, 52 * 50}},
	} {
		if got := OnWire(c.sent, c.received, c.connections); got != c.want {
			t.Errorf("%d sent, %d received, %d connections: %+v, want %+v", c.sent, c.received, c.connections, got, c.want)
		}
	}
}
