package broker_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/broker"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

func TestP7_OfficeCannotPublishForAnother(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{
		"tram/1/h40/up/h40_02", "tram/1/h40/presence/h40_02", "tram/1/h40/health/h40_02",
		"tram/1/h40/down/h40_01", "tram/1/h40/down/h40_02", "tram/1/h40/presence/h40",
		"tram/1/h40/up/H40_01", "tram/1/h40/up/h40_01/x", "tram/1/h41/up/h40_01", "elsewhere",
	} {
		for qos := range byte(2) {
			t.Run(fmt.Sprintf("%s at QoS %d", strings.ReplaceAll(topic, "/", " "), qos), func(t *testing.T) {
				t.Parallel()
				s := start(t, nil)
				hub := s.office(hubCode, nil)
				for _, filter := range []string{"tram/1/h40/up/+", "tram/1/h40/presence/+", "tram/1/h40/health/+"} {
					if got := hub.subscribe(filter); got > 1 {
						t.Fatalf("hub may not subscribe to %s", filter)
					}
				}
				a := s.office("H40.01", nil)
				a.publish(topic, []byte("forged"), qos, false)
				a.ended()
				s.refused("H40.01", broker.ActionPublish, topic)
				b := s.office("H40.02", nil)
				b.publish("tram/1/h40/up/h40_02", []byte("true"), 1, false)
				if got, payload, _ := hub.message(); got != "tram/1/h40/up/h40_02" || string(payload) != "true" {
					t.Errorf("hub got %q on %s", payload, got)
				}
			})
		}
	}
}

func TestP7_LastWillOfAnotherOfficeIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for _, topic := range []string{"tram/1/h40/presence/h40_02", "tram/1/h40/up/h40_01", "tram/1/h40/presence/h40"} {
		_, rc := s.connect("H40.01", func(pk *packets.Packet) {
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte("x")
		})
		if rc == 0 {
			t.Errorf("a last will for %s was accepted", topic)
		}
		s.refused("H40.01", broker.ActionWill, topic)
	}
}

func TestP7_OfficeCannotReadAnother(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	a := s.office("H40.01", nil)
	for _, filter := range []string{
		"#", "tram/#", "tram/1/h40/down/+", "tram/1/h40/down/h40_02", "tram/1/h40/up/+", "tram/1/h40/up/h40_01",
		"tram/1/h40/presence/+", "tram/1/h40/presence/h40_02", "$SYS/#", "$share/x/tram/1/h40/down/h40_02",
	} {
		if got := a.subscribe(filter); got != 0x80 {
			t.Errorf("subscription to %s was granted: %#x", filter, got)
		}
		s.refused("H40.01", broker.ActionSubscribe, filter)
	}
	for _, filter := range []string{"tram/1/h40/down/h40_01", "tram/1/h40/presence/h40"} {
		if got := a.subscribe(filter); got != 0 {
			t.Errorf("subscription to %s: granted %#x, want QoS 0", filter, got)
		}
	}
}

func TestP7_NamesMustBeThoseOfTheCertificate(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *broker.Options) {
		o.Revoked = func(serial *big.Int) bool { return false }
	})
	cases := []struct {
		name   string
		code   string
		change func(*packets.Packet)
		ok     bool
	}{
		{"code", "H40.01", nil, true},
		{"level", "H40.01", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "h40_01" }, true},
		{"user name", "H40.01", func(pk *packets.Packet) { pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte("h40.01") }, true},
		{"client id of another", "H40.01", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "H40.02" }, false},
		{"no client id", "H40.01", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "" }, false},
		{"user name of another", "H40.01", func(pk *packets.Packet) { pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte("H40") }, false},
		{"certificate name is a wildcard", "+", nil, false},
		{"certificate name has a slash", "H40/up", nil, false},
		{"a watcher with the certificate of an office", "H40.01", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "h40_01:watch" }, false},
		{"a watcher that calls itself the hub", hubCode, func(pk *packets.Packet) {
			pk.Connect.ClientIdentifier, pk.Connect.UsernameFlag, pk.Connect.Username = "h40:watch", true, []byte("h40")
		}, false},
		{"MQTT 5", "H40.01", func(pk *packets.Packet) { pk.ProtocolVersion = 5 }, false},
		{"kept session", "H40.01", func(pk *packets.Packet) { pk.Connect.Clean = false }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, rc := s.connect(c.code, c.change); (rc == 0) != c.ok {
				t.Errorf("return code %#x, want accepted %v", rc, c.ok)
			}
			if !c.ok {
				s.refused(c.code, broker.ActionConnect, "")
			}
		})
	}
}

func TestP7_NoConnectionWithoutACertificate(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	stranger := linktest.NewAuthority(t)
	for name, config := range map[string]*tls.Config{
		"none":    {RootCAs: s.ca.Pool()},
		"foreign": {RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{stranger.Client("H40.01")}},
		"server":  {RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{s.ca.Server()}},
	} {
		conn, err := tls.Dial("tcp", s.b.Addr(), config)
		if err == nil { // with TLS 1.3 the client learns it at the first read
			conn.SetReadDeadline(time.Now().Add(patience))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil {
			t.Errorf("certificate %s: the broker speaks to it", name)
		}
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Errorf("certificate %s: the broker keeps the connection", name)
		}
	}
	s.refused("", broker.ActionHandshake, "")
	if n := s.b.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestP9_OversizedPacketIsRefusedBeforeAllocation(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.office("H40.01", nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}) // PUBLISH of 256 MiB
	c.ended()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("the broker allocated %d bytes for a packet it refused", grown)
	}
	s.refused("H40.01", broker.ActionPacket, "")

	before = after
	stranger := s.dial("H40.02") // before CONNECT
	stranger.write([]byte{0x10, 0xff, 0xff, 0xff, 0x7f})
	stranger.ended()
	s.refused("H40.02", broker.ActionPacket, "")

	biggest := s.office("H40.03", nil)
	topic := "tram/1/h40/up/h40_03"
	biggest.publish(topic, make([]byte, mqtt.MaxPacket-2-len(topic)-2-1), 1, false)
	if kind, _, err := biggest.read(); err != nil || kind>>4 != packets.Puback {
		t.Errorf("the largest packet was not acknowledged: kind %#x, error %v", kind, err)
	}
}

func TestSecondConnectionTakesOver(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	const presence = "tram/1/h40/presence/h40_01"
	will := func(session string) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillRetain = true, presence, true
			pk.Connect.WillPayload = []byte("gone " + session)
		}
	}
	var last *client
	for i := range 30 {
		session := fmt.Sprint(i)
		next := s.office("H40.01", will(session))
		next.subscribe("tram/1/h40/down/h40_01")
		next.publish(presence, []byte("here "+session), 1, true)
		if kind, _, err := next.read(); err != nil || kind>>4 != packets.Puback {
			t.Fatalf("presence of session %d was not acknowledged: kind %#x, error %v", i, kind, err)
		}
		if last != nil {
			last.ended()
		}
		last = next
	}
	hub := s.office(hubCode, nil)
	hub.subscribe("tram/1/h40/presence/+")
	if topic, payload, retained := hub.message(); topic != presence || string(payload) != "here 29" || !retained {
		t.Errorf("presence is %q on %s, retained %v", payload, topic, retained)
	}
	hub.publish("tram/1/h40/down/h40_01", []byte("frame"), 1, false)
	if _, payload, _ := last.message(); string(payload) != "frame" {
		t.Errorf("the newest connection got %q", payload)
	}
	if n := s.b.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	last.conn.(*tls.Conn).NetConn().Close()
	topic, payload, retained := hub.message()
	if string(payload) == "here 29" { // was acknowledged before it was handed on, and came live as well
		topic, payload, retained = hub.message()
	}
	if topic != presence || string(payload) != "gone 29" || retained {
		t.Errorf("last will is %q on %s, retained %v", payload, topic, retained)
	}
	s.unrefused()
}

// watching is the connection of a tool with the hub's certificate.
func watching(pk *packets.Packet) { pk.Connect.ClientIdentifier = "h40:watch" }

func TestP7_AWatcherReadsPresenceAndHeartbeatsAndNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hub := s.office(hubCode, nil)
	hub.subscribe("tram/1/h40/up/+")
	hub.subscribe("tram/1/h40/health/+")
	office := s.office("H40.01", nil)
	office.publish("tram/1/h40/presence/h40_01", []byte("here"), 1, true)
	office.read()
	watcher := s.office(hubCode, watching)
	watcher.subscribe("tram/1/h40/presence/+")
	if topic, payload, retained := watcher.message(); topic != "tram/1/h40/presence/h40_01" || string(payload) != "here" || !retained {
		t.Errorf("presence is %q on %s, retained %v", payload, topic, retained)
	}
	watcher.subscribe("tram/1/h40/health/+")
	office.publish("tram/1/h40/health/h40_01", []byte("beat"), 0, false)
	for who, c := range map[string]*client{"watcher": watcher, "hub": hub} {
		if topic, payload, _ := c.message(); topic != "tram/1/h40/health/h40_01" || string(payload) != "beat" {
			t.Errorf("the %s got %q on %s", who, payload, topic)
		}
	}
	office.publish("tram/1/h40/up/h40_01", []byte("frame"), 1, false)
	if _, payload, _ := hub.message(); string(payload) != "frame" {
		t.Errorf("the hub got %q: the watcher has replaced it", payload)
	}
	s.unrefused()
	for _, filter := range []string{"tram/1/h40/up/+", "tram/1/h40/up/h40_01", "tram/1/h40/down/+", "tram/#", "#", "tram/1/h40/+/h40_01", "$SYS/#"} {
		if got := s.office(hubCode, watching).subscribe(filter); got != 0x80 {
			t.Errorf("subscription to %s was granted: %#x", filter, got)
		}
		s.refused(hubCode, broker.ActionSubscribe, filter)
	}
	for _, topic := range []string{"tram/1/h40/down/h40_01", "tram/1/h40/presence/h40", "tram/1/h40/health/h40_01"} {
		c := s.office(hubCode, watching)
		c.publish(topic, []byte("x"), 1, false)
		c.ended()
		s.refused(hubCode, broker.ActionPublish, topic)
	}
	if _, rc := s.connect(hubCode, func(pk *packets.Packet) {
		watching(pk)
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, "tram/1/h40/presence/h40", []byte("gone")
	}); rc == 0 {
		t.Error("a watcher leaves a last will")
	}
}

func TestHubGetsThePresenceOfAllOffices(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	const offices = broker.QueueMessages + 100
	var group sync.WaitGroup
	room := make(chan bool, 8)
	for i := range offices {
		room <- true
		group.Go(func() {
			defer func() { <-room }()
			c := s.office(fmt.Sprintf("X%d", i), nil)
			c.publish(fmt.Sprintf("tram/1/h40/presence/x%d", i), bytes.Repeat([]byte{'p'}, 200), 1, true)
			c.read()
			c.conn.Close()
		})
	}
	group.Wait()
	hub := s.office(hubCode, nil)
	hub.subscribe("tram/1/h40/presence/+")
	seen := map[string]bool{}
	for len(seen) < offices {
		topic, _, _ := hub.message()
		seen[topic] = true
	}
}

func TestP9_SlowOfficeDelaysNobody(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	slow := s.office("H40.01", nil)
	slow.subscribe("tram/1/h40/down/h40_01")
	quick := s.office("H40.02", nil)
	quick.subscribe("tram/1/h40/down/h40_02")
	hub := s.office(hubCode, nil)
	frame := make([]byte, 32<<10)
	const frames = 700 // far more than sockets and queues hold
	for i := range frames {
		hub.publish("tram/1/h40/down/h40_01", frame, 1, false)
		if kind, _, err := hub.read(); err != nil || kind>>4 != packets.Puback {
			t.Fatalf("publish %d was not acknowledged: kind %#x, error %v", i, kind, err)
		}
	}
	start := time.Now()
	hub.publish("tram/1/h40/down/h40_02", []byte("hello"), 1, false)
	if _, payload, _ := quick.message(); string(payload) != "hello" {
		t.Errorf("the other office got %q", payload)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the other office waited %v", took)
	}
	stats := s.b.Stats()
	if stats.Dropped == 0 || stats.Dropped >= frames {
		t.Errorf("%d of %d messages are counted as dropped", stats.Dropped, frames)
	}
	// What was queued is still delivered, and then there is room again.
	got := 0
	for got < frames-int(stats.Dropped) {
		slow.message()
		got++
	}
	hub.publish("tram/1/h40/down/h40_01", []byte("again"), 1, false)
	if _, payload, _ := slow.message(); string(payload) != "again" {
		t.Errorf("after %d messages the slow office got %d bytes", got, len(payload))
	}
}

// TestP9_OfficesWaitForTheHub: what thousands say at once is not dropped because
// the hub reads it one by one.
func TestP9_OfficesWaitForTheHub(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hub := s.office(hubCode, nil)
	hub.subscribe("tram/1/h40/up/+")
	hub.subscribe("tram/1/h40/presence/+")
	const offices, frames = 4, 4 * broker.QueueMessages
	frame := make([]byte, 4<<10)
	var all sync.WaitGroup
	for i := range offices {
		c := s.office(fmt.Sprintf("H40.%02d", i), nil)
		all.Go(func() {
			for n := range frames {
				if n%2 == 0 {
					c.publish(fmt.Sprintf("tram/1/h40/up/h40_%02d", i), frame, 0, false)
				} else {
					c.publish(fmt.Sprintf("tram/1/h40/presence/h40_%02d", i), []byte("{}"), 0, true)
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // the hub is slow
	for range offices * frames {
		hub.message()
	}
	all.Wait()
	if stats := s.b.Stats(); stats.Dropped != 0 {
		t.Errorf("%d messages were dropped", stats.Dropped)
	}
}

func TestP9_HandshakesBeyondTheBoundAreTurnedAway(t *testing.T) {
	t.Parallel()
	const bound = 4
	s := start(t, func(o *broker.Options) { o.MaxHandshakes = bound })
	inside := s.office("H40.01", nil)
	var mute []net.Conn
	for range bound {
		conn, err := net.Dial("tcp", s.b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		mute = append(mute, conn)
	}
	eventually(t, "full door", func() bool { return s.b.Stats().Connections == bound+1 })
	extra, err := net.Dial("tcp", s.b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	extra.SetReadDeadline(time.Now().Add(patience))
	if _, err := extra.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one too many was not turned away: %v", err)
	}
	if n := s.b.Stats().TurnedAway; n != 1 {
		t.Errorf("%d connections are counted as turned away", n)
	}
	inside.publish("tram/1/h40/presence/h40_01", []byte("{}"), 1, true)
	if kind, _, err := inside.read(); err != nil || kind>>4 != packets.Puback {
		t.Errorf("who is inside is not served: kind %#x, error %v", kind, err)
	}
	mute[0].Close()
	eventually(t, "place at the door", func() bool { return s.b.Stats().Connections == bound })
	s.office("H40.02", nil)
}

// TestP9_ManyHandshakesAtOnceAllPass: they are computed in turn, and one that
// waits for its office holds up no other.
func TestP9_ManyHandshakesAtOnceAllPass(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for range 2 * runtime.GOMAXPROCS(0) {
		conn, err := net.Dial("tcp", s.b.Addr()) // says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if _, rc := s.connect(fmt.Sprintf("H40.%02d", i), nil); rc != 0 {
				t.Errorf("office %d was not accepted: %d", i, rc)
			}
		})
	}
	all.Wait()
	s.unrefused()
}

func TestOnlyPresenceIsRetained(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	a := s.office("H40.01", nil)
	a.publish("tram/1/h40/up/h40_01", []byte("frame"), 1, true)
	a.publish("tram/1/h40/presence/h40_01", make([]byte, mqtt.MaxPresence+1), 1, true)
	a.publish("tram/1/h40/health/h40_01", []byte("{}"), 1, true)
	for range 3 {
		a.read()
	}
	hub := s.office(hubCode, nil)
	for _, filter := range []string{"tram/1/h40/up/+", "tram/1/h40/presence/+", "tram/1/h40/health/+"} {
		hub.subscribe(filter)
	}
	a.publish("tram/1/h40/up/h40_01", []byte("fresh"), 1, false)
	if topic, payload, _ := hub.message(); string(payload) != "fresh" {
		t.Errorf("%q was retained on %s", payload, topic)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	ca := linktest.NewAuthority(t)
	lax := ca.ServerConfig()
	lax.ClientAuth = tls.VerifyClientCertIfGiven
	for name, o := range map[string]broker.Options{
		"no hub":    {TLS: ca.ServerConfig()},
		"no TLS":    {Hub: hubCode},
		"optional":  {Hub: hubCode, TLS: lax},
		"plain TLS": {Hub: hubCode, TLS: &tls.Config{}},
	} {
		if _, err := broker.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCloseTwiceAndWithoutStart(t *testing.T) {
	t.Parallel()
	ca := linktest.NewAuthority(t)
	b, err := broker.New(broker.Options{Addr: "127.0.0.1:0", TLS: ca.ServerConfig(), Hub: hubCode})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
