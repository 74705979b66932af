package typeset

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Length is in thousandths of a point: whole numbers of the same size
// everywhere, so that lines break at the same place on every machine.
type Length int64

// MM is v tenths of a millimetre.
func MM(v int) Length { return Length(v * 72000 / 254) }

// Points is the length as PDF and SVG have it.
func (l Length) Points() float64 { return float64(l) / 1000 }

// Face is one of the embedded fonts, which are as wide as Times New Roman.
type Face int

// The faces.
const (
	Regular Face = iota
	Bold
	Italic
)

var (
	//go:embed fonts/TramSerif-Regular.ttf
	serifRegular []byte
	//go:embed fonts/TramSerif-Bold.ttf
	serifBold []byte
	//go:embed fonts/TramSerif-Italic.ttf
	serifItalic []byte
)

var (
	faceData  = [...][]byte{Regular: serifRegular, Bold: serifBold, Italic: serifItalic}
	faceNames = [...]string{Regular: "TramSerif", Bold: "TramSerif-Bold", Italic: "TramSerif-Italic"}
)

var loaded = sync.OnceValue(func() []*font {
	all := make([]*font, len(faceData))
	for f, data := range faceData {
		var err error
		if all[f], err = parseFont(data); err != nil {
			panic(fmt.Sprintf("typeset: font %s: %v", faceNames[f], err))
		}
	}
	return all
})

// Width is how wide text is in a face of a size.
func Width(text string, f Face, size Length) Length {
	m := loaded()[f]
	units := 0
	for _, r := range text {
		units += max(0, m.of(r))
	}
	return Length(units) * size / Length(m.em)
}

// Missing stands on paper for a character that the fonts lack.
const Missing = '□'

// Omission stands where text was cut.
const Omission = "[…]"

// MaxValue is how many characters of one value go into a file; what is beyond
// is replaced by Omission. A cell of a spreadsheet takes no more.
const MaxValue = 16_000

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ", "\u2028", "\n", "\u2029", "\n")

// Clean makes a value fit for a file: composed accents, no control or
// invisible characters but line breaks, at most MaxValue characters.
func Clean(text string) string {
	text = lineEnds.Replace(strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r >= ' ' && r < 0x7F:
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co), r == 0xFFFE, r == 0xFFFF:
			return -1
		}
		return r
	}, text)
	text = strings.TrimSpace(norm.NFC.String(text))
	if len(text) > MaxValue {
		if runes := []rune(text); len(runes) > MaxValue {
			text = string(runes[:MaxValue-utf8.RuneCountInString(Omission)]) + Omission
		}
	}
	return text
}

// Printable replaces what the fonts lack.
func Printable(text string) string {
	m := loaded()[Regular]
	return strings.Map(func(r rune) rune {
		if m.of(r) != absent || r == '\n' {
			return r
		}
		if unicode.IsSpace(r) {
			return ' '
		}
		return Missing
	}, text)
}
