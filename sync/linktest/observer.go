package linktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tram/sync/exchange"
)

// frameHead is the number and checksum in front of a test frame.
const frameHead = 8 + sha256.Size

// testFrame makes a frame of this size, at least frameHead, that checkFrame
// recognises. The content depends on the number alone.
func testFrame(number uint64, size int) []byte {
	frame := make([]byte, max(size, frameHead))
	binary.BigEndian.PutUint64(frame, number)
	dice := rand.NewChaCha8(sha256.Sum256(frame[:8]))
	dice.Read(frame[frameHead:])
	sum := sha256.Sum256(frame[frameHead:])
	copy(frame[8:], sum[:])
	return frame
}

func checkFrame(frame []byte) (number uint64, err error) {
	if len(frame) < frameHead {
		return 0, fmt.Errorf("frame of %d bytes was never sent", len(frame))
	}
	sum := sha256.Sum256(frame[frameHead:])
	if !bytes.Equal(sum[:], frame[8:frameHead]) {
		return 0, fmt.Errorf("frame %d was altered", binary.BigEndian.Uint64(frame))
	}
	return binary.BigEndian.Uint64(frame), nil
}

// observer reads the events of a transport and holds them to the contract.
type observer struct {
	t    *testing.T
	name string

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every event
	up      bool
	ups     int
	downs   int
	got     map[uint64]int
	order   []uint64
	ended   bool
}

func observe(t *testing.T, name string, transport exchange.Transport) *observer {
	t.Helper()
	o := &observer{t: t, name: name, changed: make(chan struct{}), got: map[uint64]int{}}
	if first, again := transport.Events(), transport.Events(); first != again {
		t.Errorf("%s: Events gives another channel at each call", name)
	}
	go func() {
		for ev := range transport.Events() {
			o.event(ev)
		}
		o.note(func() { o.ended = true })
	}()
	return o
}

func (o *observer) note(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *observer) event(ev exchange.LinkEvent) {
	o.note(func() {
		kinds := 0
		for _, is := range []bool{ev.Up, ev.Down, ev.Frame != nil} {
			if is {
				kinds++
			}
		}
		switch {
		case kinds != 1:
			o.t.Errorf("%s: event is not exactly one of Up, Down and Frame: %+v", o.name, ev)
		case ev.Up && o.up, ev.Down && !o.up:
			o.t.Errorf("%s: link change repeats itself: %+v", o.name, ev)
		case ev.Up:
			o.up = true
			o.ups++
		case ev.Down:
			o.up = false
			o.downs++
		default:
			number, err := checkFrame(ev.Frame)
			if err != nil {
				o.t.Errorf("%s: %v", o.name, err)
			}
			o.got[number]++
			o.order = append(o.order, number)
		}
	})
}

// until waits for a condition, which is checked under the lock.
func (o *observer) until(what string, limit time.Duration, condition func() bool) {
	o.t.Helper()
	if !o.within(limit, condition) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.t.Fatalf("%s: no %s within %v (up=%v ups=%d downs=%d frames=%d)", o.name, what, limit, o.up, o.ups, o.downs, len(o.got))
	}
}

func (o *observer) within(limit time.Duration, condition func() bool) bool {
	deadline := time.After(limit)
	for {
		o.mu.Lock()
		ok, changed := condition(), o.changed
		o.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

func (o *observer) untilUp()   { o.t.Helper(); o.until("Up", patience, func() bool { return o.up }) }
func (o *observer) untilDown() { o.t.Helper(); o.until("Down", patience, func() bool { return !o.up }) }

func (o *observer) counts() (ups, downs int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ups, o.downs
}

// missing are the numbers below n that have not arrived.
func (o *observer) missing(n uint64) (list []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range n {
		if o.got[i] == 0 {
			list = append(list, i)
		}
	}
	return list
}

// sequence gives the numbers in order of arrival.
func (o *observer) sequence() []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]uint64(nil), o.order...)
}
