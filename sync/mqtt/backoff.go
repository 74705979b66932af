package mqtt

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Backoff paces attempts to connect: the wait before attempt n is random
// between nothing and Min doubled n times, at most Max ("full jitter"), so that
// thousands of offices do not return in step after an outage.
type Backoff struct{ Min, Max time.Duration }

// minWait keeps a jitter of nearly zero from becoming a busy loop.
const minWait = 20 * time.Millisecond

// proven is how long a connection must have lasted to end the backoff.
const proven = 10 * time.Second

func (b Backoff) wait(attempt int, random float64) time.Duration {
	ceiling := b.Min
	for range attempt {
		if ceiling >= b.Max {
			break
		}
		ceiling *= 2
	}
	return max(minWait, time.Duration(random*float64(min(ceiling, b.Max))))
}

// keeper keeps one connection: connect, wait until it is over, back off, again.
type keeper struct {
	connect func(ctx context.Context) (*conn, error)
	lost    func(c *conn) // the connection is over
	backoff Backoff
	log     *slog.Logger
	stats   *counters
	kick    chan struct{}

	mu     sync.Mutex
	status Status
	until  time.Time // no attempt before, whoever asks
}

func newKeeper(b Backoff, log *slog.Logger, stats *counters) *keeper {
	return &keeper{backoff: b, log: log, stats: stats, kick: make(chan struct{}, 1)}
}

// try asks for an immediate attempt.
func (k *keeper) try() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// rest keeps from connecting for a while, kicks or not.
func (k *keeper) rest(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = time.Now().Add(d)
}

func (k *keeper) resting() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Until(k.until)
}

func (k *keeper) run(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		c, err := k.connect(ctx)
		if err != nil {
			k.stats.failures.Add(1)
			k.log.Debug("connect failed", "error", err, "attempt", attempt)
		} else {
			start := time.Now()
			k.connected(c.server)
			k.log.Info("connected to broker", "server", c.server)
			select {
			case <-c.over:
			case <-ctx.Done():
			}
			err = c.cause()
			k.lost(c)
			k.log.Info("connection to broker ended", "server", c.server, "error", err)
			if c.proven.Load() || time.Since(start) >= proven {
				attempt = 0
			}
		}
		if k.pause(ctx, attempt, err) {
			attempt = -1
		}
	}
}

// pause waits before the next attempt and says whether a kick ended it.
func (k *keeper) pause(ctx context.Context, attempt int, err error) bool {
	wait, kick := k.backoff.wait(attempt, rand.Float64()), k.kick
	if rest := k.resting(); rest > wait {
		wait, kick = rest, nil
	}
	k.failed(err, wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-kick:
		return true
	case <-ctx.Done():
		return false
	}
}

func (k *keeper) connected(server string) {
	k.stats.connects.Add(1)
	select { // a kick that asked for this attempt
	case <-k.kick:
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status = Status{Connected: true, Server: server, Since: time.Now()}
}

func (k *keeper) failed(err error, wait time.Duration) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.status.Connected:
		k.status = Status{Server: k.status.Server, Since: now}
	case k.status.Since.IsZero():
		k.status.Since = now
		k.status.Attempts = 1
	default:
		k.status.Attempts++
	}
	k.status.Err = err
	k.status.NextTry = now.Add(wait)
}

func (k *keeper) trying(server string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Server = server
	k.status.NextTry = time.Time{}
}

func (k *keeper) snapshot() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}
