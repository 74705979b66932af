package exchange

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"tram/storage"
	"tram/sync/schedule"
)

// Bounds of one node, all its sessions together. They matter to a hub when
// thousands of offices return at once. Hỏa tốc and thượng khẩn are counted and
// never held back by them.
const (
	// maxAdmitting is how many offers are written down at once, and taken over when
	// they came whole. Further ones are deferred to the time when their turn would
	// come.
	maxAdmitting = 64
	// maxBeginning is how many sessions begin at once, which means to read from the
	// store what there is for the neighbour. Further ones wait.
	maxBeginning = 32
	// maxIncoming is how many bundles may be on their way in: some 4 kB each in
	// memory. Further offers are deferred.
	maxIncoming = 20_000
	// maxReading is how many offers and chunks are read from the store and handed
	// to the link at once, some 100 kB each in memory. Further ones wait.
	maxReading = 64
	// maxPace bounds how long an offer is deferred for.
	maxPace = 2 * time.Minute
	// usualAdmission is how long writing an offer down is thought to take before
	// the first was measured.
	usualAdmission = 20 * time.Millisecond
)

// pacer spreads what many sessions want at once over the time that it takes. The
// chance that the engine may not use comes from here.
type pacer struct {
	reading   chan struct{}
	beginning chan struct{}
	arriving  atomic.Int64

	mu        sync.Mutex
	admitting int
	took      time.Duration // an admission, on average
	turn      time.Time     // of the offer deferred last
}

func newPacer() *pacer {
	return &pacer{
		reading: make(chan struct{}, maxReading), beginning: make(chan struct{}, maxBeginning), took: usualAdmission,
	}
}

// admit says whether an offer may be written down now, and else in what time it
// may come again. done is to be called afterwards.
func (p *pacer) admit(urgency uint8, now time.Time) (done func(), after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if urgency < schedule.VeryUrgent && (p.admitting >= maxAdmitting || p.arriving.Load() >= maxIncoming) {
		if p.turn.Before(now) {
			p.turn = now
		}
		p.turn = p.turn.Add(p.took / maxAdmitting)
		ahead := min(p.turn.Sub(now), maxPace)
		// Half of it again, so that those who wait the longest do not meet.
		return nil, time.Second + ahead + rand.N(ahead/2+time.Second)
	}
	p.admitting++
	begin := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.admitting--
		p.took += (time.Since(begin) - p.took) / 16
	}, 0
}

// read waits for a place among those who read from the store. done is to be
// called afterwards; nil when ctx ended.
func (p *pacer) read(ctx context.Context, urgency uint8) (done func()) {
	if urgency >= schedule.VeryUrgent {
		return func() {}
	}
	return wait(ctx, p.reading)
}

// begin is read for the beginning of a session.
func (p *pacer) begin(ctx context.Context) (done func()) { return wait(ctx, p.beginning) }

func wait(ctx context.Context, places chan struct{}) (done func()) {
	select {
	case places <- struct{}{}:
		return func() { <-places }
	case <-ctx.Done():
		return nil
	}
}

// keep remembers the header of a bundle on its way in, forget ends that, and
// forgetAll ends it for all.
func (s *session) keep(id storage.ID, header []byte) {
	if _, known := s.incoming[id]; !known {
		s.node.pace.arriving.Add(1)
	}
	s.incoming[id] = header
}

func (s *session) forget(id storage.ID) {
	if _, known := s.incoming[id]; known {
		s.node.pace.arriving.Add(-1)
		delete(s.incoming, id)
	}
}

func (s *session) forgetAll() {
	s.node.pace.arriving.Add(-int64(len(s.incoming)))
	s.incoming = map[storage.ID][]byte{}
}
