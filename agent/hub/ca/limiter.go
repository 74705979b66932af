package ca

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Rate of requests per remote address. Mobile operators put many offices
// behind one address, so it is generous; it keeps one address from occupying
// the service, not from guessing: the secret has 128 bits.
const (
	limitBurst   = 30
	limitRefill  = 500 * time.Millisecond // time for one more request
	limitSources = 4096                   // addresses remembered; the fullest are forgotten first
)

// limiter is a token bucket per source: an IPv4 address or an IPv6 /64.
type limiter struct {
	mu      sync.Mutex
	sources map[netip.Prefix]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter() *limiter { return &limiter{sources: map[netip.Prefix]bucket{}} }

// take counts a request from remote and returns how long it would have to
// wait; zero lets it through.
func (l *limiter) take(remote string, now time.Time) time.Duration {
	source := sourceOf(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.sources[source]
	if !ok {
		l.makeRoom(now)
		b = bucket{tokens: limitBurst, at: now}
	}
	b = b.refilled(now)
	if b.tokens < 1 {
		l.sources[source] = b
		return time.Duration((1 - b.tokens) * float64(limitRefill))
	}
	b.tokens--
	l.sources[source] = b
	return 0
}

// refilled is the bucket refilled until now.
func (b bucket) refilled(now time.Time) bucket {
	if gone := now.Sub(b.at); gone > 0 {
		b.tokens = min(limitBurst, b.tokens+float64(gone)/float64(limitRefill))
	}
	b.at = now
	return b
}

// makeRoom forgets sources whose bucket is full again and, when there is none,
// the one that is fullest.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.sources) < limitSources {
		return
	}
	var fullest netip.Prefix
	most := -1.0
	for s, b := range l.sources {
		tokens := b.refilled(now).tokens
		if tokens >= limitBurst {
			delete(l.sources, s)
			continue
		}
		if tokens > most {
			fullest, most = s, tokens
		}
	}
	if len(l.sources) >= limitSources {
		delete(l.sources, fullest)
	}
}

func sourceOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{} // all unknown ones share a bucket
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
