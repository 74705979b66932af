package dossier

import (
	"sync"
	"time"
)

// Bounds of looking dossiers up, over all ways to do so.
const (
	// MaxTries is how often a code may be looked up with a wrong word within TriesWithin,
	// whether there is such a dossier or not. Hard.
	MaxTries    = 10
	TriesWithin = 15 * time.Minute
	// maxTried is how many keys are remembered. Beyond it the one that was first tried
	// longest ago is forgotten.
	maxTried = 20_000
)

// Tries counts by key, such as wrong words by code. Make one with [NewTries].
type Tries struct {
	most   int
	within time.Duration
	mu     sync.Mutex
	by     map[string]*tried
}

type tried struct {
	since time.Time
	count int
}

// NewTries allows most of them within a time.
func NewTries(most int, within time.Duration) *Tries {
	return &Tries{most: most, within: within, by: map[string]*tried{}}
}

// Wait is how long until a key may be tried again, 0 for now.
func (t *Tries) Wait(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.by[key]
	if x == nil || t.over(x, now) || x.count < t.most {
		return 0
	}
	return t.within - now.Sub(x.since)
}

// Note counts one. A clock that was set back begins anew.
func (t *Tries) Note(key string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.by[key]
	if x == nil || t.over(x, now) {
		t.room(now)
		x = &tried{since: now}
		t.by[key] = x
	}
	x.count++
}

func (t *Tries) over(x *tried, now time.Time) bool {
	return now.Sub(x.since) >= t.within || now.Before(x.since)
}

// room forgets what is over, and when nothing is the oldest.
func (t *Tries) room(now time.Time) {
	if len(t.by) < maxTried {
		return
	}
	oldest, since := "", now
	for key, x := range t.by {
		if t.over(x, now) {
			delete(t.by, key)
		} else if oldest == "" || x.since.Before(since) {
			oldest, since = key, x.since
		}
	}
	if len(t.by) >= maxTried {
		delete(t.by, oldest)
	}
}
