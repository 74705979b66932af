package stick_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/agent/lineage"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/linktest"
	"tram/sync/usb"
)

// cards is a registry in memory.
type cards map[string]registry.Card

func (c cards) Serial() uint64 { return 0 }

func (c cards) Lookup(code string) (registry.Card, error) {
	card, ok := c[strings.ToUpper(code)]
	if !ok {
		return card, registry.ErrNotFound
	}
	return card, nil
}

// box is one machine: real stores, a real guard, and its station served on a
// local socket.
type box struct {
	stick.Client
	code  string
	key   *ecdsa.PrivateKey
	db    *sqlite.DB
	blobs *blob.Store
	queue *queue.Queue
	node  *exchange.Node
}

// pair makes an office and its hub.
func pair(t *testing.T) (a, b *box) {
	t.Helper()
	known, keys := cards{}, map[string]*ecdsa.PrivateKey{}
	for _, code := range []string{"H40.12", "H40"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[code], known[code] = key, registry.Card{Code: code, Device: &key.PublicKey}
	}
	return newBox(t, "H40.12", "H40", keys, known), newBox(t, "H40", "H40.12", keys, known)
}

func newBox(t *testing.T, code, peer string, keys map[string]*ecdsa.PrivateKey, known cards) *box {
	t.Helper()
	b := &box{code: code, key: keys[code]}
	dir := t.TempDir()
	var err error
	b.db, err = sqlite.Open(t.Context(), filepath.Join(dir, "db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema, stick.Schema, lineage.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	if b.blobs, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	b.queue = queue.New(b.db, b.blobs, queue.Options{})
	check := guard.New(guard.Options{Code: code, Epoch: b.db.Epoch(), Device: b.key, Registry: known, Boots: lineage.New(b.db)})
	b.node = exchange.NewNode(exchange.Options{Office: code, Software: "test", Epoch: b.db.Epoch(), Queue: b.queue, Guard: check})
	local := usb.NewLocal(usb.LocalOptions{
		Office: code, Epoch: b.db.Epoch(), Queue: b.queue, Guard: check, Device: b.key, Journal: stick.NewJournal(b.db, code),
		Neighbour: func(_ context.Context, of string, _ []byte) (usb.Neighbour, error) {
			if of != "" && !strings.EqualFold(of, peer) {
				return usb.Neighbour{}, usb.ErrNoNeighbour
			}
			return usb.Neighbour{Code: peer, Key: keys[peer].Public()}, nil
		},
	})
	mux := http.NewServeMux()
	stick.Routes(mux, slog.New(slog.DiscardHandler), func() (usb.Station, error) { return local, nil })
	listener, err := api.Listen(dir, "test.sock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { _ = api.Serve(ctx, listener, mux) })
	b.Client = stick.Client{Caller: api.NewCaller(dir, "test.sock")}
	t.Cleanup(func() {
		b.Close()
		cancel()
		served.Wait()
		if err := errors.Join(b.queue.Close(), b.db.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// put makes a bundle of random objects outgoing to peer.
func (b *box) put(t *testing.T, peer string, sizes ...int) storage.ID {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: b.code, To: []string{peer}, Kind: bundle.KindDocument,
		Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Key: key.Recipient(),
	}
	var contents []blob.Content
	for _, size := range sizes {
		w, err := b.blobs.Create()
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, size)
		if _, err := rand.Read(data); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		c, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, c)
		h.Objects = append(h.Objects, bundle.Describe(data, bundle.RoleAttachment, bundle.Plain))
	}
	signed, err := bundle.Sign(h, b.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return b.queue.Put(tx, signed.Stored(), contents, []queue.Target{{Peer: peer, Hold: true}})
	}); err != nil {
		t.Fatal(err)
	}
	b.node.Kick(peer)
	return h.ID
}

func (b *box) waiting(t *testing.T, peer string) int {
	t.Helper()
	list, err := b.queue.Outgoing(t.Context(), peer, storage.ID{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func (b *box) inbox(t *testing.T) int {
	t.Helper()
	list, err := b.queue.Inbox(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func open(t *testing.T) *usb.Stick {
	t.Helper()
	s, err := usb.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func importAll(t *testing.T, b *box, s *usb.Stick) []usb.Result {
	t.Helper()
	found, err := usb.Look(t.Context(), s, b)
	if err != nil {
		t.Fatal(err)
	}
	var list []usb.Result
	for _, f := range found {
		r, err := usb.Take(t.Context(), s, b, f, usb.ImportOptions{})
		if err != nil {
			t.Fatalf("import at %s: %v", b.code, err)
		}
		list = append(list, r)
	}
	return list
}

func export(t *testing.T, b *box, s *usb.Stick) usb.Exported {
	t.Helper()
	x, err := usb.Export(t.Context(), s, b, usb.ExportOptions{})
	if err != nil {
		t.Fatalf("export at %s: %v", b.code, err)
	}
	return x
}

// TestP3_OverTheSocket: the whole exchange through two local sockets, over real
// stores, and what the audit chain says of it.
func TestP3_OverTheSocket(t *testing.T) {
	a, b := pair(t)
	s := open(t)
	a.put(t, "H40", 900, 20<<20)
	a.put(t, "H40", 50_000)
	if x := export(t, a, s); x.Bundles != 2 || x.To != "H40" {
		t.Errorf("export reports %+v", x)
	}
	if r := importAll(t, b, s); r[0].Taken != 2 || b.inbox(t) != 2 {
		t.Errorf("%d taken, %d in the inbox", r[0].Taken, b.inbox(t))
	}
	if r := importAll(t, b, s); r[0].State != usb.Imported || time.Since(r[0].Imported) > time.Minute {
		t.Errorf("the package is %q, imported at %v", r[0].State, r[0].Imported)
	}
	importAll(t, a, s)
	if n := a.waiting(t, "H40"); n != 0 {
		t.Errorf("%d bundles wait although there are receipts", n)
	}
	for _, c := range []*box{a, b} {
		report, err := audit.Verify(t.Context(), c.db)
		if err != nil || report.Entries != 2 { // one made, one imported
			t.Errorf("audit chain of %s: %d entries, %v", c.code, report.Entries, err)
		}
	}
	last, err := stick.NewJournal(a.db, "H40.12").Last(t.Context(), "H40")
	if err != nil || last.Epoch != b.db.Epoch() {
		t.Errorf("the neighbour's store is %v (error %v), want %v", last.Epoch, err, b.db.Epoch())
	}
}

// TestErrorsComeThroughTheSocket: both as words for people and as the sentinels
// that the stick's half acts on.
func TestErrorsComeThroughTheSocket(t *testing.T) {
	a, _ := pair(t)
	_, noNeighbour := a.Outgoing(t.Context(), "H40.99")
	_, gone := a.Read(t.Context(), uuid.New(), 0, 0)
	_, unknown := a.Write(t.Context(), uuid.New(), 0, 0, strings.NewReader("bytes"))
	_, pulled := a.Write(t.Context(), uuid.New(), 0, 0, brokenReader{})
	for _, c := range []struct {
		name string
		got  error
		want error
		code string
	}{
		{"no neighbour", noNeighbour, usb.ErrNoNeighbour, "usb.no-neighbour"},
		{"a bundle that is gone", gone, storage.ErrNotFound, "usb.changed"},
		{"a bundle that was not admitted", unknown, storage.ErrNotFound, "usb.changed"},
		{"a pulled stick", pulled, usb.ErrStick, ""},
		{"no package", a.Finish(t.Context(), usb.Package{Manifest: []byte("x")}, true), usb.ErrInvalid, "usb.invalid"},
	} {
		if !errors.Is(c.got, c.want) || c.code != "" && problem.From(c.got).Code != c.code {
			t.Errorf("%s gives %v, want %v as %s", c.name, c.got, c.want, c.code)
		}
		if c.code == "" && problem.From(stick.Explain(c.got)).Code != "usb.pulled" {
			t.Errorf("%s is told as %v", c.name, stick.Explain(c.got))
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%w: no such device", usb.ErrStick)
}

// TestP2_LinkAndStickRace lets a line and a stick carry the same bundles at the
// same time between real queues.
func TestP2_LinkAndStickRace(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			lineA, lineB := linktest.Pipe(seed, linktest.Faults{
				Drop: 0.02, Duplicate: 0.02, Reorder: 0.05, Cut: 0.01, Delay: 2 * time.Millisecond, Outage: 50 * time.Millisecond, Rate: 1 << 20,
			})
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			group.Go(func() { _ = a.node.Run(ctx, b.code, lineA) })
			group.Go(func() { _ = b.node.Run(ctx, a.code, lineB) })
			defer func() { cancel(); lineA.Close(); lineB.Close(); group.Wait() }()
			random := mathrand.New(mathrand.NewPCG(seed, 1))
			s, sent := open(t), 8
			for i := range 40 {
				if i < sent {
					a.put(t, "H40", 500+random.IntN(2000), 40_000+random.IntN(400_000))
				}
				switch random.IntN(3) {
				case 0:
					export(t, a, s)
				case 1:
					importAll(t, b, s)
				default:
					importAll(t, a, s)
				}
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			}
			export(t, a, s)
			importAll(t, b, s)
			importAll(t, a, s)
			if n := a.waiting(t, "H40"); n != 0 {
				t.Errorf("%d bundles still wait", n)
			}
			if n := b.inbox(t); n != sent {
				t.Errorf("%d bundles in the inbox, want %d", n, sent)
			}
		})
	}
}
