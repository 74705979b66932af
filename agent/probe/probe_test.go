package probe_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/identity/identitytest"
	"tram/agent/probe"
	"tram/sync/broker"
	"tram/sync/linktest"
	"tram/sync/mqtt"
)

// server answers each connection with serve until the test ends.
func server(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// pair is the hub's certificate for its servers.
func pair(c *ca.CA) tls.Certificate {
	p := c.Server()
	return tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key}
}

// silent says nothing until the other end gives up.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// speaking is a TLS server in front of serve.
func speaking(t *testing.T, cfg *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	return server(t, func(conn net.Conn) {
		secure := tls.Server(conn, cfg)
		if secure.Handshake() == nil {
			serve(secure)
		}
	})
}

// names answers every question about names with this code.
func names(t *testing.T, rcode uint16) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			binary.BigEndian.PutUint16(buf[2:], 0x8180|rcode)
			_, _ = conn.WriteTo(buf[:n], from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestEachBrokenHopHasItsOwnName breaks the way to the hub at each hop.
func TestEachBrokenHopHasItsOwnName(t *testing.T) {
	id, hub := identitytest.Office(t, "H40.01")
	_, other := identitytest.Office(t, "H40.01")
	foreign := linktest.NewAuthority(t)
	good := &tls.Config{Certificates: []tls.Certificate{pair(hub)}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	strict := &tls.Config{Certificates: good.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: foreign.Pool(), MinVersion: tls.VersionTLS12}
	connack := func(code byte) func(net.Conn) {
		return func(conn net.Conn) {
			buf := make([]byte, 256)
			if _, err := conn.Read(buf); err == nil {
				_, _ = conn.Write([]byte{0x20, 2, 0, code})
			}
			silent(conn)
		}
	}
	for _, tt := range []struct {
		name, server string
		resolver     *net.Resolver
		session      bool
		hop          probe.Hop
		want         string
	}{
		{"no such name", "trung-tam.example:8883", names(t, 3), false, probe.Name, probe.NameUnknown},
		{"name server that fails", "trung-tam.example:8883", names(t, 2), false, probe.Name, probe.NameSilent},
		{"closed port", linktest.FreeAddr(t), nil, false, probe.Port, probe.PortClosed},
		{"a web page", server(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); silent(c) }), nil, false, probe.Secure, probe.NotTLS},
		{"nothing said", server(t, silent), nil, false, probe.Secure, probe.SecureSilent},
		{"cut in the middle", server(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), nil, false, probe.Secure, probe.Cut},
		{"a proxy that opens TLS", speaking(t, foreign.ServerConfig(), silent), nil, false, probe.Secure, "server-unknown-ca"},
		{"a copy of the hub", speaking(t, &tls.Config{Certificates: []tls.Certificate{pair(other)}}, silent), nil, false, probe.Secure, "server-broken-chain"},
		{"our certificate refused", speaking(t, strict, silent), nil, false, probe.Secure, probe.SecureRefused},
		{"our certificate refused, asked further", speaking(t, strict, silent), nil, true, probe.Broker, probe.SecureRefused},
		{"the broker refuses", speaking(t, good, connack(5)), nil, true, probe.Broker, probe.BrokerRefused},
		{"the broker says nothing", speaking(t, good, silent), nil, true, probe.Broker, probe.BrokerSilent},
		{"the broker hangs up", speaking(t, good, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), nil, true, probe.Broker, probe.Cut},
		{"as far as TLS", speaking(t, good, silent), nil, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := probe.Run(t.Context(), probe.Options{Server: tt.server, Identity: id, Timeout: 700 * time.Millisecond, Resolver: tt.resolver, Session: tt.session})
			broken := r.Broken()
			if tt.want == "" {
				if broken != nil || r.Sent == 0 || r.Received == 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			if broken == nil || broken.Hop != tt.hop || broken.Code != tt.want {
				t.Fatalf("broken is %+v, want %s at %s", broken, tt.want, tt.hop)
			}
			if r.Sent > probe.MaxBytes || r.Received > probe.MaxBytes {
				t.Errorf("it cost %d and %d bytes", r.Sent, r.Received)
			}
			says(t, broken)
		})
	}
}

// says holds a step to its words.
func says(t *testing.T, s *probe.Step) {
	t.Helper()
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		for _, prefix := range [][]string{{"doctor.", "health."}, {"doctor.fix.", "admin.fix."}} {
			text := i18n.T(lang, prefix[0]+s.Code, s.Args)
			if !i18n.Has(prefix[0] + s.Code) {
				text = i18n.T(lang, prefix[1]+s.Code, s.Args)
			}
			if strings.HasPrefix(text, "doctor.") || strings.HasPrefix(text, "health.") || strings.HasPrefix(text, "admin.") || strings.Contains(text, "{") {
				t.Errorf("%s says %q", s.Code, text)
			}
		}
	}
}

// TestP9_AServerThatFloodsCostsNoMoreThanTold.
func TestP9_AServerThatFloodsCostsNoMoreThanTold(t *testing.T) {
	id, _ := identitytest.Office(t, "H40.01")
	flood := server(t, func(c net.Conn) {
		record := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 0x4000)...) // a handshake without end
		record[5], record[6], record[7], record[8] = 2, 0xff, 0xff, 0xff
		for {
			if _, err := c.Write(record); err != nil {
				return
			}
		}
	})
	r := probe.Run(t.Context(), probe.Options{Server: flood, Identity: id, Timeout: time.Second})
	if r.Broken() == nil || r.Received > probe.MaxBytes {
		t.Errorf("%+v", r)
	}
}

// TestP7_ARealBrokerIsNotDisturbed has the office's own session run while it is
// probed, and then asks the broker as the office over a slow line, when it does not.
func TestP7_ARealBrokerIsNotDisturbed(t *testing.T) {
	id, hub := identitytest.Office(t, "H40.01")
	var refused atomic.Int64
	b, err := broker.New(broker.Options{
		Addr: "127.0.0.1:0", Hub: "H40", TLS: hub.BrokerTLS(nil), OnRefused: func(broker.Refusal) { refused.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	secure := id.TLS()
	secure.ServerName = "localhost"
	client, err := mqtt.Dial(mqtt.Options{Servers: []string{b.Addr()}, TLS: secure, Hub: "H40", Office: id.Code})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for late := time.Now().Add(10 * time.Second); !client.Status().Connected; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("no session: %+v", client.Status())
		}
	}
	since := client.Status().Since
	_, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if r := probe.Run(t.Context(), probe.Options{Server: net.JoinHostPort("localhost", port), Identity: id}); r.Broken() != nil || len(r.Steps) != 4 {
		t.Errorf("as far as TLS: %+v", r)
	}
	rtt, err := client.Ping(t.Context())
	if s := client.Status(); err != nil || rtt <= 0 || !s.Connected || !s.Since.Equal(since) || refused.Load() != 0 {
		t.Errorf("after it the session is %+v, ping %v %v, %d refused", s, rtt, err, refused.Load())
	}
	client.Close()

	const delay = 40 * time.Millisecond
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: b.Addr(), Up: linktest.Line{Delay: delay}, Down: linktest.Line{Delay: delay}})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	_, port, _ = net.SplitHostPort(proxy.Addr())
	r := probe.Run(t.Context(), probe.Options{Server: net.JoinHostPort("localhost", port), Identity: id, Session: true})
	if r.Broken() != nil || len(r.Steps) != len(probe.Hops) || r.RTT < 2*delay || r.RTT > time.Second || refused.Load() != 0 {
		t.Errorf("as the office: %+v, %d refused", r, refused.Load())
	}
	t.Logf("it cost %d bytes up and %d down", r.Sent, r.Received)
}
