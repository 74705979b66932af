package xmldsig

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func joined(gaps []Gap) string {
	words := make([]string, len(gaps))
	for i, g := range gaps {
		words[i] = string(g)
	}
	return strings.Join(words, ",")
}

func (s sample) check(t *testing.T) Signature {
	t.Helper()
	all, err := Check([]byte(s.doc))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d signatures, error %v\n%s", len(all), err, s.doc)
	}
	got := all[0]
	if got.Fault != s.fault || got.Scope != s.scope || s.fault == "" && joined(got.Gaps) != s.gaps {
		t.Errorf("fault %q (%s), scope %d, gaps %q; want fault %q, scope %d, gaps %q\n%s", got.Fault, got.Detail, got.Scope, joined(got.Gaps),
			s.fault, s.scope, s.gaps, s.doc)
	}
	return got
}

func TestGoodSignaturesHoldAndTellTheirScope(t *testing.T) {
	for _, s := range goodSamples(t, rsaSigner(t, 2048), ecSigner(t)) {
		t.Run(s.name, func(t *testing.T) {
			if got := s.check(t); got.Cert == nil || len(got.Covers) == 0 {
				t.Errorf("no certificate, or nothing covered: %+v", got)
			}
		})
	}
}

func TestP6_NoHostileSignatureHoldsForTheWhole(t *testing.T) {
	for _, s := range hostileSamples(t, rsaSigner(t, 2048), ecSigner(t)) {
		t.Run(s.name, func(t *testing.T) {
			if got := s.check(t); got.Fault == "" && got.Scope == Whole {
				t.Error("holds for the whole document")
			}
		})
	}
}

func TestTwoSignaturesAreJudgedEachForItself(t *testing.T) {
	a, b := ecSigner(t), rsaSigner(t, 2048)
	doc := `<HoSo><A Id="a">1</A><B Id="b">2</B>` + a.template(exclusive, ref("#a", exclusive), "") + `</HoSo>`
	doc = a.sign(t, doc)
	doc = b.sign(t, replaceOnce(t, doc, `</HoSo>`, b.template(exclusive, ref("", algEnveloped, exclusive), "")+`</HoSo>`))
	all, err := Check([]byte(doc))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d signatures, error %v", len(all), err)
	}
	if all[0].Fault != "" || all[0].Scope != Part || all[1].Fault != "" || all[1].Scope != Whole {
		t.Errorf("first %q %d, second %q %d", all[0].Fault, all[0].Scope, all[1].Fault, all[1].Scope)
	}
	all, err = Check([]byte(replaceOnce(t, doc, ">1<", ">9<")))
	if err != nil || all[0].Fault != FaultHash || all[1].Fault != FaultHash {
		t.Errorf("after a change: %v %v", all, err)
	}
	// A second signature that signs the whole breaks a first one that did.
	first := a.sign(t, body+a.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd)
	both := b.sign(t, replaceOnce(t, first, bodyEnd, b.template(exclusive, ref("", algEnveloped, exclusive), "")+bodyEnd))
	if all, err = Check([]byte(both)); err != nil || all[0].Fault != FaultHash || all[1].Fault != "" {
		t.Errorf("two over the whole: %v %v", all, err)
	}
}

func TestXAdESPropertiesAreReadWhereTheyAreSigned(t *testing.T) {
	s := rsaSigner(t, 2048)
	stamp := `<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm="` +
		exclusive + `"></ds:CanonicalizationMethod><xades:EncapsulatedTimeStamp>MAA=</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>` +
		`</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`
	object := s.qualifying("2026-11-21T09:30:12+07:00", stamp)
	got := one(t, s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive)+ref("#props", exclusive), object)+bodyEnd))
	if got.Fault != "" || got.Scope != Whole || !got.CertBound {
		t.Errorf("fault %q (%s), scope %d, bound %t", got.Fault, got.Detail, got.Scope, got.CertBound)
	}
	if want := time.Date(2026, 11, 21, 2, 30, 12, 0, time.UTC); !got.SignedAt.Equal(want) {
		t.Errorf("signing time %v, want %v", got.SignedAt, want)
	}
	if len(got.Stamps) != 1 || !bytes.Equal(got.Stamps[0].Token, []byte{0x30, 0}) ||
		!strings.HasPrefix(string(got.Stamps[0].Data), `<ds:SignatureValue xmlns:ds="`+spaceDsig+`">`) {
		t.Errorf("stamps %q", got.Stamps)
	}
	// Nothing signs them: no claim is read.
	loose := one(t, s.sign(t, body+s.template(exclusive, ref("", algEnveloped, exclusive), object)+bodyEnd))
	if !loose.SignedAt.IsZero() || loose.CertBound {
		t.Errorf("unsigned properties were read: %+v", loose)
	}
}

func TestTheSignatureOfEdXMLItselfIsNotRead(t *testing.T) {
	doc := `<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><Signature><SignedInfo/></Signature></edXMLHeader></edXMLEnvelope></edXML>`
	if all, err := Check([]byte(doc)); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

func TestP9_WorkIsBounded(t *testing.T) {
	s := ecSigner(t)
	// Every element has to declare a long namespace anew.
	long := `<a xmlns:p="` + strings.Repeat("x", 1<<20) + `">` + strings.Repeat("<p:b></p:b>", 2000) + s.template(exclusive, ref("", algEnveloped, exclusive), "") + `</a>`
	if _, err := Check([]byte(valued(long))); !isError(err, ErrLimit) {
		t.Errorf("long canonical form: %v", err)
	}
	for name, doc := range map[string]string{
		"signatures":   `<a>` + strings.Repeat(`<Signature xmlns="`+spaceDsig+`"/>`, MaxSignatures+1) + `</a>`,
		"references":   s.template(exclusive, strings.Repeat(valued(ref("")), MaxReferences+1), ""),
		"certificates": replaceOnce(t, s.sign(t, s.template(exclusive, ref("#o", exclusive), `<ds:Object Id="o"></ds:Object>`)), "</ds:X509Data>", strings.Repeat(`<ds:X509Certificate>`+s.certBase64()+`</ds:X509Certificate>`, MaxCertificates)+"</ds:X509Data>"),
	} {
		if _, err := Check([]byte(doc)); !isError(err, ErrLimit) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
