package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/verify"
	"tram/sync/bundle"
)

// hub is a hub with its CA and authority, and the device keys of those whose
// cards it signs.
type hub struct {
	*authority
	code    string
	signer  *ecdsa.PrivateKey
	cert    *x509.Certificate // of signer
	devices map[string]*ecdsa.PrivateKey
	serial  uint64
}

func newHub(t testing.TB, code string) *hub {
	h := &hub{authority: newAuthority(t), code: code, devices: map[string]*ecdsa.PrivateKey{}}
	h.signer, h.cert = h.unit("authority")
	return h
}

func (h *hub) unit(unit string) (*ecdsa.PrivateKey, *x509.Certificate) {
	return h.certify(&x509.Certificate{Subject: pkix.Name{CommonName: "Tram " + unit + " " + h.code, OrganizationalUnit: []string{unit}}, KeyUsage: x509.KeyUsageDigitalSignature})
}

func (h *hub) device(code string) *ecdsa.PrivateKey {
	if h.devices[code] == nil {
		h.devices[code] = newKey(h.t)
	}
	return h.devices[code]
}

// card is the signed card of an office; change makes it another one.
func (h *hub) card(code string, change func(*registry.Card)) []byte {
	h.t.Helper()
	own, err := age.GenerateX25519Identity()
	if err != nil {
		h.t.Fatal(err)
	}
	h.serial++
	c := registry.Card{Code: code, Name: "UBND " + code, Device: &h.device(code).PublicKey, Recipient: own.Recipient().String(), Serial: h.serial, Issued: at}
	if change != nil {
		change(&c)
	}
	raw, err := registry.SignCard(c, h.signer)
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

// own is the card of the hub itself.
func (h *hub) own() []byte {
	return h.card(h.code, func(c *registry.Card) { c.Authority, c.CA = &h.signer.PublicKey, h.authority.cert })
}

// header is the signed header of the document of H40.12, by a key.
func (h *hub) header(by *ecdsa.PrivateKey) bundle.Signed {
	h.t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		h.t.Fatal(err)
	}
	signed, err := bundle.Sign(bundle.Header{
		ID: uuid.MustParse("0192f3a4-5b6c-7d8e-9f00-112233445566"), From: "H40.12", To: []string{"H40.15"}, Kind: bundle.KindDocument,
		Created: at, Expires: at.Add(time.Hour), Key: key.Recipient(), Objects: []bundle.Object{bundle.Describe([]byte("x"), bundle.RoleHead, bundle.Plain)},
	}, by)
	if err != nil {
		h.t.Fatal(err)
	}
	return signed
}

func (h *hub) receipt(of bundle.Signed, by *ecdsa.PrivateKey) []byte {
	h.t.Helper()
	raw, err := bundle.SignReceipt(bundle.Receipt{ID: of.Header.ID, Header: of.Digest(), Office: h.code, At: at, Epoch: uuid.New()}, by)
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

// pieces are the entries of an exported file beside its seals.
type pieces map[string][]byte

func (p pieces) extra() (list []seal.Extra) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		list = append(list, seal.Extra{Name: name, Data: p[name]})
	}
	return list
}

var (
	headerName  = seal.HeaderName
	custodyName = seal.CustodyName("H40")
	senderCard  = seal.CardName("H40.12")
	hubCard     = seal.CardName("H40")
	authorityOf = seal.AuthorityName("H40")
)

// whole is an export with everything in order.
func (h *hub) whole() pieces {
	header := h.header(h.device("H40.12"))
	return pieces{
		headerName: header.Raw, custodyName: h.receipt(header, h.device("H40")), senderCard: h.card("H40.12", nil), hubCard: h.own(), authorityOf: h.cert.Raw,
	}
}

// proofs lists what a report says of device keys, as "kind office result reason".
func proofs(r verify.Report) string {
	var list []string
	for _, p := range r.Proofs {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", p.Kind, p.Office, p.Result, p.Reason)))
	}
	return strings.Join(list, ", ")
}

// TestP7_HeaderAndReceiptsAreCheckedWithTheCAAlone is the table of what can be
// wrong with them, with the cards and with the authority, each under its name.
func TestP7_HeaderAndReceiptsAreCheckedWithTheCAAlone(t *testing.T) {
	h, stranger := newHub(t, "H40"), newHub(t, "H40")
	deviceKey, deviceCert := h.unit("device")
	former := newKey(t)
	good := "header H40.12 passed, custody H40 passed"
	for _, c := range []struct {
		name   string
		change func(p pieces)
		want   string
		reason seal.Reason // of a report that failed
	}{
		{"whole", func(pieces) {}, good, ""},
		{"of before, without cards", func(p pieces) { delete(p, senderCard); delete(p, hubCard); delete(p, authorityOf) },
			"header H40.12 indeterminate no-card, custody H40 indeterminate no-card", ""},
		{"without the sender's card", func(p pieces) { delete(p, senderCard) }, "header H40.12 indeterminate no-card, custody H40 passed", ""},
		{"without the authority", func(p pieces) { delete(p, authorityOf) },
			"header H40.12 indeterminate no-authority, custody H40 indeterminate no-authority", ""},
		{"header by another key", func(p pieces) { p[headerName] = h.header(h.device("H40.13")).Raw },
			"header H40.12 failed signature, custody H40 failed other-document", seal.ReasonSignature},
		{"receipt by another key", func(p pieces) {
			signed, _ := bundle.Parse(p[headerName])
			p[custodyName] = h.receipt(signed, h.device("H40.12"))
		}, "header H40.12 passed, custody H40 failed signature", seal.ReasonSignature},
		{"receipt on another header", func(p pieces) { p[custodyName] = h.receipt(h.header(h.device("H40.12")), h.device("H40")) },
			"header H40.12 passed, custody H40 failed other-document", seal.ReasonSubject},
		{"unreadable receipt", func(p pieces) { p[custodyName] = []byte("junk") }, "header H40.12 passed, custody  failed other-document", seal.ReasonSubject},
		{"unreadable header", func(p pieces) { p[headerName] = []byte("junk") },
			"header  failed other-document, custody H40 failed other-document", seal.ReasonSubject},
		{"card of another office", func(p pieces) { p[senderCard] = h.card("H40.13", nil) },
			"header H40.12 failed card-office, custody H40 passed, card H40.13 failed card-office", verify.ReasonCardOffice},
		{"card by nobody", func(p pieces) { p[senderCard] = []byte("junk") },
			"header H40.12 failed card, custody H40 passed, card  failed card", verify.ReasonCard},
		{"card by another authority", func(p pieces) { p[senderCard] = stranger.card("H40.12", nil) },
			"header H40.12 failed card, custody H40 passed, card H40.12 failed card", verify.ReasonCard},
		{"a card of no concern by another authority", func(p pieces) { p[seal.CardName("H40.77")] = stranger.card("H40.77", nil) },
			good + ", card H40.77 failed card", verify.ReasonCard},
		{"authority of another CA", func(p pieces) {
			p[authorityOf], p[senderCard], p[hubCard] = stranger.cert.Raw, stranger.card("H40.12", nil), stranger.own()
		}, "header H40.12 failed authority-unknown-ca, custody H40 failed authority-unknown-ca, authority Tram authority H40 failed authority-unknown-ca", verify.ReasonAuthorityChain},
		{"an office for the authority", func(p pieces) {
			own := h.signer
			defer func() { h.signer = own }()
			h.signer = deviceKey
			p[authorityOf], p[senderCard], p[hubCard] = deviceCert.Raw, h.card("H40.12", nil), h.own()
		}, "header H40.12 failed authority-use, custody H40 failed authority-use, authority Tram device H40 failed authority-use", verify.ReasonAuthorityUse},
		{"unreadable authority", func(p pieces) { p[authorityOf] = []byte("junk") },
			"header H40.12 failed authority, custody H40 failed authority, authority  failed authority", verify.ReasonAuthority},
		{"enrolled anew since", func(p pieces) {
			p[senderCard] = h.card("H40.12", func(c *registry.Card) {
				c.Former = []registry.FormerKey{{Device: &h.device("H40.12").PublicKey, From: at.AddDate(0, -1, 0), Until: at.AddDate(0, 1, 0)}}
				c.Device = &former.PublicKey
			})
		}, good, ""},
		{"with a key that was replaced long before", func(p pieces) {
			p[senderCard] = h.card("H40.12", func(c *registry.Card) {
				c.Former = []registry.FormerKey{{Device: &h.device("H40.12").PublicKey, From: at.AddDate(0, -3, 0), Until: at.AddDate(0, -2, 0)}}
				c.Device = &former.PublicKey
			})
		}, "header H40.12 failed signature, custody H40 passed", seal.ReasonSignature},
		{"keys revoked", func(p pieces) {
			p[senderCard] = h.card("H40.12", func(c *registry.Card) { c.Device, c.Recipient = nil, "" })
		}, "header H40.12 failed signature, custody H40 passed", seal.ReasonSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.whole()
			c.change(p)
			file := container(t, h.document("H40.12"), p.extra()...)
			r, err := verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(h.pool), Now: at}, Vouching: true})
			if err != nil {
				t.Fatal(err)
			}
			want := seal.Failed
			if c.reason == "" {
				want = seal.Passed
			}
			if got := proofs(r); got != c.want || r.Result != want || r.Reason != c.reason {
				t.Errorf("%s %s: %s\nwant %s %s: %s", r.Result, r.Reason, got, want, c.reason, c.want)
			}
		})
	}
}

// TestP7_TheAuthorityVouchesForTheCAsOfOtherHubs: with the CA of one hub a
// document passes whose sender is of another one, and only with that one's seal.
func TestP7_TheAuthorityVouchesForTheCAsOfOtherHubs(t *testing.T) {
	h, other, third := newHub(t, "H40"), newHub(t, "H41"), newHub(t, "H42")
	vouched := func(p pieces) {
		p[senderCard] = h.card("H40.12", func(c *registry.Card) { c.Hub = "H41" })
		p[seal.CardName("H41")] = h.card("H41", func(c *registry.Card) { c.Authority, c.CA = &other.signer.PublicKey, other.authority.cert })
	}
	for _, c := range []struct {
		name   string
		sealed []byte
		change func(p pieces)
		alone  bool // the reader has no registry
		result seal.Result
		reason seal.Reason
	}{
		{"sealed under its own hub's CA", other.document("H40.12"), vouched, true, seal.Passed, ""},
		{"sealed under the reader's CA", h.document("H40.12"), vouched, true, seal.Failed, seal.ReasonChain},
		{"sealed under a third hub's CA", third.document("H40.12"), vouched, true, seal.Failed, seal.ReasonChain},
		{"for a reader with a registry", other.document("H40.12"), vouched, false, seal.Failed, seal.ReasonChain},
		{"without its hub's card", other.document("H40.12"), func(p pieces) {
			p[senderCard] = h.card("H40.12", func(c *registry.Card) { c.Hub = "H41" })
		}, true, seal.Failed, seal.ReasonChain},
		{"vouched for by itself", other.document("H40.12"), func(p pieces) {
			p[senderCard] = other.card("H40.12", func(c *registry.Card) { c.Hub = "H41" })
			p[seal.CardName("H41")] = other.own()
		}, true, seal.Failed, seal.ReasonChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.whole()
			c.change(p)
			file := container(t, c.sealed, p.extra()...)
			r, err := verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(h.pool), Now: at}, Vouching: c.alone})
			if err != nil || r.Result != c.result || r.Reason != c.reason {
				t.Errorf("%s %s, %v; want %s %s", r.Result, r.Reason, err, c.result, c.reason)
			}
		})
	}
}

func TestARevokedAuthorityVouchesForNothing(t *testing.T) {
	h := newHub(t, "H40")
	list := h.revoke(h.cert)
	p := h.whole()
	file := container(t, h.document("H40.12"), p.extra()...)
	r, err := verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(h.pool), CRLs: list, Now: at}})
	if err != nil || r.Result != seal.Failed || r.Reason != seal.ReasonRevoked {
		t.Errorf("%s %s, %v: %s", r.Result, r.Reason, err, proofs(r))
	}
}

// TestP7_ACAVouchesForTheOneThatFollowsIt: a reader who has the CA of before
// checks what was sealed and exported after the change, and the other way round.
// The authority's word brings in no CA of its own hub.
func TestP7_ACAVouchesForTheOneThatFollowsIt(t *testing.T) {
	h, next := newHub(t, "H40"), newAuthority(t)
	renewed := next.reissue(h.cert)
	vouch := func(by *authority, other *x509.Certificate) []byte {
		raw, err := identity.Vouch(by.key, other)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	words := [][]byte{vouch(h.authority, next.cert), vouch(next, h.authority.cert)}
	forged, err := identity.Vouch(h.signer, next.cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		reader   *authority
		sealed   []byte
		vouchers [][]byte
		result   seal.Result
		reason   seal.Reason
	}{
		{"reader of before, sealed after", h.authority, next.document("H40.12"), words, seal.Passed, ""},
		{"reader of before, sealed before", h.authority, h.document("H40.12"), words, seal.Passed, ""},
		{"reader of today, sealed before", next, h.document("H40.12"), words, seal.Passed, ""},
		{"nobody vouches", h.authority, h.document("H40.12"), nil, seal.Failed, verify.ReasonAuthorityChain},
		{"the authority vouches", h.authority, h.document("H40.12"), [][]byte{forged}, seal.Failed, verify.ReasonAuthorityChain},
		{"a stranger reads", newAuthority(t), h.document("H40.12"), words, seal.Failed, seal.ReasonChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.whole()
			p[authorityOf] = renewed.Raw
			p[hubCard] = h.card("H40", func(card *registry.Card) {
				card.Authority, card.CA, card.OtherCAs, card.Vouchers = &h.signer.PublicKey, next.cert, []*x509.Certificate{h.authority.cert}, c.vouchers
			})
			file := container(t, c.sealed, p.extra()...)
			r, err := verify.Container(bytes.NewReader(file), int64(len(file)), verify.Trust{Trust: seal.Trust{Roots: seal.Only(c.reader.pool), Now: at}, Vouching: true})
			if err != nil || r.Result != c.result || r.Reason != c.reason {
				t.Errorf("%s %s, %v: %s; want %s %s", r.Result, r.Reason, err, proofs(r), c.result, c.reason)
			}
		})
	}
}
