package dossier

import (
	"sync"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of looking dossiers up, over all ways to do so.
const (
	// MaxTries is how often a code may be looked up with a wrong word within TriesWithin,
	// whether there is such a dossier or not. Hard.
	MaxTries    = 10
	TriesWithin = 15 * time.Minute
	// maxTried is how many codes are remembered. Beyond it the one that was first tried
	// longest ago is forgotten.
	maxTried = 20_000
)

// tries counts wrong words by code.
type tries struct {
	mu sync.Mutex
	by map[string]*tried
}

type tried struct {
	since time.Time
	wrong int
}

// often is the problem of a code that was tried too often, nil for none.
func (t *tries) often(key string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.by[key]
	if x == nil || now.Sub(x.since) >= TriesWithin || x.wrong < MaxTries {
		return nil
	}
	wait := TriesWithin - now.Sub(x.since)
	return problem.New(problem.Busy, "dossier.lookup-often", "code", i18n.Args{"minutes": int((wait + time.Minute - 1) / time.Minute)})
}

// note counts a wrong word.
func (t *tries) note(key string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]*tried{}
	}
	x := t.by[key]
	if x == nil || now.Sub(x.since) >= TriesWithin {
		t.room(now)
		x = &tried{since: now}
		t.by[key] = x
	}
	x.wrong++
}

// room forgets what is over, and when nothing is the oldest.
func (t *tries) room(now time.Time) {
	if len(t.by) < maxTried {
		return
	}
	oldest, since := "", now
	for key, x := range t.by {
		if now.Sub(x.since) >= TriesWithin {
			delete(t.by, key)
		} else if oldest == "" || x.since.Before(since) {
			oldest, since = key, x.since
		}
	}
	if len(t.by) >= maxTried {
		delete(t.by, oldest)
	}
}
