package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/agent/search"
)

const (
	// maxExport is how many results one file has. Of more, the first are in it,
	// and its last line says so.
	maxExport = 1000
	// results is the list as a form.
	results register.Kind = "search-results"
	// resultState and the others are its columns that no book has.
	resultState register.Field = "result-state"
	resultType  register.Field = "result-type"
)

var exportKinds = []string{"xlsx", "docx", "pdf"}

// exportTypes are the media types of the files.
var exportTypes = map[string]string{
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"pdf":  "application/pdf",
}

// exportColumn is how a column of results stands in a file.
type exportColumn struct {
	field register.Field
	width int // millimetres, before they are stretched to the sheet
	align register.Align
}

var exportColumns = map[string]exportColumn{
	"so": {register.CodeOf, 30, register.Left}, "ngay": {register.DocumentDate, 20, register.Center}, "loai": {resultType, 24, register.Left},
	"trich-yeu": {register.TypeSubject, 85, register.Left}, "gui": {register.Author, 45, register.Left}, "nhan": {register.Destination, 45, register.Left},
	"ky": {register.Signer, 30, register.Left}, "so-den": {register.ArrivalNo, 14, register.Center}, "tt": {resultState, 30, register.Left},
}

// exportQuery is the address of a file behind its ?.
func (f *findVisit) exportQuery(kind string) string {
	values := url.Values{"dang": {kind}}
	for k, list := range f.values {
		values[k] = list
	}
	return values.Encode()
}

// findExport sends the results as a file.
func (s *site) findExport(ctx context.Context, v *visit) error {
	f := s.asked(ctx, v)
	kind := v.r.URL.Query().Get("dang")
	if !slices.Contains(exportKinds, kind) || f.query.Text == "" && len(f.active) == 0 || len(f.errs) > 0 {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	table, found, err := f.table(ctx)
	if err != nil {
		return err
	}
	data, err := exported(table, kind)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	f.log(ctx, found, kind)
	h := v.w.Header()
	h.Set("Content-Type", exportTypes[kind])
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Content-Disposition", `attachment; filename="tim-kiem-`+v.now.In(vietnam).Format("20060102-1504")+"."+kind+`"`)
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method == http.MethodHead {
		return nil
	}
	if _, err := v.w.Write(data); err != nil {
		s.Logger.Debug("send results", "error", err)
	}
	return nil
}

func exported(t register.Table, kind string) ([]byte, error) {
	switch kind {
	case "xlsx":
		return t.XLSX()
	case "docx":
		return t.DOCX()
	}
	sheets, err := register.Paginate(t.Book, t.Volume, t.Lines, register.Printed{})
	if err != nil {
		return nil, err
	}
	return register.Print{Sheets: sheets, Made: t.Made}.PDF()
}

// table collects the results, at most maxExport.
func (f *findVisit) table(ctx context.Context) (t register.Table, first search.Result, err error) {
	q := f.query
	q.Limit, q.Passages, q.Show = search.MaxLimit, false, f.fields()
	t = register.Table{Book: f.book(), Made: f.now, Volume: register.Volume{
		Office: partyName(f.s.Config.Unit), Year: f.now.In(vietnam).Year(),
	}}
	for {
		q.Facets = q.After == ""
		found, err := f.s.Search.Search(ctx, q)
		if err != nil {
			return t, first, fmt.Errorf("search: %w", err)
		}
		if q.Facets {
			first = found
		}
		for _, h := range found.Hits {
			if len(t.Lines) == maxExport {
				t.Lines = append(t.Lines, register.Line{Key: "cut", Values: map[register.Field]string{
					register.TypeSubject: i18n.T(i18n.Vietnamese, "web.find.export-cut", i18n.Args{"n": maxExport}),
				}})
				return t, first, nil
			}
			t.Lines = append(t.Lines, f.line(h))
			if day, err := time.Parse(time.DateOnly, h.Date); err == nil {
				if v := &t.Volume; v.FirstDay.IsZero() || day.Before(v.FirstDay) {
					v.FirstDay = day
				}
				if v := &t.Volume; day.After(v.LastDay) {
					v.LastDay = day
				}
			}
		}
		if q.After = found.Next; q.After == "" {
			return t, first, nil
		}
	}
}

// book is the chosen columns as a form, stretched to the width of the sheet.
func (f *findVisit) book() register.Book {
	b := register.Book{Kind: results}
	all := 0
	for _, c := range f.columns() {
		all += exportColumns[c.name].width
	}
	left, subject := register.BodyWidth, 0
	for i, c := range f.columns() {
		e := exportColumns[c.name]
		e.width = e.width * register.BodyWidth / all
		if c.name == "trich-yeu" {
			subject = i
		}
		left -= e.width
		b.Columns = append(b.Columns, register.Column{Field: e.field, Width: e.width, Align: e.align})
	}
	b.Columns[subject].Width += left
	return b
}

// line is one result. The form is Vietnamese in both languages.
func (f *findVisit) line(h search.Hit) register.Line {
	l := register.Line{Key: h.ID.String(), Values: map[register.Field]string{}}
	vietnamese := *f.visit
	vietnamese.lang = i18n.Vietnamese
	form := findVisit{visit: &vietnamese, s: f.s, query: f.query}
	for _, c := range f.columns() {
		text := ""
		switch c.name {
		case "ngay":
			text = formatDocDate(h.Date)
		case "tt":
			text = form.hitTag(h).Text
		default:
			if at := slices.IndexFunc(h.Fields, func(s search.Snippet) bool { return s.Field == c.field }); at >= 0 {
				if text = h.Fields[at].Text; h.Fields[at].Cut {
					text += " …"
				}
			}
		}
		l.Values[exportColumns[c.name].field] = text
	}
	return l
}
