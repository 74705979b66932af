package register

import (
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
)

// A4 upright with the margins of documents.
var (
	pageWidth, pageHeight = mm(2100), mm(2970)
	pageLeft, pageRight   = mm(300), mm(150)
	pageTop, pageBottom   = mm(200), mm(200)
	pageRoom              = pageWidth - pageLeft - pageRight
)

// flow sets text from top to bottom over as many upright pages as it takes.
type flow struct {
	pages []page
	y     mpt
}

// textSize is the type of forms; formSizes what longer texts come down to.
const textSize mpt = 13_000

var formSizes = []mpt{13_000, 12_000, 11_000, 10_000}

func newFlow() *flow {
	f := &flow{}
	f.turn()
	return f
}

// turn begins a page.
func (f *flow) turn() {
	f.pages = append(f.pages, page{width: pageWidth, height: pageHeight})
	f.y = pageTop
}

func (f *flow) page() *page { return &f.pages[len(f.pages)-1] }

// need begins a page when less than room is left on this one.
func (f *flow) need(room mpt) {
	if f.y+room > pageHeight-pageBottom {
		f.turn()
	}
}

func (f *flow) gap(h mpt) { f.y += h }

// text sets a paragraph over the whole width.
func (f *flow) text(text string, face face, size mpt, align Align) {
	text = printable(Clean(text))
	for _, line := range wrap(text, face, size, pageRoom) {
		f.need(leading(size))
		f.y = f.page().block([]string{line}, face, size, pageLeft, f.y, pageRoom, align)
	}
}

// field sets "label: value", or dots to write on over the given number of lines
// when there is no value.
func (f *flow) field(label, value string, dotted int) {
	if value != "" {
		f.text(label+": "+value, regular, textSize, Left)
		f.gap(mm(15))
		return
	}
	label += ": "
	for i := range dotted {
		f.need(leading(textSize) + mm(15))
		start := mpt(0)
		if i == 0 {
			start = width(label, regular, textSize)
			f.page().put(label, regular, textSize, pageLeft, f.y+rise(textSize), 0, Left)
		}
		f.page().dots(textSize, pageLeft+start, f.y+rise(textSize), pageRoom-start)
		f.y += leading(textSize) + mm(15)
	}
}

// table sets rows in columns of the given widths in tenths of a millimetre, the
// header again on each page. A row stays on one page.
func (f *flow) table(widths []int, header []string, rows [][]string) {
	const size = 10_000
	f.row(widths, header, bold, size)
	for _, cells := range rows {
		if f.y+rowHeight(widths, cells, regular, size) > pageHeight-pageBottom {
			f.turn()
			f.row(widths, header, bold, size)
		}
		f.row(widths, cells, regular, size)
	}
}

// rowLines is how many lines a cell of a form's table shows.
const rowLines = 30

func rowHeight(widths []int, cells []string, face face, size mpt) mpt {
	most := 1
	for i, c := range cells {
		lines, _ := fit(c, face, []mpt{size}, mm(widths[i])-2*cellPadX, rowLines)
		most = max(most, len(lines))
	}
	return mpt(most)*leading(size) + 2*cellPadY
}

func (f *flow) row(widths []int, cells []string, face face, size mpt) {
	high := rowHeight(widths, cells, face, size)
	f.need(high)
	x := pageLeft
	for i, c := range cells {
		w := mm(widths[i])
		lines, _ := fit(c, face, []mpt{size}, w-2*cellPadX, rowLines)
		f.page().block(lines, face, size, x+cellPadX, f.y+cellPadY, w-2*cellPadX, Left)
		f.page().box(x, f.y, w, high, hairline)
		x += w
	}
	f.y += high
}

// letterhead sets what is above every administrative form: the office on the
// left, the nation on the right, below them number and date.
func (f *flow) letterhead(superior, office, number, dateLine string) {
	left, right := pageRoom*9/20, pageRoom*11/20
	p := f.page()
	y := f.y
	if superior != "" {
		lines, size := fit(strings.ToUpper(superior), regular, formSizes[1:], left-mm(20), 2)
		y = p.block(lines, regular, size, pageLeft, y, left, Center)
	}
	lines, size := fit(strings.ToUpper(office), bold, formSizes[1:], left-mm(20), 3)
	y = p.block(lines, bold, size, pageLeft, y, left, Center) + mm(8)
	p.across(pageLeft+left/3, pageLeft+left*2/3, y, hairline)
	nation, motto := word("nation"), word("motto")
	lines, size = fit(nation, bold, []mpt{12_000, 11_500, 11_000, 10_000}, right, 1)
	z := p.block(lines, bold, size, pageLeft+left, f.y, right, Center)
	z = p.block([]string{motto}, bold, textSize, pageLeft+left, z, right, Center) + mm(8)
	half := width(motto, bold, textSize) / 2
	p.across(pageLeft+left+right/2-half, pageLeft+left+right/2+half, z, hairline)
	y = max(y, z) + mm(25)
	lines, size = fit(number, regular, formSizes, left, 1)
	p.block(lines, regular, size, pageLeft, y, left, Center)
	lines, size = fit(dateLine, italic, formSizes, right, 1)
	f.y = p.block(lines, italic, size, pageLeft+left, y, right, Center) + mm(60)
}

// number writes page numbers, centred in the top margin from the second page
// on, as documents have them.
func (f *flow) number() {
	for i := range f.pages {
		if i > 0 {
			f.pages[i].put(strconv.Itoa(i+1), regular, textSize, pageLeft, mm(140), pageRoom, Center)
		}
	}
}

// dateLine is a filled or blank date line.
func dateLine(place string, t time.Time) string {
	if t.IsZero() {
		return blankDate(place)
	}
	return DateLine(printable(Clean(place)), t)
}

// Party is an office as the forms show it.
type Party struct {
	Name string
	Code string // mã định danh; "" when not shown
}

func (p Party) String() string {
	if p.Code == "" {
		return Clean(p.Name)
	}
	return i18n.T(i18n.Vietnamese, "register.party", i18n.Args{"name": Clean(p.Name), "code": Clean(p.Code)})
}
