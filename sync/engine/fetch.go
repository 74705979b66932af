package engine

import (
	"slices"
	"time"

	"tram/sync/wire"
)

// fetch is one object on its way in. Always
// durable ≤ synced ≤ next ≤ limit ≤ size, but for an object not yet open.
type fetch struct {
	object  int
	size    int64
	open    bool      // asked for
	durable int64     // as the store says
	synced  int64     // end of the last Write with Sync
	next    int64     // bytes before it were handed to the store
	limit   int64     // bytes before it were asked for
	wanted  int64     // offset of the last WANT
	held    []piece   // beyond next, by offset
	pending int       // Write actions not answered
	due     bool      // a WANT is to follow when they are
	again   bool      // of a new round
	round   uint32    // of the last WANT
	asked   time.Time // when it last moved or was asked for
	gap     time.Time // since when bytes are missing before others; zero: none are
	attempt int       // WANTs without progress since
}

type piece struct {
	offset int64
	data   []byte
}

// pieceOverhead is what a held piece counts beside its bytes, so that tiny
// ones are bounded too.
const pieceOverhead = 64

func (f *fetch) done() bool { return f.durable == f.size }

func (f *fetch) heldBytes() int {
	n := 0
	for _, h := range f.held {
		n += len(h.data) + pieceOverhead
	}
	return n
}

// want tells the sender what is durable and how much more to send; again says
// that what is in flight is lost.
func (p *Peer) want(b *inBundle, f *fetch, again bool) {
	credit := min(p.cfg.Credit, f.size-f.durable)
	f.limit = max(f.limit, f.durable+credit)
	f.wanted, f.asked, f.due, f.again = f.durable, p.now, false, false
	if again {
		p.in.round++
		f.round = p.in.round
	}
	p.send(wire.Want{ID: b.id, Object: f.object, Offset: f.durable, Credit: credit, Round: f.round})
}

func (p *Peer) frameChunk(c wire.Chunk) {
	b := p.in.bundles[c.ID]
	if b == nil || b.state != receiving {
		p.drop()
		return
	}
	f := b.fetch(c.Object)
	if f == nil || !f.open || c.Offset < 0 || c.Offset >= f.limit || int64(len(c.Data)) > f.limit-c.Offset {
		p.drop()
		return
	}
	switch {
	case c.Offset+int64(len(c.Data)) <= f.next:
		p.drop() // repeated
		return
	case c.Offset > f.next:
		p.hold(f, piece{c.Offset, c.Data})
		return
	}
	if !p.take(b, f, piece{c.Offset, c.Data}) {
		return
	}
	b.moved, f.asked, f.attempt = p.now, p.now, 0
	f.gap = time.Time{}
	p.takeHeld(b, f)
	if len(f.held) > 0 {
		f.missing(p.now) // another hole: it has its own time
	}
	if f.next == f.size {
		p.fetchNext(b)
	}
}

// takeHeld takes the pieces that follow on now.
func (p *Peer) takeHeld(b *inBundle, f *fetch) {
	for len(f.held) > 0 && f.held[0].offset <= f.next {
		h := f.held[0]
		f.held = slices.Delete(f.held, 0, 1)
		p.in.held -= len(h.data) + pieceOverhead
		if !p.take(b, f, h) {
			return
		}
	}
}

// take hands the bytes of h from next on to the store. It tells whether there
// was room.
func (p *Peer) take(b *inBundle, f *fetch, h piece) bool {
	end := h.offset + int64(len(h.data))
	if end <= f.next {
		return true
	}
	data := h.data[f.next-h.offset:]
	if p.in.writing+len(data) > p.cfg.MaxWriting {
		p.drop()
		f.missing(p.now)
		return false
	}
	w := Write{ID: b.id, Object: f.object, Offset: f.next, Data: data}
	f.next = end
	full := p.syncDue()
	w.Sync = f.next == f.size || full
	if w.Sync {
		f.synced = f.next
	}
	f.pending++
	p.in.writing += len(data)
	p.do(w)
	if full {
		f.due = !f.done()
		p.flushOthers(f)
	}
	return true
}

// syncDue tells whether it is time to make durable what came and to acknowledge
// it: there is much of it, or some has waited for AckDelay.
func (p *Peer) syncDue() bool {
	in := &p.in
	if in.loose() < p.cfg.SyncEvery && p.now.Sub(in.syncedAt) < p.cfg.AckDelay {
		if in.syncAt.IsZero() {
			in.syncAt = in.syncedAt.Add(p.cfg.AckDelay)
		}
		return false
	}
	in.syncedAt, in.syncAt = p.now, time.Time{}
	return true
}

// loose is how many bytes were handed to the store without Sync.
func (in *incoming) loose() (n int64) {
	for _, b := range in.list {
		for _, f := range b.fetches {
			n += f.next - f.synced
		}
	}
	return n
}

// flushOthers makes durable, and has acknowledged, what came of other objects:
// the sender's window is one for all of them.
func (p *Peer) flushOthers(than *fetch) {
	for _, b := range p.in.list {
		for _, f := range b.fetches {
			if f != than && f.synced < f.next {
				f.due = true
				p.flush(b, f)
			}
		}
	}
}

func (f *fetch) missing(now time.Time) {
	if f.gap.IsZero() {
		f.gap = now
	}
}

// hold keeps a piece that came too early, if there is room.
func (p *Peer) hold(f *fetch, h piece) {
	f.missing(p.now)
	i, found := slices.BinarySearchFunc(f.held, h, func(a, b piece) int {
		return int(min(max(a.offset-b.offset, -1), 1))
	})
	if found && len(f.held[i].data) >= len(h.data) {
		p.drop()
		return
	}
	more := len(h.data) + pieceOverhead
	if found {
		more -= len(f.held[i].data) + pieceOverhead
	}
	if p.in.held+more > p.cfg.MaxHeld {
		p.drop()
		return
	}
	p.in.held += more
	if found {
		f.held[i] = h
		return
	}
	f.held = slices.Insert(f.held, i, h)
}

func (b *inBundle) fetch(object int) *fetch {
	for _, f := range b.fetches {
		if f.object == object {
			return f
		}
	}
	return nil
}

func (p *Peer) stepWritten(ev Written) {
	p.in.writing = max(p.in.writing-ev.N, 0)
	b := p.in.bundles[ev.ID]
	if b == nil || b.state != receiving {
		return
	}
	f := b.fetch(ev.Object)
	if f == nil || f.pending == 0 {
		return // of an earlier session
	}
	f.pending--
	if ev.Code != wire.CodeNone {
		p.deferBundle(b, ev.Code, 0)
		return
	}
	if d := min(ev.Durable, f.next); d > f.durable {
		f.durable, f.synced = d, max(f.synced, d)
		f.asked, b.moved = p.now, p.now
	}
	switch {
	case f.done():
		p.want(b, f, false)
		p.fetchNext(b)
	case f.due && f.pending == 0 && f.synced < f.next:
		p.flush(b, f)
	case f.due && f.pending == 0:
		p.want(b, f, f.again)
	case f.durable-f.wanted >= p.cfg.SyncEvery:
		p.want(b, f, false)
	}
}

// fetchDeadline is when to ask again for what did not come; zero while the
// object is not open, or this side's disk is what it waits for.
func (p *Peer) fetchDeadline(f *fetch) time.Time {
	if !f.open || f.pending > 0 || f.done() {
		return time.Time{}
	}
	at := f.asked.Add(p.cfg.backoff(f.attempt))
	if !f.gap.IsZero() {
		if g := f.gap.Add(p.cfg.GapWait); g.Before(at) {
			return g
		}
	}
	return at
}

// checkFetches asks again for what is overdue, after making durable what is
// here, so that only what was lost comes again.
func (p *Peer) checkFetches() {
	if at := p.in.syncAt; !at.IsZero() && !p.now.Before(at) {
		p.in.syncedAt, p.in.syncAt = p.now, time.Time{}
		p.flushOthers(nil)
	}
	for _, b := range p.in.list {
		for _, f := range b.fetches {
			at := p.fetchDeadline(f)
			if at.IsZero() || p.now.Before(at) {
				continue
			}
			f.attempt++
			f.asked, f.gap = p.now, time.Time{}
			p.wantAll(b, f, true)
		}
	}
}

// wantAll makes durable what is here before it asks for the rest.
func (p *Peer) wantAll(b *inBundle, f *fetch, again bool) {
	if f.pending == 0 && f.durable == f.next {
		p.want(b, f, again)
		return
	}
	f.due, f.again = true, f.again || again
	if f.pending == 0 {
		p.flush(b, f)
	}
}

func (p *Peer) flush(b *inBundle, f *fetch) {
	f.synced = f.next
	f.pending++
	p.do(Write{ID: b.id, Object: f.object, Offset: f.next, Sync: true})
}

// flushFetches makes durable at the end of a session what came in it.
func (p *Peer) flushFetches() {
	for _, b := range p.in.list {
		for _, f := range b.fetches {
			if f.synced < f.next {
				p.flush(b, f)
			}
		}
	}
}
