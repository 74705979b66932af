package main

import (
	"math"
	"os"
	"testing"
	"time"
)

func TestProcessorTimeIsThatOfTheProcess(t *testing.T) {
	before, err := processor(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const work = 200 * time.Millisecond
	x := 1.0
	for begin := time.Now(); time.Since(begin) < 10*time.Second; {
		for range 1_000_000 {
			x = math.Sqrt(x + 1)
		}
		after, err := processor(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after-before >= work {
			if passed := time.Since(begin); passed < work/8 { // of processors there are not so many here
				t.Errorf("%v of work in %v", after-before, passed)
			}
			return
		}
	}
	t.Errorf("no work is counted (%v)", x)
}

// TestTheLifeOfFlashIsThatOfTheNote compares with a line of its table.
func TestTheLifeOfFlashIsThatOfTheNote(t *testing.T) {
	if got := flashYears(2000, 1.17e6, 22e6); math.Abs(got-7.0) > 0.1 {
		t.Errorf("%.2f years, want 7.0", got)
	}
}
