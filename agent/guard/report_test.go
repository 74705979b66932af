package guard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"tram/agent/guard"
	"tram/sync/wire"
)

func TestP7_OnlyWhatANeighbourOffersInItsOwnNameIsDeniedToIt(t *testing.T) {
	f := newFixture(t)
	own := f.header(t, "H40.1", nil)
	f.guard.Denied(t.Context(), "h40.1", own.Raw, wire.CodeExpired)
	f.guard.Denied(t.Context(), "H40.2", own.Raw, wire.CodeExpired) // of another office
	f.guard.Denied(t.Context(), "H40.1", []byte("garbage"), wire.CodeMalformed)
	if want := fmt.Sprint("h40.1", wire.CodeExpired, own.Header.ID); len(f.denied) != 1 || f.denied[0] != want {
		t.Errorf("denied %q, want %q", f.denied, want)
	}
}

// TestP9_RefusalsWithoutEndAreToldBounded, and the others are counted.
func TestP9_RefusalsWithoutEndAreToldBounded(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	clock, told, unsaid := now, map[string]int{}, 0
	g := guard.New(guard.Options{
		Code: "H40", Device: key, Registry: cards{"H40.1": {Code: "H40.1", Device: key.Public()}}, Now: func() time.Time { return clock },
		Refused: func(_ context.Context, r guard.Refusal) {
			told[r.Peer+" "+r.Action]++
			unsaid += r.Unsaid
		},
	})
	refuse := func(peer string, n int) {
		t.Helper()
		for range n {
			if err := g.Hello(t.Context(), peer, wire.Hello{Office: "other"}, false); err == nil {
				t.Fatal("a foreign greeting was taken")
			}
		}
	}
	refuse("H40.1", 1000)
	refuse("H40.2", 1)
	if told["H40.1 hello"] != guard.RefusalBurst || told["H40.2 hello"] != 1 {
		t.Errorf("told %v", told)
	}
	clock = clock.Add(guard.RefusalEvery)
	refuse("H40.1", 10)
	if told["H40.1 hello"] != guard.RefusalBurst+1 || unsaid != 1000-guard.RefusalBurst {
		t.Errorf("a while later: told %v, %d unsaid", told, unsaid)
	}
	clock = clock.Add(-time.Hour) // set back
	refuse("H40.1", 10)
	clock = clock.Add(2 * guard.RefusalEvery)
	refuse("H40.1", 10)
	if got := told["H40.1 hello"]; got != guard.RefusalBurst+3 {
		t.Errorf("after the clock was set back %d are told, want %d", got, guard.RefusalBurst+3)
	}
	for n := range 5000 { // many names forget old ones
		refuse(fmt.Sprint("X", n), 1)
	}
}
