package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/wire"
)

// TestAnUnsettledHelloIsSettledByAnAnswer has B take A only after A has seen
// B's HELLO, over lines that lose half of what is said.
func TestAnUnsettledHelloIsSettledByAnAnswer(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newStation(t, "A", keys), newStation(t, "B", keys)
				secret := uuid.New()
				b.guard.greet = func(say, _ *wire.Hello) { say.Heard = secret }
				a.guard.greet = func(say, heard *wire.Hello) {
					if heard != nil {
						say.Known = heard.Heard
					}
				}
				b.guard.judge = func(h wire.Hello, answers bool) error {
					switch {
					case h.Known == secret:
						return nil
					case answers:
						return errors.New("answers, and does not say what it heard")
					}
					return exchange.ErrUnsettled
				}
				faults := linktest.Faults{Delay: 200 * time.Millisecond}
				if seed > 0 {
					faults.Drop, faults.Duplicate, faults.Reorder = 0.5, 0.2, 0.2
				}
				join(t, a, b, seed, faults)
				id := a.put(t, "B", 900, 20_000)
				settled(t, a, b, id, 6*time.Hour)
				sameObjects(t, a, b, id, 2)
			})
		})
	}
}

// TestACopyIsNotAskedAgain counts what is said to a neighbour that is an older
// copy, and what comes of its offers.
func TestACopyIsNotAskedAgain(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		older := func(wire.Hello, bool) error { return fmt.Errorf("it is an %w", exchange.ErrCopy) }
		a.guard.judge, b.guard.judge = older, older
		a.put(t, "B", 900)
		b.put(t, "A", 900)
		join(t, a, b, 1, linktest.Faults{Delay: 100 * time.Millisecond})
		time.Sleep(time.Hour)
		for _, s := range []*station{a, b} {
			inbox, err := s.store.Inbox(t.Context())
			said, _, sessions := s.guard.counts()
			if err != nil || len(inbox) != 0 || len(sessions) != 0 {
				t.Errorf("%s has %d bundles and sessions %v (error %v)", s.code, len(inbox), sessions, err)
			}
			if said > 4 {
				t.Errorf("%s made %d HELLOs in an hour", s.code, said)
			}
		}
	})
}

// TestAnAnswerIsAnsweredOnce lets each side have something to add to whatever
// it hears.
func TestAnAnswerIsAnsweredOnce(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		for _, s := range []*station{a, b} {
			s.guard.greet = func(say, heard *wire.Hello) {
				if heard != nil {
					say.Card = []byte("card")
				}
			}
		}
		join(t, a, b, 1, linktest.Faults{Delay: 100 * time.Millisecond})
		time.Sleep(time.Hour)
		_, atA, sessionsA := a.guard.counts()
		_, atB, sessionsB := b.guard.counts()
		if atA+atB > 6 || len(sessionsA) != 1 || len(sessionsB) != 1 {
			t.Errorf("%d and %d HELLOs were heard; sessions %v and %v", atA, atB, sessionsA, sessionsB)
		}
	})
}

// TestANewSessionOnTheSameLineEndsTheOldOne has A greet anew under a line that
// shows no change, and say too little.
func TestANewSessionOnTheSameLineEndsTheOldOne(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		line, _ := join(t, a, b, 1, linktest.Faults{Delay: 100 * time.Millisecond})
		settled(t, a, b, a.put(t, "B", 900), time.Minute)
		b.guard.mu.Lock()
		b.guard.judge = func(wire.Hello, bool) error { return exchange.ErrUnsettled }
		b.guard.mu.Unlock()
		hello, err := wire.Encode(wire.Hello{Version: wire.Version, Office: "A", Session: uuid.New()})
		if err != nil {
			t.Fatal(err)
		}
		if err := line.Send(t.Context(), hello, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, _, sessions := b.guard.counts(); !slices.Equal(sessions, []bool{true, false}) {
			t.Errorf("sessions at B: %v", sessions)
		}
	})
}

// TestSilenceOfANeighbour: it is counted while the neighbour owes an answer, from
// when it last said something.
func TestSilenceOfANeighbour(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a := newStation(t, "A", keys)
		line, other := linktest.Pipe(1, linktest.Faults{})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = a.node.Run(ctx, "B", line) })
		say := func(f wire.Frame) {
			t.Helper()
			raw, err := wire.Encode(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Send(t.Context(), raw, false); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		if got := a.node.Silence("B"); got != time.Hour {
			t.Errorf("silent for %v after an hour without an answer to the greeting", got)
		}
		say(wire.Hello{Version: wire.Version, Office: "B", Session: uuid.New()})
		time.Sleep(time.Hour)
		if got := a.node.Silence("B"); got != 0 {
			t.Errorf("silent for %v when nothing is owed", got)
		}
		id := a.put(t, "B", 900)
		a.node.Kick("B")
		synctest.Wait()
		time.Sleep(time.Hour)
		if got := a.node.Silence("B"); got != time.Hour {
			t.Errorf("silent for %v an hour after an offer", got)
		}
		say(wire.Defer{ID: id, Code: wire.CodeBusy, After: 2 * time.Hour})
		time.Sleep(time.Minute)
		if got := a.node.Silence("B"); got > time.Minute {
			t.Errorf("silent for %v, and answered a minute ago", got)
		}
		cancel()
		line.Close()
		other.Close()
		group.Wait()
		if got := a.node.Silence("B"); got != 0 {
			t.Errorf("silent for %v without a session", got)
		}
	})
}
