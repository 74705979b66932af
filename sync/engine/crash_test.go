package engine

import (
	"testing"
	"time"
)

// TestP2P3P4_CrashAtEveryPersist runs one story, a bulk document with an
// urgent one behind it over a hub, once for each instant before and after each
// persist, and crashes the node there.
func TestP2P3P4_CrashAtEveryPersist(t *testing.T) {
	for name, faults := range map[string]simFaults{"clean": {}, "torn": {torn: true}, "wiped": {wipe: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			points := crashStory(t, faults, -1)
			if points < 100 {
				t.Fatalf("only %d instants", points)
			}
			for at := range points {
				crashStory(t, faults, at)
			}
			t.Logf("%d instants", points)
		})
	}
}

// crashStory runs the story with a crash at the given instant and returns how
// many there were.
func crashStory(t *testing.T, faults simFaults, at int) int {
	t.Helper()
	s := newSim(7, chaosConfig(), "A", "hub", "B")
	s.fault = faults
	points := 0
	s.crash = func(n *simNode, after bool) bool {
		points++
		return points-1 == at
	}
	s.after(0, func() { s.document("A", "B", 0, []int{5000, 30, 300}, 1) })
	s.after(3*time.Second, func() { s.document("A", "B", 3, []int{900}) })
	s.run(s.start.Add(healTime))
	s.checkDrained()
	for _, e := range s.errs {
		t.Errorf("crash at instant %d: %s", at, e)
	}
	return points
}
