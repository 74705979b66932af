package registry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of what a card says of the office's past and rights, hard: what is
// over them is ErrCard.
const (
	MaxOld    = 24 // former codes of one office
	MaxMay    = 32 // rules of whom it may write to
	MaxFormer = 8  // former device keys; the oldest are dropped
)

// KindEnterprise is the kind of an office that may write only to whom its card
// allows. Other kinds are words of the province.
const KindEnterprise = "enterprise"

// Everybody is the rule that allows to write to every office.
const Everybody = "*"

// below ends the rule that allows an office and all that lie below it.
const below = "/*"

// FormerKey is a device key that an office had before it was enrolled anew.
type FormerKey struct {
	Device *ecdsa.PublicKey
	From   time.Time // issued, by the hub's clock
	Until  time.Time // replaced, by the hub's clock
}

// Succession is what a card says of an office's past, end and rights. In
// Registry.Issue nil stands for what the stored card says.
type Succession struct {
	// Into is the code of the office that took this one over, by a merger or
	// under a new code; "" while the office exists. The keys of an office that
	// has ended stay, for what is still under way to and from it.
	Into string
	// Old are codes by which the office was known, those of other code systems
	// included. The codes of offices that were merged into it have cards of
	// their own.
	Old []string
	// May are the rules of whom it may write to: a code, a code with "/*" behind
	// it for that office and all below it, or Everybody. Without rules a card
	// of KindEnterprise allows nobody, any other everybody.
	May []string
	// Former are its earlier device keys, the latest first.
	Former []FormerKey
}

// Restricted reports whether the office may write only to whom its card allows.
func (c Card) Restricted() bool { return len(c.May) > 0 || c.Kind == KindEnterprise }

// KeyAt returns the former device keys that were the office's at a time by its
// own clock, which may differ from the hub's by tolerance.
func (c Card) KeyAt(at time.Time, tolerance time.Duration) []*ecdsa.PublicKey {
	var keys []*ecdsa.PublicKey
	for _, k := range c.Former {
		if !at.After(k.Until.Add(tolerance)) {
			keys = append(keys, k.Device)
		}
	}
	return keys
}

// after is s with what it leaves open taken from the card before, and with a
// device key that the new one replaces.
func (s Succession) after(old Card, device crypto.PublicKey, now time.Time) Succession {
	if s.Old == nil {
		s.Old = old.Old
	}
	if s.May == nil {
		s.May = old.May
	}
	if s.Former != nil {
		return s // of a card that another hub has issued
	}
	s.Former = old.Former
	was, replaced := old.Device.(*ecdsa.PublicKey)
	is, ok := device.(*ecdsa.PublicKey)
	if !replaced || !ok || was.Equal(is) {
		return s
	}
	former := []FormerKey{{Device: was, From: old.Issued, Until: now}}
	for _, k := range old.Former {
		if !k.Device.Equal(is) {
			former = append(former, k)
		}
	}
	s.Former = former[:min(len(former), MaxFormer)]
	return s
}

// succession is the signed form of Succession.
type succession struct {
	Into   string      `cbor:"14,keyasint,omitempty"`
	Old    []string    `cbor:"15,keyasint,omitempty"`
	May    []string    `cbor:"16,keyasint,omitempty"`
	Former []formerKey `cbor:"17,keyasint,omitempty"`
}

// formerKey is an array of three: the compressed point of the key on P-256, and
// Unix seconds.
type formerKey struct {
	_           struct{} `cbor:",toarray"`
	Point       []byte
	From, Until int64
}

func (s Succession) encode() succession {
	e := succession{Into: s.Into, Old: s.Old, May: s.May}
	for _, k := range s.Former {
		e.Former = append(e.Former, formerKey{Point: compress(k.Device), From: seconds(k.From), Until: seconds(k.Until)})
	}
	return e
}

func (e succession) decode(code string) (Succession, error) {
	s := Succession{Into: e.Into, Old: e.Old, May: e.May}
	if len(e.Old) > MaxOld || len(e.May) > MaxMay || len(e.Former) > MaxFormer {
		return s, fmt.Errorf("%w: %d old codes, %d rules, %d former keys", ErrCard, len(e.Old), len(e.May), len(e.Former))
	}
	if e.Into != "" {
		if err := CheckCode(e.Into); err != nil || Key(e.Into) == Key(code) {
			return s, fmt.Errorf("%w: successor %.80q", ErrCard, e.Into)
		}
	}
	for _, old := range e.Old {
		if err := CheckCode(old); err != nil {
			return s, fmt.Errorf("%w: old code: %w", ErrCard, err)
		}
	}
	for _, rule := range e.May {
		if err := CheckRule(rule); err != nil {
			return s, fmt.Errorf("%w: %w", ErrCard, err)
		}
	}
	for _, f := range e.Former {
		key, err := uncompress(f.Point)
		if err != nil {
			return s, fmt.Errorf("%w: former key: %w", ErrCard, err)
		}
		s.Former = append(s.Former, FormerKey{Device: key, From: moment(f.From), Until: moment(f.Until)})
	}
	return s, nil
}

// CheckRule says whether rule can stand in May.
func CheckRule(rule string) error {
	if rule == Everybody {
		return nil
	}
	if err := CheckCode(strings.TrimSuffix(rule, below)); err != nil {
		return fmt.Errorf("rule %.80q: %w", rule, err)
	}
	return nil
}

// equal compares all but nil and empty.
func (s Succession) equal(t Succession) bool {
	return s.Into == t.Into && slices.Equal(s.Old, t.Old) && slices.Equal(s.May, t.May) &&
		slices.EqualFunc(s.Former, t.Former, func(a, b FormerKey) bool {
			return a.Device.Equal(b.Device) && seconds(a.From) == seconds(b.From) && seconds(a.Until) == seconds(b.Until)
		})
}

// pointSize is the size of a compressed point on P-256, in bytes.
const pointSize = 33

func compress(key *ecdsa.PublicKey) []byte {
	raw, err := key.Bytes()
	if err != nil || len(raw) != 2*pointSize-1 {
		return nil // not on P-256; reading refuses it
	}
	return append([]byte{2 | raw[len(raw)-1]&1}, raw[1:pointSize]...)
}

func uncompress(point []byte) (*ecdsa.PublicKey, error) {
	if len(point) != pointSize {
		return nil, errors.New("not a compressed point")
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), point)
	if x == nil {
		return nil, errors.New("not a point on P-256")
	}
	raw := make([]byte, 2*pointSize-1)
	raw[0] = 4
	x.FillBytes(raw[1:pointSize])
	y.FillBytes(raw[pointSize:])
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
}
