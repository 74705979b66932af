package hotfolder

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// people are an office, whom it writes to, and their hub.
type people struct {
	id    *identity.Identity
	cards [][]byte
}

const hubCode = "H40"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var thePeople = sync.OnceValue(func() people {
	now := time.Now()
	serial := int64(0)
	issue := func(name pkix.Name, by *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		own := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		serial++
		t := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: name, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(20, 0, 0),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true, IsCA: by == nil,
		}
		if by == nil {
			t.KeyUsage |= x509.KeyUsageCertSign
			by, key = t, own
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, t, by, &own.PublicKey, key)))), own
	}
	ca, caKey := issue(pkix.Name{CommonName: "Test CA"}, nil, nil)
	authority, authorityKey := issue(pkix.Name{CommonName: "authority", OrganizationalUnit: []string{identity.UnitAuthority}}, ca, caKey)
	p := people{}
	for i, code := range []string{connectortest.Office, connectortest.Other} {
		device, deviceKey := issue(pkix.Name{CommonName: code, OrganizationalUnit: []string{identity.UnitDevice}}, ca, caKey)
		sealed, sealKey := issue(pkix.Name{CommonName: "UBND xã", SerialNumber: code, OrganizationalUnit: []string{identity.UnitSeal}}, ca, caKey)
		own := must(age.GenerateX25519Identity())
		card := registry.Card{
			Serial: uint64(i + 1), Issued: now, Code: code, Name: "UBND xã " + code, Parent: hubCode, Kind: "xa", Device: &deviceKey.PublicKey,
			Recipient: own.Recipient().String(),
		}
		p.cards = append(p.cards, must(registry.SignCard(card, authorityKey)))
		if code == connectortest.Office {
			p.id = &identity.Identity{
				Code: code, Name: card.Name, Hub: hubCode, Device: deviceKey, DeviceCert: device, Seal: sealKey, SealCert: sealed, Age: own,
				Trust: identity.Trust{CA: ca, Authority: authority, Hub: hubCode},
			}
		}
	}
	return p
})

// openOffice opens an office over real stores.
func openOffice(dir string, id *identity.Identity, cards [][]byte) (*office.Office, *sqlite.DB, error) {
	db, err := sqlitetest.Open(context.Background(), filepath.Join(dir, "tram.db"), sqlite.Options{
		Schemas: []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, office.Schema, office.EvidenceSchema},
	})
	if err != nil {
		return nil, nil, err
	}
	blobs, err := blob.Open(filepath.Join(dir, "content"), blob.Options{MinFree: -1})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	reg, err := registry.New(db, id.Trust.Authority.PublicKey.(*ecdsa.PublicKey), registry.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	o, err := office.New(office.Options{
		DB: db, Queue: queue.New(db, blobs, queue.Options{}), Blobs: blobs, Identity: id, Registry: reg,
	})
	if err == nil {
		err = db.Update(context.Background(), func(tx *sqlite.Tx) error {
			_, err := reg.Merge(tx, cards)
			return err
		})
	}
	return o, db, err
}

// errKilled is what a step panics with when the power goes there.
var errKilled = errors.New("killed")

// station is a hot folder at a real office, that dies at a step and boots again.
type station struct {
	t       testing.TB
	tree    string // of the hot folder
	data    string
	set     map[string]any
	time    time.Duration // on the connector's clock
	skew    time.Duration // of the office's clock
	trace   []string      // steps so far
	dieAt   int           // index of the step at which the power goes; -1: never
	crashs  int
	onStep  func(step string)
	workers int // 1: so that steps come one after another; 0: as usual

	office *office.Office
	db     *sqlite.DB
	c      *conn
}

func newStation(t testing.TB, dieAt int) *station {
	t.Helper()
	s := &station{t: t, tree: filepath.Join(t.TempDir(), "chung"), data: t.TempDir(), set: map[string]any{}, dieAt: dieAt, onStep: func(string) {}, workers: 1}
	s.set["dir"] = s.tree
	if err := os.Mkdir(s.tree, 0o755); err != nil {
		t.Fatal(err)
	}
	s.boot()
	t.Cleanup(s.down)
	return s
}

func (s *station) boot() {
	s.t.Helper()
	own := filepath.Join(s.data, "hot")
	if err := os.MkdirAll(own, 0o755); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if s.office, s.db, err = openOffice(s.data, thePeople().id, thePeople().cards); err != nil {
		s.t.Fatal(err)
	}
	settings, err := json.Marshal(s.set)
	if err != nil {
		s.t.Fatal(err)
	}
	s.c, err = newConn(connector.Env{
		Name: "hot", Office: office.Party{Code: connectortest.Office, Name: "UBND xã Mẫu"}, Settings: settings, Desk: s.office, Dir: own,
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(s.skew) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.workers > 0 {
		s.c.workers = s.workers
	}
	s.c.clock = func() time.Duration { return s.time }
	s.c.step = func(name string) {
		s.trace = append(s.trace, name)
		s.onStep(name)
		if len(s.trace)-1 == s.dieAt {
			panic(errKilled)
		}
	}
}

func (s *station) down() {
	if err := errors.Join(s.c.Close(), s.db.Close()); err != nil {
		s.t.Error(err)
	}
}

// survives runs something, and boots again when the power goes.
func (s *station) survives(do func() error) (err error) {
	s.t.Helper()
	defer func() {
		switch r := recover(); {
		case r == nil:
		case r == any(errKilled):
			s.crashs++
			s.down()
			s.boot()
		default:
			panic(r)
		}
	}()
	return do()
}

// look lets time pass and has the connector look.
func (s *station) look(after time.Duration) error {
	s.t.Helper()
	s.time += after
	return s.survives(func() error { return s.c.Collect(s.t.Context()) })
}

// looks has it look often enough to take everything that is at rest.
func (s *station) looks() {
	s.t.Helper()
	for range 8 {
		if err := s.look(10 * time.Second); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *station) path(dir, name string) string { return filepath.Join(s.tree, dir, name) }

// drop is the path of a name in the first folder.
func (s *station) drop(name string) string { return s.path(dropDir, name) }

// names lists a folder but for what starts with a dot.
func (s *station) names(dir string) []string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.tree, dir))
	if err != nil {
		s.t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// sent lists the subjects of what the office has taken, sorted.
func (s *station) sent() []string {
	s.t.Helper()
	docs, _, err := s.office.List(s.t.Context(), office.Query{Box: office.Out, Limit: office.MaxPage})
	if err != nil {
		s.t.Fatal(err)
	}
	list := []string{}
	for _, d := range docs {
		list = append(list, d.Subject)
	}
	slices.Sort(list)
	return list
}
