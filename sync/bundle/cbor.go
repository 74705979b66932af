package bundle

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Bounds of decoding. Nesting leaves room for fields that later writers add.
const (
	maxNesting  = 8
	maxElements = 4096
)

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  maxNesting,
		MaxArrayElements: maxElements,
		MaxMapPairs:      maxElements,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options: cannot happen after the first test run
	}
	return v
}

// field is one known key of a map.
type field struct {
	name     string
	required bool
}

// fields describes the known keys of one kind of map. Key 1 is its version.
type fields map[uint64]field

// decode reads payload into out. It demands core deterministic encoding of the
// map and of every known field, looks at the version before anything else, and
// ignores unknown keys.
func (f fields) decode(payload []byte, what string, out any) error {
	var all map[uint64]cbor.RawMessage
	if err := decMode.Unmarshal(payload, &all); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	var version uint64
	if raw, ok := all[1]; !ok {
		return malformed("version", "is missing")
	} else if err := decMode.Unmarshal(raw, &version); err != nil {
		return malformed("version", "is not an unsigned integer")
	}
	if version != Version {
		return fmt.Errorf("%w: %s version %d, this program reads %d", ErrVersion, what, version, Version)
	}
	if again, err := encMode.Marshal(all); err != nil || !bytes.Equal(again, payload) {
		return fmt.Errorf("%w: %s is not deterministic CBOR", ErrMalformed, what)
	}
	known := make(map[uint64]cbor.RawMessage, len(f))
	for key, field := range f {
		raw, ok := all[key]
		if !ok && field.required {
			return malformed(field.name, "is missing")
		}
		if ok {
			known[key] = raw
		}
	}
	subset, err := encMode.Marshal(known)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	if err := decMode.Unmarshal(subset, out); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	if again, err := encMode.Marshal(out); err != nil || !bytes.Equal(again, subset) {
		return fmt.Errorf("%w: a field of the %s is not deterministic CBOR", ErrMalformed, what)
	}
	return nil
}

// DecodeMap reads a versioned map of the specification, whose key 1 is the
// version, into out, a struct with integer keys. required and optional list the
// keys that out knows; others are ignored. Errors are [ErrVersion] and
// [ErrMalformed], the latter also for an encoding that is not deterministic.
func DecodeMap(what string, payload []byte, required, optional []uint64, out any) error {
	known := fields{}
	for _, key := range required {
		known[key] = field{fmt.Sprintf("%s[%d]", what, key), true}
	}
	for _, key := range optional {
		known[key] = field{}
	}
	return known.decode(payload, what, out)
}

// EncodeMap writes what [DecodeMap] reads, deterministically.
func EncodeMap(v any) ([]byte, error) { return encMode.Marshal(v) }
