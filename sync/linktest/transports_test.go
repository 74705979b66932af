package linktest_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/sync/broker"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

const hubCode = "H40"

// hasty makes reconnection quick enough for tests.
var hasty = mqtt.Tuning{Backoff: mqtt.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond}}

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

func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	linktest.Transport(t, linktest.Harness{Open: func(t *testing.T) linktest.Link {
		ca := linktest.NewAuthority(t)
		config := ca.ServerConfig()
		var b *broker.Broker
		start := func(addr string) {
			var err error
			b, err = broker.New(broker.Options{Addr: addr, TLS: config, Hub: hubCode})
			if err != nil {
				t.Fatalf("make broker: %v", err)
			}
			if err := b.Start(t.Context()); err != nil {
				t.Fatalf("start broker: %v", err)
			}
		}
		start("127.0.0.1:0")
		addr := b.Addr()
		t.Cleanup(func() { b.Close() })
		l := openLink(t, ca, addr)
		l.Kill = func() { b.Close() }
		l.Restart = func() { start(addr) }
		return l
	}})
}

func TestMosquitto(t *testing.T) {
	t.Parallel()
	linktest.HaveMosquitto(t)
	linktest.Transport(t, linktest.Harness{Open: func(t *testing.T) linktest.Link {
		ca := linktest.NewAuthority(t)
		addr := linktest.FreeAddr(t)
		m := linktest.StartMosquitto(t, mosquittoConfig(t, ca, addr), addr)
		l := openLink(t, ca, addr)
		l.Kill, l.Restart = m.Kill, m.Start
		return l
	}})
}

func mosquittoConfig(t *testing.T, ca *linktest.Authority, addr string) string {
	t.Helper()
	dir := t.TempDir()
	o := broker.MosquittoOptions{
		Addr: addr, CAFile: ca.WriteRoot(dir), ACLFile: filepath.Join(dir, "acl"),
		Hub: hubCode, Offices: []string{"H40.01", "H40.02"},
	}
	o.CertFile, o.KeyFile = linktest.WriteCert(t, dir, "broker", ca.Server())
	if os.Getuid() == 0 {
		o.User = "root" // the files belong to the test
	}
	conf, acl, err := broker.MosquittoConfig(o)
	if err != nil {
		t.Fatalf("generate configuration: %v", err)
	}
	if err := os.WriteFile(o.ACLFile, []byte(acl), 0o600); err != nil {
		t.Fatalf("write acl: %v", err)
	}
	return conf
}

// openLink joins office H40.01, behind a proxy, and the hub over a broker.
func openLink(t *testing.T, ca *linktest.Authority, addr string) linktest.Link {
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
	office := dial(t, ca, proxy.Addr(), "H40.01")
	return linktest.Link{
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
			other := dial(t, ca, addr, "H40.02")
			return other, nextPeer(t, hub, "H40.02")
		},
	}
}

func lookup(level string) (string, bool) {
	code, ok := map[string]string{"h40_01": "H40.01", "h40_02": "H40.02"}[level]
	return code, ok
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
	select {
	case p := <-hub.Peers():
		if p.Office() != office {
			t.Fatalf("peer is %q, want %q", p.Office(), office)
		}
		return p
	case <-time.After(20 * time.Second):
		t.Fatalf("no peer for %q, hub is %+v", office, hub.Status())
		return nil
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
