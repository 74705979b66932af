package link

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// coalesce is how long a Monitor waits for the rest of a burst of news.
	coalesce = 50 * time.Millisecond
	// lookEvery is how often it reads the interfaces without news.
	lookEvery = time.Minute
	// pollEvery is the same where the system tells no news.
	pollEvery = time.Second
)

// Options of a [Monitor].
type Options struct {
	Config
	// Notify hears of each reading, with what it changed, if anything. It is
	// called from Run, once at a time, and may ask the Monitor.
	Notify func([]Change)
	Logger *slog.Logger // nil discards
}

// Monitor follows the interfaces of this machine. Its methods may be called
// from several goroutines.
type Monitor struct {
	o    Options
	read func() ([]Interface, error)
	news func(log *slog.Logger) (<-chan struct{}, func(), error)

	mu      sync.Mutex
	tracker *Tracker
}

// NewMonitor makes a Monitor and reads the interfaces for the first time: what
// is there already is not told.
func NewMonitor(o Options) *Monitor {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Notify == nil {
		o.Notify = func([]Change) {}
	}
	m := &Monitor{o: o, read: read, news: subscribe, tracker: NewTracker(o.Config)}
	if present, err := m.read(); err != nil {
		o.Logger.Error("network interfaces not read", "error", err)
	} else {
		m.tracker.Start(time.Now(), present)
	}
	return m
}

// Run follows the interfaces until ctx ends and returns its error.
func (m *Monitor) Run(ctx context.Context) error {
	idle := lookEvery
	news, stop, err := m.news(m.o.Logger)
	if err != nil {
		m.o.Logger.Warn("network changes are not told by the system: looking for them", "error", err)
		idle, stop = pollEvery, func() {}
	}
	defer stop()
	for {
		m.o.Notify(m.look())
		timer := time.NewTimer(m.wait(idle))
		select {
		case <-timer.C:
		case <-news:
			timer.Reset(coalesce)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// wait is how long there is nothing to do without news.
func (m *Monitor) wait(idle time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if due := m.tracker.Due(); !due.IsZero() {
		return min(max(time.Until(due), 0), idle)
	}
	return idle
}

// look reads the interfaces. One that cannot be read leaves everything as it is.
func (m *Monitor) look() []Change {
	present, err := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.o.Logger.Error("network interfaces not read", "error", err)
		return m.tracker.Tick(time.Now())
	}
	changes := m.tracker.Observe(time.Now(), present)
	for _, c := range changes {
		m.o.Logger.Info("link "+c.Kind.String(), "interface", c.Link.Name, "metered", c.Link.Metered, "default", c.Link.Default)
	}
	return changes
}

// Links lists the interfaces by name, loopback included.
func (m *Monitor) Links() []Link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tracker.Links()
}

// Active is the link that a connection from the address local goes over. For
// the zero address it is the link that a new connection would take.
func (m *Monitor) Active(local netip.Addr) (Link, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if local.IsValid() {
		return m.tracker.Owner(local)
	}
	return m.tracker.Route()
}

// addresses returns what of list are IP addresses, as Interface wants them.
func addresses(list []net.Addr) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range list {
		if p, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(p.IP); ok {
				addrs = append(addrs, ip.Unmap())
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}
