package linktest_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

const hubCode = "H40"

// hasty makes reconnection quick enough for tests.
var hasty = mqtt.Tuning{
	Backoff:        mqtt.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond},
	AnnounceSpread: 50 * time.Millisecond,
}

func TestPipe(t *testing.T) {
	t.Parallel()
	linktest.Transport(t, linktest.Harness{Open: openPipe(linktest.Faults{Outage: 20 * time.Millisecond})})
}

func TestPipeWithFaults(t *testing.T) {
	t.Parallel()
	linktest.Transport(t, linktest.Harness{Lossy: true, Open: openPipe(linktest.Faults{
		Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, Delay: time.Millisecond, Jitter: 2 * time.Millisecond,
		Outage: 20 * time.Millisecond,
	})})
}

func openPipe(f linktest.Faults) func(t *testing.T) linktest.Link {
	return func(t *testing.T) linktest.Link {
		a, b := linktest.Pipe(7, f)
		t.Cleanup(func() { a.Close(); b.Close() })
		return linktest.Link{Office: a, Hub: b, Cut: a.Cut, Limit: func(rate int) {
			f := f
			f.Rate = rate
			a.SetFaults(f)
		}}
	}
}

// link is a linktest.Link over a broker, with its parts.
type link struct {
	linktest.Link
	proxy  *linktest.Proxy // in front of the office
	office *mqtt.Client
	hub    *mqtt.Hub
}

// openLink joins office H40.01, behind a proxy, and the hub over a broker.
func openLink(t *testing.T, ca *linktest.Authority, addr string) link {
	t.Helper()
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: addr, Seed: 1})
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	t.Cleanup(func() { proxy.Close() })
	hub, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{addr}, TLS: ca.ClientConfig(hubCode), Hub: hubCode, Tuning: hasty,
		Lookup: lookup, Logger: testLogger(t, "hub"),
	})
	if err != nil {
		t.Fatalf("make hub: %v", err)
	}
	t.Cleanup(func() { hub.Close() })
	office := meet(t, hub, func() *mqtt.Client { return dial(t, ca, proxy.Addr(), "H40.01") })
	return link{proxy: proxy, office: office, hub: hub, Link: linktest.Link{
		Office: office, Hub: nextPeer(t, hub, "H40.01"), Cut: proxy.Cut,
		Limit: func(rate int) {
			// Only connections made from now on have small buffers.
			proxy.Set(linktest.Line{Rate: rate, Buffer: 16 << 10}, linktest.Line{})
			proxy.Cut()
			for office.Status().Up {
				time.Sleep(time.Millisecond)
			}
			for !office.Status().Up {
				time.Sleep(time.Millisecond)
			}
		},
		Neighbour: func(t *testing.T) (exchange.Transport, exchange.Transport) {
			other := meet(t, hub, func() *mqtt.Client { return dial(t, ca, addr, "H40.02") })
			return other, nextPeer(t, hub, "H40.02")
		},
	}}
}

// meet dials an office until it knows its hub. NATS loses the hub's presence to
// those who subscribe in the instant in which it is stored; the first frame of
// the hub mends that, but transports by themselves have no first frame.
func meet(t *testing.T, hub *mqtt.Hub, dial func() *mqtt.Client) *mqtt.Client {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		office := dial()
		for wait := time.Now().Add(2 * time.Second); time.Now().Before(wait); time.Sleep(time.Millisecond) {
			if office.Status().Up {
				return office
			}
		}
		office.Close()
	}
	t.Fatalf("office and hub do not meet, hub is %+v", hub.Status())
	return nil
}

func lookup(level string) (string, bool) {
	return strings.ToUpper(strings.ReplaceAll(level, "_", ".")), level != "h40"
}

func dial(t *testing.T, ca *linktest.Authority, addr, office string) *mqtt.Client {
	t.Helper()
	c, err := mqtt.Dial(mqtt.Options{
		Servers: []string{addr}, TLS: ca.ClientConfig(office), Hub: hubCode, Office: office, Tuning: hasty,
		Logger: testLogger(t, office),
	})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func nextPeer(t *testing.T, hub *mqtt.Hub, office string) *mqtt.Peer {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case p := <-hub.Peers(): // also of offices that an earlier test left at the broker
			if p.Office() == office {
				return p
			}
		case <-late:
			t.Fatalf("no peer for %q, hub is %+v", office, hub.Status())
		}
	}
}

// testLogger writes to the test's log, until the test ends.
func testLogger(t *testing.T, who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}
