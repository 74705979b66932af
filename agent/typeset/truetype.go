package typeset

import (
	"encoding/binary"
	"errors"
)

// font is what is needed of a TrueType font to measure with it and to embed it.
// The fonts are our own files: nothing foreign is read here.
type font struct {
	data     []byte
	em       int
	box      [4]int   // xMin, yMin, xMax, yMax, in units of 1/em
	ascent   int      // in units of 1/em, as descent
	descent  int      // below zero
	glyphs   []uint16 // by character; 0 where the font has none
	advances []int16  // by glyph
}

const absent = -1

// of is the width of a character, absent when the font has none.
func (f *font) of(r rune) int {
	g := f.glyph(r)
	if g == 0 {
		return absent
	}
	return int(f.advances[g])
}

func (f *font) glyph(r rune) uint16 {
	if r < 0 || int(r) >= len(f.glyphs) {
		return 0
	}
	return f.glyphs[r]
}

var errFont = errors.New("not a TrueType font with a table of Unicode characters")

func parseFont(data []byte) (*font, error) {
	u16 := func(b []byte, at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	s16 := func(b []byte, at int) int { return int(int16(binary.BigEndian.Uint16(b[at:]))) }
	u32 := func(b []byte, at int) int { return int(binary.BigEndian.Uint32(b[at:])) }
	tables := map[string][]byte{}
	for i := range u16(data, 4) {
		entry := data[12+16*i:]
		tables[string(entry[:4])] = data[u32(entry, 8):][:u32(entry, 12)]
	}
	head, hhea, hmtx, cmap := tables["head"], tables["hhea"], tables["hmtx"], tables["cmap"]
	if head == nil || hhea == nil || hmtx == nil || cmap == nil {
		return nil, errFont
	}
	f := &font{data: data, em: u16(head, 18), ascent: s16(hhea, 4), descent: s16(hhea, 6)}
	for i := range f.box {
		f.box[i] = s16(head, 36+2*i)
	}
	f.advances = make([]int16, u16(tables["maxp"], 4))
	for g, n := 0, u16(hhea, 34); g < len(f.advances); g++ {
		f.advances[g] = int16(u16(hmtx, 4*min(g, n-1)))
	}
	for i := range u16(cmap, 2) {
		entry := cmap[4+8*i:]
		sub := cmap[u32(entry, 4):]
		if u16(entry, 0) == 3 && u16(entry, 2) == 1 && u16(sub, 0) == 4 {
			f.characters(sub)
			return f, nil
		}
	}
	return nil, errFont
}

// characters reads a table of format 4: ranges of characters with an offset to
// their glyphs.
func (f *font) characters(sub []byte) {
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(sub[at:])) }
	segments := u16(6) / 2
	ends, starts := 14, 16+2*segments
	deltas, offsets := starts+2*segments, starts+4*segments
	f.glyphs = make([]uint16, 0x10000)
	for s := range segments {
		delta, offset := u16(deltas+2*s), u16(offsets+2*s)
		for c := u16(starts + 2*s); c <= u16(ends+2*s) && c < 0xFFFF; c++ {
			glyph := c
			if offset != 0 {
				if glyph = u16(offsets + 2*s + offset + 2*(c-u16(starts+2*s))); glyph == 0 {
					continue
				}
			}
			f.glyphs[c] = uint16(glyph + delta)
		}
	}
}
