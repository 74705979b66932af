package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tram/sync/schedule"

	"github.com/google/uuid"
)

var (
	chaosSchedules = flag.Int("chaos.schedules", defaultSchedules, "how many random schedules TestChaos runs")
	chaosSeed      = flag.Uint64("chaos.seed", 0, "run only the schedule of this seed, with a trace; 0 runs all")
)

// chaosTime is how long a schedule is disturbed before it may heal.
const chaosTime = 90 * time.Second

// healTime is how long after that everything must have arrived. Backoff grows
// to DefaultRetryMax, and a DEFER of DefaultMaxDefer whose ASK was lost may add
// to it.
const healTime = 3 * time.Hour

// chaosConfig makes windows small, so that few bytes pass through many of
// them, and limits low, so that they are hit.
func chaosConfig() Config {
	return Config{
		Chunk: 512, Credit: 2048, SyncEvery: 1024, InFlight: 2, MaxOffers: 2, MaxIncoming: 4,
		MaxObjects: 2, MaxHeld: 1500, MaxWriting: 4096, MaxDigest: 1000,
	}
}

func TestChaos(t *testing.T) {
	if *chaosSeed != 0 {
		s := chaosSim(*chaosSeed)
		s.trace = t.Logf
		if err := runChaos(s); err != nil {
			t.Fatalf("seed %d: %v", *chaosSeed, err)
		}
		return
	}
	var next atomic.Uint64
	var ran, steps, crashes atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1)
				if seed > uint64(*chaosSchedules) {
					return
				}
				s := chaosSim(seed)
				if err := runChaos(s); err != nil {
					t.Errorf("seed %d: %v\nrerun: go test ./sync/engine -run '^TestChaos$' -chaos.seed=%d -v", seed, err, seed)
				}
				ran.Add(1)
				steps.Add(int64(s.steps))
				for _, n := range s.nodes {
					crashes.Add(int64(n.life - 1))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d schedules, %d steps, %d crashes", ran.Load(), steps.Load(), crashes.Load())
}

// topologies are the rows of nodes that chaos picks from. Those in the middle
// are hubs.
var topologies = [][]string{
	{"A", "B"},
	{"A", "hub", "B"},
	{"A", "hub", "B"},
	{"A", "district", "province", "B"},
	{"A", "district", "province", "district2", "B"},
}

// chaosSim makes the world of a seed and what will happen to it.
func chaosSim(seed uint64) *sim {
	shape := rand.New(rand.NewPCG(seed, 2))
	names := topologies[shape.IntN(len(topologies))]
	s := newSim(seed, chaosConfig(), names...)
	pick := func(values ...int) int { return values[s.rng.IntN(len(values))] }
	s.fault = simFaults{
		drop: pick(0, 0, 10, 50, 200), dup: pick(0, 0, 20, 200), reorder: pick(0, 0, 20, 200),
		crash: pick(0, 0, 2, 10), store: pick(0, 0, 5, 30), slowDisk: pick(0, 0, 0, 5),
		torn: pick(0, 0, 0, 1) == 1, wipe: pick(0, 1) == 1, stale: pick(0, 0, 0, 1) == 1,
		supersede: pick(0, 1) == 1,
	}
	last := names[len(names)-1]
	for range 1 + s.rng.IntN(5) {
		s.after(s.between(0, chaosTime*2/3), func() {
			from, to := "A", last
			if s.rng.IntN(3) == 0 {
				from, to = last, "A"
			}
			s.randomDocument(from, to)
		})
	}
	s.randomRules(s.rng.IntN(4))
	for range s.rng.IntN(5) {
		l := s.links[s.rng.IntN(len(s.links))]
		s.after(s.between(0, chaosTime), func() {
			l.end()
			l.connect(s.between(time.Second, 30*time.Second))
		})
	}
	for range pick(0, 0, 1, 2) {
		n := s.nodes[names[s.rng.IntN(len(names))]]
		s.after(s.between(0, chaosTime), func() {
			if n.alive {
				n.kill(s.between(0, 30*time.Second))
			}
		})
	}
	return s
}

func (s *sim) randomDocument(from, to string) {
	var sizes, inline []int
	for i := range 1 + s.rng.IntN(3) {
		switch s.rng.IntN(4) {
		case 0:
			sizes, inline = append(sizes, s.rng.IntN(100)), append(inline, i)
		case 1:
			sizes = append(sizes, s.rng.IntN(600))
		default:
			sizes = append(sizes, s.rng.IntN(20000))
		}
	}
	d := s.document(from, to, uint8(s.rng.IntN(4)), sizes, inline...)
	d.refused = s.rng.IntN(20) == 0
	n, toward := s.nodes[from], s.nodes[from].toward(to)
	if s.rng.IntN(4) == 0 { // a runner that lists twice
		n.tell(toward, Queued{d.item()})
	}
	switch s.rng.IntN(8) {
	case 0: // the sender is in a hurry
		s.after(s.between(0, 5*time.Second), func() { n.tell(toward, First{d.id}) })
	case 1: // the recipient is
		s.after(s.between(0, 5*time.Second), func() {
			s.nodes[to].tell(s.nodes[to].toward(from), First{d.id})
		})
	}
}

// randomRules lets offices come to metered lines for a while.
func (s *sim) randomRules(n int) {
	for range n {
		office := s.names[s.rng.IntN(2)*(len(s.names)-1)]
		rules := schedule.Rules{MinUrgency: uint8(s.rng.IntN(4)), MaxSize: int64(s.rng.IntN(30_000))}
		s.after(s.between(0, chaosTime/2), func() { s.nodes[office].restrict(rules) })
		s.after(s.between(chaosTime/2, chaosTime), func() { s.nodes[office].restrict(schedule.Rules{}) })
	}
}

// runChaos runs a schedule, heals the world and demands that all arrives.
func runChaos(s *sim) error {
	s.run(s.start.Add(chaosTime))
	s.fault = simFaults{}
	s.crash = nil
	for _, l := range s.links { // a session that both ends agree on
		if l.ends[0].alive && l.ends[1].alive && l.on != [2]bool{true, true} {
			l.connect(s.between(0, 5*time.Second))
		}
	}
	s.run(s.start.Add(chaosTime + healTime))
	s.checkDrained()
	if len(s.errs) > 0 {
		return fmt.Errorf("%s", s.errs[0])
	}
	return nil
}

// checkDrained demands P2 and P3 of the end state.
func (s *sim) checkDrained() {
	for _, d := range s.docs {
		if d.refused {
			if s.nodes[d.from].store.out[s.nodes[d.from].toward(d.to)][d.id] != nil {
				s.fail("%v still held at %s though it was refused", d.id, d.from)
			}
			continue
		}
		if got := s.nodes[d.to].store.handed[d.id]; got != 1 {
			s.fail("P2: %v from %s handed over %d times at %s", d.id, d.from, got, d.to)
		}
		from := s.nodes[d.from]
		toward := from.toward(d.to)
		if d.inReplyTo == uuid.Nil && from.store.out[toward][d.id] != nil {
			s.fail("P3: %v still held at %s after its receipt", d.id, d.from)
		}
	}
	for _, n := range s.nodes {
		for peer, r := range n.runs {
			st := r.p.Stats()
			if st.Outgoing != 0 || st.OnOffer != 0 || st.Incoming != 0 || st.Held != 0 || st.Writing != 0 || st.InFlight != 0 {
				s.fail("%s→%s does not come to rest: %+v", n.name, peer, st)
			}
			if left := n.store.outgoing(peer, s.nodes[peer].store.epoch); len(left) != 0 {
				s.fail("%s→%s: %d bundles left", n.name, peer, len(left))
			}
		}
	}
	if len(s.queue) > 0 {
		s.fail("%d events left", len(s.queue))
	}
}
