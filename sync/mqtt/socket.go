package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// meter is the raw socket: it counts bytes as they are on the line (with TLS,
// without TCP and IP) and bounds the time in which a write makes no progress.
type meter struct {
	net.Conn
	timeout        time.Duration
	sent, received *atomic.Int64
	heard          atomic.Int64 // Unix nanoseconds of the last read
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.received.Add(int64(n))
	m.heard.Store(time.Now().UnixNano())
	return n, err
}

// Write goes on as long as the line takes at least one byte in every timeout: a
// slow line is not a dead one.
func (m *meter) Write(p []byte) (int, error) {
	done := 0
	for {
		if err := m.Conn.SetWriteDeadline(time.Now().Add(m.timeout)); err != nil {
			return done, err
		}
		n, err := m.Conn.Write(p[done:])
		m.sent.Add(int64(n))
		done += n
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return done, err
		}
	}
}

// deaf is for how long no byte has come over the line; unheard is the same, but
// where the system tells, an acknowledgement of bytes sent counts as well.
func (m *meter) deaf(now time.Time) (deaf, unheard time.Duration) {
	deaf = now.Sub(time.Unix(0, m.heard.Load()))
	if since, known := sinceAck(m.Conn); known {
		return deaf, min(deaf, since)
	}
	return deaf, deaf
}

// SocketOptions are what [TuneSocket] sets. Zero fields leave the system's.
type SocketOptions struct {
	UserTimeout time.Duration // TCP_USER_TIMEOUT
	Unsent      int           // TCP_NOTSENT_LOWAT, in bytes
	LongestRTO  time.Duration // TCP_RTO_MAX_MS
}

// DefaultSocketOptions suit both ends of a bad line.
func DefaultSocketOptions() SocketOptions {
	return SocketOptions{
		UserTimeout: DefaultUserTimeout, Unsent: DefaultUnsent, LongestRTO: DefaultLongestRTO,
	}
}

// opener opens connections to a broker.
type opener struct {
	servers []string
	tls     *tls.Config
	roots   func() *x509.CertPool // nil: those of tls
	tuning  Tuning
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	stats   *counters
	last    atomic.Int32 // index of the server that worked last
}

func (o *opener) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.dial != nil {
		return o.dial
	}
	d := &net.Dialer{
		KeepAlive: -1, // MQTT pings do this
		Control: func(_, _ string, c syscall.RawConn) error {
			t := o.tuning
			return TuneSocket(c, SocketOptions{UserTimeout: t.UserTimeout, Unsent: t.Unsent, LongestRTO: t.LongestRTO})
		},
	}
	return d.DialContext
}

// open connects to one server, with TLS when it is configured. Closing line
// ends conn at once.
func (o *opener) open(ctx context.Context, server string) (conn net.Conn, line *meter, err error) {
	raw, err := o.dialer()(ctx, "tcp", server)
	if err != nil {
		return nil, nil, err
	}
	if buffered, ok := raw.(interface{ SetWriteBuffer(int) error }); ok && o.tuning.SendBuffer > 0 {
		if err := buffered.SetWriteBuffer(o.tuning.SendBuffer); err != nil {
			raw.Close()
			return nil, nil, fmt.Errorf("set send buffer: %w", err)
		}
	}
	line = &meter{
		Conn: Steer(raw, o.tuning.Congestion), timeout: o.tuning.WriteTimeout,
		sent: &o.stats.sentBytes, received: &o.stats.receivedBytes,
	}
	line.heard.Store(time.Now().UnixNano())
	if o.tls == nil {
		return line, line, nil
	}
	config := o.tls.Clone()
	// Full records cost 22 bytes for 16 KiB instead of for 1.4 kB; nothing can
	// be done with half an MQTT packet anyway.
	config.DynamicRecordSizingDisabled = true
	if o.roots != nil {
		config.RootCAs = o.roots()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			raw.Close()
			return nil, nil, fmt.Errorf("take server apart: %w", err)
		}
		config.ServerName = host
	}
	secure := tls.Client(line, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("tls handshake: %w", err)
	}
	return secure, line, nil
}
