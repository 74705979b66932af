package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// hub is a hub under test with a clock of its own.
type hub struct {
	*CA
	dir  string
	now  time.Time
	db   *sqlite.DB
	reg  *registry.Registry
	card []byte
}

func newHub(t testing.TB) *hub {
	t.Helper()
	h := &hub{dir: filepath.Join(t.TempDir(), "hub"), now: start}
	c, err := Init(h.dir, Options{Code: "H40", Name: "UBND tỉnh Nghệ An", Hosts: []string{"tram.example.vn"},
		Enroll: []string{"127.0.0.1:8884"}, MQTT: []string{"127.0.0.1:8883"}, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	h.CA, c.WorkFactor = c, 10
	h.openStore(t)
	return h
}

// openStore gives the hub a new, empty store.
func (h *hub) openStore(t testing.TB) {
	t.Helper()
	db, err := sqlitetest.Open(t.Context(), filepath.Join(t.TempDir(), "tram.db"), sqlite.Options{
		Schemas: []sqlite.Schema{audit.Schema, registry.Schema, Schema}, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	h.db = db
	if h.reg, err = registry.New(db, h.Authority.Key.Public(), registry.Options{}); err != nil {
		t.Fatal(err)
	}
	h.update(t, func(tx *sqlite.Tx) (err error) {
		h.card, err = h.Register(tx, h.reg)
		return err
	})
}

func (h *hub) update(t testing.TB, fn func(*sqlite.Tx) error) {
	t.Helper()
	if err := h.db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (h *hub) invite(t testing.TB, o InviteOptions, codes ...string) []Made {
	t.Helper()
	var offices []Office
	for _, code := range codes {
		offices = append(offices, Office{Code: code, Name: "UBND xã " + code, Parent: "H40", Kind: "xa"})
	}
	var made []Made
	h.update(t, func(tx *sqlite.Tx) (err error) {
		made, err = h.CreateInvites(tx, h.reg, offices, o)
		return err
	})
	return made
}

func (h *hub) redeem(t testing.TB, req *invite.Request) (*Redeemed, error) {
	t.Helper()
	var r *Redeemed
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		r, err = h.Redeem(tx, h.reg, req, "test")
		return err
	})
	return r, err
}

func (h *hub) actions(t testing.TB) map[string]int {
	t.Helper()
	if _, err := audit.Verify(t.Context(), h.db); err != nil {
		t.Fatal(err)
	}
	rows, err := audit.List(t.Context(), h.db, 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, r := range rows {
		count[r.Action]++
	}
	return count
}

// keys are those of an office.
type keys struct {
	device, seal crypto.Signer
	recipient    string
}

func newKeys(t testing.TB) keys {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return keys{newKey(t), newKey(t), id.Recipient().String()}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func csr(t testing.TB, key crypto.Signer, change ...func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "anything"}}
	for _, c := range change {
		c(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// request makes a proven request for an invite.
func request(t testing.TB, m Made, k keys, change ...func(*invite.Request)) *invite.Request {
	t.Helper()
	inv, err := invite.Parse(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	req := &invite.Request{Invite: inv.ID, Code: inv.Code, DeviceCSR: csr(t, k.device), SealCSR: csr(t, k.seal), Recipient: k.recipient, Time: start}
	for _, c := range change {
		c(req)
	}
	if err := req.Prove(inv.Secret, inv.CA); err != nil {
		t.Fatal(err)
	}
	return req
}

func wantProblem(t testing.TB, err error, class problem.Class, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code || p.Class != class {
		t.Errorf("got %v, want problem %s of class %d", err, code, class)
	}
}

func reqWith(device, seal []byte) func(*invite.Request) {
	return func(r *invite.Request) { r.DeviceCSR, r.SealCSR = device, seal }
}
