package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/office"
	log "tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// realOffice is an office as it runs, in a folder of the test, made when it is
// first asked.
type realOffice struct {
	t    *testing.T
	now  func() time.Time
	once sync.Once
	of   *office.Office
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (r *realOffice) get() *office.Office {
	r.once.Do(func() {
		dir := r.t.TempDir()
		db := must(sqlitetest.Open(context.Background(), filepath.Join(dir, "office.db"), sqlite.Options{
			Schemas: []sqlite.Schema{queue.Schema, log.Schema, registry.Schema, office.Schema, office.EvidenceSchema}, Now: r.now,
		}))
		r.t.Cleanup(func() { _ = db.Close() })
		blobs := must(blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1}))
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: us.Name, SerialNumber: us.Code}, NotBefore: r.now().Add(-time.Hour), NotAfter: r.now().AddDate(1, 0, 0)}
		cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))))
		r.of = must(office.New(office.Options{
			DB: db, Queue: queue.New(db, blobs, queue.Options{}), Blobs: blobs, Registry: must(registry.New(db, &key.PublicKey, registry.Options{})), Now: r.now,
			Identity: &identity.Identity{Code: us.Code, Name: us.Name, Hub: "H40", Device: key, DeviceCert: cert, Seal: key, SealCert: cert,
				Age: must(age.GenerateX25519Identity()), Trust: identity.Trust{CA: cert, Authority: cert, Hub: "H40"}},
		}))
	})
	return r.of
}

func (r *realOffice) Enter(ctx context.Context, e office.PaperEntry) (office.Document, error) {
	return r.get().Enter(ctx, e)
}

func (r *realOffice) Outlook(ctx context.Context, box office.Box, year int, kind, notation string) (office.Outlook, error) {
	return r.get().Outlook(ctx, box, year, kind, notation)
}

// overReal has the pages run over a real, empty office.
func (b *box) overReal() *office.Office {
	of := b.papers.get()
	b.site.Office, b.office.real = of, of
	return of
}
