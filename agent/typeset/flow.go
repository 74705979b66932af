package typeset

import (
	"strconv"
	"strings"
)

// A4 upright with the margins of documents.
var (
	PageWidth, PageHeight = MM(2100), MM(2970)
	PageLeft, PageRight   = MM(300), MM(150)
	PageTop, PageBottom   = MM(200), MM(200)
	PageRoom              = PageWidth - PageLeft - PageRight
)

// Padding of the cells of a table.
var (
	CellPadX = MM(10)
	CellPadY = MM(9)
)

// Flow sets text from top to bottom over as many upright pages as it takes.
type Flow struct {
	Pages []Page
	Y     Length // where the next thing goes on the last page
	Size  Length // of the type of fields
}

// TextSize is the type of forms; formSizes what longer texts come down to.
const TextSize Length = 13_000

var formSizes = []Length{13_000, 12_000, 11_000, 10_000}

// NewFlow is a flow with its first page.
func NewFlow() *Flow {
	f := &Flow{Size: TextSize}
	f.Turn()
	return f
}

// Turn begins a page.
func (f *Flow) Turn() {
	f.Pages = append(f.Pages, Page{Width: PageWidth, Height: PageHeight})
	f.Y = PageTop
}

// Page is the last page.
func (f *Flow) Page() *Page { return &f.Pages[len(f.Pages)-1] }

// Need begins a page when less than room is left on this one.
func (f *Flow) Need(room Length) {
	if f.Y+room > PageHeight-PageBottom {
		f.Turn()
	}
}

// Gap leaves room empty.
func (f *Flow) Gap(h Length) { f.Y += h }

// Text sets a paragraph over the whole width.
func (f *Flow) Text(text string, face Face, size Length, align Align) {
	text = Printable(Clean(text))
	for _, line := range Wrap(text, face, size, PageRoom) {
		f.Need(Leading(size))
		f.Y = f.Page().Block([]string{line}, face, size, PageLeft, f.Y, PageRoom, align)
	}
}

// Field sets "label: value", or dots to write on over the given number of lines
// when there is no value.
func (f *Flow) Field(label, value string, dotted int) {
	if value != "" {
		f.Text(label+": "+value, Regular, f.Size, Left)
		f.Gap(MM(15))
		return
	}
	label += ": "
	for i := range dotted {
		f.Need(Leading(f.Size) + MM(15))
		start := Length(0)
		if i == 0 {
			start = Width(label, Regular, f.Size)
			f.Page().Put(label, Regular, f.Size, PageLeft, f.Y+Rise(f.Size), 0, Left)
		}
		f.Page().Dots(f.Size, PageLeft+start, f.Y+Rise(f.Size), PageRoom-start)
		f.Y += Leading(f.Size) + MM(15)
	}
}

// TableColumn is one of a table, its width in tenths of a millimetre.
type TableColumn struct {
	Width int
	Align Align
}

// Table sets rows, the header again on each page. A row stays on one page.
func (f *Flow) Table(columns []TableColumn, header []string, rows [][]string) {
	f.row(columns, header, Bold)
	for _, cells := range rows {
		if f.Y+rowHeight(columns, cells, Regular) > PageHeight-PageBottom {
			f.Turn()
			f.row(columns, header, Bold)
		}
		f.row(columns, cells, Regular)
	}
}

// rowLines is how many lines a cell of a form's table shows, cellSize its type.
const (
	rowLines        = 30
	cellSize Length = 10_000
)

func (c TableColumn) lines(text string, face Face) []string {
	lines, _ := Fit(text, face, []Length{cellSize}, MM(c.Width)-2*CellPadX, rowLines)
	return lines
}

func rowHeight(columns []TableColumn, cells []string, face Face) Length {
	most := 1
	for i, c := range cells {
		most = max(most, len(columns[i].lines(c, face)))
	}
	return Length(most)*Leading(cellSize) + 2*CellPadY
}

func (f *Flow) row(columns []TableColumn, cells []string, face Face) {
	high := rowHeight(columns, cells, face)
	f.Need(high)
	x := PageLeft
	for i, c := range cells {
		w := MM(columns[i].Width)
		f.Page().Block(columns[i].lines(c, face), face, cellSize, x+CellPadX, f.Y+CellPadY, w-2*CellPadX, columns[i].Align)
		f.Page().Box(x, f.Y, w, high, Hairline)
		x += w
	}
	f.Y += high
}

// Letterhead is what is above every administrative form: the office on the
// left, the nation on the right, below them number and date.
type Letterhead struct {
	Superior, Office string
	Nation, Motto    string
	Number, Date     string // lines of their own; "" for none
}

// Letterhead sets l.
func (f *Flow) Letterhead(l Letterhead) {
	left, right := PageRoom*9/20, PageRoom*11/20
	p := f.Page()
	y := f.Y
	if l.Superior != "" {
		lines, size := Fit(strings.ToUpper(l.Superior), Regular, formSizes[1:], left-MM(20), 2)
		y = p.Block(lines, Regular, size, PageLeft, y, left, Center)
	}
	lines, size := Fit(strings.ToUpper(l.Office), Bold, formSizes[1:], left-MM(20), 3)
	y = p.Block(lines, Bold, size, PageLeft, y, left, Center) + MM(8)
	p.Across(PageLeft+left/3, PageLeft+left*2/3, y, Hairline)
	lines, size = Fit(l.Nation, Bold, []Length{12_000, 11_500, 11_000, 10_000}, right, 1)
	z := p.Block(lines, Bold, size, PageLeft+left, f.Y, right, Center)
	z = p.Block([]string{l.Motto}, Bold, TextSize, PageLeft+left, z, right, Center) + MM(8)
	half := Width(l.Motto, Bold, TextSize) / 2
	p.Across(PageLeft+left+right/2-half, PageLeft+left+right/2+half, z, Hairline)
	y = max(y, z) + MM(25)
	lines, size = Fit(l.Number, Regular, formSizes, left, 1)
	p.Block(lines, Regular, size, PageLeft, y, left, Center)
	lines, size = Fit(l.Date, Italic, formSizes, right, 1)
	f.Y = p.Block(lines, Italic, size, PageLeft+left, y, right, Center) + MM(60)
}

// Number writes page numbers, centred in the top margin from the second page
// on, as documents have them.
func (f *Flow) Number() {
	for i := range f.Pages {
		if i > 0 {
			f.Pages[i].Put(strconv.Itoa(i+1), Regular, TextSize, PageLeft, MM(140), PageRoom, Center)
		}
	}
}
