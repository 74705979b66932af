package register

import (
	"slices"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/typeset"
)

// The sheet: A4 landscape, wider margin where it is bound.
var (
	sheetWidth, sheetHeight = mm(2970), mm(2100)
	marginLeft, marginRight = mm(250), mm(150)
	marginTop, marginBottom = mm(120), mm(110)
	headingHeight           = mm(80)
	titlesHeight            = mm(160) // of the row of column titles
	numbersHeight           = mm(50)  // of the row (1)…(n)
	footerHeight            = mm(60)
	closingHeight           = mm(370)
	bodyHeight              = sheetHeight - marginTop - marginBottom - headingHeight - titlesHeight - numbersHeight - footerHeight
)

// How rows are set.
var (
	rowSizes   = []mpt{10_000, 8_500, 7_000} // the first at which a line fits on a sheet is taken
	leastRow   = mm(72)
	titleSizes = []mpt{10_000, 9_000, 8_000}
)

// Paginate lays the lines that follow after on new sheets, the first of them
// with the page number behind after.Page. lines is the whole volume, or begins
// at the latest with the line after.Line. Nothing new gives no sheet.
func Paginate(b Book, v Volume, lines []Line, after Printed) ([]Sheet, error) {
	if err := check(b, lines); err != nil {
		return nil, err
	}
	if after.Line != "" {
		at := slices.IndexFunc(lines, func(l Line) bool { return l.Key == after.Line })
		if at < 0 {
			return nil, problem.New(problem.Conflict, "register.printed-missing", "lines", i18n.Args{"page": after.Page})
		}
		lines = lines[at+1:]
	}
	var sheets []Sheet
	rows := layOut(b, lines)
	for len(rows) > 0 {
		n := fitting(rows, bodyHeight)
		sheets = append(sheets, Sheet{Book: b, Volume: v, Rows: rows[:n]})
		rows = rows[n:]
	}
	sheets = withRoomToSign(sheets)
	number(sheets, after.Page)
	return sheets, nil
}

// Reprint gives sheets that were printed, each as it was: printed are their
// marks in order, lines the volume from the first line on the first of them. A
// line that was changed, dropped or put between since is a Conflict.
func Reprint(b Book, v Volume, lines []Line, printed []Printed) ([]Sheet, error) {
	if err := check(b, lines); err != nil {
		return nil, err
	}
	var sheets []Sheet
	for _, p := range printed {
		n := 1 + slices.IndexFunc(lines, func(l Line) bool { return l.Key == p.Line })
		s := Sheet{Book: b, Volume: v, Rows: layOut(b, lines[:n])}
		s.is(p)
		if s.sum() != p.Sum {
			return nil, problem.New(problem.Conflict, "register.printed-changed", "lines", i18n.Args{"page": p.Page})
		}
		sheets = append(sheets, s)
		lines = lines[n:]
	}
	return sheets, nil
}

// PrintedOn tells on which page a line was printed, 0 if on none. order gives
// the keys of the volume's lines in order.
func PrintedOn(order []string, printed []Printed, key string) int {
	if at := slices.Index(order, key); at >= 0 {
		for _, p := range printed {
			if at <= slices.Index(order, p.Line) {
				return p.Page
			}
		}
	}
	return 0
}

// number makes sheets one print, whose first page comes behind page.
func number(sheets []Sheet, page int) {
	at := Printed{From: page + 1, Of: page + len(sheets)}
	for i := range sheets {
		s := &sheets[i]
		at.Page = page + 1 + i
		if n := len(s.Rows); n > 0 {
			at.Lines += n
			at.Line = s.Rows[n-1].Key
		}
		s.is(at)
	}
}

// fitting is how many rows fit into room, at least one.
func fitting(rows []Row, room mpt) int {
	n := 0
	for n < len(rows) && (n == 0 || rows[n].height <= room) {
		room -= rows[n].height
		n++
	}
	return n
}

// withRoomToSign moves the last row to a further sheet where it leaves no room
// for the sign-off.
func withRoomToSign(sheets []Sheet) []Sheet {
	for len(sheets) > 0 {
		last := &sheets[len(sheets)-1]
		if height(last.Rows)+closingHeight <= bodyHeight {
			break
		}
		keep := len(last.Rows) - 1
		if keep == 0 { // a tall one: the sign-off stands alone on the next sheet
			keep = 1
		}
		next := Sheet{Book: last.Book, Volume: last.Volume, Rows: last.Rows[keep:]}
		last.Rows = last.Rows[:keep]
		sheets = append(sheets, next)
	}
	return sheets
}

func height(rows []Row) mpt {
	sum := mpt(0)
	for _, r := range rows {
		sum += r.height
	}
	return sum
}

// MaxLines is how many lines are laid out or written at once.
const MaxLines = 50_000

// check refuses lines that the book cannot hold.
func check(b Book, lines []Line) error {
	if len(lines) > MaxLines {
		return problem.New(problem.Usage, "register.too-many-lines", "lines", i18n.Args{"most": MaxLines})
	}
	var faults problem.List
	seen := map[string]bool{}
	for _, l := range lines {
		if l.Key == "" || seen[l.Key] {
			faults = append(faults, problem.New(problem.Usage, "register.line-key", "lines", i18n.Args{"key": l.Key}))
		}
		seen[l.Key] = true
		for f := range l.Values {
			if !b.has(f) {
				faults = append(faults, problem.New(problem.Usage, "register.no-column", string(f), i18n.Args{"field": string(f), "book": b.Name(i18n.Vietnamese)}))
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// layOut breaks each line into the columns of the book.
func layOut(b Book, lines []Line) []Row {
	rows := make([]Row, len(lines))
	for i, l := range lines {
		row := Row{Key: l.Key, Cells: make([]Cell, len(b.Columns))}
		for c, column := range b.Columns {
			row.Cells[c].Text = l.value(column.Field)
		}
		row.set(b)
		rows[i] = row
	}
	return rows
}

// set breaks the cells at the largest size at which the row fits on a sheet,
// and cuts what fits at none.
func (r *Row) set(b Book) {
	short := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		short[i] = typeset.Printable(c.Text)
		if runes := []rune(short[i]); len(runes) > typeset.MaxSet {
			short[i] = string(runes[:typeset.MaxSet])
		}
	}
	for _, size := range rowSizes {
		r.size, r.height = size, leastRow
		for i, column := range b.Columns {
			r.Cells[i].Lines = typeset.Wrap(short[i], regular, size, mm(column.Width*10)-2*cellPadX)
			r.height = max(r.height, mpt(len(r.Cells[i].Lines))*typeset.Leading(size)+2*cellPadY)
		}
		if r.height <= bodyHeight {
			break
		}
	}
	most := int((bodyHeight - 2*cellPadY) / typeset.Leading(r.size))
	for i := range r.Cells {
		if c := &r.Cells[i]; len(c.Lines) > most {
			c.Lines, c.Cut = append(c.Lines[:most-1], Omission), true
		}
	}
	r.height = min(r.height, bodyHeight)
}
