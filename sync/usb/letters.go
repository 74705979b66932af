package usb

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/exchange"
)

// Letters are the small things of a package: what is offered, and what is
// answered.
type Letters struct {
	Bundles  []Letter
	Receipts [][]byte // signed custody receipts
	Refusals []Refusal
}

// Letter offers one bundle.
type Letter struct {
	Header []byte `json:"header"`         // signed
	Slip   []byte `json:"slip,omitempty"` // key slip for the neighbour; nil when the slips object goes along
}

// Refusal says that a bundle will never be taken over.
type Refusal struct {
	ID   uuid.UUID `json:"id"`
	Code uint16    `json:"code"` // as in the frame REFUSE
	Text string    `json:"text"` // for people
}

type lettersWire struct {
	Version  uint64        `cbor:"1,keyasint"`
	Bundles  []letterWire  `cbor:"2,keyasint"`
	Receipts [][]byte      `cbor:"3,keyasint"`
	Refusals []refusalWire `cbor:"4,keyasint"`
}

type letterWire struct {
	_      struct{} `cbor:",toarray"`
	Header []byte
	Slip   []byte
}

type refusalWire struct {
	_    struct{} `cbor:",toarray"`
	ID   []byte
	Code uint16
	Text string
}

// EncodeLetters makes the bytes of the file of letters.
func EncodeLetters(l Letters) ([]byte, error) {
	w := lettersWire{Version: version, Bundles: []letterWire{}, Receipts: [][]byte{}, Refusals: []refusalWire{}}
	for _, b := range l.Bundles {
		w.Bundles = append(w.Bundles, letterWire{Header: b.Header, Slip: append([]byte{}, b.Slip...)})
	}
	w.Receipts = append(w.Receipts, l.Receipts...)
	for _, r := range l.Refusals {
		w.Refusals = append(w.Refusals, refusalWire{ID: r.ID[:], Code: r.Code, Text: r.Text})
	}
	if err := w.validate(); err != nil {
		return nil, fmt.Errorf("encode letters: %w", err)
	}
	raw, err := bundle.EncodeMap(w)
	if err == nil && len(raw) > MaxLetters {
		err = tooLarge("letters", int64(len(raw)), MaxLetters)
	}
	if err != nil {
		return nil, fmt.Errorf("encode letters: %w", err)
	}
	return raw, nil
}

// DecodeLetters reads what [EncodeLetters] makes. Headers and receipts in it
// are not looked at. Errors are [bundle.ErrMalformed], [bundle.ErrTooLarge] and
// [bundle.ErrVersion].
func DecodeLetters(raw []byte) (Letters, error) {
	if len(raw) > MaxLetters {
		return Letters{}, fmt.Errorf("decode letters: %w", tooLarge("letters", int64(len(raw)), MaxLetters))
	}
	var w lettersWire
	err := bundle.DecodeMap("letters", raw, []uint64{1, 2, 3, 4}, nil, &w)
	if err == nil {
		err = w.validate()
	}
	if err != nil {
		return Letters{}, fmt.Errorf("decode letters: %w", err)
	}
	l := Letters{Receipts: w.Receipts}
	for _, b := range w.Bundles {
		letter := Letter{Header: b.Header}
		if len(b.Slip) > 0 {
			letter.Slip = b.Slip
		}
		l.Bundles = append(l.Bundles, letter)
	}
	for _, r := range w.Refusals {
		l.Refusals = append(l.Refusals, Refusal{ID: uuid.UUID(r.ID), Code: r.Code, Text: r.Text})
	}
	return l, nil
}

func (w lettersWire) validate() error {
	switch {
	case w.Bundles == nil || w.Receipts == nil || w.Refusals == nil:
		return malformed("null in place of a list")
	case len(w.Bundles) > MaxBundles:
		return tooLarge("bundles", int64(len(w.Bundles)), MaxBundles)
	case len(w.Receipts) > MaxReplies:
		return tooLarge("receipts", int64(len(w.Receipts)), MaxReplies)
	case len(w.Refusals) > MaxReplies:
		return tooLarge("refusals", int64(len(w.Refusals)), MaxReplies)
	}
	for _, b := range w.Bundles {
		switch {
		case len(b.Header) == 0 || b.Slip == nil:
			return malformed("a bundle without header, or null for a slip")
		case len(b.Header) > bundle.MaxHeader:
			return tooLarge("header", int64(len(b.Header)), bundle.MaxHeader)
		case len(b.Slip) > bundle.MaxSlip:
			return tooLarge("slip", int64(len(b.Slip)), bundle.MaxSlip)
		}
	}
	for _, r := range w.Receipts {
		switch {
		case len(r) == 0:
			return malformed("an empty receipt")
		case len(r) > bundle.MaxReceipt:
			return tooLarge("receipt", int64(len(r)), bundle.MaxReceipt)
		}
	}
	for _, r := range w.Refusals {
		switch {
		case len(r.ID) != len(uuid.UUID{}):
			return malformed("id of a refusal has not 16 bytes")
		case len(r.Text) > MaxRefusal || !utf8.ValidString(r.Text):
			return tooLarge("text of a refusal", int64(len(r.Text)), MaxRefusal)
		}
	}
	return nil
}

// cutRefusal makes a text fit into a refusal.
func cutRefusal(text string) string {
	if len(text) <= MaxRefusal {
		return text
	}
	n := MaxRefusal
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// offered is what a letter offers.
type offered struct {
	Letter
	id   storage.ID
	kind bundle.Kind
	size int64        // of all that must come with it, in bytes
	need map[int]File // the objects that must come with it, by index
	rank uint8        // urgency
}

// open reads the header of a letter; its signature is the station's to check.
// Size is how many bytes of objects come with it; 0 when it cannot be read.
func (l Letter) Size() int64 {
	o, err := l.open()
	if err != nil {
		return 0
	}
	return o.size
}

func (l Letter) open() (offered, error) {
	signed, err := bundle.Parse(l.Header)
	if err != nil {
		return offered{}, err
	}
	b := signed.Stored()
	o := offered{Letter: l, id: b.ID, kind: signed.Header.Kind, rank: b.Urgency, need: map[int]File{}}
	for _, i := range exchange.Travels(storage.Outgoing{Bundle: b, Slip: l.Slip}) {
		o.need[i] = File{b.Objects[i].SHA256, b.Objects[i].Size}
		o.size += b.Objects[i].Size
	}
	return o, nil
}

// objects lists the indexes of what must come, ascending.
func (o offered) objects() []int { return slices.Sorted(maps.Keys(o.need)) }
