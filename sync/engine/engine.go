// Package engine is the transfer state machine of two neighbours: what to
// offer, what to ask for, which chunk goes next, when to try again.
//
// It is pure: [Peer.Step] takes one event and the time and returns actions.
// Disk, network and clock are the runner's. What a Peer knows is a cache of
// the stores on both sides and may be thrown away at any instant: a new one
// that is told the outgoing bundles again carries on from what is durable.
// Loss, repetition and reordering of frames cost time, never content. The
// guarantees are numbered in DESIGN.md and tests name them.
package engine

import (
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

// Peer is the machine for one neighbour, both directions. It is not safe for
// use by several goroutines.
type Peer struct {
	cfg     Config
	up      bool
	now     time.Time // of the step being taken
	acts    []Action  // of the step being taken
	dropped uint64

	rules schedule.Rules
	pace  schedule.Pace
	opens time.Time // when there will be room for what goes next, if nothing is acknowledged before
	out   outgoing
	in    incoming
}

// New makes a Peer that knows of no bundle and is down.
func New(c Config) *Peer {
	c = c.withDefaults()
	return &Peer{cfg: c, pace: schedule.NewPace(c.Known, c.Window), out: newOutgoing(), in: newIncoming()}
}

// Step takes one event at the time now and returns what is to be done, in
// order. Times should carry Go's monotonic reading, so that a corrected clock
// does not disturb the timers; only Item.Expires is compared as wall time.
// The caller owns the result.
func (p *Peer) Step(now time.Time, ev Event) []Action {
	p.now, p.acts = now, nil
	switch ev := ev.(type) {
	case Up:
		p.stepDown()
		p.up, p.in.syncedAt = true, p.now
	case Down:
		p.stepDown()
	case Frame:
		if p.up {
			p.stepFrame(ev.Frame)
		}
	case Queued:
		p.stepQueued(ev.Item)
	case Withdrawn:
		p.stepWithdrawn(ev)
	case Restrict:
		p.stepRestrict(ev.Rules)
	case First:
		p.stepFirst(ev.ID)
	case Admitted:
		p.stepAdmitted(ev)
	case Written:
		p.stepWritten(ev)
	case Completed:
		p.stepCompleted(ev)
	case OfferSent:
		p.stepOfferSent(ev)
	case ChunkSent:
		p.stepChunkSent(ev)
	case Settled:
		p.stepSettled(ev)
	case Tick:
	}
	if p.up {
		p.checkFetches()
		p.checkLive()
		p.sendNext()
		p.wake()
	}
	acts := p.acts
	p.acts = nil
	return acts
}

func (p *Peer) stepFrame(f wire.Frame) {
	switch f := f.(type) {
	case wire.Offer:
		p.frameOffer(f)
	case wire.Chunk:
		p.frameChunk(f)
	case wire.Cancel:
		p.frameCancel(f)
	case wire.Want:
		p.frameWant(f)
	case wire.Custody:
		p.frameCustody(f)
	case wire.Refuse:
		p.frameRefuse(f)
	case wire.Defer:
		p.frameDefer(f)
	case wire.Ask:
		p.frameAsk(f)
	}
}

func (p *Peer) stepDown() {
	if !p.up {
		return
	}
	p.up = false
	p.flushFetches()
	p.in.reset()
	p.out.reset()
	p.pace = schedule.NewPace(p.pace.Estimate(), p.cfg.Window)
}

func (p *Peer) do(a Action)         { p.acts = append(p.acts, a) }
func (p *Peer) send(f wire.Frame)   { p.do(SendFrame{f}) }
func (p *Peer) drop()               { p.dropped++ }
func (p *Peer) cancel(id uuid.UUID) { p.send(wire.Cancel{ID: id}) }

// wake asks for a tick at the earliest deadline, when there is one.
func (p *Peer) wake() {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, it := range p.out.live {
		sooner(p.offerDeadline(it))
	}
	if it := p.out.later.top(); it != nil {
		sooner(it.until)
	}
	for _, b := range p.in.list {
		for _, f := range b.fetches {
			sooner(p.fetchDeadline(f))
		}
	}
	sooner(p.in.syncAt)
	sooner(p.opens)
	if !at.IsZero() {
		p.do(Wake{at})
	}
}

// Busy tells whether something is under way, or asked for, in either direction,
// so that the line ought not to be silent.
func (p *Peer) Busy() bool { return p.up && len(p.out.live)+len(p.in.list) > 0 }

// Stats is a snapshot of a Peer for the runner, status pages and tests.
type Stats struct {
	Up       bool
	Outgoing int    // bundles known and not settled
	OnOffer  int    // of these, offered and awaiting something
	Incoming int    // bundles on their way in
	Held     int    // bytes of chunks that came out of order
	Writing  int    // bytes in Write actions that are not answered
	InFlight int    // SendChunk actions that are not answered
	Dropped  uint64 // frames ignored since New: duplicates, not asked for, over a limit
	UnderWay int64  // bytes sent and not acknowledged
	Window   int64  // how many may be
	Chunk    int    // bytes in the next chunk at most
	Line     schedule.Estimate
}

// Stats returns a snapshot.
func (p *Peer) Stats() Stats {
	return Stats{
		Up: p.up, Outgoing: len(p.out.items), OnOffer: len(p.out.live), Incoming: len(p.in.list),
		Held: p.in.held, Writing: p.in.writing, InFlight: p.out.chunks, Dropped: p.dropped,
		UnderWay: p.out.underWay(0), Window: p.window(), Chunk: min(p.pace.Chunk(), p.cfg.Chunk), Line: p.pace.Estimate(),
	}
}
