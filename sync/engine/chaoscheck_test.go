package engine

import (
	"github.com/google/uuid"
)

// simSentKey names an object on one hop; simSent is what its sender sent.
type simSentKey struct {
	from, to string
	id       uuid.UUID
	object   int
}

type simSent struct {
	life     int   // of the sender, when high was set
	high     int64 // end of the furthest chunk in any session
	dropped  int   // of the receiver's part, when high was set
	epoch    int   // of the receiver
	session  int   // the counts below are of
	first    int64 // offset of the first chunk
	bytes    int64 // sent
	restarts int   // WANTs of a new round, and offers
	round    uint32
}

func (s *sim) sentOf(r *simRun, id uuid.UUID, object int) *simSent {
	k := simSentKey{r.node.name, r.peer, id, object}
	st := s.p4[k]
	if st == nil {
		st = &simSent{}
		s.p4[k] = st
	}
	return st
}

func (s *sim) offered(r *simRun, id uuid.UUID) {
	for i := range s.docs[id].objects {
		st := s.sentOf(r, id, i)
		st.restarts++
		dropped := s.nodes[r.peer].store.dropped[simPartKey{r.node.name, id, i}]
		if st.dropped != dropped || st.epoch != r.epoch {
			*st = simSent{dropped: dropped, epoch: r.epoch, session: -1, restarts: st.restarts}
		}
	}
}

// checkChunk demands P4 of a chunk that is about to be sent: never below what
// was durable at the receiver when the session began; after a cut or a crash
// at most a window and a chunk go again; within a session no more than that
// for each time the transfer had to start over.
func (s *sim) checkChunk(r *simRun, c SendChunk) {
	st := s.sentOf(r, c.ID, c.Object)
	to := s.nodes[r.peer]
	k := simPartKey{r.node.name, c.ID, c.Object}
	dropped := to.store.dropped[k]
	again := s.cfg.Credit + int64(s.cfg.Chunk)
	if st.dropped != dropped || st.epoch != to.store.epoch {
		return // the receiver has lost its bytes, which the sender learns by and by
	}
	if st.session != r.link.session || st.life != r.node.life {
		st.session, st.life = r.link.session, r.node.life
		st.first, st.bytes, st.round = c.Offset, 0, 0
		if dropped > 0 { // a late WANT of before may have come first
			st.first, st.high = 0, 0
		}
		if !s.fault.stale && c.Offset < st.high-again {
			s.fail("P4: %v/%d resumes at %d after %d had been sent", c.ID, c.Object, c.Offset, st.high)
		}
	}
	if d := r.link.snap[r.link.side(to)][k]; !s.fault.stale && d.dropped == dropped && c.Offset < int64(d.bytes) {
		s.fail("P4: %v/%d sent from %d, durable at the receiver since the session began: %d", c.ID, c.Object, c.Offset, d.bytes)
	}
	st.bytes += int64(c.N)
	st.high = max(st.high, c.Offset+int64(c.N))
	size := int64(len(s.docs[c.ID].objects[c.Object]))
	if most := size - st.first + int64(st.restarts)*again; st.bytes > most {
		s.fail("P4: %v/%d: %d bytes sent in one session, at most %d", c.ID, c.Object, st.bytes, most)
	}
}

// checkBounds demands P9 of a Peer after each step.
func (r *simRun) checkBounds() {
	s, c := r.node.sim, r.p.cfg
	st := r.p.Stats()
	switch {
	case st.Held > c.MaxHeld, st.Held < 0:
		s.fail("P9: %d bytes held", st.Held)
	case st.Writing > c.MaxWriting, st.Writing < 0:
		s.fail("P9: %d bytes in writes", st.Writing)
	case st.Incoming > c.MaxIncoming:
		s.fail("P9: %d bundles coming in", st.Incoming)
	case st.InFlight > c.InFlight:
		s.fail("P9: %d chunks in flight", st.InFlight)
	case st.OnOffer > c.MaxOffers*(maxUrgency+1):
		s.fail("P9: %d bundles on offer", st.OnOffer)
	}
	r.p.checkInvariants(s.fail)
}

// checkInvariants demands what DESIGN.md numbers I1 to I5 of a Peer's inside.
func (p *Peer) checkInvariants(fail func(string, ...any)) {
	o, in := &p.out, &p.in
	lists := len(o.ready.list) + len(o.later.list) + len(o.live)
	for _, it := range o.items {
		if it.state == settling || it.state == held {
			lists++
		}
		if it.stale > it.pending || it.flying > it.pending {
			fail("I1: stale %d, flying %d, pending %d", it.stale, it.flying, it.pending)
		}
		for _, s := range it.objects {
			if s.acked < 0 || s.acked > s.next || s.next > s.size || s.limit > s.size {
				fail("I2: acked %d next %d limit %d size %d", s.acked, s.next, s.limit, s.size)
			}
		}
	}
	if lists != len(o.items) {
		fail("I1: %d bundles in lists, %d known", lists, len(o.items))
	}
	held := 0
	for _, b := range in.list {
		if in.bundles[b.id] != b {
			fail("I3: list and map differ")
		}
		for _, f := range b.fetches {
			held += f.heldBytes()
			if f.durable < 0 || f.durable > f.synced || f.synced > f.next || f.next > f.limit || f.limit > f.size {
				fail("I4: durable %d synced %d next %d limit %d size %d", f.durable, f.synced, f.next, f.limit, f.size)
			}
		}
	}
	if held != in.held || len(in.list) != len(in.bundles) {
		fail("I5: held %d, counted %d", held, in.held)
	}
}
