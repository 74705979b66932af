package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/tooltest"
)

// outside issues with the issuer's own key, as a hub that asks nobody would.
func (p *PagesCA) outside(t testing.TB, name string) ([]*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature}
	template.Subject.CommonName = "Tram H40.01"
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	key := newKey(t)
	cert, err := issue(template, p.issuer.Cert, &key.PublicKey, p.issuer.Key, time.Now(), PagesLife)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{cert, p.issuer.Cert, p.Root}, key
}

func pemFile(t *testing.T, name string, certs ...*x509.Certificate) string {
	t.Helper()
	var data []byte
	for _, c := range certs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// officePages is a certificate that the service has given.
func officePages(t *testing.T, h *hub, p *PagesCA, names ...string) ([]*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	k, r := h.enrolled(t, "H40.01")
	key := newKey(t)
	chain, refused := h.askPages(t, p, r.Device, k.device, csr(t, key, named(names...)))
	if refused != nil {
		t.Fatal(refused)
	}
	return chain, key
}

// TestP7_P12_ThePagesRootReachesNoFurtherThanLocalNetworks: what the service
// gives is taken by Go and by openssl, strictly; what the issuer's key signs
// besides, they refuse.
func TestP7_P12_ThePagesRootReachesNoFurtherThanLocalNetworks(t *testing.T) {
	openssl := tooltest.Find(t, "openssl", "checking the authority for pages")
	h := newHub(t)
	h.now = time.Now().Truncate(time.Second)
	p := h.pages(t)
	verify := func(chain []*x509.Certificate, more ...string) string {
		args := append([]string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-CAfile", pemFile(t, "root", chain[2]),
			"-untrusted", pemFile(t, "issuer", chain[1])}, more...)
		out, err := exec.Command(openssl, append(args, pemFile(t, "leaf", chain[0]))...).CombinedOutput()
		if err == nil {
			return ""
		}
		return string(out)
	}
	given, _ := officePages(t, h, p, "192.168.1.5", "fd12::1", "tram.xa.local", "tram.home.arpa")
	for _, name := range []string{"192.168.1.5", "fd12::1"} {
		if err := trusts(given, h.now, name); err != nil {
			t.Errorf("Go, %s: %v", name, err)
		}
		if said := verify(given, "-verify_ip", name); said != "" {
			t.Errorf("openssl, %s: %s", name, said)
		}
	}
	for _, name := range []string{"tram.xa.local", "tram.home.arpa"} {
		if err := trusts(given, h.now, name); err != nil {
			t.Errorf("Go, %s: %v", name, err)
		}
		if said := verify(given, "-verify_hostname", name); said != "" {
			t.Errorf("openssl, %s: %s", name, said)
		}
	}
	addresses := []string{"203.113.0.1", "8.8.8.8", "172.32.0.1", "2001:db8::1", "11.0.0.1"}
	for _, name := range append([]string{"dichvucong.gov.vn", "example.com", "tram", "*.vn", "xlocal", "local.vn"}, addresses...) {
		chain, _ := p.outside(t, name)
		if err := trusts(chain, h.now, ""); err == nil || !strings.Contains(err.Error(), "constrain") && !strings.Contains(err.Error(), "not permitted") {
			t.Errorf("Go, %s: %v", name, err)
		}
		if said := verify(chain); !strings.Contains(said, "permitted subtree violation") {
			t.Errorf("openssl, %s: %q", name, said)
		}
	}
	if said := verify(given, "-purpose", "sslclient"); !strings.Contains(said, "purpose") {
		t.Errorf("openssl takes it for a client: %q", said)
	}
	if said := verify(given, "-purpose", "smimesign"); !strings.Contains(said, "purpose") {
		t.Errorf("openssl takes it for mail: %q", said)
	}
	// An authority below the issuer is none.
	sub := &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	sub.Subject.CommonName = "below"
	key := newKey(t)
	below, err := issue(sub, p.issuer.Cert, &key.PublicKey, p.issuer.Key, time.Now(), PagesLife)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := issue(&x509.Certificate{DNSNames: []string{"tram.lan"}}, below, &key.PublicKey, key, time.Now(), PagesLife)
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.Root)
	between.AddCert(p.issuer.Cert)
	between.AddCert(below)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err == nil {
		t.Error("Go takes an authority below the issuer")
	}
}

// TestP12_ABrowserTakesTheCertificateOfPages asks Chromium, which takes roots from
// the NSS database of its user.
func TestP12_ABrowserTakesTheCertificateOfPages(t *testing.T) {
	certutil := tooltest.Find(t, "certutil", "installing the root for a browser")
	chromium := tooltest.Find(t, "chromium", "the certificate of pages in a browser")
	h := newHub(t)
	h.now = time.Now().Truncate(time.Second)
	p := h.pages(t)
	given, key := officePages(t, h, p, "127.0.0.1", "tram.xa.local")
	public, publicKey := p.outside(t, "dichvucong.gov.vn")
	for name, c := range map[string]struct {
		chain   []*x509.Certificate
		key     *ecdsa.PrivateKey
		host    string
		trusted bool
		want    string
	}{
		"address, root installed":     {given, key, "127.0.0.1", true, "trang của xã"},
		"name, root installed":        {given, key, "tram.xa.local", true, "trang của xã"},
		"root not installed":          {given, key, "127.0.0.1", false, "ERR_CERT_AUTHORITY_INVALID"},
		"public name, root installed": {public, publicKey, "dichvucong.gov.vn", true, "ERR_CERT_"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if c.trusted {
				db := filepath.Join(home, ".pki", "nssdb")
				if err := os.MkdirAll(db, 0o700); err != nil {
					t.Fatal(err)
				}
				for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-t", "C,,", "-n", "tram", "-i", pemFile(t, "root.crt", c.chain[2])}} {
					if out, err := exec.Command(certutil, append([]string{"-d", "sql:" + db}, args...)...).CombinedOutput(); err != nil {
						t.Fatalf("certutil: %v: %s", err, out)
					}
				}
			}
			shown := browse(t, chromium, home, c.host, servePage(t, c.chain, c.key))
			if !strings.Contains(shown, c.want) || (c.want != "trang của xã") == strings.Contains(shown, "trang của xã") {
				t.Errorf("the browser shows %.2000s", shown)
			}
		})
	}
}

// servePage serves one page over TLS and returns its port.
func servePage(t *testing.T, chain []*x509.Certificate, key *ecdsa.PrivateKey) int {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{chain[0].Raw, chain[1].Raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><p>trang của xã</p>")
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// browse returns what a headless browser of a new user shows at a host, which is
// this machine.
func browse(t *testing.T, chromium, home, host string, port int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for try := 1; ; try++ {
		cmd := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-component-update",
			"--disable-background-networking", "--user-data-dir="+filepath.Join(home, "profile"), "--timeout=20000", "--dump-dom",
			"--host-resolver-rules=MAP "+host+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", fmt.Sprintf("https://%s:%d/", host, port))
		cmd.Env = append(os.Environ(), "HOME="+home)
		out, err := cmd.Output()
		if err == nil {
			return string(out)
		}
		// A browser that crashes on a busy machine has judged no certificate.
		if crashed := cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == -1 && ctx.Err() == nil; !crashed || try == 3 {
			t.Fatalf("chromium: %v: %s", err, out)
		}
		t.Logf("chromium: %v; once more", err)
	}
}
