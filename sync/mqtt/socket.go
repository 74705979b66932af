package mqtt

import (
	"context"
	"crypto/tls"
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
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.received.Add(int64(n))
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

// opener opens connections to a broker.
type opener struct {
	servers []string
	tls     *tls.Config
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
			return setSocket(c, o.tuning.UserTimeout)
		},
	}
	return d.DialContext
}

// open connects to one server, with TLS when it is configured. Closing raw
// ends conn at once.
func (o *opener) open(ctx context.Context, server string) (conn, raw net.Conn, err error) {
	raw, err = o.dialer()(ctx, "tcp", server)
	if err != nil {
		return nil, nil, err
	}
	if buffered, ok := raw.(interface{ SetWriteBuffer(int) error }); ok && o.tuning.SendBuffer > 0 {
		if err := buffered.SetWriteBuffer(o.tuning.SendBuffer); err != nil {
			raw.Close()
			return nil, nil, fmt.Errorf("set send buffer: %w", err)
		}
	}
	conn = &meter{
		Conn: raw, timeout: o.tuning.WriteTimeout,
		sent: &o.stats.sentBytes, received: &o.stats.receivedBytes,
	}
	if o.tls == nil {
		return conn, raw, nil
	}
	config := o.tls.Clone()
	// Full records cost 22 bytes for 16 KiB instead of for 1.4 kB; nothing can
	// be done with half an MQTT packet anyway.
	config.DynamicRecordSizingDisabled = true
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			raw.Close()
			return nil, nil, fmt.Errorf("take server apart: %w", err)
		}
		config.ServerName = host
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("tls handshake: %w", err)
	}
	return secure, raw, nil
}
