package exchange

import (
	"context"
	"maps"
	"sync"
	"time"

	"tram/storage"
	"tram/sync/wire"
)

// Bounds of the search for frames that end the connection.
const (
	// PoisonTries is how many connections in a row one frame may end before its
	// bundle is parked: not offered to this neighbour for ParkTime, while others go on.
	PoisonTries = 3
	// ParkTime is how long a bundle stays parked. Then its frame has one more try.
	ParkTime = 10 * time.Minute
	// blameTime is how long before the end of a connection a frame may have been
	// handed over to be suspected of it.
	blameTime = 30 * time.Second
	// probation is how long a suspected frame travels alone, unless it is answered.
	probation = 5 * time.Second
)

// trial finds the one frame that makes a broker end the connection: too large for
// a limit on the way, or something that nobody thought of. Without it the connection would come back, the frame would be sent again,
// and nothing else would ever pass.
//
// When a connection ends, each frame that was handed over shortly before and has
// no answer gets a strike. With one strike left it travels alone, so that the blame
// is its own. On a line that is merely bad, something of the bundle passes before
// it comes to that; a line that went silent accuses nobody, nor does a neighbour
// that left.
type trial struct {
	now func() time.Time

	mu      sync.Mutex
	air     map[storage.ID]handed // first frame of each bundle without an answer
	strikes map[storage.ID]strike
	parked  map[storage.ID]time.Time // until
	changed chan struct{}            // closed and replaced when air shrinks
}

// head names a frame of a bundle: its OFFER, or a CHUNK.
type head struct {
	chunk  bool
	object int
	offset int64
}

type handed struct {
	head
	at time.Time
}

type strike struct {
	head
	count int
}

func newTrial(now func() time.Time) *trial {
	return &trial{
		now: now, air: map[storage.ID]handed{}, strikes: map[storage.ID]strike{},
		parked: map[storage.ID]time.Time{}, changed: make(chan struct{}),
	}
}

// hand notes that a frame is about to be handed to the link. It waits while a
// suspect is, or has to be, alone in the air: until the answer, at most for
// probation.
func (t *trial) hand(ctx context.Context, id storage.ID, h head) {
	for ctx.Err() == nil {
		t.mu.Lock()
		now := t.now()
		wait := t.crowded(id, h).Sub(now)
		if wait <= 0 {
			if _, waits := t.air[id]; !waits {
				t.air[id] = handed{h, now}
			}
			t.mu.Unlock()
			return
		}
		changed := t.changed
		t.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// crowded says until when something else is in the air that this suspect must
// not travel with, or the other way round. t.mu is held.
func (t *trial) crowded(id storage.ID, h head) (until time.Time) {
	for other, f := range t.air {
		if other == id || !t.suspected(id, h) && !t.suspected(other, f.head) {
			continue
		}
		if over := f.at.Add(probation); over.After(until) {
			until = over
		}
	}
	return until
}

// suspected says whether this frame has only one strike left. t.mu is held.
func (t *trial) suspected(id storage.ID, h head) bool {
	s := t.strikes[id]
	return s.count >= PoisonTries-1 && s.head == h
}

// answered takes a frame of the neighbour, which shows that what it answers has
// passed.
func (t *trial) answered(frame wire.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch f := frame.(type) {
	case wire.Want:
		t.passed(f.ID, func(h head) bool { return !h.chunk || h.object == f.Object && f.Offset > h.offset })
	case wire.Custody:
		t.passed(f.ID, func(head) bool { return true })
	case wire.Refuse:
		t.passed(f.ID, func(head) bool { return true })
	case wire.Defer:
		t.passed(f.ID, func(h head) bool { return !h.chunk })
	}
}

func (t *trial) passed(id storage.ID, covers func(head) bool) {
	if s, known := t.strikes[id]; known && covers(s.head) {
		delete(t.strikes, id)
	}
	if f, waits := t.air[id]; waits && covers(f.head) {
		delete(t.air, id)
		t.stir()
	}
}

func (t *trial) stir() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// ended is told that the connection ended, and whether the other end closed it.
// It returns the bundles that are parked from now on.
func (t *trial) ended(cut bool) (parked []storage.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var suspects, fresh []storage.ID
	for id, f := range t.air {
		switch {
		case !cut || now.Sub(f.at) > blameTime:
		case t.suspected(id, f.head):
			suspects = append(suspects, id)
		default:
			fresh = append(fresh, id)
		}
	}
	if len(suspects) == 0 { // else those were alone, and the others are not to blame
		suspects = fresh
	}
	for _, id := range suspects {
		s := strike{head: t.air[id].head}
		if old := t.strikes[id]; old.head == s.head {
			s.count = old.count
		}
		if s.count++; s.count >= PoisonTries {
			s.count = PoisonTries - 1
			t.parked[id] = now.Add(ParkTime)
			parked = append(parked, id)
		}
		t.strikes[id] = s
	}
	clear(t.air)
	t.stir()
	return parked
}

// isParked says whether a bundle is not to be offered now.
func (t *trial) isParked(id storage.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	_, parked := t.parked[id]
	return parked
}

func (t *trial) countParked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	return len(t.parked)
}

// release ends what was parked for long enough. t.mu is held.
func (t *trial) release() {
	maps.DeleteFunc(t.parked, func(_ storage.ID, until time.Time) bool { return !t.now().Before(until) })
}

// forget drops what is known of a bundle that is no longer outgoing.
func (t *trial) forget(id storage.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.strikes, id)
	delete(t.parked, id)
}
