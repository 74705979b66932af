package typeset

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// producer is who the files say made them.
const producer = "Trạm"

// Info is what a PDF says of itself.
type Info struct {
	Title, Author string
	Made          time.Time // zero for no date
}

// PDF writes pages as they come: fonts embedded, text selectable, the same
// bytes for the same pages. Nothing is kept of a page but where it begins and
// which characters it had.
func PDF(w io.Writer, info Info, pages iter.Seq2[Page, error]) error {
	p := &pdf{w: w, used: make([]map[rune]bool, len(faceData))}
	p.print("%%PDF-1.7\n%%\xE2\xE3\xCF\xD3\n")
	for page, err := range pages {
		if err != nil {
			return err
		}
		if p.page(page); p.err != nil {
			break
		}
	}
	p.finish(info)
	if p.err != nil {
		return fmt.Errorf("write pdf: %w", p.err)
	}
	return nil
}

// Numbers of the objects that others refer to; pages and what belongs to fonts
// follow behind.
const (
	pdfCatalog = 1 + iota
	pdfPages
	pdfInfo
	pdfFonts // of each face one
	pdfRest  = pdfFonts + 3
)

// pdf is a file that is being written.
type pdf struct {
	w     io.Writer
	err   error
	at    int64
	began []int64 // of each object, by number
	pages []int   // objects
	used  []map[rune]bool
	out   bytes.Buffer
	z     *zlib.Writer
}

func (p *pdf) print(format string, args ...any) {
	if p.err != nil {
		return
	}
	n, err := fmt.Fprintf(p.w, format, args...)
	p.at, p.err = p.at+int64(n), err
}

// object writes an object; 0 gives it the next number.
func (p *pdf) object(number int, format string, args ...any) int {
	if len(p.began) == 0 {
		p.began = make([]int64, pdfRest)
	}
	if number == 0 {
		number = len(p.began)
		p.began = append(p.began, 0)
	}
	p.began[number] = p.at
	p.print("%d 0 obj\n"+format+"\nendobj\n", append([]any{number}, args...)...)
	return number
}

// stream writes data as an object, compressed.
func (p *pdf) stream(extra string, data []byte) int {
	var packed bytes.Buffer
	if p.z == nil {
		p.z = zlib.NewWriter(&packed)
	} else {
		p.z.Reset(&packed)
	}
	_, err := p.z.Write(data)
	if closed := p.z.Close(); err == nil {
		err = closed
	}
	if err != nil {
		p.err = err
	}
	return p.object(0, "<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream", packed.Len(), extra, packed.Bytes())
}

// page writes a page. PDF counts from the lower left corner.
func (p *pdf) page(page Page) {
	b := &p.out
	b.Reset()
	weight := Length(0)
	for _, r := range page.Rules {
		if r.Weight != weight {
			weight = r.Weight
			fmt.Fprintf(b, "%s w\n", number(weight))
		}
		fmt.Fprintf(b, "%s %s m %s %s l S\n", number(r.X1), number(page.Height-r.Y1), number(r.X2), number(page.Height-r.Y2))
	}
	b.WriteString("BT\n")
	face, size := Face(-1), Length(0)
	for _, t := range page.Texts {
		if t.Face != face || t.Size != size {
			face, size = t.Face, t.Size
			fmt.Fprintf(b, "/F%d %s Tf\n", face, number(size))
		}
		fmt.Fprintf(b, "1 0 0 1 %s %s Tm <%s> Tj\n", number(t.X), number(page.Height-t.Y), p.glyphs(t.Text, face))
	}
	b.WriteString("ET\n")
	content := p.stream("", b.Bytes())
	p.pages = append(p.pages, p.object(0, "<</Type/Page/Parent %d 0 R/MediaBox[0 0 %s %s]/Resources<</Font<</F0 %d 0 R/F1 %d 0 R/F2 %d 0 R>>>>/Contents %d 0 R>>",
		pdfPages, number(page.Width), number(page.Height), pdfFonts, pdfFonts+1, pdfFonts+2, content))
}

// glyphs are the numbers of the glyphs of text, as hexadecimal digits.
func (p *pdf) glyphs(text string, face Face) string {
	f := loaded()[face]
	if p.used[face] == nil {
		p.used[face] = map[rune]bool{}
	}
	var b strings.Builder
	for _, r := range text {
		if f.glyph(r) == 0 {
			r = Missing
		}
		p.used[face][r] = true
		fmt.Fprintf(&b, "%04X", f.glyph(r))
	}
	return b.String()
}

// number is a length in points with three digits behind the point.
func number(l Length) string {
	sign := ""
	if l < 0 {
		sign, l = "-", -l
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%s%d.%03d", sign, l/1000, l%1000), "0"), ".")
}

// finish writes fonts, the list of pages, the properties, and where all of them
// are.
func (p *pdf) finish(info Info) {
	for face := range faceData {
		p.font(Face(face))
	}
	kids := make([]string, len(p.pages))
	for i, n := range p.pages {
		kids[i] = fmt.Sprintf("%d 0 R", n)
	}
	p.object(pdfPages, "<</Type/Pages/Count %d/Kids[%s]>>", len(kids), strings.Join(kids, " "))
	p.object(pdfCatalog, "<</Type/Catalog/Pages %d 0 R/Lang(vi-VN)/ViewerPreferences<</DisplayDocTitle true>>>>", pdfPages)
	made := ""
	if !info.Made.IsZero() {
		zone := info.Made.Format("-07'00'")
		made = "/CreationDate(D:" + info.Made.Format("20060102150405") + zone + ")"
	}
	p.object(pdfInfo, "<</Title%s/Author%s/Creator%s/Producer%s%s>>", text16(Clean(info.Title)), text16(Clean(info.Author)), text16(producer), text16(producer), made)
	start := p.at
	p.print("xref\n0 %d\n0000000000 65535 f \n", len(p.began))
	for _, at := range p.began[1:] {
		p.print("%010d 00000 n \n", at)
	}
	p.print("trailer\n<</Size %d/Root %d 0 R/Info %d 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(p.began), pdfCatalog, pdfInfo, start)
}

// font writes a face whole, with the widths and the meanings of the glyphs that
// the pages use. One that no page uses is named alone.
func (p *pdf) font(face Face) {
	f, name := loaded()[face], faceNames[face]
	runes := make([]rune, 0, len(p.used[face]))
	for r := range p.used[face] {
		runes = append(runes, r)
	}
	if len(runes) == 0 {
		p.object(pdfFonts+int(face), "<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>")
		return
	}
	slices.SortFunc(runes, func(a, b rune) int { return cmp.Or(cmp.Compare(f.glyph(a), f.glyph(b)), cmp.Compare(a, b)) })
	scale := func(units int) int { return units * 1000 / f.em }
	var widths, meanings strings.Builder
	for i, r := range runes {
		fmt.Fprintf(&widths, "%d[%d]", f.glyph(r), scale(f.of(r)))
		if i%100 == 0 {
			if i > 0 {
				meanings.WriteString("endbfchar\n")
			}
			fmt.Fprintf(&meanings, "%d beginbfchar\n", min(100, len(runes)-i))
		}
		fmt.Fprintf(&meanings, "<%04X><%04X>\n", f.glyph(r), r)
	}
	flags, slant, stem := 6, 0, 80 // serif, symbolic
	switch face {
	case Bold:
		stem = 140
	case Italic:
		flags, slant = flags|64, -12
	}
	file := p.stream(fmt.Sprintf("/Length1 %d", len(f.data)), f.data)
	means := p.stream("", []byte("/CIDInit/ProcSet findresource begin 12 dict begin begincmap/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def"+
		"/CMapName/Adobe-Identity-UCS def/CMapType 2 def\n1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n"+meanings.String()+
		"endbfchar\nendcmap CMapName currentdict/CMap defineresource pop end end\n"))
	about := p.object(0, "<</Type/FontDescriptor/FontName/%s/Flags %d/FontBBox[%d %d %d %d]/ItalicAngle %d/Ascent %d/Descent %d/CapHeight 660/StemV %d/FontFile2 %d 0 R>>",
		name, flags, scale(f.box[0]), scale(f.box[1]), scale(f.box[2]), scale(f.box[3]), slant, scale(f.ascent), scale(f.descent), stem, file)
	glyphs := p.object(0, "<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/CIDToGIDMap/Identity/DW 0/W[%s]>>",
		name, about, widths.String())
	p.object(pdfFonts+int(face), "<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>", name, glyphs, means)
}

// text16 writes text as PDF has it outside pages.
func text16(text string) string {
	var b strings.Builder
	b.WriteString("<FEFF")
	for _, u := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&b, "%04X", u)
	}
	return b.String() + ">"
}

// PDFBytes is the file of pages that are all there.
func PDFBytes(info Info, pages []Page) ([]byte, error) {
	var out bytes.Buffer
	err := PDF(&out, info, func(yield func(Page, error) bool) {
		for _, p := range pages {
			if !yield(p, nil) {
				return
			}
		}
	})
	return out.Bytes(), err
}
