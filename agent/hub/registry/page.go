package registry

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"

	"tram/sync/bundle"
)

// pageMagic begins a page. A list of cards, the other payload of a registry
// bundle, begins with the head of a CBOR array.
const pageMagic = "TRAMPAGE"

// pageVersion is the version of a page's head that this program writes and
// reads.
const pageVersion = 1

// Limits of a page, hard.
const (
	MaxPageCards = 4000    // cards; writers make half as many, for an office takes a page in within one transaction
	MaxPage      = 4 << 20 // bytes; what is over it is ErrCard
	maxPageHead  = 1 << 10 // bytes of the signed head
	// fullPage is how many bytes of cards a page gets before it ends.
	fullPage = 1 << 20
)

// Page is a part of a registry, signed as a whole: the cards whose serial is
// above After and at most Until. The pages from serial 0 on, each going on
// where the one before ended, are a snapshot; those from another serial on are
// the delta to it.
type Page struct {
	After, Until uint64
	Version      uint64    // highest serial of the registry when it was made
	Made         time.Time // by the hub's clock, in milliseconds
	Cards        []Card    // by serial
}

// pageHead is what is signed of a page.
type pageHead struct {
	Version uint64   `cbor:"1,keyasint"`
	After   uint64   `cbor:"2,keyasint"`
	Until   uint64   `cbor:"3,keyasint"`
	Newest  uint64   `cbor:"4,keyasint"`
	Made    int64    `cbor:"5,keyasint"` // unix milliseconds
	Cards   uint64   `cbor:"6,keyasint"`
	Body    [32]byte `cbor:"7,keyasint"` // SHA-256
}

// pageBody holds the cards by columns, so that what is alike stands together
// and compresses well. Each column has an entry for each card.
type pageBody struct {
	Code      []string            `cbor:"1,keyasint"`
	Name      []string            `cbor:"2,keyasint"`
	Parent    []string            `cbor:"3,keyasint"`
	Kind      []string            `cbor:"4,keyasint"`
	Hub       []string            `cbor:"5,keyasint"`
	Serial    []uint64            `cbor:"6,keyasint"` // above that of the card before
	Issued    []int64             `cbor:"7,keyasint"` // seconds before the serial
	Expires   []int64             `cbor:"8,keyasint"` // unix seconds, 0 for none
	Device    [][]byte            `cbor:"9,keyasint"` // compressed point, empty for none
	Recipient [][]byte            `cbor:"10,keyasint"`
	More      map[uint64]rarePart `cbor:"11,keyasint,omitempty"` // by the card's place
}

// rarePart is what few cards have, under the keys of the card.
type rarePart struct {
	Authority []byte `cbor:"12,keyasint,omitempty"`
	CA        []byte `cbor:"13,keyasint,omitempty"`
	succession
	rotation
}

// IsPage says whether the payload of a registry bundle is a page; else it is a
// list of cards.
func IsPage(payload []byte) bool { return bytes.HasPrefix(payload, []byte(pageMagic)) }

// EncodePage makes the signed bytes of p. The same checks hold as for reading.
func EncodePage(p Page, authority crypto.Signer) ([]byte, error) {
	if len(p.Cards) > MaxPageCards {
		return nil, fmt.Errorf("encode page: %w: %d cards", ErrCard, len(p.Cards))
	}
	var b pageBody
	before := p.After
	for i, c := range p.Cards {
		if c.Serial < before || c.Serial > p.Until {
			return nil, fmt.Errorf("encode page: %w: serial %d of %q", ErrCard, c.Serial, c.Code)
		}
		if err := b.add(uint64(i), c, before); err != nil {
			return nil, fmt.Errorf("encode page: %w", err)
		}
		before = c.Serial
	}
	body, err := encoding.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	head, err := encoding.Marshal(pageHead{
		Version: pageVersion, After: p.After, Until: p.Until, Newest: p.Version, Made: p.Made.UnixMilli(),
		Cards: uint64(len(p.Cards)), Body: sha256.Sum256(body),
	})
	if err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	signed, err := bundle.SignCOSE(bundle.AADPage, head, authority)
	if err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	raw := binary.BigEndian.AppendUint16([]byte(pageMagic), uint16(len(signed)))
	raw = append(append(raw, signed...), body...)
	if len(signed) > maxPageHead || len(raw) > MaxPage {
		return nil, fmt.Errorf("encode page: %w: %d bytes", ErrCard, len(raw))
	}
	return raw, nil
}

func (b *pageBody) add(i uint64, c Card, before uint64) error {
	device := []byte{}
	if key, ok := c.Device.(*ecdsa.PublicKey); ok {
		device = compress(key)
	}
	recipient := []byte{}
	if c.Recipient != "" {
		var err error
		if recipient, err = rawRecipient(c.Recipient); err != nil {
			return err
		}
	}
	b.Code, b.Name, b.Parent = append(b.Code, c.Code), append(b.Name, c.Name), append(b.Parent, c.Parent)
	b.Kind, b.Hub = append(b.Kind, c.Kind), append(b.Hub, c.Hub)
	b.Serial, b.Issued = append(b.Serial, c.Serial-before), append(b.Issued, int64(c.Serial/1000)-seconds(c.Issued))
	b.Expires, b.Device, b.Recipient = append(b.Expires, seconds(c.Expires)), append(b.Device, device), append(b.Recipient, recipient)
	rare := rarePart{succession: c.Succession.encode(), rotation: c.rotation()}
	if c.IsHub() {
		der, err := x509.MarshalPKIXPublicKey(c.Authority)
		if err != nil {
			return err
		}
		rare.Authority, rare.CA = der, c.CA.Raw
	}
	if c.IsHub() || !c.Succession.equal(Succession{}) {
		if b.More == nil {
			b.More = map[uint64]rarePart{}
		}
		b.More[i] = rare
	}
	return nil
}

// ParsePage reads a page and verifies it. ErrCard and ErrVersion mean that
// nothing of it must be used.
func ParsePage(raw []byte, authority crypto.PublicKey) (Page, error) {
	bad := func(format string, args ...any) (Page, error) {
		return Page{}, fmt.Errorf("parse page: %w: %w", ErrCard, fmt.Errorf(format, args...))
	}
	rest, ok := bytes.CutPrefix(raw, []byte(pageMagic))
	if !ok || len(raw) > MaxPage || len(rest) < 2 {
		return bad("%d bytes that are no page", len(raw))
	}
	size := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; size > maxPageHead || size > len(rest) {
		return bad("head of %d bytes", size)
	}
	payload, err := bundle.VerifyCOSE(bundle.AADPage, rest[:size], authority)
	if err != nil {
		return bad("head: %w", err)
	}
	var h pageHead
	if err := decoding.Unmarshal(payload, &h); err != nil {
		return bad("head: %w", err)
	}
	body := rest[size:]
	switch {
	case h.Version != pageVersion:
		return Page{}, fmt.Errorf("parse page: %w %d", ErrVersion, h.Version)
	case sha256.Sum256(body) != h.Body:
		return bad("body has another digest than the head says")
	case h.After > h.Until || h.Until > maxSerial || h.Newest > maxSerial || h.Cards > MaxPageCards:
		return bad("%d cards from %d to %d of %d", h.Cards, h.After, h.Until, h.Newest)
	}
	var b pageBody
	if err := decoding.Unmarshal(body, &b); err != nil {
		return bad("body: %w", err)
	}
	p := Page{After: h.After, Until: h.Until, Version: h.Newest, Made: time.UnixMilli(h.Made).UTC()}
	p.Cards, err = b.cards(h)
	if err != nil {
		return Page{}, fmt.Errorf("parse page: %w", err)
	}
	return p, nil
}

// cards checks every card of a body.
func (b *pageBody) cards(h pageHead) ([]Card, error) {
	n := int(h.Cards)
	for _, have := range []int{
		len(b.Code), len(b.Name), len(b.Parent), len(b.Kind), len(b.Hub), len(b.Serial), len(b.Issued), len(b.Expires), len(b.Device), len(b.Recipient),
	} {
		if have != n {
			return nil, fmt.Errorf("%w: a column of %d for %d cards", ErrCard, have, n)
		}
	}
	cards := make([]Card, 0, n)
	serial := h.After
	for i := range n {
		if b.Serial[i] > h.Until-serial {
			return nil, fmt.Errorf("%w: serial of card %d is over the page's", ErrCard, i)
		}
		serial += b.Serial[i]
		c, err := b.card(i, serial)
		if err != nil {
			return nil, fmt.Errorf("card %d: %w", i, err)
		}
		cards = append(cards, c)
	}
	return cards, nil
}

func (b *pageBody) card(i int, serial uint64) (Card, error) {
	rare := b.More[uint64(i)]
	p := card{
		Version: cardVersion, Code: b.Code[i], Name: b.Name[i], Parent: b.Parent[i], Kind: b.Kind[i], Hub: b.Hub[i],
		Serial: serial, Issued: int64(serial/1000) - b.Issued[i], Expires: b.Expires[i],
		Authority: rare.Authority, CA: rare.CA, succession: rare.succession, rotation: rare.rotation,
	}
	if len(b.Device[i]) > 0 {
		key, err := uncompress(b.Device[i])
		if err != nil {
			return Card{}, fmt.Errorf("%w: device key: %w", ErrCard, err)
		}
		if p.Device, err = x509.MarshalPKIXPublicKey(key); err != nil {
			return Card{}, fmt.Errorf("%w: device key: %w", ErrCard, err)
		}
	}
	if len(b.Recipient[i]) > 0 {
		var err error
		if p.Recipient, err = textRecipient(b.Recipient[i]); err != nil {
			return Card{}, fmt.Errorf("%w: recipient: %w", ErrCard, err)
		}
	}
	return p.card()
}

// PageAfter makes the page that follows serial after, without the cards that
// skip names; nil leaves none out. It ends at Version when it is the last one,
// and is nil when there is nothing after after.
func (r *Registry) PageAfter(ctx context.Context, after uint64, skip func(Card) (bool, error), authority crypto.Signer) (*Page, []byte, error) {
	newest := r.Newest()
	raws, err := r.Since(ctx, after, r.pageCards)
	if err != nil || len(raws) == 0 {
		return nil, nil, err
	}
	p := &Page{After: after, Until: after, Made: time.Now()}
	size := 0
	for _, raw := range raws {
		c, err := r.stored(raw)
		if err != nil {
			return nil, nil, err
		}
		if full := size > fullPage || len(p.Cards) >= r.pageCards; full && c.Serial != p.Until {
			break
		}
		p.Until, size = c.Serial, size+len(raw)
		if skip != nil {
			if left, err := skip(c); err != nil || left {
				if err != nil {
					return nil, nil, err
				}
				continue
			}
		}
		p.Cards = append(p.Cards, c)
	}
	p.Version = max(newest, p.Until)
	raw, err := EncodePage(*p, authority)
	if err != nil {
		return nil, nil, err
	}
	return p, raw, nil
}
