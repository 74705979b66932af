package schedule

import (
	"math"
	"time"
)

const (
	// AckDelay is how long a receiver may let bytes wait before it makes them
	// durable and acknowledges them. A sender allows for it.
	AckDelay = 25 * time.Millisecond

	// firstWindow and firstChunk hold, in bytes, until the line has been
	// measured: one to two seconds of the slowest one. What has arrived is added to
	// the window, up to slowStart.
	firstWindow = 8 << 10
	slowStart   = 32 << 10
	firstChunk  = 4 << 10

	// MinChunk is the least size of a chunk, in bytes.
	MinChunk = 1 << 10
	// MaxChunk is the largest, in bytes.
	MaxChunk = 32 << 10
	// Between them a chunk is what the line takes in chunkTime, but on slow lines,
	// where each chunk's envelope costs more than an urgent document gains, up to
	// slowChunk within slowTime.
	slowChunk = 4 << 10
	chunkTime = 250 * time.Millisecond
	slowTime  = 500 * time.Millisecond

	// gain is how many bandwidth-delay products may be under way: one fills the
	// line, and with two more TCP's own congestion control, not this window, is what
	// limits, so that it learns what the line can take.
	gain = 3
	// bridge is how many more windows may follow, at the rate of the line, while
	// no acknowledgement comes. When TCP repairs a loss, nothing is acknowledged
	// for as long as a segment takes through the queue, and what follows keeps the
	// line busy. The queue does not grow by it.
	bridge = 1
	// hardly is the rate, in bytes per second, of a line that was not seen to move.
	hardly = 100
	// On fast lines, those that take more than fast bytes in spareTime, what they
	// take beyond it may be under way too, up to maxSpare: there BBR must be the one
	// that limits. It takes a sender that holds back for one with little to send,
	// and does not end its search for the line's rate.
	fast      = 32 << 10
	maxSpare  = 128 << 10
	spareTime = 500 * time.Millisecond

	// rateMemory is how long the best delivery rate counts at least; on long
	// lines it is rateTrips round trips.
	rateMemory = time.Second
	rateTrips  = 4
	// rttMemory is how long the shortest round trip counts, or rttTrips of it on
	// long lines. Then less is sent for one round trip, so that the line's own
	// delay is seen behind that of the queue.
	rttMemory = time.Minute
	rttTrips  = 100
)

// Estimate is what is known of a line. The zero Estimate is of an unknown one.
type Estimate struct {
	Rate float64       // bytes per second that arrive
	RTT  time.Duration // from sending to acknowledgement, of next to no bytes
}

// Pace measures a line by its acknowledgements and says how much may be under
// way. It follows the model of BBR (draft-ietf-ccwg-bbr): the highest recent
// delivery rate times the shortest round trip. Make one with [NewPace].
type Pace struct {
	maxWindow int64
	rate      highest
	shortest  trip // least round trip, less what its bytes took
	measured  bool // a sample was limited by the line and not by what there was to send

	delivered   int64     // bytes acknowledged
	deliveredAt time.Time // when last
	sentAt      time.Time // of the newest acknowledged mark
	starved     bool      // there was nothing more to send
	limited     int64     // marks until so much is delivered had too little before them

	draining bool
	drained  time.Time // when it began, or ended
}

// trip is the time from sending n bytes to their acknowledgement.
type trip struct {
	took time.Duration
	n    int64
}

// path is the part of a trip that does not depend on its bytes.
func (t trip) path(rate float64) time.Duration {
	if rate <= 0 {
		return t.took
	}
	return max(t.took-time.Duration(float64(t.n)/rate*float64(time.Second)), t.took/8)
}

// Mark remembers when bytes were sent. It is handed back when they are
// acknowledged.
type Mark struct {
	at, deliveredAt, sentAt time.Time
	n, delivered            int64
	limited, drain          bool
}

// NewPace starts from what was known of the line in an earlier session, if
// anything, and never has more than maxWindow bytes under way.
func NewPace(known Estimate, maxWindow int64) Pace {
	p := Pace{maxWindow: maxWindow}
	if known.Rate > 0 && known.RTT > 0 {
		p.rate.now, p.shortest.took, p.measured = known.Rate, known.RTT, true
	}
	return p
}

// Estimate is what has been measured.
func (p *Pace) Estimate() Estimate {
	if !p.measured {
		return Estimate{}
	}
	return Estimate{Rate: p.rate.get(), RTT: p.shortest.path(p.rate.get())}
}

// Sent marks n bytes that go now, while others are under way.
func (p *Pace) Sent(now time.Time, n, underWay int64) Mark {
	if underWay == 0 || p.deliveredAt.IsZero() {
		p.deliveredAt, p.sentAt = now, now
	}
	if p.starved {
		p.starved, p.limited = false, p.delivered+underWay+1
	}
	return Mark{
		n: n, at: now, deliveredAt: p.deliveredAt, sentAt: p.sentAt, delivered: p.delivered,
		limited: p.delivered < p.limited, drain: p.draining,
	}
}

// Starved says that there is nothing more to send while more might go: what
// goes next does not show what the line could take.
func (p *Pace) Starved() { p.starved = true }

// Acked takes n newly acknowledged bytes, the last of which were sent at m.
func (p *Pace) Acked(now time.Time, m Mark, n int64) {
	p.delivered += n
	p.deliveredAt = now
	if m.at.After(p.sentAt) {
		p.sentAt = m.at
	}
	t := trip{now.Sub(m.at), m.n}
	if t.took <= 0 {
		return
	}
	if rate := p.rate.get(); p.shortest.took == 0 || t.path(rate) < p.shortest.path(rate) {
		p.shortest = t
	}
	p.drain(now, m, t)
	span := max(now.Sub(m.deliveredAt), m.at.Sub(m.sentAt))
	if span <= 0 {
		return
	}
	rate := float64(p.delivered-m.delivered) / span.Seconds()
	if m.limited && rate < p.rate.get() {
		return
	}
	p.measured = p.measured || !m.limited
	p.rate.take(now, rate, max(rateMemory, rateTrips*p.shortest.took))
}

// drain lets the queue in the line run dry now and then. Else the delay that it
// adds would be taken for the line's own.
func (p *Pace) drain(now time.Time, m Mark, t trip) {
	switch {
	case p.drained.IsZero():
		p.drained = now
	case p.draining && m.drain:
		p.draining, p.drained = false, now
		p.shortest = t
	case !p.draining && now.Sub(p.drained) >= max(rttMemory, rttTrips*p.shortest.took):
		p.draining = true
	}
}

// Window is how many bytes may be under way now.
func (p *Pace) Window(now time.Time) int64 {
	window := p.window()
	if p.bridges() {
		late := now.Sub(p.deliveredAt) - p.usual()
		window += int64(min(max(p.rate.get()*late.Seconds(), 0), float64(bridge*window)))
	}
	return min(window, p.maxWindow)
}

// Opens is when the window will be so large if nothing is acknowledged before,
// zero for never.
func (p *Pace) Opens(size int64) time.Time {
	window := p.window()
	if !p.bridges() || size > min(window*(1+bridge), p.maxWindow) {
		return time.Time{}
	}
	late := time.Duration(math.Ceil(float64(max(size-window, 0)) / p.rate.get() * float64(time.Second)))
	return p.deliveredAt.Add(p.usual() + late + time.Microsecond)
}

// bridges tells whether the window grows while nothing is acknowledged: not on
// a line that was hardly seen to move, whose rate says nothing.
func (p *Pace) bridges() bool { return p.measured && !p.draining && p.rate.get() >= hardly }

// usual is how far apart acknowledgements come on a busy line without loss.
func (p *Pace) usual() time.Duration {
	return AckDelay + time.Duration(float64(p.Chunk())/p.rate.get()*float64(time.Second))
}

// window is how many bytes may be under way while acknowledgements come.
func (p *Pace) window() int64 {
	chunk := int64(p.Chunk())
	rate := p.rate.get()
	once := int64(rate * (p.shortest.path(rate) + AckDelay).Seconds())
	window := max(gain*once+chunk, 2*chunk)
	switch {
	case p.draining:
		return max(once*5/8, chunk)
	case !p.measured:
		return max(window, min(firstWindow+p.delivered, slowStart))
	}
	spare := int64(rate*spareTime.Seconds()) - fast
	return window + min(max(spare, 0), maxSpare)
}

// Chunk is how many bytes of an object go in one piece.
func (p *Pace) Chunk() int {
	if !p.measured {
		return firstChunk
	}
	rate := p.rate.get()
	n := max(rate*chunkTime.Seconds(), min(slowChunk, rate*slowTime.Seconds()))
	return int(min(max(n, MinChunk), MaxChunk)) / MinChunk * MinChunk
}

// highest is the largest value of the last one to two spans of time.
type highest struct {
	now, before float64
	since       time.Time
}

func (h *highest) get() float64 { return max(h.now, h.before) }

func (h *highest) take(at time.Time, v float64, span time.Duration) {
	if h.since.IsZero() {
		h.since = at
	}
	if at.Sub(h.since) >= span {
		h.before, h.now, h.since = h.now, 0, at
	}
	h.now = max(h.now, v)
}
