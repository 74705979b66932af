package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tram/agent/hub/report"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

// report shows what a month was like.
func (s *site) report(ctx context.Context, v *page.Visit) error {
	month := strings.TrimSpace(v.R.URL.Query().Get("thang"))
	m, err := s.Reports.Month(ctx, month)
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.report.title"), reportPath), Heading: v.T("console.report.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), v.R.URL.RequestURI()
	inputs := w.monthInputs(month)
	form := page.Form{Action: reportPath, Get: true, Inputs: inputs, Buttons: []page.Button{{Text: v.T("web.lists.go")}}}
	if err != nil {
		view.Sections = []page.Section{{Forms: []page.Form{form}}}
		return s.mended(v, view, inputs, err)
	}
	form.Links = []page.Option{{Value: linkTo(reportPath+"/in", url.Values{"thang": {m.Month}}), Text: v.T("console.report.pdf"), Chosen: true}}
	view.Sections = []page.Section{{Text: v.T("hub.report.until", i18n.Args{"time": page.Full(m.To)}), Forms: []page.Form{form}}}
	for _, t := range m.Tables(v.Lang, s.Hub.Name) {
		g := page.Grid{Caption: v.T(t.Title), Empty: v.T("hub.report.none")}
		for _, key := range t.Columns {
			g.Head = append(g.Head, v.T(key))
		}
		for _, row := range t.Rows {
			var cells []page.Cell
			for _, text := range row {
				cells = append(cells, page.Cell{Text: text})
			}
			g.Rows = append(g.Rows, cells)
		}
		view.Sections = append(view.Sections, page.Section{Title: v.T(t.Title), Text: v.T(t.Note), Grid: g})
	}
	return s.show(v, view)
}

// printReport gives the report to be printed.
func (s *site) printReport(ctx context.Context, v *page.Visit) error {
	m, err := s.Reports.Month(ctx, strings.TrimSpace(v.R.URL.Query().Get("thang")))
	if err != nil {
		if page.Mendable(err) {
			return problem.New(problem.NotFound, "web.no-page", "", nil)
		}
		return err
	}
	pdf, err := m.PDF(v.Lang, report.Heading{Hub: s.Name, Made: m.To, Name: s.Hub.Name})
	if err != nil {
		return err
	}
	h := v.W.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="bao-cao-%s.pdf"`, m.Month))
	v.W.WriteHeader(http.StatusOK)
	_, err = v.W.Write(pdf)
	return err
}
