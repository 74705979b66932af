// Package probe finds out at which hop the way to the hub is broken: the own
// network, the name, the port, TLS, or the broker behind it.
//
// It promises:
//
//   - It stops at the first hop that does not work, and names it with a code that
//     has words for people in both languages: what is wrong ("doctor.<code>") and
//     whom to call ("doctor.fix.<code>").
//   - It costs at most [MaxBytes] and ends within its time limits.
//   - It does not touch the session of a running service: as far as TLS it is
//     nobody to the broker, and who wants more says that no service speaks for the
//     office now ([Options.Session]).
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/sync/mqtt"
)

const (
	// DefaultTimeout bounds one hop.
	DefaultTimeout = 10 * time.Second
	// MaxBytes is what a probe costs at most in each direction, TLS included and
	// TCP's headers not. A handshake takes some 5 kB.
	MaxBytes = 32 << 10
	// settle is how long after the handshake a server may take to refuse our
	// certificate, which TLS 1.3 tells late.
	settle = 400 * time.Millisecond
)

// Hop is one step of the way.
type Hop string

// The hops, in order.
const (
	Network Hop = "network" // a line out of this machine
	Name    Hop = "dns"     // the address of the hub's name
	Port    Hop = "tcp"     // somebody listens there
	Secure  Hop = "tls"     // it is the hub, and takes our certificate
	Broker  Hop = "mqtt"    // it speaks with us
)

// Hops are all of them.
var Hops = []Hop{Network, Name, Port, Secure, Broker}

// Codes of what is wrong, beside those of health.ServerUntrusted.
const (
	NoNetwork     = "line-none"         // no interface is up
	NameUnknown   = "line-name"         // there is no such name
	NameSilent    = "line-dns"          // whoever knows names does not answer
	NoRoute       = "line-route"        // no way there
	PortClosed    = "line-closed"       // the machine answers, nobody listens
	PortSilent    = "line-silent"       // nothing answers
	Cut           = "line-cut"          // somebody ends the connection
	NotTLS        = "line-foreign"      // what answers does not speak TLS
	SecureSilent  = "line-tls-silent"   // it listens and then says nothing
	SecureRefused = "line-tls-refused"  // it does not take our certificate
	BrokerRefused = "line-mqtt-refused" // nor us
	BrokerSilent  = "line-mqtt-silent"  // it says nothing
)

// Codes are all of them.
var Codes = []string{NoNetwork, NameUnknown, NameSilent, NoRoute, PortClosed, PortSilent, Cut, NotTLS, SecureSilent, SecureRefused, BrokerRefused, BrokerSilent, HubAway, LineWaits, LineCopy}

// Step is how one hop went.
type Step struct {
	Hop   Hop       `json:"hop"`
	Good  bool      `json:"good"`
	Took  int64     `json:"took_ms"`
	Code  string    `json:"code,omitempty"` // what is wrong
	Args  i18n.Args `json:"args,omitempty"`
	Cause string    `json:"cause,omitempty"` // technical
}

// Report is how far a probe of one server came.
type Report struct {
	Server string `json:"server"`
	Steps  []Step `json:"steps"` // those that were tried; the last one is broken, or none
	// RTT and Loss are what the kernel saw on the way; RTT of the broker's answers
	// when it came so far. Zero: not known.
	RTT      time.Duration `json:"-"`
	Sent     int64         `json:"sent"`     // bytes, TLS included
	Received int64         `json:"received"` // bytes
}

// Broken is the hop that did not work, nil when all did.
func (r Report) Broken() *Step {
	if n := len(r.Steps); n > 0 && !r.Steps[n-1].Good {
		return &r.Steps[n-1]
	}
	return nil
}

// Options of a probe. Server and Identity are needed.
type Options struct {
	Server   string // host:port
	Identity *identity.Identity
	Curves   []tls.CurveID // nil: those of Identity.TLS
	Timeout  time.Duration // of one hop; zero is DefaultTimeout
	// Session has the broker asked as the office itself. Nobody else may hold its
	// session meanwhile: the broker would end that.
	Session  bool
	Resolver *net.Resolver // nil: the system's
}

// Run probes one server.
func Run(ctx context.Context, o Options) Report {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	p := &prober{Options: o, report: Report{Server: o.Server}}
	p.walk(ctx)
	if p.line != nil {
		p.report.Sent, p.report.Received = p.line.sent.Load(), p.line.received.Load()
		p.line.Close()
	}
	return p.report
}

// prober is one probe.
type prober struct {
	Options
	report Report

	host string
	line *counted
	tls  *tls.Conn
}

func (p *prober) walk(ctx context.Context) {
	host, _, err := net.SplitHostPort(p.Server)
	if err != nil {
		host = p.Server
	}
	p.host = host
	steps := []struct {
		hop Hop
		do  func(context.Context) (string, error)
	}{{Network, p.network}, {Name, p.resolve}, {Port, p.connect}, {Secure, p.secure}}
	if p.Session {
		steps = append(steps, struct {
			hop Hop
			do  func(context.Context) (string, error)
		}{Broker, p.broker})
	}
	for _, s := range steps {
		start := time.Now()
		hop, cancel := context.WithTimeout(ctx, p.Timeout)
		code, err := s.do(hop)
		cancel()
		step := Step{Hop: s.hop, Good: code == "", Took: time.Since(start).Milliseconds()}
		if code != "" {
			step.Code, step.Args = code, i18n.Args{"server": p.Server, "host": p.host}
			if err != nil {
				step.Cause = err.Error()
			}
		}
		p.report.Steps = append(p.report.Steps, step)
		if code != "" {
			return
		}
	}
}

// network looks whether any line out of this machine is up. To itself none is
// needed.
func (p *prober) network(context.Context) (string, error) {
	if ip, err := netip.ParseAddr(p.host); err == nil && ip.IsLoopback() || p.host == "localhost" {
		return "", nil
	}
	list, err := net.Interfaces()
	if err != nil {
		return "", nil // it is not known: the next hops tell
	}
	for _, i := range list {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				return "", nil
			}
		}
	}
	return NoNetwork, nil
}

func (p *prober) resolve(ctx context.Context) (string, error) {
	if _, err := netip.ParseAddr(p.host); err == nil {
		return "", nil
	}
	_, err := p.Resolver.LookupHost(ctx, p.host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return NameUnknown, err
	}
	return NameSilent, err
}

func (p *prober) connect(ctx context.Context) (string, error) {
	d := &net.Dialer{KeepAlive: -1, Resolver: p.Resolver}
	conn, err := d.DialContext(ctx, "tcp", p.Server)
	if err != nil {
		return unreached(err), err
	}
	p.line = &counted{Conn: conn}
	p.report.RTT = mqtt.Path(conn).RTT
	return "", nil
}

// unreached says why there is no connection.
func unreached(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return PortClosed
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return NoRoute
	case errors.Is(err, syscall.ECONNRESET):
		return Cut
	}
	return PortSilent
}

func (p *prober) secure(ctx context.Context) (string, error) {
	cfg := p.Identity.TLSFor(p.Server)
	if p.Curves != nil {
		cfg.CurvePreferences = p.Curves
	}
	p.tls = tls.Client(p.line, cfg)
	if err := p.tls.HandshakeContext(ctx); err != nil {
		return p.distrusted(err), err
	}
	if p.Session {
		return "", nil // its answer tells
	}
	if err := p.line.SetReadDeadline(time.Now().Add(settle)); err != nil {
		return "", nil
	}
	_, err := p.tls.Read(make([]byte, 1))
	var alert *net.OpError
	switch {
	case errors.As(err, &alert) && alert.Op == "remote error":
		return SecureRefused, err
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return "", nil
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return SecureRefused, err // brokers that close without a word
	}
	return "", nil
}

// distrusted says why a handshake failed.
func (p *prober) distrusted(err error) string {
	var alert *net.OpError
	var record tls.RecordHeaderError
	switch fault := p.Identity.ServerFault(err); {
	case fault != "":
		return health.ServerUntrusted + string(fault)
	case errors.As(err, &alert) && alert.Op == "remote error":
		return SecureRefused
	case errors.As(err, &record):
		return NotTLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return SecureSilent
	}
	return Cut
}

// broker greets the broker as the office, which announces nothing, and takes
// leave.
func (p *prober) broker(ctx context.Context) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := p.tls.SetDeadline(deadline); err != nil {
			return Cut, err
		}
	}
	rtt, err := mqtt.Knock(p.tls, p.Identity.Code)
	var alert *net.OpError
	switch {
	case err == nil:
		p.report.RTT = rtt
		return "", nil
	case errors.Is(err, mqtt.ErrRefused):
		return BrokerRefused, err
	case errors.As(err, &alert) && alert.Op == "remote error":
		return SecureRefused, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return BrokerSilent, err
	}
	return Cut, err
}

// counted is a connection whose bytes are counted, and which ends at MaxBytes.
type counted struct {
	net.Conn
	sent, received atomic.Int64
}

// errCostly says that the other end sends more than a probe may cost.
var errCostly = errors.New("probe: the server sends too much")

func (c *counted) Read(b []byte) (int, error) {
	room := MaxBytes - c.received.Load()
	if room <= 0 {
		return 0, errCostly
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), room)])
	c.received.Add(int64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}
