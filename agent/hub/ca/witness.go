package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tram/agent/identity"
	"tram/agent/tsa"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// Names of the pairs with which the hub testifies. Unlike those of the hub's
// trust they are made when they are missing: what an earlier one signed is
// checked with the certificate beside the signature.
const (
	witnessName = "witness"
	stampName   = "tsa"
)

// unitStamp marks the certificate for time stamps.
const unitStamp = "tsa"

// Witness is with what a hub testifies: Seal is for its evidence, Stamp for
// time stamps, as an authority of last resort that its name and policy name as
// such.
type Witness struct {
	Seal, Stamp Pair
}

// Witness loads the hub's keys for testimony. A pair that is missing, or was
// not issued by the present CA, is made anew; a certificate in the last third
// of its life is renewed. Call it at start.
func (c *CA) Witness(now time.Time) (w Witness, err error) {
	if w.Seal, err = c.testimonyPair(witnessName, now, c.makeWitness); err != nil {
		return w, fmt.Errorf("open seal of the hub: %w", err)
	}
	if w.Stamp, err = c.testimonyPair(stampName, now, c.makeStamp); err != nil {
		return w, fmt.Errorf("open time stamp key of the hub: %w", err)
	}
	return w, nil
}

// Register makes the store know the certificates. It changes nothing the second
// time.
func (w Witness) Register(tx *sqlite.Tx, c *CA) error {
	if err := record(tx, c.Code, identity.UnitSeal, w.Seal.Cert, nil, actorHub); err != nil {
		return err
	}
	return record(tx, c.Code, unitStamp, w.Stamp.Cert, nil, actorHub)
}

func (c *CA) testimonyPair(name string, now time.Time, issue func(*ecdsa.PrivateKey, time.Time) (Pair, error)) (Pair, error) {
	pair, err := loadPair(c.folder, name)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		if pair.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return Pair{}, err
		}
	case err != nil:
		return Pair{}, err
	case pair.Cert.CheckSignatureFrom(c.Root.Cert) == nil && !oldOwn(pair.Cert, now):
		return pair, nil
	}
	if pair, err = issue(pair.Key, now); err != nil {
		return Pair{}, err
	}
	// The certificate is last: a pair that is half there is made anew.
	if err := keystore.SaveKey(filepath.Join(c.folder, name+".key"), pair.Key); err != nil {
		return Pair{}, err
	}
	return pair, keystore.SaveCert(filepath.Join(c.folder, name+".crt"), pair.Cert)
}

// makeWitness issues the hub's own seal certificate.
func (c *CA) makeWitness(key *ecdsa.PrivateKey, now time.Time) (Pair, error) {
	subject := c.subject(c.Name, identity.UnitSeal)
	subject.SerialNumber = c.Code
	cert, err := issue(&x509.Certificate{
		Subject: subject, NotBefore: c.Root.Cert.NotBefore,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, // as offices' seals
	}, c.Root.Cert, &key.PublicKey, c.Root.Key, now, ServerLife)
	return Pair{Key: key, Cert: cert}, err
}

// makeStamp issues the certificate for time stamps. What it is stands in its
// name, for whoever looks at a token.
func (c *CA) makeStamp(key *ecdsa.PrivateKey, now time.Time) (Pair, error) {
	usage, err := tsa.Usage()
	if err != nil {
		return Pair{}, err
	}
	policy, err := x509.ParseOID(tsa.ReservePolicy)
	if err != nil {
		return Pair{}, err
	}
	cert, err := issue(&x509.Certificate{
		Subject: c.subject(tsa.ReserveName+" "+c.Code, unitStamp), NotBefore: c.Root.Cert.NotBefore,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage}, Policies: []x509.OID{policy},
	}, c.Root.Cert, &key.PublicKey, c.Root.Key, now, ServerLife)
	return Pair{Key: key, Cert: cert}, err
}
