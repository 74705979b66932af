package guard

import (
	"context"
	"sync"
	"time"
)

const (
	// RefusalBurst is how many refusals of one action of a neighbour are told one
	// after the other. What comes then is counted in the next one's Unsaid: a
	// neighbour that sends bad offers without end fills neither log nor audit
	// chain.
	RefusalBurst = 20
	// RefusalEvery is how long it takes after RefusalBurst until one more is told.
	RefusalEvery = time.Minute
	// maxReported bounds the neighbours and actions that are remembered for that;
	// beyond it those go that have been silent for longest.
	maxReported = 4096
)

// reporter passes refusals on, not more than the bounds above.
type reporter struct {
	tell func(context.Context, Refusal)
	now  func() time.Time

	mu   sync.Mutex
	seen map[reported]*told
}

type reported struct{ peer, action string }

// told is a bucket of refusals that may be told.
type told struct {
	left   int
	filled time.Time // when left last grew, or the bucket was full
	unsaid int
}

func newReporter(tell func(context.Context, Refusal), now func() time.Time) *reporter {
	return &reporter{tell: tell, now: now, seen: map[reported]*told{}}
}

func (r *reporter) report(ctx context.Context, f Refusal) {
	if r.due(&f) {
		r.tell(ctx, f)
	}
}

func (r *reporter) due(f *Refusal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, now := reported{f.Peer, f.Action}, r.now()
	t := r.seen[key]
	if t == nil {
		r.makeRoom()
		t = &told{left: RefusalBurst, filled: now}
		r.seen[key] = t
	}
	switch grown := now.Sub(t.filled); {
	case grown < 0: // the clock was set back
		t.filled = now
	case grown >= RefusalEvery:
		n := int(min(grown/RefusalEvery, RefusalBurst))
		t.left, t.filled = min(t.left+n, RefusalBurst), t.filled.Add(grown.Truncate(RefusalEvery))
	}
	if t.left == 0 {
		t.unsaid++
		return false
	}
	t.left--
	f.Unsaid, t.unsaid = t.unsaid, 0
	return true
}

// makeRoom forgets the neighbour that has been silent for longest.
func (r *reporter) makeRoom() {
	if len(r.seen) < maxReported {
		return
	}
	var oldest reported
	var at time.Time
	for key, t := range r.seen {
		if at.IsZero() || t.filled.Before(at) {
			oldest, at = key, t.filled
		}
	}
	delete(r.seen, oldest)
}
