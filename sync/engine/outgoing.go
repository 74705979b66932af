package engine

import (
	"bytes"
	"slices"
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

// state of an outgoing bundle.
type state uint8

const (
	ready    state = iota // to be offered as soon as there is a place
	later                 // to be offered from outItem.until on
	offering              // SendOffer not answered yet
	offered               // OFFER sent, nothing heard
	active                // the neighbour wants bytes of it
	settling              // Settle not answered yet
	held                  // not over the present line: Restrict
)

const maxUrgency = 3

// outgoing is the sender half of a Peer.
type outgoing struct {
	items  map[uuid.UUID]*outItem
	ready  itemHeap
	later  itemHeap
	live   []*outItem          // offering, offered, active
	places [maxUrgency + 1]int // of live, by urgency

	offers int // SendOffer not answered
	chunks int // SendChunk not answered

	picker schedule.Picker
	under  [maxUrgency + 1]int64 // bytes under way of live, by urgency
}

type outItem struct {
	Item
	flow     schedule.Flow // Left: bytes not yet durable at the neighbour as far as this offer tells
	state    state
	told     bool      // an OFFER was sent in this session, so frames about it make sense
	deferred bool      // later for another reason than silence: a WANT of before means nothing
	brief    bool      // deferred for this session only
	until    time.Time // later: when to offer; live: when something last moved
	attempt  int       // offers without progress since
	objects  []sending // of the last offer of this session, by index
	total    int64     // bytes of all objects
	best     int64     // most bytes durable at the neighbour in this session
	flying   int       // chunks not answered
	pending  int       // offers and chunks not answered
	stale    int       // of pending, from an earlier session: the next answers
	over     bool      // settling: the session of the answer has ended
	requeued bool      // settling: Queued came again
	mark     schedule.Mark
	under    int64 // bytes under way, the offer included
	wanted   int64 // bytes that are wanted and not sent, or soon will be
	pos      int   // in its heap
}

// sending is one object of a live bundle, as the neighbour asked for it.
type sending struct {
	index int
	size  int64
	acked int64    // durable at the neighbour
	next  int64    // first byte not handed out
	limit int64    // end of the window
	round uint32   // of the newest WANT
	marks []flight // of bytes that are under way, oldest first
}

// flight is one chunk under way.
type flight struct {
	end, n int64
	mark   schedule.Mark
}

func (it *outItem) offerSize() int64 { return max(it.Offer, 1) }

func newOutgoing() outgoing {
	return outgoing{
		items: make(map[uuid.UUID]*outItem),
		ready: itemHeap{before: precedes},
		later: itemHeap{before: func(a, b *outItem) bool {
			if !a.until.Equal(b.until) {
				return a.until.Before(b.until)
			}
			return precedes(a, b)
		}},
	}
}

// precedes is the order in which bundles are offered.
func precedes(a, b *outItem) bool {
	switch {
	case schedule.Before(&a.flow, &b.flow):
		return true
	case schedule.Before(&b.flow, &a.flow):
		return false
	default:
		return older(a, b)
	}
}

func older(a, b *outItem) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return bytes.Compare(a.ID[:], b.ID[:]) < 0
}

// reset forgets what belongs to a session. Bundles that the neighbour has
// deferred keep waiting; the others are ready at once.
func (o *outgoing) reset() {
	for _, it := range o.items {
		it.stale, it.flying, it.attempt, it.best, it.told = it.pending, 0, 0, 0, false
		it.objects, it.flow.Left = nil, it.total
		switch it.state {
		case settling:
			it.over = true
		case offering, offered, active:
			o.leave(it)
			o.makeReady(it)
		case ready:
			o.leave(it) // what is left has changed, and so its turn
			o.makeReady(it)
		case later:
			if !it.deferred || it.brief {
				o.leave(it)
				o.makeReady(it)
			}
		}
	}
}

// leave takes it out of the list or heap that it is in. A state must follow.
func (o *outgoing) leave(it *outItem) {
	switch it.state {
	case ready:
		o.ready.remove(it)
	case later:
		o.later.remove(it)
	case offering, offered, active:
		i := slices.Index(o.live, it)
		o.live = slices.Delete(o.live, i, i+1)
		o.places[it.Urgency]--
		o.under[it.Urgency] -= it.under
		it.under, it.wanted = 0, 0
	}
}

func (o *outgoing) makeReady(it *outItem) {
	it.state = ready
	o.picker.Join(&it.flow)
	o.ready.push(it)
}

func (o *outgoing) makeLater(it *outItem, until time.Time, deferred bool) {
	it.state, it.until, it.deferred = later, until, deferred
	o.later.push(it)
}

func (o *outgoing) remove(it *outItem) {
	o.leave(it)
	delete(o.items, it.ID)
}

// hasPlace tells whether a bundle of urgency u may go on offer: only those at
// least as urgent count.
func (o *outgoing) hasPlace(u uint8, limit int) bool {
	n := 0
	for _, c := range o.places[u:] {
		n += c
	}
	return n < limit
}

// makeLive gives it a place.
func (o *outgoing) makeLive(it *outItem, s state) {
	it.state = s
	o.live = append(o.live, it)
	o.places[it.Urgency]++
	o.count(it)
}

// count takes account of what of a live bundle is under way and wanted.
func (o *outgoing) count(it *outItem) {
	o.under[it.Urgency] -= it.under
	it.under, it.wanted = 0, 0
	if it.state == offering || it.state == offered {
		it.under, it.wanted = it.offerSize(), it.flow.Left
	}
	for i := range it.objects {
		s := &it.objects[i]
		it.under += max(s.next-s.acked, 0)
		if it.state == active {
			it.wanted += max(s.limit-s.next, 0)
		}
	}
	o.under[it.Urgency] += it.under
}

// underWay is how many bytes of at least some urgency are sent and not
// acknowledged.
func (o *outgoing) underWay(least uint8) (n int64) {
	for _, under := range o.under[least:] {
		n += under
	}
	return n
}

// due makes ready what has waited long enough.
func (o *outgoing) due(now time.Time) {
	for it := o.later.top(); it != nil && !now.Before(it.until); it = o.later.top() {
		o.leave(it)
		o.makeReady(it)
	}
}

// unwanted starts an offer: as far as known nothing is wanted and nothing
// durable.
func (it *outItem) unwanted() {
	it.flow.Left = it.total
	it.objects = make([]sending, 0, len(it.Objects))
	for i, size := range it.Objects {
		it.objects = append(it.objects, sending{index: i, size: size})
	}
	slices.SortFunc(it.objects, func(a, b sending) int { return a.index - b.index })
}

func (p *Peer) stepQueued(item Item) {
	if it := p.out.items[item.ID]; it != nil {
		it.requeued = it.state == settling
		return
	}
	item.Urgency = min(item.Urgency, maxUrgency)
	it := &outItem{Item: item, flow: schedule.Flow{Urgency: item.Urgency}}
	for _, size := range item.Objects {
		it.total += size
	}
	it.flow.Left = it.total
	p.out.items[it.ID] = it
	if !p.allows(it) {
		it.state = held
		return
	}
	p.out.makeReady(it)
}

func (p *Peer) stepWithdrawn(ev Withdrawn) {
	if it := p.out.items[ev.ID]; it != nil {
		p.end(it, ev.Code)
	}
}

// end drops a bundle and tells the neighbour, if it may know of it.
func (p *Peer) end(it *outItem, code wire.Code) {
	if it.told && it.state != settling {
		if code == wire.CodeNone {
			code = wire.CodeWithdrawn
		}
		p.send(wire.Cancel{ID: it.ID, Code: code})
	}
	p.out.remove(it)
}

func (p *Peer) stepOfferSent(ev OfferSent) {
	p.out.offers = max(p.out.offers-1, 0)
	it := p.out.items[ev.ID]
	if it == nil || !it.answered() {
		return
	}
	switch {
	case ev.Result == Gone:
		p.end(it, wire.CodeWithdrawn)
	case it.state != offering:
	case ev.Result == Failed:
		p.retryLater(it)
	default:
		it.state, it.until = offered, p.now
	}
}

// answered counts an answer and tells whether it is of this session.
func (it *outItem) answered() bool {
	it.pending = max(it.pending-1, 0)
	if it.stale > 0 {
		it.stale--
		return false
	}
	return true
}

// retryLater gives up a place and tries again after a growing wait.
func (p *Peer) retryLater(it *outItem) {
	p.out.leave(it)
	p.out.makeLater(it, p.now.Add(p.cfg.backoff(it.attempt)), false)
	it.attempt++
}

// offerDeadline is when a live bundle has been silent for too long; zero while
// it is this side's turn.
func (p *Peer) offerDeadline(it *outItem) time.Time {
	if it.state == offered || it.state == active && it.flying == 0 && (it.under > 0 || it.sendable() == nil) {
		return it.until.Add(p.cfg.RetryMin)
	}
	return time.Time{}
}

// checkLive takes back what the neighbour is silent about. Its place is free
// for others during the part of the backoff that exceeds RetryMin.
func (p *Peer) checkLive() {
	for i := 0; i < len(p.out.live); {
		it := p.out.live[i]
		at := p.offerDeadline(it)
		if at.IsZero() || p.now.Before(at) {
			i++
			continue
		}
		rest := p.cfg.backoff(it.attempt) - p.cfg.RetryMin
		it.attempt++
		p.out.leave(it)
		p.out.makeLater(it, p.now.Add(rest), false)
	}
}

func (p *Peer) frameCustody(f wire.Custody) {
	if it := p.out.items[f.ID]; it != nil && it.state != settling {
		p.heardAll(it)
		p.settle(it, Settle{ID: f.ID, Receipt: f.Receipt})
	}
}

func (p *Peer) frameRefuse(f wire.Refuse) {
	it := p.out.items[f.ID]
	switch {
	case it == nil || !it.told || it.state == settling:
		p.drop()
	case f.Code == wire.CodeFull || f.Code == wire.CodeBusy || f.Code == wire.CodeInternal:
		p.deferItem(it, f.Code, p.cfg.BusyAfter) // codes that mean "later"
	default:
		p.heard(it)
		p.settle(it, Settle{ID: f.ID, Code: f.Code, Text: f.Text})
	}
}

func (p *Peer) frameDefer(f wire.Defer) {
	it := p.out.items[f.ID]
	if it == nil || !it.told || it.state == settling {
		p.drop()
		return
	}
	p.deferItem(it, f.Code, f.After)
}

func (p *Peer) deferItem(it *outItem, code wire.Code, after time.Duration) {
	p.heard(it)
	p.out.leave(it)
	p.out.makeLater(it, p.now.Add(min(max(after, minDefer), p.cfg.MaxDefer)), true)
	it.brief = code == wire.CodeMetered
	it.attempt, it.best = 0, 0
}

func (p *Peer) settle(it *outItem, s Settle) {
	p.out.leave(it)
	it.state, it.over, it.requeued = settling, false, false
	p.do(s)
}

func (p *Peer) stepSettled(ev Settled) {
	it := p.out.items[ev.ID]
	if it == nil || it.state != settling {
		return
	}
	switch {
	case ev.Failed:
		p.out.makeLater(it, p.now.Add(p.cfg.backoff(it.attempt)), true)
		it.attempt++
	case it.over && it.requeued:
		// The neighbour may have come back with a new store before its old
		// answer was recorded, and the runner have listed the bundle for that.
		p.out.makeReady(it)
	default:
		delete(p.out.items, it.ID)
	}
}
