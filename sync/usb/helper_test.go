package usb_test

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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/storagetest"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/usb"
	"tram/sync/wire"
)

// station is one machine of a test: store, keys, guard, node, and its side of
// the stick.
type station struct {
	*usb.Local
	code    string
	key     *ecdsa.PrivateKey
	store   *storagetest.Memory
	node    *exchange.Node
	guard   *testGuard
	journal *testJournal
	byWire  *counted // what the link writes into the store
	byStick *counted // what the stick does
	log     []byte   // what it says about audit logs
	worth   bool     // and that is worth a package of its own
	heard   []string // what it heard about them
}

// counted counts the bytes that are written through it.
type counted struct {
	storage.Queue
	bytes atomic.Int64
}

func (c *counted) Write(ctx context.Context, id storage.ID, object int, off int64, p []byte, sync bool) (int64, error) {
	c.bytes.Add(int64(len(p)))
	return c.Queue.Write(ctx, id, object, off, p, sync)
}

func newStation(t testing.TB, code, peer string, keys map[string]*ecdsa.PrivateKey) *station {
	t.Helper()
	s := &station{code: code, key: keys[code], store: storagetest.NewMemory(), journal: &testJournal{}}
	s.guard = &testGuard{code: code, key: s.key, keys: keys, epoch: s.store.Epoch}
	s.byWire, s.byStick = &counted{Queue: s.store}, &counted{Queue: s.store}
	s.node = exchange.NewNode(exchange.Options{Office: code, Software: "test", Epoch: s.store.Epoch(), Queue: s.byWire, Guard: s.guard})
	s.Local = usb.NewLocal(usb.LocalOptions{
		Office: code, Epoch: s.store.Epoch(), Queue: s.byStick, Guard: s.guard, Device: s.key, Journal: s.journal,
		Neighbour: func(_ context.Context, of string, _ []byte) (usb.Neighbour, error) {
			if of == "" {
				of = peer
			}
			if !strings.EqualFold(of, peer) {
				return usb.Neighbour{}, usb.ErrNoNeighbour
			}
			return usb.Neighbour{Code: peer, Key: keys[peer].Public()}, nil
		},
		Name: func(code string) string { return "xã " + code },
		Log:  func(context.Context, string) ([]byte, bool, error) { return s.log, s.worth, nil },
		Greeted: func(_ context.Context, _ string, m usb.Manifest) error {
			s.heard = append(s.heard, string(m.Log))
			return nil
		},
	})
	return s
}

// pair is two neighbours.
func pair(t testing.TB) (a, b *station) {
	t.Helper()
	keys := makeKeys(t, "H40.12", "H40")
	return newStation(t, "H40.12", "H40", keys), newStation(t, "H40", "H40.12", keys)
}

func makeKeys(t testing.TB, codes ...string) map[string]*ecdsa.PrivateKey {
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
func (s *station) put(t testing.TB, peer string, sizes ...int) storage.ID {
	t.Helper()
	return s.putUrgent(t, peer, 0, sizes...)
}

func (s *station) putUrgent(t testing.TB, peer string, urgency uint8, sizes ...int) storage.ID {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: s.code, To: []string{peer}, Kind: bundle.KindDocument, Urgency: urgency,
		Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Key: key.Recipient(),
	}
	random := mathrand.NewChaCha8([32]byte(append(h.ID[:], h.ID[:]...)))
	var contents [][]byte
	for i, size := range sizes {
		data := make([]byte, size)
		_, _ = random.Read(data) // it never fails
		role := bundle.RoleAttachment
		if i == 0 {
			role = bundle.RoleHead
		}
		contents = append(contents, data)
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

// waiting says whether a bundle waits for peer.
func (s *station) waiting(t testing.TB, peer string, id storage.ID) bool {
	t.Helper()
	list, err := s.store.Outgoing(t.Context(), peer, storage.ID{}, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range list {
		if out.ID == id {
			return true
		}
	}
	return false
}

// inbox is what has arrived.
func (s *station) inbox(t testing.TB) []storage.ID {
	t.Helper()
	list, err := s.store.Inbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sameObjects(t testing.TB, a, b *station, id storage.ID, n int) {
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

// export and importAll are a person's two commands.
func export(t testing.TB, s *station, stick *usb.Stick) usb.Exported {
	t.Helper()
	x, err := usb.Export(t.Context(), stick, s, usb.ExportOptions{})
	if err != nil {
		t.Fatalf("export at %s: %v", s.code, err)
	}
	return x
}

func importAll(t testing.TB, s usb.Station, stick *usb.Stick) []usb.Result {
	t.Helper()
	list, err := takeAll(t.Context(), s, stick)
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	return list
}

func takeAll(ctx context.Context, s usb.Station, stick *usb.Stick) ([]usb.Result, error) {
	found, err := usb.Look(ctx, stick, s)
	if err != nil {
		return nil, err
	}
	var list []usb.Result
	for _, f := range found {
		r := usb.Result{Found: f}
		if f.State == usb.New || f.State == usb.Incomplete {
			if r, err = usb.Take(ctx, stick, s, f, usb.ImportOptions{}); err != nil {
				return list, err
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// testGuard believes the keys that it was given.
type testGuard struct {
	code  string
	key   *ecdsa.PrivateKey
	keys  map[string]*ecdsa.PrivateKey
	epoch func() storage.ID

	mu     sync.Mutex
	deny   *exchange.Denial
	denied []string // "peer code digest of the header"
}

// set makes the guard turn every offer down, or none.
func (g *testGuard) set(d *exchange.Denial) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deny = d
}

func (g *testGuard) Greet(context.Context, string, *wire.Hello, *wire.Hello) error { return nil }

func (g *testGuard) Hello(context.Context, string, wire.Hello, bool) error { return nil }

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
	key := g.keys[signed.Header.From]
	if key == nil || signed.Verify(key.Public()) != nil {
		return signed, &exchange.Denial{Code: wire.CodeSignature, Text: "not signed by its sender"}
	}
	return signed, nil
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

// testJournal is a journal in memory.
type testJournal struct {
	mu     sync.Mutex
	seen   map[uuid.UUID]time.Time
	number uint64
	last   usb.Manifest
}

func (j *testJournal) Imported(_ context.Context, id uuid.UUID) (time.Time, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen[id], nil
}

func (j *testJournal) Number(context.Context, string) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number++
	return j.number, nil
}

func (j *testJournal) Last(context.Context, string) (usb.Manifest, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last, nil
}

func (j *testJournal) Record(_ context.Context, _ string, m usb.Manifest) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen == nil {
		j.seen = map[uuid.UUID]time.Time{}
	}
	j.seen[m.ID], j.last = time.Now(), m
	return nil
}
