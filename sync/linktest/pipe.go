package linktest

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tram/sync/exchange"
	"tram/sync/wire"
)

// Errors of [End.Send].
var (
	ErrDown     = errors.New("pipe is down")
	ErrTooLarge = errors.New("frame is too large for the pipe")
)

// DefaultQueue bounds the frames that wait for the reader of an end.
const DefaultQueue = 256

// reorderFlush is when a held frame goes on although no other overtook it.
const reorderFlush = 50 * time.Millisecond

// Faults of a [Pipe], for each frame, as probabilities in 0…1. The zero value
// is a perfect line.
type Faults struct {
	Drop      float64       // the frame is lost
	Duplicate float64       // it comes twice
	Reorder   float64       // one to three later frames overtake it
	Cut       float64       // the line breaks after it, for Outage
	Delay     time.Duration // one way
	Jitter    time.Duration // added to Delay, random for each frame; reorders as well
	Outage    time.Duration // how long a cut lasts
	Rate      int           // bytes per second of bulk frames; 0 means unlimited
	Queue     int           // frames that wait for the reader; 0 means DefaultQueue
}

// Pipe makes the two ends of a line in memory. The same seed and the same
// frames in each direction meet the same faults. Both ends come up at once.
func Pipe(seed uint64, f Faults) (a, b *End) {
	if f.Queue == 0 {
		f.Queue = DefaultQueue
	}
	l := &pipe{faults: f}
	a, b = newEnd(l, seed, 1), newEnd(l, seed, 2)
	a.other, b.other = b, a
	l.ends = [2]*End{a, b}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mend()
	return a, b
}

// pipe is what two ends share. Its lock guards them too.
type pipe struct {
	mu     sync.Mutex
	faults Faults
	ends   [2]*End
	isUp   bool
	trip   int // counts Ups: frames of an earlier trip are lost
	agenda agenda
	serial uint64
}

// agenda holds what a pipe has to do later, in order.
type agenda []errand

type errand struct {
	due    time.Time
	serial uint64
	do     func()
}

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].due.Equal(a[j].due) {
		return a[i].serial < a[j].serial
	}
	return a[i].due.Before(a[j].due)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(errand)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

// later does something after a while, under the lock. What is due at the same
// instant happens in the order in which it was asked for, so that the outcome
// does not depend on which timer goes first.
func (l *pipe) later(wait time.Duration, do func()) {
	l.serial++
	heap.Push(&l.agenda, errand{time.Now().Add(wait), l.serial, do})
	time.AfterFunc(wait, func() { l.lock().Unlock() })
}

// lock does what is due and leaves the pipe locked.
func (l *pipe) lock() *sync.Mutex {
	l.mu.Lock()
	now := time.Now()
	for len(l.agenda) > 0 && !l.agenda[0].due.After(now) {
		heap.Pop(&l.agenda).(errand).do()
	}
	return &l.mu
}

// End is one end of a [Pipe]. It is an [exchange.Transport].
type End struct {
	line   *pipe
	other  *End
	dice   *rand.Rand
	events chan exchange.LinkEvent
	held   []*heldFrame // waiting to be overtaken
	free   time.Time    // when the line has sent all bulk
	closed bool
	sent   int64
	lost   int64
}

type heldFrame struct {
	data  []byte
	after int // frames that still have to overtake it
	trip  int
	gone  bool
}

var _ exchange.Transport = (*End)(nil)

// spareChanges is room for link changes beyond the frames of a full queue.
const spareChanges = 8

func newEnd(l *pipe, seed, stream uint64) *End {
	return &End{
		line: l, dice: rand.New(rand.NewPCG(seed, stream)),
		events: make(chan exchange.LinkEvent, l.faults.Queue+spareChanges),
	}
}

// Events implements [exchange.Transport].
func (e *End) Events() <-chan exchange.LinkEvent { return e.events }

// Send implements [exchange.Transport].
func (e *End) Send(ctx context.Context, frame []byte, bulk bool) error {
	if len(frame) > wire.MaxFrame {
		return ErrTooLarge
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if bulk {
		if err := e.pace(ctx, len(frame)); err != nil {
			return err
		}
	}
	defer e.line.lock().Unlock()
	if e.closed || !e.line.isUp {
		return ErrDown
	}
	e.sent++
	e.roll(slices.Clone(frame))
	return nil
}

// pace waits until the line has taken n bytes of bulk.
func (e *End) pace(ctx context.Context, n int) error {
	e.line.lock()
	rate := e.line.faults.Rate
	if rate == 0 {
		e.line.mu.Unlock()
		return nil
	}
	now := time.Now()
	if e.free.Before(now) {
		e.free = now
	}
	e.free = e.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
	wait := e.free.Sub(now)
	e.line.mu.Unlock()
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// roll decides the fate of a frame. It always throws the same number of dice.
func (e *End) roll(frame []byte) {
	f := &e.line.faults
	drop, double, hold, cut := e.dice.Float64(), e.dice.Float64(), e.dice.Float64(), e.dice.Float64()
	after, jitter := 1+e.dice.IntN(3), time.Duration(e.dice.Float64()*float64(f.Jitter))
	e.overtake()
	switch {
	case drop < f.Drop:
		e.lost++
	case hold < f.Reorder:
		e.hold(frame, after)
	default:
		e.ship(frame, f.Delay+jitter)
		if double < f.Duplicate {
			e.ship(slices.Clone(frame), f.Delay+jitter)
		}
	}
	if cut < f.Cut {
		e.line.cut()
	}
}

// hold keeps a frame back until others have overtaken it.
func (e *End) hold(frame []byte, after int) {
	h := &heldFrame{data: frame, after: after, trip: e.line.trip}
	e.held = append(e.held, h)
	e.line.later(reorderFlush, func() { e.release(h) })
}

func (e *End) overtake() {
	for _, h := range slices.Clone(e.held) {
		if h.after--; h.after < 0 {
			e.release(h)
		}
	}
}

func (e *End) release(h *heldFrame) {
	if h.gone {
		return
	}
	h.gone = true
	e.held = slices.DeleteFunc(e.held, func(x *heldFrame) bool { return x == h })
	if h.trip == e.line.trip && e.line.isUp {
		e.ship(h.data, e.line.faults.Delay)
	}
}

// ship brings a frame to the other end.
func (e *End) ship(frame []byte, delay time.Duration) {
	if delay == 0 {
		e.other.take(frame)
		return
	}
	trip := e.line.trip
	e.line.later(delay, func() {
		if e.line.isUp && e.line.trip == trip {
			e.other.take(frame)
		}
	})
}

func (e *End) take(frame []byte) {
	if e.closed || len(e.events) >= e.line.faults.Queue {
		e.lost++
		return
	}
	e.events <- exchange.LinkEvent{Frame: frame}
}

// change tells the reader about Up or Down. When there is no room, waiting
// frames are given up, and link changes merged to those with the same outcome.
func (e *End) change(ev exchange.LinkEvent) {
	if e.closed {
		return
	}
	select {
	case e.events <- ev:
		return
	default:
	}
	var first exchange.LinkEvent
	for empty := false; !empty; {
		select {
		case old := <-e.events:
			if (old.Up || old.Down) && !first.Up && !first.Down {
				first = old
			}
		default:
			empty = true
		}
	}
	if (first.Up || first.Down) && first.Up != ev.Up {
		e.events <- first
	}
	e.events <- ev
}

// Cut breaks the line for Faults.Outage. Frames in it are lost.
func (e *End) Cut() {
	defer e.line.lock().Unlock()
	e.line.cut()
}

func (l *pipe) cut() {
	if !l.isUp {
		return
	}
	l.breaks()
	trip := l.trip
	l.later(l.faults.Outage, func() {
		if l.trip == trip {
			l.mend()
		}
	})
}

// Break breaks the line until Mend.
func (e *End) Break() {
	defer e.line.lock().Unlock()
	e.line.trip++ // a cut that waits to end by itself no longer does
	e.line.breaks()
}

// Mend ends Break, or a cut at once.
func (e *End) Mend() {
	defer e.line.lock().Unlock()
	e.line.mend()
}

func (l *pipe) breaks() {
	if !l.isUp {
		return
	}
	l.isUp = false
	for _, e := range l.ends {
		e.held = nil
		e.change(exchange.LinkEvent{Down: true, Err: ErrDown})
	}
}

func (l *pipe) mend() {
	if l.isUp || l.ends[0].closed || l.ends[1].closed {
		return
	}
	l.isUp = true
	l.trip++
	for _, e := range l.ends {
		e.change(exchange.LinkEvent{Up: true})
	}
}

// SetFaults changes the faults of both directions. The queue stays as it was.
func (e *End) SetFaults(f Faults) {
	defer e.line.lock().Unlock()
	f.Queue = e.line.faults.Queue
	e.line.faults = f
}

// Count tells how many frames were sent from this end, and how many of either
// direction this end has lost: dropped on sending, or no room on receipt.
func (e *End) Count() (sent, lost int64) {
	defer e.line.lock().Unlock()
	return e.sent, e.lost
}

// Close ends this end for good; the other one goes down.
func (e *End) Close() error {
	defer e.line.lock().Unlock()
	if e.closed {
		return nil
	}
	e.line.breaks()
	e.closed = true
	close(e.events)
	return nil
}
