package engine

import (
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"
)

// sendNext gives out offers and chunks, each time the one whose turn it is,
// until that one finds no room.
func (p *Peer) sendNext() {
	o := &p.out
	o.due(p.now)
	p.opens = time.Time{}
	for {
		it := p.choose()
		switch {
		case it == nil:
			p.pace.Starved()
			return
		case it.state == ready && !p.sendOffer(it), it.state == active && !p.sendChunk(it):
			return
		}
	}
}

// choose picks the bundle whose offer or chunk goes next, nil when none waits.
// An offer goes before the chunks of its like while the line would soon run out
// of wanted bytes: what it brings is wanted a round trip later.
func (p *Peer) choose() *outItem {
	o := &p.out
	offer := p.nextOffer()
	wanted := int64(0)
	flow := o.picker.Next(func(yield func(*schedule.Flow) bool) {
		for _, it := range o.live {
			wanted += it.wanted
			if it.state == active && it.sendable() != nil && !yield(&it.flow) {
				return
			}
		}
		if offer != nil {
			yield(&offer.flow)
		}
	})
	switch {
	case flow == nil:
		return nil
	case offer != nil && offer.flow.Level(flow) && wanted < 2*p.window():
		return offer
	case offer != nil && flow == &offer.flow:
		return offer
	}
	for _, it := range o.live {
		if flow == &it.flow {
			return it
		}
	}
	return nil
}

// nextOffer is the bundle to be offered next, if there is a place for it. One
// whose lifetime is over ends here.
func (p *Peer) nextOffer() *outItem {
	o := &p.out
	for it := o.ready.top(); it != nil; it = o.ready.top() {
		switch {
		case !it.Expires.IsZero() && !p.now.Before(it.Expires):
			p.end(it, wire.CodeExpired)
		case o.hasPlace(it.Urgency, p.cfg.MaxOffers):
			return it
		default:
			return nil // nor is there one for the less urgent ones behind it
		}
	}
	return nil
}

// window is how many bytes may be under way.
func (p *Peer) window() int64 { return p.pace.Window(p.now) }

// room is how many of n more bytes of this urgency may go: all, what the window
// has left if that is at least half of them, or none. What is less urgent and
// under way does not count against them; one piece may always go.
func (p *Peer) room(urgency uint8, n int64) int64 {
	if urgency < schedule.VeryUrgent {
		urgency = 0
	}
	under := p.out.underWay(urgency)
	switch left := p.window() - under; {
	case under == 0 || n <= left:
		return n
	case n <= 2*left:
		return left
	default:
		p.opens = p.pace.Opens(under + n)
		return 0
	}
}

func (p *Peer) sendOffer(it *outItem) bool {
	o := &p.out
	if o.offers >= p.cfg.InFlight || p.room(it.Urgency, it.offerSize()) < it.offerSize() {
		return false
	}
	o.leave(it)
	it.unwanted()
	it.told, it.deferred, it.brief = true, false, false
	it.mark = p.pace.Sent(p.now, it.offerSize(), o.underWay(0))
	o.makeLive(it, offering)
	o.picker.Sent(&it.flow, it.offerSize())
	it.pending++
	o.offers++
	p.do(SendOffer{it.ID})
	return true
}

func (p *Peer) sendChunk(it *outItem) bool {
	o, s := &p.out, it.sendable()
	n := p.room(it.Urgency, min(int64(p.pace.Chunk()), int64(p.cfg.Chunk), s.limit-s.next))
	if o.chunks >= p.cfg.InFlight || n == 0 {
		return false
	}
	p.do(SendChunk{ID: it.ID, Object: s.index, Offset: s.next, N: int(n)})
	s.marks = append(s.marks, flight{end: s.next + n, n: n, mark: p.pace.Sent(p.now, n, o.underWay(0))})
	s.next += n
	o.count(it)
	o.picker.Sent(&it.flow, n)
	it.flying++
	it.pending++
	o.chunks++
	return true
}

// frameWant records what the neighbour has and wants.
func (p *Peer) frameWant(f wire.Want) {
	it := p.out.items[f.ID]
	if it == nil {
		p.cancel(f.ID) // CodeNone: not on offer now
		return
	}
	if !p.revive(it) {
		p.drop()
		return
	}
	s := it.object(f.Object)
	if s == nil || f.Offset < 0 || f.Offset > s.size || f.Credit < 0 ||
		f.Round < s.round || f.Round == s.round && f.Offset < s.acked {
		p.drop() // not of this bundle, or overtaken by a later one
		return
	}
	p.heard(it)
	it.state, it.until = active, p.now
	it.flow.Left -= f.Offset - s.acked
	s.acked = f.Offset
	if last, n := s.arrived(f.Offset); n > 0 {
		p.pace.Acked(p.now, last, n)
	}
	end := f.Offset + min(f.Credit, MaxCredit, s.size-f.Offset)
	if f.Round > s.round { // start over, be it further back
		s.round, s.next, s.limit, s.marks = f.Round, f.Offset, end, nil
	}
	s.next, s.limit = max(s.next, f.Offset), max(s.limit, end)
	p.out.count(it)
	if sent := it.total - it.flow.Left; sent > it.best {
		it.best, it.attempt = sent, 0
		p.do(Progress{ID: it.ID, Sent: sent, Total: it.total})
	}
}

// heard takes an answer as the acknowledgement of an offer.
func (p *Peer) heard(it *outItem) {
	if it.state == offering || it.state == offered {
		p.pace.Acked(p.now, it.mark, it.offerSize())
	}
}

// heardAll takes custody as the acknowledgement of all that was sent.
func (p *Peer) heardAll(it *outItem) {
	p.heard(it)
	for i := range it.objects {
		if last, n := it.objects[i].arrived(it.objects[i].size); n > 0 {
			p.pace.Acked(p.now, last, n)
		}
	}
}

// revive tells whether a WANT about it makes sense now. One that was taken
// back because the neighbour was silent becomes live again if it has a place.
func (p *Peer) revive(it *outItem) bool {
	switch it.state {
	case offering, offered, active:
		return true
	case ready, later:
		if !it.told || it.deferred || it.brief || !p.out.hasPlace(it.Urgency, p.cfg.MaxOffers) {
			return false
		}
		p.out.leave(it)
		p.out.makeLive(it, active)
		return true
	default:
		return false
	}
}

func (it *outItem) object(index int) *sending {
	for i := range it.objects {
		if it.objects[i].index == index {
			return &it.objects[i]
		}
	}
	return nil
}

// sendable is the first object with bytes that may go now, nil if none has.
func (it *outItem) sendable() *sending {
	if it.wanted == 0 {
		return nil
	}
	for i := range it.objects {
		if s := &it.objects[i]; s.next < s.limit {
			return s
		}
	}
	return nil
}

// arrived takes off the marks of what is durable up to a length, and returns
// the newest of them and how many bytes they were.
func (s *sending) arrived(length int64) (last schedule.Mark, n int64) {
	i := 0
	for ; i < len(s.marks) && s.marks[i].end <= length; i++ {
		last = s.marks[i].mark
		n += s.marks[i].n
	}
	s.marks = s.marks[:copy(s.marks, s.marks[i:])]
	return last, n
}

func (p *Peer) stepChunkSent(ev ChunkSent) {
	p.out.chunks = max(p.out.chunks-1, 0)
	it := p.out.items[ev.ID]
	if it == nil || !it.answered() {
		return
	}
	it.flying = max(it.flying-1, 0)
	if it.state == settling {
		return
	}
	switch ev.Result {
	case Gone:
		p.end(it, wire.CodeWithdrawn)
	case Failed:
		if it.state == active {
			p.retryLater(it)
		}
	default:
		if it.state == active {
			it.until = p.now
		}
	}
}
