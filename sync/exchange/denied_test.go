package exchange_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tram/storage"
	"tram/sync/linktest"
	"tram/sync/wire"
)

// header is that of a bundle which waits for a neighbour.
func (s *station) header(t *testing.T, peer string, id storage.ID) []byte {
	t.Helper()
	list, err := s.store.Outgoing(t.Context(), peer, storage.ID{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range list {
		if out.ID == id {
			return out.Header
		}
	}
	t.Fatalf("bundle %s does not wait", id)
	return nil
}

// TestP6_ABundleThatIsNeverWhatItsHeaderSaysIsRefused, and the guard hears of it.
func TestP6_ABundleThatIsNeverWhatItsHeaderSaysIsRefused(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		a.lies = true
		id := a.put(t, "B", 100_000)
		header := a.header(t, "B", id)
		join(t, a, b, 1, linktest.Faults{})
		settled(t, a, b, id, time.Hour)
		if inbox, _ := b.store.Inbox(t.Context()); len(inbox) != 0 {
			t.Error("it was taken over")
		}
		if want := []string{fmt.Sprintf("A %d %x", wire.CodeDigest, sha256.Sum256(header))}; !slices.Equal(b.guard.deniedNow(), want) {
			t.Errorf("the guard is told of %q, want %q", b.guard.deniedNow(), want)
		}
	})
}
