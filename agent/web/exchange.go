package web

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// ImportView is the page that takes edXML files of other software.
type ImportView struct {
	Page
	Results  []ImportResult
	Declared bool
	Guarded  bool // a word looked like a secrecy mark: ask once more
	Cleared  bool
	MaxSize  string
}

// ImportResult is what came of one file.
type ImportResult struct {
	Name, Text string
	Href, Link string // of the document, "" when there is none
	Bad        bool
	Lines      []string // what was wrong, or what was noticed
}

func (s *site) importForm(ctx context.Context, v *visit) error {
	return s.showImport(ctx, v, ImportView{}, nil, http.StatusOK)
}

func (s *site) showImport(ctx context.Context, v *visit, view ImportView, errs []FieldError, status int) error {
	view.Page = s.page(ctx, v, v.t("web.import.title"), "/gui")
	view.setErrors(v, errs)
	view.Path, view.MaxSize = "/gui/edxml", formatSize(v.lang, s.maxImport())
	return s.render(v, "import", view, status)
}

// maxImport bounds an edXML file in bytes, and all of one form: the attachments
// of a document stand in it as base64.
func (s *site) maxImport() int64 { return s.Config.MaxUpload/3*4 + formOverhead }

// importFiles hands over each file of the form, one after the other.
func (s *site) importFiles(ctx context.Context, v *visit) error {
	up, err := s.receiveWithin(v, s.maxImport(), s.maxImport())
	defer up.remove(s.Logger)
	view := ImportView{Declared: up.field("declare") != "", Cleared: up.field("cleared") != ""}
	view.Guarded = view.Cleared
	if p := problem.From(err); err != nil {
		if p.Class == problem.Failed || p.Class == problem.Denied {
			return fmt.Errorf("receive upload: %w", err)
		}
		v.w.Header().Set("Connection", "close") // the rest of the body is not read
		return s.showImport(ctx, v, view, v.fieldErrors(err), statusOf(p))
	}
	var errs []FieldError
	if len(up.files) == 0 {
		errs = append(errs, FieldError{"files", v.t("web.send.no-file")})
	}
	if !view.Declared {
		errs = append(errs, FieldError{"declare", v.t("web.send.not-declared")})
	}
	if errs != nil {
		return s.showImport(ctx, v, view, errs, http.StatusUnprocessableEntity)
	}
	status := http.StatusOK
	for _, f := range up.files {
		result, err := s.importFile(ctx, v, f, view.Cleared)
		if err != nil {
			status = statusOf(problems(err)[0])
			for _, p := range problems(err) {
				view.Guarded = view.Guarded || strings.HasPrefix(p.Code, "send.secret")
			}
		}
		view.Results = append(view.Results, result)
	}
	if only := view.Results[0]; len(view.Results) == 1 && !only.Bad && len(only.Lines) == 0 && strings.HasPrefix(only.Href, "/van-ban-di/") {
		v.redirect(only.Href + "?xong=1")
		return nil
	}
	view.Declared, view.Cleared = false, false // said of these files, not of the next ones
	return s.showImport(ctx, v, view, nil, status)
}

func (s *site) importFile(ctx context.Context, v *visit, f spooled, cleared bool) (ImportResult, error) {
	result := ImportResult{Name: f.name}
	fail := func(err error) (ImportResult, error) {
		result.Bad, result.Text = true, v.t("web.import.refused")
		for _, p := range problems(err) {
			if p.Class == problem.Failed {
				s.Logger.Error("import message", "error", err)
			}
			result.Lines = append(result.Lines, v.whole(p))
		}
		return result, err
	}
	body, err := os.Open(f.path)
	if err != nil {
		return fail(fmt.Errorf("read upload: %w", err))
	}
	defer body.Close()
	done, err := s.Office.Import(ctx, office.Handover{Body: body, Name: f.name, Cleared: cleared, By: v.session.User.Name})
	if err != nil {
		return fail(err)
	}
	result.Href, result.Link = boxPath(done.Document), done.Document.Subject
	switch args := (i18n.Args{"status": string(done.Code)}); {
	case done.Kind == office.KindDocument:
		result.Text = v.t("web.import.saved")
	case done.Changed:
		result.Text = v.t("web.import.given", args)
	default:
		result.Text = v.t("web.import.already", args)
	}
	for _, w := range done.Warnings {
		result.Lines = append(result.Lines, w.Message(v.lang))
	}
	return result, nil
}

func (s *site) export(ctx context.Context, v *visit) error {
	return s.exportAs(ctx, v, "application/vnd.etsi.asic-e+zip", ".asice", s.Office.Export)
}

func (s *site) exportEdXML(ctx context.Context, v *visit) error {
	return s.exportAs(ctx, v, "application/xml", ".edxml", s.Office.ExportEdXML)
}

// exportAs hands a document out in one of its forms.
func (s *site) exportAs(ctx context.Context, v *visit, media, ext string, write func(context.Context, storage.ID, io.Writer) error) error {
	id, err := uuid.Parse(v.r.PathValue("id"))
	if err != nil {
		return problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	d, err := s.Office.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("get document: %w", err)
	}
	out := &lateWriter{w: v.w, before: func(h http.Header) {
		h.Set("Content-Type", media)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": exportName(d) + ext}))
		h.Set("Cache-Control", "private, no-store")
	}}
	if err := write(ctx, id, out); err != nil {
		if out.begun {
			s.Logger.Error("export broke off", "id", id, "error", err)
			panic(http.ErrAbortHandler) // the browser must not keep half a file
		}
		return fmt.Errorf("export document: %w", err)
	}
	return nil
}

// lateWriter sets headers at the first byte, so that an early error can still
// become a page.
type lateWriter struct {
	w      http.ResponseWriter
	before func(http.Header)
	begun  bool
}

func (l *lateWriter) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.before(l.w.Header())
	}
	return l.w.Write(p)
}

// exportName is the name of an exported document's file, without its extension.
func exportName(d office.Document) string {
	name := symbol(d)
	if name == "" {
		name = d.ID.String()
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>| `, r) || r < ' ' {
			return '-'
		}
		return r
	}, name)
}
