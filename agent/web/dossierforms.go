package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"tram/agent/dossier/forms"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// dossierBookPath is where the book of dossiers (sổ theo dõi hồ sơ) is made.
const dossierBookPath = dossiersPath + "/so-theo-doi"

func (s *site) dossierFormRoutes() []route {
	return []route{
		{who: account.Dossiers, pattern: "GET " + dossiersPath + "/{id}/mau/{n}", do: s.dossierPaper},
		{who: account.DossierWork, pattern: "POST " + dossiersPath + "/{id}/mau/{n}", do: s.dossierPrint},
		{who: account.Dossiers, pattern: "GET " + dossierBookPath, do: s.dossierBook},
		{who: account.Dossiers, pattern: "GET " + dossierBookPath + "/tep", do: s.dossierBookFile},
	}
}

// formAsked makes the form that an address is about: its number, and with lan which
// one when there are several, the last without.
func (s *site) formAsked(ctx context.Context, v *visit) (forms.Sheet, forms.PDF, error) {
	var sheet forms.Sheet
	none := problem.New(problem.NotFound, "dossier-forms.none", "form", i18n.Args{"form": v.r.PathValue("n")})
	n, err := strconv.Atoi(v.r.PathValue("n"))
	if err != nil || n < 1 || n > len(forms.All) {
		return sheet, forms.PDF{}, none
	}
	if text := v.r.FormValue("lan"); text != "" {
		if sheet.Nth, err = strconv.Atoi(text); err != nil || sheet.Nth < 1 {
			return sheet, forms.PDF{}, none
		}
	}
	sheet.Form, sheet.Heading = forms.All[n-1], s.FormHeading()
	if sheet.Dossier, err = s.dossier(ctx, v); err != nil {
		return sheet, forms.PDF{}, err
	}
	switch sheet.Form {
	case forms.Control:
		if sheet.Steps, err = s.Dossiers.Steps(ctx, sheet.Dossier.ID); err != nil {
			return sheet, forms.PDF{}, fmt.Errorf("read seals of dossier: %w", err)
		}
	case forms.Receipt:
		if sheet.Lookup, err = s.Dossiers.Secret(ctx, sheet.Dossier.Code); err != nil {
			return sheet, forms.PDF{}, fmt.Errorf("read word of receipt: %w", err)
		}
	}
	pdf, err := sheet.PDF()
	return sheet, pdf, err
}

// dossierPaper shows a form as PDF.
func (s *site) dossierPaper(ctx context.Context, v *visit) error {
	sheet, pdf, err := s.formAsked(ctx, v)
	if err != nil {
		return err
	}
	if err := s.Dossiers.Opened(ctx, sheet.Dossier, v.dossierActor()); err != nil {
		return fmt.Errorf("note who opened a dossier: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `inline; filename="mau-`+string(sheet.Form)+"-"+sheet.Dossier.Code.String()+`.pdf"`)
	h.Set("Content-Length", strconv.Itoa(len(pdf.Data)))
	h.Set("Cache-Control", "private, no-store")
	if _, err := v.w.Write(pdf.Data); err != nil {
		s.Logger.Debug("send form", "error", err)
	}
	return nil
}

// dossierPrint notes that a form is printed, and shows it.
func (s *site) dossierPrint(ctx context.Context, v *visit) error {
	sheet, pdf, err := s.formAsked(ctx, v)
	if err != nil {
		return err
	}
	if _, err := s.Dossiers.Printed(ctx, sheet.Dossier.ID, string(sheet.Form), pdf.Template.Version, v.dossierActor()); err != nil {
		return fmt.Errorf("note print of form: %w", err)
	}
	target := dossierPath(sheet.Dossier.ID) + "/mau/" + string(sheet.Form)
	if sheet.Nth > 0 {
		target += "?lan=" + strconv.Itoa(sheet.Nth)
	}
	v.redirect(target)
	return nil
}

// DossierBookView asks for the span of the book.
type DossierBookView struct {
	Page
	Year, From, To string // as typed
	Template       string // version of its columns
}

// bookSpan is the span that an address names.
type bookSpan struct {
	view DossierBookView
	span forms.Span
	errs []FieldError
}

// next is the day behind the last of the span, zero when none is named.
func (b bookSpan) next() time.Time {
	if b.span.To.IsZero() {
		return time.Time{}
	}
	return b.span.To.AddDate(0, 0, 1)
}

// Years that a book may be of.
const (
	firstBookYear = 2000
	lastBookYear  = 2099
)

func (v *visit) bookSpan() (b bookSpan) {
	b.view.Year, b.view.From, b.view.To = v.r.FormValue("nam"), v.r.FormValue("tu"), v.r.FormValue("den")
	if b.view.Year == "" {
		b.view.Year = strconv.Itoa(v.now.In(vietnam).Year())
	}
	year, err := strconv.Atoi(b.view.Year)
	if err != nil || year < firstBookYear || year > lastBookYear {
		b.errs = append(b.errs, FieldError{"nam", v.t("web.dossier-forms.bad-year", i18n.Args{"value": b.view.Year})})
	}
	b.span.Year = year
	for _, d := range []struct {
		field, text string
		into        *time.Time
	}{{"tu", b.view.From, &b.span.From}, {"den", b.view.To, &b.span.To}} {
		if d.text == "" {
			continue
		}
		day, ok := typedDay(d.text)
		switch {
		case !ok:
			b.errs = append(b.errs, FieldError{d.field, v.t("web.books.bad-day", i18n.Args{"value": d.text})})
		case year != 0 && day.Year() != year:
			b.errs = append(b.errs, FieldError{d.field, v.t("web.dossier-forms.other-year", i18n.Args{"value": d.text, "year": year})})
		}
		*d.into = day
	}
	if len(b.errs) == 0 && !b.span.To.IsZero() && b.span.To.Before(b.span.From) {
		b.errs = append(b.errs, FieldError{"den", v.t("web.dossier-forms.turned")})
	}
	return b
}

func (s *site) dossierBook(ctx context.Context, v *visit) error {
	return s.showDossierBook(ctx, v, v.bookSpan())
}

func (s *site) showDossierBook(ctx context.Context, v *visit, b bookSpan) error {
	b.view.Page = s.page(ctx, v, v.t("web.dossier-forms.book"), "/mot-cua")
	b.view.Template = forms.Register{Span: b.span}.Template().Version
	b.view.setErrors(v, b.errs)
	b.view.Styles = s.some("books.css")
	status := http.StatusOK
	if len(b.errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.render(v, "dossierbook", b.view, status)
}

// bookWriters are the files that the book can be had as.
var bookWriters = map[string]struct {
	media string
	write func(forms.Register, io.Writer) error
}{
	"pdf":  {exportTypes["pdf"], forms.Register.WritePDF},
	"xlsx": {exportTypes["xlsx"], forms.Register.WriteXLSX},
}

// dossierBookFile sends the book as a file. It is written to disk first, so that
// nobody gets half of one.
func (s *site) dossierBookFile(ctx context.Context, v *visit) error {
	kind := v.r.FormValue("dang")
	as, ok := bookWriters[kind]
	if !ok {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	b := v.bookSpan()
	if len(b.errs) > 0 {
		return s.showDossierBook(ctx, v, b)
	}
	f, err := os.CreateTemp(s.Config.UploadDir, uploadPattern)
	if err != nil {
		return fmt.Errorf("make file of book: %w", err)
	}
	defer func() {
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			s.Logger.Warn("remove file of book", "error", err)
		}
	}()
	book := forms.Register{Heading: s.FormHeading(), Span: b.span, Dossiers: s.Dossiers.Book(ctx, b.span.Year, b.span.From, b.next())}
	if err := as.write(book, f); err != nil {
		return fmt.Errorf("write book: %w", err)
	}
	if err := s.Dossiers.BookMade(ctx, b.span.Year, b.span.From, b.span.To, kind, v.dossierActor()); err != nil {
		return fmt.Errorf("note who made the book: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", as.media)
	how := "attachment"
	if kind == "pdf" {
		how = "inline"
	}
	h.Set("Content-Disposition", how+`; filename="so-theo-doi-ho-so-`+strconv.Itoa(b.span.Year)+"."+kind+`"`)
	h.Set("Cache-Control", "private, no-store")
	http.ServeContent(v.w, v.r, "", time.Time{}, f)
	return nil
}
