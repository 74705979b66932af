package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

type node struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func issue(t *testing.T, by *node, name string, serial int64, ocspAt ...string) *node {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: len(ocspAt) == 0, BasicConstraintsValid: true, OCSPServer: ocspAt,
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

func (n *node) crl(t *testing.T, at time.Time) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.Add(time.Hour)}, n.cert, n.key)
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
	s.looked = time.Time{}
	o, full := s.Terms()
	if full == empty || len(o.Anchors) != 1 || !o.Anchors[0].Equal(root.cert) || len(o.Intermediates) != 1 {
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

func TestOCSPIsAskedOnceAndASilentServiceIsLeftAlone(t *testing.T) {
	root := issue(t, nil, "root", 1)
	asked, broken := 0, 0
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		raw, _ := io.ReadAll(r.Body)
		q, err := ocsp.ParseRequest(raw)
		if err != nil {
			t.Error(err)
			return
		}
		der, err := ocsp.CreateResponse(root.cert, root.cert, ocsp.Response{Status: ocsp.Good, SerialNumber: q.SerialNumber, ThisUpdate: time.Now()}, root.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(der)
	}))
	defer good.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		broken++
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	defer bad.Close()
	allowed := true
	a := NewAsker(func() bool { return allowed })
	leaf := issue(t, root, "leaf", 3, bad.URL, good.URL)
	for range 3 {
		if der, err := a.Ask(t.Context(), leaf.cert, root.cert); err != nil || len(der) == 0 {
			t.Fatal(err)
		}
	}
	other := issue(t, root, "other", 4, bad.URL, good.URL)
	if _, err := a.Ask(t.Context(), other.cert, root.cert); err != nil {
		t.Fatal(err)
	}
	if asked != 2 || broken != 1 {
		t.Errorf("asked %d times, the silent one %d times", asked, broken)
	}
	allowed = false
	if _, err := a.Ask(t.Context(), issue(t, root, "third", 5, good.URL).cert, root.cert); err == nil {
		t.Error("asked though it may not")
	}
	if _, err := a.Ask(t.Context(), issue(t, root, "odd", 6, "file:///etc/passwd").cert, root.cert); err == nil {
		t.Error("asked a file")
	}
}
