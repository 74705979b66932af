package lan

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
)

var now = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

func keeper(t *testing.T, dir string, names ...string) *Keeper {
	t.Helper()
	k, err := Open(Options{Dir: dir, Names: names, Title: "UBND xã An Bình", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func leaf(k *Keeper) *x509.Certificate {
	pair, _ := k.current()
	return pair.Leaf
}

// authority is a province's CA.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{t: t, key: key}
	a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "CA tỉnh"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(10000 * time.Hour)}, key.Public())
	return a
}

func (a authority) sign(template *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	parent := a.cert
	if parent == nil {
		parent = template
	}
	template.SerialNumber = big.NewInt(7)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// answer issues a certificate for a request, after change.
func (a authority) answer(request []byte, change func(*x509.Certificate)) *x509.Certificate {
	a.t.Helper()
	block, _ := pem.Decode(request)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{Subject: csr.Subject, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(365 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if change != nil {
		change(template)
	}
	return a.sign(template, csr.PublicKey)
}

// shakeHands returns what a browser that trusts roots says to the pages.
func shakeHands(t *testing.T, k *Keeper, name string, roots ...*x509.Certificate) error {
	t.Helper()
	pool := x509.NewCertPool()
	for _, r := range roots {
		pool.AddCert(r)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(there, k.TLS()).Handshake() }()
	err := tls.Client(here, &tls.Config{ServerName: name, RootCAs: pool, Time: func() time.Time { return now }}).Handshake()
	if err != nil {
		here.Close()
	}
	<-done
	return err
}

func TestABoxMakesItsOwnCertificateOnce(t *testing.T) {
	dir := t.TempDir()
	first := keeper(t, dir, "192.168.1.5", "tram.local").State()
	if first.Source != SelfMade || !slices.Equal(first.Names, []string{"tram.local", "192.168.1.5"}) || len(first.Fingerprint) != 95 {
		t.Errorf("made %+v", first)
	}
	k := keeper(t, dir, "192.168.1.5", "tram.local")
	if k.State().Fingerprint != first.Fingerprint {
		t.Error("a restart changes the fingerprint that people have compared")
	}
	for _, name := range []string{"192.168.1.5", "tram.local"} {
		if err := shakeHands(t, k, name, leaf(k)); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	again := keeper(t, dir, "192.168.1.6")
	if again.State().Fingerprint == first.Fingerprint || !slices.Equal(again.State().Names, []string{"192.168.1.6"}) {
		t.Error("another address keeps the certificate")
	}
	if !samePublic(leaf(again).PublicKey, leaf(k).PublicKey) {
		t.Error("another address changes the key")
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
}

// TestP11_ACertificateMadeIn1970IsValidToday: the clock battery is dead.
func TestP11_ACertificateMadeIn1970IsValidToday(t *testing.T) {
	k, err := Open(Options{Dir: t.TempDir(), Names: []string{"tram.local"}, Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := shakeHands(t, k, "tram.local", leaf(k)); err != nil {
		t.Error(err)
	}
}

func TestTheProvincesCertificateReplacesIt(t *testing.T) {
	dir := t.TempDir()
	k, a := keeper(t, dir, "192.168.1.5", "tram.local"), newAuthority(t)
	request, err := k.Request()
	if err != nil {
		t.Fatal(err)
	}
	cert := a.answer(request, nil)
	if err := k.Install(encodeChain([]*x509.Certificate{cert, a.cert})); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keeper{k, keeper(t, dir, "192.168.1.5", "tram.local"), keeper(t, dir, "192.168.1.99")} {
		if s := k.State(); s.Source != Issued || s.Issuer != "CN=CA tỉnh" || s.Fingerprint != fingerprint(cert) {
			t.Errorf("in use: %+v", s)
		}
		if err := shakeHands(t, k, "tram.local", a.cert); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatDoesNotFitIsRefusedAndNothingChanges(t *testing.T) {
	k, a, other := keeper(t, t.TempDir(), "tram.local"), newAuthority(t), newAuthority(t)
	before := k.State()
	request, err := k.Request()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := keeper(t, t.TempDir(), "tram.local").Request()
	if err != nil {
		t.Fatal(err)
	}
	chain := func(c ...*x509.Certificate) []byte { return encodeChain(c) }
	answer := func(change func(*x509.Certificate)) []byte { return chain(a.answer(request, change)) }
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"nothing":        {nil, "lan.unreadable"},
		"noise":          {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "lan.unreadable"},
		"a private key":  {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "lan.unreadable"},
		"too much":       {bytes.Repeat(answer(nil), 400), "lan.unreadable"},
		"too long chain": {bytes.Repeat(answer(nil), maxChain+1), "lan.unreadable"},
		"other key":      {chain(a.answer(foreign, nil)), "lan.other-key"},
		"expired":        {answer(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), "lan.not-valid-now"},
		"not yet valid":  {answer(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), "lan.not-valid-now"},
		"for clients":    {answer(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "lan.not-for-servers"},
		"an authority":   {answer(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "lan.not-for-servers"},
		"other names":    {answer(func(c *x509.Certificate) { c.DNSNames = []string{"khac.local"} }), "lan.other-names"},
		"broken chain":   {chain(a.answer(request, nil), other.cert), "lan.chain"},
	} {
		if err := k.Install(c.data); problem.From(err).Code != c.code {
			t.Errorf("%s gave %v, want %s", name, err, c.code)
		}
	}
	if k.State().Fingerprint != before.Fingerprint {
		t.Error("a refused certificate is in use")
	}
}

func TestFilesOfTheSettingsAreFollowed(t *testing.T) {
	dir, a := t.TempDir(), newAuthority(t)
	certPath, keyPath := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(serial int64, at time.Time) {
		cert := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: big.NewInt(serial).String()}, NotBefore: now, NotAfter: now.Add(time.Hour), DNSNames: []string{"tram.local"}}, key.Public())
		err := errors.Join(os.WriteFile(certPath, encodeChain([]*x509.Certificate{cert}), 0o600), os.Chtimes(certPath, at, at),
			os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600), os.Chtimes(keyPath, at, at))
		if err != nil {
			t.Fatal(err)
		}
	}
	at := now
	var said bytes.Buffer
	o := Options{Dir: dir, CertPath: certPath, KeyPath: keyPath, Now: func() time.Time { return at }, Logger: slog.New(slog.NewTextHandler(&said, nil))}
	if _, err := Open(o); problem.From(err).Code != "lan.no-file" {
		t.Errorf("missing files gave %v", err)
	}
	write(1, now)
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	first := k.State()
	write(2, now.Add(time.Hour))
	if k.State().Fingerprint != first.Fingerprint {
		t.Error("files are read for every connection")
	}
	at = at.Add(reloadEvery)
	if s := k.State(); s.Fingerprint == first.Fingerprint || s.Source != Files {
		t.Errorf("the new files are not in use: %+v", s)
	}
	second := k.State()
	if err := os.WriteFile(certPath, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	at = at.Add(reloadEvery)
	if k.State().Fingerprint != second.Fingerprint {
		t.Error("damaged files put the pages out of reach")
	}
	if err := os.Remove(keyPath); err != nil {
		t.Fatal(err)
	}
	at = at.Add(reloadEvery)
	said.Reset()
	for range 20 { // browsers
		if k.State().Fingerprint != second.Fingerprint {
			t.Fatal("missing files put the pages out of reach")
		}
	}
	if n := strings.Count(said.String(), "not read again"); n != 1 {
		t.Errorf("the log says %d times that files are missing", n)
	}
	if _, err := k.Request(); problem.From(err).Code != "lan.files" {
		t.Errorf("a request gave %v", err)
	}
	if err := k.Install(nil); problem.From(err).Code != "lan.files" {
		t.Errorf("installing gave %v", err)
	}
}

func TestNames(t *testing.T) {
	if got := Names("192.168.1.5:8701", []string{"Tram.Xa.Local.", "192.168.1.5", "localhost"}); !slices.Equal(got[:2], []string{"tram.xa.local", "192.168.1.5"}) {
		t.Errorf("names %q", got)
	}
	for _, n := range Names("0.0.0.0:8701", nil) {
		if ip := net.ParseIP(n); ip != nil && (!ip.IsPrivate() || ip.IsLoopback()) {
			t.Errorf("%s is not of an office's network", n)
		}
	}
	if got := Names(":8701", make([]string, 100)); len(got) > MaxNames || slices.Contains(got, "") {
		t.Errorf("names %q", got)
	}
}

func FuzzParseChain(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0x03, 2, 1, 1}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		chain, err := parseChain(data)
		if err != nil {
			return
		}
		again, err := parseChain(encodeChain(chain))
		if err != nil || len(again) != len(chain) {
			t.Fatalf("%d certificates come back as %d, %v", len(chain), len(again), err)
		}
	})
}
