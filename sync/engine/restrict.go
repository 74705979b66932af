package engine

import (
	"bytes"
	"maps"
	"slices"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

// allows tells whether an outgoing bundle may travel over the present line.
func (p *Peer) allows(it *outItem) bool {
	return it.flow.First || p.rules.Allow(it.Urgency, it.total+it.Offer)
}

// allowsIn tells the same of an incoming one.
func (p *Peer) allowsIn(id uuid.UUID, urgency uint8, size int64) bool {
	return p.in.asks[id] || p.rules.Allow(urgency, size)
}

// stepRestrict holds back what may not travel any more, and lets go what may.
func (p *Peer) stepRestrict(rules schedule.Rules) {
	p.rules = rules
	o := &p.out
	for _, it := range slices.Clone(o.live) {
		if !p.allows(it) {
			p.cancel(it.ID) // CodeNone: keep what you have
			o.leave(it)
			it.state = held
		}
	}
	for _, it := range o.items {
		switch {
		case it.state == held && p.allows(it):
			o.makeReady(it)
		case (it.state == ready || it.state == later) && !p.allows(it):
			o.leave(it)
			it.state = held
		}
	}
	if p.up {
		p.restrictIncoming()
	}
}

func (p *Peer) restrictIncoming() {
	in := &p.in
	for _, b := range slices.Clone(in.list) {
		if b.state == receiving && !p.allowsIn(b.id, b.urgency, b.size) {
			p.postpone(b)
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(in.metered), compareIDs) {
		if b := in.metered[id]; p.allowsIn(id, b.urgency, b.size) {
			delete(in.metered, id)
			p.send(wire.Ask{ID: id})
		}
	}
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// postpone defers an incoming bundle until the line is another or it is asked
// for. What has come of it is made durable and stays.
func (p *Peer) postpone(b *inBundle) {
	for _, f := range b.fetches {
		if f.synced < f.next {
			p.flush(b, f)
		}
	}
	if len(p.in.metered) < p.cfg.MaxIncoming {
		p.in.metered[b.id] = b
	}
	p.deferBundle(b, wire.CodeMetered, p.cfg.MaxDefer)
}

// stepFirst makes a bundle go first, whatever the rules say.
func (p *Peer) stepFirst(id uuid.UUID) {
	if it := p.out.items[id]; it != nil {
		it.flow.First = true
		p.requeue(it)
		return
	}
	if len(p.in.asks) < p.cfg.MaxIncoming {
		p.in.asks[id] = true
	}
	delete(p.in.metered, id)
	if p.up {
		p.send(wire.Ask{ID: id, First: true})
	}
}

// frameAsk makes an outgoing bundle go now, because its receiver asks.
func (p *Peer) frameAsk(f wire.Ask) {
	it := p.out.items[f.ID]
	if it == nil || it.state == settling || it.state == held && !f.First {
		p.drop()
		return
	}
	it.flow.First = it.flow.First || f.First
	p.requeue(it)
}

// requeue gives a bundle the turn that it has now.
func (p *Peer) requeue(it *outItem) {
	switch it.state {
	case held, later, ready:
		p.out.leave(it)
		it.deferred, it.brief = false, false
		p.out.makeReady(it)
	case offering, offered, active:
		p.out.picker.Join(&it.flow)
	}
}
