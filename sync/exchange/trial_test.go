package exchange_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/linktest"
)

// brittle is a line that is closed by what is at its other end for each frame
// over a limit, as a broker does.
type brittle struct {
	*linktest.End
	limit  int
	events chan exchange.LinkEvent
	quit   context.Context

	mu     sync.Mutex
	broken bool
	cuts   int
}

func newBrittle(ctx context.Context, end *linktest.End, limit int) *brittle {
	b := &brittle{End: end, limit: limit, events: make(chan exchange.LinkEvent), quit: ctx}
	go func() {
		defer close(b.events)
		for ev := range end.Events() {
			b.mu.Lock()
			if ev.Down && b.broken {
				ev.Cut, ev.Err, b.broken = true, io.EOF, false
			}
			b.mu.Unlock()
			select {
			case b.events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	return b
}

func (b *brittle) Events() <-chan exchange.LinkEvent { return b.events }

func (b *brittle) Send(ctx context.Context, frame []byte, bulk bool) error {
	if len(frame) <= b.limit {
		return b.End.Send(ctx, frame, bulk)
	}
	b.mu.Lock()
	if !b.broken {
		b.cuts++
	}
	b.broken = true
	b.mu.Unlock()
	b.Cut()
	return nil // as with paho: the line took it
}

// brittleLine joins a and b over a line that a's frames over limit end.
func brittleLine(t *testing.T, a, b *station, limit int) *brittle {
	t.Helper()
	endA, endB := linktest.Pipe(1, linktest.Faults{Delay: 50 * time.Millisecond, Outage: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	line := newBrittle(ctx, endA, limit)
	var group sync.WaitGroup
	group.Go(func() { _ = a.node.Run(ctx, b.code, line) })
	group.Go(func() { _ = b.node.Run(ctx, a.code, endB) })
	t.Cleanup(func() {
		cancel()
		endA.Close()
		endB.Close()
		group.Wait()
	})
	return line
}

// circular names so many recipients that the header is larger than any chunk.
func circular() []string {
	to := []string{"B"}
	for i := range bundle.MaxRecipients - 1 {
		to = append(to, fmt.Sprintf("C%09d", i))
	}
	return to
}

// TestPoisonOfferIsParked: a bundle whose OFFER ends the connection is set aside
// after PoisonTries, told of, tried again later, and holds up nobody, neither
// what was queued beside it nor what comes after.
func TestPoisonOfferIsParked(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		poison := a.putTo(t, "B", circular(), 900) // with an OFFER of 50,000 bytes
		var good []storage.ID
		for range 5 {
			good = append(good, a.put(t, "B", 900))
		}
		line := brittleLine(t, a, b, 40_000)
		for _, id := range good {
			settled(t, a, b, id, time.Minute)
		}
		time.Sleep(2 * time.Minute)
		if parked := a.guard.parkedNow(); len(parked) != 1 || parked[0] != poison {
			t.Errorf("parked are %v, want %s alone", parked, poison)
		}
		if a.node.Parked("B") != 1 || line.cuts != exchange.PoisonTries {
			t.Errorf("%d parked after %d cuts, want 1 after %d", a.node.Parked("B"), line.cuts, exchange.PoisonTries)
		}
		settled(t, a, b, a.put(t, "B", 900, 100_000), time.Minute)
		line.mu.Lock()
		line.limit = 1 << 20 // somebody has mended the broker
		line.mu.Unlock()
		settled(t, a, b, poison, exchange.ParkTime+time.Minute)
		if a.node.Parked("B") != 0 {
			t.Error("a bundle that has passed is still parked")
		}
	})
}

// TestPoisonChunkIsParked: so is a bundle one of whose chunks does not pass.
func TestPoisonChunkIsParked(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		poison := a.put(t, "B", 100, 400_000)
		line := brittleLine(t, a, b, 900) // no chunk is as small as that
		for a.node.Parked("B") == 0 {
			time.Sleep(time.Second)
		}
		if line.cuts != exchange.PoisonTries {
			t.Errorf("parked after %d cuts, want %d", line.cuts, exchange.PoisonTries)
		}
		if parked := a.guard.parkedNow(); len(parked) != 1 || parked[0] != poison {
			t.Errorf("parked are %v, want %s alone", parked, poison)
		}
	})
}

// TestBadLineParksNothing: cuts at any frame, as long as some pass, are not
// taken for poison.
func TestBadLineParksNothing(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		id := a.put(t, "B", 900, 500_000)
		line := brittleLine(t, a, b, 1<<20)
		for range 40 {
			time.Sleep(3 * time.Second)
			line.mu.Lock()
			line.broken = true
			line.mu.Unlock()
			line.Cut()
		}
		settled(t, a, b, id, time.Hour)
		if parked := a.guard.parkedNow(); len(parked) > 0 {
			t.Errorf("parked are %v", parked)
		}
	})
}
