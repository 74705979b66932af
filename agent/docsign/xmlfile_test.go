package docsign

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// signXML signs the root of a document, or what path finds in it, as goxmldsig does.
func signXML(t testing.TB, n node, doc, path string) string {
	t.Helper()
	ctx, err := dsig.NewSigningContext(n.key, [][]byte{n.cert.Raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx.IdAttribute = "Id"
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	in := etree.NewDocument()
	if err := in.ReadFromString(doc); err != nil {
		t.Fatal(err)
	}
	el := in.FindElement(path)
	signed, err := ctx.SignEnveloped(el)
	if err != nil {
		t.Fatal(err)
	}
	if el == in.Root() {
		in.SetRoot(signed)
	} else {
		parent, at := el.Parent(), el.Index()
		parent.RemoveChildAt(at)
		parent.InsertChildAt(at, signed)
	}
	out, err := in.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestXMLSignaturesAreJudged(t *testing.T) {
	p := newPKI(t)
	key := testRSA()
	signer := p.issueFor(p.ca, "Nguyễn Văn A", key)
	stranger := newPKI(t)
	const doc = `<VanBan Id="goc"><So>12</So><NoiDung>Chi 100 đồng</NoiDung></VanBan>`
	good := signXML(t, signer, doc, "/VanBan")
	sig := good[strings.Index(good, "<ds:Signature"):strings.Index(good, "</VanBan>")]
	part := signXML(t, signer, `<HoSo>`+doc+`<An>900</An></HoSo>`, "//VanBan")
	offline, revoked := p.options(), p.options()
	offline.Revocations = nil
	revoked.Revocations = known{p.crl(p.root, testNow), p.crl(p.ca, testNow, entry(signer, testNow.Add(-48*time.Hour), 1))}
	for name, tc := range map[string]struct {
		doc    string
		o      Options
		i      Indication
		sub    SubIndication
		reason string
		scope  ScopeKind
	}{
		"good":              {good, p.options(), Passed, "", "", ScopeWhole},
		"changed":           {strings.Replace(good, "100", "900", 1), p.options(), Failed, HashFailure, "hash", ScopeUnknown},
		"offline":           {good, offline, Indeterminate, TryLater, "revocation-missing", ScopeWhole},
		"revoked":           {good, revoked, Indeterminate, RevokedNoPOE, "revoked-unproven", ScopeWhole},
		"unknown authority": {signXML(t, stranger.issueFor(stranger.ca, "X", key), doc, "/VanBan"), p.options(), Indeterminate, NoCertificateChain, "no-chain", ScopeWhole},
		"part":              {part, p.options(), Indeterminate, SigConstraintsFailure, "gap-element", ScopePart},
		"part, offline":     {part, offline, Indeterminate, SigConstraintsFailure, "gap-element", ScopePart},
		"wrapped":           {strings.Replace(strings.Replace(doc, "goc", "gia", 1), "</VanBan>", doc+sig+"</VanBan>", 1), p.options(), Indeterminate, SigConstraintsFailure, "gap-element", ScopePart},
		"comment in text":   {strings.Replace(good, "Chi 100", "Chi 1<!-- -->00", 1), p.options(), Indeterminate, SigConstraintsFailure, "gap-comment", ScopePart},
		"hidden object":     {strings.Replace(good, "</ds:Signature>", `<ds:Object><x>900</x></ds:Object></ds:Signature>`, 1), p.options(), Indeterminate, SigConstraintsFailure, "gap-object", ScopePart},
		"style sheet":       {`<?xml-stylesheet href="a.xsl"?>` + good, p.options(), Indeterminate, SigConstraintsFailure, "gap-instruction", ScopePart},
		"XSLT":              {strings.Replace(good, "2000/09/xmldsig#enveloped-signature", "TR/1999/REC-xslt-19991116", 1), p.options(), Failed, SigCryptoFailure, "signature", ScopeUnknown},
		"twice the id":      {strings.Replace(part, "<An>", `<An Id="goc">`, 1), p.options(), Failed, FormatFailure, "format", ScopeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := checkBytes(t, "a.xml", []byte(tc.doc), tc.o)
			if r.Format != FormatXML || r.Indication != tc.i || r.SubIndication != tc.sub || r.Reason.Code != tc.reason {
				t.Errorf("%s %s %s %s (%s)", r.Format, r.Indication, r.SubIndication, r.Reason.Code, r.Reason.Detail)
			}
			if len(r.Signatures) != 1 || r.Signatures[0].Scope.Kind != tc.scope || r.Signatures[0].Signer.Name == "" {
				t.Errorf("signatures %+v", r.Signatures)
			}
		})
	}
}

func TestXMLWithoutReadableSignatures(t *testing.T) {
	for name, tc := range map[string]struct {
		file, doc string
		format    Format
		i         Indication
		reason    string
	}{
		"plain":                   {"a.xml", `<a/>`, FormatXML, None, "none"},
		"edXML with its own":      {"a.edxml", `<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><Signature/></edXML>`, FormatXML, None, "none"},
		"doctype":                 {"a.xml", `<!DOCTYPE a><a/>`, FormatXML, None, "none"},
		"doctype and signature":   {"a.xml", `<!DOCTYPE a><Signature xmlns="` + dsigSpace + `"/>`, FormatXML, Indeterminate, "xml-unsupported"},
		"UTF-16":                  {"a.xml", "\xff\xfe<\x00a\x00/\x00>\x00", FormatXML, Indeterminate, "xml-unsupported"},
		"malformed":               {"a.xml", `<a>`, FormatXML, None, "none"},
		"malformed and signature": {"a.xml", `<a><Signature xmlns="` + dsigSpace + `">`, FormatXML, Failed, "format"},
		"empty signature":         {"a", `<Signature xmlns="` + dsigSpace + `"/>`, FormatXML, Failed, "format"},
		"large":                   {"a.xml", `<a>` + strings.Repeat(" ", 17<<20) + `<Signature xmlns="` + dsigSpace + `"/></a>`, FormatXML, Indeterminate, "too-large"},
		"HTML":                    {"a.html", `<html></html>`, FormatOther, None, "none"},
		"no archive":              {"a.docx", "PK\x03\x04_xmlsignatures/", FormatOther, Failed, "format"},
		"another archive":         {"a.zip", "PK\x03\x04_xmlsignatures/", FormatOther, None, "none"},
	} {
		r := checkBytes(t, tc.file, []byte(tc.doc), Options{Now: testNow})
		if r.Format != tc.format || r.Indication != tc.i || r.Reason.Code != tc.reason {
			t.Errorf("%s: %s %s %s (%s)", name, r.Format, r.Indication, r.Reason.Code, r.Reason.Detail)
		}
	}
}

// signedDocx makes a text document whose signature is written in canonical form
// by hand, so that digests are those of its very bytes.
func signedDocx(t testing.TB, n node, extra ...string) []byte {
	t.Helper()
	const (
		space = "http://schemas.openxmlformats.org/package/2006/"
		rels  = `<Relationships xmlns="` + space + `relationships"><Relationship Id="r1" Target="word/document.xml" Type="urn:document"/></Relationships>`
		types = `<Types xmlns="` + space + `content-types"><Default ContentType="application/rels" Extension="rels"/><Default ContentType="application/xml" Extension="xml"/>` +
			`<Override ContentType="application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml" PartName="/_xmlsignatures/sig1.xml"/></Types>`
		method = `<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>`
	)
	sum := func(s string) string {
		d := sha256.Sum256([]byte(s))
		return base64.StdEncoding.EncodeToString(d[:])
	}
	parts := []string{"[Content_Types].xml", types, "_rels/.rels", rels, "word/document.xml", "<w>Chi 100 đồng</w>"}
	reference := func(name, typ, content string) string {
		return fmt.Sprintf(`<Reference URI="/%s?ContentType=%s">%s<DigestValue>%s</DigestValue></Reference>`, name, typ, method, sum(content))
	}
	object := func(ns string) string {
		return `<Object` + ns + ` Id="p"><Manifest>` + reference(parts[2], "application/rels", parts[3]) + reference(parts[4], "application/xml", parts[5]) + `</Manifest></Object>`
	}
	ns := ` xmlns="` + dsigSpace + `"`
	info := func(ns string) string {
		return `<SignedInfo` + ns + `><CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>` +
			`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>` +
			`<Reference URI="#p">` + method + `<DigestValue>` + sum(object(ns)) + `</DigestValue></Reference></SignedInfo>`
	}
	digest := sha256.Sum256([]byte(info(ns)))
	value, err := n.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(info(""), sum(object("")), sum(object(ns)), 1)
	sig := `<Signature` + ns + `>` + text + `<SignatureValue>` + base64.StdEncoding.EncodeToString(value) + `</SignatureValue><KeyInfo><X509Data><X509Certificate>` +
		base64.StdEncoding.EncodeToString(n.cert.Raw) + `</X509Certificate></X509Data></KeyInfo>` + object("") + `</Signature>`
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	parts = append(append(parts, "_xmlsignatures/sig1.xml", sig), extra...)
	for i := 0; i < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSignedOfficeFilesAreJudged(t *testing.T) {
	p := newPKI(t)
	signer := p.issueFor(p.ca, "Nguyễn Văn A", testRSA())
	r := checkBytes(t, "a.docx", signedDocx(t, signer), p.options())
	if r.Format != FormatOOXML || r.Indication != Passed || r.Signatures[0].Scope.Kind != ScopeWhole || r.Signatures[0].Signer.Name != "Nguyễn Văn A" {
		t.Errorf("%s %s %s %+v", r.Format, r.Indication, r.Reason.Detail, r.Signatures)
	}
	r = checkBytes(t, "a.docx", signedDocx(t, signer, "word/them.xml", "<w/>"), p.options())
	if r.Indication != Indeterminate || r.Reason.Code != "gap-parts" {
		t.Errorf("part added: %s %s", r.Indication, r.Reason.Code)
	}
	r = checkBytes(t, "a.docx", signedDocx(t, signer, "Word/document.xml", "<w/>"), p.options())
	if r.Indication != Failed || r.SubIndication != FormatFailure {
		t.Errorf("two parts of one name: %s %s", r.Indication, r.SubIndication)
	}
}

// A time stamp of XAdES baseline T proves when the signature existed.
func TestTimeStampsInXMLAreJudged(t *testing.T) {
	b := newBench(t)
	doc := signXML(t, b.signer, `<VanBan><NoiDung>Chi 100 đồng</NoiDung></VanBan>`, "/VanBan")
	value := doc[strings.Index(doc, "<ds:SignatureValue>")+len("<ds:SignatureValue>") : strings.Index(doc, "</ds:SignatureValue>")]
	stamped := func(over string) string {
		token := b.stampToken([]byte(over), "sha256")
		return strings.Replace(doc, "</ds:Signature>", `<ds:Object><x:QualifyingProperties xmlns:x="http://uri.etsi.org/01903/v1.3.2#"><x:UnsignedProperties>`+
			`<x:UnsignedSignatureProperties><x:SignatureTimeStamp><x:EncapsulatedTimeStamp>`+base64.StdEncoding.EncodeToString(token)+
			`</x:EncapsulatedTimeStamp></x:SignatureTimeStamp></x:UnsignedSignatureProperties></x:UnsignedProperties></x:QualifyingProperties></ds:Object></ds:Signature>`, 1)
	}
	r := checkBytes(t, "a.xml", []byte(stamped(`<ds:SignatureValue xmlns:ds="`+dsigSpace+`">`+value+`</ds:SignatureValue>`)), b.opts)
	if r.Indication != Passed || len(r.Signatures[0].Stamps) != 1 || r.Signatures[0].Proven.IsZero() || r.Signatures[0].ProvenBy != "TSA" {
		t.Errorf("%s %s, %+v", r.Indication, r.Reason.Code, r.Signatures)
	}
	r = checkBytes(t, "a.xml", []byte(stamped("other")), b.opts)
	if s := r.Signatures[0]; len(s.Stamps) != 1 || s.Stamps[0].Indication != Failed || !s.Proven.IsZero() {
		t.Errorf("a stamp over something else: %+v", s.Stamps)
	}
}
