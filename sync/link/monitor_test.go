package link

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a computer whose interfaces a test sets.
type machine struct {
	mu      sync.Mutex
	present []Interface
	broken  error
	news    chan struct{}
}

func (m *machine) set(list ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.present = faces(list...)
}

func (m *machine) read() ([]Interface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.present, m.broken
}

// follow runs a Monitor over the machine and returns what it tells.
func (m *machine) follow(t *testing.T, mute bool) (*Monitor, chan Change) {
	changes := make(chan Change, 16)
	monitor := &Monitor{
		o: Options{Logger: slog.New(slog.DiscardHandler), Notify: func(list []Change) {
			for _, c := range list {
				changes <- c
			}
		}},
		read:    m.read,
		tracker: NewTracker(Config{}),
		news: func(*slog.Logger) (<-chan struct{}, func(), error) {
			if mute {
				return nil, nil, errors.ErrUnsupported
			}
			return m.news, func() {}, nil
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- monitor.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return monitor, changes
}

func TestMonitorTellsWithinASecond(t *testing.T) {
	for name, mute := range map[string]bool{"with news": false, "by looking": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &machine{news: make(chan struct{}, 1)}
				monitor, changes := m.follow(t, mute)
				time.Sleep(10 * time.Second)
				m.set("eth0 running 192.0.2.7 default=9")
				start := time.Now()
				if !mute {
					m.news <- struct{}{}
				}
				if c := <-changes; c.Kind != Up || time.Since(start) > pollEvery+DefaultUpAfter {
					t.Errorf("%s after %v", c.Kind, time.Since(start))
				}
				if l, ok := monitor.Active(netip.Addr{}); !ok || l.Name != "eth0" {
					t.Errorf("a new connection would go over %+v", l)
				}
				if l, ok := monitor.Active(netip.MustParseAddr("192.0.2.7")); !ok || !l.Up {
					t.Errorf("the connection goes over %+v", l)
				}
			})
		})
	}
}

func TestAReadingThatFailsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{news: make(chan struct{}, 1)}
		m.set("eth0 running 192.0.2.7")
		monitor, changes := m.follow(t, false)
		if c := <-changes; c.Kind != Up {
			t.Fatalf("told %s", c.Kind)
		}
		m.mu.Lock()
		m.broken = errors.New("no memory")
		m.mu.Unlock()
		m.news <- struct{}{}
		time.Sleep(10 * time.Second)
		if len(changes) != 0 || !monitor.Links()[0].Up {
			t.Error("the link went with the reading")
		}
	})
}

// TestMissedNewsAreFoundByLooking changes an interface without a word.
func TestMissedNewsAreFoundByLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{news: make(chan struct{}, 1)}
		_, changes := m.follow(t, false)
		time.Sleep(time.Second)
		m.set("eth0 running 192.0.2.7")
		start := time.Now()
		if c := <-changes; c.Kind != Up || time.Since(start) > lookEvery+DefaultUpAfter {
			t.Errorf("%s after %v", c.Kind, time.Since(start))
		}
	})
}
