package extract

import (
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"tram/agent/docsign/pdf"
)

// maxCodes bounds the entries of the maps of one font.
const maxCodes = 1 << 17

// font says which text the codes of a font show, and how wide they are.
type font struct {
	wide    bool // codes of two bytes
	legacy  bool // letters of TCVN 5712:1993 in a Latin encoding
	texts   map[uint32]string
	latin   *charmap.Charmap
	widths  map[uint32]float64
	missing float64
}

// next takes the first code.
func (f *font) next(codes []byte) (code uint32, n int) {
	if f.wide && len(codes) > 1 {
		return uint32(codes[0])<<8 | uint32(codes[1]), 2
	}
	return uint32(codes[0]), 1
}

// text is what a code of n bytes shows, and whether the font says so.
func (f *font) text(code uint32, n int) (string, bool) {
	t, ok := f.texts[code]
	if !ok && n == 1 && f.latin != nil {
		t, ok = string(f.latin.DecodeByte(byte(code))), true
	}
	if f.legacy {
		t = fromTCVN3(t)
	}
	return t, ok
}

func (f *font) width(code uint32) float64 {
	if w, ok := f.widths[code]; ok {
		return w
	}
	return f.missing
}

func (d *drawing) setFont(name pdf.Object, resources pdf.Dict) error {
	key, _ := name.(pdf.Name)
	fonts, err := d.f.Dict(resources["Font"])
	if err != nil {
		return err
	}
	ref, shared := fonts[key].(pdf.Ref)
	if f := d.fonts[ref]; shared && f != nil {
		d.state.font = f
		return nil
	}
	dict, err := d.f.Dict(fonts[key])
	if err != nil {
		return err
	}
	f, err := d.readFont(dict)
	if err != nil {
		return err
	}
	if shared {
		d.fonts[ref] = f
	}
	d.state.font = f
	return nil
}

func (d *drawing) readFont(dict pdf.Dict) (*font, error) {
	f := &font{texts: map[uint32]string{}, widths: map[uint32]float64{}, missing: 500}
	base, _ := dict["BaseFont"].(pdf.Name)
	if _, after, ok := strings.Cut(string(base), "+"); ok {
		base = pdf.Name(after)
	}
	f.legacy = isTCVN3(string(base))
	var err error
	if dict["Subtype"] == pdf.Name("Type0") {
		f.wide = true
		err = d.wideFont(f, dict)
	} else {
		err = d.narrowFont(f, dict)
	}
	if err != nil {
		return nil, err
	}
	if dict["ToUnicode"] == nil {
		return f, nil
	}
	if name, ok := dict["ToUnicode"].(pdf.Name); ok {
		_ = name // Identity: says nothing about text
		return f, nil
	}
	data, err := d.data(dict["ToUnicode"])
	if err != nil {
		return nil, err
	}
	return f, f.toUnicode(data)
}

// wideFont reads the widths of a composite font.
func (d *drawing) wideFont(f *font, dict pdf.Dict) error {
	below, err := d.f.Array(dict["DescendantFonts"])
	if err != nil || len(below) == 0 {
		return err
	}
	cid, err := d.f.Dict(below[0])
	if err != nil {
		return err
	}
	f.missing = 1000
	if w := number(cid["DW"]); w > 0 {
		f.missing = w
	}
	list, err := d.f.Array(cid["W"])
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(list); {
		first := uint32(number(list[i]))
		if each, err := d.f.Array(list[i+1]); err == nil && each != nil {
			for k, w := range each {
				f.setWidth(first+uint32(k), number(w))
			}
			i += 2
			continue
		}
		if i+2 >= len(list) {
			break
		}
		for c := first; c <= min(uint32(number(list[i+1])), 0xffff); c++ {
			f.setWidth(c, number(list[i+2]))
		}
		i += 3
	}
	return nil
}

func (f *font) setWidth(code uint32, w float64) {
	if len(f.widths) < maxCodes {
		f.widths[code] = w
	}
}

// narrowFont reads widths and encoding of a simple font.
func (d *drawing) narrowFont(f *font, dict pdf.Dict) error {
	list, err := d.f.Array(dict["Widths"])
	if err != nil {
		return err
	}
	first := uint32(number(dict["FirstChar"]))
	scale := 1.0
	if dict["Subtype"] == pdf.Name("Type3") {
		if m, ok := d.matrixOf(dict["FontMatrix"]); ok && m[0] > 0 {
			scale = m[0] * 1000
		}
	}
	for k, w := range list {
		if w, err = d.f.Resolve(w); err == nil {
			f.setWidth(first+uint32(k), number(w)*scale)
		}
	}
	f.latin = charmap.Windows1252
	encoding, err := d.f.Resolve(dict["Encoding"])
	if err != nil {
		return err
	}
	name, _ := encoding.(pdf.Name)
	if own, ok := encoding.(pdf.Dict); ok {
		name, _ = own["BaseEncoding"].(pdf.Name)
		differences, err := d.f.Array(own["Differences"])
		if err != nil {
			return err
		}
		f.differ(differences)
	}
	if name == "MacRomanEncoding" {
		f.latin = charmap.Macintosh
	}
	return nil
}

func (f *font) differ(list pdf.Array) {
	code := uint32(0)
	for _, o := range list {
		switch v := o.(type) {
		case int64:
			code = uint32(v)
		case pdf.Name:
			if t, ok := glyphText(string(v)); ok && len(f.texts) < maxCodes {
				f.texts[code] = t
			}
			code++
		}
	}
}

// toUnicode reads a character map.
func (f *font) toUnicode(data []byte) error {
	return pdf.Operators(data, func(op string, args []pdf.Object) error {
		switch op {
		case "endcodespacerange":
			if len(args) > 0 {
				if s, ok := args[0].(pdf.String); ok {
					f.wide = len(s.Bytes) > 1
				}
			}
		case "endbfchar":
			for i := 0; i+1 < len(args); i += 2 {
				f.mapTo(codeOf(args[i]), args[i+1], 0)
			}
		case "endbfrange":
			for i := 0; i+2 < len(args); i += 3 {
				f.mapRange(codeOf(args[i]), codeOf(args[i+1]), args[i+2])
			}
		}
		return nil
	})
}

func (f *font) mapRange(from, to uint32, target pdf.Object) {
	list, each := target.(pdf.Array)
	for c := from; c <= min(to, 0xffff) && len(f.texts) < maxCodes; c++ {
		switch {
		case !each:
			f.mapTo(c, target, uint16(c-from))
		case int(c-from) < len(list):
			f.mapTo(c, list[c-from], 0)
		default:
			return
		}
	}
}

func (f *font) mapTo(code uint32, target pdf.Object, plus uint16) {
	s, ok := target.(pdf.String)
	if !ok || len(f.texts) >= maxCodes || len(s.Bytes) > 64 {
		return
	}
	var units []uint16
	for i := 0; i+1 < len(s.Bytes); i += 2 {
		units = append(units, uint16(s.Bytes[i])<<8|uint16(s.Bytes[i+1]))
	}
	if len(s.Bytes) == 1 {
		units = []uint16{uint16(s.Bytes[0])}
	}
	if len(units) > 0 {
		units[len(units)-1] += plus
		f.texts[code] = string(utf16.Decode(units))
	}
}

func codeOf(o pdf.Object) (code uint32) {
	s, _ := o.(pdf.String)
	for _, b := range s.Bytes[:min(len(s.Bytes), 4)] {
		code = code<<8 | uint32(b)
	}
	return code
}
