package register

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stamp is the ĐẾN stamp as a label of 50 × 35 mm. What is empty becomes dots
// to write on.
type Stamp struct {
	Office string
	Number string // số đến
	Date   string // ngày đến
	To     string // chuyển
	File   string // số và ký hiệu hồ sơ
}

var stampWidth, stampHeight = mm(500), mm(350)

func (s Stamp) draw() page {
	p := page{width: stampWidth, height: stampHeight}
	p.box(mm(5), mm(5), stampWidth-mm(10), stampHeight-mm(10), firm)
	x, room := mm(25), stampWidth-mm(50)
	office := printable(Clean(strings.ToUpper(s.Office)))
	lines, size := fit(office, bold, []mpt{8_000, 7_000}, room, 1)
	if width(office, bold, size) > room {
		lines, size = fit(office, bold, []mpt{8_000, 7_000, 6_000}, room, 2)
	}
	p.middle(lines, bold, size, x, mm(12), mm(72), room)
	p.across(mm(5), stampWidth-mm(5), mm(76), hairline)
	p.put(word("stamp.arrived"), bold, 14_000, x, mm(130), room, Center)
	y := mm(142)
	for _, f := range [][2]string{{"stamp.number", s.Number}, {"stamp.date", s.Date}, {"stamp.to", s.To}, {"stamp.file", s.File}} {
		label := word(f[0]) + ": "
		if f[1] == "" {
			p.put(label, regular, 9_000, x, y+rise(9_000), 0, Left)
			start := width(label, regular, 9_000)
			p.dots(9_000, x+start, y+rise(9_000), room-start)
		} else {
			lines, size := fit(label+f[1], regular, []mpt{9_000, 8_000, 7_000, 6_000}, room, 1)
			p.block(lines, regular, size, x, y, room, Left)
		}
		y += mm(48)
	}
	return p
}

// PDF makes the label as a page of its size.
func (s Stamp) PDF() ([]byte, error) {
	return makePDF(word("stamp.title"), s.Office, time.Time{}, slices.Values([]page{s.draw()}))
}

// SVG makes the label as a picture for a page; the text is set in Times New
// Roman or what is as wide.
func (s Stamp) SVG() []byte { return s.draw().svg() }

// svg writes a drawn page as SVG, in millimetres outside and points inside.
func (p page) svg() []byte {
	var b bytes.Buffer
	outer := func(l mpt) float64 { return l.points() * 25.4 / 72 }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.1fmm" height="%.1fmm" viewBox="0 0 %.3f %.3f" role="img">`,
		outer(p.width), outer(p.height), p.width.points(), p.height.points())
	for _, r := range p.rules {
		fmt.Fprintf(&b, `<line x1="%.3f" y1="%.3f" x2="%.3f" y2="%.3f" stroke="currentColor" stroke-width="%.2f"/>`,
			r.x1.points(), r.y1.points(), r.x2.points(), r.y2.points(), r.weight.points())
	}
	for _, t := range p.texts {
		style := ""
		switch t.face {
		case bold:
			style = ` font-weight="bold"`
		case italic:
			style = ` font-style="italic"`
		}
		fmt.Fprintf(&b, `<text x="%.3f" y="%.3f" font-family="'Times New Roman', 'Liberation Serif', Tinos, serif" font-size="%.2f"%s fill="currentColor">`,
			t.x.points(), t.y.points(), t.size.points(), style)
		_ = xml.EscapeText(&b, []byte(t.text)) // a buffer takes everything
		b.WriteString(`</text>`)
	}
	b.WriteString(`</svg>`)
	return b.Bytes()
}
