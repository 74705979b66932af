package appkey

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one application.
const (
	// MaxAtOnce is how many calls may be under way.
	MaxAtOnce = 16
	// MaxWaiting is how many of them may be waiting for something to happen.
	MaxWaiting = 4
	// busyRetry is when to try again when too many are.
	busyRetry = time.Second
	// burst is which part of a minute's calls may come at once, at least
	// minBurst.
	burst    = 10
	minBurst = 10
)

// limits are the allowances of all applications, by name.
type limits struct {
	mu sync.Mutex
	by map[string]*allowance
}

type allowance struct {
	bucket          *rate.Limiter
	perMinute       int
	active, waiting int
}

// Take lets one call of an application in, or says when to try again. done ends
// the call.
func (s *Store) Take(a App) (done func(), retry time.Duration) {
	l := &s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.of(a)
	if all.active >= MaxAtOnce {
		return nil, busyRetry
	}
	now := s.now()
	reserved := all.bucket.ReserveN(now, 1)
	if wait := reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
		return nil, wait
	}
	all.active++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		all.active--
	}, 0
}

// TakeWait is Take for the part of a call that waits; it costs no call.
func (s *Store) TakeWait(a App) (done func(), retry time.Duration) {
	l := &s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.of(a)
	if all.waiting >= MaxWaiting {
		return nil, busyRetry
	}
	all.waiting++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		all.waiting--
	}, 0
}

func (l *limits) of(a App) *allowance {
	all := l.by[a.Name]
	if all == nil || all.perMinute != a.Rate {
		all = &allowance{bucket: rate.NewLimiter(rate.Limit(float64(a.Rate)/60), max(a.Rate/burst, minBurst)), perMinute: a.Rate}
		l.by[a.Name] = all
	}
	return all
}
