package extract

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

const (
	// wordGap is the space between two glyphs, in sizes of the type, from which
	// on they are of two words. Kerning stays below, a justified space above it.
	wordGap = 0.18
	// lineShift is how far a glyph may stand above or below the others of its
	// line, in sizes: raised and lowered ones do.
	lineShift = 0.45
	// maxLine is how many glyphs of a line are put into order.
	maxLine = 4096
)

// glyph is a piece of text where it stands, along and across its direction.
type glyph struct {
	text     string
	from, to float64
	size     float64
}

// line collects the glyphs of one line and writes them from left to right.
type line struct {
	out    *sink
	glyphs []glyph
	turn   int // quarter turns of its direction
	base   float64
	size   float64
}

// add takes a glyph with its matrix and how wide it is.
func (l *line) add(text string, m matrix, width float64) {
	size := math.Hypot(m[2], m[3])
	turn := int(math.Round(math.Atan2(m[1], m[0])/(math.Pi/2))) & 3
	along, across := m[4], m[5]
	switch turn {
	case 1:
		along, across = m[5], -m[4]
	case 2:
		along, across = -m[4], -m[5]
	case 3:
		along, across = -m[5], m[4]
	}
	if math.IsNaN(along) || math.IsNaN(across) || math.IsInf(along, 0) || math.IsInf(across, 0) || text == "" {
		return
	}
	if len(l.glyphs) > 0 && (turn != l.turn || math.Abs(across-l.base) > lineShift*max(size, l.size) || len(l.glyphs) == maxLine) {
		l.flush()
	}
	if len(l.glyphs) == 0 {
		l.turn, l.base, l.size = turn, across, size
	}
	l.glyphs = append(l.glyphs, glyph{text, along, along + width, size})
}

// flush writes the line.
func (l *line) flush() {
	if len(l.glyphs) == 0 {
		return
	}
	slices.SortStableFunc(l.glyphs, func(a, b glyph) int {
		switch {
		case a.from < b.from:
			return -1
		case a.from > b.from:
			return 1
		}
		return 0
	})
	var b strings.Builder
	for i, g := range l.glyphs {
		if i > 0 {
			last := l.glyphs[i-1]
			if last.text == g.text && math.Abs(last.from-g.from) < 0.1*g.size {
				continue // drawn twice, to look bold
			}
			if g.from-last.to > wordGap*min(g.size, last.size) && !blank(g.text) && !blank(last.text) {
				b.WriteByte(' ')
			}
		}
		b.WriteString(g.text)
	}
	l.out.write(b.String())
	l.out.newline()
	l.glyphs = l.glyphs[:0]
}

func blank(s string) bool { return strings.TrimFunc(s, unicode.IsSpace) == "" }
