package register

import (
	"slices"
	"strings"
	"time"

	"tram/agent/typeset"
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
	p := page{Width: stampWidth, Height: stampHeight}
	p.Box(mm(5), mm(5), stampWidth-mm(10), stampHeight-mm(10), firm)
	x, room := mm(25), stampWidth-mm(50)
	office := typeset.Printable(Clean(strings.ToUpper(s.Office)))
	lines, size := typeset.Fit(office, bold, []mpt{8_000, 7_000}, room, 1)
	if typeset.Width(office, bold, size) > room {
		lines, size = typeset.Fit(office, bold, []mpt{8_000, 7_000, 6_000}, room, 2)
	}
	p.Middle(lines, bold, size, x, mm(12), mm(72), room)
	p.Across(mm(5), stampWidth-mm(5), mm(76), hairline)
	p.Put(word("stamp.arrived"), bold, 14_000, x, mm(130), room, Center)
	y := mm(142)
	for _, f := range [][2]string{{"stamp.number", s.Number}, {"stamp.date", s.Date}, {"stamp.to", s.To}, {"stamp.file", s.File}} {
		label := word(f[0]) + ": "
		if f[1] == "" {
			p.Put(label, regular, 9_000, x, y+typeset.Rise(9_000), 0, Left)
			start := typeset.Width(label, regular, 9_000)
			p.Dots(9_000, x+start, y+typeset.Rise(9_000), room-start)
		} else {
			lines, size := typeset.Fit(label+f[1], regular, []mpt{9_000, 8_000, 7_000, 6_000}, room, 1)
			p.Block(lines, regular, size, x, y, room, Left)
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
func (s Stamp) SVG() []byte { return s.draw().SVG() }
