package queue

import (
	"sync"

	"tram/storage"
	"tram/storage/sqlite"
)

// maxEnded is how many unread Ended changes a watcher keeps. Further ones are
// dropped: a reader that misses one learns it from [Queue.ReadObject].
const maxEnded = 4096

// Change says what to look at again. Only one of its meanings is set, except
// that Ended may come with the Peer that it concerns.
type Change struct {
	Peer  string     // there is something new to offer to Peer
	Inbox bool       // the inbox has a new entry
	Ended storage.ID // this bundle is no longer outgoing: to Peer, or to anybody when Peer is empty
}

// watchers spreads changes. A writer only adds to each watcher's set; a
// goroutine of the watcher carries them to its reader, so that neither a slow
// reader nor a full channel holds a writer up or loses a wake-up.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

type watcher struct {
	mu      sync.Mutex
	waiting []Change
	has     map[Change]bool
	ended   int // of the waiting ones
	wake    chan struct{}
	stop    chan struct{}
}

// Watch reports changes after they are durable. Equal changes that were not
// read yet are one. stop ends it and closes the channel; it must be called,
// and may be called again.
func (q *Queue) Watch() (changes <-chan Change, stop func()) {
	w := &watcher{has: map[Change]bool{}, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	out := make(chan Change)
	q.watchers.mu.Lock()
	q.watchers.all[w] = struct{}{}
	q.watchers.mu.Unlock()
	go w.carry(out)
	return out, sync.OnceFunc(func() {
		q.watchers.mu.Lock()
		delete(q.watchers.all, w)
		q.watchers.mu.Unlock()
		close(w.stop)
	})
}

func (w *watcher) carry(out chan<- Change) {
	defer close(out)
	for {
		c, ok := w.take()
		if !ok {
			select {
			case <-w.wake:
				continue
			case <-w.stop:
				return
			}
		}
		select {
		case out <- c:
		case <-w.stop:
			return
		}
	}
}

func (w *watcher) take() (Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.waiting = nil // gives the array back
		return Change{}, false
	}
	c := w.waiting[0]
	w.waiting = w.waiting[1:]
	delete(w.has, c)
	if c.Ended != (storage.ID{}) {
		w.ended--
	}
	return c, true
}

func (w *watcher) add(c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.has[c] {
		return
	}
	if c.Ended != (storage.ID{}) {
		if w.ended >= maxEnded {
			return
		}
		w.ended++
	}
	w.has[c] = true
	w.waiting = append(w.waiting, c)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// notify tells the watchers once tx is durable.
func (q *Queue) notify(tx *sqlite.Tx, c Change) {
	tx.OnCommit(func() {
		q.watchers.mu.Lock()
		defer q.watchers.mu.Unlock()
		for w := range q.watchers.all {
			w.add(c)
		}
	})
}
