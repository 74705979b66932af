package engine

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tram/sync/wire"

	"github.com/google/uuid"
)

// TestP9_HostileNeighbour feeds random frames, in any order and with any
// numbers, to a Peer whose runner answers in random order and fails at random.
// Nothing may panic, exceed its bound, or be said about bundles that are not
// there; and an honest bundle still gets through in the end.
func TestP9_HostileNeighbour(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		h := &hostile{script: newScript(t, chaosConfig()), rng: rand.New(rand.NewPCG(seed, 3))}
		h.on(Up{})
		for range 400 {
			h.turn()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		h.honest()
	}
}

type hostile struct {
	*script
	rng  *rand.Rand
	todo []Action // not answered
}

func (h *hostile) turn() {
	h.t.Helper()
	h.pass(time.Duration(h.rng.IntN(5000)) * time.Millisecond)
	var ev Event
	switch h.rng.IntN(8) {
	case 0:
		ev = Queued{h.item(h.rng.IntN(8), uint8(h.rng.IntN(5)), int64(h.rng.IntN(3000)), int64(h.rng.IntN(3000)))}
	case 1:
		ev = []Event{Up{}, Down{}, Tick{}, Withdrawn{ID: h.id()}}[h.rng.IntN(4)]
	case 2, 3:
		ev = h.answer()
	default:
		ev = Frame{h.frame()}
	}
	h.take(h.do(ev))
}

func (h *hostile) id() uuid.UUID { return simID(h.rng.IntN(8)) }

func (h *hostile) number() int64 {
	return []int64{0, 1, 100, 512, 2048, int64(h.rng.IntN(4000)), math.MaxInt64, -1}[h.rng.IntN(8)]
}

func (h *hostile) frame() wire.Frame {
	switch h.rng.IntN(8) {
	case 0:
		return wire.Offer{ID: h.id(), Header: []byte("h")}
	case 1, 2:
		return wire.Want{ID: h.id(), Object: h.rng.IntN(4) - 1, Offset: h.number(), Credit: h.number(), Round: uint32(h.rng.IntN(5))}
	case 3, 4:
		return wire.Chunk{ID: h.id(), Object: h.rng.IntN(4) - 1, Offset: h.number(), Data: make([]byte, h.rng.IntN(600))}
	case 5:
		return wire.Custody{ID: h.id(), Receipt: []byte("r")}
	case 6:
		return wire.Refuse{ID: h.id(), Code: wire.Code(h.rng.IntN(20))}
	default:
		if h.rng.IntN(2) == 0 {
			return wire.Defer{ID: h.id(), Code: wire.CodeBusy, After: time.Duration(h.number())}
		}
		return wire.Cancel{ID: h.id(), Code: wire.Code(h.rng.IntN(2))}
	}
}

func (h *hostile) take(acts []Action) {
	h.t.Helper()
	c := h.p.cfg
	for _, a := range acts {
		switch a := a.(type) {
		case SendChunk:
			it := h.p.out.items[a.ID]
			if it == nil || a.N <= 0 || a.N > c.Chunk || a.Offset < 0 || a.Offset+int64(a.N) > it.Objects[a.Object] {
				h.t.Errorf("%+v", a)
			}
		case Write:
			if a.Offset < 0 || a.Offset > 3000 {
				h.t.Errorf("%+v", brief(a))
			}
		case SendFrame:
			if _, err := wire.Encode(a.Frame); err != nil {
				h.t.Error(err)
			}
			continue
		case Forget, Progress:
			continue
		}
		h.todo = append(h.todo, a)
	}
	st := h.p.Stats()
	if st.Held > c.MaxHeld || st.Writing > c.MaxWriting || st.Incoming > c.MaxIncoming || st.InFlight > c.InFlight ||
		st.OnOffer > 4*c.MaxOffers || len(h.p.in.bad) > c.MaxIncoming || h.p.in.admits > c.MaxIncoming {
		h.t.Errorf("over a bound: %+v", st)
	}
}

// answer answers one action, any of them, well or badly.
func (h *hostile) answer() Event {
	if len(h.todo) == 0 {
		return Tick{}
	}
	i := h.rng.IntN(len(h.todo))
	a := h.todo[i]
	h.todo = append(h.todo[:i], h.todo[i+1:]...)
	fails := h.rng.IntN(4) == 0
	switch a := a.(type) {
	case SendOffer:
		return OfferSent{a.ID, Result(h.rng.IntN(3))}
	case SendChunk:
		return ChunkSent{a.ID, a.Object, a.Offset, a.N, Result(h.rng.IntN(3))}
	case Admit:
		if fails {
			return Admitted{a.Offer.ID, Admission{Defer: wire.CodeFull}}
		}
		return Admitted{a.Offer.ID, Admission{Need: map[int]Need{0: {3000, h.number()}, 2: {1500, 0}}}}
	case Write:
		if fails {
			return Written{ID: a.ID, Object: a.Object, N: len(a.Data), Code: wire.CodeFull}
		}
		return Written{ID: a.ID, Object: a.Object, N: len(a.Data), Durable: a.Offset + int64(len(a.Data))}
	case Complete:
		if fails {
			return Completed{ID: a.ID, Code: wire.CodeDigest}
		}
		return Completed{ID: a.ID, Receipt: []byte("r")}
	case Settle:
		return Settled{a.ID, fails}
	}
	return Tick{}
}

// honest answers all that is open and then expects a new bundle to be offered.
func (h *hostile) honest() {
	h.t.Helper()
	for len(h.todo) > 0 {
		h.take(h.do(h.answer()))
	}
	if st := h.p.Stats(); st.Writing != 0 || st.InFlight != 0 || h.p.in.admits != 0 || h.p.out.offers != 0 {
		h.t.Fatalf("not at rest: %+v", st)
	}
	offered := false
	h.take(h.do(Up{}))
	h.take(h.do(Queued{Item{ID: simID(99), Urgency: 3, Created: h.now.Add(-time.Hour)}}))
	for range 100 {
		var more []Action
		for _, a := range h.todo {
			if o, ok := a.(SendOffer); ok {
				offered = offered || o.ID == simID(99)
				more = append(more, h.do(OfferSent{o.ID, Done})...)
			}
		}
		h.todo = nil
		h.take(more)
		h.pass(time.Second)
		h.take(h.do(Tick{}))
	}
	if !offered {
		h.t.Fatal("a new bundle is not offered")
	}
}
