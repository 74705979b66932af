package link

import (
	"cmp"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// Defaults of [Config].
const (
	// DefaultUpAfter is how long an interface must have been usable before it is
	// told as up. It is short, because somebody waits, and long enough for the
	// address and the route that follow the carrier.
	DefaultUpAfter = 200 * time.Millisecond
	// DefaultDownAfter is how long a carrier may be lost before the link is told
	// as down.
	DefaultDownAfter = 3 * time.Second
	// MaxInterfaces bounds the interfaces that are followed. Those beyond it, in
	// the order of the system, are as if they did not exist.
	MaxInterfaces = 1024
)

// Interface is a network interface as the operating system reports it.
type Interface struct {
	Name     string
	Running  bool // switched on and with a carrier
	Loopback bool
	Addrs    []netip.Addr // without zones, sorted
	Default  bool         // a default route leads over it
	Metric   uint32       // of its best default route: lower goes first
}

// Usable tells whether packets can leave this machine over i. A default route
// is not needed for that: a hub may be on a private network.
func (i Interface) Usable() bool {
	return i.Running && !i.Loopback && slices.ContainsFunc(i.Addrs, reachesOut)
}

// Has tells whether addr is one of the interface's own.
func (i Interface) Has(addr netip.Addr) bool {
	return slices.Contains(i.Addrs, addr.Unmap().WithZone(""))
}

func (i Interface) same(o Interface) bool {
	return i.Name == o.Name && i.Running == o.Running && i.Loopback == o.Loopback &&
		i.Default == o.Default && i.Metric == o.Metric && slices.Equal(i.Addrs, o.Addrs)
}

func reachesOut(a netip.Addr) bool { return a.IsGlobalUnicast() }

// Link is an interface as it is told to the rest of the program.
type Link struct {
	Interface
	Up      bool
	Metered bool      // its bytes cost money
	Since   time.Time // of Up
}

// Kind says what a [Change] is.
type Kind uint8

// The kinds of a Change.
const (
	Up      Kind = iota + 1 // may be tried
	Down                    // no use any more; Link tells what it was
	Changed                 // up as before, with other addresses or routes, or back after a short loss
)

// String names the kind for the log.
func (k Kind) String() string {
	return map[Kind]string{Up: "up", Down: "down", Changed: "changed"}[k]
}

// Change is one thing that a Tracker tells.
type Change struct {
	Kind Kind
	Link Link
}

// Config of a [Tracker]. Zero durations take the Default constant of the same
// name.
type Config struct {
	UpAfter, DownAfter time.Duration
	// Metered are names of interfaces, or patterns as of [path.Match], without
	// regard to case.
	Metered []string
}

// ValidPattern tells whether s can be used in Config.Metered.
func ValidPattern(s string) bool {
	_, err := path.Match(s, "")
	return err == nil && s != ""
}

// Tracker turns what the system reports into changes worth acting on. It has no
// clock: each call says what time it is. It is for one goroutine.
type Tracker struct {
	config  Config
	entries map[string]*entry
}

// entry is one interface: as told, and as it is.
type entry struct {
	told Link
	seen Interface
	gone bool      // the system does not know it any more
	turn time.Time // since when seen wants another Up than told; zero: it does not
}

// NewTracker makes a Tracker that knows no interface.
func NewTracker(c Config) *Tracker {
	c.UpAfter, c.DownAfter = cmp.Or(c.UpAfter, DefaultUpAfter), cmp.Or(c.DownAfter, DefaultDownAfter)
	return &Tracker{config: c, entries: map[string]*entry{}}
}

// Start takes the interfaces that were there before the program. Those usable
// count as up from now on and are not told.
func (t *Tracker) Start(now time.Time, present []Interface) {
	t.Observe(now, present)
	for _, e := range t.entries {
		if e.turn = (time.Time{}); e.seen.Usable() {
			e.told.Up = true
		}
	}
}

// Observe takes all interfaces that there are at now and returns what changed
// by it, and by the time that passed.
func (t *Tracker) Observe(now time.Time, present []Interface) []Change {
	for _, e := range t.entries {
		e.seen, e.gone = Interface{Name: e.seen.Name}, true
	}
	for _, i := range present {
		e := t.entries[i.Name]
		if e == nil {
			if len(t.entries) >= MaxInterfaces {
				continue
			}
			e = &entry{told: Link{Interface: Interface{Name: i.Name}, Metered: t.Metered(i.Name), Since: now}}
			t.entries[i.Name] = e
		}
		e.seen, e.gone = i, false
	}
	return t.Tick(now)
}

// Tick returns what changed by the time that passed alone.
func (t *Tracker) Tick(now time.Time) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		e := t.entries[name]
		if kind := t.settle(now, e); kind != 0 {
			changes = append(changes, Change{Kind: kind, Link: e.told})
		}
		if !e.told.Up {
			e.told.Interface = e.seen
			if e.gone {
				delete(t.entries, name)
			}
		}
	}
	return changes
}

// settle brings what is told of e nearer to what is. After Down the entry still
// tells what it was.
func (t *Tracker) settle(now time.Time, e *entry) Kind {
	usable := e.seen.Usable()
	if usable == e.told.Up {
		back := !e.turn.IsZero()
		e.turn = time.Time{}
		if !usable || !back && e.seen.same(e.told.Interface) {
			return 0
		}
		e.told.Interface = e.seen
		return Changed
	}
	if e.turn.IsZero() || e.turn.After(now) {
		e.turn = now
	}
	if now.Sub(e.turn) < t.patience(e) {
		return 0
	}
	e.turn, e.told.Up, e.told.Since = time.Time{}, usable, now
	if !usable {
		return Down
	}
	e.told.Interface = e.seen
	return Up
}

// patience is how long e has to stay as it is before it is told.
func (t *Tracker) patience(e *entry) time.Duration {
	switch {
	case !e.told.Up:
		return t.config.UpAfter
	case e.gone || !slices.ContainsFunc(e.seen.Addrs, reachesOut):
		return 0
	}
	return t.config.DownAfter
}

// Due is when Tick may have something to tell, the zero time when only news
// can.
func (t *Tracker) Due() time.Time {
	var due time.Time
	for _, e := range t.entries {
		if e.turn.IsZero() {
			continue
		}
		if at := e.turn.Add(t.patience(e)); due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

// Links lists the interfaces by name, loopback included.
func (t *Tracker) Links() []Link {
	links := make([]Link, 0, len(t.entries))
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		links = append(links, t.entries[name].told)
	}
	return links
}

// Owner finds the interface that has addr at this moment, told as up or not: a
// connection from another address leads nowhere.
func (t *Tracker) Owner(addr netip.Addr) (Link, bool) {
	for _, e := range t.entries {
		if e.seen.Has(addr) {
			return e.told, true
		}
	}
	return Link{}, false
}

// Route is the link that a new connection to a far place would take: the one
// with the best default route, else the only one that is up.
func (t *Tracker) Route() (Link, bool) {
	up := slices.DeleteFunc(t.Links(), func(l Link) bool { return !l.Up })
	if routed := slices.DeleteFunc(slices.Clone(up), func(l Link) bool { return !l.Default }); len(routed) > 0 {
		return slices.MinFunc(routed, func(a, b Link) int { return cmp.Compare(a.Metric, b.Metric) }), true
	}
	if len(up) == 1 {
		return up[0], true
	}
	return Link{}, false
}

// Metered tells whether an interface of this name is metered.
func (t *Tracker) Metered(name string) bool {
	return slices.ContainsFunc(t.config.Metered, func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return err == nil && ok
	})
}
