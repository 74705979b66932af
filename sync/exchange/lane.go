package exchange

import "sync"

// lane does one thing after the other, in order, away from the goroutine that
// asks for it. Its own goroutine lives only while there is something to do, for
// a hub has thousands of lanes and most are idle.
type lane[T any] struct {
	do    func(T)
	limit int // items that may wait; 0: the user bounds them
	group *sync.WaitGroup

	mu      sync.Mutex
	items   []T
	running bool
}

// put says whether there was room.
func (l *lane[T]) put(item T) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit > 0 && len(l.items) >= l.limit {
		return false
	}
	l.items = append(l.items, item)
	if !l.running {
		l.running = true
		l.group.Go(l.run)
	}
	return true
}

func (l *lane[T]) run() {
	for {
		item, ok := l.next()
		if !ok {
			return
		}
		l.do(item)
	}
}

func (l *lane[T]) next() (item T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.items) == 0 {
		l.items, l.running = nil, false
		return item, false
	}
	item, l.items[0] = l.items[0], item
	l.items = l.items[1:]
	return item, true
}
