package forms

import (
	"io"
	"iter"
	"strconv"
	"strings"

	"tram/agent/typeset"
)

// WritePDF writes the book, A4 landscape, as its lines come.
func (r Register) WritePDF(w io.Writer) error {
	t := r.Template()
	return typeset.PDF(w, typeset.Info{Title: t.Title + " · " + r.Span.Text(), Author: r.Heading.Office}, r.pages(t))
}

// WriteXLSX writes the book for spreadsheet programs as its lines come.
func (r Register) WriteXLSX(w io.Writer) error { return r.spreadsheet(r.Template()).Write(w) }

// The sheet of the book, wider margin where it is bound.
var (
	bookWidth, bookHeight = typeset.MM(2970), typeset.MM(2100)
	bookLeft, bookTop     = typeset.MM(200), typeset.MM(150)
	bookBottom            = bookHeight - typeset.MM(140)
	groupHeight           = typeset.MM(60) // of the title above a group of columns
	titlesHeight          = typeset.MM(200)
	numbersHeight         = typeset.MM(45)
	totalHeight           = typeset.MM(80) // of the line below the last row
)

const bookSize typeset.Length = 9_000

var titleSizes = []typeset.Length{9_500, 9_000, 8_000, 7_000}

// bookPage is a page of the book that is being filled.
type bookPage struct {
	page typeset.Page
	y    typeset.Length
	top  typeset.Length // of the first row
	rows int
}

// pages sets rows on pages as they come.
func (r Register) pages(t Template) iter.Seq2[typeset.Page, error] {
	return func(yield func(typeset.Page, error) bool) {
		n, total := 1, 0
		p := r.begin(t, n)
		turn := func() bool {
			p.close(t)
			if !yield(p.page, nil) {
				return false
			}
			n++
			p = r.begin(t, n)
			return true
		}
		for cells, err := range r.rows(t) {
			if err != nil {
				yield(typeset.Page{}, err)
				return
			}
			row := layOut(t.Book, cells)
			if p.y+row.height > bookBottom && (p.rows > 0 || n == 1) && !turn() {
				return
			}
			p.put(t.Book, row)
			total++
		}
		if p.y+totalHeight > bookBottom && p.rows > 0 && !turn() {
			return
		}
		p.page.Put(word("total", "n", strconv.Itoa(total)), typeset.Bold, 11_000, bookLeft, p.y+typeset.MM(60), 0, typeset.Left)
		p.close(t)
		yield(p.page, nil)
	}
}

// begin is page n with what stands above its rows.
func (r Register) begin(t Template, n int) *bookPage {
	p := &bookPage{page: typeset.Page{Width: bookWidth, Height: bookHeight}, y: bookTop}
	room := bookRoom(t.Book)
	if n == 1 {
		r.title(p, t, room)
	}
	p.page.Put(word("page", "n", strconv.Itoa(n)), typeset.Regular, 10_000, bookLeft, bookHeight-typeset.MM(70), room, typeset.Center)
	p.page.Put(footer(t), typeset.Italic, footSize, bookLeft, bookHeight-typeset.MM(70), 0, typeset.Left)
	titles(p, t.Book)
	return p
}

// title sets the heading of the first page.
func (r Register) title(p *bookPage, t Template, room typeset.Length) {
	h, half := r.heading(), room/2
	lines, size := typeset.Fit(strings.ToUpper(h.Office), typeset.Regular, titleFits, half-typeset.MM(40), 2)
	y := p.page.Block(lines, typeset.Regular, size, bookLeft, p.y, half, typeset.Center)
	lines, size = typeset.Fit(strings.ToUpper(h.Desk), typeset.Bold, titleFits, half-typeset.MM(40), 2)
	y = p.page.Block(lines, typeset.Bold, size, bookLeft, y, half, typeset.Center)
	z := p.page.Block([]string{law.Nation}, typeset.Bold, 12_000, bookLeft+half, p.y, half, typeset.Center)
	z = p.page.Block([]string{law.Motto}, typeset.Bold, 12_000, bookLeft+half, z, half, typeset.Center)
	y = max(y, z) + typeset.MM(50)
	y = p.page.Block([]string{t.Title}, typeset.Bold, 16_000, bookLeft, y, room, typeset.Center)
	y = p.page.Block([]string{r.Span.Text(), word("volume", "year", strconv.Itoa(r.Span.Year))}, typeset.Regular, 12_000, bookLeft, y, room, typeset.Center)
	p.y = y + typeset.MM(40)
}

var titleFits = []typeset.Length{12_000, 11_000, 10_000, 8_000}

// titles sets the titles and numbers of the columns.
func titles(p *bookPage, columns []column) {
	top, room := p.y, bookRoom(columns)
	under := top + groupHeight
	bottom := top + titlesHeight
	p.top = bottom + numbersHeight
	x := bookLeft
	for _, g := range groups(columns) {
		from, wide := x, typeset.Length(0)
		for i := g.first; i <= g.last; i++ {
			w, above := typeset.MM(columns[i].Width*10), top
			if g.title != "" {
				above = under
			}
			lines, size := fitTitle(columns[i].Title, w-2*cellPad, bottom-above)
			p.page.Middle(lines, typeset.Bold, size, x, above, bottom, w)
			p.page.Middle([]string{"(" + strconv.Itoa(i+1) + ")"}, typeset.Regular, 8_500, x, bottom, p.top, w)
			if i > g.first {
				p.page.Down(x, under, bottom, typeset.Hairline)
			}
			x, wide = x+w, wide+w
		}
		if g.title != "" {
			p.page.Middle([]string{g.title}, typeset.Bold, titleSizes[0], from, top, under, wide)
			p.page.Across(from, from+wide, under, typeset.Hairline)
		}
		p.page.Down(from, top, bottom, typeset.Hairline)
	}
	p.page.Down(x, top, bottom, typeset.Hairline)
	for _, y := range []typeset.Length{top, bottom, p.top} {
		p.page.Across(bookLeft, bookLeft+room, y, typeset.Firm)
	}
	p.y = p.top
	p.top = bottom
}

// fitTitle breaks a title at the largest size at which it is no higher than its box.
func fitTitle(text string, room, high typeset.Length) (lines []string, size typeset.Length) {
	for _, size = range titleSizes {
		most := int(high / typeset.Leading(size))
		if lines, _ = typeset.Fit(text, typeset.Bold, []typeset.Length{size}, room, most+1); len(lines) <= most {
			return lines, size
		}
	}
	return typeset.Fit(text, typeset.Bold, []typeset.Length{size}, room, int(high/typeset.Leading(size)))
}

func bookRoom(columns []column) (room typeset.Length) {
	for _, c := range columns {
		room += typeset.MM(c.Width * 10)
	}
	return room
}

// cellPad is beside and above the text of a cell.
var cellPad = typeset.MM(8)

// bookRow is a line as it stands on a page.
type bookRow struct {
	cells  [][]string
	height typeset.Length
}

// layOut breaks the cells of a line. A line that is higher than a page is cut,
// visibly.
func layOut(columns []column, cells []string) bookRow {
	row := bookRow{cells: make([][]string, len(cells))}
	room := bookBottom - bookTop - titlesHeight - numbersHeight - 2*cellPad
	most := 1
	for i, c := range columns {
		row.cells[i], _ = typeset.Fit(cells[i], typeset.Regular, []typeset.Length{bookSize}, typeset.MM(c.Width*10)-2*cellPad, int(room/typeset.Leading(bookSize)))
		most = max(most, len(row.cells[i]))
	}
	row.height = typeset.Length(most)*typeset.Leading(bookSize) + 2*cellPad
	return row
}

func (p *bookPage) put(columns []column, row bookRow) {
	x := bookLeft
	for i, c := range columns {
		w, align := typeset.MM(c.Width*10), typeset.Left
		if c.Center {
			align = typeset.Center
		}
		p.page.Block(row.cells[i], typeset.Regular, bookSize, x+cellPad, p.y+cellPad, w-2*cellPad, align)
		x += w
	}
	p.y += row.height
	p.rows++
	p.page.Across(bookLeft, x, p.y, typeset.Hairline)
}

// close draws the upright rules beside the rows.
func (p *bookPage) close(t Template) {
	x := bookLeft
	for _, c := range t.Book {
		p.page.Down(x, p.top, p.y, typeset.Hairline)
		x += typeset.MM(c.Width * 10)
	}
	p.page.Down(x, p.top, p.y, typeset.Hairline)
}
