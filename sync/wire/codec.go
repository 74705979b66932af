package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
)

var (
	// ErrTooLarge says that a frame or a field of it is over its limit.
	ErrTooLarge = errors.New("over the size limit")
	// ErrVersion says that a HELLO is of a protocol version that this program
	// does not speak; the text names it.
	ErrVersion = errors.New("unknown protocol version")
	// ErrType says that a frame is of an unknown type; the text names it.
	ErrType = errors.New("unknown frame type")
	// ErrMalformed says that bytes are not a frame in its one allowed form.
	ErrMalformed = errors.New("malformed frame")
)

// magic begins each HELLO, after the frame type.
const magic = "TRAM"

// How many elements the array of each frame type has, type included.
var elements = map[uint8]uint64{
	typeHello: 16, typeOffer: 5, typeWant: 6, typeChunk: 5,
	typeCustody: 3, typeRefuse: 4, typeDefer: 4, typeCancel: 3,
	typeAsk: 3,
}

// Encode returns the bytes of a frame in a new slice. It fails with
// [ErrTooLarge] or [ErrMalformed] for a frame that Decode would not accept;
// fields are cut to what is sent: Now to milliseconds, After to seconds.
func Encode(f Frame) ([]byte, error) {
	if f == nil {
		return nil, fmt.Errorf("encode frame: %w: no frame", ErrMalformed)
	}
	if err := validate(f); err != nil {
		return nil, fmt.Errorf("encode %s: %w", Name(f), err)
	}
	w := writer(make([]byte, 0, sizeHint(f)))
	t := f.frameType()
	w.head(majorArray, elements[t])
	w.uint(uint64(t))
	switch f := f.(type) {
	case Hello:
		w.hello(f)
	case Offer:
		w.bytes(f.ID[:])
		w.bytes(f.Header)
		w.bytes(f.Slip)
		w.inline(f.Inline)
	case Want:
		w.bytes(f.ID[:])
		w.uint(uint64(f.Object))
		w.uint(uint64(f.Offset))
		w.uint(uint64(f.Credit))
		w.uint(uint64(f.Round))
	case Chunk:
		w.bytes(f.ID[:])
		w.uint(uint64(f.Object))
		w.uint(uint64(f.Offset))
		w.bytes(f.Data)
	case Custody:
		w.bytes(f.ID[:])
		w.bytes(f.Receipt)
	case Refuse:
		w.bytes(f.ID[:])
		w.uint(uint64(f.Code))
		w.text(f.Text)
	case Defer:
		w.bytes(f.ID[:])
		w.uint(uint64(f.Code))
		w.uint(uint64(f.After / time.Second))
	case Cancel:
		w.bytes(f.ID[:])
		w.uint(uint64(f.Code))
	case Ask:
		w.bytes(f.ID[:])
		w.flag(f.First)
	}
	return w, nil
}

func (w *writer) hello(f Hello) {
	w.text(magic)
	w.uint(uint64(f.Version))
	w.text(f.Office)
	w.bytes(f.Session[:])
	w.bytes(f.Answers[:])
	w.bytes(f.Epoch[:])
	w.int(f.Now.UnixMilli())
	w.bytes(f.Card)
	w.uint(f.Registry)
	w.text(f.Software)
	w.uint(f.Held)
	w.bytes(f.Boot[:])
	w.bytes(f.Heard[:])
	w.bytes(f.Known[:])
	w.bytes(f.Log)
}

// Decode reads one frame that fills b. Byte slices of the frame are parts of
// b: keep b as long as the frame, and do not change it. Text is copied.
//
// Only the form that [Encode] writes is accepted, so what decodes encodes to
// the same bytes.
func Decode(b []byte) (Frame, error) {
	if len(b) > MaxFrame {
		return nil, fmt.Errorf("decode frame: %w: %d bytes, at most %d", ErrTooLarge, len(b), MaxFrame)
	}
	r := &reader{b: b}
	n := r.head(majorArray)
	t := r.head(majorUint)
	if r.err != nil {
		return nil, fmt.Errorf("decode frame: %w", r.err)
	}
	if t < uint64(typeHello) || t > uint64(typeAsk) {
		return nil, fmt.Errorf("decode frame: %w: %d", ErrType, t)
	}
	f, err := r.frame(uint8(t), n)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", names[t], err)
	}
	return f, nil
}

func (r *reader) frame(t uint8, n uint64) (Frame, error) {
	if t == typeHello { // a later version may have other fields: name it first
		if err := r.version(); err != nil {
			return nil, err
		}
	}
	if n != elements[t] {
		return nil, fmt.Errorf("%w: %d elements, not %d", ErrMalformed, n, elements[t])
	}
	f := r.body(t)
	if r.err == nil && len(r.b) != 0 {
		r.fail("%d bytes after the frame", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return f, validate(f)
}

func (r *reader) version() error {
	if m := r.text(len(magic)); r.err != nil || m != magic {
		return fmt.Errorf("%w: no %s magic", ErrMalformed, magic)
	}
	v := r.head(majorUint)
	if r.err == nil && v != Version {
		return fmt.Errorf("%w: %d, this program speaks %d", ErrVersion, v, Version)
	}
	return r.err
}

// body reads the fields after type (and, in HELLO, after magic and version).
// Values of a failed reader are zero.
func (r *reader) body(t uint8) Frame {
	if t == typeHello {
		return Hello{
			Version: Version, Office: r.text(MaxOffice),
			Session: r.uuid(), Answers: r.uuid(), Epoch: r.uuid(),
			Now: time.UnixMilli(r.int()).UTC(), Card: r.bytes(MaxCard),
			Registry: r.head(majorUint), Software: r.text(MaxSoftware),
			Held: r.head(majorUint), Boot: r.uuid(), Heard: r.uuid(), Known: r.uuid(), Log: r.bytes(MaxLog),
		}
	}
	id := r.uuid()
	switch t {
	case typeOffer:
		return Offer{ID: id, Header: r.bytes(MaxHeader), Slip: r.bytes(MaxSlip), Inline: r.inline()}
	case typeWant:
		return Want{ID: id, Object: r.object(), Offset: r.length(), Credit: r.length(), Round: uint32(r.limited(math.MaxUint32, "round"))}
	case typeChunk:
		return Chunk{ID: id, Object: r.object(), Offset: r.length(), Data: r.bytes(MaxChunk)}
	case typeCustody:
		return Custody{ID: id, Receipt: r.bytes(MaxReceipt)}
	case typeRefuse:
		return Refuse{ID: id, Code: Code(r.limited(maxCode, "code")), Text: r.text(MaxText)}
	case typeDefer:
		c := Code(r.limited(maxCode, "code"))
		return Defer{ID: id, Code: c, After: time.Duration(r.limited(uint64(MaxAfter/time.Second), "after")) * time.Second}
	case typeAsk:
		return Ask{ID: id, First: r.limited(1, "first") == 1}
	default:
		return Cancel{ID: id, Code: Code(r.limited(maxCode, "code"))}
	}
}

// sizeHint bounds the encoded size of f from above, but for slack in large
// frames that does no harm.
func sizeHint(f Frame) int {
	const heads = 96 // types, ids, numbers and lengths
	switch f := f.(type) {
	case Hello:
		return heads + 6*16 + len(f.Office) + len(f.Card) + len(f.Software) + len(f.Log)
	case Offer:
		n := heads + len(f.Header) + len(f.Slip)
		for _, b := range f.Inline {
			n += 8 + len(b)
		}
		return n
	case Chunk:
		return heads + len(f.Data)
	case Custody:
		return heads + len(f.Receipt)
	case Refuse:
		return heads + len(f.Text)
	default:
		return heads
	}
}
