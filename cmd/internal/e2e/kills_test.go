package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

var (
	kills = flag.Int("kills", 4, "processes that each kill loop kills")
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the kill loops, printed for a repetition")
)

// victim is a process that may be killed at any instant.
type victim struct {
	*world.Process
	ready func() error
}

// loop kills victims at random while documents flow between all offices.
type loop struct {
	t       *testing.T
	random  *rand.Rand
	offices []*world.Office
	victims []victim
	sent    []sentDocument
}

type sentDocument struct {
	id       storage.ID
	from, to *world.Office
}

func newLoop(t *testing.T, worlds ...*world.World) *loop {
	t.Helper()
	t.Logf("-kills %d -seed %d", *kills, *seed)
	l := &loop{t: t, random: rand.New(rand.NewPCG(*seed, 3))}
	for _, w := range worlds {
		l.victims = append(l.victims, victim{w.Hub, func() error { return w.WaitHub(t.Context()) }})
		for _, o := range w.Offices {
			l.offices = append(l.offices, o)
			l.victims = append(l.victims, victim{o.Process, func() error { return o.Wait(t.Context()) }})
		}
	}
	return l
}

func (l *loop) pause(most time.Duration) { time.Sleep(time.Duration(l.random.Int64N(int64(most)))) }

// send hands over a document between two offices.
func (l *loop) send() {
	l.t.Helper()
	way := l.random.Perm(len(l.offices))
	from, to := l.offices[way[0]], l.offices[way[1]]
	n := len(l.sent)
	doc := send(l.t, from, to.Spec.Code, file{fmt.Sprintf("so-%d.pdf", n), sample.SmallPDF(3000+l.random.IntN(600_000), uint64(n))})
	l.sent = append(l.sent, sentDocument{doc.ID, from, to})
}

// run kills and then wants every document there, once, and its sender told.
func (l *loop) run() {
	l.t.Helper()
	for range *kills {
		l.send()
		l.send()
		l.pause(300 * time.Millisecond)
		v := l.victims[l.random.IntN(len(l.victims))]
		if err := v.Kill(); err != nil {
			l.t.Fatal(err)
		}
		l.pause(time.Second)
		if err := v.Start(); err != nil {
			l.t.Fatal(err)
		}
		if err := v.ready(); err != nil {
			l.t.Fatal(err)
		}
	}
	inbox := map[*world.Office]int{}
	for _, d := range l.sent {
		reaches(l.t, d.to, d.id, office.Arrived)
		reaches(l.t, d.from, d.id, office.Delivered)
		inbox[d.to]++
	}
	for _, o := range l.offices {
		page, err := o.API.Documents(l.t.Context(), office.Query{Box: office.In})
		if err != nil || page.Total != inbox[o] {
			l.t.Errorf("%s has %d documents, want %d (error %v)", o.Spec.Code, page.Total, inbox[o], err)
		}
	}
}

// TestP2_P3_KillsInThreeTiers kills hubs and offices of a tree at random.
func TestP2_P3_KillsInThreeTiers(t *testing.T) {
	t.Parallel()
	tr := startTree(t)
	newLoop(t, tr.province, tr.east, tr.west).run()
}

// TestP2_P3_KillsOfSplitRelays kills relays, offices and broker nodes at random.
func TestP2_P3_KillsOfSplitRelays(t *testing.T) {
	t.Parallel()
	s := startSplit(t)
	l := newLoop(t, s.first, s.next)
	for i, node := range s.brokers.Nodes {
		l.victims = append(l.victims, victim{node, func() error { return s.brokers.Wait(t.Context(), i) }})
	}
	l.run()
}
