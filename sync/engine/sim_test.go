package engine

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"tram/sync/wire"

	"github.com/google/uuid"
)

// sim is a world under fake time: nodes with stores and Peers, links between
// them, and an event queue. Everything in it follows from its seed.
type sim struct {
	rng   *rand.Rand
	start time.Time
	now   time.Time
	queue simQueue
	seq   int
	fault simFaults
	cfg   Config

	nodes  map[string]*simNode
	names  []string
	links  []*simLink
	docs   map[uuid.UUID]*simDoc
	next   int // number of the next document
	errs   []string
	steps  int
	trace  func(format string, args ...any)
	steady bool                                // nothing is random
	told   func(from, to string, f wire.Frame) // hears of each frame that is carried
	persis int                                 // persist points passed
	crash  func(n *simNode, after bool) bool
	p4     map[simSentKey]*simSent
}

// simFaults are probabilities, in parts of a thousand, and switches. healed
// turns all of them off.
type simFaults struct {
	drop, dup, reorder int // per frame
	crash              int // per persist point
	store              int // per store operation: it fails and says so
	slowDisk           int // per store operation: seconds instead of milliseconds
	torn               bool
	wipe               bool // the hub loses its store at a crash
	stale              bool // frames of an older session may arrive in a newer one
	supersede          bool // a new session may begin without an end of the old one
}

type simEvent struct {
	at  time.Time
	seq int
	fn  func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	n := len(*q) - 1
	e := (*q)[n]
	(*q)[n] = simEvent{}
	*q = (*q)[:n]
	return e
}

// newSim makes nodes and a link between each and the next.
func newSim(seed uint64, cfg Config, names ...string) *sim {
	start := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	s := &sim{
		rng: rand.New(rand.NewPCG(seed, 1)), start: start, now: start, cfg: cfg.withDefaults(),
		nodes: make(map[string]*simNode), names: names, docs: make(map[uuid.UUID]*simDoc),
		p4: make(map[simSentKey]*simSent),
	}
	for _, name := range names {
		s.nodes[name] = &simNode{sim: s, name: name, store: newSimStore(1)}
	}
	for i := range len(names) - 1 {
		l := &simLink{sim: s, ends: [2]*simNode{s.nodes[names[i]], s.nodes[names[i+1]]}}
		s.links = append(s.links, l)
		l.ends[0].links = append(l.ends[0].links, l)
		l.ends[1].links = append(l.ends[1].links, l)
	}
	for _, name := range names {
		s.nodes[name].boot()
	}
	return s
}

func (s *sim) after(d time.Duration, fn func()) {
	s.seq++
	heap.Push(&s.queue, simEvent{s.now.Add(d), s.seq, fn})
}

// run carries on until nothing is left to happen or the time is over.
func (s *sim) run(until time.Time) {
	for len(s.queue) > 0 && len(s.errs) == 0 {
		if s.queue[0].at.After(until) {
			s.now = until
			return
		}
		e := heap.Pop(&s.queue).(simEvent)
		s.now = e.at
		e.fn()
	}
}

func (s *sim) fail(format string, args ...any) {
	s.errs = append(s.errs, fmt.Sprintf("at %v: ", s.now.Sub(s.start))+fmt.Sprintf(format, args...))
}

func (s *sim) log(format string, args ...any) {
	if s.trace != nil {
		s.trace("%12v "+format, append([]any{s.now.Sub(s.start)}, args...)...)
	}
}

func (s *sim) chance(perMille int) bool { return perMille > 0 && s.rng.IntN(1000) < perMille }

func (s *sim) between(low, high time.Duration) time.Duration {
	if s.steady {
		return (low + high) / 2
	}
	return low + time.Duration(s.rng.Int64N(int64(high-low)+1))
}

// document makes a document and saves it at its sender.
func (s *sim) document(from, to string, urgency uint8, sizes []int, inline ...int) *simDoc {
	s.next++
	d := newSimDoc(s.next, from, to, urgency, s.now, sizes, inline...)
	s.docs[d.id] = d
	n := s.nodes[from]
	toward := n.toward(to)
	n.store.put(toward, d, true)
	n.tell(toward, Queued{d.item()})
	return d
}

// simLink is the line between two nodes. A session on it has a number; frames
// belong to one.
type simLink struct {
	sim     *sim
	ends    [2]*simNode
	session int
	on      [2]bool                      // the end has had Up in this session
	snap    [2]map[simPartKey]simDurable // durable at the end when its session began
}

type simDurable struct{ bytes, dropped int }

func (l *simLink) side(n *simNode) int {
	if l.ends[0] == n {
		return 0
	}
	return 1
}

func (l *simLink) other(n *simNode) *simNode { return l.ends[1-l.side(n)] }

// connect begins a new session after a while; each end learns of it in its
// own time.
func (l *simLink) connect(wait time.Duration) {
	l.session++
	session := l.session
	l.on = [2]bool{}
	l.sim.after(wait, func() {
		if l.session != session || !l.ends[0].alive || !l.ends[1].alive {
			return
		}
		l.sim.log("link %s-%s session %d", l.ends[0].name, l.ends[1].name, session)
		for i := range l.ends {
			l.sim.after(l.sim.between(0, 300*time.Millisecond), func() {
				if l.session == session {
					l.begin(i)
				}
			})
		}
	})
}

func (l *simLink) begin(i int) {
	n, peer := l.ends[i], l.ends[1-i]
	l.on[i] = true
	l.snap[i] = make(map[simPartKey]simDurable)
	for k, p := range n.store.part {
		if k.peer == peer.name {
			l.snap[i][k] = simDurable{p.durable, n.store.dropped[k]}
		}
	}
	r := n.runs[peer.name]
	r.epoch = peer.store.epoch
	for _, d := range n.store.outgoing(peer.name, r.epoch) {
		r.step(Queued{d.item()})
	}
	r.step(Up{})
}

// end ends the session; each end that is alive learns of it in its own time,
// or only by the next session.
func (l *simLink) end() {
	was := l.on
	l.session++
	l.on = [2]bool{}
	for i, n := range l.ends {
		if was[i] && n.alive && !(l.sim.fault.supersede && l.sim.chance(500)) {
			r := n.runs[l.other(n).name]
			session := l.session
			l.sim.after(l.sim.between(0, 500*time.Millisecond), func() {
				if r.valid() && l.session == session || l.session == session+1 && !l.on[i] && r.valid() {
					r.step(Down{})
				}
			})
		}
	}
}

// carry moves a frame from n to the other end, or does not.
func (l *simLink) carry(n *simNode, f wire.Frame) {
	s := l.sim
	i := l.side(n)
	if !l.on[i] || s.chance(s.fault.drop) {
		return
	}
	if s.told != nil {
		s.told(n.name, l.other(n).name, f)
	}
	raw, err := wire.Encode(f)
	if err != nil {
		s.fail("encode %s: %v", wire.Name(f), err)
		return
	}
	copies := 1
	if s.chance(s.fault.dup) {
		copies = 2
	}
	session := l.session
	for range copies {
		delay := s.between(time.Millisecond, 20*time.Millisecond)
		if s.chance(s.fault.reorder) {
			delay = s.between(0, 3*time.Second)
		}
		s.after(delay, func() { l.deliver(1-i, session, raw) })
	}
}

func (l *simLink) deliver(i, session int, raw []byte) {
	if !l.on[i] || session != l.session && !l.sim.fault.stale {
		return
	}
	f, err := wire.Decode(raw)
	if err != nil {
		l.sim.fail("decode: %v", err)
		return
	}
	n := l.ends[i]
	r := n.runs[l.other(n).name]
	r.received(f)
}
