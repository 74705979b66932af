package sealkey_test

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
	"runtime"
	"strings"
	"testing"
	"time"

	"tram/agent/sealkey/tokentest"
	"tram/storage/keystore"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "--module" {
		fakeHelper(filepath.Base(os.Args[2]))
		return
	}
	os.Exit(tokentest.Main(m))
}

// tool runs a foreign program and gives what it printed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// pair is a key with its certificate, as files.
type pair struct {
	key      crypto.Signer
	cert, ca *x509.Certificate
	keyFile  string // PKCS#8 PEM
	certFile string
	caFile   string
}

var keyKinds = []struct {
	name string
	make func() (crypto.Signer, error)
}{
	{"RSA-2048", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
	{"RSA-3072", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
	{"P-256", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
}

func newPair(t testing.TB, makeKey func() (crypto.Signer, error)) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{keyFile: filepath.Join(dir, "seal.key"), certFile: filepath.Join(dir, "seal.crt"), caFile: filepath.Join(dir, "ca.crt")}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if p.key, err = makeKey(); err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA thử nghiệm"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	p.ca = certify(t, root, root, caKey.Public(), caKey)
	p.cert = certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		Subject:  pkix.Name{CommonName: "UBND xã An Bình", SerialNumber: "H40.12", OrganizationalUnit: []string{"seal"}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}, p.ca, p.key.Public(), caKey)
	for _, err := range []error{
		keystore.SaveKey(p.keyFile, p.key), keystore.SaveCert(p.certFile, p.cert), keystore.SaveCert(p.caFile, p.ca),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func certify(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// pkcs12File has openssl put a pair into a PKCS#12 file.
func pkcs12File(t testing.TB, p pair, password string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "password"), filepath.Join(dir, "seal.p12")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "openssl", append([]string{"pkcs12", "-export", "-inkey", p.keyFile, "-in", p.certFile, "-certfile", p.caFile,
		"-out", file, "-passout", "file:" + secret}, flags...)...)
	return file
}

// Secrets of the soft token.
const (
	userPIN = "246810"
	soPIN   = "13579000"
)

// softHSM is a token of SoftHSM in a folder of the test.
type softHSM struct{ library, tokens, label string }

// newSoftHSM makes an empty token. It sets the environment, so its test cannot
// run beside others.
func newSoftHSM(t *testing.T, label string) softHSM {
	t.Helper()
	h := softHSM{tokens: filepath.Join(t.TempDir(), "tokens"), label: label}
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			h.library = path
		}
	}
	if h.library == "" {
		t.Fatalf("SoftHSM's library is not there; .ci/tools installs it (%s)", runtime.GOOS)
	}
	conf := filepath.Join(t.TempDir(), "softhsm2.conf")
	if err := os.MkdirAll(h.tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+h.tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	tool(t, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", userPIN, "--so-pin", soPIN)
	return h
}

// put imports a pair, certificate included, under a label and an id in hex.
func (h softHSM) put(t testing.TB, p pair, label, id string) {
	t.Helper()
	tool(t, "softhsm2-util", "--import", p.keyFile, "--token", h.label, "--label", label, "--id", id, "--pin", userPIN)
	der := filepath.Join(t.TempDir(), "cert.der")
	if err := os.WriteFile(der, p.cert.Raw, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "pkcs11-tool", "--module", h.library, "--token-label", h.label, "--login", "--pin", userPIN,
		"--write-object", der, "--type", "cert", "--label", label, "--id", id)
}

// der is the first PEM block of a file.
func der(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return data
	}
	return block.Bytes
}
