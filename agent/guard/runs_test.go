package guard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/lineage"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/wire"
)

// run is one run of the program of an office or hub over a store.
type run struct {
	node    *exchange.Node
	db      *sqlite.DB
	mu      sync.Mutex
	agreed  int // sessions
	refused int // by this side
	older   int // found itself older
}

func (r *run) Progress(string, storage.ID, int64, int64) {}

func (r *run) Session(_ string, up bool, _ wire.Hello) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up {
		r.agreed++
	}
}

// seen returns the counts of agreed, refused and older.
func (r *run) seen() [3]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return [3]int{r.agreed, r.refused, r.older}
}

// play starts a run of code's program over the lineage at path.
func play(t *testing.T, code, path string, hub bool, key *ecdsa.PrivateKey, known cards) *run {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{lineage.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	r, store := &run{db: db}, storagetest.NewMemory()
	count := func(n *int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		*n++
	}
	g := guard.New(guard.Options{
		Code: code, Epoch: store.Epoch(), Device: key, Registry: known, Boots: lineage.New(db),
		Remembers: func(string) bool { return hub },
		Older:     func(context.Context, string, uuid.UUID) { count(&r.older) },
		Refused:   func(context.Context, guard.Refusal) { count(&r.refused) },
	})
	r.node = exchange.NewNode(exchange.Options{Office: code, Epoch: store.Epoch(), Queue: store, Guard: g, Observer: r})
	return r
}

// meet joins a run of the office and the hub over a line for so long, and ends
// both sides as a power cut does.
func meet(box, hub *run, seed uint64, f linktest.Faults, long time.Duration) {
	near, far := linktest.Pipe(seed, f)
	ctx, cut := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = box.node.Run(ctx, "H40", near) })
	group.Go(func() { _ = hub.node.Run(ctx, "H40.1", far) })
	time.Sleep(long)
	cut()
	near.Close()
	far.Close()
	group.Wait()
}

// TestP2_ABoxIsNeverTakenForACopyOfItself ends runs of an office and of its hub
// at random instants of their greetings, over lines that lose and reorder, and
// then lets a copy of the office's disk from the middle of the story greet.
func TestP2_ABoxIsNeverTakenForACopyOfItself(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	known := everyCard(1)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				at := func(name string) string { return filepath.Join(dir, name) }
				dice := mathrand.New(mathrand.NewPCG(seed, 1))
				faults := linktest.Faults{Drop: 0.3, Duplicate: 0.2, Reorder: 0.2, Delay: 300 * time.Millisecond, Jitter: 200 * time.Millisecond}
				round := func(office string, n uint64, f linktest.Faults, long time.Duration) (box, hub [3]int) {
					o, h := play(t, "H40.1", at(office), false, key, known), play(t, "H40", at("hub"), true, key, known)
					meet(o, h, n, f, long)
					if err := errors.Join(o.db.Close(), h.db.Close()); err != nil {
						t.Fatal(err)
					}
					return o.seen(), h.seen()
				}
				copied := dice.IntN(8)
				for n := range 10 {
					box, hub := round("box", seed<<8|uint64(n), faults, time.Duration(dice.IntN(3000))*time.Millisecond)
					if hub[1] != 0 || box[2] != 0 {
						t.Fatalf("run %d: the hub refused %d times, the box found itself older %d times", n, hub[1], box[2])
					}
					if n == copied {
						data, err := os.ReadFile(at("box"))
						if err != nil {
							t.Fatal(err)
						}
						if err := os.WriteFile(at("copy"), data, 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
				if box, hub := round("box", 0, linktest.Faults{}, time.Minute); box != [3]int{1, 0, 0} || hub != [3]int{1, 0, 0} {
					t.Errorf("on a good line the box saw %v, the hub %v", box, hub)
				}
				if box, hub := round("copy", 0, linktest.Faults{}, time.Minute); box[0] != 0 || box[2] == 0 || hub[0] != 0 || hub[1] == 0 {
					t.Errorf("the copy saw %v, the hub %v", box, hub)
				}
				if box, hub := round("box", 0, linktest.Faults{}, time.Minute); box != [3]int{1, 0, 0} || hub != [3]int{1, 0, 0} {
					t.Errorf("after the copy the box saw %v, the hub %v", box, hub)
				}
			})
		})
	}
}
