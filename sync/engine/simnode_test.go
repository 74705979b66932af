package engine

import (
	"slices"
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

// simNode is an office or a hub: a store that survives crashes and a Peer for
// each neighbour that does not.
type simNode struct {
	sim   *sim
	name  string
	store *simStore
	links []*simLink
	alive bool
	life  int // counts boots
	rules schedule.Rules
	runs  map[string]*simRun
}

// simRun runs the Peer for one neighbour during one life of the node.
type simRun struct {
	node  *simNode
	peer  string
	link  *simLink
	life  int
	p     *Peer
	disk  time.Time // when the disk is free
	line  time.Time // when the link takes the next offer or chunk
	epoch int       // of the neighbour
	wake  int       // number of the last Wake
}

// restrict sets the rules of the node's line, also after its next boot.
func (n *simNode) restrict(rules schedule.Rules) {
	n.rules = rules
	for _, l := range n.links {
		n.tell(l.other(n).name, Restrict{rules})
	}
}

func (n *simNode) boot() {
	n.alive = true
	n.life++
	n.runs = make(map[string]*simRun)
	for _, l := range n.links {
		peer := l.other(n).name
		n.runs[peer] = &simRun{node: n, peer: peer, link: l, life: n.life, p: New(n.sim.cfg)}
		n.tell(peer, Restrict{n.rules})
		l.connect(n.sim.between(0, 2*time.Second))
	}
}

// toward is the neighbour through which an office is reached: nodes stand in a
// row.
func (n *simNode) toward(office string) string {
	at, to := slices.Index(n.sim.names, n.name), slices.Index(n.sim.names, office)
	if to > at {
		return n.sim.names[at+1]
	}
	return n.sim.names[at-1]
}

// isHub tells whether a node passes bundles on.
func (n *simNode) isHub() bool { return len(n.links) > 1 }

func (n *simNode) tell(peer string, ev Event) {
	if r := n.runs[peer]; n.alive && r != nil {
		r.step(ev)
	}
}

// kill crashes the node; it boots again after a while.
func (n *simNode) kill(wait time.Duration) {
	s := n.sim
	s.log("%s crashes", n.name)
	n.alive = false
	n.store.crash(s.rng, s.fault.torn)
	if s.fault.wipe && n.isHub() && s.chance(500) {
		s.log("%s loses its store", n.name)
		n.store = newSimStore(n.store.epoch + 1)
	}
	for _, l := range n.links {
		l.end()
	}
	s.after(wait, n.boot)
}

func (r *simRun) valid() bool { return r.node.alive && r.node.life == r.life }

func (r *simRun) step(ev Event) {
	s := r.node.sim
	s.steps++
	acts := r.p.Step(s.now, ev)
	if s.trace != nil {
		s.log("%s→%s %T%+v", r.node.name, r.peer, ev, brief(ev))
	}
	r.checkBounds()
	for i, a := range acts {
		if _, wake := a.(Wake); wake && i != len(acts)-1 {
			s.fail("Wake is not the last action")
		}
		r.do(a)
	}
}

func (r *simRun) received(f wire.Frame) {
	if w, ok := f.(wire.Want); ok {
		if st := r.node.sim.sentOf(r, w.ID, w.Object); w.Round > st.round {
			st.round = w.Round
			st.restarts++
		}
	}
	r.step(Frame{f})
}

func (r *simRun) do(a Action) {
	s := r.node.sim
	if s.trace != nil {
		s.log("    %s→%s %T%+v", r.node.name, r.peer, a, brief(a))
	}
	switch a := a.(type) {
	case SendOffer:
		s.offered(r, a.ID)
		r.onLine(func() { r.step(OfferSent{a.ID, r.transmit(a.ID, nil)}) })
	case SendChunk:
		s.checkChunk(r, a)
		r.onLine(func() {
			r.step(ChunkSent{a.ID, a.Object, a.Offset, a.N, r.transmit(a.ID, &a)})
		})
	case SendFrame:
		r.link.carry(r.node, a.Frame)
	case Wake:
		r.wake++
		n := r.wake
		s.after(max(a.At.Sub(s.now), 0), func() {
			if r.valid() && r.wake == n {
				r.step(Tick{})
			}
		})
	case Progress:
		if a.Sent > a.Total || a.Sent < 0 {
			s.fail("progress %d of %d", a.Sent, a.Total)
		}
	default:
		r.onDisk(a)
	}
}

// onLine runs fn when the link has taken what goes before.
func (r *simRun) onLine(fn func()) {
	s := r.node.sim
	if r.line.Before(s.now) {
		r.line = s.now
	}
	r.line = r.line.Add(s.between(0, 20*time.Millisecond))
	s.after(r.line.Sub(s.now), func() {
		if r.valid() {
			fn()
		}
	})
}

func (r *simRun) transmit(id uuid.UUID, c *SendChunk) Result {
	o := r.node.store.out[r.peer][id]
	switch {
	case o == nil:
		return Gone
	case !r.link.on[r.link.side(r.node)]:
		return Failed
	case c == nil:
		r.link.carry(r.node, o.doc.offer())
	default:
		data := o.doc.objects[c.Object][c.Offset : c.Offset+int64(c.N)]
		r.link.carry(r.node, wire.Chunk{ID: id, Object: c.Object, Offset: c.Offset, Data: data})
	}
	return Done
}

// onDisk carries a store action out in its turn, with a crash before or after
// it if the schedule says so.
func (r *simRun) onDisk(a Action) {
	s := r.node.sim
	if r.disk.Before(s.now) {
		r.disk = s.now
	}
	pause := s.between(0, 10*time.Millisecond)
	if s.chance(s.fault.slowDisk) {
		pause = s.between(0, 20*time.Second)
	}
	r.disk = r.disk.Add(pause)
	s.after(r.disk.Sub(s.now), func() {
		if !r.valid() || s.crashes(r.node, false) {
			return
		}
		ev := r.persist(a)
		if s.crashes(r.node, true) {
			return
		}
		if ev != nil {
			r.step(ev)
		}
	})
}

func (s *sim) crashes(n *simNode, after bool) bool {
	if !after {
		s.persis++
	}
	if s.crash != nil && s.crash(n, after) || s.chance(s.fault.crash) {
		n.kill(s.between(0, 30*time.Second))
		return true
	}
	return false
}

// persist carries a store action out and returns its answer.
func (r *simRun) persist(a Action) Event {
	s, st := r.node.sim, r.node.store
	broken := s.chance(s.fault.store)
	switch a := a.(type) {
	case Admit:
		if broken {
			return Admitted{a.Offer.ID, Admission{Defer: wire.CodeFull, After: 3 * time.Second}}
		}
		if d := s.docs[a.Offer.ID]; d.refused {
			return Admitted{d.id, Admission{Refuse: wire.CodeTooLarge, Text: "refused"}}
		}
		return Admitted{a.Offer.ID, st.admit(r.peer, s.docs[a.Offer.ID], a.Offer.Inline)}
	case Write:
		if broken {
			return Written{ID: a.ID, Object: a.Object, N: len(a.Data), Code: wire.CodeFull}
		}
		return st.write(r.peer, a)
	case Complete:
		if broken {
			return Completed{ID: a.ID, Code: wire.CodeInternal}
		}
		return st.complete(r.peer, s.docs[a.ID], r.node.arrived)
	case Settle:
		if broken {
			return Settled{a.ID, true}
		}
		if a.Receipt == nil {
			return r.refused(a)
		}
		st.settle(r.peer, a.ID, a.Receipt)
		return Settled{a.ID, false}
	case Forget:
		st.forget(r.peer, a.ID)
	}
	return nil
}

// refused ends a document that the neighbour will never take.
func (r *simRun) refused(a Settle) Event {
	d := r.node.sim.docs[a.ID]
	if !d.refused || a.Code != wire.CodeTooLarge {
		r.node.sim.fail("%s settles %v with refusal %d", r.node.name, a.ID, a.Code)
		return Settled{a.ID, true}
	}
	delete(r.node.store.out[r.peer], a.ID)
	return Settled{a.ID, false}
}

// arrived is what a node does with a complete bundle, in the same transaction:
// a hub forwards it, an office reads it and answers a document with a receipt.
func (n *simNode) arrived(d *simDoc) {
	s := n.sim
	if d.to != n.name {
		n.forward(d)
		return
	}
	n.store.handed[d.id]++
	if n.store.handed[d.id] > 1 {
		s.fail("P2: %v handed over twice at %s", d.id, n.name)
	}
	if d.inReplyTo == uuid.Nil {
		s.next++
		r := newSimDoc(s.next, n.name, d.from, 1, s.now, []int{40}, 0)
		r.inReplyTo = d.id
		s.docs[r.id] = r
		toward := n.toward(d.from)
		n.store.put(toward, r, true)
		s.after(0, func() { n.tell(toward, Queued{r.item()}) })
		return
	}
	n.ended(d.inReplyTo)
}

// forward passes a bundle on. What goes to another hub is kept, since that one
// may burn down, until the receipt of the recipient passes by.
func (n *simNode) forward(d *simDoc) {
	s, next := n.sim, n.toward(d.to)
	n.store.put(next, d, s.nodes[next].isHub())
	s.after(0, func() { n.tell(next, Queued{d.item()}) })
	if doc := s.docs[d.inReplyTo]; doc != nil {
		toward := n.toward(doc.to)
		delete(n.store.out[toward], doc.id)
		s.after(0, func() { n.tell(toward, Withdrawn{ID: doc.id}) })
	}
}

// ended drops a receipted document from the sender's store.
func (n *simNode) ended(id uuid.UUID) {
	s := n.sim
	d := s.docs[id]
	if s.nodes[d.to].store.handed[id] != 1 {
		s.fail("P3: %v ended at %s before it arrived at %s", id, n.name, d.to)
	}
	toward := n.toward(d.to)
	delete(n.store.out[toward], id)
	s.after(0, func() { n.tell(toward, Withdrawn{ID: id}) })
}

// brief shortens what traces print.
func brief(v any) any {
	switch v := v.(type) {
	case Write:
		return struct {
			ID     uuid.UUID
			Object int
			Offset int64
			N      int
			Sync   bool
		}{v.ID, v.Object, v.Offset, len(v.Data), v.Sync}
	case Frame:
		return briefFrame(v.Frame)
	case SendFrame:
		return briefFrame(v.Frame)
	case Admit:
		return v.Offer.ID
	}
	return v
}

func briefFrame(f wire.Frame) any {
	if c, ok := f.(wire.Chunk); ok {
		return struct {
			ID     uuid.UUID
			Object int
			Offset int64
			N      int
		}{c.ID, c.Object, c.Offset, len(c.Data)}
	}
	return f
}
