package tsa_test

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
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/tsa"
)

// start is the time of the tests' clock.
var start = time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)

type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate; by nil: self-signed.
func issue(t testing.TB, key crypto.Signer, by *pair, change func(*x509.Certificate)) pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test " + serial.String()},
		NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(1, 0, 0), BasicConstraintsValid: true,
	}
	if change != nil {
		change(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, cert}
}

func root(t testing.TB) pair {
	t.Helper()
	return issue(t, ecKey(t), nil, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
		c.NotBefore, c.NotAfter = start.AddDate(-10, 0, 0), start.AddDate(10, 0, 0)
	})
}

// forStamps gives a certificate the usage of an authority.
func forStamps(c *x509.Certificate) {
	usage, err := tsa.Usage()
	if err != nil {
		panic(err)
	}
	c.KeyUsage, c.ExtraExtensions = x509.KeyUsageDigitalSignature, []pkix.Extension{usage}
}

func authority(p pair) tsa.Authority {
	return tsa.Authority{
		Key: p.key, Cert: p.cert, Policy: tsa.ReservePolicy, Accuracy: time.Second,
		Now: func() (time.Time, bool) { return start, true },
	}
}

func pool(list ...pair) *x509.CertPool {
	p := x509.NewCertPool()
	for _, one := range list {
		p.AddCert(one.cert)
	}
	return p
}

// stamp asks an authority and reads the token.
func stamp(t testing.TB, a tsa.Authority, i tsa.Imprint) (tsa.Request, tsa.Token) {
	t.Helper()
	r, err := tsa.NewRequest(i)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Answer(raw)
	if err != nil {
		t.Fatal(err)
	}
	der, err := tsa.ParseResponse(answer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := tsa.ParseToken(der)
	if err != nil {
		t.Fatal(err)
	}
	return r, token
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openssl(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return out
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
