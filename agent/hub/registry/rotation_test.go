package registry

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"tram/agent/identity"
)

// TestP7_AHubsNextCAIsVouchedFor lets a district's CA change, as the province
// and a hub on its other side hear of it.
func TestP7_AHubsNextCAIsVouchedFor(t *testing.T) {
	nation, north, south, district := threeTiers(t)
	next, nextKey := newSuccessor(t, district)
	stranger, _ := newSuccessor(t, district)

	has := func(h *tier, want ...*x509.Certificate) {
		t.Helper()
		got, err := h.reg.Issuers("VN.1.3.300", nil)
		if err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
			t.Errorf("%s believes %d CAs of the district (error %v), want %d", h.code, len(got), err, len(want))
		}
	}
	has(south, district.ca)

	card := district.card()
	card.CA = stranger
	district.issue(card)
	if a := north.take(district, false); !slices.Contains(a.Refused, district.code) {
		t.Errorf("a CA that nobody vouches for: %+v", a)
	}
	has(north, district.ca)

	card = district.card()
	card.OtherCAs, card.Vouchers = []*x509.Certificate{next}, [][]byte{vouch(t, nextKey, next), vouch(t, district.authority, next)}
	district.issue(card)
	before := district.all()
	if a := north.take(district, false); a.Changed != 1 || slices.Contains(a.Refused, district.code) {
		t.Errorf("an announced CA: %+v", a)
	}
	nation.take(north, false)
	south.take(nation, true)
	has(north, district.ca, next)
	has(south, district.ca, next)

	card.CA, card.OtherCAs = next, []*x509.Certificate{district.ca}
	card.Vouchers = append(card.Vouchers, vouch(t, nextKey, district.ca))
	district.issue(card)
	north.take(district, false)
	has(north, next, district.ca)
	north.take(district, false, before...)
	has(north, next, district.ca)

	card.OtherCAs = nil
	district.issue(card)
	north.take(district, false)
	nation.take(north, false)
	south.take(nation, true)
	has(south, next)
	if got := north.lookup(district.code); got.Name != "Hub VN.1.3" || !got.Authority.Equal(&district.authority.PublicKey) {
		t.Errorf("the rest of the hub's card has changed: %+v", got)
	}
}

func newSuccessor(t *testing.T, h *tier) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t)
	return newCA(t, "CA "+h.code+" G2", key), key
}

func vouch(t *testing.T, by *ecdsa.PrivateKey, other *x509.Certificate) []byte {
	t.Helper()
	v, err := identity.Vouch(by, other)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCardOfAHubWithOtherCAs(t *testing.T) {
	h := newTier(t, "VN")
	next, key := newSuccessor(t, h)
	want := h.card()
	want.Serial, want.OtherCAs, want.Vouchers = 5, []*x509.Certificate{next}, [][]byte{vouch(t, key, h.ca)}
	got, err := ParseCard(sign(t, h.authority, want), h.authority.Public())
	if err != nil || len(got.CAs()) != 2 || !got.CAs()[1].Equal(next) || !slices.EqualFunc(got.Vouchers, want.Vouchers, slices.Equal[[]byte]) {
		t.Errorf("got %+v (error %v)", got, err)
	}
	leaf := *next
	for name, change := range map[string]func(*Card){
		"too many":       func(c *Card) { c.OtherCAs = slices.Repeat(c.OtherCAs, identity.MaxOtherCAs+1) },
		"of no hub":      func(c *Card) { c.Authority, c.CA = nil, nil },
		"no certificate": func(c *Card) { leaf.Raw = []byte("junk"); c.OtherCAs = []*x509.Certificate{&leaf} },
		"too many words": func(c *Card) { c.Vouchers = slices.Repeat(c.Vouchers, identity.MaxVouchers+1) },
	} {
		bad := want
		change(&bad)
		if _, err := SignCard(bad, h.authority); !errors.Is(err, ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
