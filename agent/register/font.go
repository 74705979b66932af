package register

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/signintech/gopdf/fontmaker/core"
	"golang.org/x/text/unicode/norm"
)

// mpt is a length in thousandths of a point: whole numbers of the same size
// everywhere, so that lines break at the same place on every machine.
type mpt int64

// mm is v tenths of a millimetre.
func mm(v int) mpt { return mpt(v * 72000 / 254) }

func (l mpt) points() float64 { return float64(l) / 1000 }

// face is one of the embedded fonts, which are as wide as Times New Roman.
type face int

const (
	regular face = iota
	bold
	italic
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
	faceData  = [...][]byte{regular: serifRegular, bold: serifBold, italic: serifItalic}
	faceNames = [...]string{regular: "TramSerif", bold: "TramSerif-Bold", italic: "TramSerif-Italic"}
)

// metrics are the widths of a face, in units of 1/em.
type metrics struct {
	advance []int16 // by character; absent where the face has none
	em      int
}

const absent = -1

// of is the width of a character, absent when the face has none.
func (m *metrics) of(r rune) int {
	if int(r) >= len(m.advance) || r < 0 {
		return absent
	}
	return int(m.advance[r])
}

var loaded = sync.OnceValue(func() []metrics {
	all := make([]metrics, len(faceData))
	for f, data := range faceData {
		var font core.TTFParser
		if err := font.ParseFontData(data); err != nil {
			panic(fmt.Sprintf("register: font %s: %v", faceNames[f], err))
		}
		widths := font.Widths()
		chars := font.Chars()
		table := slices.Repeat([]int16{absent}, slices.Max(slices.Collect(maps.Keys(chars)))+1)
		for char, glyph := range chars {
			table[char] = int16(widths[glyph])
		}
		all[f] = metrics{advance: table, em: int(font.UnitsPerEm())}
	}
	return all
})

// width is how wide text is in a face of a size.
func width(text string, f face, size mpt) mpt {
	m := &loaded()[f]
	units := 0
	for _, r := range text {
		units += max(0, m.of(r))
	}
	return mpt(units) * size / mpt(m.em)
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

// printable replaces what the fonts lack.
func printable(text string) string {
	m := &loaded()[regular]
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
