package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"tram/agent/books"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/web/account"
)

// workFilesPath is where the work files (hồ sơ công việc) are.
const workFilesPath = "/ho-so-cong-viec"

func workFilePath(id int64) string { return workFilesPath + "/" + strconv.FormatInt(id, 10) }

// WorkFilesView is the list of the work files of a year, with a form for a new one.
type WorkFilesView struct {
	Page
	Year     string
	Years    []Filter
	Rows     []WorkFileRow
	Empty    string
	Keep     bool
	Fields   WorkFileFields
	ListHref string
}

// WorkFileRow is one work file.
type WorkFileRow struct{ Href, Code, Title, Retention, Keeper, Documents string }

// WorkFileFields is the form of a work file.
type WorkFileFields struct {
	Year, Code, Title, Retention, Keeper, Sheets, Note string
	MaxCode, MaxTitle, MaxText                         int
}

func fieldsOf(f books.File) WorkFileFields {
	return WorkFileFields{strconv.Itoa(f.Year), f.Code, f.Title, f.Retention, f.Keeper, f.Sheets, f.Note, books.MaxFileCode, books.MaxFileTitle, books.MaxFileText}
}

func (s *site) workFiles(ctx context.Context, v *visit) error {
	return s.showWorkFiles(ctx, v, books.File{Year: s.yearOf(v), Keeper: v.session.User.Display}, nil, http.StatusOK)
}

func (s *site) showWorkFiles(ctx context.Context, v *visit, f books.File, errs []FieldError, status int) error {
	files, err := s.Books.Files(ctx, f.Year)
	if err != nil {
		return err
	}
	view := WorkFilesView{Page: s.page(ctx, v, v.t("web.files.title"), booksPath), Year: strconv.Itoa(f.Year), Keep: v.may(account.KeepBooks), Fields: fieldsOf(f),
		ListHref: asked{kind: register.FileList, year: f.Year}.path("")}
	view.Path = workFilesPath + "?nam=" + view.Year
	if view.Years, err = s.years(ctx, f.Year, workFilesPath); err != nil {
		return err
	}
	for _, w := range files {
		view.Rows = append(view.Rows, WorkFileRow{workFilePath(w.ID), w.Code, w.Title, w.Retention, w.Keeper, strconv.Itoa(w.Documents)})
	}
	if len(files) == 0 {
		view.Empty = v.t("web.files.empty", i18n.Args{"year": f.Year})
	}
	view.setErrors(v, errs)
	view.Styles = s.some("books.css")
	return s.render(v, "workfiles", view, status)
}

// typedFile is a work file as its form was filled in.
func (s *site) typedFile(v *visit) books.File {
	p := v.r.PostFormValue
	return books.File{Year: s.yearOf(v), Code: p("code"), Title: p("title"), Retention: p("retention"), Keeper: p("keeper"), Sheets: p("sheets"), Note: p("note")}
}

// mended reports whether a person can mend err in the form that he filled in.
func mended(err error) bool {
	c := problem.From(err).Class
	return c == problem.Usage || c == problem.Conflict || c == problem.Full
}

func (s *site) workFileNew(ctx context.Context, v *visit) error {
	f := s.typedFile(v)
	id, err := s.Books.SaveFile(ctx, f, v.session.User.Name)
	if err != nil {
		if !mended(err) {
			return err
		}
		return s.showWorkFiles(ctx, v, f, v.plainErrors(err), statusOf(problem.From(err)))
	}
	v.redirect(workFilePath(id) + "?xong=tao")
	return nil
}

// WorkFileView is one work file with its documents.
type WorkFileView struct {
	Page
	Base, Back string
	Code       string
	Title      string
	Done       string
	Facts      []Fact
	Rows       []FiledRow
	Exports    []ReportRow
	Keep       bool
	Changing   bool
	Fields     WorkFileFields
}

// FiledRow is one document of a work file.
type FiledRow struct{ Ordinal, Symbol, Day, Subject, Author, Sheet, Href, ID string }

// workFileID reads which work file an address is about; none has the number 0.
func workFileID(v *visit) int64 {
	id, _ := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	return id
}

func (s *site) workFile(ctx context.Context, v *visit) error {
	return s.showWorkFile(ctx, v, nil, nil, http.StatusOK)
}

// showWorkFile shows a work file, with typed in its form when errs say what is
// wrong with that.
func (s *site) showWorkFile(ctx context.Context, v *visit, typed *books.File, errs []FieldError, status int) error {
	f, list, err := s.Books.File(ctx, workFileID(v))
	if err != nil {
		return err
	}
	view := WorkFileView{Page: s.page(ctx, v, joinDots(f.Code, f.Title), booksPath), Base: workFilePath(f.ID), Back: workFilesPath + "?nam=" + strconv.Itoa(f.Year),
		Code: f.Code, Title: f.Title, Keep: v.may(account.KeepBooks), Fields: fieldsOf(f), Changing: typed != nil}
	view.Path = view.Base
	if typed != nil {
		view.Fields = fieldsOf(*typed)
	}
	if done := v.r.URL.Query().Get("xong"); done == "tao" || done == "sua" || done == "bo" {
		view.Done = v.t("web.files.done." + done)
	}
	for _, fact := range []Fact{{v.t("web.files.year"), strconv.Itoa(f.Year)}, {v.t("web.files.retention"), f.Retention}, {v.t("web.files.keeper"), f.Keeper}, {v.t("web.files.sheets"), f.Sheets}, {v.t("web.files.note"), f.Note}} {
		if fact.Value != "" {
			view.Facts = append(view.Facts, fact)
		}
	}
	for _, d := range list {
		view.Rows = append(view.Rows, FiledRow{Ordinal: register.Number(d.Ordinal), Symbol: symbol(d.Document), Day: formatDocDate(d.Document.Date), Subject: d.Document.Subject,
			Author: partyName(d.Document.From), Sheet: d.Sheet, Href: boxPath(d.Document), ID: d.Document.ID.String()})
	}
	for _, format := range []books.Format{books.PDF, books.DOCX, books.XLSX} {
		view.Exports = append(view.Exports, ReportRow{view.Base + "/tep?dang=" + string(format), v.t("web.files.export-" + string(format))})
	}
	view.setErrors(v, errs)
	view.Styles = s.some("books.css")
	return s.render(v, "workfile", view, status)
}

func (s *site) workFileChange(ctx context.Context, v *visit) error {
	f := s.typedFile(v)
	f.ID = workFileID(v)
	if _, err := s.Books.SaveFile(ctx, f, v.session.User.Name); err != nil {
		if !mended(err) {
			return err
		}
		return s.showWorkFile(ctx, v, &f, v.plainErrors(err), statusOf(problem.From(err)))
	}
	v.redirect(workFilePath(f.ID) + "?xong=sua")
	return nil
}

// workFilePut puts the document that the form names into a work file and goes
// back to the document.
func (s *site) workFilePut(ctx context.Context, v *visit) error {
	id, err := uuid.Parse(v.r.PostFormValue("van-ban"))
	if err != nil {
		return problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	d, err := s.Office.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("get document: %w", err)
	}
	file, _ := strconv.ParseInt(v.r.PostFormValue("ho-so"), 10, 64) // none has the number 0
	if err := s.Books.PutIn(ctx, file, id, v.r.PostFormValue("to-so"), v.session.User.Name); err != nil {
		return err
	}
	v.redirect(boxPath(d) + "#ho-so")
	return nil
}

func (s *site) workFileTake(ctx context.Context, v *visit) error {
	id, err := uuid.Parse(v.r.PostFormValue("van-ban"))
	if err != nil {
		return problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	if err := s.Books.TakeOut(ctx, workFileID(v), id, v.session.User.Name); err != nil {
		return err
	}
	v.redirect(workFilePath(workFileID(v)) + "?xong=bo")
	return nil
}

func (s *site) workFileExport(ctx context.Context, v *visit) error {
	format := books.Format(v.r.URL.Query().Get("dang"))
	f, _, err := s.Books.File(ctx, workFileID(v))
	data, exported := s.Books.ExportContents(ctx, workFileID(v), format)
	if err := errors.Join(err, exported); err != nil {
		return err
	}
	return v.ownFile(fmt.Sprintf("muc-luc-%d-%d.%s", f.Year, f.ID, format), format, bytes.NewReader(data))
}
