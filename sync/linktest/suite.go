package linktest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tram/sync/exchange"
	"tram/sync/wire"
)

// patience bounds every wait of the suite for something that must happen.
const patience = 20 * time.Second

// Link is one pair of transports under test, with what can be done to it.
type Link struct {
	Office, Hub exchange.Transport
	// Cut breaks the line at once; it comes back by itself within seconds.
	Cut func()
	// Limit sets the rate of the line from the office, in bytes per second; nil
	// when it has none.
	Limit func(rate int)
	// Neighbour opens another office on the same hub; nil when there is none.
	Neighbour func(t *testing.T) (office, hub exchange.Transport)
	// Kill ends what is between the two without a farewell, Restart brings it
	// back; nil when there is nothing.
	Kill, Restart func()
}

// Harness makes links of one kind.
type Harness struct {
	// Open makes a new link that ends with the test.
	Open func(t *testing.T) Link
	// Lossy says that an undisturbed link loses frames. They are then sent again
	// until they arrive.
	Lossy bool
}

// Transport runs the conformance suite.
func Transport(t *testing.T, h Harness) {
	t.Run("delivery", h.delivery)
	t.Run("order", h.order)
	t.Run("changes", h.changes)
	t.Run("oversize", h.oversize)
	t.Run("context", h.context)
	t.Run("pacing", h.pacing)
	t.Run("slow receiver", h.slowReceiver)
	t.Run("cut and resume", h.cutAndResume)
	t.Run("killed", h.killed)
	t.Run("close", h.close)
}

// stage is an open link with an observer at each end.
type stage struct {
	Link
	h           Harness
	t           *testing.T
	office, hub *observer
	number      atomic.Uint64
}

func (h Harness) open(t *testing.T) *stage {
	t.Helper()
	s := &stage{Link: h.Open(t), h: h, t: t}
	s.office, s.hub = observe(t, "office", s.Office), observe(t, "hub", s.Hub)
	s.office.untilUp()
	s.hub.untilUp()
	return s
}

// pass sends a frame from one end and waits until it has come to the other. On
// a lossy link, or one that has just been disturbed, it is repeated.
func (s *stage) pass(from exchange.Transport, to *observer, size int, bulk, repeat bool) {
	s.t.Helper()
	number := s.number.Add(1)
	frame := testFrame(number, size)
	arrived := func() bool { return to.got[number] > 0 }
	deadline := time.Now().Add(patience)
	for {
		sent := slices.Clone(frame)
		err := from.Send(s.t.Context(), sent, bulk)
		clear(sent) // a transport that retains the frame would now deliver zeros
		switch {
		case err != nil && !repeat:
			s.t.Fatalf("send frame of %d bytes: %v", size, err)
		case err == nil && !repeat:
			to.until("frame", patience, arrived)
			return
		}
		if to.within(200*time.Millisecond, arrived) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: frame of %d bytes does not arrive, last error %v", to.name, size, err)
		}
	}
}

// works checks that frames pass in both directions.
func (s *stage) works(repeat bool) {
	s.t.Helper()
	for _, bulk := range []bool{false, true} {
		s.pass(s.Office, s.hub, 100, bulk, repeat || s.h.Lossy)
		s.pass(s.Hub, s.office, 100, bulk, repeat || s.h.Lossy)
	}
}

func (h Harness) delivery(t *testing.T) {
	s := h.open(t)
	var both sync.WaitGroup
	for _, dir := range []struct {
		from exchange.Transport
		to   *observer
	}{{s.Office, s.hub}, {s.Hub, s.office}} {
		both.Go(func() {
			for _, size := range []int{frameHead, 1000, wire.MaxChunk + 64, 100_000, wire.MaxFrame} {
				for _, bulk := range []bool{false, true} {
					s.pass(dir.from, dir.to, size, bulk, h.Lossy)
				}
			}
		})
	}
	both.Wait()
}

// order sends many frames at once. A broker that has just started may lose some
// of them, which are sent again, as the engine does.
func (h Harness) order(t *testing.T) {
	s := h.open(t)
	const frames = 150
	send := func(i uint64) {
		if err := s.Office.Send(t.Context(), testFrame(i, 200), i%3 == 0); err != nil {
			t.Fatalf("send frame %d: %v", i, err)
		}
	}
	for i := range uint64(frames) {
		send(i)
	}
	complete := func() bool { return len(s.hub.got) == frames }
	lost := 0
	for late := time.Now().Add(patience); !s.hub.within(time.Second, complete) && !h.Lossy; {
		if time.Now().After(late) {
			t.Fatalf("%d of %d frames arrived within %v", len(s.hub.sequence()), frames, patience)
		}
		missing := s.hub.missing(frames)
		lost += len(missing)
		for _, i := range missing {
			send(i)
		}
	}
	inversions := 0
	sequence := s.hub.sequence()
	for i := 1; i < len(sequence); i++ {
		if sequence[i] < sequence[i-1] {
			inversions++
		}
	}
	t.Logf("%d of %d frames arrived, %d sent again, %d repeated, %d out of order", len(s.hub.got), frames, lost, len(sequence)-len(s.hub.got), inversions)
}

func (h Harness) changes(t *testing.T) {
	s := h.open(t)
	for round := 1; round <= 2; round++ {
		s.Cut()
		for _, o := range []*observer{s.office, s.hub} {
			o.until("Down after cut", patience, func() bool { return o.downs >= round })
			o.untilUp()
		}
	}
	s.works(true)
}

func (h Harness) oversize(t *testing.T) {
	s := h.open(t)
	// A hub may first have seen the office's session of before, which a broker forgets late.
	s.works(h.Lossy)
	baseline := map[*observer]int{}
	for _, o := range []*observer{s.office, s.hub} {
		_, baseline[o] = o.counts()
	}
	for _, bulk := range []bool{false, true} {
		for _, from := range []exchange.Transport{s.Office, s.Hub} {
			if err := from.Send(t.Context(), make([]byte, wire.MaxFrame+1), bulk); err == nil {
				t.Error("a frame over the limit was taken")
			}
		}
	}
	s.works(false)
	for o, before := range baseline {
		if _, downs := o.counts(); downs > before {
			t.Errorf("%s: link went down for a frame that was not sent", o.name)
		}
	}
}

func (h Harness) context(t *testing.T) {
	s := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, bulk := range []bool{false, true} {
		start := time.Now()
		if err := s.Office.Send(ctx, testFrame(1, 100), bulk); !errors.Is(err, context.Canceled) {
			t.Errorf("send with an ended context: error %v, want context.Canceled", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("send with an ended context took %v", took)
		}
	}
	s.works(false)
}

// pacing: bulk is held up by the line, and control frames overtake what waits.
func (h Harness) pacing(t *testing.T) {
	s := h.open(t)
	if s.Limit == nil {
		t.Log("this link has no rate")
		return
	}
	const rate, total, piece = 128 << 10, 384 << 10, 8 << 10
	const buffers = 160 << 10 // sockets and line may hold this much
	s.Limit(rate)
	start := time.Now()
	var last atomic.Int64
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		var senders sync.WaitGroup
		for range 4 { // several senders wait for the line at once
			senders.Go(func() {
				for range total / piece / 4 {
					if err := s.Office.Send(t.Context(), testFrame(s.number.Add(1), piece), true); err != nil && !h.Lossy {
						t.Errorf("send bulk: %v", err)
					}
				}
			})
		}
		senders.Wait()
		last.Store(int64(time.Since(start)))
	}()
	time.Sleep(time.Second / 2)
	urgent := time.Now()
	s.pass(s.Office, s.hub, 200, false, h.Lossy)
	overtook := time.Since(urgent)
	<-finished
	took := time.Duration(last.Load())
	if least := time.Duration(total-buffers) * time.Second / rate; took < least {
		t.Errorf("%d bytes of bulk were taken in %v by a line of %d bytes/s, want at least %v", total, took, rate, least)
	}
	if most := time.Duration(buffers) * time.Second / rate; overtook > most {
		t.Errorf("a control frame waited %v behind bulk, want at most %v", overtook, most)
	}
	t.Logf("bulk of %d bytes took %v, a control frame in its midst %v", total, took, overtook)
}

// slowReceiver: an end that is not read delays neither its sender nor others.
func (h Harness) slowReceiver(t *testing.T) {
	link := h.Open(t)
	waitFirstUp(t, link.Office)
	waitFirstUp(t, link.Hub)
	s := &stage{Link: link, h: h, t: t}
	const frames, size = 3000, 1000
	for _, from := range []exchange.Transport{s.Office, s.Hub} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for range frames {
			if err := from.Send(ctx, testFrame(s.number.Add(1), size), false); err != nil {
				t.Fatalf("send to an end that is not read: %v", err)
			}
		}
		cancel()
	}
	if s.Neighbour != nil {
		other := &stage{h: h, t: t}
		other.Office, other.Hub = s.Neighbour(t)
		other.office, other.hub = observe(t, "neighbour's office", other.Office), observe(t, "neighbour's hub", other.Hub)
		other.office.untilUp()
		other.hub.untilUp()
		other.works(false)
	}
	s.office, s.hub = observeUp(t, "office", s.Office), observeUp(t, "hub", s.Hub)
	s.works(true)
	for _, o := range []*observer{s.office, s.hub} {
		if _, downs := o.counts(); downs > 0 {
			t.Errorf("%s: link went down because it was not read", o.name)
		}
	}
}

// waitFirstUp reads the first event, which must be Up, and nothing more.
func waitFirstUp(t *testing.T, transport exchange.Transport) {
	t.Helper()
	select {
	case ev := <-transport.Events():
		if !ev.Up {
			t.Fatalf("first event is not Up: %+v", ev)
		}
	case <-time.After(patience):
		t.Fatal("link does not come up")
	}
}

// observeUp observes a transport whose Up has been read already.
func observeUp(t *testing.T, name string, transport exchange.Transport) *observer {
	o := &observer{t: t, name: name, changed: make(chan struct{}), got: map[uint64]int{}, up: true}
	go func() {
		for ev := range transport.Events() {
			o.event(ev)
		}
	}()
	return o
}

// bulkUntil sends bulk from the office until stop is closed; errors are fine.
func (s *stage) bulkUntil(stop <-chan struct{}) (wait func()) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if s.Office.Send(s.t.Context(), testFrame(s.number.Add(1), wire.MaxChunk), true) != nil {
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	return running.Wait
}

func (h Harness) cutAndResume(t *testing.T) {
	s := h.open(t)
	if s.Limit != nil {
		s.Limit(512 << 10)
	}
	stop := make(chan struct{})
	wait := s.bulkUntil(stop)
	for round := 1; round <= 3; round++ {
		before := s.number.Load()
		s.hub.until("bulk", patience, func() bool { return len(s.hub.got) > 0 && s.number.Load() > before+4 })
		s.Cut()
		s.office.until("Down after cut", patience, func() bool { return s.office.downs >= round })
		s.hub.until("Down after cut", patience, func() bool { return s.hub.downs >= round })
		s.office.untilUp()
		s.hub.untilUp()
	}
	close(stop)
	wait()
	s.works(true)
}

func (h Harness) killed(t *testing.T) {
	s := h.open(t)
	if s.Kill == nil {
		t.Log("there is nothing between the two ends")
		return
	}
	stop := make(chan struct{})
	wait := s.bulkUntil(stop)
	s.hub.until("bulk", patience, func() bool { return len(s.hub.got) > 10 })
	s.Kill()
	s.office.untilDown()
	s.hub.untilDown()
	if err := s.Office.Send(t.Context(), testFrame(s.number.Add(1), 100), false); err == nil {
		t.Error("a frame was taken by a link that is down")
	}
	s.Restart()
	s.office.untilUp()
	s.hub.untilUp()
	close(stop)
	wait()
	s.works(true)
}

func (h Harness) close(t *testing.T) {
	s := h.open(t)
	closer, ok := s.Office.(interface{ Close() error })
	if !ok {
		t.Log("this transport does not close")
		return
	}
	for range 2 {
		if err := closer.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	s.office.until("end of events", patience, func() bool { return s.office.ended })
	s.hub.untilDown()
	if err := s.Office.Send(t.Context(), testFrame(1, 100), false); err == nil {
		t.Error("a frame was taken by a closed transport")
	}
}
