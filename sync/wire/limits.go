package wire

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of single fields, in bytes unless said otherwise. A frame over a
// limit is neither encoded nor decoded.
const (
	MaxHeader   = 256 << 10 // signed header in OFFER
	MaxSlip     = 4 << 10   // key slip in OFFER
	MaxReceipt  = 4 << 10   // receipt in CUSTODY
	MaxCard     = 8 << 10   // registry card in HELLO
	MaxOffice   = 64        // office code in HELLO
	MaxSoftware = 128       // software name in HELLO
	MaxLog      = 1 << 10   // word about audit logs in HELLO
	MaxObject   = 255       // highest object index
)

// MaxAfter is the longest time that DEFER can ask for.
const MaxAfter = 30 * 24 * time.Hour

const maxCode = math.MaxUint16

var names = [...]string{
	typeHello: "HELLO", typeOffer: "OFFER", typeWant: "WANT", typeChunk: "CHUNK",
	typeCustody: "CUSTODY", typeRefuse: "REFUSE", typeDefer: "DEFER", typeCancel: "CANCEL",
	typeAsk: "ASK",
}

// Name is the name of a frame's type, for logs and errors.
func Name(f Frame) string {
	if f == nil {
		return "no frame"
	}
	return names[f.frameType()]
}

// CutText shortens s to at most MaxText bytes of whole UTF-8 characters and
// replaces what is not UTF-8, so that it fits a REFUSE.
func CutText(s string) string {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// validate checks what both directions demand of a frame's fields.
func validate(f Frame) error {
	switch f := f.(type) {
	case Hello:
		return f.validate()
	case Offer:
		return f.validate()
	case Want:
		return first(knownID(f.ID), object(f.Object), natural("offset", f.Offset), natural("credit", f.Credit), round(f.Round))
	case Chunk:
		return first(knownID(f.ID), object(f.Object), natural("offset", f.Offset),
			filled("data", len(f.Data), MaxChunk), chunkEnd(f))
	case Custody:
		return first(knownID(f.ID), filled("receipt", len(f.Receipt), MaxReceipt))
	case Refuse:
		return first(knownID(f.ID), text("text", f.Text, MaxText))
	case Defer:
		return first(knownID(f.ID), natural("after", int64(f.After)), within("after", int64(f.After), int64(MaxAfter)))
	case Cancel:
		return knownID(f.ID)
	case Ask:
		return knownID(f.ID)
	default:
		return fmt.Errorf("%w: %T", ErrType, f)
	}
}

func (f Hello) validate() error {
	if f.Version != Version {
		return fmt.Errorf("%w: %d, this program speaks %d", ErrVersion, f.Version, Version)
	}
	if f.Session == uuid.Nil {
		return fmt.Errorf("%w: no session", ErrMalformed)
	}
	return first(
		filled("office", len(f.Office), MaxOffice), text("office", f.Office, MaxOffice),
		within("card", int64(len(f.Card)), MaxCard), text("software", f.Software, MaxSoftware),
		within("log", int64(len(f.Log)), MaxLog))
}

func (f Offer) validate() error {
	total := 0
	for k, b := range f.Inline {
		if err := object(k); err != nil {
			return err
		}
		total += len(b)
	}
	return first(knownID(f.ID), filled("header", len(f.Header), MaxHeader),
		within("slip", int64(len(f.Slip)), MaxSlip), within("inline", int64(total), MaxInline))
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func knownID(id uuid.UUID) error {
	if id == uuid.Nil {
		return fmt.Errorf("%w: no bundle id", ErrMalformed)
	}
	return nil
}

func object(i int) error {
	return first(natural("object", int64(i)), within("object", int64(i), MaxObject))
}

func round(n uint32) error {
	if n == 0 {
		return fmt.Errorf("%w: round 0", ErrMalformed)
	}
	return nil
}

func natural(what string, v int64) error {
	if v < 0 {
		return fmt.Errorf("%w: negative %s", ErrMalformed, what)
	}
	return nil
}

func within(what string, v, limit int64) error {
	if v > limit {
		return fmt.Errorf("%w: %s %d, at most %d", ErrTooLarge, what, v, limit)
	}
	return nil
}

func filled(what string, n int, limit int64) error {
	if n == 0 {
		return fmt.Errorf("%w: empty %s", ErrMalformed, what)
	}
	return within(what, int64(n), limit)
}

func text(what, s string, limit int64) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrMalformed, what)
	}
	return within(what, int64(len(s)), limit)
}

func chunkEnd(f Chunk) error {
	if f.Offset > math.MaxInt64-int64(len(f.Data)) {
		return fmt.Errorf("%w: chunk ends beyond all sizes", ErrMalformed)
	}
	return nil
}
