package register

import (
	"fmt"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/typeset"
)

// word is a text of the printed forms, which are Vietnamese.
func word(key string, args ...i18n.Args) string {
	return i18n.T(i18n.Vietnamese, "register."+key, args...)
}

// draw puts a sheet on paper.
func (s Sheet) draw() page {
	p := page{Width: sheetWidth, Height: sheetHeight}
	left, room := marginLeft, sheetWidth-marginLeft-marginRight
	office, title, year := s.Heading()
	third := room / 3
	lines, size := typeset.Fit(office, regular, []mpt{10_000, 9_000, 8_000}, third-mm(20), 2)
	p.Block(lines, regular, size, left, marginTop-mm(10), third, Left)
	lines, size = typeset.Fit(title, bold, []mpt{12_000, 11_000, 10_000, 8_000}, third, 2)
	p.Block(lines, bold, size, left+third, marginTop-mm(10), third, Center)
	p.Put(year, regular, 10_000, sheetWidth-marginRight-typeset.Width(year, regular, 10_000), marginTop+mm(20), 0, Left)

	top := marginTop + headingHeight
	bodyTop := top + titlesHeight + numbersHeight
	y := bodyTop
	p.Across(left, left+room, top, firm)
	p.Across(left, left+room, top+titlesHeight, hairline)
	p.Across(left, left+room, bodyTop, firm)
	for _, r := range s.Rows {
		s.drawRow(&p, r, y)
		y += r.height
		p.Across(left, left+room, y, hairline)
	}
	x := left
	for i, c := range s.Book.Columns {
		w := mm(c.Width * 10)
		p.Down(x, top, y, hairline)
		lines, size := typeset.Fit(c.Title(), bold, titleSizes, w-2*cellPadX, 5)
		p.Middle(lines, bold, size, x, top, top+titlesHeight, w)
		p.Middle([]string{fmt.Sprintf("(%d)", i+1)}, regular, 9_000, x, top+titlesHeight, bodyTop, w)
		x += w
	}
	p.Down(x, top, y, hairline)
	if s.Closing != nil {
		s.drawClosing(&p, y)
	}
	p.Put(typeset.Printable(s.Footer()), regular, 10_000, left, sheetHeight-marginBottom-mm(5), room, Center)
	return p
}

func (s Sheet) drawRow(p *page, r Row, top mpt) {
	x := marginLeft
	for i, column := range s.Book.Columns {
		w := mm(column.Width * 10)
		p.Block(r.Cells[i].Lines, regular, r.size, x+cellPadX, top+cellPadY, w-2*cellPadX, column.Align)
		x += w
	}
}

func (s Sheet) drawClosing(p *page, top mpt) {
	left, half := marginLeft, (sheetWidth-marginLeft-marginRight)/2
	p.Put(s.Closing.Text(), italic, 10_000, left, top+mm(55), 0, Left)
	p.Put(blankDate(s.Volume.Place), italic, 11_000, left+half, top+mm(55), half, Center)
	for i, who := range SignOff() {
		p.Put(who[0], bold, 11_000, left+mpt(i)*half, top+mm(115), half, Center)
		p.Put(who[1], italic, 10_000, left+mpt(i)*half, top+mm(165), half, Center)
	}
}

// blankDate is a date line to be filled in by hand.
func blankDate(place string) string {
	if place = typeset.Printable(Clean(place)); place == "" {
		place = "………………"
	}
	return word("blank-date", i18n.Args{"place": place})
}

// Cover is the first page of a volume.
type Cover struct {
	Book   Book
	Volume Volume
}

// Lines are what stands below the title, in order.
func (c Cover) Lines() []string {
	v := c.Volume
	lines := []string{word("cover.year", i18n.Args{"year": orDots(v.Year > 0, fmt.Sprint(v.Year))})}
	lines = append(lines, word("cover.days", i18n.Args{"first": coverDay(v.FirstDay), "last": coverDay(v.LastDay)}))
	if c.Book.Numbers {
		lines = append(lines, word("cover.numbers", i18n.Args{"first": orDots(v.FirstCode != "", Clean(v.FirstCode)), "last": orDots(v.LastCode != "", Clean(v.LastCode))}))
	}
	if c.Book.Bound {
		lines = append(lines, word("cover.volume", i18n.Args{"volume": orDots(v.Number > 0, Number(v.Number))}))
	}
	for _, t := range v.Totals {
		lines = append(lines, fmt.Sprintf("%s: %d", t.Label(), t.Count))
	}
	return lines
}

func coverDay(t time.Time) string { return orDots(!t.IsZero(), Day(t)) }

// orDots is text, or dots to write on.
func orDots(known bool, text string) string {
	if !known {
		return "…………"
	}
	return text
}

func (c Cover) draw() page {
	p := page{Width: sheetWidth, Height: sheetHeight}
	left, room := marginLeft, sheetWidth-marginLeft-marginRight
	p.Box(left, mm(150), room, sheetHeight-mm(300), firm)
	y := mm(260)
	if c.Volume.Superior != "" {
		lines, size := typeset.Fit(strings.ToUpper(c.Volume.Superior), regular, []mpt{14_000, 12_000}, room-mm(400), 2)
		y = p.Block(lines, regular, size, left, y, room, Center)
	}
	lines, size := typeset.Fit(strings.ToUpper(c.Volume.Office), bold, []mpt{14_000, 12_000}, room-mm(400), 2)
	y = p.Block(lines, bold, size, left, y, room, Center)
	p.Across(left+room*2/5, left+room*3/5, y+mm(15), hairline)
	lines, size = typeset.Fit(c.Book.Title(), bold, []mpt{26_000, 22_000, 18_000}, room-mm(200), 2)
	y = p.Block(lines, bold, size, left, mm(720), room, Center) + mm(80)
	for _, line := range c.Lines() {
		lines, size := typeset.Fit(line, regular, []mpt{15_000, 13_000, 11_000}, room-mm(200), 1)
		y = p.Block(lines, regular, size, left, y, room, Center) + mm(25)
	}
	return p
}
