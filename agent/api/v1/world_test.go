package v1

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/api/appkey"
	"tram/agent/dossier"
	"tram/agent/handling"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/search"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
)

const (
	hubCode = "H40"
	codeA   = "000.01.12.H40" // the office whose interface is called
	codeB   = "000.02.12.H40"
)

// world is a hub that relays by hand and two offices with real stores and keys.
type world struct {
	t         testing.TB
	at        atomic.Int64 // unix ms, of every clock
	ca, hub   pair
	authority pair
	epoch     uuid.UUID
	serial    uint64
	cards     [][]byte
	a, b      *node
	server    *Server
	handler   http.Handler
	apps      *appkey.Store
	keys      map[string]string
	filed     string // a dossier for calls that need one
}

type pair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

type node struct {
	*office.Office
	w     *world
	dir   string
	id    *identity.Identity
	db    *sqlite.DB
	queue *queue.Queue
	blobs *blob.Store
	reg   *registry.Registry
	index *search.Index
	works *handling.Store
	files *dossier.Store // one-stop dossiers
	stop  func()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, epoch: uuid.New(), keys: map[string]string{}}
	w.at.Store(time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC).UnixMilli())
	w.ca = w.issue(pair{}, pkix.Name{CommonName: "Test CA"}, true)
	w.authority = w.issue(w.ca, pkix.Name{CommonName: "authority", OrganizationalUnit: []string{identity.UnitAuthority}}, false)
	w.hub = w.issue(w.ca, pkix.Name{CommonName: hubCode, OrganizationalUnit: []string{identity.UnitDevice}}, false)
	hubAge := must(age.GenerateX25519Identity())
	w.card(registry.Card{Code: hubCode, Name: "UBND tỉnh Mẫu", Kind: "hub", Device: &w.hub.key.PublicKey, Recipient: hubAge.Recipient().String()})
	w.card(registry.Card{Code: "000.09.12.H40", Name: "UBND xã Chưa Nối", Kind: "xa", Parent: hubCode})
	a, b := w.identity(codeA, "UBND xã An Bình"), w.identity(codeB, "UBND xã Tân Phú")
	w.a, w.b = &node{w: w, dir: t.TempDir(), id: a}, &node{w: w, dir: t.TempDir(), id: b}
	w.a.start()
	w.b.start()
	w.serve()
	t.Cleanup(func() { w.a.stop(); w.b.stop() })
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.at.Load()).UTC() }

func (w *world) elapse(d time.Duration) { w.at.Add(d.Milliseconds()) }

func (w *world) issue(by pair, name pkix.Name, ca bool) pair {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	w.serial++
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(w.serial), Subject: name, IsCA: ca, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		NotBefore: w.now().AddDate(0, -1, 0), NotAfter: w.now().AddDate(2, 0, 0),
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

func (w *world) card(c registry.Card) {
	w.serial++
	c.Serial, c.Issued = w.serial, w.now()
	w.cards = append(w.cards, must(registry.SignCard(c, w.authority.key)))
}

// limits are small, so that tests reach them.
var limits = office.Limits{File: 8 << 20, Files: 5, Total: 16 << 20}

func (n *node) start() {
	n.w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n.db = must(sqlitetest.Open(ctx, filepath.Join(n.dir, "tram.db"), sqlite.Options{Now: n.w.now, Schemas: []sqlite.Schema{
		queue.Schema, audit.Schema, registry.Schema, office.Schema, office.EvidenceSchema, appkey.Schema, Schema, search.Schema, handling.Schema, dossier.Schema,
	}}))
	n.blobs = must(blob.Open(filepath.Join(n.dir, "blobs"), blob.Options{MinFree: -1}))
	n.queue = queue.New(n.db, n.blobs, queue.Options{})
	n.reg = must(registry.New(n.db, &n.w.authority.key.PublicKey, registry.Options{}))
	n.Office = must(office.New(office.Options{
		DB: n.db, Queue: n.queue, Blobs: n.blobs, Identity: n.id, Now: n.w.now, Registry: n.reg, Limits: limits,
	}))
	n.queue.SetHooks(n.Hooks())
	err := n.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := n.reg.Merge(tx, n.w.cards)
		return err
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = n.Run(ctx) })
	n.index = search.New(search.Options{DB: n.db, Source: n.Office})
	running.Go(func() { _ = n.index.Run(ctx) })
	n.works = must(handling.New(handling.Options{DB: n.db, Office: n.Office, Now: n.w.now}))
	running.Go(func() { _ = n.works.Run(ctx) })
	n.files = must(dossier.New(ctx, dossier.Options{DB: n.db, Blobs: n.blobs, Code: n.id.Code, Name: n.id.Name, Post: n.Office, News: n.Office, Now: n.w.now}))
	must(n.files.TakeCatalogue(ctx, dossier.Catalogue{Origin: hubCode, Version: 1, Procedures: []dossier.Procedure{birth}}, "it"))
	n.Deliver(bundle.KindDossier, n.files.Mailbox())
	running.Go(func() { _ = n.files.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := errors.Join(n.queue.Close(), n.db.Close()); err != nil {
			n.w.t.Error(err)
		}
	})
}

// serve makes the interface over office A.
func (w *world) serve() {
	w.t.Helper()
	w.apps = appkey.New(w.a.db, appkey.Options{Now: w.now})
	w.server = must(New(Options{
		DB: w.a.db, Blobs: w.a.blobs, Apps: w.apps, Office: w.a.Office, Directory: w.a.reg, Search: w.a.index, Works: w.a.works, Dossiers: w.a.files, Limits: limits, Version: "1.0",
		Unit: office.Party{Code: codeA, Name: "UBND xã An Bình"}, Style: "/tinh/app.css", Now: w.now, Logger: slog.New(slog.DiscardHandler),
	}))
	w.handler = w.server
}

// restart is a crash and a boot: what was in memory is gone.
func (w *world) restart() {
	w.t.Helper()
	w.a.stop()
	w.a.start()
	w.serve()
}

// key makes an application and gives its key, the same for the same name.
func (w *world) key(name string, kind appkey.Kind, scopes ...appkey.Scope) string {
	w.t.Helper()
	if k := w.keys[name]; k != "" {
		return k
	}
	_, k, err := w.apps.Create(context.Background(), appkey.NewApp{Name: name, Kind: kind, Scopes: scopes, Rate: appkey.MaxRate})
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[name] = string(k)
	return string(k)
}

// deliver carries what both offices have to send and waits until they rest.
func (w *world) deliver() {
	w.t.Helper()
	for quiet := 0; quiet < 3; quiet++ {
		for _, pass := range [][2]*node{{w.a, w.b}, {w.b, w.a}} {
			if w.relay(pass[0], pass[1]) > 0 {
				quiet = -1
			}
		}
		time.Sleep(15 * time.Millisecond)
	}
}

func (w *world) relay(from, to *node) int {
	w.t.Helper()
	list := must(from.queue.Outgoing(context.Background(), hubCode, w.epoch, 100))
	for _, out := range list {
		w.carry(from, to, out)
	}
	return len(list)
}

func (w *world) carry(from, to *node, out storage.Outgoing) {
	w.t.Helper()
	ctx := context.Background()
	objects := make([][]byte, len(out.Objects))
	for i, o := range out.Objects {
		objects[i] = make([]byte, o.Size)
		if _, err := from.queue.ReadObject(ctx, out.ID, i, objects[i], 0); err != nil && err != io.EOF {
			w.t.Fatal(err)
		}
	}
	signed := must(bundle.Parse(out.Header))
	receipt := must(bundle.SignReceipt(bundle.Receipt{ID: out.ID, Header: signed.Digest(), Office: hubCode, At: w.now(), Epoch: w.epoch}, w.hub.key))
	if err := from.queue.Settle(ctx, hubCode, out.ID, storage.Outcome{Receipt: receipt, Epoch: w.epoch, At: w.now()}); err != nil {
		w.t.Fatal(err)
	}
	slips := must(bundle.DecodeSlips(objects[signed.Header.Slips()]))
	slip, ok := slips[to.id.Code]
	if !ok {
		return
	}
	objects = objects[:signed.Header.Slips()]
	var need []int
	for i := range objects {
		need = append(need, i)
	}
	a := must(to.queue.Admit(ctx, hubCode, storage.Incoming{Bundle: out.Bundle, Slip: slip, Need: need}))
	if a.Receipt != nil {
		return
	}
	for i, data := range objects {
		for off := a.Durable[i]; off < int64(len(data)); {
			off = must(to.queue.Write(ctx, out.ID, i, off, data[off:min(off+32<<10, int64(len(data)))], true))
		}
	}
	if err := to.queue.Complete(ctx, hubCode, out.ID, []byte("receipt")); err != nil {
		w.t.Fatal(err)
	}
}

// fromB has office B send a document to A and returns its ID there.
func (w *world) fromB(subject string) storage.ID {
	w.t.Helper()
	d, err := w.b.Send(context.Background(), office.Draft{To: []string{codeA}, Subject: subject, By: "vanthu", Files: []office.Upload{
		{Name: "báo cáo.pdf", Body: strings.NewReader("%PDF-1.7 nội dung của " + subject)},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
	return d.ID
}

// request is a call of a test.
type request struct {
	method, path, key string
	headers           map[string]string
	body              io.Reader
}

// exchange is a call with its answer.
type exchange struct {
	*http.Response
	request *http.Request
	text    string
}

// call makes a call and holds it and its answer to the OpenAPI document.
func (w *world) call(q request) exchange {
	w.t.Helper()
	var sent []byte
	if q.body != nil {
		sent = must(io.ReadAll(q.body))
	}
	x := w.raw(q, sent)
	w.conforms(x, sent)
	return x
}

// raw makes a call alone.
func (w *world) raw(q request, sent []byte) exchange {
	w.t.Helper()
	r := httptest.NewRequest(q.method, "http://127.0.0.1:8701"+Base+q.path, bytes.NewReader(sent))
	r.RequestURI = Base + q.path
	if len(sent) == 0 {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if q.key != "" {
		r.Header.Set("Authorization", "Bearer "+q.key)
	}
	for name, value := range q.headers {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	resp := rec.Result()
	return exchange{resp, r, string(must(io.ReadAll(resp.Body)))}
}
