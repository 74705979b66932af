package engine

import (
	"testing"
	"time"

	"tram/sync/wire"
)

// BenchmarkStep measures what the machine costs per chunk when all places are
// taken: 64 bundles going out, 64 coming in.
func BenchmarkStep(b *testing.B) {
	const n = DefaultMaxOffers
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	p := New(Config{})
	p.Step(now, Up{})
	for i := range n {
		out := simID(i)
		p.Step(now, Queued{Item{ID: out, Created: now, Objects: map[int]int64{0: 1 << 40}}})
		p.Step(now, OfferSent{out, Done})
		in := simID(n + i)
		p.Step(now, Frame{wire.Offer{ID: in}})
		p.Step(now, Admitted{in, Admission{Need: map[int]Need{0: {Size: 1 << 40}}}})
	}
	var last SendChunk
	for i := range n {
		for _, a := range p.Step(now, Frame{wire.Want{ID: simID(i), Credit: MaxCredit, Round: 1}}) {
			if c, ok := a.(SendChunk); ok {
				last = c
			}
		}
	}
	b.Run("send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Step(now, Frame{wire.Want{ID: last.ID, Offset: last.Offset, Credit: MaxCredit, Round: 1}})
			for _, a := range p.Step(now, ChunkSent{last.ID, last.Object, last.Offset, last.N, Done}) {
				if c, ok := a.(SendChunk); ok {
					last = c
				}
			}
		}
	})
	data := make([]byte, DefaultChunk)
	b.Run("receive", func(b *testing.B) {
		b.ReportAllocs()
		var off int64
		for b.Loop() {
			for _, a := range p.Step(now, Frame{wire.Chunk{ID: simID(n), Offset: off, Data: data}}) {
				if w, ok := a.(Write); ok {
					off += int64(len(w.Data))
					p.Step(now, Written{ID: w.ID, N: len(w.Data), Durable: off})
				}
			}
		}
	})
}
