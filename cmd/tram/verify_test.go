package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/cmd/internal/cli"
)

// authority is a CA of these tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func makeAuthority(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	a := &authority{t: t}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	a.key, a.cert = certify(t, c, by)
	return a
}

// certify makes a key and its certificate; by nil: self-signed.
func certify(t *testing.T, c *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(1, 0, 0)
	}
	c.BasicConstraintsValid = true
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// sealer makes the seal of office H40.12; change makes it another one.
func (a *authority) sealer(change func(*x509.Certificate)) seal.Sealer {
	a.t.Helper()
	c := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "UBND xã An Bình", SerialNumber: "H40.12", OrganizationalUnit: []string{"seal"}},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	var s seal.Sealer
	var key *ecdsa.PrivateKey
	key, s.Cert = certify(a.t, c, a)
	s.Key = key
	return s
}

// letter is a document of H40.12 under a seal, as a file.
func letter(t *testing.T, s seal.Sealer) string {
	t.Helper()
	var file bytes.Buffer
	if err := seal.WriteContainer(&file, sealedLetter(t, s), func(seal.File) (io.ReadCloser, error) { return nil, os.ErrNotExist }, nil); err != nil {
		t.Fatal(err)
	}
	return write(t, "letter.asice", file.Bytes())
}

// sealedLetter is its head.
func sealedLetter(t *testing.T, s seal.Sealer) []byte {
	t.Helper()
	var message bytes.Buffer
	organ := func(code string) edxml.Organ { return edxml.Organ{ID: code, InCharge: "UBND", Name: "UBND " + code} }
	date, ok := edxml.ParseDate("2026-03-02")
	if !ok {
		t.Fatal("no date")
	}
	code := edxml.Code{Number: "15", Notation: "UBND-VP"}
	err := edxml.EncodeDocument(&message, &edxml.Document{
		From: organ("H40.12"), To: []edxml.Organ{organ("H40.15")}, ID: edxml.ClassicID("H40.12", date, code), Code: code, Place: "An Bình", Date: date,
		Type: edxml.Type{Number: "2", Name: "Công văn"}, Subject: "V/v họp", Content: "V/v họp", Signer: edxml.Signer{Position: "Chủ tịch", FullName: "Nguyễn Văn A"},
		Manifest: []edxml.Reference{{ContentID: "1", ContentType: "application/pdf", Description: "a.pdf", Name: "a.pdf"}},
		Other:    edxml.Other{Priority: "0", Sphere: "1", Typist: "vt", Amount: "1", Pages: "1", Direction: "false"}, SteeringType: "1",
		Trace:    []edxml.Trace{{OrganID: "H40.12", Time: time.Now()}},
		Business: &edxml.Business{Operation: edxml.OpNew, Reason: "mới", Paper: "0", Staff: &edxml.Staff{Department: "Văn thư", Name: "vt"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Seal(seal.Named{Name: seal.MessageName, Data: message.Bytes()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (a *authority) file() string {
	a.t.Helper()
	return write(a.t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a *authority) revoke(serial *big.Int, when time.Time) string {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: when, NextUpdate: when.AddDate(0, 0, 7),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: serial, RevocationTime: when}},
	}, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return write(a.t, "list.crl", der)
}

// tram runs the program as on a machine that knows no office.
func tram(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	app := program(cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(string) string { return "" }})
	code = app.Run(t.Context(), append([]string{"--data", filepath.Join(t.TempDir(), "nobody")}, args...))
	return code, o.String(), e.String()
}

// TestVerifyRefusesEachBadSealByName is the table of refusals, of a program
// that has nothing but the file and the CA.
func TestVerifyRefusesEachBadSealByName(t *testing.T) {
	root, other := makeAuthority(t, "Root", nil), makeAuthority(t, "Other", nil)
	namesake := makeAuthority(t, "Root", nil)
	ca := root.file()
	good := root.sealer(nil)
	revoked := root.sealer(nil)
	past, future := time.Now().AddDate(0, -2, 0), time.Now().AddDate(0, 2, 0)
	expired := root.sealer(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = past.AddDate(-1, 0, 0), past })
	early := root.sealer(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = future, future.AddDate(1, 0, 0) })
	self := seal.Sealer{}
	var key *ecdsa.PrivateKey
	key, self.Cert = certify(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "UBND xã An Bình", SerialNumber: "H40.12", OrganizationalUnit: []string{"seal"}}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, nil)
	self.Key = key
	seen := map[string]string{}
	for _, c := range []struct {
		name   string
		sealer seal.Sealer
		more   []string
		reason seal.Reason
	}{
		{"good", good, nil, ""},
		{"revoked", revoked, []string{"--crl", root.revoke(revoked.Cert.SerialNumber, past)}, seal.ReasonRevoked},
		{"expired", expired, nil, seal.ReasonExpired},
		{"not yet valid", early, nil, seal.ReasonNotYet},
		{"wrong office", root.sealer(func(c *x509.Certificate) { c.Subject.SerialNumber = "H40.13" }), nil, seal.ReasonOffice},
		{"wrong usage", root.sealer(func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"device"} }), nil, seal.ReasonNotSeal},
		{"unknown CA", other.sealer(nil), nil, seal.ReasonUnknownCA},
		{"broken chain", namesake.sealer(nil), nil, seal.ReasonChain},
		{"self-signed", self, nil, seal.ReasonSelfSigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := letter(t, c.sealer)
			code, out, errs := tram(t, append([]string{"verify", "--ca", ca, file}, c.more...)...)
			if c.reason == "" {
				if code != 0 || !strings.Contains(out, "HỢP LỆ: mọi dấu đều đúng / VALID: every seal holds") {
					t.Errorf("exit code %d\n%s%s", code, out, errs)
				}
				return
			}
			vi, en := i18n.T(i18n.Vietnamese, "verify.reason."+string(c.reason)), i18n.T(i18n.English, "verify.reason."+string(c.reason))
			if code != 14 || !strings.Contains(out, vi+" / "+en) || !strings.Contains(errs, vi) || !strings.Contains(errs, "[tram.seal-not-passed]") {
				t.Errorf("exit code %d, want 14 and %q\n%s%s", code, vi, out, errs)
			}
			if before, twice := seen[vi]; twice {
				t.Errorf("the message is that of %q", before)
			}
			seen[vi] = c.name
		})
	}
}

func TestVerifyNamesBadFlags(t *testing.T) {
	root := makeAuthority(t, "Root", nil)
	file := letter(t, root.sealer(nil))
	junk := write(t, "junk", []byte("junk"))
	for _, c := range []struct {
		args []string
		code string
	}{
		{[]string{"--ca", junk}, "[tram.no-certificate]"},
		{[]string{"--ca", root.file(), "--tsa-ca", junk}, "[tram.no-certificate]"},
		{[]string{"--ca", root.file(), "--crl", junk}, "[tram.no-crl]"},
		{[]string{"--ca", root.file(), "--crl", "nowhere"}, "[tram.unreadable-file]"},
	} {
		if code, _, errs := tram(t, append([]string{"verify", file}, c.args...)...); code != 2 || !strings.Contains(errs, c.code) {
			t.Errorf("%v: exit code %d\n%s", c.args, code, errs)
		}
	}
}
