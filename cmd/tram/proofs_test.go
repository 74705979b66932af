package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/sync/bundle"
)

// proven is a letter of H40.12 with its bundle header and the hub's custody
// receipt; cards says whether those are in the file with which they are checked.
func (a *authority) proven(cards bool, signer *ecdsa.PrivateKey) string {
	t := a.t
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	device, _ := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "H40.12"}}, a)
	hub, _ := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "H40"}}, a)
	authority, cert := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Tram authority H40", OrganizationalUnit: []string{identity.UnitAuthority}}}, a)
	key, err := bundle.NewKey()
	fail(err)
	if signer == nil {
		signer = device
	}
	now := time.Now()
	header, err := bundle.Sign(bundle.Header{
		ID: uuid.New(), From: "H40.12", To: []string{"H40.15"}, Kind: bundle.KindDocument, Created: now, Expires: now.Add(time.Hour),
		Key: key.Recipient(), Objects: []bundle.Object{bundle.Describe([]byte("x"), bundle.RoleHead, bundle.Plain)},
	}, signer)
	fail(err)
	receipt, err := bundle.SignReceipt(bundle.Receipt{ID: header.Header.ID, Header: header.Digest(), Office: "H40", At: now, Epoch: uuid.New()}, hub)
	fail(err)
	extra := []seal.Extra{{Name: seal.HeaderName, Data: header.Raw}, {Name: seal.CustodyName("H40"), Data: receipt}}
	for code, key := range map[string]*ecdsa.PrivateKey{"H40.12": device, "H40": hub} {
		own, err := age.GenerateX25519Identity()
		fail(err)
		raw, err := registry.SignCard(registry.Card{Code: code, Name: "UBND", Device: &key.PublicKey, Recipient: own.Recipient().String(), Serial: 1, Issued: now}, authority)
		fail(err)
		if cards {
			extra = append(extra, seal.Extra{Name: seal.CardName(code), Data: raw})
		}
	}
	if cards {
		extra = append(extra, seal.Extra{Name: seal.AuthorityName("H40"), Data: cert.Raw})
	}
	var file bytes.Buffer
	fail(seal.WriteContainer(&file, sealedLetter(t, a.sealer(nil)), func(seal.File) (io.ReadCloser, error) { return nil, os.ErrNotExist }, extra))
	return write(t, "letter.asice", file.Bytes())
}

// TestVerifyHasLinesForHeaderAndReceipts in both languages, and in JSON.
func TestVerifyHasLinesForHeaderAndReceipts(t *testing.T) {
	root := makeAuthority(t, "Root", nil)
	ca := root.file()
	stranger, _ := certify(t, &x509.Certificate{}, root)
	unchecked := "chữ ký chưa được kiểm tra ở đây: trong tệp không có thẻ danh bạ của cơ quan này / signature not checked here: card not in the file"
	for _, c := range []struct {
		name, file string
		code       int
		lines      []string
		proofs     string
	}{
		{"proven", root.proven(true, nil), 0, []string{
			"H40.12", "phần đầu gói tin, ký bằng khóa của máy gửi / bundle header, signed with the sending machine's key",
			"biên nhận giữ gói tin, ký bằng khóa của máy nhận giữ / custody receipt, signed with the key of the machine that took the bundle over",
		}, "header H40.12 passed , custody H40 passed "},
		{"of before", root.proven(false, nil), 0, []string{unchecked}, "header H40.12 indeterminate no-card, custody H40 indeterminate no-card"},
		{"forged header", root.proven(true, stranger), 14, []string{"chữ ký hỏng hoặc không đọc được / the signature is broken or unreadable"},
			"header H40.12 failed signature, custody H40 passed "},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := tram(t, "verify", "--ca", ca, c.file)
			if code != c.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, c.code, out, errs)
			}
			for _, line := range c.lines {
				if !strings.Contains(out, line) {
					t.Errorf("no %q in\n%s", line, out)
				}
			}
			_, out, _ = tram(t, "verify", "--json", "--ca", ca, c.file)
			var v verification
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range v.Proofs {
				if p.At.IsZero() || p.Entry == "" {
					t.Errorf("%+v has no time or entry", p)
				}
				got = append(got, strings.Join([]string{string(p.Kind), p.Office, string(p.Result), string(p.Reason)}, " "))
			}
			if strings.Join(got, ", ") != c.proofs {
				t.Errorf("proofs are %q, want %q", got, c.proofs)
			}
		})
	}
}
