package ca

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"tram/agent/identity"
)

// counter counts what a TLS client sends and receives.
type counter struct {
	net.Conn
	up, down int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.down += n
	return n, err
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.up += n
	return n, err
}

// talk makes one connection, passes a byte each way, and returns what it cost.
func talk(t *testing.T, server, client *tls.Config) (tls.ConnectionState, *counter) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		plain, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer plain.Close()
		_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
		conn, one := tls.Server(plain, server), make([]byte, 1)
		if _, err = conn.Read(one); err == nil {
			_, err = conn.Write(one)
		}
		done <- err
	}()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
	c := &counter{Conn: plain}
	conn, one := tls.Client(c, client), make([]byte, 1)
	if _, err := conn.Write(one); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(one); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState(), c
}

// enrolled makes an office that a hub's broker lets in.
func enrolled(t *testing.T) (*hub, *identity.Identity) {
	t.Helper()
	h := newHub(t)
	h.now = time.Now() // TLS servers look at the real clock
	k := newKeys(t)
	r, err := h.redeem(t, request(t, h.invite(t, InviteOptions{}, "H40.01")[0], k))
	if err != nil {
		t.Fatal(err)
	}
	return h, &identity.Identity{Code: "H40.01", Device: k.device, DeviceCert: r.Device, Trust: identity.Trust{CA: h.Root.Cert}}
}

func TestKeyExchangePolicies(t *testing.T) {
	h, office := enrolled(t)
	for _, c := range []struct {
		hub, office identity.KeyExchange
		want        tls.CurveID
	}{
		{identity.Economical, identity.Economical, tls.X25519},
		{identity.Economical, identity.PostQuantum, tls.X25519},
		{identity.PostQuantum, identity.Economical, tls.X25519},
		{identity.PostQuantum, identity.PostQuantum, tls.X25519MLKEM768},
	} {
		server, client := h.BrokerTLS(nil), office.TLSFor("127.0.0.1:8883")
		server.CurvePreferences, client.CurvePreferences = c.hub.Curves(), c.office.Curves()
		state, cost := talk(t, server, client)
		t.Logf("hub %s, office %s: %s, %d bytes up, %d down", c.hub, c.office, state.CurveID, cost.up, cost.down)
		if state.CurveID != c.want || state.Version != tls.VersionTLS13 {
			t.Errorf("hub %s, office %s: %s", c.hub, c.office, state.CurveID)
		}
	}
}

// TestSessionTicketsWouldCostMore is why BrokerTLS gives none: over a first
// connection and a resumed one the office sends and receives more than over
// two full ones.
func TestSessionTicketsWouldCostMore(t *testing.T) {
	h, office := enrolled(t)
	server, client := h.BrokerTLS(nil), office.TLSFor("127.0.0.1:8883")
	_, full := talk(t, server, client)
	server.SessionTicketsDisabled, client.SessionTicketsDisabled = false, false
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	_, first := talk(t, server, client)
	state, resumed := talk(t, server, client)
	t.Logf("full handshake %d + %d bytes; with a ticket %d + %d, resumed %d + %d",
		full.up, full.down, first.up, first.down, resumed.up, resumed.down)
	if !state.DidResume || full.up+full.down == 0 {
		t.Fatalf("the second connection was not resumed: %+v", state)
	}
	if with, without := first.up+first.down+resumed.up+resumed.down, 2*(full.up+full.down); with <= without || resumed.up <= full.up {
		t.Errorf("tickets cost %d bytes, none %d: give them", with, without)
	}
}
