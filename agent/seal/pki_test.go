package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// at is the office's clock in these tests.
var at = time.Date(2026, 7, 1, 8, 30, 15, 0, time.UTC)

func clock() time.Time { return at }

// pki is a small hub CA.
type pki struct {
	t    testing.TB
	key  crypto.Signer
	cert *x509.Certificate
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &pki{t: t, key: key}
	p.cert = p.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hub CA"},
		NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key.Public())
	return p
}

func (p *pki) sign(template *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	p.t.Helper()
	parent := p.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert
}

func (p *pki) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.cert)
	return pool
}

func (p *pki) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

// office gives a template of a seal certificate.
func officeCert() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0xabc123),
		Subject:      pkix.Name{CommonName: "UBND xã Bình Minh", SerialNumber: "H01.12.34", OrganizationalUnit: []string{"seal"}},
		NotBefore:    at.AddDate(0, -6, 0), NotAfter: at.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
}

// sealer issues a certificate from the template for key, a new P-256 key when
// nil.
func (p *pki) sealer(template *x509.Certificate, key crypto.Signer) Sealer {
	p.t.Helper()
	if key == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			p.t.Fatal(err)
		}
		key = k
	}
	return Sealer{Key: key, Cert: p.sign(template, key.Public()), Chain: []*x509.Certificate{p.cert}, Now: clock}
}

func newRSA(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// token is a signer that is neither *ecdsa.PrivateKey nor *rsa.PrivateKey, as
// a key on a token is.
type token struct{ crypto.Signer }
