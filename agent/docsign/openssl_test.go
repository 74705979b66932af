package docsign

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// files is a folder with what command line tools need of a pki.
type files struct {
	t   testing.TB
	dir string
}

func newFiles(t testing.TB) files { return files{t, t.TempDir()} }

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) write(name string, data []byte) string {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.path(name)
}

func (f files) read(name string) []byte {
	f.t.Helper()
	data, err := os.ReadFile(f.path(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// node writes NAME.crt and NAME.key.
func (f files) node(name string, n node) {
	f.t.Helper()
	f.write(name+".crt", pemOf("CERTIFICATE", n.cert.Raw))
	der, err := x509.MarshalPKCS8PrivateKey(n.key)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(name+".key", pemOf("PRIVATE KEY", der))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// run runs a tool in the folder and gives what it says.
func (f files) run(tool string, args ...string) (string, error) {
	cmd := exec.Command(tool, args...)
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (f files) must(tool string, args ...string) string {
	f.t.Helper()
	out, err := f.run(tool, args...)
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return out
}

var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// livePKI is a pki around the time of the machine, for tools that have no
// other, with a signer whose key is RSA as on the tokens of offices.
func livePKI(t testing.TB) (p *pki, signer node, o Options) {
	p = newPKI(t)
	p.root = p.issue(node{}, "Root", asCA, around)
	p.ca = p.issue(p.root, "CA", asCA, around)
	signer = p.issueFor(p.ca, "Nguyen Van A", testRSA(), around)
	now := time.Now().UTC()
	at := now.Add(-time.Hour)
	return p, signer, Options{
		Anchors: []*x509.Certificate{p.root.cert}, Intermediates: []*x509.Certificate{p.ca.cert},
		Revocations: known{p.crl(p.root, at), p.crl(p.ca, at)}, Now: now,
	}
}

func around(c *x509.Certificate) {
	now := time.Now()
	c.NotBefore, c.NotAfter = now.AddDate(0, 0, -30), now.AddDate(0, 0, 30)
}

func asTSA(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, stampingOnly) }

func checkBytes(t testing.TB, name string, data []byte, o Options) Report {
	t.Helper()
	r, err := Check(t.Context(), name, bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCMSAgreesWithOpenSSL(t *testing.T) {
	p, signer, o := livePKI(t)
	ec := p.issue(p.ca, "EC", around)
	weak := p.issueFor(p.ca, "weak", shortRSA(t), around)
	_, foreign, _ := livePKI(t)
	f := newFiles(t)
	f.node("rsa", signer)
	f.node("ec", ec)
	f.node("weak", weak)
	f.node("foreign", foreign)
	f.write("ca.pem", pemOf("CERTIFICATE", p.ca.cert.Raw))
	f.write("root.pem", pemOf("CERTIFICATE", p.root.cert.Raw))
	content := []byte("Văn bản số 12/UBND\r\n" + strings.Repeat("x", 5000))
	f.write("doc.txt", content)
	for _, test := range []struct {
		name string
		args string
		want Indication
		sub  SubIndication
		ssl  bool // openssl verifies it
	}{
		{"attached RSA", "-signer rsa.crt -inkey rsa.key -nodetach", Passed, "", true},
		{"detached RSA", "-signer rsa.crt -inkey rsa.key", Passed, "", true},
		{"CAdES", "-signer rsa.crt -inkey rsa.key -cades", Passed, "", true},
		{"streamed BER", "-signer rsa.crt -inkey rsa.key -nodetach -stream", Passed, "", true},
		{"PSS", "-signer rsa.crt -inkey rsa.key -keyopt rsa_padding_mode:pss", Passed, "", true},
		{"SHA-512", "-signer rsa.crt -inkey rsa.key -md sha512", Passed, "", true},
		{"ECDSA", "-signer ec.crt -inkey ec.key -nodetach", Passed, "", true},
		{"no attributes", "-signer rsa.crt -inkey rsa.key -noattr", Passed, "", true},
		{"key identifier", "-signer rsa.crt -inkey rsa.key -keyid", Passed, "", true},
		{"two signers", "-signer rsa.crt -inkey rsa.key -signer ec.crt -inkey ec.key", Passed, "", true},
		{"SHA-1", "-signer rsa.crt -inkey rsa.key -md sha1", Indeterminate, CryptoConstraintsFailure, true},
		{"MD5", "-signer rsa.crt -inkey rsa.key -md md5", Indeterminate, CryptoConstraintsFailure, true},
		{"RSA 1024", "-signer weak.crt -inkey weak.key", Indeterminate, CryptoConstraintsFailure, true},
		{"foreign CA", "-signer foreign.crt -inkey foreign.key", Indeterminate, NoCertificateChain, false},
		{"certificate left out", "-signer rsa.crt -inkey rsa.key -nocerts", Indeterminate, NoSigningCertificate, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.t = t
			f.must("openssl", append(strings.Fields("cms -sign -binary -in doc.txt -outform DER -out sig.p7s -certfile ca.pem"), strings.Fields(test.args)...)...)
			detached := !strings.Contains(test.args, "-nodetach")
			args := strings.Fields("cms -verify -binary -in sig.p7s -inform DER -CAfile root.pem -certfile ca.pem -purpose any -out /dev/null")
			opts := o
			if detached {
				args = append(args, "-content", "doc.txt")
				opts.Content, opts.ContentSize = bytes.NewReader(content), int64(len(content))
			}
			if out, err := f.run("openssl", args...); (err == nil) != test.ssl {
				t.Errorf("openssl: %v, want success %v\n%s", err, test.ssl, out)
			}
			raw := f.read("sig.p7s")
			r := checkBytes(t, "sig.p7s", raw, opts)
			if r.Indication != test.want || r.SubIndication != test.sub {
				t.Fatalf("got %+v, want %s %s\n%+v", r.Outcome, test.want, test.sub, r.Signatures)
			}
			if detached {
				opts.Content = bytes.NewReader(append([]byte("Y"), content[1:]...))
				if r := checkBytes(t, "sig.p7s", raw, opts); r.Indication == Passed || (test.want == Passed && r.SubIndication != HashFailure) {
					t.Errorf("other content: %+v", r.Outcome)
				}
				opts.Content = nil
				if r := checkBytes(t, "sig.p7s", raw, opts); r.Format != FormatCMSDetached || r.Indication != Indeterminate {
					t.Errorf("no content: %+v", r.Outcome)
				}
			}
		})
	}
}

// TestNoAlteredCMSPasses flips each byte of a signature. Those whose change
// means nothing (copies of certificates that are not needed, padding) are told
// by openssl.
func TestNoAlteredCMSPasses(t *testing.T) {
	_, signer, o := livePKI(t)
	f := newFiles(t)
	f.node("rsa", signer)
	f.write("doc.txt", []byte("content"))
	f.must("openssl", strings.Fields("cms -sign -binary -in doc.txt -outform DER -out sig.p7s -signer rsa.crt -inkey rsa.key -cades -nodetach -nosmimecap")...)
	raw := f.read("sig.p7s")
	if r := checkBytes(t, "x.p7s", raw, o); r.Indication != Passed {
		t.Fatal(r.Outcome, r.Signatures)
	}
	good := 0
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1 << (i % 8)
		r := checkBytes(t, "x.p7s", bad, o)
		if r.Indication != Passed {
			continue
		}
		good++
		d, err := parseCMS(bad)
		if err != nil || !bytes.Equal(d.content, []byte("content")) || !bytes.Equal(d.signers[0].value, mustParse(t, raw).signers[0].value) {
			t.Errorf("byte %d altered, still passed", i)
		}
	}
	t.Logf("%d of %d changes leave content and signature value as they are", good, len(raw))
}

func mustParse(t testing.TB, raw []byte) *signedData {
	d, err := parseCMS(raw)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
