package docsign

import (
	"errors"
	"math"
)

// maxDepth is how deep the elements of a signature may nest.
const maxDepth = 32

var errBER = errors.New("malformed ASN.1")

// toDER rewrites the first BER element of in as DER as far as lengths and
// split octet strings go. Signers that stream write indefinite lengths; what
// is signed is the DER form. rest is what stands behind the element.
func toDER(in []byte) (der, rest []byte, err error) {
	return appendDER(make([]byte, 0, len(in)), in, 0)
}

// element is one BER element in place: header and, for a definite length, body.
type element struct {
	tag        []byte // identifier octets
	body       []byte // to the end of the input when indefinite
	indefinite bool
	rest       []byte // behind it, unless indefinite
}

func (e element) constructed() bool { return e.tag[0]&0x20 != 0 }

func readElement(in []byte) (element, error) {
	if len(in) < 2 {
		return element{}, errBER
	}
	n := 1
	if in[0]&0x1f == 0x1f { // tag number above 30
		for n < len(in) && n < 5 && in[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if n >= len(in) {
		return element{}, errBER
	}
	e := element{tag: in[:n]}
	first := in[n]
	in = in[n+1:]
	switch {
	case first == 0x80:
		e.indefinite, e.body = true, in
		if !e.constructed() {
			return element{}, errBER
		}
		return e, nil
	case first < 0x80:
		return e.split(in, uint64(first))
	}
	width := int(first & 0x7f)
	if width > 8 || width > len(in) {
		return element{}, errBER
	}
	var length uint64
	for _, b := range in[:width] {
		length = length<<8 | uint64(b)
	}
	return e.split(in[width:], length)
}

func (e element) split(in []byte, length uint64) (element, error) {
	if length > math.MaxInt32 || length > uint64(len(in)) {
		return element{}, errBER
	}
	e.body, e.rest = in[:length], in[length:]
	return e, nil
}

// appendDER appends the DER form of the first element of in to out and gives
// what follows it.
func appendDER(out, in []byte, depth int) ([]byte, []byte, error) {
	e, err := readElement(in)
	if err != nil || depth > maxDepth {
		return nil, nil, errBER
	}
	if !e.constructed() {
		out = append(append(out, e.tag...), lengthOctets(len(e.body))...)
		return append(out, e.body...), e.rest, nil
	}
	var body []byte
	octets := e.tag[0] == 0x24 // an octet string in pieces
	left := e.body
	for {
		if e.indefinite {
			if len(left) < 2 {
				return nil, nil, errBER
			}
			if left[0] == 0 && left[1] == 0 {
				e.rest = left[2:]
				break
			}
		} else if len(left) == 0 {
			break
		}
		if octets {
			var piece []byte
			if piece, left, err = appendDER(nil, left, depth+1); err != nil {
				return nil, nil, err
			}
			inner, err := readElement(piece)
			if err != nil || inner.tag[0] != 0x04 {
				return nil, nil, errBER
			}
			body = append(body, inner.body...)
			continue
		}
		if body, left, err = appendDER(body, left, depth+1); err != nil {
			return nil, nil, err
		}
	}
	if octets {
		out = append(out, 0x04)
	} else {
		out = append(out, e.tag...)
	}
	return append(append(out, lengthOctets(len(body))...), body...), e.rest, nil
}

// lengthOctets is the definite form of a length, as short as can be.
func lengthOctets(n int) []byte {
	if n < 0x80 {
		return []byte{byte(n)}
	}
	var digits []byte
	for v := n; v > 0; v >>= 8 {
		digits = append([]byte{byte(v)}, digits...)
	}
	return append([]byte{0x80 | byte(len(digits))}, digits...)
}

// elementLength is how many bytes the first BER element of in takes up.
func elementLength(in []byte) (int, error) {
	_, rest, err := appendDER(nil, in, 0)
	return len(in) - len(rest), err
}
