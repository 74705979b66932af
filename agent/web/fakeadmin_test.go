package web

import (
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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/backup"
	"tram/agent/books"
	"tram/agent/compose"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/connector/hotfolder"
	"tram/agent/connector/lgsp"
	"tram/agent/connector/mail"
	"tram/agent/connector/webhook"
	"tram/agent/dossier"
	"tram/agent/guard"
	"tram/agent/handling"
	"tram/agent/health"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/lineage"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealbook"
	"tram/agent/search"
	"tram/agent/stick"
	"tram/agent/support"
	"tram/agent/web/account"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
	"tram/sync/usb"
)

// boxSchemas are the tables of what the pages use for real.
var boxSchemas = []sqlite.Schema{account.Schema, audit.Schema, connector.Schema, appkey.Schema, compose.Schema, books.Schema, search.Schema, handling.Schema, dossier.Schema}

// adminBox is what the administration pages and those of sticks work on:
// connectors, applications, the audit log and the exchange by stick are the real
// ones.
type adminBox struct {
	*sealsFake
	status  api.Status
	storage Storage
	host    *connector.Host
	aside   *asideFake
	office  *station
	hub     *station
	places  []stick.Place
	log     *support.Log
}

// newAdmin makes it for a box, with its options.
func newAdmin(t *testing.T, db *sqlite.DB, now func() time.Time) (*adminBox, Admin, Sticks) {
	t.Helper()
	a := &adminBox{sealsFake: newSeals(t, now()), aside: newAside(now()), log: support.NewLog(slog.DiscardHandler)}
	a.status = api.Status{Version: "0.1.0", State: "ready", Office: us, Hub: "H40", Started: now().Add(-49 * time.Hour), DiskFree: 41 << 30, CertDays: 90,
		CertUntil: now().AddDate(0, 3, 0), UI: "http://127.0.0.1:8701", Clock: api.Clock{Now: now(), Trusted: true},
		Link:   api.Link{Up: true, Since: now().Add(-time.Hour), Interface: "wwan0", Metered: true, Sent: 3 << 20, Received: 9 << 20, Rules: api.Rules{Code: "open"}},
		Budget: api.Budget{Used: 300_000_000, Limit: 2_000_000_000, Resets: now().AddDate(0, 0, 5)}}
	a.storage = Storage{Database: 12 << 20, Journal: 1 << 20, Unused: 64 << 10, Files: 3 << 30, Count: 4211, Partial: 2 << 20, Free: 41 << 30, Total: 64 << 30, Reserve: 200 << 20, Documents: 1803}
	a.host = connector.New(connector.Options{DB: db, Dir: t.TempDir(), Office: us, Feed: stillFeed{}, Now: now, Kinds: []connector.Kind{
		hotfolder.Kind(), lgsp.Kind(), mail.Kind(), webhook.Kind(), {Name: "thu", Settings: struct{}{}, Open: func(connector.Env) (connector.Connector, error) { return deaf{}, nil }}}})
	apps := appkey.New(db, appkey.Options{Now: now})
	cfg := config.DefaultOffice()
	admin := Admin{
		Status: func(context.Context) (api.Status, error) { return a.status, nil }, Since: func(health.Condition) time.Time { return now().Add(-2 * time.Hour) },
		Seals: a.sealsFake, Connectors: a.host, Aside: a.aside, Apps: apps, DB: db,
		Storage:  func(context.Context) (Storage, error) { return a.storage, nil },
		Settings: cfg.Values(), File: "/var/lib/tram/tram.toml",
		Backup: func() backup.State {
			return backup.State{Last: &backup.Made{Report: backup.Report{At: now().Add(-20 * time.Hour), Place: "/media/usb/tram-backup", Database: 12 << 20, Files: 4211, Bytes: 3 << 30}}, Ended: now().Add(-20 * time.Hour)}
		},
		Support: func(ctx context.Context) []support.File {
			return support.Collect(ctx, support.Sources{Dir: t.TempDir(), Version: "0.1.0", Settings: cfg.Values(), DB: db, Log: a.log, Connectors: a.host.List, Now: now,
				Status: func(context.Context) (api.Status, error) { return a.status, nil }})
		},
	}
	a.office, a.hub = stations(t)
	sticks := Sticks{
		Station: func() (usb.Station, error) { return a.office.local, nil }, Places: func() []stick.Place { return a.places }, Dir: filepath.Join(t.TempDir(), "usb"), Limit: 32 << 20,
		Record: func(ctx context.Context, by, action, place string, detail map[string]string) error {
			return db.Update(ctx, func(tx *sqlite.Tx) error {
				return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: place, Detail: detail})
			})
		},
	}
	return a, admin, sticks
}

// stillFeed is a feed where nothing happens.
type stillFeed struct{}

func (stillFeed) Feed(context.Context, string, int) ([]office.Entry, string, error) {
	return nil, "0", nil
}
func (stillFeed) FeedEnd(context.Context) (string, error) { return "0", nil }
func (stillFeed) Changed() <-chan struct{}                { return nil }

// deaf is a connector whose other system answers nothing.
type deaf struct{ connector.Base }

func (deaf) Test(context.Context) error { return errors.New("dial tcp 10.1.2.3:443: no route to host") }

// deadLetter puts an entry that was given up behind a connector.
func deadLetter(t *testing.T, db *sqlite.DB, name string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO deliveries (connector, document, entry, dead, tries, since, due, failure) VALUES (?, ?, ?, 1, 7, ?, ?, ?)`, name, uuid.New(),
			`{"cursor":"9","type":"`+string(office.DocumentArrived)+`","document":"0195d1a0-0000-7000-8000-000000000001","box":"in"}`, tx.Now(), tx.Now(), `{"technical":"550 mailbox unavailable"}`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sealsFake is a book of seals in memory.
type sealsFake struct {
	mu      sync.Mutex
	entries []sealbook.Entry
	did     []string
	pin     string
}

func newSeals(t *testing.T, now time.Time) *sealsFake {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(role seal.Role, person string) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
			Subject: pkix.Name{CommonName: "UBND xã An Bình", ExtraNames: seal.SubjectOf(role, person)}}, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return &sealsFake{entries: []sealbook.Entry{
		{Seal: sealbook.Seal{Name: sealbook.Enrolled, Kind: sealbook.KindEnrolled, Actions: []sealbook.Action{sealbook.ActionCopy}}, Cert: cert(seal.RoleAgency, "")},
		{Seal: sealbook.Seal{Name: "chu-tich", Kind: sealbook.KindPKCS11, Token: "VGCA-01", Actions: []sealbook.Action{sealbook.ActionDocument}}, Cert: cert(seal.RoleLeader, "Trần Văn Bình")},
		{Seal: sealbook.Seal{Name: "sao", Kind: sealbook.KindPKCS12}, Fault: problem.New(problem.Conflict, "seal.no-certificate", "", i18n.Args{"name": "sao", "file": "/var/lib/tram/keys/seals/sao.csr"})},
	}}
}

func (f *sealsFake) List() ([]sealbook.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries), nil
}

func (f *sealsFake) find(name string) (*sealbook.Entry, error) {
	i := slices.IndexFunc(f.entries, func(e sealbook.Entry) bool { return e.Name == name })
	if i < 0 {
		return nil, problem.New(problem.NotFound, "seal.unknown", "name", i18n.Args{"name": name})
	}
	return &f.entries[i], nil
}

func (f *sealsFake) Use(_ context.Context, by, name string, actions []sealbook.Action) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, err := f.find(name)
	if err == nil {
		e.Actions = actions
		f.did = append(f.did, by+" use "+name)
	}
	return err
}

func (f *sealsFake) Unlock(_ context.Context, by, name string, secret []byte, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find(name)
	if err == nil && string(secret) != "2468" {
		err = problem.New(problem.Conflict, "seal.pin-wrong", "pin", i18n.Args{"name": name})
	}
	if err == nil {
		f.did, f.pin = append(f.did, by+" unlock "+name), string(secret)
	}
	return err
}

func (f *sealsFake) Test(_ context.Context, name string) (sealbook.Tested, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, err := f.find(name)
	if err == nil {
		err = e.Fault
	}
	return sealbook.Tested{Name: name, Took: 12 * time.Millisecond}, err
}

// asideFake is a quarantine in memory.
type asideFake struct {
	mu   sync.Mutex
	list []office.Aside
	did  []string
}

func newAside(now time.Time) *asideFake {
	return &asideFake{list: []office.Aside{{ID: 4, Via: "truc-tinh", Ref: "docId 88123", Sender: "G22.7", At: now.Add(-time.Hour), Size: 1 << 20, Kept: true,
		Why: i18n.Say("problem.web.no-document", nil)}}}
}

func (f *asideFake) SetAside(context.Context) ([]office.Aside, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), nil
}

func (f *asideFake) OpenAside(context.Context, int64) (io.ReadCloser, error) {
	return nil, errors.New("no page reads this")
}

func (f *asideFake) TakeAgain(_ context.Context, id int64, by string) (office.Taken, error) {
	return office.Taken{Aside: i18n.Say("problem.web.no-document", nil)}, f.settle("take", id, by, false)
}

func (f *asideFake) Discard(_ context.Context, id int64, by string) error {
	return f.settle("discard", id, by, true)
}

func (f *asideFake) settle(what string, id int64, by string, gone bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(a office.Aside) bool { return a.ID == id })
	if i < 0 {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if gone {
		f.list = slices.Delete(f.list, i, i+1)
	}
	f.did = append(f.did, by+" "+what+" "+strconv.FormatInt(id, 10))
	return nil
}

// station is one machine that exchanges by stick, over real stores.
type station struct {
	code, peer string
	key        *ecdsa.PrivateKey
	db         *sqlite.DB
	blobs      *blob.Store
	queue      *queue.Queue
	local      *usb.Local
}

type cards map[string]registry.Card

func (cards) Serial() uint64 { return 0 }
func (c cards) Lookup(code string) (registry.Card, error) {
	card, ok := c[strings.ToUpper(code)]
	if !ok {
		return card, registry.ErrNotFound
	}
	return card, nil
}

// stations makes this office and its hub.
func stations(t *testing.T) (own, hub *station) {
	t.Helper()
	return stationsOf(t, us.Code, "H40")
}

// stationsOf makes an office and a hub of those codes.
func stationsOf(t *testing.T, code, hubCode string) (own, hub *station) {
	t.Helper()
	known, keys := cards{}, map[string]*ecdsa.PrivateKey{}
	for _, code := range []string{code, hubCode} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[code], known[code] = key, registry.Card{Code: code, Device: &key.PublicKey}
	}
	return newStation(t, code, hubCode, keys, known), newStation(t, hubCode, code, keys, known)
}

func newStation(t *testing.T, code, peer string, keys map[string]*ecdsa.PrivateKey, known cards) *station {
	t.Helper()
	s := &station{code: code, peer: peer, key: keys[code]}
	dir := t.TempDir()
	var err error
	s.db, err = sqlitetest.Open(t.Context(), filepath.Join(dir, "db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema, audit.Schema, stick.Schema, lineage.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	if s.blobs, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	s.queue = queue.New(s.db, s.blobs, queue.Options{})
	check := guard.New(guard.Options{Code: code, Epoch: s.db.Epoch(), Device: s.key, Registry: known, Boots: lineage.New(s.db)})
	names := map[string]string{us.Code: us.Name, "H40": "Tỉnh"}
	s.local = usb.NewLocal(usb.LocalOptions{
		Office: code, Epoch: s.db.Epoch(), Queue: s.queue, Guard: check, Device: s.key, Journal: stick.NewJournal(s.db, code), Name: func(code string) string { return names[strings.ToUpper(code)] },
		Neighbour: func(_ context.Context, of string, _ []byte) (usb.Neighbour, error) {
			if of != "" && !strings.EqualFold(of, peer) {
				return usb.Neighbour{}, usb.ErrNoNeighbour
			}
			return usb.Neighbour{Code: peer, Key: keys[peer].Public()}, nil
		},
	})
	t.Cleanup(func() {
		if err := errors.Join(s.queue.Close(), s.db.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put makes something outgoing to the peer.
func (s *station) put(t *testing.T, data string) storage.ID {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := bundle.Header{ID: uuid.Must(uuid.NewV7()), From: s.code, To: []string{s.peer}, Kind: bundle.KindDocument,
		Created: time.Now(), Expires: time.Now().Add(24 * time.Hour), Key: key.Recipient(), Objects: []bundle.Object{bundle.Describe([]byte(data), bundle.RoleAttachment, bundle.Plain)}}
	content, err := s.blobs.Stage(t.Context(), strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bundle.Sign(h, s.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		return s.queue.Put(tx, signed.Stored(), []blob.Content{content}, []queue.Target{{Peer: s.peer, Hold: true}})
	}); err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// waiting is how much waits for the peer.
func (s *station) waiting(t *testing.T) int {
	t.Helper()
	list, err := s.queue.Outgoing(t.Context(), s.peer, storage.ID{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
