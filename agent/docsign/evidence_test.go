package docsign

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"tram/agent/docsign/pdf"
)

// TestProofInsideTheDocumentIsUsedOffline signs, adds lists to the document
// security store, and checks without any other source.
func TestProofInsideTheDocumentIsUsedOffline(t *testing.T) {
	b := newBench(t)
	at := time.Now().Add(-time.Hour)
	d := newDraft(t).sign(how{cms: b.openssl("-nocerts")})
	d.extra += " /DSS << /Certs [60 0 R 61 0 R] /CRLs [62 0 R 63 0 R] >>"
	d.update(map[int]string{
		1: d.catalog(), 60: stream("", string(b.ca.cert.Raw)), 61: stream("", string(b.signer.cert.Raw)),
		62: stream("", string(b.crl(b.root, at).Bytes())), 63: stream("", string(b.crl(b.ca, at).Bytes())),
	})
	o := b.opts
	o.Revocations, o.Intermediates = nil, nil
	r := checkBytes(t, "x.pdf", d.data, o)
	if r.Indication != Passed || r.Signatures[0].Revocation[0].Origin != OriginDocument || r.Signatures[0].Scope.Kind != ScopeExtended {
		t.Errorf("got %+v\n%+v", r.Outcome, r.Signatures)
	}
	// Anchors are never taken from the document.
	o.Anchors = nil
	if r := checkBytes(t, "x.pdf", d.data, o); r.SubIndication != NoCertificateChain {
		t.Errorf("without anchors: %+v", r.Outcome)
	}
}

// TestTimeStampsOutliveTheSigner checks years later: the signer's certificate
// has expired, and a time stamp of each kind proves that it had not when the
// signature was made.
func TestTimeStampsOutliveTheSigner(t *testing.T) {
	b := newBench(t)
	lasting := func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(10, 0, 0) }
	b.root = b.issue(node{}, "Root", asCA, around, lasting)
	b.ca = b.issue(b.root, "CA", asCA, around, lasting)
	b.signer = b.issueFor(b.ca, "Nguyen Van A", testRSA(), around)
	b.tsa = b.issueFor(b.ca, "TSA", testRSA(), around, lasting, asTSA)
	b.node("rsa", b.signer)
	b.node("tsa", b.tsa)
	b.write("ca.pem", pemOf("CERTIFICATE", b.ca.cert.Raw))
	fresh := func(at time.Time) Options {
		return Options{
			Anchors: []*x509.Certificate{b.root.cert}, Intermediates: []*x509.Certificate{b.ca.cert}, Now: at,
			Revocations: known{b.crl(b.root, time.Now().Add(time.Hour)), b.crl(b.ca, time.Now().Add(time.Hour)), b.crl(b.root, at), b.crl(b.ca, at)},
		}
	}
	years := time.Now().AddDate(3, 0, 0)
	lib := b.library(nil)
	stamped := newDraft(t).sign(how{cms: b.library(b.stamper()), filter: "ETSI.CAdES.detached"})
	sealed := newDraft(t).sign(how{cms: lib}).sign(how{cms: b.stamper(), filter: "ETSI.RFC3161"})
	weak := newDraft(t).sign(how{cms: b.library(func(v []byte) []byte { return b.stampToken(v, "sha1") }), filter: "ETSI.CAdES.detached"})
	foreign := newDraft(t).sign(how{cms: b.library(func([]byte) []byte { return b.stampToken([]byte("else"), "sha256") }), filter: "ETSI.CAdES.detached"})
	for _, test := range []struct {
		name string
		d    *draft
		want SubIndication
	}{
		{"none", newDraft(t).sign(how{cms: lib}), OutOfBoundsNoPOE},
		{"over the signature", stamped, ""},
		{"over the document", sealed, ""},
		{"with SHA-1", weak, OutOfBoundsNoPOE},
		{"of something else", foreign, OutOfBoundsNoPOE},
	} {
		r := checkBytes(t, "x.pdf", test.d.data, fresh(years))
		if r.SubIndication != test.want {
			t.Errorf("stamp %s: got %+v, want %q\n%+v", test.name, r.Outcome, test.want, r.Signatures)
		}
		if test.want == "" && (r.Signatures[0].ProvenBy != "TSA" || r.Signatures[0].Proven.IsZero()) {
			t.Errorf("stamp %s: proven %v by %q", test.name, r.Signatures[0].Proven, r.Signatures[0].ProvenBy)
		}
	}
	// A stamp whose authority cannot be checked proves nothing yet.
	o := fresh(years)
	o.Revocations = nil
	if r := checkBytes(t, "x.pdf", stamped.data, o); r.Indication == Passed {
		t.Errorf("without revocation data: %+v", r.Outcome)
	}
	// A stamp that lies after the end of the signer's certificate does not help.
	b.signer = b.issueFor(b.ca, "Nguyen Van A", testRSA(), func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().Add(-time.Hour)
	})
	b.node("rsa", b.signer)
	late := newDraft(t).sign(how{cms: b.library(b.stamper()), filter: "ETSI.CAdES.detached"})
	if r := checkBytes(t, "x.pdf", late.data, fresh(years)); r.SubIndication != Expired {
		t.Errorf("expired before it was signed: %+v", r.Outcome)
	}
}

// TestAStampIsHeldToTheTimeThatItTells and not to the one among its attributes.
func TestAStampIsHeldToTheTimeThatItTells(t *testing.T) {
	b := newBench(t)
	token := mustParse(t, b.stampToken([]byte("x"), "sha256"))
	for _, test := range []struct {
		told time.Time
		want SubIndication
	}{
		{time.Now(), ""},
		{b.tsa.cert.NotBefore.AddDate(0, 0, -1), NotYetValid},
		{b.tsa.cert.NotAfter.AddDate(0, 0, 1), Expired},
		{time.Now().AddDate(0, 0, 1), SigConstraintsFailure},
	} {
		var s Signature
		k := newChecker(b.opts)
		err := k.verifySigner(t.Context(), &s, token, token.signers[0], over(token.content), terms{purpose: forStamps, needCert: true, claimed: test.told})
		if err != nil || s.SubIndication != test.want || !s.Claimed.Equal(test.told) {
			t.Errorf("told %v: got %+v at %v (error %v), want %q", test.told, s.Outcome, s.Claimed, err, test.want)
		}
	}
}

// TestAWeakStampProvesNothingLaterEither: it does not wait for revocation data.
func TestAWeakStampProvesNothingLaterEither(t *testing.T) {
	b := newBench(t)
	o := b.opts
	o.Revocations = nil
	for digest, want := range map[string]SubIndication{"sha256": TryLater, "sha1": CryptoConstraintsFailure} {
		if got := newChecker(o).stamp(t.Context(), b.stampToken([]byte("x"), digest), over([]byte("x")), nil, nil); got.SubIndication != want {
			t.Errorf("%s: got %+v, want %s", digest, got.Outcome, want)
		}
	}
}

// TestWhatStandsBesideCMSIsNotSigned: other programs show it.
func TestWhatStandsBesideCMSIsNotSigned(t *testing.T) {
	b := newBench(t)
	der := b.openssl("-nodetach")([]byte("100"))
	text := pemOf("CMS", der)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	note := []byte("Số tiền: 900\n")
	for _, test := range []struct {
		name string
		data []byte
		good bool
	}{
		{"alone", der, true},
		{"an end of line", join(der, []byte("\r\n")), true},
		{"zeros", join(der, make([]byte, 9)), true},
		{"text behind", join(der, note), false},
		{"CMS behind", join(der, der), false},
		{"PEM", text, true},
		{"PEM between blank lines", join([]byte("\n"), text, []byte("\n")), true},
		{"text before PEM", join(note, text), false},
		{"text behind PEM", join(text, note), false},
		{"PEM that is none before PEM", join([]byte("-----BEGIN CMS-----\n"), note, []byte("-----END CMS-----\n"), text), false},
		{"headers in PEM", bytes.Replace(text, []byte("-----\n"), []byte("-----\nTien: 900\n\n"), 1), false},
		{"Base64", []byte(base64.StdEncoding.EncodeToString(der)), true},
		{"text behind Base64", join([]byte(base64.StdEncoding.EncodeToString(der)), note), false},
	} {
		r := checkBytes(t, "x.p7m", test.data, b.opts)
		if test.good && r.Indication != Passed || !test.good && (r.Indication != Failed || r.SubIndication != FormatFailure) {
			t.Errorf("%s: got %+v", test.name, r.Outcome)
		}
	}
}

func TestDatesOfPDFWithoutAZoneAreVietnams(t *testing.T) {
	want := time.Date(2026, 11, 21, 2, 30, 12, 0, time.UTC)
	for _, text := range []string{"D:20261121093012+07'00'", "D:20261121093012+07'00", "D:20261121023012Z", "D:20261121093012"} {
		if got := pdfTime(pdf.String{Bytes: []byte(text)}); !got.Equal(want) {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if got := pdfTime(pdf.Name("D:20261121093012")); !got.IsZero() {
		t.Errorf("a name: got %v", got)
	}
}

func TestSharesOfListsAreNotTakenForTheWhole(t *testing.T) {
	p := newPKI(t)
	signer := p.issue(p.ca, "A", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://ca/1.crl"} })
	at := testNow.Add(-time.Hour)
	limited := func(value []byte, id ...int) Evidence {
		template := &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 1),
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: true, Value: value}}}
		der, err := x509.CreateRevocationList(rand.Reader, template, p.ca.cert, p.ca.key)
		if err != nil {
			t.Fatal(err)
		}
		list, err := ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		return Evidence{CRL: list}
	}
	point := func(name string) []byte {
		uri := append([]byte{0x86, byte(len(name))}, name...)
		full := append([]byte{0xa0, byte(len(uri))}, uri...)
		dp := append([]byte{0xa0, byte(len(full))}, full...)
		return append([]byte{0x30, byte(len(dp))}, dp...)
	}
	for _, test := range []struct {
		name string
		e    Evidence
		want SubIndication
	}{
		{"own share", limited(point("http://ca/1.crl"), 2, 5, 29, 28), ""},
		{"another share", limited(point("http://ca/2.crl"), 2, 5, 29, 28), TryLater},
		{"users only", limited([]byte{0x30, 3, 0x81, 1, 0xff}, 2, 5, 29, 28), ""},
		{"authorities only", limited([]byte{0x30, 3, 0x82, 1, 0xff}, 2, 5, 29, 28), TryLater},
		{"indirect", limited([]byte{0x30, 3, 0x84, 1, 0xff}, 2, 5, 29, 28), TryLater},
		{"attribute certificates", limited([]byte{0x30, 3, 0x85, 1, 0xff}, 2, 5, 29, 28), TryLater},
		{"delta", limited([]byte{2, 1, 1}, 2, 5, 29, 27), TryLater},
		{"unknown rule", limited([]byte{5, 0}, 2, 5, 29, 99), TryLater},
	} {
		o := p.options()
		o.Revocations = known{p.fresh()[0], test.e}
		var s Signature
		newChecker(o).judge(t.Context(), &s, claim{cert: signer.cert})
		if s.SubIndication != test.want {
			t.Errorf("%s: got %+v, want %q", test.name, s.Outcome, test.want)
		}
	}
}

func TestAttributesOfAnotherSignatureAreNoContent(t *testing.T) {
	b := newBench(t)
	der := b.library(nil)([]byte("content"))
	d := mustParse(t, der)
	// The signed attributes become the content of a signature without attributes.
	forged := &signedData{contentType: oidData, attached: true, content: d.signers[0].signed, certs: d.certs}
	info := d.signers[0]
	info.signed, info.attrs = nil, nil
	var s Signature
	if err := newChecker(b.opts).verifySigner(t.Context(), &s, forged, info, over(forged.content), terms{}); err != nil {
		t.Fatal(err)
	}
	if s.Indication != Failed {
		t.Errorf("got %+v", s.Outcome)
	}
}

func TestLimitsHold(t *testing.T) {
	o := newPKI(t).options()
	if _, err := Check(t.Context(), "x.pdf", bytes.NewReader(nil), MaxFile+1, o); err == nil {
		t.Error("a file beyond the limit is read")
	}
	big := append([]byte{0x30, 0x84, 0x02, 0, 0, 0, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}, make([]byte, MaxCMS)...)
	if r := checkBytes(t, "x.p7m", big, o); r.Indication != Indeterminate || r.Reason.Code != "too-large" {
		t.Errorf("large CMS: %+v", r.Outcome)
	}
	deep := strings.Repeat("\x30\x80", 100000)
	if r := checkBytes(t, "x.p7m", []byte(deep), o); r.Indication != Failed {
		t.Errorf("deep CMS: %+v", r.Outcome)
	}
	if r := checkBytes(t, "x.pdf", []byte("%PDF-1.7\n"+strings.Repeat("<< /ByteRange ", 100000)), o); r.Indication != Failed {
		t.Errorf("deep PDF: %+v", r.Outcome)
	}
}
