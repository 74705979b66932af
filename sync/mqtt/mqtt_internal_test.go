package mqtt

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/sync/exchange"
)

func TestLevel(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"H40": "h40", "H40.01": "h40_01", "000.00.00.H40": "000_00_00_h40", "h40.01": "h40_01",
		"CS:GOV:12-3": "cs:gov:12-3", strings.Repeat("A", MaxCode): strings.Repeat("a", MaxCode),
	} {
		if got, err := Level(code); err != nil || got != want {
			t.Errorf("Level(%q) = %q, %v, want %q", code, got, err, want)
		}
	}
	for _, code := range []string{
		"", "H40/01", "H40+", "#", "$SYS", "H40_01", "H40 01", "H40\n", "H40\x00", "Đ40", "\u212a40", "%u", "*", ">",
		strings.Repeat("A", MaxCode+1), "\xff",
	} {
		if got, err := Level(code); !errors.Is(err, ErrCode) {
			t.Errorf("Level(%q) = %q, %v, want ErrCode", code, got, err)
		}
	}
}

func TestP7_TwoCodesNeverShareATopic(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	alphabet := "aA1.-:_/+#$ Đ"
	for _, a := range alphabet {
		for _, b := range alphabet {
			for _, c := range alphabet {
				code := string([]rune{a, b, c})
				level, err := Level(code)
				if err != nil {
					continue
				}
				if other, ok := seen[level]; ok && !strings.EqualFold(other, code) {
					t.Fatalf("%q and %q share the level %q", other, code, level)
				}
				seen[level] = code
				if !usable(level) {
					t.Fatalf("level %q of %q is not usable", level, code)
				}
			}
		}
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	online, offline := announcement("H40.01", "tram 0.1.0", at)
	for _, r := range []record{online, offline} {
		got, err := parsePresence(r.encode(), "h40_01")
		if err != nil || got != r {
			t.Errorf("%s becomes %+v, %v", r.encode(), got, err)
		}
	}
	if online.Session != offline.Session || !online.online() || offline.online() {
		t.Errorf("records do not belong together: %+v %+v", online, offline)
	}
	// The README shows this form.
	want := `{"v":1,"state":"online","office":"H40.01","session":"` + online.Session.String() + `","software":"tram 0.1.0","at":"2026-03-04T05:06:07Z"}`
	if got := string(online.encode()); got != want {
		t.Errorf("record is %s, want %s", got, want)
	}
	id := uuid.NewString()
	for _, bad := range []string{
		"", "{}", "[]", `{"v":1}`, `{"v":2,"state":"online","office":"H40.01","session":"` + id + `"}`,
		`{"v":1,"state":"away","office":"H40.01","session":"` + id + `"}`,
		`{"v":1,"state":"online","office":"H40.02","session":"` + id + `"}`,
		`{"v":1,"state":"online","office":"H40.01"}`, strings.Repeat(" ", MaxPresence+1),
	} {
		if r, err := parsePresence([]byte(bad), "h40_01"); err == nil {
			t.Errorf("%.80q was read as %+v", bad, r)
		}
	}
}

func TestBackoffIsFullJitterWithinBounds(t *testing.T) {
	t.Parallel()
	b := Backoff{Min: time.Second, Max: 5 * time.Minute}
	for attempt, ceiling := range []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
		64 * time.Second, 128 * time.Second, 256 * time.Second, 5 * time.Minute, 5 * time.Minute,
	} {
		if got := b.wait(attempt, 0); got != minWait {
			t.Errorf("attempt %d: shortest wait %v, want %v", attempt, got, minWait)
		}
		if got := b.wait(attempt, 0.5); got != ceiling/2 {
			t.Errorf("attempt %d: middle wait %v, want %v", attempt, got, ceiling/2)
		}
	}
	if got := b.wait(math.MaxInt, math.Nextafter(1, 0)); got > b.Max {
		t.Errorf("wait %v is over the bound", got)
	}
}

// deadConn is a connection over which nothing can be sent any more.
func deadConn() *conn {
	c := &conn{over: make(chan struct{})}
	close(c.over)
	return c
}

// idleClient is a client that connects to nothing, for feeding it messages.
func idleClient(t *testing.T) (*Client, *conn) {
	t.Helper()
	c, err := Dial(Options{Servers: []string{"127.0.0.1:1"}, Hub: "H40", Office: "H40.01", Tuning: Tuning{
		Backoff: Backoff{Min: time.Hour, Max: time.Hour},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	link := deadConn()
	for c.Status().NextTry.IsZero() {
		runtime.Gosched()
	}
	c.begin(link)
	return c, link
}

func TestClientFollowsTheSessionOfTheHub(t *testing.T) {
	t.Parallel()
	c, link := idleClient(t)
	const topic = "tram/1/h40/presence/h40"
	first, firstGone := announcement("H40", "", time.Now())
	second, secondGone := announcement("H40", "", time.Now())
	say := func(r record) { c.message(link, topic, r.encode(), false) }
	expect := func(what string, want ...string) {
		t.Helper()
		for _, w := range want {
			select {
			case ev := <-c.Events():
				if (w == "up") != ev.Up {
					t.Fatalf("%s: event %+v, want %s", what, ev, w)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%s: no event, want %s", what, w)
			}
		}
		select {
		case ev := <-c.Events():
			t.Fatalf("%s: event %+v too many", what, ev)
		case <-time.After(5 * time.Millisecond):
		}
	}
	say(first)
	expect("not subscribed yet")
	c.mu.Lock()
	c.joined = true
	c.settle(nil)
	c.mu.Unlock()
	expect("joined", "up")
	say(first)
	expect("the same presence again")
	say(second)
	expect("hub restarted", "down", "up")
	say(firstGone)
	expect("late last will of the old session")
	say(secondGone)
	expect("hub gone", "down")
	c.message(link, "tram/1/h40/down/h40_01", []byte("frame"), false)
	expect("frame while down")
	say(second)
	c.message(link, topic, []byte("nonsense"), false)
	c.message(link, "tram/1/h40/down/h40_02", []byte("frame"), false)
	c.message(deadConn(), topic, secondGone.encode(), false)
	expect("hub back", "up")
	c.forget(link, io.ErrUnexpectedEOF)
	expect("connection lost", "down")
	if got := c.Stats().Stray; got != 3 {
		t.Errorf("%d stray messages, want 3", got)
	}
}

// TestClientBelievesAHubThatSpeaks: a broker may lose the hub's presence to an
// office that subscribes in the instant in which it is stored.
func TestClientBelievesAHubThatSpeaks(t *testing.T) {
	t.Parallel()
	c, link := idleClient(t)
	c.mu.Lock()
	c.joined = true
	c.mu.Unlock()
	next := func() exchange.LinkEvent {
		select {
		case ev := <-c.Events():
			return ev
		case <-time.After(5 * time.Second):
			t.Fatal("no event")
			return exchange.LinkEvent{}
		}
	}
	online, offline := announcement("H40", "", time.Now())
	_, older := announcement("H40", "", time.Now())
	c.message(link, "tram/1/h40/presence/h40", older.encode(), true)
	c.message(link, "tram/1/h40/down/h40_01", []byte("frame"), false)
	if ev := next(); !ev.Up {
		t.Fatalf("event %+v, want Up", ev)
	}
	if ev := next(); string(ev.Frame) != "frame" {
		t.Fatalf("event %+v, want the frame", ev)
	}
	c.message(link, "tram/1/h40/presence/h40", online.encode(), true)
	c.message(link, "tram/1/h40/presence/h40", offline.encode(), false)
	if ev := next(); !ev.Down {
		t.Fatalf("event %+v, want Down: the hub's presence names the session that is up", ev)
	}
}

// idleHub is a hub that connects to nothing, for feeding it messages.
func idleHub(tb testing.TB, lookup func(string) (string, bool)) (*Hub, *conn) {
	tb.Helper()
	h, err := NewHub(HubOptions{
		Servers: []string{"127.0.0.1:1"}, Hub: "H40", Lookup: lookup,
		Tuning: Tuning{Backoff: Backoff{Min: time.Hour, Max: time.Hour}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { h.Close() })
	for h.Status().NextTry.IsZero() {
		runtime.Gosched()
	}
	link := deadConn()
	h.begin(link)
	h.mu.Lock()
	h.joined = true
	h.mu.Unlock()
	return h, link
}

func TestHubFollowsTheSessionsOfOffices(t *testing.T) {
	t.Parallel()
	h, link := idleHub(t, func(level string) (string, bool) { return "H40.01", level == "h40_01" })
	first, firstGone := announcement("H40.01", "one", time.Now())
	second, secondGone := announcement("H40.01", "two", time.Now())
	say := func(r record, retained bool) {
		h.message(link, "tram/1/h40/presence/h40_01", r.encode(), retained)
	}
	isUp := func(what string, p *Peer, want bool) {
		t.Helper()
		if p.Up() != want {
			t.Errorf("%s: up is %v", what, !want)
		}
	}
	say(first, false)
	p := <-h.Peers()
	isUp("online", p, true)
	if ev := <-p.Events(); !ev.Up {
		t.Errorf("first event is %+v", ev)
	}
	say(second, false)
	if a, b := <-p.Events(), <-p.Events(); !a.Down || !errors.Is(a.Err, ErrReplaced) || !b.Up {
		t.Errorf("a new session shows as %+v, %+v", a, b)
	}
	say(firstGone, false)
	isUp("late last will", p, true)
	say(firstGone, true)
	isUp("old snapshot after live word", p, true)
	say(secondGone, false)
	isUp("offline", p, false)
	h.message(link, "tram/1/h40/up/h40_01", []byte("frame"), false)
	isUp("it speaks", p, true)
	say(second, false)
	isUp("its presence follows", p, true)
	for i, want := range []string{"down", "up", "frame"} {
		ev := <-p.Events()
		if got := map[bool]string{true: "down"}[ev.Down] + map[bool]string{true: "up"}[ev.Up] + string(ev.Frame); got != want {
			t.Errorf("event %d is %s, want %s", i, got, want)
		}
	}
	for _, topic := range []string{
		"tram/1/h40/up/h40_99", "tram/1/h40/other/h40_01", "tram/1/h40/up/h40_01/x", "tram/2/h40/up/h40_01", "x",
	} {
		h.message(link, topic, []byte("frame"), false)
	}
	if got := h.Stats().Stray; got != 5 {
		t.Errorf("%d stray messages, want 5", got)
	}
	h.message(link, "tram/1/h40/health/h40_01", make([]byte, MaxHealth+1), false)
	h.message(link, "tram/1/h40/health/h40_01", []byte(`{"v":0}`), true)
	h.message(link, "tram/1/h40/health/h40_01", []byte(`{"v":1}`), false)
	if beat := <-h.Health(); beat.Office != "H40.01" || string(beat.Report) != `{"v":1}` {
		t.Errorf("heartbeat is %+v", beat)
	}
	// Events that were not read in time are merged; the last word always comes.
	for ev := (PresenceEvent{}); !ev.Online || ev.Software != "two"; {
		if ev = <-h.Presence(); ev.Office != "H40.01" || ev.Level != "h40_01" {
			t.Fatalf("presence event is %+v", ev)
		}
	}
	h.Forget("h40.01")
	if _, open := <-p.Events(); open {
		t.Error("a forgotten peer gives events")
	}
}

func TestP9_ElevenThousandPeersFitInMemory(t *testing.T) {
	const offices = 11_000
	h, link := idleHub(t, func(level string) (string, bool) {
		return strings.ReplaceAll(strings.ToUpper(level), "_", "."), true
	})
	go func() {
		for range h.Presence() {
		}
	}()
	type heap struct{ bytes, goroutines int64 }
	measure := func() heap {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return heap{int64(m.HeapAlloc + m.StackInuse), int64(runtime.NumGoroutine())}
	}
	before := measure()
	peers := make([]*Peer, 0, offices)
	for i := range offices {
		level := fmt.Sprintf("h40_%05d", i)
		r, _ := announcement(strings.ReplaceAll(strings.ToUpper(level), "_", "."), "tram 0.1.0", time.Now())
		h.message(link, "tram/1/h40/presence/"+level, r.encode(), true)
		p := <-h.Peers()
		<-p.Events() // Up
		peers = append(peers, p)
	}
	idle := measure()
	each := (idle.bytes - before.bytes) / offices
	t.Logf("an idle peer takes %d bytes", each)
	if each > 2000 {
		t.Errorf("an idle peer takes %d bytes", each)
	}
	if more := idle.goroutines - before.goroutines; more > 50 {
		t.Errorf("%d idle peers keep %d goroutines", offices, more)
	}
	// Nobody reads, and everybody sends.
	frame := make([]byte, 32<<10)
	for i := range 4 * offices {
		h.message(link, "tram/1/h40/up/"+peers[i%offices].level, frame, false)
	}
	if used := h.budget.used.Load(); used > DefaultHubQueueBytes {
		t.Errorf("%d bytes are queued", used)
	}
	if stats := h.Stats(); stats.Dropped == 0 || stats.ReceivedFrames != 4*offices {
		t.Errorf("stats are %+v", stats)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{Servers: []string{"127.0.0.1:1"}, Hub: "H40", Office: "H40.01"}
	for name, change := range map[string]func(*Options){
		"no server":       func(o *Options) { o.Servers = nil },
		"no port":         func(o *Options) { o.Servers = []string{"broker"} },
		"no hub":          func(o *Options) { o.Hub = "" },
		"bad office":      func(o *Options) { o.Office = "H40/01" },
		"office is a hub": func(o *Options) { o.Office = "h40" },
	} {
		o := good
		change(&o)
		if c, err := Dial(o); err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	if h, err := NewHub(HubOptions{Servers: good.Servers, Hub: "H40"}); err == nil {
		h.Close()
		t.Error("a hub without lookup was accepted")
	}
}
