package linktest_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tram/sync/exchange"
	"tram/sync/linktest"
)

// run sends numbered frames through a pipe and gives what came out.
func run(t *testing.T, seed uint64, f linktest.Faults) (events []string, frames []uint64) {
	t.Helper()
	a, b := linktest.Pipe(seed, f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range b.Events() {
			switch {
			case ev.Up:
				events = append(events, "up")
			case ev.Down:
				events = append(events, "down")
			default:
				frames = append(frames, binary.BigEndian.Uint64(ev.Frame))
			}
		}
	}()
	go func() {
		for range a.Events() {
		}
	}()
	for i := range uint64(500) {
		err := a.Send(t.Context(), binary.BigEndian.AppendUint64(nil, i), false)
		if err != nil && !errors.Is(err, linktest.ErrDown) {
			t.Errorf("send: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Minute)
	a.Close()
	b.Close()
	<-done
	return events, frames
}

func TestPipeIsDeterministic(t *testing.T) {
	t.Parallel()
	faults := linktest.Faults{
		Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, Cut: 0.01, Delay: 5 * time.Millisecond,
		Jitter: 5 * time.Millisecond, Outage: 20 * time.Millisecond,
	}
	synctest.Test(t, func(t *testing.T) {
		events, frames := run(t, 1, faults)
		again, sameFrames := run(t, 1, faults)
		if !slices.Equal(events, again) || !slices.Equal(frames, sameFrames) {
			t.Error("the same seed gives another outcome")
		}
		if _, other := run(t, 2, faults); slices.Equal(frames, other) {
			t.Error("another seed gives the same outcome")
		}
		seen, repeated, swapped := map[uint64]bool{}, 0, 0
		for i, n := range frames {
			if seen[n] {
				repeated++
			}
			seen[n] = true
			if i > 0 && n < frames[i-1] {
				swapped++
			}
		}
		if len(seen) > 480 || len(seen) < 200 || repeated == 0 || swapped == 0 || len(events) < 4 {
			t.Errorf("faults are missing: %d frames, %d repeated, %d swapped, changes %v", len(seen), repeated, swapped, events)
		}
	})
}

func TestPipeWithoutFaultsIsPerfect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		events, frames := run(t, 1, linktest.Faults{})
		if len(frames) != 500 || !slices.IsSorted(frames) || !slices.Equal(events, []string{"up", "down"}) {
			t.Errorf("%d frames, changes %v", len(frames), events)
		}
	})
}

func TestPipeBreaksAndMends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := linktest.Pipe(1, linktest.Faults{Outage: time.Second, Delay: time.Millisecond})
		expect := func(want string) {
			t.Helper()
			for _, end := range []*linktest.End{a, b} {
				synctest.Wait()
				var ev exchange.LinkEvent
				select {
				case ev = <-end.Events():
				default:
				}
				if got := map[bool]string{true: "up"}[ev.Up] + map[bool]string{true: "down"}[ev.Down] + string(ev.Frame); got != want {
					t.Fatalf("event %q, want %q", got, want)
				}
			}
		}
		expect("up")
		a.Send(t.Context(), []byte("lost in the line"), false)
		a.Break()
		expect("down")
		a.Break()
		time.Sleep(time.Hour)
		expect("")
		b.Mend()
		b.Mend()
		expect("up")
		a.Cut()
		expect("down")
		a.Break() // the cut no longer ends by itself
		time.Sleep(time.Hour)
		expect("")
		a.Mend()
		expect("up")
		b.Cut()
		expect("down")
		time.Sleep(2 * time.Second)
		expect("up")
	})
}

func TestPipeThatNobodyReadsKeepsLinkChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := linktest.Pipe(1, linktest.Faults{Queue: 5})
		for range 1000 {
			a.Send(t.Context(), []byte("frame"), false)
			a.Break()
			a.Mend()
		}
		a.Break()
		a.Close()
		b.Close()
		isUp := false
		for ev := range b.Events() {
			if ev.Frame == nil && ev.Up == isUp {
				t.Fatal("link changes do not alternate")
			}
			if ev.Frame == nil {
				isUp = ev.Up
			}
		}
		if isUp {
			t.Error("the last word was lost")
		}
	})
}
