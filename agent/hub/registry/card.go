// Package registry is the directory of offices: signed cards that say who an
// office is, where it stands in the tree and which keys are its own.
//
// It promises that a card in the store was signed by the hub's authority key,
// that of two cards of one office the one with the higher serial stands, in
// whatever order they came, and that codes are found without regard to case
// and names without regard to diacritics. Cards may be passed on by anyone:
// each is judged by its signature alone.
package registry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/fxamacker/cbor/v2"

	"tram/agent/identity"
	"tram/storage"
	"tram/sync/bundle"
)

var (
	// ErrNotFound says that no card of that code is in the registry.
	ErrNotFound = storage.ErrNotFound
	// ErrCard says that bytes are not a card of this registry: malformed,
	// against a limit, or not signed by the authority.
	ErrCard = errors.New("bad card")
	// ErrVersion says that a card is of a version this program cannot read.
	ErrVersion = errors.New("unknown card version")
	// ErrCode says that a string cannot be an office code.
	ErrCode = errors.New("bad office code")
)

// Limits of a card, hard: what is over them is ErrCard.
const (
	MaxCode = 64      // bytes of an office code
	MaxName = 256     // characters of a name
	MaxKind = 32      // bytes of a kind
	MaxCard = 4 << 10 // bytes of a signed card
)

// cardVersion is the version this program writes and reads.
const cardVersion = 1

// Card is what the registry says of one office.
type Card struct {
	Code      string // as the province writes it; compared without case
	Name      string
	Parent    string           // code of the office above, "" at the top
	Kind      string           // free word of the province, such as "xa" or "so"
	Device    crypto.PublicKey // *ecdsa.PublicKey on P-256; nil until the office is enrolled
	Recipient string           // age1… key for documents; "" until the office is enrolled
	Serial    uint64           // unix milliseconds at signing; the higher wins
	Issued    time.Time
	Expires   time.Time // of the device certificate; zero when there is none
	// Hub is the code of the hub where the office is enrolled; "" for an office
	// of the hub whose registry this is, and for that hub's own neighbours.
	Hub string
	// Authority and CA are on the card of a hub and nil on others: the key that
	// signs its cards, and the certificate that issued its offices' seals.
	Authority *ecdsa.PublicKey
	CA        *x509.Certificate
	// OtherCAs are the CA announced to follow CA and those before it, which
	// issued seals too. Vouchers are the words of each for the others, see
	// identity.Vouch.
	OtherCAs []*x509.Certificate
	Vouchers [][]byte
	Succession
}

// IsHub reports whether the card is a hub's.
func (c Card) IsHub() bool { return c.Authority != nil }

// Enrolled reports whether the office has keys, so that documents can be
// encrypted to it.
func (c Card) Enrolled() bool { return c.Device != nil && c.Recipient != "" }

// Fingerprint is the SHA-256 of the device key as SubjectPublicKeyInfo, zero
// when the card has none.
func (c Card) Fingerprint() ([32]byte, error) {
	if c.Device == nil {
		return [32]byte{}, nil
	}
	der, err := x509.MarshalPKIXPublicKey(c.Device)
	if err != nil {
		return [32]byte{}, fmt.Errorf("encode device key: %w", err)
	}
	return sha256.Sum256(der), nil
}

// card is the payload that is signed. Times are unix seconds.
type card struct {
	Version   uint64 `cbor:"1,keyasint"`
	Code      string `cbor:"2,keyasint"`
	Name      string `cbor:"3,keyasint"`
	Parent    string `cbor:"4,keyasint"`
	Kind      string `cbor:"5,keyasint"`
	Device    []byte `cbor:"6,keyasint"` // SubjectPublicKeyInfo DER, empty for none
	Recipient string `cbor:"7,keyasint"`
	Serial    uint64 `cbor:"8,keyasint"`
	Issued    int64  `cbor:"9,keyasint"`
	Expires   int64  `cbor:"10,keyasint"` // 0 for none
	Hub       string `cbor:"11,keyasint,omitempty"`
	Authority []byte `cbor:"12,keyasint,omitempty"` // SubjectPublicKeyInfo DER
	CA        []byte `cbor:"13,keyasint,omitempty"` // DER
	succession
	rotation
}

// rotation is what the card of a hub says of its other CAs.
type rotation struct {
	OtherCAs [][]byte `cbor:"18,keyasint,omitempty"` // DER
	Vouchers [][]byte `cbor:"19,keyasint,omitempty"`
}

// Key is the form of a code that is the same for all its spellings.
func Key(code string) string { return strings.ToLower(strings.TrimSpace(code)) }

// CheckCode says whether code may be given to an office. Allowed are ASCII
// letters, digits and ".", "-", ":", beginning with a letter or digit: what
// stays itself in a topic, a certificate and, with ":" replaced, a file name.
func CheckCode(code string) error {
	if code == "" || len(code) > MaxCode {
		return fmt.Errorf("%w: must have 1 to %d characters", ErrCode, MaxCode)
	}
	for i, r := range code {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune(".-:", r)) {
			return fmt.Errorf("%w: character %q", ErrCode, r)
		}
	}
	return nil
}

// CheckName says whether name can stand on a card: valid text of 1 to MaxName
// characters without control characters.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fmt.Errorf("%w: name is empty", ErrCard)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: name holds control characters or is not UTF-8", ErrCard)
	case utf8.RuneCountInString(name) > MaxName:
		return fmt.Errorf("%w: name has more than %d characters", ErrCard, MaxName)
	}
	return nil
}

// SignCard makes the signed bytes of c. The same checks hold as for reading.
func SignCard(c Card, authority crypto.Signer) ([]byte, error) {
	payload, err := c.payload()
	if err != nil {
		return nil, fmt.Errorf("sign card: %w", err)
	}
	raw, err := bundle.SignCOSE(bundle.AADCard, payload, authority)
	if err != nil {
		return nil, fmt.Errorf("sign card: %w", err)
	}
	if len(raw) > MaxCard {
		return nil, fmt.Errorf("sign card: %w: more than %d bytes", ErrCard, MaxCard)
	}
	return raw, nil
}

// payload encodes and checks c.
func (c Card) payload() ([]byte, error) {
	p := card{
		Version: cardVersion, Code: c.Code, Name: c.Name, Parent: c.Parent, Kind: c.Kind,
		Recipient: c.Recipient, Serial: c.Serial, Issued: seconds(c.Issued), Expires: seconds(c.Expires),
		Device: []byte{}, Hub: c.Hub, succession: c.Succession.encode(),
	}
	if c.CA != nil {
		p.CA = c.CA.Raw
	}
	p.rotation = c.rotation()
	var err error
	if c.Authority != nil {
		if p.Authority, err = x509.MarshalPKIXPublicKey(c.Authority); err != nil {
			return nil, err
		}
	}
	if c.Device != nil {
		if p.Device, err = x509.MarshalPKIXPublicKey(c.Device); err != nil {
			return nil, err
		}
	}
	if _, err := p.card(); err != nil {
		return nil, err
	}
	return encoding.Marshal(p)
}

// ParseCard reads a card and verifies its signature. ErrCard and ErrVersion
// mean that the card must not be used. That it may have expired is left to
// the caller, whose clock may be wrong.
func ParseCard(raw []byte, authority crypto.PublicKey) (Card, error) {
	if len(raw) > MaxCard {
		return Card{}, fmt.Errorf("%w: more than %d bytes", ErrCard, MaxCard)
	}
	payload, err := bundle.VerifyCOSE(bundle.AADCard, raw, authority)
	if err != nil {
		return Card{}, fmt.Errorf("%w: %w", ErrCard, err)
	}
	return parsePayload(payload)
}

// PeekCard reads a card without judging its signature, to find out whose it
// claims to be.
func PeekCard(raw []byte) (Card, error) {
	if len(raw) > MaxCard {
		return Card{}, fmt.Errorf("%w: more than %d bytes", ErrCard, MaxCard)
	}
	payload, err := bundle.PayloadCOSE(raw)
	if err != nil {
		return Card{}, fmt.Errorf("%w: %w", ErrCard, err)
	}
	return parsePayload(payload)
}

func parsePayload(payload []byte) (Card, error) {
	var p card
	if err := decoding.Unmarshal(payload, &p); err != nil {
		return Card{}, fmt.Errorf("%w: %w", ErrCard, err)
	}
	return p.card()
}

// card checks every field of p.
func (p card) card() (Card, error) {
	if p.Version != cardVersion {
		return Card{}, fmt.Errorf("%w %d", ErrVersion, p.Version)
	}
	if err := CheckCode(p.Code); err != nil {
		return Card{}, fmt.Errorf("%w: %w", ErrCard, err)
	}
	if err := CheckName(p.Name); err != nil {
		return Card{}, err
	}
	if p.Parent != "" {
		if err := CheckCode(p.Parent); err != nil {
			return Card{}, fmt.Errorf("%w: parent: %w", ErrCard, err)
		}
	}
	if len(p.Kind) > MaxKind || strings.ContainsFunc(p.Kind, unicode.IsControl) {
		return Card{}, fmt.Errorf("%w: kind", ErrCard)
	}
	if p.Serial == 0 || p.Serial > maxSerial {
		return Card{}, fmt.Errorf("%w: serial %d", ErrCard, p.Serial)
	}
	c := Card{
		Code: p.Code, Name: p.Name, Parent: p.Parent, Kind: p.Kind, Recipient: p.Recipient,
		Serial: p.Serial, Issued: moment(p.Issued), Expires: moment(p.Expires),
	}
	if (len(p.Device) == 0) != (p.Recipient == "") {
		return Card{}, fmt.Errorf("%w: one key without the other", ErrCard)
	}
	if err := p.hub(&c); err != nil {
		return Card{}, err
	}
	var err error
	if c.Succession, err = p.succession.decode(p.Code); err != nil {
		return Card{}, err
	}
	if len(p.Device) > 0 {
		key, err := parseKey(p.Device)
		if err != nil {
			return Card{}, fmt.Errorf("%w: device key: %w", ErrCard, err)
		}
		c.Device = key
		if _, err := age.ParseX25519Recipient(p.Recipient); err != nil {
			return Card{}, fmt.Errorf("%w: recipient: %w", ErrCard, err)
		}
	}
	return c, nil
}

// hub checks and fills in what says where an office is enrolled, and what makes
// a card a hub's.
func (p card) hub(c *Card) (err error) {
	if p.Hub != "" {
		if err := CheckCode(p.Hub); err != nil {
			return fmt.Errorf("%w: hub: %w", ErrCard, err)
		}
		c.Hub = p.Hub
	}
	if (len(p.Authority) == 0) != (len(p.CA) == 0) {
		return fmt.Errorf("%w: authority key without CA certificate, or the reverse", ErrCard)
	}
	if len(p.Authority) == 0 {
		if len(p.OtherCAs)+len(p.Vouchers) > 0 {
			return fmt.Errorf("%w: CAs of an office that is no hub", ErrCard)
		}
		return nil
	}
	if c.Authority, err = parseKey(p.Authority); err != nil {
		return fmt.Errorf("%w: authority key: %w", ErrCard, err)
	}
	if c.CA, err = x509.ParseCertificate(p.CA); err != nil {
		return fmt.Errorf("%w: CA certificate: %w", ErrCard, err)
	}
	if !c.CA.IsCA {
		return fmt.Errorf("%w: %w", ErrCard, errNoCA)
	}
	return p.others(c)
}

// others checks and fills in the hub's other CAs.
func (p card) others(c *Card) error {
	if len(p.OtherCAs) > identity.MaxOtherCAs || len(p.Vouchers) > identity.MaxVouchers {
		return fmt.Errorf("%w: %d other CAs, %d vouchers", ErrCard, len(p.OtherCAs), len(p.Vouchers))
	}
	for _, der := range p.OtherCAs {
		ca, err := x509.ParseCertificate(der)
		if err != nil || !ca.IsCA {
			return fmt.Errorf("%w: other CA certificate: %w", ErrCard, errors.Join(err, errNoCA))
		}
		c.OtherCAs = append(c.OtherCAs, ca)
	}
	c.Vouchers = p.Vouchers
	return nil
}

func (c Card) rotation() (r rotation) {
	for _, ca := range c.OtherCAs {
		r.OtherCAs = append(r.OtherCAs, ca.Raw)
	}
	r.Vouchers = c.Vouchers
	return r
}

// CAs are those of a hub, the present one first.
func (c Card) CAs() []*x509.Certificate {
	return append([]*x509.Certificate{c.CA}, c.OtherCAs...)
}

var errNoCA = errors.New("certificate is not of a CA")

func parseKey(der []byte) (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("not ECDSA P-256")
	}
	return ec, nil
}

// maxSerial keeps serials inside SQLite's signed integers.
const maxSerial = 1<<63 - 1

// seconds and moment turn the zero time into 0 and back.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, MaxNestedLevels: 6, MaxArrayElements: MaxCards, MaxMapPairs: MaxCards,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options; a test run shows it
	}
	return v
}

// MaxCards is the largest number of cards in one list of cards.
const MaxCards = 4096

// EncodeCards makes the payload of a registry bundle: a CBOR list of cards.
func EncodeCards(cards [][]byte) ([]byte, error) {
	if len(cards) > MaxCards {
		return nil, fmt.Errorf("encode cards: %w: more than %d", ErrCard, MaxCards)
	}
	return encoding.Marshal(cards)
}

// DecodeCards reads the payload of a registry bundle. The cards are not
// verified yet; Merge does that.
func DecodeCards(payload []byte) ([][]byte, error) {
	var cards [][]byte
	if err := decoding.Unmarshal(payload, &cards); err != nil {
		return nil, fmt.Errorf("decode cards: %w: %w", ErrCard, err)
	}
	return cards, nil
}
