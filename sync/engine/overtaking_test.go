package engine

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"
)

var overtakings = flag.Int("overtakings", defaultOvertakings, "how many random schedules TestP5_NothingOvertakesHoaToc runs")

// TestP5_NothingOvertakesHoaToc runs random schedules of one sender and demands
// after each step that no byte of khẩn or thường left, as offer or chunk, while
// one of hỏa tốc or thượng khẩn waited and might go.
func TestP5_NothingOvertakesHoaToc(t *testing.T) {
	n := *overtakings
	var chunks, urgent, contended int
	for seed := range uint64(n) {
		o := newOvertaking(seed)
		for range 60 {
			o.step()
			if o.bad != "" {
				t.Fatalf("seed %d: %s", seed, o.bad)
			}
		}
		chunks += o.chunks
		urgent += o.urgent
		contended += o.contended
	}
	t.Logf("%d schedules: %d offers and chunks, %d of them urgent, %d steps with both waiting", n, chunks, urgent, contended)
	if contended < n {
		t.Errorf("only %d steps in which urgent and other bytes waited", contended)
	}
}

// overtaking is a sender whose neighbour and line do anything.
type overtaking struct {
	rng     *rand.Rand
	p       *Peer
	now     time.Time
	next    int
	flying  []Event // answers that the runner owes
	granted map[int]bool
	bad     string

	chunks, urgent, contended int
}

func newOvertaking(seed uint64) *overtaking {
	o := &overtaking{
		rng: rand.New(rand.NewPCG(seed, 9)), now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC),
		granted: map[int]bool{},
	}
	o.p = New(Config{Chunk: 1 << 10, Window: int64(4+o.rng.IntN(60)) << 10, InFlight: 1 + o.rng.IntN(3), MaxOffers: 1 + o.rng.IntN(8)})
	o.feed(Up{})
	return o
}

// step does one of what may happen.
func (o *overtaking) step() {
	o.now = o.now.Add(time.Duration(o.rng.IntN(200)) * time.Millisecond)
	switch o.rng.IntN(8) {
	case 0, 1:
		o.next++
		o.feed(Queued{Item{
			ID: id(o.next), Urgency: uint8(o.rng.IntN(4)), Created: o.now, Offer: int64(o.rng.IntN(3000)),
			Objects: map[int]int64{0: int64(1 + o.rng.IntN(50_000)), 1: int64(1 + o.rng.IntN(3000))},
		}})
	case 2, 3, 4:
		o.want()
	case 5, 6:
		if len(o.flying) > 0 {
			ev := o.flying[0]
			o.flying = o.flying[1:]
			o.feed(ev)
		}
	case 7:
		switch n := id(1 + o.rng.IntN(o.next+1)); o.rng.IntN(5) {
		case 0:
			o.feed(First{n})
		case 1:
			o.feed(Frame{wire.Ask{ID: n, First: true}})
		case 2:
			o.feed(Frame{wire.Defer{ID: n, Code: wire.CodeBusy, After: time.Second}})
		default:
			o.feed(Tick{})
		}
	}
}

// want acknowledges a part of what was sent of some bundle, and wants more.
func (o *overtaking) want() {
	if len(o.p.out.live) == 0 {
		return
	}
	it := o.p.out.live[o.rng.IntN(len(o.p.out.live))]
	if it.state == offering || len(it.objects) == 0 {
		return
	}
	s := it.objects[o.rng.IntN(len(it.objects))]
	acked := s.acked + o.rng.Int64N(s.next-s.acked+1)
	o.feed(Frame{wire.Want{ID: it.ID, Object: s.index, Offset: acked, Credit: o.rng.Int64N(20_000), Round: max(s.round, 1)}})
}

func (o *overtaking) feed(ev Event) {
	less := false
	for _, a := range o.p.Step(o.now, ev) {
		var it *outItem
		switch a := a.(type) {
		case SendOffer:
			it = o.p.out.items[a.ID]
			o.flying = append(o.flying, OfferSent{a.ID, Done})
		case SendChunk:
			it = o.p.out.items[a.ID]
			o.flying = append(o.flying, ChunkSent{a.ID, a.Object, a.Offset, a.N, Done})
		default:
			continue
		}
		o.chunks++
		switch {
		case it.Urgency < schedule.VeryUrgent:
			less = true
		case less:
			o.bad = "an urgent byte went after another that had to wait for it"
		default:
			o.urgent++
		}
	}
	waits, other := o.waiting()
	if waits && less {
		o.bad = "an urgent byte waits while another has gone"
	}
	if waits && other {
		o.contended++
	}
}

// waiting tells whether bytes wait that might go but for the room on the line:
// urgent ones, and others.
func (o *overtaking) waiting() (urgent, other bool) {
	note := func(it *outItem) {
		if it.Urgency >= schedule.VeryUrgent {
			urgent = true
		} else {
			other = true
		}
	}
	for _, it := range o.p.out.live {
		if it.state == active && it.sendable() != nil {
			note(it)
		}
	}
	for _, it := range o.p.out.ready.list {
		if o.p.out.hasPlace(it.Urgency, o.p.cfg.MaxOffers) {
			note(it)
		}
	}
	return urgent, other
}
