// Package identitytest makes offices of a hub for tests, with real keys,
// certificates and a real certificate authority, and no network.
package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Office makes a hub, whose servers are on localhost, and takes one office in.
func Office(t testing.TB, code string) (*identity.Identity, *ca.CA) {
	t.Helper()
	dir := t.TempDir()
	c, err := ca.Init(filepath.Join(dir, "hub"), ca.Options{Code: "H40", Name: "UBND tỉnh", Enroll: []string{"localhost:1"}, MQTT: []string{"localhost:2"}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, registry.Schema, ca.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reg, err := registry.New(db, c.Authority.Key.Public(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := &identity.Identity{Code: code, Name: "UBND xã", Hub: "H40", Trust: identity.Trust{
		CA: c.Root.Cert, Authority: c.Authority.Cert, Hub: "H40", HubName: "UBND tỉnh", MQTT: c.MQTT, Enroll: c.Enroll}}
	device, seal := Key(t), Key(t)
	id.Device, id.Seal = device, seal
	if id.Age, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
		made, err := c.CreateInvites(tx, reg, []ca.Office{{Code: code, Name: id.Name}}, ca.InviteOptions{})
		if err != nil {
			return err
		}
		inv, err := invite.Parse(made[0].Raw)
		if err != nil {
			return err
		}
		req := &invite.Request{Invite: inv.ID, Code: code, DeviceCSR: CSR(t, device), SealCSR: CSR(t, seal), Recipient: id.Age.Recipient().String(), Time: time.Now()}
		if err := req.Prove(inv.Secret, inv.CA); err != nil {
			return err
		}
		r, err := c.Redeem(tx, reg, req, "")
		if err != nil {
			return err
		}
		id.DeviceCert, id.SealCert, id.Card = r.Device, r.Seal, r.Card
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, c
}

// Key makes a key.
func Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// CSR makes a request for a certificate of the key.
func CSR(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
