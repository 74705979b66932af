package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/sync/wire"
)

func TestReceiverWholeTransfer(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.get(data(1, 1, 100, 100), write(1, 1, 100, 100, true))
	s.on(written(1, 1, 100, 0))
	s.on(written(1, 1, 100, 200), want(1, 1, 200, 300, 1)) // persisted before it is acknowledged
	s.get(data(1, 1, 200, 200), write(1, 1, 200, 200, true))
	s.get(data(1, 1, 400, 100), write(1, 1, 400, 100, true))
	s.on(written(1, 1, 200, 400), want(1, 1, 400, 100, 1))
	s.on(written(1, 1, 100, 500), want(1, 1, 500, 0, 1), Complete{id(1)})
	s.on(Completed{ID: id(1), Receipt: []byte("r")}, SendFrame{wire.Custody{ID: id(1), Receipt: []byte("r")}})
	if st := s.p.Stats(); st.Incoming != 0 || st.Writing != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

// TestP4_ReceiverResumes says that an admitted bundle is asked for from what
// is durable, and what is complete is only acknowledged.
func TestP4_ReceiverResumes(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{0: {50, 50}, 1: {500, 450}, 2: {0, 0}, 3: {10, 0}},
		want(1, 0, 50, 0, 1), want(1, 1, 450, 50, 1), want(1, 3, 0, 10, 1))
}

// TestP4_DownMakesDurableWhatIsHere so that a cut costs only what was in
// flight.
func TestP4_DownMakesDurableWhatIsHere(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.on(Down{}, flush(1, 1, 100))
	s.on(written(1, 1, 100, 0))
	s.on(written(1, 1, 0, 100))
	if st := s.p.Stats(); st.Incoming != 0 || st.Writing != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

func TestReceiverAnswersKnownBundles(t *testing.T) {
	offer := wire.Offer{ID: id(1), Header: []byte("h")}
	long := strings.Repeat("x", 2*wire.MaxText)
	for name, c := range map[string]struct {
		adm  Admission
		want wire.Frame
	}{
		"complete":     {Admission{Receipt: []byte("r")}, wire.Custody{ID: id(1), Receipt: []byte("r")}},
		"refused":      {Admission{Refuse: wire.CodeSender, Text: long}, wire.Refuse{ID: id(1), Code: wire.CodeSender, Text: long[:wire.MaxText]}},
		"deferred":     {Admission{Defer: wire.CodeFull, After: 1500 * time.Millisecond}, wire.Defer{ID: id(1), Code: wire.CodeFull, After: 2 * time.Second}},
		"deferred far": {Admission{Defer: wire.CodeFull, After: 2 * wire.MaxAfter}, wire.Defer{ID: id(1), Code: wire.CodeFull, After: wire.MaxAfter}},
		"deferred so":  {Admission{Defer: wire.CodeFull}, wire.Defer{ID: id(1), Code: wire.CodeFull, After: DefaultBusyAfter}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, small)
			s.on(Up{})
			s.get(offer, Admit{offer})
			s.get(offer) // repeated while the store looks
			s.on(Admitted{id(1), c.adm}, SendFrame{c.want})
			s.get(offer, Admit{offer})
		})
	}
}

func TestAllInlineCompletesAtOnce(t *testing.T) {
	s := newScript(t, small)
	s.receiving(nil, Complete{id(1)})
	s.get(wire.Offer{ID: id(1), Header: []byte("h")})
	s.get(wire.Cancel{ID: id(1), Code: wire.CodeWithdrawn}) // too late: it is all here
	s.on(Completed{ID: id(1), Receipt: []byte("r")}, SendFrame{wire.Custody{ID: id(1), Receipt: []byte("r")}})
}

func TestRepeatedOfferRepeatsWants(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}, 2: {Size: 40, Durable: 40}, 3: {Size: 10}},
		want(1, 2, 40, 0, 1), want(1, 1, 0, 400, 1), want(1, 3, 0, 10, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.on(written(1, 1, 100, 0))
	s.get(wire.Offer{ID: id(1), Header: []byte("h")}, flush(1, 1, 100), want(1, 2, 40, 0, 1), want(1, 3, 0, 10, 1))
	s.on(written(1, 1, 0, 100), want(1, 1, 100, 400, 1))
}

func TestHoleIsFilledByReordering(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	s.get(data(1, 1, 200, 100))
	s.get(data(1, 1, 100, 100))
	s.get(data(1, 1, 100, 50)) // a shorter one of the same place
	if held := s.p.Stats().Held; held != 200+2*pieceOverhead {
		t.Errorf("%d bytes held", held)
	}
	s.get(data(1, 1, 0, 150), write(1, 1, 0, 150, false), write(1, 1, 150, 50, true), write(1, 1, 200, 100, false))
	if held := s.p.Stats().Held; held != 0 {
		t.Errorf("%d bytes held", held)
	}
}

func TestHoleIsAskedForAgain(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.get(data(1, 1, 200, 100))
	s.on(written(1, 1, 100, 0))
	s.sleep(DefaultGapWait, flush(1, 1, 100)) // keep what is here, then ask for the rest
	s.on(written(1, 1, 0, 100), want(1, 1, 100, 400, 2))
	s.get(data(1, 1, 100, 100), write(1, 1, 100, 100, false), write(1, 1, 200, 100, true))
}

func TestSilenceIsAskedAgainWithBackoff(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	round := uint32(1)
	for _, d := range []time.Duration{15, 30, 60, 120, 240, 300, 300} {
		round++
		s.sleep(d*time.Second, want(1, 1, 0, 400, round))
	}
	s.get(data(1, 1, 0, 200), write(1, 1, 0, 200, true))
	s.pass(time.Hour) // a slow disk is no silence of the neighbour
	s.on(Tick{})
	s.on(written(1, 1, 200, 200), want(1, 1, 200, 300, round))
	s.sleep(15*time.Second, want(1, 1, 200, 300, round+1))
}

// TestOddChunks are ignored.
func TestOddChunks(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 1000}, 2: {Size: 10}, 3: {Size: 10}, 4: {Size: 50, Durable: 50}},
		want(1, 4, 50, 0, 1), want(1, 1, 0, 400, 1), want(1, 2, 0, 10, 1))
	for name, c := range map[string]wire.Chunk{
		"unknown bundle":    data(9, 1, 0, 10),
		"unknown object":    data(1, 7, 0, 10),
		"not yet asked for": data(1, 3, 0, 10),
		"complete":          data(1, 4, 0, 10),
		"beyond the window": data(1, 1, 400, 10),
		"across the window": data(1, 1, 390, 20),
		"beyond the object": data(1, 2, 5, 10),
		"negative":          data(1, 1, -5, 10),
		"empty":             {ID: id(1), Object: 1},
	} {
		if acts := s.do(Frame{c}); len(acts) != 0 {
			t.Errorf("%s: %s", name, list(acts))
		}
	}
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.get(data(1, 1, 0, 100))                               // again
	s.get(data(1, 1, 50, 100), write(1, 1, 100, 50, false)) // overlapping
}

func TestP9_HeldBytesAreBounded(t *testing.T) {
	c := small
	c.MaxHeld = 2*pieceOverhead + 10
	s := newScript(t, c)
	s.receiving(map[int]Need{1: {Size: 1000}}, want(1, 1, 0, 400, 1))
	for off := int64(399); off > 1; off-- { // tiny pieces
		s.get(data(1, 1, off, 1))
	}
	if st := s.p.Stats(); st.Held > c.MaxHeld || st.Dropped == 0 {
		t.Errorf("%+v", st)
	}
	s.get(wire.Cancel{ID: id(1), Code: wire.CodeWithdrawn}, Forget{ID: id(1)})
	if held := s.p.Stats().Held; held != 0 {
		t.Errorf("%d bytes held for nothing", held)
	}
}

func TestP9_WritesAreBounded(t *testing.T) {
	c := small
	c.MaxWriting = 150
	s := newScript(t, c)
	s.receiving(map[int]Need{1: {Size: 1000}}, want(1, 1, 0, 400, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, false))
	s.get(data(1, 1, 100, 100)) // the disk does not keep up
	s.on(written(1, 1, 100, 0))
	s.sleep(DefaultGapWait, flush(1, 1, 100))
	s.on(written(1, 1, 0, 100), want(1, 1, 100, 400, 2))
}

func TestP9_TooManyBundlesAreDeferred(t *testing.T) {
	s := newScript(t, Config{MaxIncoming: 1, AckDelay: time.Hour})
	s.receiving(map[int]Need{1: {Size: 1000}}, want(1, 1, 0, 1000, 1))
	other := wire.Offer{ID: id(2), Header: []byte("h")}
	busy := SendFrame{wire.Defer{ID: id(2), Code: wire.CodeBusy, After: DefaultBusyAfter}}
	s.get(other, busy)
	s.pass(DefaultIdle - 2*time.Second)
	s.get(data(1, 1, 0, 10), write(1, 1, 0, 10, false)) // it moves
	s.pass(DefaultIdle / 2)
	s.get(other, busy)
	s.pass(DefaultIdle)
	s.get(other, Admit{other}) // it does not: its place is taken over
	s.get(data(1, 1, 10, 10))
	s.on(written(1, 1, 10, 10))
}

// TestP9_AdmitsAreBounded: OFFER and CANCEL in turns must not pile up work.
func TestP9_AdmitsAreBounded(t *testing.T) {
	s := newScript(t, Config{MaxIncoming: 3})
	s.on(Up{})
	admits := 0
	for range 100 {
		for _, a := range s.do(Frame{wire.Offer{ID: id(1), Header: []byte("h")}}) {
			if _, ok := a.(Admit); ok {
				admits++
			}
		}
		s.do(Frame{wire.Cancel{ID: id(1), Code: wire.CodeWithdrawn}})
	}
	if admits != 3 {
		t.Errorf("%d admissions at once", admits)
	}
	for range 3 {
		s.on(Admitted{id(1), Admission{}})
	}
	s.get(wire.Offer{ID: id(1), Header: []byte("h")}, Admit{wire.Offer{ID: id(1), Header: []byte("h")}})
}

// TestOnlyTheNewestAdmissionCounts: what the store said before a CANCEL may be
// wrong after it.
func TestOnlyTheNewestAdmissionCounts(t *testing.T) {
	s := newScript(t, small)
	s.on(Up{})
	offer := wire.Offer{ID: id(1), Header: []byte("h")}
	s.get(offer, Admit{offer})
	s.get(wire.Cancel{ID: id(1), Code: wire.CodeWithdrawn}, Forget{ID: id(1)})
	s.get(offer, Admit{offer})
	s.on(Admitted{id(1), Admission{Need: map[int]Need{1: {100, 90}}}})
	s.on(Admitted{id(1), Admission{Need: map[int]Need{1: {100, 0}}}}, want(1, 1, 0, 100, 1))
}

func TestCancel(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 500}}, want(1, 1, 0, 400, 1))
	s.get(wire.Cancel{ID: id(1)}) // not on offer now: what is durable stays
	s.get(data(1, 1, 0, 100))
	s.get(wire.Cancel{ID: id(1), Code: wire.CodeExpired}, Forget{ID: id(1)}) // known to the store only
	if n := s.p.Stats().Incoming; n != 0 {
		t.Errorf("%d bundles coming in", n)
	}
}

func TestStoreFails(t *testing.T) {
	s := newScript(t, small)
	s.receiving(map[int]Need{1: {Size: 100}}, want(1, 1, 0, 100, 1))
	s.get(data(1, 1, 0, 100), write(1, 1, 0, 100, true))
	s.on(Written{ID: id(1), Object: 1, N: 100, Code: wire.CodeFull},
		SendFrame{wire.Defer{ID: id(1), Code: wire.CodeFull, After: DefaultBusyAfter}})
	for code, want := range map[wire.Code]wire.Code{wire.CodeFull: wire.CodeFull, wire.CodeNone: wire.CodeInternal} {
		s := newScript(t, small)
		s.receiving(nil, Complete{id(1)})
		s.on(Completed{ID: id(1), Code: code}, SendFrame{wire.Defer{ID: id(1), Code: want, After: DefaultBusyAfter}})
	}
}

func TestBadDigestIsFetchedAgainAndThenRefused(t *testing.T) {
	s := newScript(t, Config{})
	s.on(Up{})
	offer := wire.Offer{ID: id(1), Header: []byte("h")}
	bad := Completed{ID: id(1), Code: wire.CodeDigest}
	for range DefaultMaxDigest - 1 {
		s.get(offer, Admit{offer})
		s.on(Admitted{id(1), Admission{}}, Complete{id(1)})
		s.on(bad, SendFrame{wire.Defer{ID: id(1), Code: wire.CodeDigest, After: time.Second}})
	}
	s.get(offer, Admit{offer})
	s.on(Admitted{id(1), Admission{}}, Complete{id(1)})
	s.on(bad, Forget{id(1), wire.CodeDigest}, SendFrame{wire.Refuse{ID: id(1), Code: wire.CodeDigest}})
}

func TestP9_DigestCountsAreBounded(t *testing.T) {
	s := newScript(t, Config{MaxIncoming: 4})
	s.on(Up{})
	for n := range 100 {
		s.do(Completed{ID: id(n), Code: wire.CodeDigest})
	}
	if n := len(s.p.in.bad); n > 4 {
		t.Errorf("%d counts kept", n)
	}
}

// TestCompletedInALaterSession: the receipt goes out, whatever the bundle's
// state is now.
func TestCompletedInALaterSession(t *testing.T) {
	s := newScript(t, small)
	s.receiving(nil, Complete{id(1)})
	s.on(Down{})
	s.on(Up{})
	offer := wire.Offer{ID: id(1), Header: []byte("h")}
	s.get(offer, Admit{offer})
	s.on(Completed{ID: id(1), Receipt: []byte("r")}, SendFrame{wire.Custody{ID: id(1), Receipt: []byte("r")}})
	s.on(Admitted{id(1), Admission{Receipt: []byte("r")}})
}

func TestNothingHappensWhileDown(t *testing.T) {
	s := newScript(t, Config{})
	s.on(Queued{s.item(1, 3, 10)})
	for _, f := range []wire.Frame{
		wire.Offer{ID: id(2)}, want(1, 0, 0, 10, 1).Frame, data(2, 0, 0, 1), wire.Custody{ID: id(1)},
		wire.Refuse{ID: id(1)}, wire.Defer{ID: id(1)}, wire.Cancel{ID: id(1), Code: 1}, wire.Hello{}, nil,
	} {
		s.get(f)
	}
	s.on(Down{})
	s.on(Tick{})
	if !s.wake.IsZero() {
		t.Error("wakes while down")
	}
	s.on(Up{}, SendOffer{id(1)})
	s.get(wire.Hello{})
	s.get(nil)
}

// TestAnswersToNothing must do no harm: a runner may answer for bundles that
// the machine has dropped.
func TestAnswersToNothing(t *testing.T) {
	s := newScript(t, Config{})
	s.on(Up{})
	for _, ev := range []Event{
		Admitted{ID: id(1)}, Written{ID: id(1), N: 10}, Completed{ID: id(1)}, OfferSent{ID: id(1)},
		ChunkSent{ID: id(1)}, Settled{ID: id(1)}, Withdrawn{ID: id(1)},
	} {
		s.on(ev)
	}
	rest := s.p.Stats()
	if rest.Window, rest.Chunk = 0, 0; rest != (Stats{Up: true}) {
		t.Errorf("%+v", rest)
	}
}

// TestMachineIsDeterministic: the same events cause the same actions.
func TestMachineIsDeterministic(t *testing.T) {
	var traces [2][]string
	for i := range traces {
		sim := chaosSim(42)
		sim.trace = func(format string, args ...any) { traces[i] = append(traces[i], fmt.Sprintf(format, args...)) }
		if err := runChaos(sim); err != nil {
			t.Fatal(err)
		}
	}
	if len(traces[0]) < 100 || !slices.Equal(traces[0], traces[1]) {
		t.Error("two runs of one seed differ")
	}
}
