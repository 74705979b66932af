package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

type node struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate of an authority, or of a signer when it names where
// one can ask about it.
func issue(t *testing.T, by *node, name string, serial int64, change ...func(*x509.Certificate)) *node {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: len(change) == 0, BasicConstraintsValid: true,
	}
	for _, f := range change {
		f(template)
	}
	if by == nil {
		by = &node{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &node{cert, key}
}

func ocspAt(addresses ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.OCSPServer, c.KeyUsage = addresses, x509.KeyUsageDigitalSignature }
}

func listAt(addresses ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.CRLDistributionPoints, c.KeyUsage = addresses, x509.KeyUsageDigitalSignature
	}
}

// crl is a list of n as of a time, good for a day.
func (n *node) crl(t *testing.T, at time.Time, change ...func(*x509.RevocationList)) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(at.Unix()), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 1)}
	for _, f := range change {
		f(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, n.cert, n.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rollover is a certificate for the next key of an authority, signed with the
// present one: the same name stands in it twice.
func rollover(t *testing.T, n *node) []byte {
	t.Helper()
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := *n.cert
	template.SerialNumber = big.NewInt(99)
	der, err := x509.CreateCertificate(rand.Reader, &template, n.cert, &next.PublicKey, n.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestFoldersAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	root := issue(t, nil, "root", 1)
	between := issue(t, root, "between", 2)
	s := New(Options{Anchors: filepath.Join(dir, AnchorsDir), Lists: filepath.Join(dir, ListsDir)})
	o, empty := s.Terms()
	if len(o.Anchors) != 0 {
		t.Error("anchors from nowhere")
	}
	write(t, filepath.Join(dir, AnchorsDir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}))
	write(t, filepath.Join(dir, AnchorsDir, "between.cer"), between.cert.Raw)
	write(t, filepath.Join(dir, AnchorsDir, "notes.txt"), []byte("not a certificate"))
	write(t, filepath.Join(dir, ListsDir, "old.crl"), root.crl(t, time.Now().Add(-2*time.Hour)))
	write(t, filepath.Join(dir, ListsDir, "new.crl"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: root.crl(t, time.Now())}))
	write(t, filepath.Join(dir, ListsDir, "bad.crl"), []byte("x"))
	write(t, filepath.Join(dir, AnchorsDir, "next.cer"), rollover(t, root))
	s.looked = time.Time{}
	o, full := s.Terms()
	if full == empty || len(o.Anchors) != 1 || !o.Anchors[0].Equal(root.cert) || len(o.Intermediates) != 2 {
		t.Fatalf("got %d anchors, %d others, mark changed %v", len(o.Anchors), len(o.Intermediates), full != empty)
	}
	e, err := s.Lookup(t.Context(), between.cert, root.cert)
	if err != nil || len(e) != 2 || e[0].Origin != "new.crl" {
		t.Errorf("lists: %v %v", e, err)
	}
	if e, err = s.Lookup(t.Context(), between.cert, between.cert); err != nil || len(e) != 0 {
		t.Errorf("lists of another issuer: %v %v", e, err)
	}
}

// TestAnOldRootIsAnAnchorWhateverItsOwnSignature: what it signs of itself proves
// nothing and is not needed.
func TestAnOldRootIsAnAnchorWhateverItsOwnSignature(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "2008"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: x509.SHA1WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "root.cer")
	write(t, path, der)
	if o, _ := New(Options{Anchors: path}).Terms(); len(o.Anchors) != 1 {
		t.Errorf("got %d anchors", len(o.Anchors))
	}
}
