package engine

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"tram/sync/wire"

	"github.com/google/uuid"
)

// script drives one Peer by hand: each event with the actions it must cause,
// Wake aside, which wait follows instead.
type script struct {
	t    *testing.T
	p    *Peer
	now  time.Time
	wake time.Time
}

func newScript(t *testing.T, c Config) *script {
	return &script{t: t, p: New(c), now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
}

// do takes a step and returns its actions without Wake.
func (s *script) do(ev Event) []Action {
	s.t.Helper()
	acts := s.p.Step(s.now, ev)
	s.wake = time.Time{}
	for i, a := range acts {
		if w, ok := a.(Wake); ok {
			s.wake = w.At
			if i != len(acts)-1 {
				s.t.Fatalf("%T: Wake is not the last action", ev)
			}
		}
	}
	s.p.checkInvariants(s.t.Errorf)
	return slices.DeleteFunc(acts, func(a Action) bool { _, ok := a.(Wake); return ok })
}

// on takes a step and demands exactly these actions.
func (s *script) on(ev Event, want ...Action) {
	s.t.Helper()
	got := s.do(ev)
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Fatalf("%T%+v\n got %s\nwant %s", ev, brief(ev), list(got), list(want))
	}
}

// get is on for a frame from the neighbour.
func (s *script) get(f wire.Frame, want ...Action) { s.t.Helper(); s.on(Frame{f}, want...) }

// sleep lets time pass until the Peer asks to be woken and demands that this
// is after d.
func (s *script) sleep(d time.Duration, want ...Action) {
	s.t.Helper()
	if s.wake.IsZero() {
		s.t.Fatalf("nothing to wake for, want a Wake in %v", d)
	}
	if got := s.wake.Sub(s.now); got != d {
		s.t.Fatalf("Wake in %v, want %v", got, d)
	}
	s.now = s.wake
	s.on(Tick{}, want...)
}

// pass lets time pass without a Tick.
func (s *script) pass(d time.Duration) { s.now = s.now.Add(d) }

func list(acts []Action) string {
	out := ""
	for _, a := range acts {
		out += fmt.Sprintf("\n\t%T %+v", a, brief(a))
	}
	return out
}

func id(n int) uuid.UUID { return simID(n) }

func (s *script) item(n int, urgency uint8, sizes ...int64) Item {
	it := Item{ID: id(n), Urgency: urgency, Created: s.now.Add(time.Duration(n) * time.Second), Objects: map[int]int64{}}
	for i, size := range sizes {
		it.Objects[i] = size
	}
	return it
}

// upWith brings a Peer up that has the items on offer.
func (s *script) upWith(items ...Item) {
	s.t.Helper()
	s.on(Up{})
	for _, it := range items {
		s.on(Queued{it}, SendOffer{it.ID})
		s.on(OfferSent{it.ID, Done})
	}
}

func chunk(n, object int, offset int64, size int) SendChunk {
	return SendChunk{ID: id(n), Object: object, Offset: offset, N: size}
}

func sent(c SendChunk) ChunkSent { return ChunkSent{c.ID, c.Object, c.Offset, c.N, Done} }

func data(n, object int, offset int64, size int) wire.Chunk {
	return wire.Chunk{ID: id(n), Object: object, Offset: offset, Data: make([]byte, size)}
}

func write(n, object int, offset int64, size int, sync bool) Write {
	return Write{ID: id(n), Object: object, Offset: offset, Data: make([]byte, size), Sync: sync}
}

func flush(n, object int, offset int64) Write {
	return Write{ID: id(n), Object: object, Offset: offset, Sync: true}
}

func written(n, object, size int, durable int64) Written {
	return Written{ID: id(n), Object: object, N: size, Durable: durable}
}

func want(n, object int, offset, credit int64, round uint32) SendFrame {
	return SendFrame{wire.Want{ID: id(n), Object: object, Offset: offset, Credit: credit, Round: round}}
}

// small is a Config with round numbers.
var small = Config{Chunk: 100, Credit: 400, SyncEvery: 200, AckDelay: 24 * time.Hour}

// receiving brings a Peer to where it fetches bundle 1 with the given needs.
func (s *script) receiving(need map[int]Need, want ...Action) {
	s.t.Helper()
	s.on(Up{})
	offer := wire.Offer{ID: id(1), Header: []byte("h")}
	s.get(offer, Admit{offer})
	s.on(Admitted{id(1), Admission{Need: need}}, want...)
}
