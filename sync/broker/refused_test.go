package broker_test

import (
	"crypto/tls"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/sync/broker"
	"tram/sync/linktest"
)

func TestRevokedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	var revoked sync.Map
	s := start(t, func(o *broker.Options) {
		o.Revoked = func(serial *big.Int) bool {
			_, is := revoked.Load(serial.String())
			return is
		}
	})
	c := s.dial("H40.01")
	serial := s.ca.Client("H40.09").Leaf.SerialNumber
	revoked.Store(serial.String(), true)
	c.conn.Close()
	s.unrefused()
	office := s.office("H40.01", nil)
	s.b.Kick("h40.01")
	office.ended()

	config := s.ca.ClientConfig("H40.01")
	revoked.Store(config.Certificates[0].Leaf.SerialNumber.String(), true)
	conn, err := tls.Dial("tcp", s.b.Addr(), config)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	// CONNECT, MQTT 3.1.1, clean, client id H40.01
	conn.Write(append([]byte{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 6}, "H40.01"...))
	s.refused("H40.01", broker.ActionConnect, "")
}

// TestP7_RevocationWhileTheOfficeConnects: its certificate was still good when it
// was asked for, and the session is not confirmed yet.
func TestP7_RevocationWhileTheOfficeConnects(t *testing.T) {
	t.Parallel()
	var b *broker.Broker
	s := start(t, func(o *broker.Options) {
		o.Revoked = func(*big.Int) bool {
			b.Kick("H40.01")
			return false
		}
	})
	b = s.b
	for range 20 {
		if c, rc := s.connect("H40.01", nil); rc == 0 {
			c.ended()
		}
	}
	eventually(t, "end of every trace of them", func() bool { return b.Stats().Sessions == 0 && b.Held() == 0 })
}

// TestARefusedClientHearsWhy: it has sent on when it is refused, for in TLS 1.3
// its handshake ends first. The alert must not be lost with a reset.
func TestARefusedClientHearsWhy(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	config := s.ca.ClientConfig("H40.01")
	config.Certificates = linktest.NewAuthority(t).ClientConfig("H40.01").Certificates
	for range 20 {
		conn, err := tls.Dial("tcp", s.b.Addr(), config)
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		for range 10 {
			if _, err := conn.Write(make([]byte, 100)); err != nil {
				t.Errorf("write: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		_, err = conn.Read(make([]byte, 1))
		if err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
			t.Errorf("refused with %v, want the alert", err)
		}
		conn.Close()
	}
}
