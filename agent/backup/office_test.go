package backup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/keystore"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// documents is a table of content, as an office has many.
var documents = sqlite.Schema{Name: "documents", Files: fstest.MapFS{"0001_documents.sql": {Data: []byte(`CREATE TABLE documents (name TEXT PRIMARY KEY, sha256 BLOB NOT NULL, size INTEGER NOT NULL) STRICT;`)}}}

var form = Form{Schemas: []sqlite.Schema{audit.Schema, documents}, Content: []string{`SELECT sha256, size FROM documents`}}

// province makes identities, as enrolment does.
type province struct {
	t   *testing.T
	ca  *ca.CA
	reg *registry.Registry
	db  *sqlite.DB
}

func newProvince(t *testing.T) *province {
	t.Helper()
	p, dir := &province{t: t}, t.TempDir()
	var err error
	if p.ca, err = ca.Init(filepath.Join(dir, "hub"), ca.Options{Code: "H40", Name: "UBND tỉnh", Enroll: []string{"localhost:1"}, MQTT: []string{"localhost:2"}}); err != nil {
		t.Fatal(err)
	}
	if p.db, err = sqlitetest.Open(t.Context(), filepath.Join(dir, "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, registry.Schema, ca.Schema}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	if p.reg, err = registry.New(p.db, p.ca.Authority.Key.Public(), registry.Options{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// enroll gives an office keys in a data folder; again for one that has some elsewhere.
func (p *province) enroll(dir, code string) *identity.Identity {
	p.t.Helper()
	id := &identity.Identity{Code: code, Name: "UBND xã", Hub: "H40", Trust: identity.Trust{
		CA: p.ca.Root.Cert, Authority: p.ca.Authority.Cert, Hub: "H40", HubName: "UBND tỉnh", MQTT: p.ca.MQTT, Enroll: p.ca.Enroll}}
	device, seal := p.key(), p.key()
	id.Device, id.Seal = device, seal
	var err error
	if id.Age, err = age.GenerateX25519Identity(); err != nil {
		p.t.Fatal(err)
	}
	err = p.db.Update(p.t.Context(), func(tx *sqlite.Tx) error {
		made, err := p.ca.CreateInvites(tx, p.reg, []ca.Office{{Code: code, Name: id.Name}}, ca.InviteOptions{Replace: true})
		if err != nil {
			return err
		}
		inv, err := invite.Parse(made[0].Raw)
		if err != nil {
			return err
		}
		req := &invite.Request{Invite: inv.ID, Code: code, DeviceCSR: p.csr(device), SealCSR: p.csr(seal), Recipient: id.Age.Recipient().String(), Time: time.Now()}
		if err := req.Prove(inv.Secret, inv.CA); err != nil {
			return err
		}
		r, err := p.ca.Redeem(tx, p.reg, req, "")
		if err != nil {
			return err
		}
		id.DeviceCert, id.SealCert, id.Card = r.Device, r.Seal, r.Card
		return nil
	})
	if err == nil {
		err = keystore.MakeFolder(dir)
	}
	if err == nil {
		err = identity.Save(dir, id)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

func (p *province) key() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return key
}

func (p *province) csr(key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, key)
	if err != nil {
		p.t.Fatal(err)
	}
	return der
}

// box is an office with documents.
type box struct {
	t     *testing.T
	src   Source
	db    *sqlite.DB
	blobs *blob.Store
	id    *identity.Identity
	now   time.Time
}

const code = "H40.12"

func newBox(t *testing.T, p *province, code string) *box {
	t.Helper()
	b := &box{t: t, now: time.Now().UTC().Truncate(time.Second)}
	dir := filepath.Join(t.TempDir(), "office")
	b.id = p.enroll(dir, code)
	b.src = Source{Dir: dir, DB: "office.db", Blobs: "blobs", Leave: []string{"uploads"}, Code: code, Name: "UBND xã", Hub: "H40", Form: form, Now: func() time.Time { return b.now }}
	var err error
	if b.db, err = sqlitetest.Open(t.Context(), filepath.Join(dir, "office.db"), sqlite.Options{Schemas: form.Schemas}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.db.Close() })
	if b.blobs, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	b.file("tram.toml", "language = \"vi\"\n")
	b.file("drafts/one/scan.pdf", "%PDF")
	b.file("uploads/half", "not for a backup")
	return b
}

func (b *box) file(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.src.Dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

// bytesOf is the content of a document.
func bytesOf(name string, size int) []byte {
	sum := sha256.Sum256([]byte(name))
	return bytes.Repeat(sum[:], size/32)
}

func (b *box) saves(names ...string) {
	b.t.Helper()
	for _, name := range names {
		c, err := b.blobs.Stage(b.t.Context(), bytes.NewReader(bytesOf(name, 64_000)), 0)
		if err != nil {
			b.t.Fatal(err)
		}
		err = b.db.Update(b.t.Context(), func(tx *sqlite.Tx) error {
			if _, err := tx.Exec(`INSERT INTO documents VALUES (?, ?, ?)`, name, c.SHA256, c.Size); err != nil {
				return err
			}
			return audit.Append(tx, audit.Entry{Actor: "test", Action: "saved", Subject: name})
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *box) drops(name string) {
	b.t.Helper()
	err := b.db.Update(b.t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM documents WHERE name = ?`, name)
		return err
	})
	if err == nil {
		_, _, err = b.blobs.Sweep(b.t.Context(), func([32]byte) (bool, error) { return false, nil }, time.Now().Add(time.Hour))
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) backs(s Store) Made {
	b.t.Helper()
	m, err := Make(b.t.Context(), b.src, s)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *box) access(s Store) Access {
	b.t.Helper()
	k, err := LoadKey(b.src.Dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return Access{Store: s, Code: k.Code()}
}

func target(dir string) Target {
	return Target{
		Dir: dir, DB: "office.db", Blobs: "blobs", Form: form,
		Empty: func(tx *sqlite.Tx) (empty bool, err error) {
			err = tx.QueryRow(`SELECT NOT EXISTS (SELECT 1 FROM documents)`).Scan(&empty)
			return empty, err
		},
		Settle: func(tx *sqlite.Tx, r Report) error {
			return audit.Append(tx, audit.Entry{Actor: "cli", Action: "office.restored", Subject: r.Backup})
		},
	}
}

// holds checks that a data folder has exactly these documents, to the byte, and a log
// that goes on.
func holds(t *testing.T, dir string, names ...string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "office.db"), sqlite.Options{Schemas: form.Schemas, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	blobs := blob.OpenReadOnly(filepath.Join(dir, "blobs"))
	err = db.View(t.Context(), func(tx *sqlite.Tx) error {
		if err := tx.QueryRow(`SELECT count(*) FROM documents`).Scan(&n); err != nil {
			return err
		}
		for _, name := range names {
			var c blob.Content
			if err := tx.QueryRow(`SELECT sha256, size FROM documents WHERE name = ?`, name).Scan(sqlite.Digest(&c.SHA256), &c.Size); err != nil {
				return err
			}
			r, err := blobs.Reader(c)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				return err
			}
			if !bytes.Equal(got, bytesOf(name, 64_000)) {
				t.Errorf("%s is not what it was", name)
			}
		}
		return nil
	})
	if err != nil || n != len(names) {
		t.Errorf("%d documents, want %d (error %v)", n, len(names), err)
	}
	if _, err := audit.Verify(t.Context(), db); err != nil {
		t.Error(err)
	}
}

// count counts the files of a store.
func count(t *testing.T, s Store, folder string) (n int) {
	t.Helper()
	if err := s.List(context.Background(), folder, func(string, int64) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}
