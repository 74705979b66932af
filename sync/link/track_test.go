package link

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// face reads an interface from words such as "ppp0 running 10.0.0.2 default=50".
func face(text string) Interface {
	words := strings.Fields(text)
	i := Interface{Name: words[0]}
	for _, w := range words[1:] {
		switch {
		case w == "running":
			i.Running = true
		case w == "loopback":
			i.Loopback = true
		case strings.HasPrefix(w, "default="):
			i.Default = true
			fmt.Sscanf(w, "default=%d", &i.Metric)
		default:
			i.Addrs = append(i.Addrs, netip.MustParseAddr(w))
		}
	}
	return i
}

func faces(list ...string) []Interface {
	var all []Interface
	for _, text := range list {
		all = append(all, face(text))
	}
	return all
}

// told writes changes as "up eth0, down ppp0".
func told(changes []Change) string {
	var words []string
	for _, c := range changes {
		words = append(words, c.Kind.String()+" "+c.Link.Name)
	}
	return strings.Join(words, ", ")
}

func TestTracker(t *testing.T) {
	type moment struct {
		at      int      // ms
		present []string // nil: only time passes
		want    string
	}
	for name, story := range map[string][]moment{
		"a line comes up once it has held": {
			{0, []string{"eth0"}, ""}, {10, []string{"eth0 running"}, ""},
			{20, []string{"eth0 running 192.0.2.7"}, ""}, {219, nil, ""}, {220, nil, "up eth0"}, {9000, nil, ""},
		},
		"one that flickers never comes up": {
			{0, []string{"eth0 running 192.0.2.7"}, ""}, {150, []string{"eth0"}, ""},
			{300, []string{"eth0 running 192.0.2.7"}, ""}, {450, []string{"eth0"}, ""}, {9000, nil, ""},
		},
		"a short loss of carrier ends nothing": {
			{0, []string{"eth0 running 192.0.2.7"}, ""}, {200, nil, "up eth0"}, {1000, []string{"eth0 192.0.2.7"}, ""},
			{3900, nil, ""}, {3950, []string{"eth0 running 192.0.2.7"}, "changed eth0"}, {9000, nil, ""},
		},
		"a long one does": {
			{0, []string{"eth0 running 192.0.2.7"}, ""}, {200, nil, "up eth0"}, {1000, []string{"eth0 192.0.2.7"}, ""},
			{3999, nil, ""}, {4000, nil, "down eth0"},
		},
		"an interface that vanishes is down at once": {
			{0, []string{"ppp0 running 10.9.0.2"}, ""}, {200, nil, "up ppp0"}, {300, []string{}, "down ppp0"}, {9000, nil, ""},
		},
		"so is one without its last address": {
			{0, []string{"wwan0 running 10.9.0.2 fe80::1"}, ""}, {200, nil, "up wwan0"}, {300, []string{"wwan0 running fe80::1"}, "down wwan0"},
		},
		"loopback and link-local never come up": {
			{0, []string{"lo running loopback 127.0.0.1 ::1", "eth0 running 169.254.3.4 fe80::1"}, ""}, {9000, nil, ""},
		},
		"another address is a change": {
			{0, []string{"eth0 running 192.0.2.7"}, ""}, {200, nil, "up eth0"},
			{300, []string{"eth0 running 192.0.2.7 2001:db8::7"}, "changed eth0"}, {400, []string{"eth0 running 192.0.2.7 2001:db8::7"}, ""},
		},
		"a route is a change": {
			{0, []string{"eth0 running 192.0.2.7"}, ""}, {200, nil, "up eth0"}, {300, []string{"eth0 running 192.0.2.7 default=100"}, "changed eth0"},
		},
		"one address in place of another is a change": {
			{0, []string{"ppp0 running 10.9.0.2"}, ""}, {200, nil, "up ppp0"}, {300, []string{"ppp0 running 10.9.0.3"}, "changed ppp0"},
		},
		"each interface for itself": {
			{0, []string{"eth0 running 192.0.2.7", "ppp0"}, ""}, {100, []string{"eth0 running 192.0.2.7", "ppp0 running 10.9.0.2"}, ""},
			{200, nil, "up eth0"}, {300, nil, "up ppp0"}, {400, []string{"ppp0 running 10.9.0.2"}, "down eth0"},
		},
		"a clock that jumps back delays and loses nothing": {
			{5000, []string{"eth0 running 192.0.2.7"}, ""}, {0, nil, ""}, {199, nil, ""}, {200, nil, "up eth0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tracker := NewTracker(Config{})
			for _, m := range story {
				now := epoch.Add(time.Duration(m.at) * time.Millisecond)
				changes := tracker.Tick(now)
				if m.present != nil {
					changes = append(changes, tracker.Observe(now, faces(m.present...))...)
				}
				if got := told(changes); got != m.want {
					t.Errorf("at %d ms: told %q, want %q", m.at, got, m.want)
				}
			}
		})
	}
}

func TestWhatIsThereAtTheStartIsNotTold(t *testing.T) {
	tracker := NewTracker(Config{})
	tracker.Start(epoch, faces("eth0 running 192.0.2.7 default=1", "ppp0", "lo running loopback 127.0.0.1"))
	if l, ok := tracker.Route(); !ok || l.Name != "eth0" {
		t.Errorf("the route goes over %+v", l)
	}
	if changes := tracker.Tick(epoch.Add(time.Minute)); len(changes) != 0 {
		t.Errorf("told %s", told(changes))
	}
	if changes := tracker.Observe(epoch.Add(time.Hour), nil); told(changes) != "down eth0" {
		t.Errorf("told %q", told(changes))
	}
}

func TestDownTellsWhatTheLinkWas(t *testing.T) {
	tracker := NewTracker(Config{Metered: []string{"PPP*"}})
	tracker.Observe(epoch, faces("ppp0 running 10.9.0.2"))
	tracker.Tick(epoch.Add(time.Second))
	changes := tracker.Observe(epoch.Add(time.Minute), nil)
	if len(changes) != 1 || !changes[0].Link.Has(netip.MustParseAddr("::ffff:10.9.0.2")) || !changes[0].Link.Metered || changes[0].Link.Up {
		t.Errorf("got %+v", changes)
	}
	if _, ok := tracker.Owner(netip.MustParseAddr("10.9.0.2")); ok {
		t.Error("an address that is gone still has an owner")
	}
	if len(tracker.Links()) != 0 || !tracker.Due().IsZero() {
		t.Errorf("left over: %+v, due %v", tracker.Links(), tracker.Due())
	}
}

func TestRouteIsWhatAConnectionWouldTake(t *testing.T) {
	for _, c := range []struct {
		present []string
		want    string
	}{
		{[]string{"eth0 running 192.0.2.7 default=100", "ppp0 running 10.9.0.2 default=50"}, "ppp0"},
		{[]string{"eth0 running 192.0.2.7 default=100", "ppp0 10.9.0.2 default=50"}, "eth0"},
		{[]string{"eth0 running 192.0.2.7 default=0", "ppp0 running 10.9.0.2"}, "eth0"},
		{[]string{"lo running loopback 127.0.0.1", "eth0 running 192.0.2.7"}, "eth0"},
		{[]string{"eth0 running 192.0.2.7", "eth1 running 198.51.100.7"}, ""},
		{[]string{"lo running loopback 127.0.0.1"}, ""},
	} {
		tracker := NewTracker(Config{})
		tracker.Observe(epoch, faces(c.present...))
		tracker.Tick(epoch.Add(time.Second))
		if got, ok := tracker.Route(); got.Name != c.want || ok != (c.want != "") {
			t.Errorf("of %q the route goes over %q, want %q", c.present, got.Name, c.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	tracker := NewTracker(Config{Metered: []string{"ppp*", "usb?", "Di động", "wwan0"}})
	for name, want := range map[string]bool{
		"ppp0": true, "PPP12": true, "usb1": true, "usb10": false, "di động": true, "wwan0": true, "wwan1": false, "eth0": false, "": false,
	} {
		if got := tracker.Metered(name); got != want {
			t.Errorf("%q metered: %v", name, got)
		}
	}
	for pattern, want := range map[string]bool{"ppp*": true, "[a-c]x": true, "[": false, "": false, `a\`: false} {
		if got := ValidPattern(pattern); got != want {
			t.Errorf("pattern %q valid: %v", pattern, got)
		}
	}
}

func TestP9_InterfacesAreBounded(t *testing.T) {
	var many []Interface
	for i := range MaxInterfaces + 10 {
		many = append(many, face(fmt.Sprintf("veth%d running 10.%d.%d.1", i, i/200, i%200)))
	}
	tracker := NewTracker(Config{})
	tracker.Observe(epoch, many)
	if got := len(tracker.Tick(epoch.Add(time.Second))); got != MaxInterfaces {
		t.Errorf("%d interfaces came up, want %d", got, MaxInterfaces)
	}
}

// TestRandomLines throws random readings at trackers and holds what they tell
// against what was true.
func TestRandomLines(t *testing.T) {
	states := []string{"", "x", "x running", "x running fe80::1", "x running 10.0.0.1", "x 10.0.0.1", "x running 10.0.0.1 default=3", "x running 10.0.0.1 10.0.0.2", "x running 10.0.0.2"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		tracker := NewTracker(Config{})
		now, up := epoch, false
		present := Interface{}
		usableSince, lostSince := time.Time{}, epoch
		for step := range 400 {
			now = now.Add(time.Duration(random.IntN(400)) * time.Millisecond)
			changes := tracker.Tick(now)
			if random.IntN(3) > 0 {
				list := []Interface{}
				present = Interface{}
				if text := states[random.IntN(len(states))]; text != "" {
					present = face(text)
					list = append(list, present)
				}
				switch usable := present.Usable(); {
				case usable && usableSince.IsZero():
					usableSince, lostSince = now, time.Time{}
				case !usable && lostSince.IsZero():
					usableSince, lostSince = time.Time{}, now
				}
				changes = append(changes, tracker.Observe(now, list)...)
			}
			for _, c := range changes {
				switch {
				case c.Kind == Up && (up || c.Link.Up != true):
					t.Fatalf("seed %d step %d: up twice", seed, step)
				case c.Kind != Up && !up:
					t.Fatalf("seed %d step %d: %s of what is not up", seed, step, c.Kind)
				}
				up = c.Kind != Down
			}
			switch {
			case !usableSince.IsZero() && now.Sub(usableSince) >= DefaultUpAfter && !up:
				t.Fatalf("seed %d step %d: usable for %v and not told", seed, step, now.Sub(usableSince))
			case !lostSince.IsZero() && now.Sub(lostSince) >= DefaultDownAfter && up:
				t.Fatalf("seed %d step %d: lost for %v and not told", seed, step, now.Sub(lostSince))
			case up && !slices.ContainsFunc(present.Addrs, netip.Addr.IsGlobalUnicast):
				t.Fatalf("seed %d step %d: up without an address", seed, step)
			}
		}
	}
}
