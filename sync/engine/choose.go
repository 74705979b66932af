package engine

import (
	"container/heap"

	"tram/sync/wire"
)

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
	it.state, it.until = active, p.now
	it.left -= f.Offset - s.acked
	s.acked = f.Offset
	end := f.Offset + min(f.Credit, MaxCredit, s.size-f.Offset)
	if f.Round > s.round { // start over, be it further back
		s.round, s.next, s.limit = f.Round, f.Offset, end
	}
	s.next, s.limit = max(s.next, f.Offset), max(s.limit, end)
	if sent := it.total - it.left; sent > it.best {
		it.best, it.attempt = sent, 0
		p.do(Progress{ID: it.ID, Sent: sent, Total: it.total})
	}
}

// revive tells whether a WANT about it makes sense now. One that was taken
// back because the neighbour was silent becomes live again if it has a place.
func (p *Peer) revive(it *outItem) bool {
	switch it.state {
	case offering, offered, active:
		return true
	case ready, later:
		if !it.told || it.deferred || !p.out.hasPlace(it.Urgency, p.cfg.MaxOffers) {
			return false
		}
		p.out.leave(it)
		p.out.makeLive(it, offered)
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
	for i := range it.objects {
		if s := &it.objects[i]; s.next < s.limit {
			return s
		}
	}
	return nil
}

// underWay is how many bytes were handed out and are not acknowledged.
func (o *outgoing) underWay() (n int64) {
	for _, it := range o.live {
		for i := range it.objects {
			n += max(it.objects[i].next-it.objects[i].acked, 0)
		}
	}
	return n
}

// sendChunks gives out chunks until enough are in flight.
func (p *Peer) sendChunks() {
	o := &p.out
	for under := o.underWay(); o.chunks < p.cfg.InFlight; {
		it := p.choose()
		if it == nil {
			return
		}
		s := it.sendable()
		n := min(int64(p.cfg.Chunk), s.limit-s.next)
		if under > 0 && under+n > p.cfg.Window {
			return
		}
		under += n
		p.do(SendChunk{ID: it.ID, Object: s.index, Offset: s.next, N: int(n)})
		s.next += n
		o.served++
		it.served = o.served
		it.flying++
		it.pending++
		o.chunks++
	}
}

// choose picks the bundle whose chunk goes next: the most urgent, then the one
// with the least left to send, then the oldest. When FairEvery chunks in a row
// have passed over one that waits longer, that one gets a turn; more urgent
// work starts the count anew, so it is never the one to wait.
func (p *Peer) choose() *outItem {
	o := &p.out
	var best, longest *outItem
	for _, it := range o.live {
		if it.state != active || it.sendable() == nil {
			continue
		}
		if best == nil || goesBefore(it, best) {
			best = it
		}
		if longest == nil || it.served < longest.served {
			longest = it
		}
	}
	if best == nil {
		return nil
	}
	if longest == best || best.Urgency > o.urgency {
		o.fair = 0
	}
	o.urgency = best.Urgency
	if longest == best {
		return best
	}
	if o.fair++; o.fair > p.cfg.FairEvery {
		o.fair = 0
		return longest
	}
	return best
}

func goesBefore(a, b *outItem) bool {
	switch {
	case a.Urgency != b.Urgency:
		return a.Urgency > b.Urgency
	case a.left != b.left:
		return a.left < b.left
	default:
		return older(a, b)
	}
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

// itemHeap is a heap of bundles that also gives up others than the first.
type itemHeap struct {
	list   []*outItem
	before func(a, b *outItem) bool
}

func (h *itemHeap) top() *outItem {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *itemHeap) push(it *outItem)   { heap.Push((*heapOrder)(h), it) }
func (h *itemHeap) remove(it *outItem) { heap.Remove((*heapOrder)(h), it.pos) }

type heapOrder itemHeap

func (h *heapOrder) Len() int           { return len(h.list) }
func (h *heapOrder) Less(i, j int) bool { return h.before(h.list[i], h.list[j]) }

func (h *heapOrder) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].pos, h.list[j].pos = i, j
}

func (h *heapOrder) Push(x any) {
	it := x.(*outItem)
	it.pos = len(h.list)
	h.list = append(h.list, it)
}

func (h *heapOrder) Pop() any {
	n := len(h.list) - 1
	it := h.list[n]
	h.list[n] = nil
	h.list = h.list[:n]
	return it
}
