package linktest_test

import (
	"sync"
	"testing"
	"time"

	"tram/sync/exchange"
)

// watcher reads a transport that carries frames made by number.
type watcher struct {
	mu         sync.Mutex
	up         bool
	ups, downs int
	got        map[int]int
	last       error
}

func watch(t *testing.T, transport exchange.Transport) *watcher {
	w := &watcher{got: map[int]int{}}
	go func() {
		for ev := range transport.Events() {
			w.take(ev)
		}
	}()
	return w
}

func (w *watcher) take(ev exchange.LinkEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ev.Up:
		w.up = true
		w.ups++
	case ev.Down:
		w.up, w.last = false, ev.Err
		w.downs++
	case len(ev.Frame) > 1:
		w.got[int(ev.Frame[0])<<8|int(ev.Frame[1])]++
	}
}

// number makes a frame that a watcher can count.
func number(i, size int) []byte {
	frame := make([]byte, size)
	frame[0], frame[1] = byte(i>>8), byte(i)
	return frame
}

func (w *watcher) until(t *testing.T, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		ok, state := condition(), [4]any{w.up, w.ups, w.downs, len(w.got)}
		last := w.last
		w.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v: up, ups, downs, frames are %v, last error %v", what, limit, state, last)
		}
	}
}

func (w *watcher) untilUp(t *testing.T) {
	t.Helper()
	w.until(t, "Up", rawPatience, func() bool { return w.up })
}

// frames waits until this many different frames have come.
func (w *watcher) frames(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	w.until(t, "complete set of frames", limit, func() bool { return len(w.got) >= n })
}

// steady says that each of n frames came once, and over one connection after
// mark downs.
func (w *watcher) steady(t *testing.T, n, mark int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n {
		if w.got[i] != 1 {
			t.Errorf("frame %d came %d times", i, w.got[i])
		}
	}
	if w.downs != mark {
		t.Errorf("the link went down %d times: %v", w.downs-mark, w.last)
	}
}

func (w *watcher) falls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.downs
}
