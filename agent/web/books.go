package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tram/agent/books"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
)

// booksPath is where the register books are.
const booksPath = "/so"

func (s *site) bookRoutes() []route {
	return []route{
		{who: account.ReadBooks, pattern: "GET /so", do: s.books},
		{who: account.ReadBooks, pattern: "GET /so/{so}", do: s.book},
		{who: account.ReadBooks, pattern: "GET /so/{so}/bia", do: s.bookCover},
		{who: account.ReadBooks, pattern: "GET /so/{so}/tep", do: s.bookFile},
		{who: account.ReadBooks, pattern: "GET /so/{so}/ban-in/{id}", do: s.bookPDF},
		{who: account.KeepBooks, pattern: "POST /so/{so}/in", do: s.bookPrint},
		{who: account.KeepBooks, pattern: "POST /so/{so}/ban-in/{id}/xong", do: s.bookConfirm},
		{who: account.KeepBooks, pattern: "POST /so/{so}/ban-in/{id}/hong", do: s.bookDiscard},
		{who: account.KeepBooks, pattern: "POST /so/{so}/quyen-moi", do: s.bookVolume},
		{who: account.KeepBooks, pattern: "GET /so/{so}/dong", do: s.bookLine},
		{who: account.KeepBooks, pattern: "POST /so/{so}/dong", do: s.bookCorrect},
		{who: account.KeepBooks, pattern: "GET /so/{so}/ghi", do: s.bookEntry},
		{who: account.KeepBooks, pattern: "POST /so/{so}/ghi", do: s.bookWrite},
		{who: account.ReadBooks, pattern: "GET /ho-so-cong-viec", do: s.workFiles},
		{who: account.KeepBooks, pattern: "POST /ho-so-cong-viec", do: s.workFileNew},
		{who: account.KeepBooks, pattern: "POST /ho-so-cong-viec/them", do: s.workFilePut},
		{who: account.ReadBooks, pattern: "GET /ho-so-cong-viec/{id}", do: s.workFile},
		{who: account.KeepBooks, pattern: "POST /ho-so-cong-viec/{id}", do: s.workFileChange},
		{who: account.KeepBooks, pattern: "POST /ho-so-cong-viec/{id}/bo", do: s.workFileTake},
		{who: account.ReadBooks, pattern: "GET /ho-so-cong-viec/{id}/tep", do: s.workFileExport},
	}
}

// slugs name the books in addresses.
var slugs = []struct {
	slug string
	kind register.Kind
}{
	{"van-ban-di", register.Outgoing}, {"van-ban-den", register.Incoming}, {"theo-doi", register.FollowUp}, {"buu-dien", register.Postal},
	{"ban-luu", register.KeptCopies}, {"bao-cao-den", register.IncomingReport}, {"bao-cao-di", register.OutgoingReport}, {"muc-luc-ho-so", register.FileList},
}

func slugOf(kind register.Kind) string {
	for _, s := range slugs {
		if s.kind == kind {
			return s.slug
		}
	}
	return ""
}

// asked is the book that an address is about.
type asked struct {
	kind register.Kind
	book register.Book
	year int
	sel  books.Selection
	from string // as typed
	to   string
	errs []FieldError // about the days
}

// path is the address of a page of the book, with its year.
func (a asked) path(rest string, more ...string) string {
	v := url.Values{"nam": {strconv.Itoa(a.year)}}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			v.Set(more[i], more[i+1])
		}
	}
	return booksPath + "/" + slugOf(a.kind) + rest + "?" + v.Encode()
}

// asks reads which book an address or form is about.
func (s *site) asks(v *visit) (asked, error) {
	a := asked{year: s.yearOf(v)}
	for _, k := range slugs {
		if k.slug == v.r.PathValue("so") {
			a.kind = k.kind
		}
	}
	if a.kind == "" {
		return a, problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	var err error
	if a.book, err = register.Find(a.kind); err != nil {
		return a, err
	}
	a.sel.Volume, _ = strconv.Atoi(v.r.FormValue("quyen")) // nonsense is the open volume
	a.from, a.to = v.r.FormValue("tu"), v.r.FormValue("den")
	for _, d := range []struct {
		field, text string
		into        *time.Time
	}{{"tu", a.from, &a.sel.From}, {"den", a.to, &a.sel.To}} {
		if d.text == "" {
			continue
		}
		day, ok := typedDay(d.text)
		if !ok {
			a.errs = append(a.errs, FieldError{d.field, v.t("web.books.bad-day", i18n.Args{"value": d.text})})
		}
		*d.into = day
	}
	return a, nil
}

// yearOf is the year that an address or form names, else the present one.
func (s *site) yearOf(v *visit) int {
	text := v.r.FormValue("nam")
	if text == "" {
		return v.now.In(vietnam).Year()
	}
	year, _ := strconv.Atoi(text) // no book is of the year 0
	return year
}

// BooksView is the list of books and reports.
type BooksView struct {
	Page
	Year    string
	Years   []Filter
	Rows    []BookRow
	Reports []ReportRow
}

// BookRow is one book and how far it is on paper.
type BookRow struct {
	Href, Name, Volume, Printed, Left string
	Open                              Tag
}

// ReportRow is one of the six outputs of Phụ lục VI.
type ReportRow struct{ Href, Name string }

func (s *site) books(ctx context.Context, v *visit) error {
	year := s.yearOf(v)
	list, err := s.Books.List(ctx, year)
	if err != nil {
		return fmt.Errorf("list books: %w", err)
	}
	view := BooksView{Page: s.page(ctx, v, v.t("web.menu.books"), booksPath), Year: strconv.Itoa(year)}
	if view.Years, err = s.years(ctx, year, booksPath); err != nil {
		return err
	}
	for _, st := range list {
		a := asked{kind: st.Kind, year: year}
		row := BookRow{Href: a.path(""), Name: v.t("register.book." + string(st.Kind)), Volume: register.Number(st.Volume), Printed: v.printedTo(st), Left: v.left(st)}
		if st.Open != nil {
			row.Open = Tag{v.t("web.books.open-tag"), "amber"}
		}
		view.Rows = append(view.Rows, row)
	}
	for _, kind := range []register.Kind{register.Incoming, register.IncomingReport, register.Outgoing, register.OutgoingReport, register.FileContents, register.FileList} {
		row := ReportRow{Href: asked{kind: kind, year: year}.path(""), Name: v.t("register.book." + string(kind))}
		if kind == register.FileContents {
			row.Href = workFilesPath + "?nam=" + view.Year
		}
		view.Reports = append(view.Reports, row)
	}
	return s.render(v, "books", view, http.StatusOK)
}

// years are the years that there are books of, as a choice.
func (s *site) years(ctx context.Context, present int, path string) ([]Filter, error) {
	years, err := s.Books.Years(ctx)
	if err != nil {
		return nil, fmt.Errorf("list years: %w", err)
	}
	var list []Filter
	for _, y := range years {
		text := strconv.Itoa(y)
		list = append(list, Filter{Href: path + "?nam=" + text, Text: text, Current: y == present})
	}
	return list, nil
}

// printedTo says how far a book is on paper.
func (v *visit) printedTo(s books.State) string {
	pages := s.Pages
	if s.Open != nil {
		pages = s.Open.First - 1
	}
	switch {
	case pages == 0:
		return v.t("web.books.printed-none")
	case s.Open != nil:
		return v.t("web.books.printed-before", i18n.Args{"page": pages})
	case s.Last == "":
		return v.t("web.books.printed-page", i18n.Args{"page": s.Pages})
	}
	return v.t("web.books.printed", i18n.Args{"page": s.Pages, "number": s.Last})
}

// left says how many lines wait for a print.
func (v *visit) left(s books.State) string {
	switch {
	case s.Pending > 0:
		return v.t("web.books.left", i18n.Args{"n": s.Pending})
	case s.Open != nil:
		return v.t("web.books.left-open", i18n.Args{"n": s.Open.Lines})
	case s.Pages == 0:
		return v.t("web.books.left-none")
	case s.LastAt.IsZero():
		return v.t("web.books.left-no-new")
	}
	return v.t("web.books.left-since", i18n.Args{"date": formatDay(s.LastAt)})
}

func (s *site) bookPrint(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	if _, err := s.Books.Print(ctx, a.kind, a.year, v.session.User.Name); err != nil {
		return s.bookFailed(ctx, v, a, err)
	}
	v.redirect(a.path("", "xong", "in"))
	return nil
}

func (s *site) bookConfirm(ctx context.Context, v *visit) error {
	return s.bookEnd(ctx, v, "da-in", s.Books.Confirm)
}

func (s *site) bookDiscard(ctx context.Context, v *visit) error {
	return s.bookEnd(ctx, v, "bo", s.Books.Discard)
}

func (s *site) bookEnd(ctx context.Context, v *visit, done string, end func(context.Context, int64, string) (books.Job, error)) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	id, _ := strconv.ParseInt(v.r.PathValue("id"), 10, 64) // none has the number 0
	job, err := end(ctx, id, v.session.User.Name)
	if err != nil {
		return s.bookFailed(ctx, v, a, err)
	}
	a.year = job.Year
	v.redirect(a.path("", "xong", done))
	return nil
}

func (s *site) bookVolume(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	if _, err := s.Books.NewVolume(ctx, a.kind, a.year, v.session.User.Name); err != nil {
		return s.bookFailed(ctx, v, a, err)
	}
	v.redirect(a.path("", "xong", "quyen"))
	return nil
}

// bookFailed shows the book again with what could not be done.
func (s *site) bookFailed(ctx context.Context, v *visit, a asked, err error) error {
	p := problem.From(err)
	if p.Class != problem.Conflict && p.Class != problem.Full {
		return err
	}
	a.sel, a.from, a.to = books.Selection{}, "", ""
	return s.showBook(ctx, v, a, []FieldError{{"book", v.whole(p)}}, statusOf(p))
}
