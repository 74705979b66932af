package wire

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The part of CBOR (RFC 8949) that frames need, in core deterministic form
// only: definite lengths, shortest heads, map keys ascending. It is written
// out here so that a chunk is copied once on its way out and not at all on its
// way in, and so that every length is checked before it is believed. Tests
// hold it against a full CBOR library.

const (
	majorUint  = 0
	majorNint  = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
)

type writer []byte

func (w *writer) head(major byte, v uint64) {
	m := major << 5
	switch {
	case v < 24:
		*w = append(*w, m|byte(v))
	case v <= math.MaxUint8:
		*w = append(*w, m|24, byte(v))
	case v <= math.MaxUint16:
		*w = binary.BigEndian.AppendUint16(append(*w, m|25), uint16(v))
	case v <= math.MaxUint32:
		*w = binary.BigEndian.AppendUint32(append(*w, m|26), uint32(v))
	default:
		*w = binary.BigEndian.AppendUint64(append(*w, m|27), v)
	}
}

func (w *writer) uint(v uint64) { w.head(majorUint, v) }

func (w *writer) flag(v bool) {
	if v {
		w.uint(1)
		return
	}
	w.uint(0)
}

func (w *writer) int(v int64) {
	if v < 0 {
		w.head(majorNint, uint64(-(v + 1)))
		return
	}
	w.head(majorUint, uint64(v))
}

func (w *writer) bytes(b []byte) {
	w.head(majorBytes, uint64(len(b)))
	*w = append(*w, b...)
}

func (w *writer) text(s string) {
	w.head(majorText, uint64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) inline(m map[int][]byte) {
	w.head(majorMap, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.uint(uint64(k))
		w.bytes(m[k])
	}
}

// reader takes values off the front of b. After a failure err is set and
// every value is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.fail("ends early")
	}
	if r.err != nil {
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// head reads a head of the given major type and returns its argument.
func (r *reader) head(major byte) uint64 {
	p := r.take(1)
	if p == nil {
		return 0
	}
	if p[0]>>5 != major {
		r.fail("major type %d where %d belongs", p[0]>>5, major)
		return 0
	}
	return r.argument(p[0] & 31)
}

func (r *reader) argument(info byte) uint64 {
	if info < 24 {
		return uint64(info)
	}
	if info > 27 {
		r.fail("indefinite or reserved length")
		return 0
	}
	width := 1 << (info - 24)
	p := r.take(width)
	if p == nil {
		return 0
	}
	var v uint64
	for _, c := range p {
		v = v<<8 | uint64(c)
	}
	// A narrower head would have done: the smallest value that needs this
	// width is 24, or one more than the next narrower one holds.
	if least := uint64(1) << (4 * width); v < 24 || width > 1 && v < least {
		r.fail("number not in shortest form")
		return 0
	}
	return v
}

// limited reads an unsigned number of at most limit.
func (r *reader) limited(limit uint64, what string) uint64 {
	v := r.head(majorUint)
	if r.err == nil && v > limit {
		r.err = fmt.Errorf("%w: %s %d, at most %d", ErrTooLarge, what, v, limit)
		return 0
	}
	return v
}

func (r *reader) object() int   { return int(r.limited(MaxObject, "object")) }
func (r *reader) length() int64 { return int64(r.limited(math.MaxInt64, "length")) }

func (r *reader) int() int64 {
	major := byte(majorUint)
	if len(r.b) > 0 && r.b[0]>>5 == majorNint {
		major = majorNint
	}
	v := r.head(major)
	if v > math.MaxInt64 {
		r.fail("time out of range")
		return 0
	}
	if major == majorNint && r.err == nil {
		return -int64(v) - 1
	}
	return int64(v)
}

// bytes reads a byte string of at most limit bytes, nil when it is empty. The
// result is part of the input.
func (r *reader) bytes(limit int) []byte {
	p := r.str(majorBytes, limit)
	if len(p) == 0 {
		return nil
	}
	return p
}

func (r *reader) text(limit int) string {
	p := r.str(majorText, limit)
	if !utf8.Valid(p) {
		r.fail("text is not UTF-8")
		return ""
	}
	return string(p)
}

func (r *reader) str(major byte, limit int) []byte {
	n := r.head(major)
	if r.err == nil && n > uint64(limit) {
		r.err = fmt.Errorf("%w: field of %d bytes, at most %d", ErrTooLarge, n, limit)
	}
	return r.take(int(min(n, uint64(limit))))
}

func (r *reader) uuid() (id uuid.UUID) {
	p := r.str(majorBytes, len(id))
	if r.err == nil && len(p) != len(id) {
		r.fail("id of %d bytes", len(p))
	}
	copy(id[:], p)
	return id
}

// inline reads the map of inline objects, nil when it is empty.
func (r *reader) inline() map[int][]byte {
	n := r.head(majorMap)
	if r.err == nil && n > MaxObject+1 {
		r.err = fmt.Errorf("%w: %d inline objects", ErrTooLarge, n)
	}
	var m map[int][]byte
	last, total := -1, 0
	for range n {
		k := r.object()
		b := r.str(majorBytes, MaxInline)
		if r.err != nil {
			return nil
		}
		if k <= last {
			r.fail("inline objects not in ascending order")
			return nil
		}
		last, total = k, total+len(b)
		if total > MaxInline {
			r.err = fmt.Errorf("%w: inline objects over %d bytes", ErrTooLarge, MaxInline)
			return nil
		}
		if m == nil {
			m = make(map[int][]byte)
		}
		m[k] = b
	}
	return m
}
