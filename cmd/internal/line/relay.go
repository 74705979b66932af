package line

import (
	"context"
	"errors"
	"net"
	"sync"

	"tram/sync/linktest"
)

// resendAfter is how many round trips a lost segment holds a relayed
// connection up.
const resendAfter = 2

// relay is a line of TCP connections on loopback.
type relay struct {
	seed uint64

	mu       sync.Mutex
	up, down Direction
	cut      bool
	proxies  []*relayed
}

type relayed struct {
	*linktest.Proxy
	fromHub bool
}

// relayHost is both ends' view of the same machine.
type relayHost struct {
	line *relay
	hub  bool
}

// NewRelay makes a line without any right: only connections that were asked
// for by Host.Through go over it. A lost packet holds its connection up, a cut
// freezes all of them; what is on the way when it begins arrives when it ends.
func NewRelay(seed uint64) Line { return &relay{seed: seed} }

func (r *relay) Office() Host { return relayHost{r, false} }
func (r *relay) Hub() Host    { return relayHost{r, true} }

func (r *relay) Traffic() (Traffic, error) { return Traffic{}, ErrPackets }

// Set implements [Line].
func (r *relay) Set(upward, downward Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up, r.down = upward, downward
	for _, p := range r.proxies {
		p.Proxy.Set(r.lines(p.fromHub))
	}
}

// lines returns both directions as a proxy sees them whose clients are on the
// office, or on the hub. r.mu is held.
func (r *relay) lines(fromHub bool) (upward, downward linktest.Line) {
	stall := resendAfter * (r.up.Delay + r.down.Delay)
	of := func(d Direction) linktest.Line {
		return linktest.Line{Rate: d.Rate / 8, Delay: d.Delay, Loss: d.Loss, Stall: stall, Buffer: d.room()}
	}
	if fromHub {
		return of(r.down), of(r.up)
	}
	return of(r.up), of(r.down)
}

// Link implements [Line].
func (r *relay) Link(isUp bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = !isUp
	for _, p := range r.proxies {
		p.follow(r.cut)
	}
}

func (p *relayed) follow(cut bool) {
	if cut {
		p.Freeze()
	} else {
		p.Thaw()
	}
}

// Close implements [Line].
func (r *relay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, p := range r.proxies {
		errs = append(errs, p.Close())
	}
	r.proxies = nil
	return errors.Join(errs...)
}

func (relayHost) Addr() string     { return "127.0.0.1" }
func (relayHost) Prefix() []string { return nil }

func (relayHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (h relayHost) Through(address string) (string, error) {
	r := h.line
	r.mu.Lock()
	defer r.mu.Unlock()
	upward, downward := r.lines(h.hub)
	proxy, err := linktest.NewProxy(linktest.ProxyOptions{Target: address, Seed: r.seed, Up: upward, Down: downward})
	if err != nil {
		return "", err
	}
	p := &relayed{proxy, h.hub}
	p.follow(r.cut)
	r.proxies = append(r.proxies, p)
	return proxy.Addr(), nil
}
