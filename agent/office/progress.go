package office

import (
	"math"
	"sync"
	"time"

	"tram/storage"
)

const (
	// rateHalfLife smooths the rate that is shown, leftHalfLife the one from
	// which the time left is computed.
	rateHalfLife = 5 * time.Second
	leftHalfLife = 10 * time.Second
	// A time left is told after leftAfter and leftSamples samples, not before.
	leftAfter   = 10 * time.Second
	leftSamples = 3
	// sampleEvery is the shortest span that counts as a sample; shorter ones
	// are added up.
	sampleEvery = 250 * time.Millisecond
	// standstill is the rate, in bytes per second, below which a transfer waits
	// for the network and has no time left.
	standstill = 1
)

// transfers is the live state of outgoing transfers, in memory only.
type transfers struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[storage.ID]*transfer
}

type transfer struct {
	sent, total int64
	began       time.Time // of the present run without a break
	marked      time.Time // start of the span being added up
	markedSent  int64
	samples     int
	rate, slow  float64 // bytes per second, by the two half-lives
	down        bool
}

// observe takes in how many bytes the neighbour has acknowledged. first is
// true at the first byte of a transfer.
func (t *transfers) observe(id storage.ID, sent, total int64) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	x := t.by[id]
	if x == nil {
		x = &transfer{began: now, marked: now, markedSent: sent}
		t.by[id] = x
		first = sent > 0
	} else {
		first = x.sent == 0 && sent > 0
	}
	if x.down {
		*x = transfer{sent: x.sent, total: x.total, began: now, marked: now, markedSent: sent}
	}
	x.sent, x.total = max(x.sent, sent), total // never backwards
	span := now.Sub(x.marked)
	if span < sampleEvery {
		return first
	}
	rate := float64(max(sent-x.markedSent, 0)) / span.Seconds()
	if x.samples == 0 {
		x.rate, x.slow = rate, rate
	} else {
		x.rate = smooth(x.rate, rate, span, rateHalfLife)
		x.slow = smooth(x.slow, rate, span, leftHalfLife)
	}
	x.samples++
	x.marked, x.markedSent = now, max(sent, x.markedSent)
	return first
}

func smooth(old, sample float64, span, halfLife time.Duration) float64 {
	keep := math.Exp2(-span.Seconds() / halfLife.Seconds())
	return old*keep + sample*(1-keep)
}

// progress returns the state of a transfer that is under way.
func (t *transfers) progress(id storage.ID) (Progress, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.by[id]
	if x == nil {
		return Progress{}, false
	}
	p := Progress{Sent: x.sent, Total: x.total}
	if x.down {
		return p, true
	}
	now := t.now()
	idle := now.Sub(x.marked)
	rate, slow := x.rate, x.slow
	if idle > sampleEvery { // silence counts as a sample of nothing
		rate, slow = smooth(rate, 0, idle, rateHalfLife), smooth(slow, 0, idle, leftHalfLife)
	}
	p.Rate = rate
	if x.samples >= leftSamples && now.Sub(x.began) >= leftAfter && slow >= standstill {
		p.Left = time.Duration(float64(x.total-x.sent) / slow * float64(time.Second))
	}
	return p, true
}

// linkDown freezes all transfers: no rate and no time left until bytes flow.
func (t *transfers) linkDown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.by {
		x.down = true
	}
}

// end forgets a transfer.
func (t *transfers) end(id storage.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, id)
}
