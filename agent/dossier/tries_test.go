package dossier

import (
	"fmt"
	"testing"
	"time"
)

// TestP9_TriesAreBoundedAndOver: of each key as many as allowed, then none until the
// time is over; what is remembered is bounded.
func TestP9_TriesAreBoundedAndOver(t *testing.T) {
	tries, now := NewTries(3, time.Minute), monday
	for i := range 3 {
		if tries.Wait("a", now) != 0 {
			t.Fatalf("try %d is refused", i)
		}
		tries.Note("a", now)
	}
	if w := tries.Wait("a", now.Add(20*time.Second)); w != 40*time.Second || tries.Wait("b", now) != 0 {
		t.Errorf("wait %v", w)
	}
	if tries.Wait("a", now.Add(time.Minute)) != 0 || tries.Wait("a", now.Add(-time.Hour)) != 0 {
		t.Error("it is never over")
	}
	for i := range maxTried + 10 {
		tries.Note(fmt.Sprint(i), now.Add(time.Duration(i)*time.Microsecond))
	}
	if len(tries.by) != maxTried {
		t.Errorf("%d keys are remembered", len(tries.by))
	}
	tries.Note("late", now.Add(time.Hour))
	if len(tries.by) != 1 {
		t.Errorf("%d keys that are over are remembered", len(tries.by)-1)
	}
}
