package register

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"tram/agent/i18n"
)

// Line is one entry of a book. What is not in Values stays empty on paper, as
// the column for signatures does.
type Line struct {
	Key         string // names the entry, unique in the book
	Values      map[Field]string
	Corrections []string // what was put right since, in order; written under Ghi chú
}

// value is what the line writes in a column.
func (l Line) value(f Field) string {
	text := l.Values[f]
	if f == Remarks && len(l.Corrections) > 0 {
		text = strings.Join(append([]string{text}, l.Corrections...), "\n")
	}
	return Clean(text)
}

// Correction makes the line that puts right one that is printed already. Only
// its number and Ghi chú are filled in: page is where the wrong line stands.
func Correction(b Book, key string, wrong Line, page int, text string) Line {
	values := map[Field]string{}
	for _, f := range []Field{CodeOf, ArrivalNo, Ordinal, Serial} {
		if b.has(f) {
			values[f] = wrong.Values[f]
		}
	}
	values[Remarks] = i18n.T(i18n.Vietnamese, "register.correction", i18n.Args{"page": page, "text": text})
	return Line{Key: key, Values: values}
}

// Volume is the book that is printed: whose, which year, which volume.
type Volume struct {
	Superior  string // cơ quan, tổ chức chủ quản; "" when there is none
	Office    string
	Place     string // địa danh
	Year      int
	Number    int // quyển số; 0 leaves a dotted line to write on
	FirstDay  time.Time
	LastDay   time.Time
	FirstCode string // from which number, as the book writes it
	LastCode  string
	Totals    []Total // of a report, on its first page
}

// Total is a figure of a report.
type Total struct {
	Of    TotalKind
	Count int
}

// TotalKind names what a report counts.
type TotalKind string

// What reports count.
const (
	TotalAll      TotalKind = "all"
	TotalDone     TotalKind = "done"
	TotalOpen     TotalKind = "open"
	TotalLate     TotalKind = "late"      // open beyond the deadline
	TotalDoneLate TotalKind = "done-late" // done, but after the deadline
)

// Label is what the printed report says.
func (t Total) Label() string { return i18n.T(i18n.Vietnamese, "register.total."+string(t.Of)) }

// Printed is what must be remembered of a sheet that was printed, so that the
// next print begins behind it and the same sheet can be printed again. The zero
// value means that nothing was printed.
type Printed struct {
	Page  int    `json:"page"`
	From  int    `json:"from"`  // first page of that print
	Of    int    `json:"of"`    // last page of that print, and of the book then
	Lines int    `json:"lines"` // lines of that print up to this page
	Line  string `json:"line"`  // key of the last of them
	Sum   string `json:"sum"`   // over what stands on the page
}

// Cell is what stands in one column of a row.
type Cell struct {
	Text  string   // whole
	Lines []string // as broken on paper
	Cut   bool     // paper has less than Text
}

// Row is a line as laid out on a sheet.
type Row struct {
	Key    string
	Cells  []Cell // one for each column
	size   mpt
	height mpt
}

// Closing is the sign-off under the last sheet of a print.
type Closing struct {
	FirstPage, LastPage int
	Lines               int
}

// Text says what was printed, as the sheet does.
func (c Closing) Text() string {
	return i18n.T(i18n.Vietnamese, "register.closing", i18n.Args{"lines": c.Lines, "first": c.FirstPage, "last": c.LastPage})
}

// Sheet is one page of a book, complete: what pages, PDF and printers show.
type Sheet struct {
	Book    Book
	Volume  Volume
	Page    int
	Of      int
	Rows    []Row
	Closing *Closing // on the last sheet of a print
	mark    Printed  // without Sum
}

// Heading stands above the columns: office, book and year.
func (s Sheet) Heading() (office, title, year string) {
	year = i18n.T(i18n.Vietnamese, "register.year", i18n.Args{"year": s.Volume.Year})
	return strings.ToUpper(Clean(s.Volume.Office)), s.Book.Title(), year
}

// Footer stands below: Trang 3/12 · Quyển số 02.
func (s Sheet) Footer() string {
	args := i18n.Args{"page": s.Page, "of": s.Of, "volume": Number(s.Volume.Number)}
	if s.Volume.Number == 0 || !s.Book.Bound {
		return i18n.T(i18n.Vietnamese, "register.page", args)
	}
	return i18n.T(i18n.Vietnamese, "register.page-volume", args)
}

// SignOff are the two who sign under the last sheet, each with a hint.
func SignOff() [2][2]string {
	return [2][2]string{
		{i18n.T(i18n.Vietnamese, "register.sign.clerk"), i18n.T(i18n.Vietnamese, "register.sign.clerk-hint")},
		{i18n.T(i18n.Vietnamese, "register.sign.head"), i18n.T(i18n.Vietnamese, "register.sign.head-hint")},
	}
}

// is makes s the page that p is about.
func (s *Sheet) is(p Printed) {
	s.Page, s.Of, s.mark = p.Page, p.Of, p
	if s.Closing = nil; p.Page == p.Of {
		s.Closing = &Closing{FirstPage: p.From, LastPage: p.Of, Lines: p.Lines}
	}
}

// Mark is what to remember once the sheet was printed.
func (s Sheet) Mark() Printed {
	s.mark.Sum = s.sum()
	return s.mark
}

// sum is the digest of what stands on the page.
func (s Sheet) sum() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %d/%d\n", s.Book.Kind, s.Page, s.Of)
	for _, r := range s.Rows {
		part(sum, r.Key)
		for i, c := range r.Cells {
			part(sum, string(s.Book.Columns[i].Field))
			part(sum, c.Text)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:markBytes])
}

// markBytes is how much of a digest is kept for a printed sheet.
const markBytes = 16

// part writes text with its length before it, so that no two lists of texts
// have the same digest.
func part(w io.Writer, text string) { fmt.Fprintf(w, "%d:%s", len(text), text) }
