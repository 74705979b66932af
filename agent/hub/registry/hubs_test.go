package registry

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// tier is a hub with its registry.
type tier struct {
	t         testing.TB
	code      string
	authority *ecdsa.PrivateKey
	ca        *x509.Certificate
	db        *sqlite.DB
	reg       *Registry
}

func newTier(t testing.TB, code string) *tier {
	t.Helper()
	h := &tier{t: t, code: code, authority: newKey(t)}
	h.db, h.reg = open(t, h.authority)
	h.ca = newCA(t, "CA "+code, h.authority)
	h.issue(h.card())
	return h
}

func newCA(t testing.TB, name string, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, &x509.Certificate{}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func (h *tier) card() Card {
	return Card{Code: h.code, Name: "Hub " + h.code, Kind: KindHub, Authority: &h.authority.PublicKey, CA: h.ca}
}

func (h *tier) issue(c Card) {
	h.t.Helper()
	err := h.db.Update(h.t.Context(), func(tx *sqlite.Tx) error {
		_, err := h.reg.Issue(tx, c, h.authority)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *tier) office(code string) {
	h.issue(Card{Code: code, Name: "UBND " + code, Parent: h.code, Device: newKey(h.t).Public(), Recipient: newRecipient(h.t)})
}

// below enrols a hub.
func (h *tier) below(child *tier) {
	c := child.card()
	c.Parent = h.code
	h.issue(c)
}

// all are the cards of h as it signed them.
func (h *tier) all() [][]byte {
	h.t.Helper()
	cards, err := h.reg.Since(h.t.Context(), 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return cards
}

// take lets h adopt all that from has, and more.
func (h *tier) take(from *tier, above bool, more ...[]byte) Adopted {
	h.t.Helper()
	var a Adopted
	source := Source{Code: from.code, Authority: &from.authority.PublicKey, Above: above, Own: h.code, Signer: h.authority}
	err := h.db.Update(h.t.Context(), func(tx *sqlite.Tx) (err error) {
		page, _, err := from.reg.PageAfter(h.t.Context(), 0, nil, from.authority)
		if err != nil {
			return err
		}
		if a, err = h.reg.AdoptPage(tx, source, *page); err != nil || len(more) == 0 {
			return err
		}
		b, err := h.reg.Adopt(tx, source, more)
		a.Changed, a.Refused = a.Changed+b.Changed, append(a.Refused, b.Refused...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *tier) lookup(code string) Card {
	h.t.Helper()
	c, err := h.reg.Lookup(code)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *tier) wantWay(code, near string) {
	h.t.Helper()
	c, err := h.reg.Neighbour(code)
	if err != nil || c.Code != near {
		h.t.Errorf("%s reaches %s through %q (error %v), want %q", h.code, code, c.Code, err, near)
	}
}

// wantIssuer says whose CA seals for an office, as h sees it.
func (h *tier) wantIssuer(code string, want *tier) {
	h.t.Helper()
	cas, err := h.reg.Issuers(code, []*x509.Certificate{h.ca})
	if err != nil || len(cas) != 1 || !cas[0].Equal(want.ca) {
		h.t.Errorf("%s believes seals of %s by another CA than that of %s (error %v)", h.code, code, want.code, err)
	}
}

// threeTiers are a nation, two provinces and a district, with cards gone up and
// down until nothing changes.
func threeTiers(t *testing.T) (nation, north, south, district *tier) {
	nation, north, south, district = newTier(t, "VN"), newTier(t, "VN.1"), newTier(t, "VN.2"), newTier(t, "VN.1.3")
	nation.below(north)
	nation.below(south)
	north.below(district)
	nation.office("BNV")
	north.office("VN.1.100")
	south.office("VN.2.200")
	district.office("VN.1.3.300")
	for range 3 {
		north.take(district, false)
		nation.take(north, false)
		nation.take(south, false)
		north.take(nation, true)
		south.take(nation, true)
		district.take(north, true)
	}
	return nation, north, south, district
}

func TestEveryHubFindsTheWayToEveryOffice(t *testing.T) {
	nation, north, south, district := threeTiers(t)
	for _, w := range []struct {
		at         *tier
		code, near string
		issuer     *tier
	}{
		{nation, "BNV", "BNV", nation}, {nation, "VN.1.100", "VN.1", north}, {nation, "VN.1.3.300", "VN.1", district},
		{north, "BNV", "VN", nation}, {north, "VN.2.200", "VN", south}, {north, "VN.1.3.300", "VN.1.3", district}, {north, "VN.1.100", "VN.1.100", north},
		{south, "VN.1.3.300", "VN", district}, {south, "VN.1.3", "VN", district}, {nation, "VN.1", "VN.1", north},
		{district, "VN.1.3.300", "VN.1.3.300", district}, {district, "VN.1.100", "VN.1", north}, {district, "VN.2.200", "VN.1", south}, {district, "VN", "VN.1", nation},
	} {
		w.at.wantWay(w.code, w.near)
		w.at.wantIssuer(w.code, w.issuer)
	}
	if a := district.take(north, true); a.Changed != 0 || len(a.Refused) != 0 {
		t.Errorf("adopting the same cards again: %+v", a)
	}
	if c := south.lookup("vn.1.3.300"); c.Parent != "VN.1.3" || !c.Enrolled() {
		t.Errorf("the card far away is %+v", c)
	}
}

// TestP7_AHubSpeaksForItsOwnOfficesOnly lets a hub claim offices of others.
func TestP7_AHubSpeaksForItsOwnOfficesOnly(t *testing.T) {
	nation, north, south, _ := threeTiers(t)
	claim := func(code, hub string) []byte {
		return sign(t, south.authority, Card{
			Code: code, Name: "giả", Hub: hub, Serial: uint64(time.Now().Add(time.Hour).UnixMilli()), Device: newKey(t).Public(), Recipient: newRecipient(t),
		})
	}
	for _, c := range []struct{ name, code, hub string }{
		{"office of the hub above", "BNV", ""},
		{"office of a hub beside", "VN.1.100", ""},
		{"office two tiers down beside", "VN.1.3.300", ""},
		{"hub beside", "VN.1", ""},
		{"the hub above itself", "VN", ""},
		{"own office, sealed by another's CA", "VN.2.200", "VN.1"},
		{"new office at a hub beside", "VN.1.999", "VN.1"},
		{"new office at the hub above", "VN.999", "VN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := nation.all()
			if a := nation.take(south, false, claim(c.code, c.hub)); a.Changed != 0 || !slices.Contains(a.Refused, c.code) {
				t.Errorf("adopting: %+v", a)
			}
			if after := nation.all(); len(after) != len(before) {
				t.Errorf("%d cards, were %d", len(after), len(before))
			}
		})
	}
	rejected := nation.reg.Rejected()
	nation.take(south, false, sign(t, north.authority, Card{Code: "VN.2.201", Name: "khác", Serial: 1}))
	if nation.reg.Rejected() != rejected+1 {
		t.Error("a card that the hub did not sign was not rejected")
	}
	above := sign(t, nation.authority, Card{Code: "VN.2.200", Name: "giả", Serial: uint64(time.Now().Add(time.Hour).UnixMilli())})
	if a := south.take(nation, true, above); !slices.Contains(a.Refused, "VN.2.200") || south.lookup("VN.2.200").Name == "giả" {
		t.Errorf("the hub above spoke for an office below: %+v", a)
	}
}

func TestAnOfficeFromBelowStaysInTheTreeOfItsHub(t *testing.T) {
	nation, _, south, _ := threeTiers(t)
	south.issue(Card{Code: "VN.2.201", Name: "con", Parent: "VN.2.200"})
	south.issue(Card{Code: "VN.2.202", Name: "lạc", Parent: "VN.1.100"})
	nation.take(south, false)
	for code, parent := range map[string]string{"VN.2.201": "VN.2.200", "VN.2.202": "VN.2"} {
		if c := nation.lookup(code); c.Parent != parent || c.Hub != "VN.2" {
			t.Errorf("%s is below %q at hub %q", code, c.Parent, c.Hub)
		}
	}
}

// TestOlderCardsOfAHubComeTooLate: pages may overtake each other on the way.
func TestOlderCardsOfAHubComeTooLate(t *testing.T) {
	nation, _, south, _ := threeTiers(t)
	old := south.all()
	c := south.lookup("VN.2.200")
	c.Name = "UBND xã đổi tên"
	south.issue(c)
	nation.take(south, false)
	nation.take(south, false, old...)
	if got := nation.lookup("VN.2.200"); got.Name != c.Name {
		t.Errorf("name is %q, want %q", got.Name, c.Name)
	}
	var taken uint64
	err := nation.db.View(t.Context(), func(tx *sqlite.Tx) (err error) {
		taken, err = nation.reg.Taken(tx, "vn.2")
		return err
	})
	if err != nil || taken != south.reg.Serial() {
		t.Errorf("cards are taken up to %d, want %d (error %v)", taken, south.reg.Serial(), err)
	}
}

func TestAChainOfCardsThatDoesNotEndIsAnError(t *testing.T) {
	h := newTier(t, "VN")
	h.issue(Card{Code: "X", Name: "x", Hub: "Y"})
	if _, err := h.reg.Neighbour("X"); !errors.Is(err, ErrChain) {
		t.Errorf("without the hub's card: %v", err)
	}
	if _, err := h.reg.Issuers("X", nil); !errors.Is(err, ErrChain) {
		t.Errorf("issuer without the hub's card: %v", err)
	}
	h.issue(Card{Code: "Y", Name: "y", Hub: "X"})
	if _, err := h.reg.Neighbour("X"); !errors.Is(err, ErrChain) {
		t.Errorf("in a circle: %v", err)
	}
	if _, err := h.reg.Neighbour("Z"); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a card: %v", err)
	}
}

func TestCardOfAHubComesBackAsItWas(t *testing.T) {
	h := newTier(t, "VN")
	want := h.card()
	want.Serial, want.Hub = 5, "VN.9"
	got, err := ParseCard(sign(t, h.authority, want), h.authority.Public())
	if err != nil || !got.IsHub() || !got.CA.Equal(want.CA) || !got.Authority.Equal(want.Authority) || got.Hub != want.Hub {
		t.Errorf("got %+v (error %v)", got, err)
	}
	want.CA = nil
	if _, err := SignCard(want, h.authority); !errors.Is(err, ErrCard) {
		t.Errorf("an authority without a CA: %v", err)
	}
}
