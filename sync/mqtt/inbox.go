package mqtt

import (
	"sync"
	"sync/atomic"

	"tram/sync/exchange"
)

// maxChanges bounds the link changes that wait in an inbox. Beyond it they are
// merged into the shortest sequence with the same outcome.
const maxChanges = 8

// inbox queues link events for one reader. Frames beyond its bounds are
// refused; link changes are never lost. An idle inbox has no goroutine.
type inbox struct {
	ch        chan exchange.LinkEvent
	quit      chan struct{}
	maxFrames int
	budget    *budget

	mu      sync.Mutex
	queue   []exchange.LinkEvent
	frames  int
	changes int
	pumping bool
	closed  bool
}

// budget bounds bytes, possibly of several inboxes together.
type budget struct {
	used  atomic.Int64
	limit int64
}

func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.limit {
		return true
	}
	b.used.Add(int64(-n))
	return false
}

func (b *budget) give(n int) { b.used.Add(int64(-n)) }

func newInbox(maxFrames int, b *budget) *inbox {
	return &inbox{
		ch: make(chan exchange.LinkEvent), quit: make(chan struct{}),
		maxFrames: maxFrames, budget: b,
	}
}

// frame queues a received frame and says whether there was room.
func (b *inbox) frame(data []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.frames >= b.maxFrames || !b.budget.take(len(data)) {
		return false
	}
	b.frames++
	b.put(exchange.LinkEvent{Frame: data})
	return true
}

// change queues Up or Down.
func (b *inbox) change(ev exchange.LinkEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.changes >= maxChanges {
		first := b.clear()
		if first.Up != ev.Up {
			b.changes++
			b.put(first)
		}
	}
	b.changes++
	b.put(ev)
}

func (b *inbox) put(ev exchange.LinkEvent) {
	b.queue = append(b.queue, ev)
	if !b.pumping {
		b.pumping = true
		go b.pump()
	}
}

// clear empties the queue and returns the first link change that was in it.
func (b *inbox) clear() (first exchange.LinkEvent) {
	for _, ev := range b.queue {
		if ev.Frame != nil {
			b.budget.give(len(ev.Frame))
		} else if !first.Up && !first.Down {
			first = ev
		}
	}
	b.queue, b.frames, b.changes = nil, 0, 0
	return first
}

// pump hands events to the reader until the queue is empty.
func (b *inbox) pump() {
	for {
		ev, ok := b.take()
		if !ok {
			return
		}
		select {
		case b.ch <- ev:
		case <-b.quit:
		}
	}
}

func (b *inbox) take() (exchange.LinkEvent, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.queue, b.pumping = nil, false
		if b.closed {
			close(b.ch)
		}
		return exchange.LinkEvent{}, false
	}
	ev := b.queue[0]
	b.queue[0] = exchange.LinkEvent{}
	b.queue = b.queue[1:]
	if ev.Frame != nil {
		b.frames--
		b.budget.give(len(ev.Frame))
	} else {
		b.changes--
	}
	return ev, true
}

// close drops what is queued and closes the channel.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.clear()
	close(b.quit)
	if !b.pumping {
		close(b.ch)
	}
}

// feed hands values to one reader without ever blocking the writer. A value
// replaces an unread one of the same key, so it is bounded by the number of keys.
type feed[K comparable, V any] struct {
	ch   chan V
	quit chan struct{}

	mu      sync.Mutex
	order   []K
	values  map[K]V
	pumping bool
	closed  bool
}

func newFeed[K comparable, V any]() *feed[K, V] {
	return &feed[K, V]{ch: make(chan V), quit: make(chan struct{}), values: map[K]V{}}
}

func (f *feed[K, V]) put(key K, value V) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if _, waiting := f.values[key]; !waiting {
		f.order = append(f.order, key)
	}
	f.values[key] = value
	if !f.pumping {
		f.pumping = true
		go f.pump()
	}
}

func (f *feed[K, V]) pump() {
	for {
		value, ok := f.take()
		if !ok {
			return
		}
		select {
		case f.ch <- value:
		case <-f.quit:
		}
	}
}

func (f *feed[K, V]) take() (value V, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) == 0 {
		f.order, f.pumping = nil, false
		if f.closed {
			close(f.ch)
		}
		return value, false
	}
	key := f.order[0]
	f.order = f.order[1:]
	value = f.values[key]
	delete(f.values, key)
	return value, true
}

func (f *feed[K, V]) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	f.order = nil
	clear(f.values)
	close(f.quit)
	if !f.pumping {
		close(f.ch)
	}
}
