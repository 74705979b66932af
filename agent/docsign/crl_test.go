package docsign

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// list makes a list of by as of an hour ago.
func (p *pki) list(by node, change func(*x509.RevocationList)) []byte {
	p.t.Helper()
	at := testNow.Add(-time.Hour)
	template := &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 1)}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, by.cert, by.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return der
}

// many are entries with serial numbers of every length.
func many(n int) (all []x509.RevocationListEntry) {
	for i := range n {
		serial := new(big.Int).Lsh(big.NewInt(int64(i+1)), uint(i%19*8))
		all = append(all, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: testNow.Add(-time.Duration(i+1) * time.Hour), ReasonCode: i % 6})
	}
	return all
}

// sameAsLibrary holds what was read against the standard library.
func sameAsLibrary(t *testing.T, der []byte, l *CRL) {
	t.Helper()
	want, err := x509.ParseRevocationList(der)
	if err != nil {
		return // stricter about names and times of entries, of which nothing is used
	}
	if !bytes.Equal(l.Raw, want.Raw) || !bytes.Equal(l.Issuer, want.RawIssuer) || !l.ThisUpdate.Equal(want.ThisUpdate) || !l.NextUpdate.Equal(want.NextUpdate) ||
		!bytes.Equal(l.signed, want.RawTBSRevocationList) || !bytes.Equal(l.value, want.Signature) {
		t.Fatalf("got %v %v, want %v %v", l.ThisUpdate, l.NextUpdate, want.ThisUpdate, want.NextUpdate)
	}
	if want.Number != nil && (l.Number == nil || l.Number.Cmp(want.Number) != 0) {
		t.Fatalf("number %v, want %v", l.Number, want.Number)
	}
	entries := map[string]x509.RevocationListEntry{} // those that count
	for _, e := range want.RevokedCertificateEntries {
		if before, ok := entries[e.SerialNumber.String()]; !ok || before.ReasonCode == reasonHold {
			entries[e.SerialNumber.String()] = e
		}
	}
	for _, e := range entries {
		if got, at, found := l.find(e.SerialNumber); !found || got.reason != e.ReasonCode || !at.Equal(e.RevocationTime) {
			t.Fatalf("serial number %v: found %v, reason %d at %v, want %d at %v", e.SerialNumber, found, got.reason, at, e.ReasonCode, e.RevocationTime)
		}
	}
}

func TestListsReadAsByTheStandardLibrary(t *testing.T) {
	p := newPKI(t)
	for name, change := range map[string]func(*x509.RevocationList){
		"empty":   nil,
		"entries": func(l *x509.RevocationList) { l.RevokedCertificateEntries = many(1000) },
		"late":    func(l *x509.RevocationList) { l.NextUpdate = time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		der := p.list(p.ca, change)
		l, err := ParseCRL(der)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sameAsLibrary(t, der, l)
		if err := l.From(p.ca.cert); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, found := l.find(big.NewInt(77777)); found {
			t.Errorf("%s: finds what is not there", name)
		}
		for cut := range min(len(der), 300) {
			if _, err := ParseCRL(der[:len(der)-1-cut]); !errors.Is(err, errList) {
				t.Fatalf("%s: reads a list that ends early", name)
			}
		}
	}
	if _, err := ParseCRL(make([]byte, MaxCRL+1)); !errors.Is(err, errList) {
		t.Error("reads a list that is too large")
	}
}

// TestP9_ListsOfManyEntriesTakeNoRoom: those of large authorities are read on
// machines with little memory.
func TestP9_ListsOfManyEntriesTakeNoRoom(t *testing.T) {
	p := newPKI(t)
	signer := p.issue(p.ca, "A")
	der := p.list(p.ca, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = append(many(20000), entry(signer, testNow.Add(-2*time.Hour), 1))
	})
	allocations := testing.AllocsPerRun(3, func() {
		l, err := ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := readCRL(l, signer.cert, p.ca.cert); err != nil || r.Status != StatusRevoked {
			t.Fatal(r, err)
		}
	})
	if allocations > 100 {
		t.Errorf("%v allocations for 20,000 entries", allocations)
	}
}

func TestOfTwoEntriesThatWhichRevokesForEverCounts(t *testing.T) {
	p := newPKI(t)
	signer := p.issue(p.ca, "A")
	hold, final := entry(signer, testNow.Add(-3*time.Hour), 6), entry(signer, testNow.Add(-2*time.Hour), 1)
	for _, entries := range [][]x509.RevocationListEntry{{hold, final}, {final, hold}} {
		l, err := ParseCRL(p.list(p.ca, func(l *x509.RevocationList) { l.RevokedCertificateEntries = entries }))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := readCRL(l, signer.cert, p.ca.cert); err != nil || r.Why != "keyCompromise" || !r.RevokedAt.Equal(final.RevocationTime) {
			t.Errorf("got %+v %v", r, err)
		}
	}
}

func TestListsAreHeldToTheirIssuer(t *testing.T) {
	p := newPKI(t)
	old := p.issueFor(p.root, "CA", testRSA(), asCA)
	der := p.list(p.ca, nil)
	forged := bytes.Clone(der)
	forged[len(forged)-1] ^= 1
	weak := p.list(old, func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA1WithRSA })
	pss := p.list(old, func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA256WithRSAPSS })
	changed := func(n node, f func(*x509.Certificate)) *x509.Certificate {
		c := *n.cert
		f(&c)
		return &c
	}
	for _, test := range []struct {
		name string
		der  []byte
		by   *x509.Certificate
		want string // "" when it is the issuer's
	}{
		{"good", der, p.ca.cert, ""},
		{"good, RSA PSS", pss, old.cert, ""},
		{"another name", der, p.root.cert, "another one"},
		{"another key of the same name", der, old.cert, "algorithm"},
		{"forged", forged, p.ca.cert, "value is wrong"},
		{"SHA-1", weak, old.cert, "algorithm"},
		{"issuer is no authority", der, changed(p.ca, func(c *x509.Certificate) { c.IsCA = false }), "no authority"},
		{"issuer may not sign lists", der, changed(p.ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }), "may not sign"},
	} {
		l, err := ParseCRL(test.der)
		if err != nil {
			t.Fatal(test.name, err)
		}
		err = l.From(test.by)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// TestASilenceThatMeansNothingIsTold has lists that say less than all about a
// certificate, whatever they mark as critical.
func TestASilenceThatMeansNothingIsTold(t *testing.T) {
	p := newPKI(t)
	signer := p.issue(p.ca, "A", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://ca/1.crl"} })
	with := func(critical bool, value []byte, id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: value}}
		}
	}
	inEntry := func(critical bool, value []byte, id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			e := many(1)
			e[0].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: value}}
			l.RevokedCertificateEntries = e
		}
	}
	directory := []byte{0x30, 8, 0xa0, 6, 0xa0, 4, 0xa4, 2, 0x30, 0}
	relative := []byte{0x30, 6, 0xa0, 4, 0xa1, 2, 0x31, 0}
	for _, test := range []struct {
		name   string
		change func(*x509.RevocationList)
		speaks bool
	}{
		{"whole", nil, true},
		{"a note", with(false, []byte{5, 0}, 2, 5, 29, 99), true},
		{"a rule", with(true, []byte{5, 0}, 2, 5, 29, 99), false},
		{"delta", with(true, []byte{2, 1, 1}, 2, 5, 29, 27), false},
		{"delta, not critical", with(false, []byte{2, 1, 1}, 2, 5, 29, 27), false},
		{"point without names of the web", with(true, directory, 2, 5, 29, 28), false},
		{"point named relative to the issuer", with(true, relative, 2, 5, 29, 28), false},
		{"some reasons", with(true, []byte{0x30, 4, 0x83, 2, 6, 0x40}, 2, 5, 29, 28), false},
		{"reasons, none of them", with(true, []byte{0x30, 3, 0x83, 1, 0}, 2, 5, 29, 28), false},
		{"indirect, not critical", with(false, []byte{0x30, 3, 0x84, 1, 0xff}, 2, 5, 29, 28), false},
		{"no limit at all", with(true, []byte{0x30, 0}, 2, 5, 29, 28), true},
		{"entry of another issuer", inEntry(true, []byte{0x30, 0}, 2, 5, 29, 29), false},
		{"entry of another issuer, not critical", inEntry(false, []byte{0x30, 0}, 2, 5, 29, 29), false},
		{"entry with a rule", inEntry(true, []byte{5, 0}, 2, 5, 29, 99), false},
		{"entry with a date of invalidity", inEntry(false, append([]byte{0x18, 15}, "20260101000000Z"...), 2, 5, 29, 24), true},
	} {
		l, err := ParseCRL(p.list(p.ca, test.change))
		if err != nil {
			t.Fatal(test.name, err)
		}
		if _, err := readCRL(l, signer.cert, p.ca.cert); (err == nil) != test.speaks || err != nil && !errors.Is(err, errScope) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

func TestOpenSSLListsAreRead(t *testing.T) {
	f := newFiles(t)
	f.write("index.txt", []byte("R\t300101000000Z\t260101000000Z,keyCompromise\t0A\tunknown\t/CN=x\nR\t300101000000Z\t260102000000Z\t00FF0102030405060708\tunknown\t/CN=y\n"))
	f.write("number", []byte("1000\n"))
	f.write("ca.cnf", []byte("[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ncertificate=root.pem\nprivate_key=root.key\ndefault_md=sha384\ndefault_crl_days=7\ncrlnumber=number\n"))
	f.must("openssl", strings.Fields("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout root.key -out root.pem -subj /CN=Root -days 30 -addext keyUsage=critical,keyCertSign,cRLSign")...)
	f.must("openssl", strings.Fields("ca -config ca.cnf -gencrl -out list.pem")...)
	f.must("openssl", strings.Fields("crl -in list.pem -outform DER -out list.crl")...)
	f.must("openssl", strings.Fields("x509 -in root.pem -outform DER -out root.der")...)
	root, err := x509.ParseCertificate(f.read("root.der"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseCRL(f.read("list.crl"))
	if err != nil {
		t.Fatal(err)
	}
	sameAsLibrary(t, l.Raw, l)
	if err := l.From(root); err != nil || l.Number.Int64() != 0x1000 {
		t.Errorf("number %v, error %v", l.Number, err)
	}
	if e, at, found := l.find(big.NewInt(10)); !found || reasonName(e.reason) != "keyCompromise" || at.Year() != 2026 {
		t.Errorf("got %v %v", at, found)
	}
}

// FuzzCRL holds that the reader of lists does not panic, and that what it reads
// is what the standard library reads.
func FuzzCRL(f *testing.F) {
	p := newPKI(f)
	at := []byte{0x30, 3, 0x82, 1, 0xff}
	for _, change := range []func(*x509.RevocationList){
		nil, func(l *x509.RevocationList) { l.RevokedCertificateEntries = many(5) },
		func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: at}}
		},
	} {
		f.Add(p.list(p.ca, change))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseCRL(data)
		if err != nil {
			return
		}
		sameAsLibrary(t, data, l)
		_ = l.About(p.ca.cert)
		if l.From(p.ca.cert) == nil {
			if want, err := x509.ParseRevocationList(data); err != nil || want.CheckSignatureFrom(p.ca.cert) != nil {
				t.Fatal("a list counts that the standard library does not accept")
			}
		}
	})
}

// FuzzOCSP holds that the reader of answers does not panic, and that none counts
// but the one that was signed.
func FuzzOCSP(f *testing.F) {
	p := newPKI(f)
	signer := p.issue(p.ca, "A")
	signed, err := ocsp.CreateResponse(p.ca.cert, p.ca.cert, ocsp.Response{
		Status: ocsp.Good, SerialNumber: signer.cert.SerialNumber, ThisUpdate: testNow, NextUpdate: testNow.Add(time.Hour),
	}, p.ca.key)
	if err != nil {
		f.Fatal(err)
	}
	answer, err := ocsp.ParseResponse(signed, p.ca.cert)
	if err != nil || !aboutIssuer(answer, p.ca.cert) {
		f.Fatalf("the seed is of no use: %v", err)
	}
	f.Add(signed, answer.TBSResponseData)
	f.Fuzz(func(t *testing.T, data, body []byte) {
		if r, err := ReadOCSP(data, signer.cert, p.ca.cert); err == nil && (r.Status != StatusGood || !r.Issued.Equal(testNow)) {
			t.Fatalf("got %+v", r)
		}
		if aboutIssuer(&ocsp.Response{TBSResponseData: body, SerialNumber: signer.cert.SerialNumber}, p.root.cert) {
			t.Fatal("an answer is about an issuer that it does not name")
		}
	})
}
