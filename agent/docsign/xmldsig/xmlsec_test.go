package xmldsig

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// xmlsec runs xmlsec1 on a document with the ids that our samples use.
func xmlsec(t *testing.T, command, doc string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "doc.xml")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	all := append([]string{command}, args...)
	for _, id := range []string{"VanBan", "Phan", "A", "B", spaceDsig + ":Object", xades + ":SignedProperties"} {
		all = append(all, "--id-attr:Id", id)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "xmlsec1"), append(all, file)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return string(out), err
}

func (s signer) files(t *testing.T) (key, cert string) {
	t.Helper()
	key, cert = filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "cert.pem")
	for name, data := range map[string][]byte{key: s.keyPEM(t), cert: s.certPEM()} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, cert
}

// xmlsecVerifies asks xmlsec1 with the certificate of the signer alone, beside
// which ours has no notion of trust either.
func xmlsecVerifies(t *testing.T, doc string, certs ...string) bool {
	t.Helper()
	for _, cert := range certs {
		if _, err := xmlsec(t, "--verify", doc, "--pubkey-cert-pem", cert, "--enabled-key-data", "key-name"); err == nil {
			return true
		}
	}
	return false
}

func TestP12_VerdictsBesideXmlsec1(t *testing.T) {
	tool(t, "xmlsec1")
	rsaKey, ecKey := rsaSigner(t, 2048), ecSigner(t)
	_, rsaCert := rsaKey.files(t)
	_, ecCert := ecKey.files(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%-50s %-34s %s\n", "sample", "ours", "xmlsec1")
	row := func(s sample) {
		got := s.check(t)
		ours := map[Scope]string{Whole: "holds, whole", Part: "holds, part: " + joined(got.Gaps)}[got.Scope]
		if got.Fault != "" {
			ours = "fault: " + string(got.Fault)
		}
		certs := []string{rsaCert, ecCert}
		if got.Cert != nil && !got.Cert.Equal(rsaKey.cert) && !got.Cert.Equal(ecKey.cert) {
			_, cert := signer{key: rsaKey.key, cert: got.Cert}.files(t)
			certs = []string{cert}
		}
		theirs := xmlsecVerifies(t, s.doc, certs...)
		fmt.Fprintf(&table, "%-50s %-34s %s\n", s.name, ours, map[bool]string{true: "OK", false: "refused"}[theirs])
		if theirs != s.xmlsec {
			t.Errorf("%s: xmlsec1 verifies: %t, expected %t", s.name, theirs, s.xmlsec)
		}
		if got.Fault == "" && !theirs {
			t.Errorf("%s: holds for us and not for xmlsec1", s.name)
		}
	}
	for _, s := range goodSamples(t, rsaKey, ecKey) {
		row(s)
	}
	for _, s := range hostileSamples(t, rsaKey, ecKey) {
		row(s)
	}
	t.Log("\n" + table.String())
}

// What xmlsec1 signs holds for us, and stops to hold when it is changed.
func TestP12_SignaturesOfXmlsec1Hold(t *testing.T) {
	tool(t, "xmlsec1")
	object := `<ds:Object Id="obj"><VanBan>100</VanBan></ds:Object>`
	for name, build := range map[string]func(s signer) string{
		"enveloped exclusive": func(s signer) string {
			return body + s.template(exclusive, ref("", algEnveloped, exclusive), "") + bodyEnd
		},
		"enveloped inclusive": func(s signer) string {
			return `<VanBan xmlns="urn:vb" xmlns:q="urn:q" xml:lang="vi"><So q:a="1">100</So>` + s.template(inclusive, ref("", algEnveloped, inclusive), "") + bodyEnd
		},
		"enveloped 1.1": func(s signer) string {
			return `<VanBan xml:lang="vi" Id="goc">100` + s.template("http://www.w3.org/2006/12/xml-c14n11", ref("#goc", algEnveloped, "http://www.w3.org/2006/12/xml-c14n11"), "") + bodyEnd
		},
		"with comments": func(s signer) string {
			return "<!-- trước --><?in a?><VanBan><!-- trong --><So>100</So>" + s.template(exclusive+"WithComments", ref("", algEnveloped, exclusive+"WithComments"), "") + bodyEnd
		},
		"inclusive prefixes": func(s signer) string {
			return `<VanBan xmlns:q="urn:q" xmlns="urn:d"><So t="q:x">100</So>` + s.template(exclusive, ref("", algEnveloped,
				`<ds:Transform Algorithm="`+exclusive+`"><ec:InclusiveNamespaces xmlns:ec="`+exclusive+`" PrefixList="q #default"/></ds:Transform>`), "") + bodyEnd
		},
		"enveloping": func(s signer) string { return s.template(exclusive, ref("#obj", exclusive), object) },
		"of a branch inclusive": func(s signer) string {
			return `<HoSo xmlns="urn:a" xmlns:p="urn:p" xml:lang="vi"><VanBan Id="goc" xmlns:p="urn:own"><p:So>100</p:So></VanBan>` + s.template(inclusive, ref("#goc", inclusive), "") + `</HoSo>`
		},
		"SHA-512": func(s signer) string {
			return strings.Replace(body+s.template(exclusive, strings.Replace(ref("", algEnveloped), sha256URI, "http://www.w3.org/2001/04/xmlenc#sha512", 1), "")+bodyEnd, "sha256\"></ds:SignatureMethod>", "sha512\"></ds:SignatureMethod>", 1)
		},
	} {
		for kind, s := range map[string]signer{"RSA": rsaSigner(t, 2048), "ECDSA": ecSigner(t)} {
			t.Run(name+" "+kind, func(t *testing.T) {
				key, _ := s.files(t)
				doc, err := xmlsec(t, "--sign", build(s), "--privkey-pem", key, "--enabled-key-data", "key-name")
				if err != nil {
					t.Fatalf("xmlsec1: %v", err)
				}
				if got := one(t, doc); got.Fault != "" {
					t.Errorf("fault %q: %s\n%s", got.Fault, got.Detail, doc)
				}
				if got := one(t, replaceOnce(t, doc, "100", "900")); got.Fault != FaultHash {
					t.Errorf("after a change: fault %q", got.Fault)
				}
			})
		}
	}
}

// What goxmldsig signs holds for us and for xmlsec1; what we hold goxmldsig
// holds as well.
func TestP12_SignaturesOfGoxmldsigHold(t *testing.T) {
	s := rsaSigner(t, 2048)
	store := dsig.TLSCertKeyStore{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}
	ctx := dsig.NewDefaultSigningContext(store)
	ctx.IdAttribute = "Id"
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	el := etree.NewElement("VanBan")
	el.CreateAttr("Id", "goc")
	el.CreateElement("NoiDung").SetText("Chi 100 đồng")
	signed, err := ctx.SignEnveloped(el)
	if err != nil {
		t.Fatal(err)
	}
	out := etree.NewDocument()
	out.SetRoot(signed)
	doc, err := out.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, doc); got.Fault != "" || got.Scope != Whole {
		t.Errorf("fault %q (%s), scope %d", got.Fault, got.Detail, got.Scope)
	}
	_, cert := s.files(t)
	if !xmlsecVerifies(t, doc, cert) {
		t.Error("xmlsec1 refuses what goxmldsig signed")
	}
	ours := s.sign(t, body+s.template(exclusive, ref("#goc", algEnveloped, exclusive), "")+bodyEnd)
	in := etree.NewDocument()
	if err := in.ReadFromString(ours); err != nil {
		t.Fatal(err)
	}
	validation := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{s.cert}})
	validation.IdAttribute = "Id"
	if _, err := validation.Validate(in.Root()); err != nil {
		t.Errorf("goxmldsig refuses ours: %v", err)
	}
}

// Why the canonical form is ours: of a branch that declares a prefix anew,
// goxmldsig writes what its parent declared, so that the namespace of a signed
// element could be changed under the signature. [TestP12_SignaturesOfXmlsec1Hold]
// has the same document under "of a branch inclusive".
func TestGoxmldsigLosesTheNamespacesOfABranch(t *testing.T) {
	const doc = `<a xmlns:p="urn:p"><b xmlns:p="urn:own"><p:c></p:c></b></a>`
	in := etree.NewDocument()
	if err := in.ReadFromString(doc); err != nil {
		t.Fatal(err)
	}
	theirs, err := dsig.MakeC14N10RecCanonicalizer().Canonicalize(in.Root().ChildElements()[0])
	if err != nil {
		t.Fatal(err)
	}
	if want := `<b xmlns:p="urn:p"><p:c></p:c></b>`; string(theirs) != want {
		t.Errorf("goxmldsig wrote %s: the reason in the package comment no longer holds", theirs)
	}
	ours := canonicalString(t, mustParse(t, doc).root().elements()[0], method{}, nil)
	if want := `<b xmlns:p="urn:own"><p:c></p:c></b>`; ours != want {
		t.Errorf("we wrote %s, want %s", ours, want)
	}
}
