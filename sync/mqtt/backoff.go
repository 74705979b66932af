package mqtt

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// Backoff paces attempts to connect: the wait before attempt n is random
// between nothing and Min doubled n times, at most Max ("full jitter"), so that
// thousands of offices do not return in step after an outage.
//
// A kick says that the own line has come up: one attempt follows within kickSpread.
// What is known of the other side outlasts it. As long as it answered and did
// not take us (refused, reset, closed, see answered), the fault is not the own
// line's, thousands are in the same place, and the waits grow on. After silence
// they begin anew, for the line was the reason.
type Backoff struct{ Min, Max time.Duration }

// minWait keeps a jitter of nearly zero from becoming a busy loop.
const minWait = 20 * time.Millisecond

// kickSpread bounds the wait between a kick and its attempt, which is random: the
// links of thousands may come up in the same second.
const kickSpread = time.Second

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
	until  time.Time               // no attempt before, whoever asks
	abort  context.CancelCauseFunc // ends the attempt or connection of the moment
}

func newKeeper(b Backoff, log *slog.Logger, stats *counters) *keeper {
	return &keeper{backoff: b, log: log, stats: stats, kick: make(chan struct{}, 1)}
}

// try asks for an attempt within kickSpread unless there is a connection.
func (k *keeper) try() {
	if k.snapshot().Connected {
		return // kept, it would spoil the backoff after this connection
	}
	k.nudge()
}

// reset ends the attempt or connection of the moment and asks for another one.
func (k *keeper) reset(cause error) {
	k.nudge()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.abort != nil {
		k.abort(cause)
	}
}

func (k *keeper) nudge() {
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
		lasted, err := k.once(ctx, attempt)
		if lasted {
			attempt = 0
		}
		if k.pause(ctx, attempt, err) && !answered(err) {
			attempt = -1
		}
	}
}

// once makes one attempt and, when it succeeds, waits for the connection's end.
// It tells whether the connection lasted long enough to end the backoff.
func (k *keeper) once(ctx context.Context, attempt int) (lasted bool, err error) {
	life, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	k.mu.Lock()
	k.abort = abort
	k.mu.Unlock()
	c, err := k.connect(life)
	if err != nil {
		if life.Err() != nil {
			err = context.Cause(life)
		}
		k.stats.failures.Add(1)
		k.log.Debug("connect failed", "error", err, "attempt", attempt)
		return false, err
	}
	start := time.Now()
	k.connected(c.server)
	k.log.Info("connected to broker", "server", c.server)
	select {
	case <-c.over:
	case <-life.Done():
		if ctx.Err() == nil {
			c.end(context.Cause(life))
			k.nudge() // connected took that of reset when it was early
		}
	}
	err = c.cause()
	k.lost(c)
	k.log.Info("connection to broker ended", "server", c.server, "error", err)
	return c.proven.Load() || time.Since(start) >= proven, err
}

// pause waits before the next attempt and says whether a kick cut it short.
func (k *keeper) pause(ctx context.Context, attempt int, err error) (kicked bool) {
	wait, kick := k.backoff.wait(attempt, rand.Float64()), k.kick
	if rest := k.resting(); rest > wait {
		wait, kick = rest, nil
	}
	k.failed(err, wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return kicked
		case <-kick:
			if !kicked {
				kicked = true
				timer.Reset(k.soon())
			}
		case <-ctx.Done():
			return kicked
		}
	}
}

// answered says that a failure came from the other side: it was reached and did
// not want us, or ended the connection.
func answered(err error) bool {
	for _, reason := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, wsaRefused, wsaReset, io.EOF, io.ErrUnexpectedEOF, ErrRefused} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// What Windows says for ECONNREFUSED and ECONNRESET. No other system has errors
// of these numbers.
const (
	wsaRefused = syscall.Errno(10061)
	wsaReset   = syscall.Errno(10054)
)

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

// soon brings the next attempt forward after a kick and says in what time it is.
func (k *keeper) soon() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := rand.N(min(kickSpread, max(k.backoff.Min, minWait)))
	if next := time.Now().Add(wait); next.Before(k.status.NextTry) {
		k.status.NextTry = next
	}
	return max(0, time.Until(k.status.NextTry))
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
