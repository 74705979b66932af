package line

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/problem"
	"tram/storage"
	"tram/sync/link"
	"tram/sync/mqtt"
	"tram/sync/schedule"
)

// hub is both ends of a connection that a test holds in its hands.
type hub struct {
	mu      sync.Mutex
	local   netip.Addr
	stats   mqtt.Stats
	resets  []error
	kicks   int
	rules   []schedule.Rules
	first   []storage.ID
	waiting [4]int
	full    bool // there is no room to go first
}

func (h *hub) do(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

func (h *hub) Kick()                     { h.do(func() { h.kicks++ }) }
func (h *hub) Reset(cause error)         { h.do(func() { h.resets = append(h.resets, cause) }) }
func (h *hub) SetRules(r schedule.Rules) { h.do(func() { h.rules = append(h.rules, r) }) }
func (h *hub) LocalAddr() (a netip.Addr) { h.do(func() { a = h.local }); return a }
func (h *hub) Stats() (s mqtt.Stats)     { h.do(func() { s = h.stats }); return s }
func (h *hub) Status() (s mqtt.Status) {
	h.do(func() { s.Connected = h.local.IsValid() })
	return s
}

func (h *hub) First(id storage.ID) (room bool) {
	h.do(func() {
		if room = !h.full; room {
			h.first = append(h.first, id)
		}
	})
	return room
}

func (h *hub) waits(_ context.Context, id storage.ID) (waits bool, err error) {
	h.do(func() { waits = slices.Contains(h.first, id) })
	return waits, nil
}

func (h *hub) queued(context.Context) (n [4]int, err error) {
	h.do(func() { n = h.waiting })
	return n, nil
}

// newLine makes a Line whose connection goes over loopback, which costs money.
func newLine(t *testing.T, l *ledger, h *hub, change func(*Options)) *Line {
	t.Helper()
	o := Options{
		DB: l.db, Connection: h, Node: h, Waiting: h.queued, Waits: h.waits, Month: 1, Metered: []string{"lo"},
		Now: func() time.Time { return l.now }, Trusted: func() bool { return true },
	}
	if change != nil {
		change(&o)
	}
	line, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// start runs a Line until stop is called or the test ends.
func start(t *testing.T, line *Line) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- line.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 200 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}

func TestABudgetIsUsedUpAndStaysSo(t *testing.T) {
	book := newLedger(t, monday(9))
	h := &hub{local: netip.MustParseAddr("127.0.0.1")}
	budget := func(o *Options) { o.Policy.Budget = 1 << 20 }
	line := newLine(t, book, h, budget)
	if s := line.State(); s.Interface != "lo" || !s.Metered || s.Verdict.Code != Open || s.Limit != 1<<20 {
		t.Errorf("at first the line is %+v", s)
	}
	stop := start(t, line)
	h.do(func() { h.stats.SentBytes, h.stats.ReceivedBytes = 900<<10, 200<<10 })
	eventually(t, "the budget is used up", func() bool { return line.State().Verdict.Code == BudgetUsed })
	if s := line.State(); s.Account.Used < 1100<<10 || s.Account.Used > 1200<<10 {
		t.Errorf("1100 KiB at the socket count as %d bytes", s.Account.Used)
	}
	stop()
	used := line.State().Account.Used
	book.restart(false)
	h = &hub{local: h.local}
	again := newLine(t, book, h, budget)
	want := schedule.Rules{MinUrgency: schedule.Urgent}
	if s := again.State(); s.Verdict.Code != BudgetUsed || s.Account.Used != used || len(h.rules) == 0 || h.rules[len(h.rules)-1] != want {
		t.Errorf("after a restart the line is %+v, rules %+v", s, h.rules)
	}
}

func TestWhatGoesFirstIsRememberedUntilItWent(t *testing.T) {
	book := newLedger(t, monday(9))
	h := &hub{}
	line := newLine(t, book, h, nil)
	a, b := uuid.New(), uuid.New()
	for _, id := range []storage.ID{a, b, a} {
		if err := line.First(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.first) != 3 || !line.IsFirst(a) {
		t.Errorf("the node was told of %v", h.first)
	}
	book.restart(false)
	h = &hub{}
	line = newLine(t, book, h, nil)
	if len(h.first) != 2 {
		t.Errorf("after the restart the node was told of %v", h.first)
	}
	h.full = true
	if id := uuid.New(); problem.From(line.First(t.Context(), id)).Code != "queue.too-many-first" || line.IsFirst(id) {
		t.Error("what found no room goes first")
	}
	broken := errors.New("no disk")
	line.o.Waits = func(context.Context, storage.ID) (bool, error) { return false, broken }
	if err := line.tidyFirst(t.Context()); !errors.Is(err, broken) {
		t.Errorf("tidied with %v", err)
	}
	line.o.Waits = func(_ context.Context, id storage.ID) (bool, error) { return id == b, nil }
	if err := line.tidyFirst(t.Context()); err != nil {
		t.Fatal(err)
	}
	book.restart(false)
	if line = newLine(t, book, &hub{}, nil); line.IsFirst(a) || !line.IsFirst(b) {
		t.Error("what went is still first, or what waits is not")
	}
}

func TestNewsOfTheLine(t *testing.T) {
	gone := netip.MustParseAddr("192.0.2.7") // of no interface here
	face := link.Link{Interface: link.Interface{Name: "x0", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}
	free := link.Link{Interface: link.Interface{Name: "eth9"}, Up: true}
	for name, c := range map[string]struct {
		local   netip.Addr
		changes []link.Change
		reset   error
		kicks   int
	}{
		"the address is gone":                 {gone, nil, errGone, 0},
		"an address that never was here":      {netip.MustParseAddr("192.0.2.8"), nil, nil, 0},
		"the interface went down":             {netip.MustParseAddr("127.0.0.1"), []link.Change{{Kind: link.Down, Link: face}}, errGone, 0},
		"another one went down":               {netip.MustParseAddr("127.0.0.1"), []link.Change{{Kind: link.Down, Link: free}}, nil, 0},
		"nothing happened":                    {netip.MustParseAddr("127.0.0.1"), nil, nil, 0},
		"a line came up while there was none": {netip.Addr{}, []link.Change{{Kind: link.Up, Link: free}}, errNew, 0},
		"one changed while there was none":    {netip.Addr{}, []link.Change{{Kind: link.Changed, Link: free}}, nil, 1},
		"one went down while there was none":  {netip.Addr{}, []link.Change{{Kind: link.Down, Link: free}}, nil, 0},
	} {
		h := &hub{local: c.local}
		line := newLine(t, newLedger(t, monday(9)), h, nil)
		line.owned = gone
		line.notice(c.changes)
		var reset error
		if len(h.resets) > 0 {
			reset = h.resets[0]
		}
		if reset != c.reset || len(h.resets) > 1 || h.kicks != c.kicks {
			t.Errorf("%s: resets %v, kicks %d", name, h.resets, h.kicks)
		}
	}
}

// TestAModemIsRunByRealPrograms brings a line up for an urgent document, lets
// it carry something and fall silent, and ends the office with it up again.
func TestAModemIsRunByRealPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	program := filepath.Join(dir, "modem")
	script := "#!/bin/sh\nset -C; : > " + dir + "/lock || echo twice >> " + calls + "\necho \"$1\" >> " + calls + "\nsleep 0.2\nrm -f " + dir + "/lock\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	said := func(want string) func() bool {
		return func() bool { got, _ := os.ReadFile(calls); return string(got) == want }
	}
	var log bytes.Buffer
	h := &hub{}
	line := newLine(t, newLedger(t, monday(9)), h, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Modem = Modem{Up: []string{program, "up"}, Down: []string{program, "down"}, Urgency: 1, Idle: 2 * time.Second, Timeout: time.Minute}
	})
	stop := start(t, line)
	eventually(t, "the unknown line is brought down", said("down\n"))
	h.do(func() { h.waiting[0] = 5 })
	time.Sleep(askEvery + lookEvery)
	if !said("down\n")() {
		t.Error("what is not urgent brought the line up")
	}
	h.do(func() { h.waiting[1] = 1 })
	eventually(t, "the urgent document brings it up", said("down\nup\n"))
	h.do(func() { h.local = netip.MustParseAddr("127.0.0.1"); h.waiting = [4]int{} })
	for range 4 {
		h.do(func() { h.stats.SentBytes += 5000 })
		time.Sleep(time.Second)
	}
	if !said("down\nup\n")() {
		t.Error("a line that moved something was brought down")
	}
	h.do(func() { h.local = netip.Addr{} })
	eventually(t, "idleness brings it down", said("down\nup\ndown\n"))
	h.do(func() { h.waiting[3] = 1 })
	eventually(t, "hỏa tốc brings it up", said("down\nup\ndown\nup\n"))
	time.Sleep(time.Second) // it is up
	stop()
	if !said("down\nup\ndown\nup\ndown\n")() {
		got, _ := os.ReadFile(calls)
		t.Errorf("after the end the calls are %q, log %s", got, log.String())
	}
}

func TestWhatIsWorthBringingTheLineUp(t *testing.T) {
	now := monday(22) // off hours
	for name, c := range map[string]struct {
		policy  Policy
		modem   uint8
		waiting [4]int
		first   bool
		want    bool
	}{
		"nothing waits":                    {Policy{}, 0, [4]int{}, false, false},
		"anything does":                    {Policy{}, 0, [4]int{1}, false, true},
		"not urgent enough":                {Policy{}, 2, [4]int{5, 5}, false, false},
		"urgent enough":                    {Policy{}, 2, [4]int{0, 0, 0, 1}, false, true},
		"it could not go over the line":    {Policy{Urgency: 1}, 0, [4]int{1}, false, false},
		"nor at this hour":                 {Policy{Hours: officeHours(t)}, 0, [4]int{1}, false, false},
		"urgent at this hour":              {Policy{Hours: officeHours(t)}, 0, [4]int{0, 1}, false, true},
		"no document brings it up":         {Policy{}, 4, [4]int{9, 9, 9, 9}, false, false},
		"but what somebody asked for does": {Policy{}, 4, [4]int{1}, true, true},
		"whatever the rules say":           {Policy{Urgency: 2}, 2, [4]int{1}, true, true},
	} {
		h := &hub{waiting: c.waiting}
		line := newLine(t, newLedger(t, now), h, func(o *Options) { o.Policy, o.Modem.Urgency = c.policy, c.modem })
		if c.first {
			if err := line.First(t.Context(), uuid.New()); err != nil {
				t.Fatal(err)
			}
		}
		if got := line.urgentWaits(t.Context()); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		h.do(func() { h.first = nil })
		if line.urgentWaits(t.Context()) && c.first && c.modem > 3 {
			t.Errorf("%s: what has gone brings the line up", name)
		}
	}
}
