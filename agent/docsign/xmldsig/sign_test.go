package xmldsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func isError(err, want error) bool { return errors.Is(err, want) }

// numbered repeats s with % as a number.
func numbered(s string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(s, "%", strconv.Itoa(i)))
	}
	return b.String()
}

// signer is a key with a certificate.
type signer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newSigner(t testing.TB, key crypto.Signer, name string) signer {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, cert}
}

// rsaKeys are made once: that takes longer than all that is done with them.
var rsaKeys = map[int]func() (*rsa.PrivateKey, error){
	1024: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) }),
	2048: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }),
}

func rsaSigner(t testing.TB, bits int) signer {
	t.Helper()
	key, err := rsaKeys[bits]()
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, key, "Nguyen Van A")
}

func ecSigner(t testing.TB) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, key, "UBND xa An Binh")
}

func (s signer) certBase64() string { return base64.StdEncoding.EncodeToString(s.cert.Raw) }

func (s signer) certSHA256() string {
	sum := sha256.Sum256(s.cert.Raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (s signer) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (s signer) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
}

const (
	inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	rsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	ecSHA256  = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	sha256URI = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// method of the signer's kind of key.
func (s signer) method() string {
	if _, ok := s.key.(*ecdsa.PrivateKey); ok {
		return ecSHA256
	}
	return rsaSHA256
}

// ref is a reference without its digest. Transforms are algorithms, or whole
// elements.
func ref(uri string, transforms ...string) string {
	return refTyped(uri, "", transforms...)
}

func refTyped(uri, typ string, transforms ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<ds:Reference URI="%s"`, uri)
	if typ != "" {
		fmt.Fprintf(&b, ` Type="%s"`, typ)
	}
	b.WriteString(">")
	if len(transforms) > 0 {
		b.WriteString("<ds:Transforms>")
		for _, t := range transforms {
			if strings.HasPrefix(t, "<") {
				b.WriteString(t)
			} else {
				fmt.Fprintf(&b, `<ds:Transform Algorithm="%s"></ds:Transform>`, t)
			}
		}
		b.WriteString("</ds:Transforms>")
	}
	fmt.Fprintf(&b, `<ds:DigestMethod Algorithm="%s"></ds:DigestMethod><ds:DigestValue></ds:DigestValue></ds:Reference>`, sha256URI)
	return b.String()
}

// template is a signature without values.
func (s signer) template(c14n, refs, objects string) string {
	return `<ds:Signature xmlns:ds="` + spaceDsig + `" Id="sig"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` + c14n +
		`"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="` + s.method() + `"></ds:SignatureMethod>` + refs +
		`</ds:SignedInfo><ds:SignatureValue></ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + s.certBase64() +
		`</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` + objects + `</ds:Signature>`
}

// sign fills in the digests and the value of the first signature in doc whose
// value is empty, by the rules of this package and with no check of its own.
func (s signer) sign(t testing.TB, doc string) string { return s.signIn(t, doc, nil) }

func (s signer) signIn(t testing.TB, doc string, p *pack) string {
	t.Helper()
	d := mustParse(t, doc)
	var el *node
	d.walk(func(n *node) bool {
		if el == nil && n.is(spaceDsig, "Signature") && len(n.child(spaceDsig, "SignatureValue").children) == 0 {
			el = n
		}
		return true
	})
	info := el.child(spaceDsig, "SignedInfo")
	c := &check{doc: d, ids: indexIDs(d), meter: &meter{MaxCanonical}, pack: p, sig: &sig{el: el}}
	// Manifests first: SignedInfo is over them.
	for _, within := range []string{"Manifest", "SignedInfo"} {
		el.walk(func(n *node) bool {
			if n.is(spaceDsig, "Reference") && n.parent.local == within {
				c.fill(t, n)
			}
			return true
		})
	}
	m, ok := readMethod(info.child(spaceDsig, "CanonicalizationMethod"))
	if !ok {
		t.Fatal("canonicalisation")
	}
	hash := crypto.SHA256
	if alg, ok := algorithms[info.child(spaceDsig, "SignatureMethod").value("Algorithm")]; ok {
		hash = alg.hash
	}
	h := hash.New()
	h.Write([]byte(canonicalString(t, info, m, nil)))
	setText(el.child(spaceDsig, "SignatureValue"), base64.StdEncoding.EncodeToString(s.raw(t, h.Sum(nil), hash)))
	return canonicalString(t, d, method{comments: true}, nil)
}

// fill computes the digest of one reference.
func (c *check) fill(t testing.TB, el *node) {
	t.Helper()
	value := el.child(spaceDsig, "DigestValue")
	setText(value, "AAAA")
	r, err := readReference(el)
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA256.New()
	if known, ok := digests[r.digest]; ok {
		h = known.New()
	}
	r.value = nil
	_, sum, err := c.sum(r, h, false)
	if err != nil {
		t.Logf("reference %q: %v", r.uri, err) // hostile ones get a digest of nothing
	}
	setText(value, base64.StdEncoding.EncodeToString(sum))
}

func (s signer) raw(t testing.TB, sum []byte, hash crypto.Hash) []byte {
	t.Helper()
	if key, ok := s.key.(*ecdsa.PrivateKey); ok {
		r, v, err := ecdsa.Sign(rand.Reader, key, sum)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		v.FillBytes(out[32:])
		return out
	}
	out, err := s.key.Sign(rand.Reader, sum, hash)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func setText(el *node, s string) {
	el.children = []*node{{kind: text, data: s, parent: el}}
}

const xades = "http://uri.etsi.org/01903/v1.3.2#"

// qualifying is an Object of XAdES properties for the signer.
func (s signer) qualifying(at, unsigned string) string {
	return `<ds:Object><xades:QualifyingProperties xmlns:xades="` + xades + `" Target="#sig"><xades:SignedProperties Id="props">` +
		`<xades:SignedSignatureProperties><xades:SigningTime>` + at + `</xades:SigningTime><xades:SigningCertificate><xades:Cert>` +
		`<xades:CertDigest><ds:DigestMethod Algorithm="` + sha256URI + `"></ds:DigestMethod><ds:DigestValue>` + s.certSHA256() +
		`</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificate></xades:SignedSignatureProperties></xades:SignedProperties>` +
		unsigned + `</xades:QualifyingProperties></ds:Object>`
}

func replaceOnce(t testing.TB, s, old, with string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in the document", old)
	}
	return strings.Replace(s, old, with, 1)
}

// signatureIn cuts the signature out of a document.
func signatureIn(t testing.TB, doc string) string {
	t.Helper()
	start, end := strings.Index(doc, "<ds:Signature "), strings.LastIndex(doc, "</ds:Signature>")
	if start < 0 || end < 0 {
		t.Fatal("no signature")
	}
	return doc[start : end+len("</ds:Signature>")]
}

func one(t testing.TB, doc string) Signature {
	t.Helper()
	all, err := Check([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d signatures, want one", len(all))
	}
	return all[0]
}

// valued puts some value wherever a template has none.
func valued(template string) string {
	return strings.NewReplacer("<ds:DigestValue></", "<ds:DigestValue>AAAA</", "<ds:SignatureValue></", "<ds:SignatureValue>AAAA</").Replace(template)
}
