package line

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// maxPacket is the largest IP packet in bytes.
const maxPacket = 64 << 10

// onTheWay bounds the packets between the two ends of one direction; those
// beyond are counted as Full. It is reached only by a line without a rate.
const onTheWay = 16 << 10

// idleWait is how often a direction without packets looks whether it is to end.
const idleWait = 100 * time.Millisecond

// device is one end: packets that its host sends are read, what is written
// reaches the host.
type device interface {
	// Read waits for a packet. After wait it returns 0; an error ends the line.
	Read(p []byte, wait time.Duration) (int, error)
	Write(p []byte) (int, error)
}

// emulator carries packets between two devices as two directions of a line.
type emulator struct {
	mu    sync.Mutex
	ways  [2]way // up, down
	flows flows
	down  bool
	cuts  int // how often the line was cut: packets of before never arrive
	wg    sync.WaitGroup
}

const (
	up   = 0
	down = 1
)

type way struct {
	Direction
	dice  *rand.Rand
	free  time.Time // when the line has sent all that it was given
	count Count
}

// parcel is a packet on its way.
type parcel struct {
	data []byte
	due  time.Time
	cuts int
}

// newEmulator starts carrying. It ends when reading from the devices fails.
func newEmulator(office, hub device, seed uint64) *emulator {
	e := &emulator{}
	for dir, ends := range [2][2]device{{office, hub}, {hub, office}} {
		e.ways[dir].dice = rand.New(rand.NewPCG(seed, uint64(dir)))
		e.wg.Go(func() { e.carry(dir, ends[0], ends[1]) })
	}
	return e
}

// carry is one direction. It has a thread of its own that the system prefers:
// a packet that is read late would seem to come in a burst.
func (e *emulator) carry(dir int, from, to device) {
	runtime.LockOSThread() // for good: the thread ends with the preference
	prefer()
	var queue []parcel
	buf := make([]byte, maxPacket)
	for {
		wait := idleWait
		if len(queue) > 0 {
			wait = min(wait, time.Until(queue[0].due))
		}
		n, err := from.Read(buf, max(0, wait))
		if err != nil {
			return
		}
		if n > 0 {
			if p, ok := e.admit(dir, buf[:n], len(queue), time.Now()); ok {
				p.data = append([]byte(nil), buf[:n]...)
				queue = append(queue, p)
			}
		}
		for len(queue) > 0 && !time.Now().Before(queue[0].due) {
			if e.current(dir, queue[0]) {
				// A device that is down refuses the packet: it is lost, as it should be.
				_, _ = to.Write(queue[0].data)
			}
			queue = queue[1:]
		}
	}
}

// admit decides whether and when a packet that is sent now arrives.
func (e *emulator) admit(dir int, packet []byte, queued int, now time.Time) (parcel, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := &e.ways[dir]
	w.count.Packets++
	w.count.Bytes += int64(len(packet))
	if dead := e.flows.see(dir, packet, now, &w.count); dead || e.down {
		w.count.Cut++
		return parcel{}, false
	}
	if queued >= onTheWay {
		w.count.Full++
		return parcel{}, false
	}
	if w.free.Before(now) {
		w.free = now
	}
	if w.Rate > 0 {
		waiting := int(w.free.Sub(now).Seconds() * float64(w.Rate) / 8)
		if waiting > 0 && waiting+len(packet) > w.room() {
			w.count.Full++
			return parcel{}, false
		}
		w.free = w.free.Add(time.Duration(len(packet)*8) * time.Second / time.Duration(w.Rate))
	}
	if w.dice.Float64() < w.Loss {
		w.count.Lost++
		return parcel{}, false
	}
	return parcel{due: w.free.Add(w.Delay), cuts: e.cuts}, true
}

func (d Direction) room() int {
	if d.Queue > 0 {
		return d.Queue
	}
	return DefaultQueue
}

// current reports whether the line was not cut while p was on its way.
func (e *emulator) current(dir int, p parcel) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.cuts != e.cuts {
		e.ways[dir].count.Cut++
		return false
	}
	return true
}

// Set implements [Line].
func (e *emulator) Set(upward, downward Direction) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ways[up].Direction, e.ways[down].Direction = upward, downward
}

// Link implements [Line].
func (e *emulator) Link(isUp bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !isUp && !e.down {
		e.cuts++
		e.ways[up].free, e.ways[down].free = time.Time{}, time.Time{}
	}
	e.down = !isUp
}

// Traffic implements [Line].
func (e *emulator) Traffic() (Traffic, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Traffic{e.ways[up].count, e.ways[down].count}, nil
}

// Flows implements [Packets].
func (e *emulator) Flows() []Flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flows.list()
}

// Forget implements [Packets].
func (e *emulator) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flows.forget()
}
