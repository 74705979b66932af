package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tram/agent/health"
	"tram/agent/problem"
	"tram/agent/support"
	"tram/sync/usb"
)

// since remembers from when on each condition has held, since the start.
type since struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// conditionKey tells conditions of one kind apart by what they are about.
func conditionKey(c health.Condition) string { return c.Code + "\x00" + fmt.Sprint(c.Args["name"]) }

// mark takes in what holds now.
func (s *since) mark(conditions []health.Condition, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	still := map[string]time.Time{}
	for _, c := range conditions {
		key := conditionKey(c)
		if still[key] = s.seen[key]; still[key].IsZero() {
			still[key] = now
		}
	}
	s.seen = still
}

// of is zero for what was never seen.
func (s *since) of(c health.Condition) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[conditionKey(c)]
}

// support gathers what may leave the house for those who help.
func (a *Agent) support(ctx context.Context) []support.File {
	return support.Collect(ctx, a.supportSources())
}

func (a *Agent) supportSources() support.Sources {
	s := support.Sources{Dir: a.o.Dir, Version: a.o.Version, Settings: a.o.Config.Values(), Status: a.Status, Log: a.lines, Doctor: a.examine, Now: a.clock.Now}
	if d := a.theDesk(); d != nil {
		s.DB, s.Connectors = d.db, d.connectors.List
	}
	return s
}

// station is this office for who holds its stick. A box that is an older copy
// has none.
func (d *desk) station() (usb.Station, error) {
	if halt := d.halt(); halt != nil {
		return nil, problem.New(problem.Conflict, "usb.older-copy", "", halt.Args)
	}
	return d.usb, nil
}
