package alert

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tram/agent/connector/webhook"
)

// Pulse is the dead-man switch: it asks for an address outside while the hub is well,
// and the watcher there speaks up when that stops.
type Pulse struct {
	Pinger *webhook.Pinger
	Every  time.Duration
	// Alive says why the hub is not well; nil: it is. One that is not sends nothing.
	Alive  func(ctx context.Context) error
	Logger *slog.Logger

	mu      sync.Mutex
	failing time.Time
}

// failsAfter is how many times in a row it must fail to be a condition.
const failsAfter = 3

// Failing is since when no sign of life gets through; zero: it does.
func (p *Pulse) Failing() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failing
}

// Run asks until ctx ends.
func (p *Pulse) Run(ctx context.Context) error {
	failed := 0
	for {
		err := p.Alive(ctx)
		if err == nil {
			err = p.Pinger.Ping(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed++; err == nil {
			failed = 0
		} else {
			p.Logger.Warn("no sign of life given", "error", err)
		}
		p.note(failed)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.Every):
		}
	}
}

func (p *Pulse) note(failed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case failed == 0:
		p.failing = time.Time{}
	case failed >= failsAfter && p.failing.IsZero():
		p.failing = time.Now()
	}
}
