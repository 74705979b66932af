package docsign

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
)

// bench is a pki with signers as files, and tools over them.
type bench struct {
	files
	*pki
	signer node
	opts   Options
	tsa    node
}

func newBench(t testing.TB) *bench {
	p, signer, o := livePKI(t)
	b := &bench{files: newFiles(t), pki: p, signer: signer, opts: o}
	b.tsa = p.issueFor(p.ca, "TSA", testRSA(), around, asTSA)
	b.node("rsa", signer)
	b.node("tsa", b.tsa)
	b.write("ca.pem", pemOf("CERTIFICATE", p.ca.cert.Raw))
	b.write("root.pem", pemOf("CERTIFICATE", p.root.cert.Raw))
	b.write("tsa.cnf", []byte(`[tsa]
default_tsa = t
[t]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.crt
certs = ./ca.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha512
accuracy = secs:1, millisecs:500
ordering = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`))
	return b
}

// openssl signs with the command of that name.
func (b *bench) openssl(more string) func([]byte) []byte {
	return func(content []byte) []byte {
		b.write("range.bin", content)
		args := "cms -sign -binary -in range.bin -outform DER -out sig.der -certfile ca.pem -nosmimecap "
		if !strings.Contains(more, "-signer") {
			args += "-signer rsa.crt -inkey rsa.key "
		}
		b.must("openssl", strings.Fields(args+more)...)
		return b.files.read("sig.der")
	}
}

// stampToken is a token of `openssl ts` over data.
func (b *bench) stampToken(data []byte, digest string) []byte {
	b.write("stamped.bin", data)
	b.must("openssl", "ts", "-query", "-data", "stamped.bin", "-"+digest, "-cert", "-out", "q.tsq")
	b.must("openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-token_out", "-out", "t.der")
	return b.files.read("t.der")
}

func (b *bench) stamper() func([]byte) []byte {
	return func(content []byte) []byte { return b.stampToken(content, "sha256") }
}

// library signs with the Go library, CAdES with a time stamp over the value.
func (b *bench) library(stampOver func(value []byte) []byte) func([]byte) []byte {
	return func(content []byte) []byte {
		s, err := pkcs7.NewSignedData(content)
		if err != nil {
			b.files.t.Fatal(err)
		}
		s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
		sum := sha256.Sum256(b.signer.cert.Raw)
		config := pkcs7.SignerInfoConfig{ExtraSignedAttributes: []pkcs7.Attribute{{
			Type:  oidSigningCert2,
			Value: struct{ Certs []struct{ Hash []byte } }{[]struct{ Hash []byte }{{sum[:]}}},
		}}}
		if err := s.AddSignerChain(b.signer.cert, b.signer.key.(*rsa.PrivateKey), []*x509.Certificate{b.ca.cert}, config); err != nil {
			b.files.t.Fatal(err)
		}
		if stampOver != nil {
			info := &s.GetSignedData().SignerInfos[0]
			token := stampOver(info.EncryptedDigest)
			if err := info.SetUnauthenticatedAttributes([]pkcs7.Attribute{{Type: oidStampToken, Value: rawDER(token)}}); err != nil {
				b.files.t.Fatal(err)
			}
		}
		s.Detach()
		der, err := s.Finish()
		if err != nil {
			b.files.t.Fatal(err)
		}
		return der
	}
}

// nss makes the database of certificates that poppler takes.
func (b *bench) nss() {
	b.must("mkdir", "-p", "nss")
	b.must("certutil", "-N", "-d", "sql:nss", "--empty-password")
	b.must("certutil", "-A", "-d", "sql:nss", "-n", "root", "-t", "CT,C,C", "-i", "root.pem")
	b.must("certutil", "-A", "-d", "sql:nss", "-n", "ca", "-t", ",,", "-i", "ca.pem")
	b.must("openssl", "pkcs12", "-export", "-inkey", "rsa.key", "-in", "rsa.crt", "-name", "signer", "-passout", "pass:x", "-out", "rsa.p12")
	b.must("pk12util", "-i", "rsa.p12", "-d", "sql:nss", "-W", "x")
}

// poppler signs with pdfsig.
func (b *bench) poppler(d *draft, field string) *draft {
	b.write("in.pdf", d.data)
	b.must("pdfsig", "-nssdir", "sql:nss", "-nss-pwd", "", "-nick", "signer", "-digest", "SHA256", "-add-signature", "-new-signature-field-name", field, "in.pdf", "out.pdf")
	c := d.copy()
	c.data = b.files.read("out.pdf")
	return c
}

// pdfsig is the verdict of poppler on each signature, shortened.
func (b *bench) pdfsig(data []byte) string {
	b.write("x.pdf", data)
	out, _ := b.run("timeout", "20", "pdfsig", "-nssdir", "sql:nss", "x.pdf")
	var words []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		for _, key := range []string{"- Signature Validation: ", "- Certificate Validation: ", "- Total document signed", "- Not total document signed"} {
			if rest, ok := strings.CutPrefix(line, key); ok {
				word := strings.TrimSuffix(strings.TrimSuffix(rest, "."), ",")
				if rest == "" {
					word = strings.TrimPrefix(key, "- ")
				}
				words = append(words, word)
			}
		}
	}
	if len(words) == 0 {
		words = []string{strings.TrimSpace(strings.ReplaceAll(out, "\n", " "))}
		if len(words[0]) > 60 {
			words[0] = words[0][len(words[0])-60:]
		}
	}
	return strings.Join(words, "; ")
}
