package tsa_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/tsa"
)

var content = []byte("văn bản\n")

func TestP12_OpenSSLAcceptsOurTokens(t *testing.T) {
	for _, kind := range []struct {
		name string
		key  func(testing.TB) crypto.Signer
	}{{"ecdsa", ecKey}, {"rsa", rsaKey}} {
		t.Run(kind.name, func(t *testing.T) {
			dir, ca := t.TempDir(), root(t)
			a := authority(issue(t, kind.key(t), &ca, forStamps))
			writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", ca.cert.Raw)
			if err := os.WriteFile(filepath.Join(dir, "content"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, digest := range []string{"-sha256", "-sha384", "-sha512"} {
				openssl(t, dir, "ts", "-query", "-data", "content", digest, "-cert", "-out", "query")
				answer, err := a.Answer(read(t, dir, "query"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "answer"), answer, 0o600); err != nil {
					t.Fatal(err)
				}
				openssl(t, dir, "ts", "-verify", "-queryfile", "query", "-in", "answer", "-CAfile", "ca.pem", "-attime", "1772440200")
				openssl(t, dir, "ts", "-verify", "-data", "content", "-in", "answer", "-CAfile", "ca.pem", "-attime", "1772440200")
				text := string(openssl(t, dir, "ts", "-reply", "-in", "answer", "-text"))
				for _, want := range []string{"Granted.", tsa.ReservePolicy, "Mar  2 08:30:00 2026 GMT", "Accuracy: 0x01 seconds"} {
					if !strings.Contains(text, want) {
						t.Errorf("openssl does not read %q in\n%s", want, text)
					}
				}
			}
		})
	}
}

const replyConfig = `[ tsa ]
default_tsa = one
[ one ]
serial = serial
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
ordering = yes
tsa_name = yes
clock_precision_digits = 3
signer_digest = %DIGEST%
ess_cert_id_alg = %ESS%
`

func TestP12_WeAcceptTokensOfOpenSSL(t *testing.T) {
	for _, kind := range []struct {
		name, digest, ess string
		key               func(testing.TB) crypto.Signer
	}{{"ecdsa", "sha256", "sha256", ecKey}, {"ecdsa, names its certificate by SHA-1", "sha384", "sha1", ecKey}, {"rsa", "sha512", "sha512", rsaKey}} {
		t.Run(kind.name, func(t *testing.T) {
			dir, ca := t.TempDir(), root(t)
			// openssl stamps with the system's clock.
			middle := issue(t, ecKey(t), &ca, func(c *x509.Certificate) {
				c.IsCA, c.KeyUsage, c.NotAfter = true, x509.KeyUsageCertSign, start.AddDate(9, 0, 0)
			})
			signer := issue(t, kind.key(t), &middle, func(c *x509.Certificate) { forStamps(c); c.NotAfter = start.AddDate(8, 0, 0) })
			key, err := x509.MarshalPKCS8PrivateKey(signer.key)
			if err != nil {
				t.Fatal(err)
			}
			writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", key)
			writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", signer.cert.Raw)
			writePEM(t, filepath.Join(dir, "middle.pem"), "CERTIFICATE", middle.cert.Raw)
			config := strings.NewReplacer("%DIGEST%", kind.digest, "%ESS%", kind.ess).Replace(replyConfig)
			if err := os.WriteFile(filepath.Join(dir, "ts.cnf"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := tsa.NewRequest(tsa.SHA256(sha256.Sum256(content)))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := r.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "query"), raw, 0o600); err != nil {
				t.Fatal(err)
			}
			openssl(t, dir, "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-signer", "cert.pem", "-inkey", "key.pem", "-chain", "middle.pem", "-out", "answer")
			der, err := tsa.ParseResponse(read(t, dir, "answer"))
			if err != nil {
				t.Fatal(err)
			}
			token, err := tsa.ParseToken(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Answers(r); err != nil {
				t.Error(err)
			}
			if err := token.Verify(r.Imprint, tsa.Anchors{Roots: pool(ca), Now: time.Now()}); err != nil {
				t.Error(err)
			}
			if token.Policy != "1.2.3.4.1" || token.Accuracy != 1500*time.Millisecond+100*time.Microsecond || token.Reserve() {
				t.Errorf("policy %s, accuracy %v, reserve %v", token.Policy, token.Accuracy, token.Reserve())
			}
			if err := token.Verify(r.Imprint, tsa.Anchors{Roots: pool(root(t)), Now: time.Now()}); !errors.Is(err, tsa.ErrChain) {
				t.Errorf("under a foreign root: %v", err)
			}
		})
	}
}

func TestTokensAreRefusedByName(t *testing.T) {
	ca := root(t)
	sum := tsa.SHA256(sha256.Sum256(content))
	usage, err := tsa.Usage()
	if err != nil {
		t.Fatal(err)
	}
	lax := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} }
	middle := issue(t, ecKey(t), &ca, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	for _, c := range []struct {
		name   string
		signer pair
		of     tsa.Imprint
		a      tsa.Anchors
		want   error
	}{
		{"good", issue(t, ecKey(t), &ca, forStamps), sum, tsa.Anchors{Now: start}, nil},
		{"good, years later", issue(t, ecKey(t), &ca, forStamps), sum, tsa.Anchors{Now: start.AddDate(5, 0, 0)}, nil},
		{"good, without a clock", issue(t, ecKey(t), &ca, forStamps), sum, tsa.Anchors{}, nil},
		{"other content", issue(t, ecKey(t), &ca, forStamps), tsa.SHA256(sha256.Sum256(nil)), tsa.Anchors{Now: start}, tsa.ErrImprint},
		{"other digest", issue(t, ecKey(t), &ca, forStamps), sha512Of(content), tsa.Anchors{Now: start}, tsa.ErrImprint},
		{"other policy", issue(t, ecKey(t), &ca, forStamps), sum, tsa.Anchors{Now: start, Policies: []string{"1.2.3"}}, tsa.ErrPolicy},
		{"future", issue(t, ecKey(t), &ca, forStamps), sum, tsa.Anchors{Now: start.Add(-time.Hour)}, tsa.ErrFuture},
		{"no usage", issue(t, ecKey(t), &ca, nil), sum, tsa.Anchors{Now: start}, tsa.ErrUsage},
		{"usage not critical", issue(t, ecKey(t), &ca, lax), sum, tsa.Anchors{Now: start}, tsa.ErrUsage},
		{"usage beside another", issue(t, ecKey(t), &ca, func(c *x509.Certificate) {
			lax(c)
			c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
		}), sum, tsa.Anchors{Now: start}, tsa.ErrUsage},
		{"key usage", issue(t, ecKey(t), &ca, func(c *x509.Certificate) {
			c.KeyUsage, c.ExtraExtensions = x509.KeyUsageKeyAgreement, []pkix.Extension{usage}
		}), sum, tsa.Anchors{Now: start}, tsa.ErrUsage},
		{"issuer is for something else", issue(t, ecKey(t), &middle, forStamps), sum, tsa.Anchors{Now: start, Roots: pool(middle)}, tsa.ErrUsage},
		{"self-signed", issue(t, ecKey(t), nil, forStamps), sum, tsa.Anchors{Now: start}, tsa.ErrChain},
		{"issuer is missing", issue(t, ecKey(t), &middle, forStamps), sum, tsa.Anchors{Now: start}, tsa.ErrChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, token := stamp(t, authority(c.signer), sum)
			if c.a.Roots == nil {
				c.a.Roots = pool(ca)
			}
			if err := token.Verify(c.of, c.a); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func sha512Of(b []byte) tsa.Imprint {
	sum := sha512.Sum512(b)
	return tsa.Imprint{Hash: crypto.SHA512, Sum: sum[:]}
}

func TestATokenOutsideOfItsCertificatesLifeIsRefused(t *testing.T) {
	ca := root(t)
	sum := tsa.SHA256(sha256.Sum256(content))
	// The authority itself would not stamp; a foreign one might.
	signer := issue(t, ecKey(t), &ca, forStamps)
	a := authority(signer)
	short := issue(t, signer.key, &ca, func(c *x509.Certificate) {
		forStamps(c)
		c.SerialNumber, c.NotAfter = signer.cert.SerialNumber, start.Add(-time.Hour)
	})
	later := *short.cert
	later.NotAfter = start.AddDate(1, 0, 0)
	a.Cert = &later
	_, token := stamp(t, a, sum)
	if err := token.Verify(sum, tsa.Anchors{Roots: pool(ca), Now: start}); !errors.Is(err, tsa.ErrExpired) {
		t.Errorf("got %v", err)
	}
}

func TestNoAlteredByteOfATokenPasses(t *testing.T) {
	ca := root(t)
	sum := tsa.SHA256(sha256.Sum256(content))
	_, token := stamp(t, authority(issue(t, ecKey(t), &ca, forStamps)), sum)
	anchors := tsa.Anchors{Roots: pool(ca), Now: start}
	if err := token.Verify(sum, anchors); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for i := range token.Raw {
		for _, flip := range []byte{1, 0x80} {
			raw := bytes.Clone(token.Raw)
			raw[i] ^= flip
			other, err := tsa.ParseToken(raw)
			if err != nil || other.Verify(sum, anchors) != nil {
				continue
			}
			// What RFC 5652 leaves out of the signature: the versions and the list
			// of digests beside it.
			if other.Time != token.Time || other.Serial.Cmp(token.Serial) != 0 || other.Policy != token.Policy {
				t.Errorf("byte %d: an altered token passes as another one", i)
			}
			passed++
		}
	}
	if passed > 64 {
		t.Errorf("%d of %d alterations pass", passed, 2*len(token.Raw))
	}
}

func TestAnswersBelongToTheirRequest(t *testing.T) {
	ca := root(t)
	a := authority(issue(t, ecKey(t), &ca, forStamps))
	r, token := stamp(t, a, tsa.SHA256(sha256.Sum256(content)))
	if err := token.Answers(r); err != nil {
		t.Error(err)
	}
	other, err := tsa.NewRequest(r.Imprint)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Answers(other); !errors.Is(err, tsa.ErrNonce) {
		t.Errorf("other nonce: %v", err)
	}
	r.Policy = "1.2.3"
	if err := token.Answers(r); !errors.Is(err, tsa.ErrPolicy) {
		t.Errorf("other policy: %v", err)
	}
	r.Imprint = tsa.SHA256(sha256.Sum256(nil))
	if err := token.Answers(r); !errors.Is(err, tsa.ErrImprint) {
		t.Errorf("other content: %v", err)
	}
}

func TestTheAuthorityRefusesInTheProtocolsWords(t *testing.T) {
	ca := root(t)
	a := authority(issue(t, ecKey(t), &ca, forStamps))
	good, err := tsa.Request{Imprint: tsa.SHA256(sha256.Sum256(content))}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := tsa.Request{Imprint: tsa.SHA256(sha256.Sum256(content)), Policy: "1.2.3"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	openssl(t, dir, "ts", "-query", "-digest", strings.Repeat("00", 20), "-sha1", "-out", "query")
	dead := a
	dead.Now = func() (time.Time, bool) { return time.Unix(0, 0), true }
	wrong := a
	wrong.Now = func() (time.Time, bool) { return start, false }
	for _, c := range []struct {
		name  string
		a     tsa.Authority
		query []byte
		want  tsa.Failure
	}{
		{"digest", a, read(t, dir, "query"), tsa.BadAlgorithm},
		{"policy", a, policy, tsa.UnacceptedPolicy},
		{"no request", a, []byte("hello"), tsa.BadDataFormat},
		{"more than one", a, append(bytes.Clone(good), good...), tsa.BadDataFormat},
		{"too long", a, make([]byte, tsa.MaxRequest+1), tsa.BadDataFormat},
		{"clock of 1970", dead, good, tsa.TimeNotAvailable},
		{"clock not to be trusted", wrong, good, tsa.TimeNotAvailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := c.a.Answer(c.query)
			if err == nil {
				t.Error("no error for the log")
			}
			var refused *tsa.RefusedError
			if _, err := tsa.ParseResponse(answer); !errors.As(err, &refused) || refused.Failure != c.want || refused.Text == "" {
				t.Errorf("got %v, want failure %d", err, c.want)
			}
			if err := os.WriteFile(filepath.Join(dir, "answer"), answer, 0o600); err != nil {
				t.Fatal(err)
			}
			if text := string(openssl(t, dir, "ts", "-reply", "-in", "answer", "-text")); !strings.Contains(text, "Rejected.") {
				t.Errorf("openssl reads\n%s", text)
			}
		})
	}
}

// FuzzToken: nothing that parses panics when it is verified, and what a request
// says it says again.
func FuzzToken(f *testing.F) {
	ca := root(f)
	a := authority(issue(f, ecKey(f), &ca, forStamps))
	sum := tsa.SHA256(sha256.Sum256(content))
	_, token := stamp(f, a, sum)
	f.Add(token.Raw)
	f.Add(token.Raw[:len(token.Raw)/2])
	f.Add([]byte{0x30, 0x80})
	anchors := tsa.Anchors{Roots: pool(ca), Now: start}
	f.Fuzz(func(t *testing.T, raw []byte) {
		token, err := tsa.ParseToken(raw)
		if err == nil && token.Verify(sum, anchors) == nil && !token.Time.Equal(start) {
			t.Error("a token was forged")
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, r := range []tsa.Request{
		{Imprint: tsa.SHA256(sha256.Sum256(content))},
		{Imprint: sha512Of(content), Policy: tsa.ReservePolicy, Certificates: true},
	} {
		raw, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := tsa.ParseRequest(raw)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := tsa.ParseRequest(again)
		if err != nil || !second.Imprint.Equal(r.Imprint) || second.Policy != r.Policy || second.Certificates != r.Certificates {
			t.Errorf("%x becomes %x", raw, again)
		}
	})
}

func FuzzResponse(f *testing.F) {
	ca := root(f)
	a := authority(issue(f, ecKey(f), &ca, forStamps))
	for _, query := range []string{"", "x"} {
		answer, err := a.Answer([]byte(query))
		if err == nil {
			f.Fatal("granted")
		}
		f.Add(answer)
	}
	f.Add([]byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, raw []byte) {
		token, err := tsa.ParseResponse(raw)
		if err != nil {
			return
		}
		var any asn1.RawValue
		if _, err := asn1.Unmarshal(token, &any); err != nil {
			t.Errorf("token %x is no DER: %v", token, err)
		}
	})
}
