package web

import (
	"context"
	"net/http"
	"strconv"

	"tram/agent/books"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
	"tram/storage"
)

// BookLineView is the form that puts a line right.
type BookLineView struct {
	Page
	Back, Book string
	Action     string
	Year, Key  string
	Where      string // on which page it is printed, or that it is on none
	Printed    bool
	Facts      []Fact
	Notes      []string
	Note       string
	MaxNote    int
}

func (s *site) bookLine(ctx context.Context, v *visit) error {
	return s.showLine(ctx, v, "", nil, http.StatusOK)
}

func (s *site) showLine(ctx context.Context, v *visit, note string, errs []FieldError, status int) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	key := v.r.FormValue("dong")
	f, err := s.Books.Line(ctx, a.kind, a.year, key)
	if err != nil {
		return err
	}
	view := BookLineView{Page: s.page(ctx, v, v.t("web.books.correct-title"), booksPath), Back: a.path(""), Book: a.book.Name(v.lang), Action: booksPath + "/" + slugOf(a.kind) + "/dong",
		Year: strconv.Itoa(a.year), Key: key, Where: v.t("web.books.line-open"), Printed: f.Page > 0, Note: note, MaxNote: books.MaxNote}
	view.Page.Path = a.path("/dong", "dong", key)
	if f.Page > 0 {
		view.Where = v.t("web.books.line-printed", i18n.Args{"page": f.Page, "volume": register.Number(f.Volume)})
	}
	for _, c := range a.book.Columns {
		if text := f.Values[c.Field]; text != "" {
			view.Facts = append(view.Facts, Fact{c.TitleIn(v.lang), text})
		}
	}
	for _, n := range f.Notes {
		view.Notes = append(view.Notes, v.t("web.books.note", i18n.Args{"time": formatFull(n.At), "by": n.By, "text": n.Text}))
	}
	view.setErrors(v, errs)
	view.Styles = s.some("books.css")
	return s.render(v, "bookline", view, status)
}

func (s *site) bookCorrect(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	note := v.r.PostFormValue("note")
	err = s.Books.Correct(ctx, a.kind, a.year, v.r.PostFormValue("dong"), note, v.session.User.Name)
	if err != nil {
		if problem.From(err).Class != problem.Usage {
			return err
		}
		return s.showLine(ctx, v, note, v.plainErrors(err), http.StatusUnprocessableEntity)
	}
	v.redirect(a.path("", "xong", "dinh-chinh"))
	return nil
}

// plainErrors are problems at the fields that they name.
func (v *visit) plainErrors(err error) []FieldError {
	var errs []FieldError
	for _, p := range problems(err) {
		errs = append(errs, FieldError{p.Field, v.whole(p)})
	}
	return errs
}

// BookEntryView is the form of a line that is written by hand.
type BookEntryView struct {
	Page
	Back, Book string
	Action     string
	Key        string
	DayField   EntryField
	Fields     []EntryField
}

// EntryField is one column of such a line.
type EntryField struct {
	Name, Label, Value string
	Area, Short        bool
}

func (s *site) bookEntry(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	e := books.Entry{}
	day := formatDay(v.now)
	if key := v.r.FormValue("dong"); key != "" {
		page := 0
		if e, page, err = s.Books.Entry(ctx, a.kind, key); err != nil {
			return err
		}
		if page > 0 {
			v.redirect(a.path("/dong", "dong", key))
			return nil
		}
		day = formatDay(e.Day)
	}
	return s.showEntry(ctx, v, a, e, day, nil, http.StatusOK)
}

func (s *site) showEntry(ctx context.Context, v *visit, a asked, e books.Entry, day string, errs []FieldError, status int) error {
	if !books.ByHand(a.kind) {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	view := BookEntryView{Page: s.page(ctx, v, v.t("web.books.entry-title"), booksPath), Back: a.path(""), Book: a.book.Name(v.lang),
		Action: booksPath + "/" + slugOf(a.kind) + "/ghi", Key: e.Key}
	view.Page.Path = a.path("/ghi", "dong", e.Key)
	first := a.book.Columns[0]
	view.DayField = EntryField{Name: string(first.Field), Label: first.TitleIn(v.lang), Value: day}
	for _, f := range books.Written(a.kind) {
		view.Fields = append(view.Fields, EntryField{Name: string(f), Label: v.t("register.column." + string(f)), Value: e.Fields[f],
			Area: f == register.TypeSubject || f == register.Destination, Short: f == register.Envelopes || f == register.ReturnDate || f == register.FileCode})
	}
	view.setErrors(v, errs)
	view.Styles = s.some("books.css")
	return s.render(v, "bookentry", view, status)
}

func (s *site) bookWrite(ctx context.Context, v *visit) error {
	a, err := s.asks(v)
	if err != nil {
		return err
	}
	e := books.Entry{Key: v.r.PostFormValue("dong"), Fields: map[register.Field]string{}}
	for _, f := range books.Written(a.kind) {
		e.Fields[f] = v.r.PostFormValue(string(f))
	}
	first := string(a.book.Columns[0].Field)
	typed := v.r.PostFormValue(first)
	e.Day, _ = typedDay(typed) // no day is a fault that Write names
	if text := e.Fields[register.ReturnDate]; text != "" {
		if day, ok := typedDay(text); ok {
			e.Fields[register.ReturnDate] = register.Day(day)
		}
	}
	if _, err := s.Books.Write(ctx, a.kind, e, v.session.User.Name); err != nil {
		if c := problem.From(err).Class; c != problem.Usage {
			return err
		}
		return s.showEntry(ctx, v, a, e, typed, v.plainErrors(err), http.StatusUnprocessableEntity)
	}
	a.year = e.Day.Year()
	v.redirect(a.path("", "xong", "ghi"))
	return nil
}

// Filing is the small form on a document's page that puts it into a work file.
type Filing struct {
	ID      string
	In      []ReportRow // the files that it is in
	Choices []Option
	May     bool
	New     string
}

// filing is nil for those who do not read the books.
func (s *site) filing(ctx context.Context, v *visit, id storage.ID) *Filing {
	if !v.may(account.ReadBooks) {
		return nil
	}
	f := &Filing{ID: id.String(), May: v.may(account.KeepBooks), New: workFilesPath}
	in, err := s.Books.FilesOf(ctx, id)
	if err != nil {
		s.Logger.Error("list files of a document", "error", err)
		return nil
	}
	for _, w := range in {
		f.In = append(f.In, ReportRow{workFilePath(w.ID), joinDots(w.Code, w.Title)})
	}
	if !f.May {
		return f
	}
	files, err := s.Books.Files(ctx, v.now.In(vietnam).Year())
	if err != nil {
		s.Logger.Error("list files", "error", err)
		return nil
	}
	for _, w := range files {
		f.Choices = append(f.Choices, Option{Value: strconv.FormatInt(w.ID, 10), Text: joinDots(w.Code, w.Title)})
	}
	return f
}
