package engine

import (
	"slices"
	"time"

	"tram/sync/wire"

	"github.com/google/uuid"
)

// incoming is the receiver half of a Peer. It lives as long as a session; the
// durable part of what it receives is in the store.
type incoming struct {
	bundles map[uuid.UUID]*inBundle
	list    []*inBundle // the same, in order of arrival

	asked   map[uuid.UUID]int // Admit actions not answered, sessions before included
	admits  int               // their sum
	round   uint32            // last one given out in this session
	held    int               // bytes of pieces that came out of order, with overhead
	writing int               // bytes in Write actions not answered
	bad     map[uuid.UUID]int // failed digests, at most MaxIncoming entries

	syncedAt time.Time               // when bytes were last made durable because of AckDelay
	syncAt   time.Time               // when they next are; zero: none wait
	metered  map[uuid.UUID]*inBundle // postponed in this session, at most MaxIncoming
	asks     map[uuid.UUID]bool      // asked for by a person, at most MaxIncoming
}

// lookAhead is how many bytes of a bundle are asked for at least, if need be of
// more than MaxObjects objects, so that small ones do not cost a round trip each.
const lookAhead = 64 << 10

type inState uint8

const (
	admitting inState = iota
	receiving
	completing
)

type inBundle struct {
	id      uuid.UUID
	state   inState
	fetches []*fetch  // by index
	moved   time.Time // when it last made progress
	urgency uint8
	size    int64
}

func newIncoming() incoming {
	return incoming{
		bundles: make(map[uuid.UUID]*inBundle),
		asked:   make(map[uuid.UUID]int),
		bad:     make(map[uuid.UUID]int),
		metered: make(map[uuid.UUID]*inBundle),
		asks:    make(map[uuid.UUID]bool),
	}
}

// reset forgets what belongs to a session.
func (in *incoming) reset() {
	clear(in.bundles)
	clear(in.metered)
	in.list, in.held, in.round = nil, 0, 0
	in.syncAt = time.Time{}
}

func (in *incoming) remove(b *inBundle) {
	for _, f := range b.fetches {
		in.held -= f.heldBytes()
	}
	delete(in.bundles, b.id)
	i := slices.Index(in.list, b)
	in.list = slices.Delete(in.list, i, i+1)
}

func (p *Peer) frameOffer(f wire.Offer) {
	in := &p.in
	if b := in.bundles[f.ID]; b != nil {
		if b.state == receiving { // our WANTs may have been lost
			for _, ft := range b.fetches {
				if ft.open {
					p.wantAll(b, ft, false)
				}
			}
		}
		return
	}
	if in.admits >= p.cfg.MaxIncoming || !p.makeRoom() {
		p.send(wire.Defer{ID: f.ID, Code: wire.CodeBusy, After: seconds(p.cfg.BusyAfter)})
		return
	}
	b := &inBundle{id: f.ID, moved: p.now}
	in.bundles[b.id] = b
	in.list = append(in.list, b)
	in.asked[b.id]++
	in.admits++
	p.do(Admit{f})
}

// makeRoom tells whether one more bundle may come in, if need be instead of
// the one that has been idle longest.
func (p *Peer) makeRoom() bool {
	if len(p.in.list) < p.cfg.MaxIncoming {
		return true
	}
	var idle *inBundle
	for _, b := range p.in.list {
		if b.state == receiving && (idle == nil || b.moved.Before(idle.moved)) {
			idle = b
		}
	}
	if idle == nil || p.now.Sub(idle.moved) < p.cfg.Idle {
		return false
	}
	p.in.remove(idle)
	return true
}

func (p *Peer) stepAdmitted(ev Admitted) {
	in := &p.in
	if n := in.asked[ev.ID]; n > 0 {
		in.admits--
		if n > 1 {
			in.asked[ev.ID]--
			return // the answer to an earlier offer: a newer one is on its way
		}
		delete(in.asked, ev.ID)
	}
	b := in.bundles[ev.ID]
	if b == nil || b.state != admitting {
		return
	}
	switch {
	case ev.Receipt != nil:
		in.remove(b)
		p.send(wire.Custody{ID: b.id, Receipt: ev.Receipt})
	case ev.Refuse != wire.CodeNone:
		in.remove(b)
		p.send(wire.Refuse{ID: b.id, Code: ev.Refuse, Text: wire.CutText(ev.Text)})
	case ev.Defer != wire.CodeNone:
		p.deferBundle(b, ev.Defer, ev.After)
	default:
		b.urgency, b.size = ev.Urgency, ev.Size
		p.startFetching(b, ev.Need)
	}
}

// deferBundle gives an incoming bundle up until it is offered again.
func (p *Peer) deferBundle(b *inBundle, code wire.Code, after time.Duration) {
	p.in.remove(b)
	if after <= 0 {
		after = p.cfg.BusyAfter
	}
	p.send(wire.Defer{ID: b.id, Code: code, After: min(seconds(after), wire.MaxAfter)})
}

func (p *Peer) startFetching(b *inBundle, need map[int]Need) {
	b.state, b.moved = receiving, p.now
	p.in.round++ // what an earlier admission asked for no longer holds
	for i, n := range need {
		n.Durable = min(max(n.Durable, 0), n.Size)
		b.fetches = append(b.fetches, &fetch{
			object: i, size: n.Size, open: n.Durable == n.Size, round: p.in.round,
			durable: n.Durable, next: n.Durable, synced: n.Durable, limit: n.Durable,
		})
	}
	slices.SortFunc(b.fetches, func(x, y *fetch) int { return x.object - y.object })
	if !b.complete() && !p.allowsIn(b.id, b.urgency, b.size) {
		p.postpone(b)
		return
	}
	delete(p.in.metered, b.id)
	for _, f := range b.fetches {
		if f.size > 0 && f.done() {
			p.want(b, f, false) // acknowledges what an earlier session brought
		}
	}
	p.fetchNext(b)
}

// fetchNext asks for further objects while few are open, and completes the
// bundle when nothing is missing.
func (p *Peer) fetchNext(b *inBundle) {
	if b.complete() {
		b.state = completing
		p.do(Complete{b.id})
		return
	}
	open, bytes := 0, int64(0)
	for _, f := range b.fetches {
		if open >= p.cfg.MaxObjects && bytes >= min(lookAhead, p.cfg.Credit) {
			return
		}
		if !f.open {
			f.open = true
			p.want(b, f, false)
		}
		if f.next < f.size {
			open++
			bytes += f.size - f.next
		}
	}
}

func (b *inBundle) complete() bool {
	return !slices.ContainsFunc(b.fetches, func(f *fetch) bool { return !f.done() })
}

func (p *Peer) frameCancel(f wire.Cancel) {
	b := p.in.bundles[f.ID]
	if b != nil {
		if b.state == completing {
			return // it is all here: custody will tell
		}
		p.in.remove(b)
	}
	if f.Code != wire.CodeNone { // else it is only not on offer now
		p.do(Forget{ID: f.ID})
	}
}

func (p *Peer) stepCompleted(ev Completed) {
	b := p.in.bundles[ev.ID]
	if ev.Receipt != nil {
		if b != nil {
			p.in.remove(b)
		}
		delete(p.in.bad, ev.ID)
		delete(p.in.asks, ev.ID)
		if p.up {
			p.send(wire.Custody{ID: ev.ID, Receipt: ev.Receipt})
		}
		return
	}
	if ev.Code == wire.CodeDigest && p.countBad(ev.ID) {
		if b != nil {
			p.in.remove(b)
		}
		p.do(Forget{ID: ev.ID, Refused: ev.Code})
		if p.up {
			p.send(wire.Refuse{ID: ev.ID, Code: wire.CodeDigest})
		}
		return
	}
	if b == nil || b.state != completing {
		return
	}
	switch ev.Code {
	case wire.CodeDigest:
		p.deferBundle(b, ev.Code, minDefer)
	case wire.CodeNone:
		p.deferBundle(b, wire.CodeInternal, 0)
	default:
		p.deferBundle(b, ev.Code, 0)
	}
}

// countBad counts a failed digest and tells whether it was the last one that
// is borne with. When too many bundles are counted the counts start anew.
func (p *Peer) countBad(id uuid.UUID) bool {
	bad := p.in.bad
	if _, known := bad[id]; !known && len(bad) >= p.cfg.MaxIncoming {
		clear(bad)
	}
	bad[id]++
	if bad[id] < p.cfg.MaxDigest {
		return false
	}
	delete(bad, id)
	return true
}
