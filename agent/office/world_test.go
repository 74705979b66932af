package office

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
)

// world is a hub that relays by hand, and offices with real stores and keys.
type world struct {
	t         testing.TB
	clock     time.Time // of every office and the hub
	ca        pair
	authority pair
	hub       pair
	epoch     uuid.UUID
	serial    uint64
	cards     map[string][]byte
	offices   map[string]*node
	taken     map[storage.ID]int // how often the hub was offered a bundle
}

type pair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// node is one office of the world.
type node struct {
	*Office
	w   *world
	dir string
	id  *identity.Identity
	o   Options // for New
	box *mailbox
}

const hubCode = "H40"

// newWorld makes a hub with the offices that are named, all enrolled.
func newWorld(t testing.TB, codes ...string) *world {
	t.Helper()
	return newWorldAt(t, time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 7*3600)), codes...)
}

func newWorldAt(t testing.TB, clock time.Time, codes ...string) *world {
	t.Helper()
	w := &world{
		t: t, clock: clock, epoch: uuid.New(),
		cards: map[string][]byte{}, offices: map[string]*node{}, taken: map[storage.ID]int{},
	}
	w.ca = w.issue(pair{}, pkix.Name{CommonName: "Test CA"}, true)
	w.authority = w.issue(w.ca, pkix.Name{CommonName: "authority", OrganizationalUnit: []string{identity.UnitAuthority}}, false)
	w.hub = w.issue(w.ca, pkix.Name{CommonName: hubCode, OrganizationalUnit: []string{identity.UnitDevice}}, false)
	hubAge := must(age.GenerateX25519Identity())
	w.card(registry.Card{Code: hubCode, Name: "UBND tỉnh Mẫu", Kind: "hub", Device: &w.hub.key.PublicKey, Recipient: hubAge.Recipient().String()})
	ids := map[string]*identity.Identity{}
	for _, code := range codes {
		ids[code] = w.identity(code, "UBND xã "+code)
	}
	for _, code := range codes {
		n := &node{w: w, dir: t.TempDir(), id: ids[code]}
		w.offices[code] = n
		n.start()
	}
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) now() time.Time { return w.clock }

func (w *world) issue(by pair, name pkix.Name, ca bool) pair {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	w.serial++
	usage := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(w.serial), Subject: name, KeyUsage: usage, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: w.clock.AddDate(0, -1, 0), NotAfter: w.clock.AddDate(2, 0, 0),
	}
	if ca {
		template.KeyUsage |= x509.KeyUsageCertSign
		by = pair{key, template}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key))
	return pair{key, must(x509.ParseCertificate(der))}
}

func (w *world) identity(code, name string) *identity.Identity {
	device := w.issue(w.ca, pkix.Name{CommonName: code, OrganizationalUnit: []string{identity.UnitDevice}}, false)
	sealed := w.issue(w.ca, pkix.Name{CommonName: name, SerialNumber: code, OrganizationalUnit: []string{identity.UnitSeal}}, false)
	own := must(age.GenerateX25519Identity())
	w.card(registry.Card{Code: code, Name: name, Parent: hubCode, Kind: "xa", Device: &device.key.PublicKey, Recipient: own.Recipient().String()})
	return &identity.Identity{
		Code: code, Name: name, Hub: hubCode, Device: device.key, DeviceCert: device.cert, Seal: sealed.key, SealCert: sealed.cert,
		Age: own, Trust: identity.Trust{CA: w.ca.cert, Authority: w.authority.cert, Hub: hubCode},
	}
}

// card signs a card that every office started later holds.
func (w *world) card(c registry.Card) []byte {
	w.serial++
	c.Serial, c.Issued = w.serial, w.clock
	w.cards[c.Code] = must(registry.SignCard(c, w.authority.key))
	return w.cards[c.Code]
}

// start opens the stores and the office, as after a boot.
func (n *node) start() {
	n.w.t.Helper()
	db, err := sqlitetest.Open(context.Background(), filepath.Join(n.dir, "tram.db"), sqlite.Options{
		Schemas: []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, Schema, EvidenceSchema, mailboxSchema}, Now: n.w.now,
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(n.dir, "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		n.w.t.Fatal(err)
	}
	n.w.t.Cleanup(func() { _ = db.Close() })
	q := queue.New(db, blobs, queue.Options{})
	n.o = Options{
		DB: db, Queue: q, Blobs: blobs, Identity: n.id, Now: n.w.now,
		Registry: must(registry.New(db, &n.w.authority.key.PublicKey, registry.Options{})), Limits: n.o.Limits,
	}
	n.Office = must(New(n.o))
	q.SetHooks(n.Hooks())
	if n.box != nil {
		n.Deliver(bundle.KindDossier, n.box)
	}
	err = db.Update(context.Background(), func(tx *sqlite.Tx) error {
		var cards [][]byte
		for _, c := range n.w.cards {
			cards = append(cards, c)
		}
		_, err := n.o.Registry.Merge(tx, cards)
		return err
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
}

// restart is a crash and a boot: what was in memory is gone.
func (n *node) restart() {
	n.w.t.Helper()
	if err := errors.Join(n.queue.Close(), n.db.Close()); err != nil {
		n.w.t.Fatal(err)
	}
	n.start()
}

// relay carries what all offices have to send to its recipients once, and gives
// custody for it. It handles no inbox.
func (w *world) relay() (carried int) {
	w.t.Helper()
	for _, code := range sorted(w.offices) {
		from := w.offices[code]
		list, err := from.queue.Outgoing(w.t.Context(), hubCode, w.epoch, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, out := range list {
			w.carry(from, out)
			carried++
		}
	}
	return carried
}

// deliver relays and lets every office handle its inbox until nothing moves.
func (w *world) deliver() {
	w.t.Helper()
	for range 10 {
		moved := w.relay()
		for _, code := range sorted(w.offices) {
			if err := w.offices[code].drain(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}
		if moved == 0 {
			return
		}
	}
	w.t.Fatal("the offices do not come to rest")
}

func (w *world) carry(from *node, out storage.Outgoing) {
	w.t.Helper()
	w.taken[out.ID]++
	objects := make([][]byte, len(out.Objects))
	for i, o := range out.Objects {
		objects[i] = make([]byte, o.Size)
		if _, err := from.queue.ReadObject(w.t.Context(), out.ID, i, objects[i], 0); err != nil && err != io.EOF {
			w.t.Fatal(err)
		}
	}
	signed := must(bundle.Parse(out.Header))
	if err := signed.Verify(from.id.Device.Public()); err != nil {
		w.t.Fatal(err)
	}
	receipt := must(bundle.SignReceipt(bundle.Receipt{
		ID: out.ID, Header: signed.Digest(), Office: hubCode, At: w.clock, Epoch: w.epoch,
	}, w.hub.key))
	err := from.queue.Settle(w.t.Context(), hubCode, out.ID, storage.Outcome{Receipt: receipt, Epoch: w.epoch, At: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	slips := must(bundle.DecodeSlips(objects[signed.Header.Slips()]))
	for _, to := range out.To {
		if n := w.offices[to]; n != nil {
			n.take(out.Bundle, slips[to], objects[:signed.Header.Slips()])
		}
	}
}

// take puts a bundle into an office's inbox, as its hub session would.
func (n *node) take(b storage.Bundle, slip []byte, objects [][]byte) {
	n.w.t.Helper()
	ctx := n.w.t.Context()
	var need []int
	for i := range objects {
		need = append(need, i)
	}
	a, err := n.queue.Admit(ctx, hubCode, storage.Incoming{Bundle: b, Slip: slip, Need: need})
	if err != nil {
		n.w.t.Fatal(err)
	}
	if a.Receipt != nil {
		return // seen before
	}
	for i, data := range objects {
		for off := a.Durable[i]; off < int64(len(data)); {
			end := min(off+32<<10, int64(len(data)))
			if off, err = n.queue.Write(ctx, b.ID, i, off, data[off:end], true); err != nil {
				n.w.t.Fatal(err)
			}
		}
	}
	if err := n.queue.Complete(ctx, hubCode, b.ID, []byte("receipt")); err != nil {
		n.w.t.Fatal(err)
	}
}

// control sends an office a bundle of the hub's own.
func (w *world) control(to *node, from string, key crypto.Signer, kind bundle.Kind, role bundle.Role, payload []byte) {
	w.t.Helper()
	k := must(bundle.NewKey())
	sent, object, err := k.EncryptBytes(payload, role)
	if err != nil {
		w.t.Fatal(err)
	}
	signed := must(bundle.Sign(bundle.Header{
		ID: must(uuid.NewV7()), From: from, To: []string{to.id.Code}, Kind: kind, Created: w.clock, Expires: w.clock.Add(time.Hour),
		Key: k.Recipient(), Objects: []bundle.Object{object},
	}, key))
	to.take(signed.Stored(), must(k.Slip(to.id.Age.Recipient().String())), [][]byte{sent})
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// draft is a good draft with one small file.
func draft(to ...string) Draft {
	return Draft{To: to, Subject: "Tình hình đường liên xã", By: "vanthu", Files: []Upload{text("báo cáo.pdf", "%PDF-1.7 nội dung")}}
}

func text(name, content string) Upload {
	return Upload{Name: name, Body: bytes.NewReader([]byte(content))}
}

// send sends or ends the test.
func (n *node) send(d Draft) Document {
	n.w.t.Helper()
	doc, err := n.Send(n.w.t.Context(), d)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return doc
}

func (n *node) get(id storage.ID) Document {
	n.w.t.Helper()
	doc, err := n.Get(n.w.t.Context(), id)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return doc
}

// inbox returns the incoming documents, newest first.
func (n *node) inbox() []Document {
	n.w.t.Helper()
	docs, _, err := n.List(n.w.t.Context(), Query{Box: In})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return docs
}

// audited checks that every office's audit chain holds.
func (w *world) audited() {
	w.t.Helper()
	for code, n := range w.offices {
		if _, err := audit.Verify(w.t.Context(), n.db); err != nil {
			w.t.Errorf("audit of %s: %v", code, err)
		}
	}
}

// steps lists a track as "step:office:signer:evidence".
func track(d Document) []string {
	var list []string
	for _, e := range d.Events {
		list = append(list, string(e.Step)+":"+e.Office+":"+e.Signer+":"+e.Evidence)
	}
	return list
}
