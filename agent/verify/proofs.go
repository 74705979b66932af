package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/sync/bundle"
)

// Proof is the verdict on something that is signed by the device key of an
// office or hub, and on what that is checked with: the office's registry card and
// the authority that signed the card.
type Proof struct {
	Kind   Kind
	Result seal.Result
	Reason seal.Reason
	Entry  string    // entry name
	Office string    // who signed, or whose card it is; of an authority its name
	At     time.Time // the signer's word; zero when it cannot be read
}

// Kinds of a [Proof]. Cards and authorities have one only when they are no good.
const (
	Header    Kind = "header"
	Custody   Kind = "custody"
	Card      Kind = "card"
	Authority Kind = "authority"
)

// Reasons of a [Proof] beside those of seals, see sync/README.md. The first two
// are of [seal.Indeterminate] and leave the report as it is.
const (
	ReasonNoCard         seal.Reason = "no-card"
	ReasonNoAuthority    seal.Reason = "no-authority"
	ReasonCard           seal.Reason = "card"
	ReasonCardOffice     seal.Reason = "card-office"
	ReasonAuthority      seal.Reason = "authority"
	ReasonAuthorityUse   seal.Reason = "authority-use"
	ReasonAuthorityChain seal.Reason = "authority-unknown-ca"
)

// verdict is a result with its reason. The zero one says nothing.
type verdict struct {
	result seal.Result
	reason seal.Reason
}

func fails(reason seal.Reason) verdict     { return verdict{seal.Failed, reason} }
func undecided(reason seal.Reason) verdict { return verdict{seal.Indeterminate, reason} }

// desk is what a file has for checking signatures of device keys. It is pure
// over the file and the reader's trust.
type desk struct {
	trust       Trust
	authorities []authority
	cards       map[string]filed // by entry name in lower case
}

// authority is the certificate of an authority in the file.
type authority struct {
	entry string
	cert  *x509.Certificate
	cas   []*x509.Certificate // of its hub, which the reader's CA vouches for
	roots *x509.CertPool      // the reader's and cas
	verdict
}

// filed is a card in the file.
type filed struct {
	entry string
	card  registry.Card // when result is passed
	verdict
}

// newDesk judges the authorities in a file, then the cards by them.
func newDesk(receipts []seal.Receipt, t Trust) *desk {
	d := &desk{trust: t, cards: map[string]filed{}}
	hubs := map[string]registry.Card{} // by authority key, as cards claim that are not proven yet
	for _, r := range receipts {
		if seal.IsCard(r.Name) {
			if c, err := registry.PeekCard(r.Data); err == nil && c.IsHub() {
				hubs[keyText(c.Authority)] = c
			}
		}
	}
	for _, r := range receipts {
		if seal.IsAuthority(r.Name) {
			d.authorities = append(d.authorities, d.authority(r, hubs))
		}
	}
	for _, r := range receipts {
		if seal.IsCard(r.Name) {
			d.cards[strings.ToLower(r.Name)] = d.card(r)
		}
	}
	return d
}

func keyText(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	return string(der)
}

// authority judges a certificate against the CA of the hub whose card, in the
// file, has its key; or against another CA of that hub, for which the CA vouches.
func (d *desk) authority(r seal.Receipt, hubs map[string]registry.Card) authority {
	a := authority{entry: r.Name, verdict: fails(ReasonAuthority)}
	cert, err := x509.ParseCertificate(r.Data)
	if err != nil {
		return a
	}
	a.cert = cert
	if !slices.Equal(cert.Subject.OrganizationalUnit, []string{identity.UnitAuthority}) || cert.IsCA {
		a.verdict = fails(ReasonAuthorityUse)
		return a
	}
	if _, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok {
		return a
	}
	hub := hubs[keyText(cert.PublicKey)]
	if a.roots = d.given(hub.Code); a.roots == nil {
		a.verdict = undecided(seal.ReasonNoRoots)
		return a
	}
	if hub.IsHub() && identity.Vouched(func(ca *x509.Certificate) bool { return d.chains(ca, a.roots) != nil }, hub.CAs(), hub.Vouchers) == nil {
		a.cas, a.roots = hub.CAs(), a.roots.Clone()
		for _, ca := range a.cas {
			a.roots.AddCert(ca)
		}
	}
	chains := d.chains(cert, a.roots)
	if chains == nil || identity.CheckAuthority(chains[0][len(chains[0])-1], cert) != nil {
		a.verdict = fails(ReasonAuthorityChain)
		return a
	}
	if _, revoked := d.trust.Revoked(cert, chains); revoked {
		a.verdict = fails(seal.ReasonRevoked)
		return a
	}
	a.verdict = verdict{result: seal.Passed}
	return a
}

// chains are those from a certificate to roots; nil: there is none.
func (d *desk) chains(cert *x509.Certificate, roots *x509.CertPool) [][]*x509.Certificate {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: within(d.trust.Now, cert), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil
	}
	return chains
}

// within is a time in the life of a certificate, now if possible: that it has
// ended since says nothing about what was signed before.
func within(now time.Time, cert *x509.Certificate) time.Time {
	switch {
	case now.Before(cert.NotBefore):
		return cert.NotBefore
	case now.After(cert.NotAfter):
		return cert.NotAfter
	}
	return now
}

// card judges a card by the authorities in the file.
func (d *desk) card(r seal.Receipt) filed {
	f := filed{entry: r.Name, verdict: undecided(ReasonNoAuthority)}
	for _, a := range d.authorities {
		if a.result != seal.Passed {
			if f.result != seal.Failed {
				f.verdict = a.verdict
			}
			continue
		}
		c, err := registry.ParseCard(r.Data, a.cert.PublicKey)
		switch {
		case err != nil || c.Issued.After(a.cert.NotAfter):
			f.verdict = fails(ReasonCard)
		case !strings.EqualFold(seal.CardName(c.Code), r.Name):
			f.verdict = fails(ReasonCardOffice)
		default:
			f.card, f.verdict = c, verdict{result: seal.Passed}
			return f
		}
	}
	return f
}

// of finds the card of an office.
func (d *desk) of(code string) (registry.Card, verdict) {
	f, known := d.cards[strings.ToLower(seal.CardName(code))]
	switch {
	case !known:
		return registry.Card{}, undecided(ReasonNoCard)
	case f.result == seal.Passed && !same(f.card.Code, code):
		return registry.Card{}, fails(ReasonCardOffice)
	}
	return f.card, f.verdict
}

// names reports whether code is one of an office's: its own, an earlier one by
// its card, or that of an office that by its card went into this one.
func (d *desk) names(code, office string) bool {
	if same(code, office) {
		return true
	}
	if card, v := d.of(office); v.result == seal.Passed {
		if slices.ContainsFunc(card.Old, func(old string) bool { return same(old, code) }) {
			return true
		}
	}
	former, v := d.of(code)
	return v.result == seal.Passed && same(former.Into, office)
}

// signed says whether an office's device key of a time has signed something.
func (d *desk) signed(code string, at time.Time, verify func(crypto.PublicKey) error) verdict {
	card, v := d.of(code)
	if v.result != seal.Passed {
		return v
	}
	keys := []crypto.PublicKey{card.Device}
	for _, former := range card.KeyAt(at, guard.ClockTolerance) {
		keys = append(keys, former)
	}
	for _, key := range keys {
		if verify(key) == nil {
			return v
		}
	}
	return fails(seal.ReasonSignature)
}

// roots extends those of a reader by what his CA and its authority vouch for: a
// CA for the others of its own hub, the authority for those of other hubs. The CAs
// on the card of a hub seal for that hub and for the offices whose cards name it,
// and no others do.
func (d *desk) roots(code string) *x509.CertPool {
	card, v := d.of(code)
	if v.result == seal.Passed && !card.IsHub() && card.Hub != "" {
		card, v = d.of(card.Hub)
		if v.result != seal.Passed {
			return d.given(code)
		}
	}
	for _, a := range d.authorities {
		if a.result == seal.Passed && (v.result != seal.Passed || !card.IsHub() || card.Authority.Equal(a.cert.PublicKey)) {
			return a.roots
		}
	}
	if v.result == seal.Passed && card.IsHub() {
		return identity.Pool(card.CAs())
	}
	return d.given(code)
}

// given are the roots that the reader came with.
func (d *desk) given(code string) *x509.CertPool {
	if d.trust.Roots == nil {
		return nil
	}
	return d.trust.Roots(code)
}

// stamps extends the roots of time stamps by the CAs of hubs likewise.
func (d *desk) stamps() *x509.CertPool {
	if d.trust.Stamps == nil {
		return nil
	}
	pool := d.trust.Stamps.Clone()
	for _, a := range d.authorities {
		if a.result != seal.Passed {
			continue
		}
		for _, ca := range a.cas {
			pool.AddCert(ca)
		}
	}
	for _, f := range d.cards {
		if f.result != seal.Passed || !f.card.IsHub() || d.own(f.card) {
			continue
		}
		for _, ca := range f.card.CAs() {
			pool.AddCert(ca)
		}
	}
	return pool
}

// own reports whether a card is of a hub whose authority has signed the cards: its
// CAs are for its CA to vouch for.
func (d *desk) own(card registry.Card) bool {
	return slices.ContainsFunc(d.authorities, func(a authority) bool { return a.result == seal.Passed && card.Authority.Equal(a.cert.PublicKey) })
}

// bad lists the authorities and cards that are no good.
func (d *desk) bad(order []seal.Receipt) (list []Proof) {
	for _, a := range d.authorities {
		if a.result != seal.Passed {
			p := Proof{Kind: Authority, Entry: a.entry, Result: a.result, Reason: a.reason}
			if a.cert != nil {
				p.Office = a.cert.Subject.CommonName
			}
			list = append(list, p)
		}
	}
	for _, r := range order {
		f := d.cards[strings.ToLower(r.Name)]
		if !seal.IsCard(r.Name) || f.reason != ReasonCard && f.reason != ReasonCardOffice {
			continue // what is wrong with its authority was said
		}
		p := Proof{Kind: Card, Entry: r.Name, Result: f.result, Reason: f.reason}
		if c, err := registry.PeekCard(r.Data); err == nil {
			p.Office, p.At = c.Code, c.Issued
		}
		list = append(list, p)
	}
	return list
}

// prove judges the bundle header and the custody receipts.
func (v *visitor) prove(d *desk) {
	for _, r := range v.report.Report.Receipts {
		switch {
		case r.Name == seal.HeaderName:
			v.proveHeader(d, r)
		case seal.IsCustody(r.Name):
			v.proveCustody(d, r)
		}
	}
	slices.SortStableFunc(v.report.Proofs, func(a, b Proof) int { return kindOrder(a) - kindOrder(b) })
	v.report.Proofs = append(v.report.Proofs, d.bad(v.report.Report.Receipts)...)
}

func kindOrder(p Proof) int {
	if p.Kind == Header {
		return 0
	}
	return 1
}

func (v *visitor) proveHeader(d *desk, r seal.Receipt) {
	p := Proof{Kind: Header, Entry: r.Name, Result: seal.Failed, Reason: seal.ReasonSubject} // unless it can be read
	if h := v.report.Header; h != nil {
		p.Office, p.At = h.Header.From, h.Header.Created
		w := d.signed(h.Header.From, h.Header.Created, h.Verify)
		p.Result, p.Reason = w.result, w.reason
	}
	v.report.Proofs = append(v.report.Proofs, p)
}

func (v *visitor) proveCustody(d *desk, r seal.Receipt) {
	p := Proof{Kind: Custody, Entry: r.Name, Result: seal.Failed, Reason: seal.ReasonSubject}
	if receipt, err := bundle.ParseReceipt(r.Data); err == nil {
		p.Office, p.At = receipt.Receipt.Office, receipt.Receipt.At
		w := d.signed(receipt.Receipt.Office, receipt.Receipt.At, receipt.Verify)
		p.Result, p.Reason = w.result, w.reason
		if p.Result != seal.Failed && (v.report.Header == nil || receipt.Receipt.Covers(*v.report.Header) != nil) {
			p.Result, p.Reason = seal.Failed, seal.ReasonSubject
		}
	}
	v.report.Proofs = append(v.report.Proofs, p)
}
