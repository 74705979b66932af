// Package fold reduces Vietnamese text to what people type when they search:
// no diacritics, no capitals.
//
// It promises that every spelling of the same letters folds alike: composed
// and decomposed Unicode, "hoà" and "hòa", "Đ" and "đ" and "d". Folding a
// folded text changes nothing.
package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Range of the combining diacritical marks, which hold every Vietnamese tone
// and vowel sign.
const (
	firstMark = '\u0300'
	lastMark  = '\u036f'
)

// String folds s. Letters of other scripts only lose their capitals and those
// marks. Runs of white space become one space; the ends are trimmed.
func String(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range norm.NFD.String(s) {
		switch {
		case r >= firstMark && r <= lastMark:
			continue
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == 'đ' || r == 'Đ':
			r = 'd'
		default:
			r = unicode.ToLower(r)
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
