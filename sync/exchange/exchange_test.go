package exchange_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/wire"
)

// station is one machine of a test: store, keys, guard and node.
type station struct {
	code  string
	key   *ecdsa.PrivateKey
	store *storagetest.Memory
	lies  bool // its headers name other bytes than it sends
	node  *exchange.Node
	guard *testGuard
}

func newStation(t *testing.T, code string, keys map[string]*ecdsa.PrivateKey) *station {
	t.Helper()
	s := &station{code: code, key: keys[code], store: storagetest.NewMemory()}
	s.guard = &testGuard{code: code, key: s.key, keys: keys, epoch: s.store.Epoch}
	s.node = exchange.NewNode(exchange.Options{
		Office: code, Software: "test", Epoch: s.store.Epoch(), Queue: s.store, Guard: s.guard, Observer: s.guard,
	})
	return s
}

func makeKeys(t *testing.T, codes ...string) map[string]*ecdsa.PrivateKey {
	t.Helper()
	keys := map[string]*ecdsa.PrivateKey{}
	for _, code := range codes {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[code] = key
	}
	return keys
}

// put makes a bundle of the given objects outgoing to peer.
func (s *station) put(t *testing.T, peer string, sizes ...int) storage.ID {
	t.Helper()
	return s.putTo(t, peer, []string{peer}, sizes...)
}

// putTo does the same for a bundle that also has other recipients.
func (s *station) putTo(t *testing.T, peer string, to []string, sizes ...int) storage.ID {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: s.code, To: to, Kind: bundle.KindDocument,
		Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Key: key.Recipient(),
	}
	var contents [][]byte
	for i, size := range sizes {
		data := make([]byte, size)
		if _, err := rand.Read(data); err != nil {
			t.Fatal(err)
		}
		role := bundle.RoleAttachment
		if i == 0 {
			role = bundle.RoleHead
		}
		contents = append(contents, slices.Clone(data))
		if s.lies {
			data[0] ^= 1
		}
		h.Objects = append(h.Objects, bundle.Describe(data, role, bundle.Plain))
	}
	signed, err := bundle.Sign(h, s.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.Put(t.Context(), signed.Stored(), contents, storagetest.Target{Peer: peer, Hold: true}); err != nil {
		t.Fatal(err)
	}
	s.node.Kick(peer)
	return h.ID
}

// testGuard believes the keys that it was given.
type testGuard struct {
	code  string
	key   *ecdsa.PrivateKey
	keys  map[string]*ecdsa.PrivateKey
	epoch func() storage.ID
	greet func(say, heard *wire.Hello)           // nil: nothing to say
	judge func(h wire.Hello, answers bool) error // nil: all are good

	mu       sync.Mutex
	said     int
	deny     *exchange.Denial
	greeted  int
	sessions []bool
	parked   []storage.ID
	denied   []string // "peer code digest of the header"
}

// counts returns the HELLOs made and heard, and the sessions' beginnings and
// ends.
func (g *testGuard) counts() (said, greeted int, sessions []bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said, g.greeted, slices.Clone(g.sessions)
}

func (g *testGuard) Greet(_ context.Context, _ string, say, heard *wire.Hello) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said++
	if g.greet != nil {
		g.greet(say, heard)
	}
	return nil
}

func (g *testGuard) Hello(_ context.Context, peer string, h wire.Hello, answers bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.Office != peer {
		return fmt.Errorf("%s speaks as %s", peer, h.Office)
	}
	g.greeted++
	if g.judge != nil {
		return g.judge(h, answers)
	}
	return nil
}

func (g *testGuard) Offer(_ context.Context, _ string, raw []byte) (bundle.Signed, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	signed, err := bundle.Parse(raw)
	if err != nil {
		return signed, &exchange.Denial{Code: wire.CodeMalformed}
	}
	if g.deny != nil {
		return signed, g.deny
	}
	return signed, signed.Verify(g.keys[signed.Header.From].Public())
}

func (g *testGuard) Denied(_ context.Context, peer string, header []byte, code wire.Code) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.denied = append(g.denied, fmt.Sprintf("%s %d %x", peer, code, sha256.Sum256(header)))
}

func (g *testGuard) Receipt(_ context.Context, header []byte) ([]byte, error) {
	signed, err := bundle.Parse(header)
	if err != nil {
		return nil, err
	}
	return bundle.SignReceipt(bundle.Receipt{
		ID: signed.Header.ID, Header: signed.Digest(), Office: g.code, At: time.Now(), Epoch: g.epoch(),
	}, g.key)
}

func (g *testGuard) Custody(_ context.Context, peer string, header, receipt []byte) error {
	signed, err := bundle.Parse(header)
	if err != nil {
		return err
	}
	r, err := bundle.ParseReceipt(receipt)
	if err != nil {
		return err
	}
	return errors.Join(r.Receipt.Covers(signed), r.Verify(g.keys[peer].Public()))
}

func (g *testGuard) Progress(string, storage.ID, int64, int64) {}

func (g *testGuard) Session(_ string, up bool, _ wire.Hello) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions = append(g.sessions, up)
}

func (g *testGuard) Parked(_ string, id storage.ID, _ error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parked = append(g.parked, id)
}

func (g *testGuard) deniedNow() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.denied)
}

func (g *testGuard) parkedNow() []storage.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.parked)
}

// settled waits until id has left a's queue for b, at most for so long.
func settled(t *testing.T, a, b *station, id storage.ID, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		list, err := a.store.Outgoing(t.Context(), b.code, b.store.Epoch(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		waiting := false
		for _, out := range list {
			waiting = waiting || out.ID == id
		}
		if !waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("bundle %s is still waiting after %v", id, within)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func sameObjects(t *testing.T, a, b *station, id storage.ID, n int) {
	t.Helper()
	for i := range n {
		want, err := a.store.Object(t.Context(), id, i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.store.Object(t.Context(), id, i)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("object %d of %s differs", i, id)
		}
	}
}

// join runs sessions between a and b over a faulty line until the test ends.
func join(t *testing.T, a, b *station, seed uint64, f linktest.Faults) (lineA, lineB *linktest.End) {
	t.Helper()
	lineA, lineB = linktest.Pipe(seed, f)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = a.node.Run(ctx, b.code, lineA) })
	group.Go(func() { _ = b.node.Run(ctx, a.code, lineB) })
	t.Cleanup(func() {
		cancel()
		lineA.Close()
		lineB.Close()
		group.Wait()
	})
	return lineA, lineB
}

func TestBundlesPassBothWays(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		join(t, a, b, 1, linktest.Faults{})
		small, large := a.put(t, "B", 900), a.put(t, "B", 900, 300_000)
		back := b.put(t, "A", 900, 20_000)
		settled(t, a, b, small, time.Minute)
		settled(t, a, b, large, time.Minute)
		settled(t, b, a, back, time.Minute)
		sameObjects(t, a, b, large, 2)
		sameObjects(t, b, a, back, 2)
	})
}

// TestP2_P4_FaultyLines drives sessions over lines that lose, repeat, reorder
// and cut, with either side's session restarted now and then.
func TestP2_P4_FaultyLines(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newStation(t, "A", keys), newStation(t, "B", keys)
				faults := linktest.Faults{
					Drop: 0.05, Duplicate: 0.05, Reorder: 0.1, Cut: 0.01,
					Delay: 50 * time.Millisecond, Jitter: 30 * time.Millisecond, Outage: 3 * time.Second,
				}
				line, _ := join(t, a, b, seed, faults)
				random := mathrand.New(mathrand.NewPCG(seed, 7))
				var ids []storage.ID
				for range 6 {
					ids = append(ids, a.put(t, "B", 500+random.IntN(2000), random.IntN(150_000)))
					time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
					if random.IntN(3) == 0 {
						line.Cut()
					}
				}
				for _, id := range ids {
					settled(t, a, b, id, 2*time.Hour)
					sameObjects(t, a, b, id, 2)
				}
				if inbox, err := b.store.Inbox(t.Context()); err != nil || len(inbox) != len(ids) {
					t.Errorf("%d bundles in the inbox, want %d (error %v)", len(inbox), len(ids), err)
				}
			})
		})
	}
}

// TestP3_LostStoreIsOfferedAgain replaces the neighbour's disk after custody.
func TestP3_LostStoreIsOfferedAgain(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		lineA, lineB := join(t, a, b, 1, linktest.Faults{})
		id := a.put(t, "B", 900, 50_000)
		settled(t, a, b, id, time.Minute)
		lineA.Close()
		lineB.Close()
		synctest.Wait()

		b.store.Lose()
		fresh := newStation(t, "B", keys)
		join(t, a, fresh, 2, linktest.Faults{})
		settled(t, a, fresh, id, time.Minute)
		sameObjects(t, a, fresh, id, 2)
	})
}

func TestRefusalEndsTheOffer(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		b.guard.deny = &exchange.Denial{Code: wire.CodeSender, Text: "not yours"}
		id := a.put(t, "B", 900)
		header := a.header(t, "B", id)
		join(t, a, b, 1, linktest.Faults{})
		settled(t, a, b, id, time.Minute)
		if inbox, _ := b.store.Inbox(t.Context()); len(inbox) != 0 {
			t.Error("a refused bundle was taken over")
		}
		if want := []string{fmt.Sprintf("A %d %x", wire.CodeSender, sha256.Sum256(header))}; !slices.Equal(b.guard.deniedNow(), want) {
			t.Errorf("the guard is told of %q, want %q", b.guard.deniedNow(), want)
		}
	})
}

func TestDeferralIsTriedAgain(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		b.guard.deny = &exchange.Denial{Code: wire.CodeUnknownSender, After: 30 * time.Second}
		join(t, a, b, 1, linktest.Faults{})
		id := a.put(t, "B", 900)
		time.Sleep(10 * time.Second)
		b.guard.mu.Lock()
		b.guard.deny = nil
		b.guard.mu.Unlock()
		settled(t, a, b, id, 2*time.Minute)
		if denied := b.guard.deniedNow(); len(denied) != 0 {
			t.Errorf("the guard is told of %q, though nothing was refused for good", denied)
		}
	})
}

// TestP7_HelloOfAnotherOfficeIsNotHeard lets a neighbour speak under a foreign
// code.
func TestP7_HelloOfAnotherOfficeIsNotHeard(t *testing.T) {
	keys := makeKeys(t, "A", "B", "C")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		a.put(t, "C", 900)
		lineA, lineB := linktest.Pipe(1, linktest.Faults{})
		ctx, cancel := context.WithCancel(context.Background())
		var group sync.WaitGroup
		group.Go(func() { _ = a.node.Run(ctx, "C", lineA) })
		group.Go(func() { _ = b.node.Run(ctx, "A", lineB) })
		time.Sleep(time.Minute)
		if len(a.guard.sessions) != 0 {
			t.Error("a session with the wrong office was agreed")
		}
		if inbox, _ := b.store.Inbox(t.Context()); len(inbox) != 0 {
			t.Error("a bundle went to the wrong office")
		}
		cancel()
		lineA.Close()
		lineB.Close()
		group.Wait()
	})
}

func TestSecondSessionSupersedesTheFirst(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a := newStation(t, "A", keys)
		first, firstFar := linktest.Pipe(1, linktest.Faults{})
		second, secondFar := linktest.Pipe(2, linktest.Faults{})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 2)
		go func() { ended <- a.node.Run(ctx, "B", first) }()
		synctest.Wait()
		go func() { ended <- a.node.Run(ctx, "B", second) }()
		if err := <-ended; !errors.Is(err, exchange.ErrSuperseded) {
			t.Errorf("the first session ended with %v", err)
		}
		cancel()
		<-ended
		for _, end := range []*linktest.End{first, firstFar, second, secondFar} {
			end.Close()
		}
	})
}

func TestGarbageCostsNothing(t *testing.T) {
	keys := makeKeys(t, "A", "B")
	synctest.Test(t, func(t *testing.T) {
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		lineA, _ := join(t, a, b, 1, linktest.Faults{})
		for _, raw := range [][]byte{nil, {0xff}, bytes.Repeat([]byte{0x9f}, 100), []byte("GET / HTTP/1.1\r\n\r\n")} {
			_ = lineA.Send(t.Context(), raw, false)
		}
		id := a.put(t, "B", 900, 40_000)
		settled(t, a, b, id, time.Minute)
	})
}

// slowHello is a line that takes its time over each HELLO.
type slowHello struct {
	exchange.Transport
	mu    sync.Mutex
	taken []string
}

func (l *slowHello) Send(ctx context.Context, raw []byte, bulk bool) error {
	frame, err := wire.Decode(raw)
	if err != nil {
		return err
	}
	if _, hello := frame.(wire.Hello); hello {
		time.Sleep(10 * time.Millisecond)
	}
	l.mu.Lock()
	l.taken = append(l.taken, fmt.Sprintf("%T", frame))
	l.mu.Unlock()
	return l.Transport.Send(ctx, raw, bulk)
}

// TestOfferDoesNotOvertakeTheHello: a neighbour that has not heard the HELLO yet
// drops the offer, and it would come again only after the engine's patience.
func TestOfferDoesNotOvertakeTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := makeKeys(t, "A", "B")
		a, b := newStation(t, "A", keys), newStation(t, "B", keys)
		id := a.put(t, "B", 100)
		lineA, lineB := linktest.Pipe(1, linktest.Faults{})
		slow := &slowHello{Transport: lineA}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = a.node.Run(ctx, "B", slow) })
		group.Go(func() { _ = b.node.Run(ctx, "A", lineB) })
		settled(t, a, b, id, 2*time.Second)
		cancel()
		lineA.Close()
		lineB.Close()
		group.Wait()
		seen := false
		for _, kind := range slow.taken {
			seen = seen || kind == "wire.Offer"
			if seen && kind == "wire.Hello" {
				t.Errorf("frames were sent as %v", slow.taken)
			}
		}
		if !seen {
			t.Errorf("no offer among %v", slow.taken)
		}
	})
}
