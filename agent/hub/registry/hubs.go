package registry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"tram/agent/identity"
	"tram/storage/sqlite"
)

// KindHub is the kind of a hub's card and the kind that an invite for a hub
// must have.
const KindHub = "hub"

// MaxTiers is how many hubs may lie between a hub and an office, hard: a longer
// chain of cards is taken for a circle.
const MaxTiers = 8

// ErrChain says that the way to an office cannot be followed from card to
// card: the card of a hub on it is not here, or they form a circle. The first
// may mend itself when more cards come.
var ErrChain = errors.New("the cards to the office form no chain")

// Neighbour returns the card of the neighbour through which an office is
// reached from this registry's hub: the office itself when it is one, else the
// hub at the near end of the chain that its card begins. ErrNotFound when the
// office has no card, ErrChain when a link is missing.
func (r *Registry) Neighbour(code string) (Card, error) {
	return follow(code, r.Lookup)
}

// NeighbourTx is Neighbour within tx.
func (r *Registry) NeighbourTx(tx *sqlite.Tx, code string) (Card, error) {
	return follow(code, func(code string) (Card, error) { return r.LookupTx(tx, code) })
}

func follow(code string, lookup func(string) (Card, error)) (Card, error) {
	c, err := lookup(code)
	for range MaxTiers {
		if err != nil || c.Hub == "" {
			return c, err
		}
		hub := c.Hub
		if c, err = lookup(hub); errors.Is(err, ErrNotFound) {
			return c, fmt.Errorf("find the way to office %q: %w: no card of hub %q", code, ErrChain, hub)
		}
	}
	if err != nil {
		return c, err
	}
	return c, fmt.Errorf("find the way to office %q: %w: more than %d hubs", code, ErrChain, MaxTiers)
}

// Issuers returns the certificates of the CAs that may have issued an office's
// seal: own, those of the reader's hub, or those on the card of the hub where the
// office is enrolled; a hub's seal on evidence is of its own CAs, whatever hub is
// above it. No other CA can seal for it (P7). An office without a card is taken
// for one of the reader's hub. ErrChain when its hub has no card.
func (r *Registry) Issuers(code string, own []*x509.Certificate) ([]*x509.Certificate, error) {
	c, err := r.Lookup(code)
	if err == nil && c.IsHub() {
		return c.CAs(), nil
	}
	if errors.Is(err, ErrNotFound) || err == nil && c.Hub == "" {
		return own, nil
	}
	if err != nil {
		return nil, err
	}
	hub, err := r.Lookup(c.Hub)
	if err == nil && hub.IsHub() {
		return hub.CAs(), nil
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("find issuer of the seal of %q: %w: no CA of hub %q", code, ErrChain, c.Hub)
	}
	return nil, err
}

// Source is a neighbouring hub as a source of cards.
type Source struct {
	Code      string            // of the neighbour
	Authority crypto.PublicKey  // signs its cards
	Above     bool              // it is the hub above, not one below
	Own       string            // code of this hub
	Signer    *ecdsa.PrivateKey // this hub's authority key, which issues the cards anew
}

// Adopted says what Adopt did.
type Adopted struct {
	Changed int      // cards that are new here or replaced an older one
	Refused []string // codes that the source may not speak for
	Older   bool     // the page was of an older version and refused
}

// Adopt takes in cards that a neighbouring hub has signed. Each is issued anew
// here, under this hub's authority and serial, so that offices go on to believe
// their own hub alone. A card is taken only when the office is new here or
// is reached through that neighbour already (P7): what this hub has itself
// enrolled, or has from another neighbour, stays as it is. An office from below
// whose parent lies elsewhere is hung directly below the hub it came from.
//
// Cards that do not verify are counted in Rejected. Adopting the same cards
// again changes nothing.
func (r *Registry) Adopt(tx *sqlite.Tx, from Source, cards [][]byte) (Adopted, error) {
	read := make([]Card, 0, len(cards))
	for _, raw := range cards {
		c, err := ParseCard(raw, from.Authority)
		if err != nil {
			r.reject(err)
			continue
		}
		read = append(read, c)
	}
	return r.adoptAll(tx, from, read)
}

// AdoptPage is Adopt for a page of the neighbour's registry, and records up to
// where it has been taken in. A page of an older version than that is refused
// as a whole, which Older tells and is no error.
func (r *Registry) AdoptPage(tx *sqlite.Tx, from Source, p Page) (Adopted, error) {
	taken, err := r.Taken(tx, from.Code)
	if err != nil {
		return Adopted{}, err
	}
	if p.Version < taken && p.Until <= taken {
		return Adopted{Older: true}, nil
	}
	a, err := r.adoptAll(tx, from, p.Cards)
	if err != nil {
		return a, err
	}
	_, err = tx.Exec(`INSERT INTO cards_taken (hub_key, serial) VALUES (?, ?)
		ON CONFLICT (hub_key) DO UPDATE SET serial = max(serial, excluded.serial)`, Key(from.Code), int64(p.Until))
	if err != nil {
		return a, fmt.Errorf("record cards of %q: %w", from.Code, err)
	}
	return a, nil
}

func (r *Registry) adoptAll(tx *sqlite.Tx, from Source, cards []Card) (Adopted, error) {
	var a Adopted
	for _, c := range cards {
		mine := Key(c.Code) == Key(from.Own) || Key(c.Hub) == Key(from.Own)
		self := Key(c.Code) == Key(from.Code)
		if self && !from.Above {
			if err := r.succeed(tx, from, c, &a); err != nil {
				return a, fmt.Errorf("adopt CAs of %q: %w", c.Code, err)
			}
			continue // the rest this hub says better itself
		}
		if mine && from.Above {
			continue // as this
		}
		if err := r.adopt(tx, from, c, self, &a); err != nil {
			return a, fmt.Errorf("adopt card of %q from %q: %w", c.Code, from.Code, err)
		}
	}
	return a, nil
}

func (r *Registry) adopt(tx *sqlite.Tx, from Source, c Card, self bool, a *Adopted) error {
	old, err := r.LookupTx(tx, c.Code)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if c.Hub == "" && !self {
		c.Hub = from.Code
	}
	allowed, err := r.through(tx, from, c, known)
	if err != nil {
		return err
	}
	if !allowed {
		a.Refused = append(a.Refused, c.Code)
		return nil
	}
	if !from.Above {
		if c.Parent, err = r.placed(tx, from, c.Parent); err != nil {
			return err
		}
	}
	before, err := origin(tx, c.Code)
	if err != nil || known && (c.Serial <= before || same(old, c)) {
		return err
	}
	c.Old, c.May = append([]string{}, c.Old...), append([]string{}, c.May...) // none is not "as before"
	return r.issueFrom(tx, from, c, c.Serial, a)
}

// succeed takes in that the hub below has other CAs now. Those that it had must
// vouch for them.
func (r *Registry) succeed(tx *sqlite.Tx, from Source, c Card, a *Adopted) error {
	old, err := r.LookupTx(tx, c.Code)
	if errors.Is(err, ErrNotFound) || err == nil && (!old.IsHub() || !c.IsHub()) {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := origin(tx, c.Code)
	if err != nil || c.Serial <= before || slices.EqualFunc(old.CAs(), c.CAs(), (*x509.Certificate).Equal) {
		return err
	}
	known := func(ca *x509.Certificate) bool { return identity.Among(old.CAs(), ca) }
	if err := identity.Vouched(known, c.CAs(), c.Vouchers); err != nil {
		r.log.Warn("CAs of a hub below not taken over", "hub", c.Code, "error", err)
		a.Refused = append(a.Refused, c.Code)
		return nil
	}
	old.CA, old.OtherCAs, old.Vouchers = c.CA, c.OtherCAs, c.Vouchers
	return r.issueFrom(tx, from, old, c.Serial, a)
}

// origin is the serial that the card of an office had at the neighbour that it
// came from; 0 for none.
func origin(tx *sqlite.Tx, code string) (uint64, error) {
	var serial int64
	err := tx.QueryRow(`SELECT origin FROM cards WHERE code_key = ?`, Key(code)).Scan(&serial)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("look up origin of card: %w", err)
	}
	return uint64(serial), nil
}

// issueFrom issues a card anew that had the serial origin at its neighbour.
func (r *Registry) issueFrom(tx *sqlite.Tx, from Source, c Card, origin uint64, a *Adopted) error {
	if _, err := r.Issue(tx, c, from.Signer); err != nil {
		return err
	}
	a.Changed++
	_, err := tx.Exec(`UPDATE cards SET origin = ? WHERE code_key = ?`, int64(origin), Key(c.Code))
	return err
}

// through reports whether from may speak for the office on c, which names the
// hub by which it is to be reached.
func (r *Registry) through(tx *sqlite.Tx, from Source, c Card, known bool) (bool, error) {
	ways := []string{}
	if known {
		ways = append(ways, c.Code)
	}
	if c.Hub != "" && Key(c.Hub) != Key(from.Code) {
		ways = append(ways, c.Hub)
	}
	if Key(c.Code) == Key(from.Own) || Key(c.Hub) == Key(from.Own) {
		return false, nil
	}
	for _, code := range ways {
		near, err := r.NeighbourTx(tx, code)
		switch {
		case errors.Is(err, ErrChain), errors.Is(err, ErrNotFound):
			// The hub between has not come yet; nobody else has it either.
		case err != nil:
			return false, err
		case Key(near.Code) != Key(from.Code):
			return false, nil
		}
	}
	return true, nil
}

// placed keeps an office from below inside the tree of the hub it came from.
func (r *Registry) placed(tx *sqlite.Tx, from Source, parent string) (string, error) {
	near, err := r.NeighbourTx(tx, parent)
	switch {
	case err == nil && Key(near.Code) == Key(from.Code):
		return parent, nil
	case err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrChain):
		return from.Code, nil
	}
	return "", err
}

// same compares all that an issuer can say but serial and time.
func same(a, b Card) bool {
	key := func(c Card) (crypto.PublicKey, bool) { return c.Device, c.Device != nil }
	ka, ha := key(a)
	kb, hb := key(b)
	if ha != hb || ha && !ka.(*ecdsa.PublicKey).Equal(kb) || a.IsHub() != b.IsHub() {
		return false
	}
	if a.IsHub() && (!a.Authority.Equal(b.Authority) || !slices.EqualFunc(a.CAs(), b.CAs(), (*x509.Certificate).Equal)) {
		return false
	}
	return a.Code == b.Code && a.Name == b.Name && a.Parent == b.Parent && a.Kind == b.Kind && a.Hub == b.Hub &&
		a.Recipient == b.Recipient && a.Expires.Equal(b.Expires) && a.Succession.equal(b.Succession)
}

// Taken is the serial up to which the cards of a neighbouring hub were taken
// in, 0 for a neighbour that sent none.
func (r *Registry) Taken(tx *sqlite.Tx, hub string) (uint64, error) {
	var serial int64
	err := tx.QueryRow(`SELECT serial FROM cards_taken WHERE hub_key = ?`, Key(hub)).Scan(&serial)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up cards of %q: %w", hub, err)
	}
	return uint64(serial), nil
}
