package pdf

import (
	"bytes"
	"math"
	"slices"
)

// Object is a value of a PDF: nil for null, bool, int64, float64, [Name],
// [String], [Array], [Dict], [Ref] or [*Stream].
type Object any

// Name is a name without its slash.
type Name string

// String is a string with its place in the file. Inside an object stream Start
// and End are -1.
type String struct {
	Bytes      []byte
	Hex        bool
	Start, End int64 // of the token with its delimiters
}

// Array is an array.
type Array []Object

// Dict is a dictionary. One in which a key stands twice answers true to
// [Dict.Ambiguous]; viewers differ in which value they take.
type Dict map[Name]Object

// ambiguous is a key that no file can have.
const ambiguous = Name("\x00")

// Ambiguous reports whether a key of the dictionary stands twice.
func (d Dict) Ambiguous() bool { _, twice := d[ambiguous]; return twice }

// Ref is a reference to an indirect object.
type Ref struct{ Num, Gen int }

// Stream is a dictionary with data.
type Stream struct {
	Dict Dict
	data int64 // offset of the first byte
}

// Equal reports whether two values are the same, references by number and
// strings by content, numbers but for rounding. Two streams are the same when they are at one place.
func Equal(a, b Object) bool {
	switch x := a.(type) {
	case String:
		y, ok := b.(String)
		return ok && bytes.Equal(x.Bytes, y.Bytes)
	case Array:
		y, ok := b.(Array)
		return ok && slices.EqualFunc(x, y, Equal)
	case Dict:
		y, ok := b.(Dict)
		return ok && equalDicts(x, y)
	case *Stream:
		y, ok := b.(*Stream)
		return ok && x.data == y.data
	}
	switch b.(type) {
	case String, Array, Dict, *Stream:
		return false
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && math.Abs(x-y) < rounding
	}
	return a == b
}

// rounding is how far numbers may differ and still be the same: programs write
// them with as many digits as they like.
const rounding = 1e-6

func number(o Object) (float64, bool) {
	switch x := o.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func equalDicts(x, y Dict) bool {
	if len(x) != len(y) {
		return false
	}
	for k, v := range x {
		w, ok := y[k]
		if !ok || !Equal(v, w) {
			return false
		}
	}
	return true
}

// Refs calls f for each reference inside a value.
func Refs(o Object, f func(Ref)) {
	switch x := o.(type) {
	case Ref:
		f(x)
	case Array:
		for _, v := range x {
			Refs(v, f)
		}
	case Dict:
		for _, v := range x {
			Refs(v, f)
		}
	case *Stream:
		Refs(x.Dict, f)
	}
}
