package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/identity"
)

// update rewrites the vector. Signatures are randomised: only for a new version
// of the format.
var update = flag.Bool("update", false, "rewrite testdata/voucher.json")

// authority is a CA that vouches.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, cert}
}

func (a authority) vouch(t *testing.T, other authority) []byte {
	t.Helper()
	v, err := identity.Vouch(a.key, other.cert)
	if err != nil {
		t.Fatal(err)
	}
	if len(v) > identity.MaxVoucher {
		t.Fatalf("a voucher has %d bytes", len(v))
	}
	return v
}

func TestP7_VouchersReachAsFarAsTheyAreSigned(t *testing.T) {
	first, second, third, stranger := newAuthority(t, "1"), newAuthority(t, "2"), newAuthority(t, "3"), newAuthority(t, "4")
	leaf := *second.cert
	leaf.IsCA = false
	chain := [][]byte{second.vouch(t, third), first.vouch(t, second)}
	flipped := bytes.Clone(chain[1])
	flipped[len(flipped)-1] ^= 1
	certs := func(list ...authority) (out []*x509.Certificate) {
		for _, a := range list {
			out = append(out, a.cert)
		}
		return out
	}
	for name, c := range map[string]struct {
		cas      []*x509.Certificate
		vouchers [][]byte
		good     bool
	}{
		"none to believe":         {certs(), nil, true},
		"the known one":           {certs(first), nil, true},
		"one step":                {certs(second, first), chain, true},
		"two steps":               {certs(third, second, first), chain, true},
		"the step between is off": {certs(third, first), chain, false},
		"the known one is not there, yet it vouches only when it is": {certs(second), chain, false},
		"nobody":                 {certs(second, first), nil, false},
		"the other way round":    {certs(second, first), [][]byte{second.vouch(t, first)}, false},
		"by itself":              {certs(stranger, first), [][]byte{stranger.vouch(t, stranger)}, false},
		"one of them a stranger": {certs(stranger, second, first), chain, false},
		"damaged":                {certs(second, first), [][]byte{flipped}, false},
		"junk beside":            {certs(second, first), [][]byte{nil, []byte("junk"), chain[1]}, true},
		"no CA":                  {[]*x509.Certificate{&leaf, first.cert}, chain, false},
		"too many":               {slices.Repeat(certs(first), identity.MaxOtherCAs+2), nil, false},
		"too many words":         {certs(first), slices.Repeat(chain, identity.MaxVouchers), false},
	} {
		err := identity.Vouched(first.cert.Equal, c.cas, c.vouchers)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if many := len(c.cas) > 3 || len(c.vouchers) > identity.MaxVouchers; !c.good && !many && !errors.Is(err, identity.ErrUnvouched) {
			t.Errorf("%s: %v, want ErrUnvouched", name, err)
		}
	}
}

// TestP12_VoucherVector holds the format to bytes made once.
func TestP12_VoucherVector(t *testing.T) {
	path := filepath.Join("testdata", "voucher.json")
	type vector struct {
		CA      string `json:"ca"`      // DER, hex
		Other   string `json:"other"`   // DER, hex
		Voucher string `json:"voucher"` // hex
	}
	if *update {
		a, b := newAuthority(t, "Tram CA H40"), newAuthority(t, "Tram CA H40 G2")
		data, err := json.MarshalIndent(vector{hex.EncodeToString(a.cert.Raw), hex.EncodeToString(b.cert.Raw), hex.EncodeToString(a.vouch(t, b))}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	parse := func(text string) *x509.Certificate {
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	known, other := parse(v.CA), parse(v.Other)
	voucher, err := hex.DecodeString(v.Voucher)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(voucher) {
		voucher[bit/8] ^= 1 << (bit % 8)
		if identity.Vouched(known.Equal, []*x509.Certificate{known, other}, [][]byte{voucher}) == nil {
			t.Errorf("believed with bit %d turned", bit)
		}
		voucher[bit/8] ^= 1 << (bit % 8)
	}
	if err := identity.Vouched(known.Equal, []*x509.Certificate{known, other}, [][]byte{voucher}); err != nil {
		t.Error(err)
	}
}

// TestP7_ServersOfTheNextCAButNotOfTheFormer are believed, by a connection that
// is made after the identity has changed as well.
func TestP7_ServersOfTheNextCAButNotOfTheFormer(t *testing.T) {
	id, hub := officeOf(t, "H40.01")
	_, other := officeOf(t, "H40.01")
	live := identity.NewLive(id)
	believes := func(c *ca.CA) bool {
		_, err := c.Server().Cert.Verify(x509.VerifyOptions{Roots: live.Roots()})
		return err == nil
	}
	if !believes(hub) || believes(other) {
		t.Error("believes another hub")
	}
	next := *id
	next.Trust.Next = other.Root.Cert
	live.Set(&next)
	if !believes(hub) || !believes(other) {
		t.Error("does not believe a server of the next CA")
	}
	if err := greet(t, &next, tls.Certificate{Certificate: [][]byte{other.Server().Cert.Raw}, PrivateKey: other.Server().Key}); err != nil {
		t.Errorf("no connection to a server of the next CA: %v", err)
	}
	former := *id
	former.Trust.CA, former.Trust.Authority, former.Trust.Former = other.Root.Cert, other.Authority.Cert, []*x509.Certificate{id.Trust.CA}
	live.Set(&former)
	if believes(hub) || !believes(other) {
		t.Error("believes a server of the former CA")
	}
	if err := former.Check(); err != nil {
		t.Errorf("certificates of the former CA: %v", err)
	}
	dir := t.TempDir()
	if err := identity.Save(dir, &former); err != nil {
		t.Fatal(err)
	}
	if got, err := identity.Load(dir); err != nil || len(got.Trust.Former) != 1 || !got.Trust.Former[0].Equal(id.Trust.CA) || got.Trust.Next != nil {
		t.Errorf("loaded %+v, %v", got, err)
	}
}
