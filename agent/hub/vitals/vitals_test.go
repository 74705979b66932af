package vitals

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// machine is one whose clock and running time a test sets.
type machine struct {
	wall time.Time
	ran  time.Duration
}

func (m *machine) tell() (time.Time, time.Duration) { return m.wall, m.ran }

// runs lets time go by.
func (m *machine) runs(d time.Duration) { m.wall, m.ran = m.wall.Add(d), m.ran+d }

var morning = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func opened(t *testing.T, dir string, m *machine) *Clock {
	t.Helper()
	c, err := OpenClock(dir, m.tell)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestP11_AJumpIsNotFollowedAtOnce: time goes on at its pace, and the jump is taken over
// when it has stood for an hour, or forgotten when it was undone.
func TestP11_AJumpIsNotFollowedAtOnce(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		before, jump, after time.Duration // run before it, by how much, run after it
		undone              bool
		want                time.Duration // of Now ahead of true time
	}{
		"a correction":            {time.Hour, 2 * time.Minute, time.Minute, false, 2 * time.Minute},
		"a year ahead":            {time.Hour, year, 59 * time.Minute, false, 0},
		"a year back":             {time.Hour, -year, 59 * time.Minute, false, 0}, // before the release
		"a year back, for long":   {time.Hour, -year, 48 * time.Hour, false, 0},
		"a day back, for long":    {time.Hour, -24 * time.Hour, 2 * time.Hour, false, -24 * time.Hour},
		"a year ahead, for long":  {time.Hour, year, 2 * time.Hour, false, year},
		"ahead and back":          {time.Hour, year, 30 * time.Minute, true, 0},
		"learnt at the start":     {time.Minute, 7 * time.Hour, time.Minute, false, 7 * time.Hour},
		"set back at the start":   {time.Minute, -7 * time.Hour, time.Minute, false, 0},
		"when it has settled":     {Settling + time.Minute, 7 * time.Hour, time.Minute, false, 0},
		"just more than is usual": {time.Hour, Slack + time.Second, time.Minute, false, 0},
	} {
		m := &machine{wall: morning.AddDate(0, 6, 0)}
		if name == "a year back" || name == "a year back, for long" {
			m.wall = morning
		}
		clock, real := opened(t, t.TempDir(), m), m.wall
		pass := func(d time.Duration) {
			for step := time.Minute; d > 0; d -= step {
				step = min(step, d)
				m.runs(step)
				real = real.Add(step)
				clock.Now()
			}
		}
		pass(c.before)
		m.wall = m.wall.Add(c.jump)
		clock.Now()
		pass(c.after)
		if c.undone {
			m.wall = m.wall.Add(-c.jump)
		}
		if got := clock.Now().Sub(real); got != c.want {
			t.Errorf("%s: the time is %v ahead, want %v", name, got, c.want)
		}
		if ahead, _ := clock.Jumped(); (ahead != 0) != (c.want == 0 && !c.undone) {
			t.Errorf("%s: it has jumped %v", name, ahead)
		}
	}
}

// TestP11_AClockThatWakesWrongIsNotBelieved: time goes on from what was last known.
func TestP11_AClockThatWakesWrongIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		off, runs time.Duration // how far the clock wakes from the last known time, and then runs
		want      time.Duration // of Now, from the last known time
	}{
		"after an hour":          {time.Hour, time.Minute, time.Hour + time.Minute},
		"a little behind":        {-time.Minute, time.Minute, 0},
		"in 1970":                {-56 * 365 * 24 * time.Hour, 3 * time.Hour, 3 * time.Hour},
		"ten years ahead":        {3650 * 24 * time.Hour, 10 * time.Minute, 10 * time.Minute},
		"ten years ahead, still": {3650 * 24 * time.Hour, 2 * time.Hour, 3650*24*time.Hour + 2*time.Hour},
	} {
		dir, m := t.TempDir(), &machine{wall: morning}
		if err := opened(t, dir, m).Keep(); err != nil {
			t.Fatal(err)
		}
		m = &machine{wall: morning.Add(c.off)}
		clock := opened(t, dir, m)
		m.runs(c.runs)
		if got := clock.Now().Sub(morning); got != c.want {
			t.Errorf("%s: the time is %v from the last known one, want %v", name, got, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	well := Measured{Free: 10 << 30, Reserve: 1 << 30, Commits: []time.Duration{time.Millisecond, 3 * time.Second, time.Millisecond}}
	for name, c := range map[string]struct {
		change func(*Measured)
		want   string
	}{
		"all well":                {func(*Measured) {}, ""},
		"disk not known":          {func(m *Measured) { m.Free = -1 }, ""},
		"disk nearly full":        {func(m *Measured) { m.Free = 1 << 30 }, DiskLow},
		"disk full":               {func(m *Measured) { m.Free = 0 }, DiskFull},
		"no room in the database": {func(m *Measured) { m.Full, m.Free = true, 0 }, DiskFull + " " + DatabaseFull},
		"slow three times":        {func(m *Measured) { m.Commits = []time.Duration{3 * time.Second, SlowCommit, 5 * time.Second} }, DatabaseSlow},
		"slow so far":             {func(m *Measured) { m.Commits = []time.Duration{3 * time.Second} }, ""},
		"stuck":                   {func(m *Measured) { m.Pending = StuckCommit }, DatabaseStuck},
		"clock":                   {func(m *Measured) { m.Ahead, m.Left = -24*time.Hour, time.Minute }, ClockJumped},
	} {
		m := well
		c.change(&m)
		var codes []string
		for _, condition := range Judge(m) {
			codes = append(codes, condition.Code)
			for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
				if says := condition.Message(lang); says == "" || strings.ContainsAny(says, "{}") {
					t.Errorf("%s says %q", condition.Code, says)
				}
			}
			if !condition.Repair() {
				t.Errorf("%s does not call anybody", condition.Code)
			}
		}
		if got := strings.Join(codes, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestADatabaseWithoutRoomIsToldAndRecovers by itself.
func TestADatabaseWithoutRoomIsToldAndRecovers(t *testing.T) {
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := New(Options{DB: db, Free: func() (int64, error) { return 1 << 40, nil }, Reserve: 1, Clock: opened(t, t.TempDir(), &machine{wall: morning})})
	pages := func(n int) {
		t.Helper()
		err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
			return tx.QueryRow(fmt.Sprintf(`PRAGMA max_page_count = %d`, n)).Scan(new(int))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(1) // no more than it has
	err = nil
	for i := 0; err == nil; i++ {
		err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`CREATE TABLE filler` + fmt.Sprint(i) + ` (x TEXT) STRICT`)
			return err
		})
	}
	if w.Probe(t.Context(), true); len(w.Conditions()) != 1 || w.Conditions()[0].Code != DatabaseFull {
		t.Errorf("without room: %+v", w.Conditions())
	}
	pages(10_000)
	if w.Probe(t.Context(), true); len(w.Conditions()) != 0 {
		t.Errorf("with room again: %+v", w.Conditions())
	}
}

// TestASlowDatabaseIsTold: a probe that waits for somebody's long transaction counts.
func TestASlowDatabaseIsTold(t *testing.T) {
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := New(Options{DB: db, Free: func() (int64, error) { return 1 << 40, nil }, Reserve: 1, Clock: opened(t, t.TempDir(), &machine{wall: morning})})
	w.began = time.Now().Add(-StuckCommit) // as look leaves it while the probe waits
	if list := w.Conditions(); len(list) != 1 || list[0].Code != DatabaseStuck {
		t.Errorf("while it is stuck: %+v", list)
	}
	for range probes {
		held := make(chan struct{})
		go func() {
			_ = db.Update(t.Context(), func(*sqlite.Tx) error {
				close(held)
				time.Sleep(100 * time.Millisecond)
				return nil
			})
		}()
		<-held
		w.Probe(t.Context(), true)
	}
	for i, took := range w.commits {
		if took < 50*time.Millisecond {
			t.Errorf("probe %d took %v", i, took)
		}
	}
	if list := w.Conditions(); len(list) != 0 {
		t.Errorf("it counts as slow below the bound: %+v", list)
	}
}

// TestAQuietHubSparesItsDisk: it measures a commit as often as it needs to see that
// something is wrong, and four times as often while something is.
func TestAQuietHubSparesItsDisk(t *testing.T) {
	for name, c := range map[string]struct {
		commit       time.Duration // how long each takes
		full         bool
		probes, room int // in an hour
	}{
		"well":    {commit: time.Millisecond, probes: 60, room: 6},
		"slow":    {commit: SlowCommit, probes: 240, room: 240},
		"no room": {full: true, probes: 240, room: 240},
	} {
		w := New(Options{})
		probes, room := 0, 0
		for at := morning; at.Before(morning.Add(time.Hour)); at = at.Add(Every) {
			due, forRoom := w.due(at)
			if !due {
				continue
			}
			if again, _ := w.due(at); again {
				t.Fatalf("%s: two probes at once", name)
			}
			probes++
			if forRoom {
				room++
			}
			if w.began, w.full = (time.Time{}), c.full; !c.full {
				w.commits = append(w.commits, c.commit)
			}
		}
		if probes != c.probes || room != c.room {
			t.Errorf("%s: %d probes in an hour, %d of them for room, want %d and %d", name, probes, room, c.probes, c.room)
		}
	}
}

// TestAProbeWritesOnePage, but one for room.
func TestAProbeWritesOnePage(t *testing.T) {
	path, m := filepath.Join(t.TempDir(), "hub.db"), &machine{wall: morning}
	now := func() time.Time { return m.wall }
	db, err := sqlitetest.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{Schema}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := New(Options{DB: db, Clock: opened(t, t.TempDir(), &machine{wall: morning})})
	w.Probe(t.Context(), true)
	m.runs(time.Minute)
	before := size(t, path+"-wal")
	w.Probe(t.Context(), false)
	if grown := size(t, path+"-wal") - before; grown <= 0 || grown > 4096+24 {
		t.Errorf("a probe writes %d bytes to the log", grown)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
