package seal

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
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tram/agent/tsa"
)

func newEC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// named is a CA with a name of its own.
func named(t testing.TB, name string) *pki {
	t.Helper()
	p := &pki{t: t, key: newEC(t)}
	p.cert = p.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, p.key.Public())
	return p
}

// below makes a CA under p.
func (p *pki) below(name string, change func(*x509.Certificate)) *pki {
	p.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(c)
	}
	key := newEC(p.t)
	return &pki{t: p.t, key: key, cert: p.sign(c, key.Public())}
}

func TestEachStrangeCertificateHasItsReason(t *testing.T) {
	root, other := named(t, "Root"), named(t, "Other")
	middle := root.below("Middle", nil)
	noCA := root.below("No CA", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	impostor := named(t, "Middle")
	through := func(p *pki, chain ...*x509.Certificate) Sealer {
		s := p.sealer(officeCert(), nil)
		s.Chain = chain
		return s
	}
	self := &pki{t: t, key: newEC(t)}
	alone := officeCert()
	own := Sealer{Key: self.key, Cert: self.sign(alone, self.key.Public()), Now: clock}
	for name, c := range map[string]struct {
		sealer Sealer
		result Result
		reason Reason
	}{
		"through an intermediate":   {through(middle, middle.cert), Passed, ""},
		"intermediate is missing":   {through(middle), Failed, ReasonUnknownCA},
		"unknown CA":                {through(other), Failed, ReasonUnknownCA},
		"unknown CA, brought along": {through(other, other.cert), Failed, ReasonUnknownCA},
		"self-signed":               {own, Failed, ReasonSelfSigned},
	} {
		h, err := OpenHead(mustSeal(t, c.sealer, message), root.roots(), at)
		if err != nil || h.Verdict.Result != c.result || h.Verdict.Reason != c.reason {
			t.Errorf("%s: %s %q, %v; want %s %q", name, h.Verdict.Result, h.Verdict.Reason, err, c.result, c.reason)
		}
	}
	// The library that makes our signatures refuses to make these.
	for name, sig := range map[string]signature{
		"another one of the issuer's name": {Cert: middle.sealer(officeCert(), nil).Cert, Others: []*x509.Certificate{impostor.cert}},
		"the issuer is no CA":              {Cert: noCA.sealer(officeCert(), nil).Cert, Others: []*x509.Certificate{noCA.cert}},
	} {
		sig.SignedAt = at
		if result, reason := sig.checkChain(root.roots(), Trust{Now: at}, time.Time{}); result != Failed || reason != ReasonChain {
			t.Errorf("%s: %s %q", name, result, reason)
		}
	}
}

func (p *pki) crl(when time.Time, serials ...*big.Int) *x509.RevocationList {
	p.t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: when, NextUpdate: when.AddDate(0, 0, 7)}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: when})
	}
	signer, _ := p.key.(*ecdsa.PrivateKey)
	der, err := x509.CreateRevocationList(rand.Reader, l, p.cert, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return parsed
}

// stamper is the time stamp authority of a CA.
func (p *pki) stamper(now time.Time) tsa.Authority {
	p.t.Helper()
	usage, err := tsa.Usage()
	if err != nil {
		p.t.Fatal(err)
	}
	key := newEC(p.t)
	cert := p.sign(&x509.Certificate{
		SerialNumber: big.NewInt(99), Subject: pkix.Name{CommonName: tsa.ReserveName + " H01"}, NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage},
	}, key.Public())
	return tsa.Authority{Key: key, Cert: cert, Policy: tsa.ReservePolicy, Accuracy: time.Second, Now: func() (time.Time, bool) { return now, true }}
}

// stamped exports a document with a time stamp of the hub.
func stamped(t testing.TB, head []byte, a tsa.Authority) []byte {
	t.Helper()
	name := StampName("H01")
	sum, err := StampOn(head, name)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.Stamp(tsa.Request{Imprint: tsa.SHA256(sum), Certificates: true})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	open := func(File) (io.ReadCloser, error) { return nil, ErrHash }
	if err := WriteContainer(&b, head, open, []Extra{{Name: name, Data: token}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRevokedAndExpiredSealsRestOnTheirTimeStamp(t *testing.T) {
	p := named(t, "Root")
	s := p.sealer(officeCert(), nil)
	head := mustSeal(t, s, message)
	plain := bare(t, head)
	early, late := stamped(t, head, p.stamper(at.Add(time.Minute))), stamped(t, head, p.stamper(at.AddDate(0, 2, 0)))
	revoked := p.crl(at.AddDate(0, 1, 0), s.Cert.SerialNumber)
	foreign := named(t, "Root").crl(at, s.Cert.SerialNumber)
	for name, c := range map[string]struct {
		file   []byte
		crls   []*x509.RevocationList
		now    time.Time
		result Result
		reason Reason
	}{
		"good":                              {plain, nil, at.AddDate(0, 3, 0), Passed, ""},
		"another is revoked":                {plain, []*x509.RevocationList{p.crl(at, big.NewInt(5))}, at.AddDate(0, 3, 0), Passed, ""},
		"list of a stranger":                {plain, []*x509.RevocationList{foreign}, at.AddDate(0, 3, 0), Passed, ""},
		"revoked":                           {plain, []*x509.RevocationList{revoked}, at.AddDate(0, 3, 0), Failed, ReasonRevoked},
		"revoked after the time stamp":      {early, []*x509.RevocationList{revoked}, at.AddDate(0, 3, 0), Passed, ""},
		"revoked before the time stamp":     {late, []*x509.RevocationList{revoked}, at.AddDate(0, 3, 0), Failed, ReasonRevoked},
		"expired since":                     {plain, nil, at.AddDate(3, 0, 0), Indeterminate, ReasonExpiredSince},
		"expired since, with a time stamp":  {early, nil, at.AddDate(3, 0, 0), Passed, ""},
		"time stamp in the reader's future": {late, nil, at.Add(time.Hour), Failed, ReasonStamp},
	} {
		r, err := VerifyContainerWith(bytes.NewReader(c.file), int64(len(c.file)), Trust{
			Roots: Only(p.roots()), CRLs: c.crls, Stamps: p.roots(), Now: c.now,
		})
		if err != nil || r.Result != c.result || r.Reason != c.reason {
			t.Errorf("%s: %s %q, %v; want %s %q", name, r.Result, r.Reason, err, c.result, c.reason)
		}
	}
}

// bare exports a document without files.
func bare(t testing.TB, head []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteContainer(&b, head, func(File) (io.ReadCloser, error) { return nil, ErrHash }, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestATimeStampIsOnThisSeal(t *testing.T) {
	p, stranger := named(t, "Root"), named(t, "Stranger")
	s := p.sealer(officeCert(), nil)
	head, other := mustSeal(t, s, message), mustSeal(t, s, message)
	good := stamped(t, head, p.stamper(at))
	moved := rezip(t, good, func(name string, data []byte) (string, []byte) {
		if name == StampName("H01") {
			return name, entry(t, stamped(t, other, p.stamper(at)), name)
		}
		return name, data
	})
	swapped := rezip(t, good, func(name string, data []byte) (string, []byte) {
		if name == "META-INF/signature001.p7s" {
			return name, entry(t, other, name)
		}
		return name, data
	})
	without := rezip(t, good, func(name string, data []byte) (string, []byte) {
		if name == StampName("H01") {
			return name, nil
		}
		return name, data
	})
	for name, c := range map[string]struct {
		file   []byte
		roots  *x509.CertPool
		want   Result
		reason StampReason
		total  Result
	}{
		"good":             {good, p.roots(), Passed, "", Passed},
		"no anchors":       {good, nil, Indeterminate, StampNoAnchors, Passed},
		"unknown":          {good, stranger.roots(), Indeterminate, StampChain, Passed},
		"of another seal":  {moved, p.roots(), Failed, StampHash, Failed},
		"seal was changed": {swapped, p.roots(), Failed, StampHash, Failed},
		"token is gone":    {without, p.roots(), Failed, StampUnreadable, Failed},
	} {
		r, err := VerifyContainerWith(bytes.NewReader(c.file), int64(len(c.file)), Trust{Roots: Only(p.roots()), Stamps: c.roots, Now: at})
		if err != nil || len(r.Stamps) != 1 || r.Stamps[0].Result != c.want || r.Stamps[0].Reason != c.reason || r.Result != c.total {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		if c.want == Passed && (!r.Stamps[0].Reserve || !r.Stamps[0].Time.Equal(at) || !r.Seals[0].Verdict.Stamped.Equal(at)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestP12_OpenSSLChecksTheTimeStampOfASeal(t *testing.T) {
	openssl := tool(t, "openssl")
	p := named(t, "Root")
	file := stamped(t, mustSeal(t, p.sealer(officeCert(), nil), message), p.stamper(at))
	dir := t.TempDir()
	for from, to := range map[string]string{
		StampName("H01"): "token", "META-INF/ASiCManifest-timestamp-H01.xml": "manifest",
	} {
		if err := os.WriteFile(filepath.Join(dir, to), entry(t, file, from), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), p.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, openssl, "ts", "-verify", "-data", filepath.Join(dir, "manifest"), "-in", filepath.Join(dir, "token"), "-token_in",
		"-CAfile", filepath.Join(dir, "ca.pem"), "-attime", strconv.FormatInt(at.Unix(), 10))
	if err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}
