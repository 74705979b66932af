package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/evidence"
	"tram/agent/seal"
	"tram/agent/verify"
	"tram/sync/bundle"
)

var at = time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)

// authority is a CA with its pool.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key, a.cert = a.certify(&x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) certify(c *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key := newKey(a.t)
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	c.NotBefore, c.NotAfter = at.AddDate(-1, 0, 0), at.AddDate(1, 0, 0)
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// reissue makes a certificate of this authority for the key and name of another.
func (a *authority) reissue(cert *x509.Certificate) *x509.Certificate {
	a.t.Helper()
	c := *cert
	c.RawIssuer, c.AuthorityKeyId = nil, nil
	der, err := x509.CreateCertificate(rand.Reader, &c, a.cert, cert.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	again, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return again
}

// revoke makes a list that revokes a certificate.
func (a *authority) revoke(cert *x509.Certificate) []*x509.RevocationList {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 7),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: cert.SerialNumber, RevocationTime: at}},
	}, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return []*x509.RevocationList{list}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sealer(code string) seal.Sealer {
	a.t.Helper()
	key, cert := a.certify(&x509.Certificate{
		Subject:  pkix.Name{CommonName: "UBND " + code, SerialNumber: code, OrganizationalUnit: []string{"seal"}},
		KeyUsage: x509.KeyUsageDigitalSignature,
	})
	return seal.Sealer{Key: key, Cert: cert, Now: func() time.Time { return at }}
}

func organ(code string) edxml.Organ {
	return edxml.Organ{ID: code, InCharge: "UBND", Name: "UBND " + code}
}

// document is the sealed head of a document of H40.12.
func (a *authority) document(by string) []byte {
	a.t.Helper()
	date, _ := edxml.ParseDate("2026-03-02")
	code := edxml.Code{Number: "15", Notation: "UBND-VP"}
	var message bytes.Buffer
	err := edxml.EncodeDocument(&message, &edxml.Document{
		From: organ("H40.12"), To: []edxml.Organ{organ("H40.15")}, ID: edxml.ClassicID("H40.12", date, code), Code: code, Place: "An Bình", Date: date,
		Type: edxml.Type{Number: "2", Name: "Công văn"}, Subject: "V/v họp", Content: "V/v họp", Signer: edxml.Signer{Position: "Chủ tịch", FullName: "Nguyễn Văn A"},
		Manifest: []edxml.Reference{{ContentID: "1", ContentType: "application/pdf", Description: "a.pdf", Name: "a.pdf"}},
		Other:    edxml.Other{Priority: "0", Sphere: "1", Typist: "vt", Amount: "1", Pages: "1", Direction: "false"}, SteeringType: "1",
		Trace:    []edxml.Trace{{OrganID: "H40.12", Time: at}},
		Business: &edxml.Business{Operation: edxml.OpNew, Reason: "mới", Paper: "0", Staff: &edxml.Staff{Department: "Văn thư", Name: "vt"}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sealed(by, seal.MessageName, message.Bytes())
}

func (a *authority) sealed(by, name string, data []byte) []byte {
	a.t.Helper()
	head, err := a.sealer(by).Seal(seal.Named{Name: name, Data: data}, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return head
}

// status is the answer of an office, in the name of from, on a document.
func (a *authority) status(by, from, about string) seal.Extra {
	a.t.Helper()
	var message bytes.Buffer
	err := edxml.EncodeStatus(&message, &edxml.Status{
		From: organ(from), Code: edxml.StatusAccepted, Time: at, Staff: edxml.Staff{Department: "Văn thư", Name: "vt"},
		ResponseFor: edxml.ResponseFor{OrganID: "H40.12", DocumentID: about, Code: "15/UBND-VP"},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return seal.Extra{Data: a.sealed(by, seal.StatusName(from, "1"), message.Bytes())}
}

// header is the signed bundle header of the document.
func header(t testing.TB) bundle.Signed {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bundle.Sign(bundle.Header{
		ID: uuid.MustParse("0192f3a4-5b6c-7d8e-9f00-112233445566"), From: "H40.12", To: []string{"H40.15"}, Kind: bundle.KindDocument,
		Created: at, Expires: at.Add(time.Hour), Key: key.Recipient(), Objects: []bundle.Object{bundle.Describe([]byte("x"), bundle.RoleHead, bundle.Plain)},
	}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (a *authority) evidence(by string, h bundle.Signed, change func(*evidence.Record)) seal.Extra {
	a.t.Helper()
	r := evidence.Record{Document: h.Header.ID, Header: h.Digest(), From: "H40.12", Witness: "H40", Events: []evidence.Event{{Name: evidence.SubmissionAcceptance, At: at}}}
	if change != nil {
		change(&r)
	}
	head, err := evidence.Seal(r, a.sealer(by))
	if err != nil {
		a.t.Fatal(err)
	}
	return seal.Extra{Data: head}
}

func container(t testing.TB, head []byte, extra ...seal.Extra) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := seal.WriteContainer(&b, head, func(seal.File) (io.ReadCloser, error) { return nil, os.ErrNotExist }, extra); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestP7_WhatIsSealedIsTheSigners, and about this document.
func TestP7_WhatIsSealedIsTheSigners(t *testing.T) {
	a := newAuthority(t)
	h, other := header(t), header(t)
	signed := seal.Extra{Name: seal.HeaderName, Data: h.Raw}
	date, _ := edxml.ParseDate("2026-03-02")
	id := edxml.ClassicID("H40.12", date, edxml.Code{Number: "15", Notation: "UBND-VP"})
	good := a.document("H40.12")
	for name, c := range map[string]struct {
		file   []byte
		result seal.Result
		reason seal.Reason
	}{
		"document alone":              {container(t, good), seal.Passed, ""},
		"with everything":             {container(t, good, signed, a.status("H40.15", "H40.15", id), a.evidence("H40", h, nil)), seal.Passed, ""},
		"status names the bundle":     {container(t, good, signed, a.status("H40.15", "H40.15", h.Header.ID.String())), seal.Passed, ""},
		"document of another office":  {container(t, a.document("H40.13")), seal.Failed, seal.ReasonOffice},
		"status of another office":    {container(t, good, signed, a.status("H40.16", "H40.15", id)), seal.Failed, seal.ReasonOffice},
		"status on another document":  {container(t, good, signed, a.status("H40.15", "H40.15", "000.00.00.H40,2026/01/01,1-X")), seal.Failed, seal.ReasonSubject},
		"evidence of another hub":     {container(t, good, signed, a.evidence("H41", h, nil)), seal.Failed, seal.ReasonOffice},
		"evidence on another header":  {container(t, good, signed, a.evidence("H40", other, nil)), seal.Failed, seal.ReasonSubject},
		"evidence on another id":      {container(t, good, signed, a.evidence("H40", h, func(r *evidence.Record) { r.Document = uuid.New() })), seal.Failed, seal.ReasonSubject},
		"evidence without the header": {container(t, good, a.evidence("H40", h, nil)), seal.Failed, seal.ReasonSubject},
		"no document":                 {container(t, a.status("H40.15", "H40.15", id).Data), seal.Failed, seal.ReasonSubject},
		"no message":                  {container(t, a.sealed("H40.12", seal.MessageName, []byte("junk"))), seal.Failed, seal.ReasonSubject},
	} {
		r, err := verify.Container(bytes.NewReader(c.file), int64(len(c.file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(a.pool), Now: at}})
		if err != nil || r.Result != c.result || r.Reason != c.reason {
			t.Errorf("%s: %s %q, %v; want %s %q", name, r.Result, r.Reason, err, c.result, c.reason)
		}
	}
}

// FuzzContainer: hostile bytes give an error or a verdict, never a panic, and
// nothing passes under a CA that issued nothing.
func FuzzContainer(f *testing.F) {
	a := newAuthority(f)
	h := header(f)
	f.Add(container(f, a.document("H40.12")))
	f.Add(container(f, a.document("H40.12"), seal.Extra{Name: seal.HeaderName, Data: h.Raw}, a.evidence("H40", h, nil)))
	whole := newHub(f, "H40")
	f.Add(container(f, whole.document("H40.12"), whole.whole().extra()...))
	nobody := newAuthority(f).pool
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, alone := range []bool{false, true} {
			r, err := verify.Container(bytes.NewReader(raw), int64(len(raw)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(nobody), Stamps: nobody, Now: at}, Vouching: alone})
			if err == nil && r.Result == seal.Passed {
				t.Error("a container passes that nobody sealed")
			}
			for _, p := range r.Proofs {
				if p.Result == seal.Passed {
					t.Errorf("a %s passes that nobody signed", p.Kind)
				}
			}
		}
	})
}
