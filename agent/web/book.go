package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tram/agent/books"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
)

// sheetsShown is how many sheets of a book a page shows.
const sheetsShown = 3

// BookView is one book: what is on paper, what is not, and some of its sheets.
type BookView struct {
	Page
	Name, Year string
	Path       string // without the year
	Done       string
	Bound      bool
	Keep       bool // the visitor may print and write
	Printed    string
	Left       string
	Open       *PrintView
	PrintHref  string // "" when there is nothing to print
	PrintText  string
	Volumes    []Filter
	NewVolume  bool
	EntryHref  string
	Back       string
	From, To   string
	ByDays     bool
	Years      []Filter
	Files      []ReportRow
	Totals     []Fact
	Prints     []PrintView
	Sheets     []SheetView
	Pager      Pager
	Empty      string
	openFrom   int // first page of the print that is open, of volume
	volume     int
}

// PrintView is one print of a book.
type PrintView struct {
	Text, Href, Done, Discard string
	State                     Tag
}

// SheetView is one sheet as it is on paper, or will be.
type SheetView struct {
	Office, Title, Year, Footer string
	Label                       string // for people who hear the page
	State                       Tag
	Columns                     []ColumnView
	Rows                        [][]CellView
	Closing                     string
	SignOff                     [][2]string
}

// ColumnView is a column of a sheet.
type ColumnView struct {
	Title, Number, Width string
	Center               bool
}

// CellView is what stands in one column of a line.
type CellView struct {
	Text    string
	Center  bool
	Correct string // address to put the line right, in its last column; "" for none
	Change  string // address to change it
}

func (s *site) book(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(a.errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.showBook(ctx, v, a, a.errs, status)
}

func (s *site) showBook(ctx context.Context, v *visit, a asked, errs []FieldError, status int) error {
	name := a.book.Name(v.lang)
	view := BookView{Page: s.page(ctx, v, name, booksPath), Name: name, Year: strconv.Itoa(a.year), Path: booksPath + "/" + slugOf(a.kind),
		Bound: a.book.Bound, Keep: v.may(account.KeepBooks), From: a.from, To: a.to, Back: booksPath + "?nam=" + strconv.Itoa(a.year)}
	view.Page.Path = a.path("")
	if done := v.r.URL.Query().Get("xong"); done == "in" || done == "da-in" || done == "bo" || done == "quyen" || done == "ghi" || done == "dinh-chinh" {
		view.Done = v.t("web.books.done." + done)
	}
	var err error
	if view.Years, err = s.years(ctx, a.year, view.Path); err != nil {
		return err
	}
	if a.book.Bound {
		if err := s.boundBook(ctx, v, a, &view); err != nil {
			return err
		}
	}
	if len(errs) > 0 {
		a.sel.From, a.sel.To = time.Time{}, time.Time{}
	}
	if err := s.preview(ctx, v, a, &view); err != nil {
		p := problem.From(err)
		if p.Code != "books.period" {
			return err
		}
		errs, status = append(errs, FieldError{"den", v.whole(p)}), http.StatusUnprocessableEntity
	}
	for _, f := range []books.Format{books.PDF, books.DOCX, books.XLSX} {
		view.Files = append(view.Files, ReportRow{Href: a.path("/tep", "dang", string(f), "quyen", volumeText(a), "tu", a.from, "den", a.to),
			Name: v.t("web.books.export", i18n.Args{"format": strings.ToUpper(string(f))})})
	}
	if a.book.Bound {
		view.Files = append(view.Files, ReportRow{Href: a.path("/bia", "quyen", volumeText(a)), Name: v.t("web.books.cover")})
	}
	view.setErrors(v, errs)
	view.Styles = s.some("books.css")
	return s.render(v, "book", view, status)
}

func volumeText(a asked) string {
	if a.sel.Volume == 0 {
		return ""
	}
	return strconv.Itoa(a.sel.Volume)
}

// boundBook fills in how far the book is on paper.
func (s *site) boundBook(ctx context.Context, v *visit, a asked, view *BookView) error {
	st, err := s.Books.State(ctx, a.kind, a.year)
	if err != nil {
		return err
	}
	jobs, err := s.Books.Jobs(ctx, a.kind, a.year)
	if err != nil {
		return err
	}
	view.Printed, view.Left = v.printedTo(st), v.left(st)
	if st.Volume > 1 {
		view.Printed = v.t("web.books.in-volume", i18n.Args{"volume": v.t("web.books.volume", i18n.Args{"n": register.Number(st.Volume)}), "text": view.Printed})
	}
	if st.Open != nil {
		view.openFrom, view.volume = st.Open.First, st.Volume
		p := v.printView(a, *st.Open)
		view.Open = &p
	} else if st.Pending > 0 {
		view.PrintHref, view.PrintText = view.Path+"/in", v.t("web.books.print")
		if st.Pages > 0 {
			view.PrintText = v.t("web.books.print-more", i18n.Args{"n": st.Pending})
		}
	}
	for n := 1; n <= st.Volume && st.Volume > 1; n++ {
		view.Volumes = append(view.Volumes, Filter{Href: a.path("", "quyen", strconv.Itoa(n)), Text: v.t("web.books.volume", i18n.Args{"n": register.Number(n)}),
			Current: n == a.sel.Volume || a.sel.Volume == 0 && n == st.Volume})
	}
	view.NewVolume = st.Pages > 0 && st.Open == nil
	if books.ByHand(a.kind) {
		view.EntryHref = a.path("/ghi")
	}
	for _, j := range jobs {
		view.Prints = append(view.Prints, v.printView(a, j))
	}
	return nil
}

func (v *visit) printView(a asked, j books.Job) PrintView {
	base := fmt.Sprintf("%s/%s/ban-in/%d", booksPath, slugOf(a.kind), j.ID)
	tone := map[books.JobState]string{books.Printing: "amber", books.Printed: "green", books.Failed: "grey"}[j.State]
	return PrintView{Href: base, Done: base + "/xong", Discard: base + "/hong", State: Tag{v.t("web.books.state." + string(j.State)), tone},
		Text: v.t("web.books.one-print", i18n.Args{"volume": register.Number(j.Volume), "first": j.First, "last": j.Last, "lines": j.Lines, "time": v.clock(j.Made)})}
}

// preview fills in the sheets of one page.
func (s *site) preview(ctx context.Context, v *visit, a asked, view *BookView) error {
	view.ByDays = !a.sel.From.IsZero() || !a.sel.To.IsZero()
	first, _ := strconv.Atoi(v.r.URL.Query().Get("trang")) // nonsense is the newest
	p, err := s.Books.Preview(ctx, a.kind, a.year, a.sel, max(first, 1), sheetsShown)
	if err != nil {
		return err
	}
	if first < 1 || first > p.Pages {
		first = 1
		if a.book.Bound && !view.ByDays { // begin where the paper ends
			first = max(1, min(p.Printed, p.Pages-1)/sheetsShown*sheetsShown+1)
		}
		if p, err = s.Books.Preview(ctx, a.kind, a.year, a.sel, first, sheetsShown); err != nil {
			return err
		}
	}
	for _, t := range p.Totals {
		view.Totals = append(view.Totals, Fact{v.t("register.total." + string(t.Of)), strconv.Itoa(t.Count)})
	}
	if p.Lines == 0 {
		view.Empty = v.t("web.books.empty", i18n.Args{"year": a.year})
		if len(view.Volumes) > 0 {
			view.Empty = v.t("web.books.empty-volume")
		}
		if view.ByDays {
			view.Empty = v.t("web.books.empty-days")
		}
	}
	for _, sheet := range p.Sheets {
		one := v.sheetView(a, sheet, sheet.Page <= p.Printed && !view.ByDays && a.book.Bound)
		if view.openFrom > 0 && sheet.Page >= view.openFrom && sheet.Page <= p.Printed && one.State.Text != "" && sheet.Volume.Number == view.volume {
			one.State = Tag{v.t("web.books.sheet-open"), "amber"}
		}
		view.Sheets = append(view.Sheets, one)
	}
	if p.Pages > sheetsShown {
		at := func(n int) string {
			return a.path("", "quyen", volumeText(a), "tu", a.from, "den", a.to, "trang", strconv.Itoa(n))
		}
		view.Pager.Text = v.t("web.books.pages", i18n.Args{"from": first, "to": first + len(p.Sheets) - 1, "all": p.Pages})
		if first > 1 {
			view.Pager.Prev = at(max(1, first-sheetsShown))
		}
		if first+sheetsShown <= p.Pages {
			view.Pager.Next = at(first + sheetsShown)
		}
	}
	return nil
}

func (v *visit) sheetView(a asked, s register.Sheet, printed bool) SheetView {
	view := SheetView{Footer: s.Footer(), Label: v.t("web.books.sheet", i18n.Args{"page": s.Page, "all": s.Of})}
	view.Office, view.Title, view.Year = s.Heading()
	if a.book.Bound && a.from == "" && a.to == "" {
		view.State = Tag{v.t("web.books.sheet-new"), "grey"}
		if printed {
			view.State = Tag{v.t("web.books.sheet-printed"), "green"}
		}
	}
	for i, c := range s.Book.Columns {
		view.Columns = append(view.Columns, ColumnView{c.Title(), fmt.Sprintf("(%d)", i+1), fmt.Sprintf("%.2f%%", float64(c.Width)*100/register.BodyWidth), c.Align == register.Center})
	}
	for _, r := range s.Rows {
		row := make([]CellView, len(r.Cells))
		for i, c := range r.Cells {
			row[i] = CellView{Text: c.Text, Center: s.Book.Columns[i].Align == register.Center}
			if c.Cut {
				row[i].Text = strings.Join(c.Lines, "\n")
			}
		}
		if last := &row[len(row)-1]; a.book.Bound && v.may(account.KeepBooks) {
			if !printed && strings.HasPrefix(r.Key, "entry-") {
				last.Change = a.path("/ghi", "dong", r.Key)
			} else {
				last.Correct = a.path("/dong", "dong", r.Key)
			}
		}
		view.Rows = append(view.Rows, row)
	}
	if s.Closing != nil {
		view.Closing = s.Closing.Text()
		sign := register.SignOff()
		view.SignOff = sign[:]
	}
	return view
}

// bookPDF gives the file of a print, as it was made.
func (s *site) bookPDF(ctx context.Context, v *visit) error {
	id, _ := strconv.ParseInt(v.r.PathValue("id"), 10, 64) // none has the number 0
	job, body, err := s.Books.PDF(ctx, id)
	if err != nil {
		return err
	}
	defer body.Close()
	return v.ownFile(fmt.Sprintf("%s-%d-%02d-%d-%d.pdf", slugOf(job.Kind), job.Year, job.Volume, job.First, job.Last), books.PDF, body)
}

func (s *site) bookCover(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	data, err := s.Books.Cover(ctx, a.kind, a.year, a.sel.Volume)
	if err != nil {
		return err
	}
	return v.ownFile(fmt.Sprintf("bia-%s-%d.pdf", slugOf(a.kind), a.year), books.PDF, bytes.NewReader(data))
}

func (s *site) bookFile(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	if len(a.errs) > 0 {
		return s.showBook(ctx, v, a, a.errs, http.StatusUnprocessableEntity)
	}
	format := books.Format(v.r.URL.Query().Get("dang"))
	data, err := s.Books.Export(ctx, a.kind, a.year, a.sel, format)
	if err != nil {
		return err
	}
	return v.ownFile(fmt.Sprintf("%s-%d.%s", slugOf(a.kind), a.year, format), format, bytes.NewReader(data))
}

// fileTypes are the media types of what books are exported to.
var fileTypes = map[books.Format]string{
	books.PDF:  "application/pdf",
	books.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	books.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}

// ownFile sends a file that this program made; PDF is shown, the others are saved.
// The policy has no sandbox, with which Chromium's viewer does not work.
func (v *visit) ownFile(name string, format books.Format, body io.ReadSeeker) error {
	disposition := "attachment"
	if format == books.PDF {
		disposition = "inline"
	}
	h := v.w.Header()
	h.Set("Content-Type", fileTypes[format])
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	http.ServeContent(v.w, v.r, "", time.Time{}, body)
	return nil
}
