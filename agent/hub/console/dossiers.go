package console

import (
	"bytes"
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

// monthsBack is how many months may be chosen.
const monthsBack = 24

// dossiers shows the figures of one-stop dossiers of a month, of all offices or of
// one with its procedures.
func (s *site) dossiers(ctx context.Context, v *page.Visit) error {
	q := dossierQuery(v)
	t, err := s.Figures.Dossiers(ctx, scope(v), q)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.dossiers.title"), dossiersPath), Heading: v.T("console.dossiers.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), v.R.URL.RequestURI()
	inputs := s.say(v).dossierInputs(q)
	form := page.Form{Action: dossiersPath, Get: true, Inputs: inputs, Buttons: []page.Button{{Text: v.T("web.lists.go")}}}
	if err != nil {
		view.Sections = []page.Section{{Forms: []page.Form{form}}}
		return s.mended(v, view, inputs, err)
	}
	values := v.R.URL.Query()
	values.Del("xong")
	form.Links = []page.Option{{Value: linkTo(dossiersPath+"/xuat", values), Text: v.T("console.export"), Chosen: true}}
	if q.Office != "" {
		view.Back, view.BackText = linkTo(dossiersPath, url.Values{"thang": {q.Month}}), v.T("console.dossiers.all")
		for _, o := range t.Offices {
			view.Heading = cmp.Or(o.Name, o.Code)
		}
	}
	sum := page.Section{Title: v.T("console.dossiers.sum", i18n.Args{"month": monthText(t.Month)}), Facts: s.say(v).sum(t)}
	view.Sections = []page.Section{{Forms: []page.Form{form}}, sum}
	if q.Office == "" {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.dossiers.offices"), Grid: s.say(v).lines(t.Offices, t.Month)})
	} else {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.dossiers.procedures"), Grid: s.say(v).lines(t.Procedures, "")})
	}
	return s.show(v, view)
}

func dossierQuery(v *page.Visit) rollup.Query {
	q := v.R.URL.Query()
	return rollup.Query{Month: strings.TrimSpace(q.Get("thang")), Office: strings.TrimSpace(q.Get("don-vi"))}
}

func (w words) dossierInputs(q rollup.Query) []page.Input {
	return append(w.monthInputs(q.Month), page.Input{ID: "don-vi", Name: "don-vi", Kind: "text", Label: w.T("console.dossiers.office"), Value: q.Office})
}

// monthInputs choose one of the last months.
func (w words) monthInputs(chosen string) []page.Input {
	in := page.Input{ID: "thang", Name: "thang", Kind: "select", Label: w.T("console.dossiers.month")}
	first := w.Now.In(page.Zone)
	first = time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, page.Zone)
	for i := range monthsBack {
		month := first.AddDate(0, -i, 0).Format("2006-01")
		in.Options = append(in.Options, page.Option{Value: month, Text: monthText(month), Chosen: month == chosen})
	}
	return []page.Input{in}
}

// monthText writes yyyy-mm as people do.
func monthText(month string) string {
	if t, err := time.Parse("2006-01", month); err == nil {
		return t.Format("01/2006")
	}
	return month
}

func share(w words, l rollup.Line) string {
	if l.Share == nil {
		return "–"
	}
	return page.Number(w.Lang, *l.Share) + " %"
}

func (w words) sum(t rollup.Table) []page.Fact {
	l := t.Sum
	return []page.Fact{
		{Name: w.T("console.dossiers.taken"), Value: w.Count(l.Taken)},
		{Name: w.T("console.dossiers.early"), Value: w.Count(l.Early)},
		{Name: w.T("console.dossiers.on-time"), Value: w.Count(l.OnTime)},
		{Name: w.T("console.dossiers.late"), Value: w.Count(l.Late)},
		{Name: w.T("console.dossiers.share"), Value: share(w, l)},
		{Name: w.T("console.dossiers.open"), Value: w.Count(l.Open)},
		{Name: w.T("console.dossiers.open-late"), Value: w.Count(l.OpenLate)},
	}
}

func (w words) lineHeads() []string {
	var heads []string
	for _, key := range []string{"taken", "early", "on-time", "late", "share", "open", "open-late"} {
		heads = append(heads, w.T("console.dossiers."+key))
	}
	return heads
}

func (w words) figures(l rollup.Line) []string {
	return []string{strconv.Itoa(l.Taken), strconv.Itoa(l.Early), strconv.Itoa(l.OnTime), strconv.Itoa(l.Late), share(w, l), strconv.Itoa(l.Open), strconv.Itoa(l.OpenLate)}
}

// lines is a table of offices of a month, or of procedures when month is "".
func (w words) lines(list []rollup.Line, month string) page.Grid {
	first := w.T("console.col.name")
	if month == "" {
		first = w.T("console.dossiers.procedure")
	}
	g := page.Grid{Caption: w.T("console.dossiers.title"), Empty: w.T("console.dossiers.none"), Head: append([]string{first}, w.lineHeads()...)}
	if month != "" {
		g.Head = append(g.Head, w.T("console.dossiers.at"))
	}
	for _, l := range list {
		name := page.Cell{Text: cmp.Or(l.Name, l.Code), Note: l.Code}
		if month != "" {
			name.Href = linkTo(dossiersPath, url.Values{"thang": {month}, "don-vi": {l.Code}})
		}
		row := []page.Cell{name}
		for _, f := range w.figures(l) {
			row = append(row, page.Cell{Text: f})
		}
		if month != "" {
			row = append(row, page.Cell{Text: w.Clock(l.At)})
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// exportDossiers gives the table as CSV.
func (s *site) exportDossiers(ctx context.Context, v *page.Visit) error {
	q := dossierQuery(v)
	t, err := s.Figures.Dossiers(ctx, scope(v), q)
	if err != nil {
		return err
	}
	if _, err := time.Parse("2006-01", t.Month); err != nil {
		return problem.New(problem.Usage, "rollup.month", "thang", i18n.Args{"value": q.Month})
	}
	w, list := s.say(v), t.Offices
	if q.Office != "" {
		list = t.Procedures
	}
	var out bytes.Buffer
	table := newTable(&out)
	table.row(append([]string{v.T("console.col.code"), v.T("console.col.name")}, w.lineHeads()...)...)
	for _, l := range list {
		table.row(append([]string{l.Code, l.Name}, w.figures(l)...)...)
	}
	return s.csv(v, "mot-cua-"+t.Month, &out, table)
}
