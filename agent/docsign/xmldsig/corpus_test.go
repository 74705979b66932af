package xmldsig

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// sample is a document with what we must say of its first signature.
type sample struct {
	name  string
	doc   string
	fault Fault
	scope Scope
	gaps  string // joined with commas, when there is no fault
	// xmlsec is whether xmlsec1 verifies it, for the table: it answers for the
	// arithmetic alone.
	xmlsec bool
}

const (
	body     = `<VanBan Id="goc"><So>12/QĐ-UBND</So><NoiDung>Chi 100 đồng</NoiDung>`
	bodyEnd  = `</VanBan>`
	evilBody = `<VanBan Id="gia"><So>12/QĐ-UBND</So><NoiDung>Chi 900 đồng</NoiDung>`
)

// goodSamples are signatures as programs make them.
func goodSamples(t testing.TB, rsaKey, ecKey signer) []sample {
	enveloped := func(s signer, c14n string, uri string) string {
		return s.sign(t, body+s.template(c14n, ref(uri, algEnveloped, c14n), "")+bodyEnd)
	}
	whole := func(name, doc string) sample { return sample{name: name, doc: doc, scope: Whole, xmlsec: true} }
	object := `<ds:Object Id="obj"><VanBan>Chi 100 đồng</VanBan></ds:Object>`
	detached := ecKey.sign(t, `<HoSo>`+body+bodyEnd+ecKey.template(exclusive, ref("#goc", exclusive), "")+`</HoSo>`)
	xadesBES := rsaKey.sign(t, body+rsaKey.template(exclusive, ref("", algEnveloped, exclusive)+
		refTyped("#props", "http://uri.etsi.org/01903#SignedProperties", exclusive), rsaKey.qualifying("2026-11-21T09:30:12+07:00", ""))+bodyEnd)
	manifest := `<ds:Object Id="man"><ds:Manifest>` + ref("#goc", exclusive) + `</ds:Manifest></ds:Object>`
	return []sample{
		whole("enveloped, RSA, exclusive", enveloped(rsaKey, exclusive, "")),
		whole("enveloped, ECDSA, inclusive", enveloped(ecKey, inclusive, "")),
		whole("enveloped, by id of the root", enveloped(ecKey, exclusive, "#goc")),
		whole("enveloped, no canonicalisation named", ecKey.sign(t, body+ecKey.template(inclusive, ref("", algEnveloped), "")+bodyEnd)),
		whole("enveloped, instruction before", ecKey.sign(t, "<?xml-stylesheet href='a.xsl'?>\n"+body+ecKey.template(inclusive, ref("", algEnveloped), "")+bodyEnd)),
		whole("enveloping", ecKey.sign(t, ecKey.template(exclusive, ref("#obj", exclusive), object))),
		{name: "detached beside the element", doc: detached, gaps: "element", xmlsec: true},
		whole("XAdES baseline B", xadesBES),
		{name: "manifest", doc: ecKey.sign(t, `<HoSo>`+body+bodyEnd+ecKey.template(exclusive, ref("#man", exclusive), manifest)+`</HoSo>`), gaps: "element", xmlsec: true},
		whole("comment between elements", strings.Replace(enveloped(ecKey, exclusive, ""), "<NoiDung>", "<!-- ghi chú --><NoiDung>", 1)),
	}
}

// hostileSamples are variants of good ones by somebody without the key, and
// signatures that prove less than they seem to.
func hostileSamples(t testing.TB, rsaKey, ecKey signer) []sample {
	return append(append(wrapped(t, ecKey), forged(t, rsaKey, ecKey)...), partial(t, ecKey)...)
}

// wrapped are the eight signature wrapping attacks (Somorovsky et al., 2012)
// on plain XML: 1 and 2 on a signed root, 3 to 8 on a signed element.
func wrapped(t testing.TB, s signer) []sample {
	whole := s.sign(t, body+s.template(exclusive, ref("#goc", algEnveloped, exclusive), "")+bodyEnd)
	sig := signatureIn(t, whole)
	bare := replaceOnce(t, whole, sig, "")
	inSig := func(s string) string { return strings.TrimSuffix(sig, "</ds:Signature>") + s + "</ds:Signature>" }
	object := inSig(`<ds:Object>` + bare + `</ds:Object>`)
	twin := strings.Replace(evilBody, `"gia"`, `"goc"`, 1)
	part := func(name, doc, gaps string) sample { return sample{name: name, doc: doc, gaps: gaps, xmlsec: true} }
	format := func(name, doc string, xmlsec bool) sample {
		return sample{name: name, doc: doc, fault: FaultFormat, xmlsec: xmlsec}
	}
	return []sample{
		format("XSW1 original within the signature", evilBody+inSig(bare)+bodyEnd, false),
		format("XSW1 the same in an Object", evilBody+object+bodyEnd, false),
		part("XSW2 original before the signature", evilBody+bare+sig+bodyEnd, "element"),
		part("XSW3 forgery before the original", `<HoSo>`+evilBody+bodyEnd+whole+`</HoSo>`, "element"),
		part("XSW4 original within the forgery", `<HoSo>`+evilBody+whole+bodyEnd+`</HoSo>`, "element"),
		part("XSW5 signature in the forgery, original last", `<HoSo>`+evilBody+sig+bodyEnd+bare+`</HoSo>`, "element"),
		format("XSW6 original in an Object of the forgery", `<HoSo>`+evilBody+object+bodyEnd+`</HoSo>`, false),
		format("XSW7 forgery with the same id in an extension", `<HoSo><MoRong>`+twin+bodyEnd+`</MoRong>`+whole+`</HoSo>`, false),
		format("XSW8 same id, original in an Object", `<HoSo>`+twin+object+bodyEnd+`</HoSo>`, false),
		format("ids that differ in case only", `<HoSo>`+strings.Replace(evilBody, `Id="gia"`, `ID="goc"`, 1)+bodyEnd+whole+`</HoSo>`, true),
	}
}

// forged do not hold at all.
func forged(t testing.TB, rsaKey, s signer) []sample {
	good := s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd)
	edit := func(old, with string) string { return replaceOnce(t, good, old, with) }
	broken := func(name string, f Fault, doc string) sample { return sample{name: name, doc: doc, fault: f} }
	to := func(uri string) string { return s.sign(t, body+s.template(exclusive, ref(uri, exclusive), "")+bodyEnd) }
	cert := `<ds:X509Data><ds:X509Certificate>` + s.certBase64() + `</ds:X509Certificate></ds:X509Data>`
	value := good[strings.Index(good, "<ds:SignatureValue>")+len("<ds:SignatureValue>") : strings.Index(good, "</ds:SignatureValue>")]
	xadesOther := s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive)+ref("#props", exclusive), rsaKey.qualifying("2026-11-21T09:30:12Z", ""))+bodyEnd)
	samples := []sample{
		broken("content changed", FaultHash, edit("100", "900")),
		broken("attribute added", FaultHash, edit("<So>", `<So an="1">`)),
		broken("signing key of another", FaultSignature, edit(s.certBase64(), ecSigner(t).certBase64())),
		broken("value cut", FaultSignature, edit(value, value[:len(value)-4])),
		broken("value of zeros", FaultSignature, edit(value, base64.StdEncoding.EncodeToString(make([]byte, 64)))),
		broken("two SignedInfo", FaultFormat, edit("<ds:SignedInfo>", signedInfo(t, good)+"<ds:SignedInfo>")),
		broken("comment in the digest", FaultFormat, edit("<ds:DigestValue>", "<ds:DigestValue>AAAA<!-- -->")),
		{name: "key without certificate", doc: edit(cert, `<ds:KeyName>UBND</ds:KeyName>`), fault: FaultNoCertificate, xmlsec: true},
		{name: "no KeyInfo", doc: edit("<ds:KeyInfo>"+cert+"</ds:KeyInfo>", ""), fault: FaultNoCertificate, xmlsec: true},
		broken("HMAC with the certificate as secret", FaultUnsupported, hmacForgery(t, s)),
		broken("truncated HMAC", FaultUnsupported, strings.Replace(hmacForgery(t, s), `#hmac-sha256">`, `#hmac-sha256"><ds:HMACOutputLength>8</ds:HMACOutputLength>`, 1)),
		broken("reference to nothing", FaultMissing, to("#khong")),
		broken("reference to a file", FaultMissing, to("file:///etc/hostname")),
		broken("reference to the network", FaultMissing, to("http://127.0.0.1:1/x")),
		{name: "XPointer", doc: to("#xpointer(/)"), fault: FaultUnsupported},
		broken("no reference", FaultFormat, edit(good[strings.Index(good, "<ds:Reference"):strings.Index(good, "</ds:SignedInfo>")], "")),
		{name: "certificate signed along is another's", doc: xadesOther, fault: FaultNoCertificate, xmlsec: true},
	}
	return append(samples, weak(t, rsaKey, s)...)
}

func signedInfo(t testing.TB, doc string) string {
	t.Helper()
	const end = "</ds:SignedInfo>"
	return doc[strings.Index(doc, "<ds:SignedInfo>") : strings.Index(doc, end)+len(end)]
}

// weak are made right, with what is broken today.
func weak(t testing.TB, rsaKey, s signer) []sample {
	sha1 := strings.Replace(ref("", algEnveloped, exclusive), sha256URI, "http://www.w3.org/2000/09/xmldsig#sha1", 1)
	md5 := strings.Replace(ref("", algEnveloped, exclusive), sha256URI, "http://www.w3.org/2001/04/xmldsig-more#md5", 1)
	short := rsaSigner(t, 1024)
	return []sample{
		{name: "SHA-1 digest", doc: s.sign(t, body+s.template(exclusive, sha1, "")+bodyEnd), fault: FaultWeak, xmlsec: true},
		{name: "MD5 digest", doc: s.sign(t, body+s.template(exclusive, md5, "")+bodyEnd), fault: FaultWeak},
		{name: "RSA with SHA-1", doc: rsaKey.sign(t, body+strings.Replace(rsaKey.template(exclusive, ref("", algEnveloped, exclusive), ""), rsaSHA256,
			"http://www.w3.org/2000/09/xmldsig#rsa-sha1", 1)+bodyEnd), fault: FaultWeak, xmlsec: true},
		{name: "RSA of 1024 bits", doc: short.sign(t, body+short.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd), fault: FaultWeak, xmlsec: true},
	}
}

// hmacForgery is what an attacker makes who knows the certificate: a shared
// secret that is public.
func hmacForgery(t testing.TB, s signer) string {
	doc := s.sign(t, strings.Replace(body+s.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd, ecSHA256,
		"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", 1))
	d := mustParse(t, doc)
	var info, value *node
	d.walk(func(n *node) bool {
		if n.is(spaceDsig, "SignedInfo") {
			info, value = n, n.parent.child(spaceDsig, "SignatureValue")
		}
		return true
	})
	mac := hmac.New(sha256.New, s.cert.RawSubjectPublicKeyInfo)
	mac.Write([]byte(canonicalString(t, info, method{exclusive: true}, nil)))
	setText(value, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return canonicalString(t, d, method{comments: true}, nil)
}

// partial hold, but not for all that a reader sees, or drop content.
func partial(t testing.TB, s signer) []sample {
	good := s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd)
	byID := s.sign(t, body+s.template(exclusive, ref("#goc", algEnveloped, exclusive), "")+bodyEnd)
	inSig := func(with string) string { return replaceOnce(t, good, "</ds:Signature>", with+"</ds:Signature>") }
	part := func(name, gaps, doc string) sample { return sample{name: name, doc: doc, gaps: gaps, xmlsec: true} }
	refused := func(name, transform string, xmlsec bool) sample {
		return sample{name: name, doc: s.sign(t, body+s.template(exclusive, ref("", algEnveloped, transform), "")+bodyEnd), fault: FaultUnsupported, xmlsec: xmlsec}
	}
	fragment := s.sign(t, `<HoSo><Phan Id="phan">A</Phan><NoiDung>B</NoiDung>`+s.template(exclusive, ref("#phan", exclusive), "")+`</HoSo>`)
	qualifying := s.sign(t, body+s.template(exclusive, ref("#props", exclusive), s.qualifying("2026-11-21T09:30:12Z", ""))+bodyEnd)
	unsigned := s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive), s.qualifying("2026-11-21T09:30:12Z", ""))+bodyEnd)
	return []sample{
		part("comment splits the text", "comment", replaceOnce(t, good, "Chi 100", "Chi 1<!-- -->00")),
		part("comment splits the text, WithComments claimed", "comment", s.sign(t, strings.Replace(body, "Chi 100", "Chi 1<!-- -->00", 1)+
			s.template(exclusive, ref("", algEnveloped, exclusive+"WithComments"), "")+bodyEnd)),
		part("signature moved into the text", "comment", replaceOnce(t, replaceOnce(t, good, signatureIn(t, good), ""), "Chi 100", "Chi 1"+signatureIn(t, good)+"00")),
		part("Object added to the signature", "object", inSig(`<ds:Object><NoiDung>Chi 900 đồng</NoiDung></ds:Object>`)),
		part("content in KeyInfo", "object", replaceOnce(t, good, "</ds:KeyInfo>", `<NoiDung>Chi 900 đồng</NoiDung></ds:KeyInfo>`)),
		part("unsigned property with content", "object", inSig(`<ds:Object><x:QualifyingProperties xmlns:x="`+xades+
			`"><x:UnsignedProperties><NoiDung>900</NoiDung></x:UnsignedProperties></x:QualifyingProperties></ds:Object>`)),
		part("properties that nothing signs", "object", unsigned),
		part("style sheet before the signed root", "instruction", `<?xml-stylesheet href="an.xsl"?>`+byID),
		part("fragment only", "element", fragment),
		part("properties only", "element,object", qualifying),
		refused("XPath that drops content", `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::NoiDung)</ds:XPath></ds:Transform>`, false),
		refused("XPath filter", `<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><x:XPath xmlns:x="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">//NoiDung</x:XPath></ds:Transform>`, false),
		refused("XSLT", `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"></xsl:stylesheet></ds:Transform>`, false),
		refused("base64", "http://www.w3.org/2000/09/xmldsig#base64", false),
		refused("canonical form twice", exclusive+`"></ds:Transform><ds:Transform Algorithm="`+exclusive, false),
	}
}
