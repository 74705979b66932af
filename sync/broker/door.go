package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/mqtt"
)

// door is mochi's listener. It finishes the TLS handshake before mochi sees the
// connection, so that every client has a certificate.
type door struct {
	b      *Broker
	config *tls.Config

	mu     sync.Mutex
	ln     net.Listener
	conns  map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// doorID names the only listener.
const doorID = "door"

// visitor is a connection with a verified certificate.
type visitor struct {
	*tls.Conn
	cert *x509.Certificate
}

func newDoor(b *Broker) *door {
	config := b.o.TLS.Clone()
	config.DynamicRecordSizingDisabled = true // see the same line in package mqtt
	return &door{b: b, config: config, conns: map[net.Conn]bool{}}
}

func (d *door) listen(ctx context.Context) error {
	lc := net.ListenConfig{
		KeepAlive: -1, // MQTT's keepalive does this
		// Accepted connections inherit the options.
		Control: func(_, _ string, c syscall.RawConn) error { return mqtt.TuneSocket(c, mqtt.DefaultSocketOptions()) },
	}
	ln, err := lc.Listen(ctx, "tcp", d.b.o.Addr)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ln != nil || d.closed {
		ln.Close()
		return errors.New("already started")
	}
	d.ln = ln
	return nil
}

// ID, Protocol, Init and Close complete mochi's listener interface.
func (d *door) ID() string              { return doorID }
func (d *door) Protocol() string        { return "mqtts" }
func (d *door) Init(*slog.Logger) error { return nil }
func (d *door) Close(listeners.CloseFn) { d.shut() }

func (d *door) Address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ln == nil {
		return d.b.o.Addr
	}
	return d.ln.Addr().String()
}

// Serve accepts until the door is shut.
func (d *door) Serve(establish listeners.EstablishFn) {
	for {
		conn, err := d.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, or the like: it passes.
			d.b.o.Logger.Warn("accept failed", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !d.admit(conn) {
			conn.Close()
			continue
		}
		go func() {
			defer d.leave(conn)
			d.serve(conn, establish)
		}()
	}
}

func (d *door) admit(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if len(d.conns) >= d.b.o.MaxConnections {
		d.b.o.Logger.Warn("too many connections", "limit", d.b.o.MaxConnections)
		return false
	}
	d.conns[conn] = true
	d.wg.Add(1)
	return true
}

func (d *door) leave(conn net.Conn) {
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, conn)
	d.wg.Done()
}

func (d *door) serve(raw net.Conn, establish listeners.EstablishFn) {
	remote := raw.RemoteAddr().String()
	// mochi replaces this deadline once it has read CONNECT.
	deadline := time.Now().Add(HandshakeTimeout)
	if raw.SetDeadline(deadline) != nil {
		return
	}
	secure := tls.Server(raw, d.config)
	if err := secure.Handshake(); err != nil {
		if !d.isClosed() {
			d.b.guard.refuse(Refusal{Remote: remote, Action: ActionHandshake, Reason: err.Error()})
		}
		return
	}
	cert := secure.ConnectionState().PeerCertificates[0]
	err := establish(doorID, &visitor{Conn: secure, cert: cert})
	if reason := packetFault(err); reason != "" {
		d.b.guard.refuse(Refusal{
			Office: cert.Subject.CommonName, Remote: remote, Action: ActionPacket, Reason: reason,
		})
	}
}

// packetFault says what was wrong with a packet that ended a connection.
func packetFault(err error) string {
	var code packets.Code
	if !errors.As(err, &code) {
		return ""
	}
	switch {
	case errors.Is(err, packets.ErrPacketTooLarge):
		return fmt.Sprintf("packet is over the limit: %v", err)
	case code.Code == packets.ErrMalformedPacket.Code, code.Code == packets.ErrProtocolViolation.Code:
		return fmt.Sprintf("packet is malformed: %v", err)
	}
	return ""
}

func (d *door) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// shut ends the listener and all connections and waits for their handlers.
func (d *door) shut() {
	d.mu.Lock()
	d.closed = true
	if d.ln != nil {
		d.ln.Close()
	}
	for conn := range d.conns {
		conn.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// Close ends the connection at once, without a TLS farewell that could wait for
// a stuck line.
func (v *visitor) Close() error { return v.NetConn().Close() }
