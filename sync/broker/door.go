package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/mqtt"
)

// door is mochi's listener. It finishes the TLS handshake before mochi sees the
// connection, so that every client has a certificate.
type door struct {
	b      *Broker
	config *tls.Config

	mu       sync.Mutex
	ln       net.Listener
	conns    map[net.Conn]bool // true while in the TLS handshake
	shaking  int               // of these, those in the handshake
	turned   int64             // connections closed for lack of room
	reported time.Time         // when that was last logged
	closed   bool
	wg       sync.WaitGroup
	turns    chan struct{} // one in it for each handshake that is being computed
}

// handshakesPerCore is how many handshakes may want to be computed at once for
// each core. A session that is up then waits for as many of them at most, some
// milliseconds; with one alone they would starve beside busy sessions.
const handshakesPerCore = 8

// doorID names the only listener.
const doorID = "door"

// visitor is a connection with a verified certificate.
type visitor struct {
	*tls.Conn
	cert   *x509.Certificate
	client *mochi.Client // once its CONNECT is good
}

func newDoor(b *Broker) *door {
	config := b.o.TLS.Clone()
	config.DynamicRecordSizingDisabled = true // see the same line in package mqtt
	// A ticket would carry the client's certificate back to it, over a metered
	// line, and no client of ours resumes.
	config.SessionTicketsDisabled = true
	return &door{b: b, config: config, conns: map[net.Conn]bool{}, turns: make(chan struct{}, handshakesPerCore*runtime.GOMAXPROCS(0))}
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
		go d.receive(conn, establish)
	}
}

// admit makes room for a connection, or not: whoever is turned away tries again
// with backoff, and those who are inside are served.
func (d *door) admit(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if len(d.conns) >= d.b.o.MaxConnections || d.shaking >= d.b.o.MaxHandshakes {
		d.turned++
		if now := time.Now(); now.Sub(d.reported) >= RefusalInterval {
			d.reported = now
			d.b.o.Logger.Warn("no room for connections", "connections", len(d.conns), "handshakes", d.shaking, "turned_away", d.turned)
		}
		return false
	}
	d.conns[conn] = true
	d.shaking++
	d.wg.Add(1)
	return true
}

// lingerTime and lingerBytes bound how long, and how much, is read from a
// connection whose handshake was refused.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// inside says that a connection has passed the handshake.
func (d *door) inside(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[conn] = false
	d.shaking--
}

func (d *door) leave(conn net.Conn) {
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns[conn] {
		d.shaking--
	}
	delete(d.conns, conn)
	d.wg.Done()
}

// receive does the handshake and hands the connection to a goroutine of its own:
// a handshake needs a large stack, a connection at rest a small one.
func (d *door) receive(raw net.Conn, establish listeners.EstablishFn) {
	v, err := d.handshake(raw)
	if err != nil {
		if !d.isClosed() {
			d.b.guard.refuse(Refusal{Remote: raw.RemoteAddr().String(), Action: ActionHandshake, Reason: d.explain(err)})
			linger(raw)
		}
		d.leave(raw)
		return
	}
	d.inside(raw)
	go func() {
		defer d.leave(raw)
		d.serve(v, establish)
	}()
}

// linger lets the alert of a refused handshake reach the other side. It has sent
// on in the meantime, and closing before that is read resets the connection, and
// with it what was not read there: the reason.
func linger(raw net.Conn) {
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || raw.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, raw, lingerBytes) // whatever ends it, nothing more is to be done
}

// explain says why a handshake failed.
func (d *door) explain(err error) string {
	var bad *tls.CertificateVerificationError
	if d.b.o.Explain == nil || !errors.As(err, &bad) || len(bad.UnverifiedCertificates) == 0 {
		return err.Error()
	}
	if text := d.b.o.Explain(bad.UnverifiedCertificates[0]); text != "" {
		return text
	}
	return err.Error()
}

func (d *door) handshake(raw net.Conn) (*visitor, error) {
	// mochi replaces this deadline once it has read CONNECT.
	if err := raw.SetDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return nil, err
	}
	line := &turning{Conn: mqtt.Steer(raw, mqtt.DefaultCongestion), turns: d.turns}
	secure := tls.Server(line, d.config)
	line.begin()
	err := secure.Handshake()
	line.end()
	if err != nil {
		return nil, err
	}
	return &visitor{Conn: secure, cert: secure.ConnectionState().PeerCertificates[0]}, nil
}

func (d *door) serve(v *visitor, establish listeners.EstablishFn) {
	err := establish(doorID, v)
	if v.client != nil { // mochi tells only the end of a session that it has confirmed
		d.b.guard.OnDisconnect(v.client, nil, true)
		d.b.server.Clients.Delete(v.client.ID)
	}
	if reason := packetFault(err); reason != "" {
		d.b.guard.refuse(Refusal{
			Office: v.cert.Subject.CommonName, Remote: v.RemoteAddr().String(), Action: ActionPacket, Reason: reason,
		})
	}
}

// turning is a connection whose handshake is computed in turn with others, so
// that no crowd of them stands before the sessions that are up. While it waits
// for the other side, others have their turn.
type turning struct {
	net.Conn
	turns chan struct{} // nil after the handshake
}

func (t *turning) begin() { t.turns <- struct{}{} }

func (t *turning) end() {
	<-t.turns
	t.turns = nil
}

// Read implements net.Conn.
func (t *turning) Read(p []byte) (int, error) {
	if t.turns == nil {
		return t.Conn.Read(p)
	}
	<-t.turns
	defer func() { t.turns <- struct{}{} }()
	return t.Conn.Read(p)
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

func (d *door) turnedAway() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turned
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
