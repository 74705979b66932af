package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// world is a fleet under a clock that the test sets.
type world struct {
	*Fleet
	t   testing.TB
	db  *sqlite.DB
	now time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: noon}
	db, err := sqlitetest.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{
		Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.Fleet, err = New(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// beat has an office say how it stands, now.
func (w *world) beat(code string, change func(*beat.Beat)) {
	w.t.Helper()
	b := beat.Beat{Version: beat.Version, At: w.now, Software: "tram 1", Every: 300, Disk: beat.Disk{Free: 5 << 30}, Clock: beat.Clock{Trusted: true}, Certificate: w.now.AddDate(0, 2, 0)}
	if change != nil {
		change(&b)
	}
	w.must(w.Heard(context.Background(), map[string]Heard{code: {w.now, b}}))
}

func (w *world) session(code string, online bool) {
	w.t.Helper()
	w.must(w.Sessions(context.Background(), map[string]Change{code: {Online: online}}))
}

func (w *world) judge() []Transition {
	w.t.Helper()
	list, err := w.Judge(context.Background(), noon.Add(-time.Hour))
	w.must(err)
	return list
}

// said is the changes in words.
func said(list []Transition) string {
	var words []string
	for _, t := range list {
		words = append(words, fmt.Sprintf("%s %v→%v %s", t.Code, t.From, t.To, t.Reason.Code))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func roster(codes ...string) (list []Member) {
	for _, code := range codes {
		list = append(list, Member{Code: code, Name: "Xã " + code, Parent: "H40", Kind: "xa", Enrolled: true})
	}
	return list
}

func TestABoxIsJudgedByWhatItSays(t *testing.T) {
	w := newWorld(t)
	w.must(w.Roster(t.Context(), append(roster("H40.12", "H40.15"), Member{Code: "H40.20", Parent: "H40"})))
	w.session("H40.12", true)
	w.beat("H40.12", nil)
	if got, want := said(w.judge()), "H40.12 not-enrolled→normal , H40.15 not-enrolled→out-of-contact never-heard, H40.20 not-enrolled→not-enrolled "; got != want {
		t.Errorf("the changes are %q, want %q", got, want)
	}
	if got := said(w.judge()); got != "" {
		t.Errorf("judged again it changes: %q", got)
	}
	w.now = w.now.Add(time.Minute)
	w.beat("H40.12", func(b *beat.Beat) {
		// A box whose clock is an hour behind: what counts is how long it waits.
		b.At = w.now.Add(-time.Hour)
		b.Queue = beat.Queue{Count: 2, Bytes: 1 << 20, Since: b.At.Add(-90 * time.Minute), Levels: []beat.Level{
			{Urgency: 3, Count: 1, Since: b.At.Add(-14 * time.Minute)}, {Count: 1, Since: b.At.Add(-90 * time.Minute)},
		}}
		b.Conditions = []health.Condition{{Code: health.BudgetForecast}}
		b.Budget = &beat.Budget{Limit: 100, Used: 70}
	})
	w.judge()
	r, err := w.Get(t.Context(), "h40.12")
	if err != nil || r.State != Normal || !r.QueueSince.Equal(w.now.Add(-90*time.Minute)) || r.SIMLeft == nil || *r.SIMLeft != 30 || len(r.Last.Conditions) != 1 {
		t.Errorf("it is %+v, its last heartbeat %+v (error %v)", r.Agent, r.Last, err)
	}
	w.now = w.now.Add(2 * time.Minute)
	if got := said(w.judge()); got != "H40.12 normal→needs-repair queue-old" {
		t.Errorf("with a hỏa tốc held up for 16 minutes the changes are %q", got)
	}
	w.beat("H40.12", func(b *beat.Beat) {
		b.Conditions = []health.Condition{{Code: health.BudgetForecast}, {Code: "disk-low"}}
	})
	w.judge()
	if r, err := w.Get(t.Context(), "H40.12"); err != nil || r.State != NeedsRepair || r.Reason.Code != "disk-low" || r.Queue != 0 || !r.QueueSince.IsZero() {
		t.Errorf("it is %+v (error %v)", r.Agent, err)
	}
	if _, err := w.Get(t.Context(), "H40.99"); problem.From(err).Code != "hub.no-office" {
		t.Errorf("a box that is none: %v", err)
	}
}

func TestFlappingIsCounted(t *testing.T) {
	w := newWorld(t)
	w.must(w.Roster(t.Context(), roster("H40.12")))
	flap := func(n int) {
		for range n {
			w.session("H40.12", true)
			w.now = w.now.Add(time.Minute)
			w.session("H40.12", false)
			w.session("H40.12", false) // said twice it counts once
		}
		w.session("H40.12", true)
	}
	flap(6)
	if got := said(w.judge()); got != "H40.12 not-enrolled→normal " {
		t.Errorf("after six losses: %q", got)
	}
	flap(1)
	if got := said(w.judge()); got != "H40.12 normal→late flapping" {
		t.Errorf("after seven: %q", got)
	}
	w.now = w.now.Add(flapWindow)
	w.judge()
	w.now = w.now.Add(holdIntervals * DefaultInterval)
	if got := said(w.judge()); got != "H40.12 late→normal " {
		t.Errorf("an hour later: %q", got)
	}
}

// TestAChangeStandsOrFallsWithWhatFollowsFromIt has the hook fail once.
func TestAChangeStandsOrFallsWithWhatFollowsFromIt(t *testing.T) {
	w := newWorld(t)
	w.must(w.Roster(t.Context(), roster("H40.12", "H40.15")))
	fail := errors.New("no room for the incident")
	w.OnChange(func(tx *sqlite.Tx, list []Transition) error {
		if err := fail; err != nil {
			fail = nil
			return err
		}
		return Group(tx, []string{list[0].Code}, "17")
	})
	if _, err := w.Judge(t.Context(), noon.Add(-time.Hour)); err == nil {
		t.Fatal("the hook's error is lost")
	}
	if got := said(w.judge()); got != "H40.12 not-enrolled→out-of-contact never-heard, H40.15 not-enrolled→out-of-contact never-heard" {
		t.Errorf("the next time the changes are %q", got)
	}
	w.OnChange(nil)
	if got := said(w.judge()); got != "H40.12 out-of-contact→out-of-contact-group incident" {
		t.Errorf("in an incident: %q", got)
	}
	w.must(w.db.Update(t.Context(), func(tx *sqlite.Tx) error { return CloseGroup(tx, "17") }))
	if got := said(w.judge()); got != "H40.12 out-of-contact-group→out-of-contact silent" && got != "H40.12 out-of-contact-group→out-of-contact never-heard" {
		t.Errorf("after it: %q", got)
	}
}

func TestSitesAndPausesAreCheckedAndAudited(t *testing.T) {
	w := newWorld(t)
	w.must(w.Roster(t.Context(), roster("H40.12", "H40.15")))
	w.must(w.SetSite(t.Context(), "h40.12", Site{Cluster: "Cụm Kỳ Sơn", Hours: "Mon-Fri 07:30-17:00 ;Sat 07:30-11:30"}, "test"))
	w.must(w.SetHours(t.Context(), "H40", "Mon-Fri 08:00-17:00", "test"))
	w.must(w.Pause(t.Context(), "H40.15", true, "test"))
	w.must(w.Pause(t.Context(), "H40.15", true, "test")) // nothing new, nothing audited
	if r, err := w.Get(t.Context(), "H40.12"); err != nil || r.Cluster != "Cụm Kỳ Sơn" || r.Hours != "Mon-Fri 07:30-17:00; Sat 07:30-11:30" {
		t.Errorf("its site is %q, %q (error %v)", r.Cluster, r.Hours, err)
	}
	if got := said(w.judge()); !strings.Contains(got, "H40.15 not-enrolled→stopped paused") {
		t.Errorf("the changes are %q", got)
	}
	w.must(w.Roster(t.Context(), []Member{{Code: "H40.12", Name: "Xã khác", Parent: "H40.1", Enrolled: true}}))
	if r, err := w.Get(t.Context(), "H40.12"); err != nil || r.Cluster != "Cụm Kỳ Sơn" || r.Name != "Xã khác" {
		t.Errorf("after the roster its cluster is %q, its name %q (error %v)", r.Cluster, r.Name, err)
	}
	if _, err := w.Get(t.Context(), "H40.15"); problem.From(err).Code != "hub.no-office" {
		t.Errorf("an office that left is still listed: %v", err)
	}
	for text, want := range map[string]string{
		"8-17": "fleet.hours", strings.Repeat("Mon 08:00-09:00;", 40): "fleet.hours",
	} {
		if err := w.SetSite(t.Context(), "H40.12", Site{Hours: text}, "test"); problem.From(err).Code != want {
			t.Errorf("hours %q: %v", text, err)
		}
	}
	for _, name := range []string{" x", "a\x1bb", strings.Repeat("ă", maxCluster+1)} {
		if err := w.SetSite(t.Context(), "H40.12", Site{Cluster: name}, "test"); problem.From(err).Code != "fleet.cluster" {
			t.Errorf("cluster %q: %v", name, err)
		}
	}
	if err := w.SetHours(t.Context(), "", "", "test"); problem.From(err).Code != "fleet.cluster" {
		t.Errorf("hours of no cluster: %v", err)
	}
	var actions []string
	w.must(w.db.View(t.Context(), func(tx *sqlite.Tx) (err error) {
		actions, err = sqlite.Column[string](tx, `SELECT action FROM audit ORDER BY seq`)
		return err
	}))
	if want := []string{"agent.site", "cluster.hours", "agent.paused"}; !slices.Equal(actions, want) {
		t.Errorf("audited is %q, want %q", actions, want)
	}
}

func TestSamplesBecomeCoarserInBoundedSpace(t *testing.T) {
	w := newWorld(t)
	start := w.now
	code := "H40.12"
	chance := rand.New(rand.NewPCG(1, 2))
	queue := func(at time.Time) int { return int(at.Sub(start)/(24*time.Hour)) % 50 }
	step := func(days int, every time.Duration) {
		w.must(w.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			for end := w.now.AddDate(0, 0, days); w.now.Before(end); w.now = w.now.Add(every) {
				s := Sample{
					At: w.now, Queue: queue(w.now), Oldest: time.Duration(chance.IntN(300)) * time.Minute, Rate: int64(chance.IntN(60_000)),
					Disk: int64(5<<30 - chance.IntN(200<<20)), Clock: time.Duration(chance.IntN(100)) * time.Second,
				}
				if err := put(tx, code, 0, s); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	step(740, 8*time.Hour) // seldom, to be quick; then as it really is
	step(2, 5*time.Minute)
	step(29, time.Hour)
	step(2, 5*time.Minute)
	for _, c := range []struct {
		span time.Duration
		step time.Duration
		n    int
	}{{24 * time.Hour, 5 * time.Minute, 288}, {30 * 24 * time.Hour, time.Hour, 720}, {2 * 365 * 24 * time.Hour, 24 * time.Hour, 730}} {
		h, err := w.History(t.Context(), code, w.now.Add(-c.span), w.now)
		w.must(err)
		if n := len(h.Samples); h.Step != c.step || n < c.n-1 || n > c.n+1 {
			t.Errorf("of %v there are %d samples of %v, want %d", c.span, n, h.Step, c.n)
		}
		for i, s := range h.Samples {
			if i > 0 && s.At.Sub(h.Samples[i-1].At) != c.step {
				t.Fatalf("a sample of %v follows one of %v", s.At, h.Samples[i-1].At)
			}
			if s.Queue != queue(s.At) && s.Queue != queue(s.At.Add(c.step-time.Nanosecond)) {
				t.Fatalf("at %v the queue is %d", s.At, s.Queue)
			}
		}
	}
	var rows, size int
	w.must(w.db.View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*), sum(length(data)) FROM samples`).Scan(&rows, &size)
	}))
	t.Logf("two years of a box: %d rows with %d bytes", rows, size)
	if rows > 80 || size > 24_000 {
		t.Errorf("%d rows with %d bytes", rows, size)
	}
	// The hub's clock was years ahead, and is set right.
	right := w.now
	w.now = w.now.AddDate(5, 0, 0)
	w.beat(code, nil)
	w.now = right.Add(time.Minute)
	w.beat(code, func(b *beat.Beat) { b.Queue.Count = 7 })
	h, err := w.History(t.Context(), code, right.Add(-time.Hour), w.now.Add(time.Hour))
	if n := len(h.Samples); err != nil || n == 0 || h.Samples[n-1].Queue != 7 || !h.Samples[n-1].At.Before(w.now.Add(time.Minute)) {
		t.Errorf("after a clock that was ahead there are %d samples (error %v)", n, err)
	}
}

func FuzzSamples(f *testing.F) {
	seeds := 0
	for level, tr := range tiers {
		f.Add(level, encodeSamples(tr, 100, []Sample{{At: tr.at(100 * int64(tr.row)), Queue: 3, Disk: 5 << 30, Clock: -time.Minute}, {At: tr.at(100*int64(tr.row) + 2), Rate: 9}}))
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, level int, data []byte) {
		tr := tiers[uint(level)%uint(len(tiers))]
		list, err := decodeSamples(tr, 100, data)
		if err != nil || len(list) == 0 {
			return
		}
		if len(list) > tr.row {
			t.Fatalf("%d samples in a row of %d", len(list), tr.row)
		}
	})
}

func TestBandsHaveNoGapsAndChangesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.must(w.Roster(t.Context(), roster("H40.12")))
	w.session("H40.12", true)
	for i := range 2 * maxChanges {
		w.now = w.now.Add(11 * time.Minute)
		w.beat("H40.12", func(b *beat.Beat) {
			if i%2 == 0 {
				b.Conditions = []health.Condition{{Code: "disk-low"}}
			}
		})
		w.judge()
		w.now = w.now.Add(11 * time.Minute)
		w.judge()
	}
	var kept int
	w.must(w.db.View(t.Context(), func(tx *sqlite.Tx) error { return tx.QueryRow(`SELECT count(*) FROM changes`).Scan(&kept) }))
	if kept != maxChanges {
		t.Errorf("%d changes are kept, want %d", kept, maxChanges)
	}
	bands, err := w.Bands(t.Context(), "H40.12", 24*time.Hour)
	if err != nil || len(bands) < 50 || !bands[0].From.Equal(w.now.Add(-24*time.Hour)) || !bands[len(bands)-1].To.Equal(w.now) {
		t.Fatalf("%d bands (error %v)", len(bands), err)
	}
	for i := 1; i < len(bands); i++ {
		if !bands[i].From.Equal(bands[i-1].To) || bands[i].State == bands[i-1].State {
			t.Errorf("after %+v comes %+v", bands[i-1], bands[i])
		}
	}
}
