package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"tram/sync/broker"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/mqtt"
	"tram/sync/wire"
)

const (
	hubCode  = "H40"
	patience = 10 * time.Second
)

var hasty = mqtt.Tuning{Backoff: mqtt.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond}}

// site is a broker with a hub.
type site struct {
	t   testing.TB
	ca  *linktest.Authority
	b   *broker.Broker
	hub *mqtt.Hub
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, ca: linktest.NewAuthority(t)}
	b, err := broker.New(broker.Options{Addr: "127.0.0.1:0", TLS: s.ca.ServerConfig(), Hub: hubCode})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s.b = b
	s.hub = s.newHub()
	return s
}

func (s *site) newHub() *mqtt.Hub {
	s.t.Helper()
	h, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: []string{s.b.Addr()}, TLS: s.ca.ClientConfig(hubCode), Hub: hubCode, Software: "tram-hub test",
		Tuning: hasty, Lookup: func(level string) (string, bool) {
			return strings.ReplaceAll(strings.ToUpper(level), "_", "."), strings.HasPrefix(level, "h40_")
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { h.Close() })
	return h
}

func (s *site) office(code string, change func(*mqtt.Options)) *mqtt.Client {
	s.t.Helper()
	o := mqtt.Options{
		Servers: []string{s.b.Addr()}, TLS: s.ca.ClientConfig(code), Hub: hubCode, Office: code,
		Software: "tram test", Tuning: hasty,
	}
	if change != nil {
		change(&o)
	}
	c, err := mqtt.Dial(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// next gives the next event, which must come soon.
func next(t testing.TB, transport exchange.Transport) exchange.LinkEvent {
	t.Helper()
	select {
	case ev, open := <-transport.Events():
		if !open {
			t.Fatal("the transport has ended")
		}
		return ev
	case <-time.After(patience):
		t.Fatal("no event")
	}
	return exchange.LinkEvent{}
}

func wantUp(t testing.TB, transport exchange.Transport) {
	t.Helper()
	if ev := next(t, transport); !ev.Up {
		t.Fatalf("event is %+v, want Up", ev)
	}
}

func wantDown(t *testing.T, transport exchange.Transport) error {
	t.Helper()
	ev := next(t, transport)
	if !ev.Down {
		t.Fatalf("event is %+v, want Down", ev)
	}
	return ev.Err
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func TestHubRestartRestartsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	office := s.office("H40.01", nil)
	wantUp(t, office)
	if got := s.hub.Online(); len(got) > 1 {
		t.Errorf("online: %v", got)
	}
	s.hub.Close()
	if err := wantDown(t, office); !errors.Is(err, mqtt.ErrOffline) {
		t.Errorf("hub left: error %v, want ErrOffline", err)
	}
	if err := office.Send(t.Context(), []byte("x"), false); !errors.Is(err, mqtt.ErrDown) {
		t.Errorf("send while the hub is away: %v, want ErrDown", err)
	}
	if status := office.Status(); !status.Connected || status.Up {
		t.Errorf("status while the hub is away: %+v", status)
	}
	hub := s.newHub()
	wantUp(t, office)
	peer := <-hub.Peers()
	wantUp(t, peer)
	if err := peer.Send(t.Context(), []byte("hello"), false); err != nil {
		t.Errorf("send: %v", err)
	}
	if ev := next(t, office); string(ev.Frame) != "hello" {
		t.Errorf("event is %+v, want the frame", ev)
	}
	if event := <-hub.Presence(); event.Office != "H40.01" || !event.Online || !event.Retained || event.Software != "tram test" {
		t.Errorf("presence is %+v", event)
	}
}

func TestSecondHubConnectionShowsAsDownAndUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	office := s.office("H40.01", nil)
	wantUp(t, office)
	second := s.newHub() // takes over; the first one comes back, and so on
	if err := wantDown(t, office); !errors.Is(err, mqtt.ErrReplaced) && !errors.Is(err, mqtt.ErrOffline) {
		t.Errorf("hub replaced: error %v", err)
	}
	wantUp(t, office)
	second.Close()
}

// TestSilentLineIsNoticedWhileContentIsUnderWay freezes the line, as a carrier
// does that forgets a connection: with content under way it is given up soon,
// without it is left to the keepalive.
func TestSilentLineIsNoticedWhileContentIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{true, false} {
		s := newSite(t)
		proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: s.b.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		office := s.office("H40.01", func(o *mqtt.Options) {
			o.Servers = []string{proxy.Addr()}
			o.Tuning.ProbeAfter, o.Tuning.DeadAfter = 100*time.Millisecond, 400*time.Millisecond
		})
		wantUp(t, office)
		office.Expect(busy)
		time.Sleep(2 * time.Second) // it answers probes
		if up := office.Status().Up; !up {
			t.Fatal("a line that works was given up")
		}
		proxy.Freeze()
		if busy {
			if err := wantDown(t, office); !errors.Is(err, mqtt.ErrSilent) {
				t.Errorf("down because of %v", err)
			}
			continue
		}
		time.Sleep(2 * time.Second)
		if up := office.Status().Up; !up {
			t.Error("an idle line was given up before its keepalive")
		}
	}
}

func TestLeavingOfficeShowsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	office := s.office("H40.01", nil)
	wantUp(t, office)
	peer := <-s.hub.Peers()
	wantUp(t, peer)
	if err := office.Health(t.Context(), []byte(`{"v":1}`)); err != nil {
		t.Errorf("health: %v", err)
	}
	if beat := <-s.hub.Health(); beat.Office != "H40.01" || string(beat.Report) != `{"v":1}` {
		t.Errorf("heartbeat is %+v", beat)
	}
	office.Close()
	if err := wantDown(t, peer); !errors.Is(err, mqtt.ErrOffline) {
		t.Errorf("office left: error %v, want ErrOffline", err)
	}
	eventually(t, "offline event", func() bool { ev := <-s.hub.Presence(); return !ev.Online })
	if _, open := <-office.Events(); open {
		t.Error("a closed client gives events")
	}
	if err := office.Send(t.Context(), []byte("x"), true); !errors.Is(err, mqtt.ErrDown) {
		t.Errorf("send after close: %v, want ErrDown", err)
	}
}

func TestFrozenLineGoesDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: s.b.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	office := s.office("H40.01", func(o *mqtt.Options) {
		o.Servers = []string{proxy.Addr()}
		o.Tuning.WriteTimeout = 300 * time.Millisecond
	})
	wantUp(t, office)
	proxy.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	frame := make([]byte, wire.MaxChunk)
	for err == nil { // until all buffers are full
		err = office.Send(ctx, frame, true)
	}
	if ctx.Err() != nil {
		t.Fatal("a frozen line takes bulk for ever")
	}
	if err := wantDown(t, office); err == nil {
		t.Error("down without a reason")
	}
	proxy.Thaw()
	proxy.Cut()
	wantUp(t, office)
}

func TestPingNoticesASilentLine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: s.b.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	office := s.office("H40.01", func(o *mqtt.Options) {
		o.Servers = []string{proxy.Addr()}
		o.Tuning.KeepAlive, o.Tuning.PingTimeout = time.Second, 500*time.Millisecond
	})
	wantUp(t, office)
	proxy.Freeze()
	if err := wantDown(t, office); err == nil {
		t.Error("down without a reason")
	}
	proxy.Thaw()
	wantUp(t, office)
}

func TestP7_WrongCertificateIsReportedAsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stranger := linktest.NewAuthority(t)
	for name, change := range map[string]func(*mqtt.Options){
		"certificate of another office": func(o *mqtt.Options) { o.TLS = s.ca.ClientConfig("H40.02") },
		"certificate of a stranger": func(o *mqtt.Options) {
			o.TLS.Certificates = []tls.Certificate{stranger.Client("H40.01")}
		},
		"no certificate": func(o *mqtt.Options) { o.TLS.Certificates = nil },
	} {
		t.Run(name, func(t *testing.T) {
			office := s.office("H40.01", change)
			eventually(t, "refusal", func() bool { return errors.Is(office.Status().Err, mqtt.ErrRefused) })
			if office.Status().Connected || office.Stats().Failures == 0 {
				t.Errorf("status is %+v", office.Status())
			}
		})
	}
	t.Run("broker of a stranger", func(t *testing.T) {
		office := s.office("H40.01", func(o *mqtt.Options) { o.TLS.RootCAs = stranger.Pool() })
		var bad *tls.CertificateVerificationError
		eventually(t, "failure", func() bool { return errors.As(office.Status().Err, &bad) })
	})
}

func TestKickConnectsAtOnceAndServersAreTriedInTurn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dead := linktest.FreeAddr(t)
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: s.b.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	proxy.Refuse(true)
	office := s.office("H40.01", func(o *mqtt.Options) {
		o.Servers = []string{dead, proxy.Addr()}
		o.Tuning.Backoff = mqtt.Backoff{Min: time.Hour, Max: time.Hour}
	})
	eventually(t, "failed attempt", func() bool { return office.Status().Attempts == 1 })
	if status := office.Status(); status.NextTry.IsZero() || status.Err == nil || !strings.Contains(status.Err.Error(), dead) {
		t.Errorf("status is %+v", status)
	}
	before := office.Stats()
	proxy.Refuse(false)
	office.Kick()
	wantUp(t, office)
	if status := office.Status(); status.Server != proxy.Addr() || !status.Connected || !status.Up || status.Err != nil {
		t.Errorf("status is %+v", status)
	}
	eventually(t, "agreement on the bytes", func() bool {
		up, down := proxy.Traffic()
		stats := office.Stats()
		return stats.SentBytes-before.SentBytes == up && stats.ReceivedBytes == down
	})
}

// hostile accepts one MQTT connection after the other and answers CONNECT and
// then this.
func hostile(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 4096))
				conn.Write([]byte("\x20\x02\x00\x00" + answer))
				conn.SetReadDeadline(time.Now().Add(patience))
				for {
					if _, err := conn.Read(make([]byte, 4096)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestP9_HostileBrokerCannotFillMemoryOrCrash(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, answer := range map[string]string{
		"publish of 256 MiB":     "\x30\xff\xff\xff\x7f",
		"too many suback codes":  "\x90\x06\x00\x01\x00\x00\x00\x00",
		"length without an end":  "\x30\xff\xff\xff\xff\xff",
		"publish without topic":  "\x30\x01\x00",
		"topic over the payload": "\x30\x04\xff\xff\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := mqtt.Dial(mqtt.Options{
				Servers: []string{hostile(t, answer)}, Hub: hubCode, Office: "H40.01", Tuning: hasty,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			eventually(t, "failed attempts", func() bool { return c.Stats().Failures >= 2 })
		})
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d bytes were allocated for packets that were refused", grown)
	}
}

func TestNothingStaysBehind(t *testing.T) {
	idle := runtime.NumGoroutine()
	s := newSite(t)
	office := s.office("H40.01", nil)
	wantUp(t, office)
	peer := <-s.hub.Peers()
	wantUp(t, peer)
	go func() {
		for range s.hub.Presence() {
		}
	}()
	warm := runtime.NumGoroutine() + 1
	for range 5 {
		s.b.Kick("H40.01")
		for _, end := range []exchange.Transport{office, peer} {
			wantDown(t, end)
			wantUp(t, end)
		}
	}
	settled(t, warm)
	office.Close()
	s.hub.Close()
	s.b.Close()
	settled(t, idle)
}

// settled waits until there are no more goroutines than that.
func settled(t *testing.T, most int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > most {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), most, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestRestEndsTheConnectionAfterWhatWasSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hub, office := s.hub, s.office("H40.01", nil)
	wantUp(t, office)
	why := errors.New("for a reason")
	office.Rest(time.Hour, why)
	if err := office.Send(t.Context(), []byte("last words"), false); err != nil {
		t.Fatal(err)
	}
	peer := <-hub.Peers()
	wantUp(t, peer)
	if ev := next(t, peer); string(ev.Frame) != "last words" {
		t.Errorf("the hub got %+v", ev)
	}
	if ev := next(t, office); !ev.Down || !errors.Is(ev.Err, why) {
		t.Errorf("event is %+v, want Down", ev)
	}
	office.Kick()
	eventually(t, "rest", func() bool { return time.Until(office.Status().NextTry) > 50*time.Minute })
}
