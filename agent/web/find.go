package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/search"
	"tram/agent/web/account"
)

// FindView is the search page.
type FindView struct {
	Page
	Words   string
	Keep    []Kept // what the form carries besides the words
	From    string
	Until   string
	Orders  []Filter
	Facets  []FacetPart
	Active  []Chip
	Columns []Option
	Heads   []string
	Rows    []FindRow
	Found   string // how many
	Index   string // said while the index catches up
	Stale   string
	None    string // said when nothing was found, with where was searched
	Next    string
	First   string
	Exports []Filter
	Limit   string // said of exports
	Saves   SavedPart
	Asked   bool // something was searched
}

// Kept is a hidden field.
type Kept struct{ Name, Value string }

// FacetPart is one way to narrow results.
type FacetPart struct {
	Title  string
	Values []FacetValue
}

// FacetValue is a value with how many results have it.
type FacetValue struct {
	Text, Href, Count string
	Current           bool
}

// FindRow is a document that was found.
type FindRow struct {
	Href    string
	Cells   []FindCell
	Urgent  Urgent
	Others  []FindCell // where else the words are
	InFiles string     // said when words are in files and are not shown
}

// FindCell is a part of a document; Open is the one that leads to it.
type FindCell struct {
	Label, Class string
	Pieces       []Piece
	Open         bool
	Tag          Tag
}

// Piece is text that is, or is not, what was searched.
type Piece struct {
	Text string
	Mark bool
}

func (s *site) findRoutes() []route {
	if s.Search == nil {
		return nil
	}
	return []route{
		{who: account.Lists, pattern: "GET /tim-kiem", do: s.find},
		{who: account.Lists, pattern: "GET /tim-kiem/xuat", do: s.findExport},
		{who: account.Lists, pattern: "POST /tim-kiem/luu", do: s.keepSearch},
		{who: account.Lists, pattern: "POST /tim-kiem/xoa", do: s.forgetSearch},
	}
}

// facet is one filter of the search: its name in the address and where its counts are.
type facet struct {
	name, key string
	counts    func(f *search.Facets) []search.Count
}

var facets = []facet{
	{"hop", "box", func(f *search.Facets) []search.Count { return f.Box }},
	{"nam", "year", func(f *search.Facets) []search.Count { return f.Year }},
	{"loai", "type", func(f *search.Facets) []search.Count { return f.Type }},
	{"khan", "urgency", func(f *search.Facets) []search.Count { return f.Urgency }},
	{"tt", "state", func(f *search.Facets) []search.Count { return f.State }},
	{"gui", "sender", func(f *search.Facets) []search.Count { return f.Sender }},
}

const (
	// facetValues is how many values of a facet a page offers.
	facetValues = 8
	// findRows is how many results stand on a page.
	findRows = 20
	// maxChosen bounds the values of one filter in an address.
	maxChosen = 20
)

// findVisit reads one search for one visitor.
type findVisit struct {
	*visit
	s      *site
	values url.Values // what is kept of the address
	query  search.Query
	active []Chip
	errs   []FieldError
}

// asked reads what is searched from the address.
func (s *site) asked(ctx context.Context, v *visit) *findVisit {
	f := &findVisit{visit: v, s: s, values: url.Values{}}
	given := v.r.URL.Query()
	take := func(name string) string {
		value := strings.TrimSpace(strings.ToValidUTF8(given.Get(name), ""))
		if value = value[:min(len(value), search.MaxQuery)]; value != "" {
			f.values.Set(name, value)
		}
		return value
	}
	// The text of files is for those who may open them; without that right neither
	// results nor counts tell of it.
	f.query = search.Query{Text: take("q"), Limit: findRows, FieldsOnly: !v.may(account.Content), Passages: v.may(account.Content)}
	for _, fc := range facets {
		for _, value := range given[fc.name] {
			if len(f.values[fc.name]) < maxChosen && len(value) <= maxFilter && !slices.Contains(f.values[fc.name], value) && f.choose(fc.name, value) {
				f.values.Add(fc.name, value)
			}
		}
	}
	f.days(take("tu"), take("den"))
	if take("xep") == "moi" {
		f.query.Order = search.ByDate
	} else {
		f.values.Del("xep")
	}
	if f.query.HasText = take("tep") != "" && v.may(account.Content); !f.query.HasText {
		f.values.Del("tep")
	}
	for _, c := range given["cot"] {
		if columnOf(c) != nil && !slices.Contains(f.values["cot"], c) {
			f.values.Add("cot", c)
		}
	}
	f.chips(ctx)
	return f
}

// chips names what results are narrowed by.
func (f *findVisit) chips(ctx context.Context) {
	for _, fc := range facets {
		for _, value := range f.values[fc.name] {
			f.active = append(f.active, f.chipOf(f.t("web.find.facet."+fc.key)+": "+f.named(ctx, fc.key, value), f.without(fc.name, value)))
		}
	}
	for _, name := range []string{"tu", "den"} {
		if date, ok := parseDate(f.values.Get(name)); ok {
			f.active = append(f.active, f.chipOf(f.t("web.find.day-"+name, i18n.Args{"day": formatDocDate(date)}), f.without(name, "")))
		}
	}
	if f.query.HasText {
		f.active = append(f.active, f.chipOf(f.t("web.find.with-text"), f.without("tep", "")))
	}
}

// choose adds a value to a filter; false when it is not one.
func (f *findVisit) choose(name, value string) bool {
	n, err := strconv.Atoi(value)
	_, state := stateTone[office.State(value)]
	switch {
	case name == "hop" && (value == string(office.In) || value == string(office.Out)) && f.query.Box == "":
		f.query.Box = office.Box(value)
	case name == "nam" && err == nil && n > 0 && n < 10_000:
		f.query.Years = append(f.query.Years, n)
	case name == "loai":
		f.query.Types = append(f.query.Types, value)
	case name == "khan" && err == nil && n >= 0 && n <= int(office.HoaToc):
		f.query.Urgencies = append(f.query.Urgencies, office.Urgency(n))
	case name == "tt" && state:
		f.query.States = append(f.query.States, office.State(value))
	case name == "gui" && value != "":
		f.query.Senders = append(f.query.Senders, value)
	default:
		return false
	}
	return true
}

// days reads the days between which documents are dated.
func (f *findVisit) days(from, until string) {
	read := func(name, text string, into *string) {
		if text == "" {
			return
		}
		date, ok := parseDate(text)
		if !ok {
			f.errs = append(f.errs, FieldError{name, f.t("web.lists.bad-day", i18n.Args{"text": text})})
			return
		}
		*into = date
	}
	read("tu", from, &f.query.From)
	read("den", until, &f.query.To)
	if f.query.From != "" && f.query.To != "" && f.query.To < f.query.From {
		f.errs = append(f.errs, FieldError{"den", f.t("web.lists.days-order")})
	}
}

// without is the address without one value of a filter; value "" takes all of it out.
func (f *findVisit) without(name, value string) string {
	return f.changed(func(values url.Values) {
		if values[name] = slices.DeleteFunc(values[name], func(v string) bool { return value == "" || v == value }); len(values[name]) == 0 {
			values.Del(name)
		}
	})
}

// changed is the address with something changed.
func (f *findVisit) changed(how func(url.Values)) string {
	values := url.Values{}
	for k, list := range f.values {
		values[k] = slices.Clone(list)
	}
	how(values)
	return linkTo("/tim-kiem", values)
}

// named is a value of a facet in words.
func (f *findVisit) named(ctx context.Context, key, value string) string {
	switch key {
	case "box":
		return f.t(map[string]string{"in": "web.menu.incoming", "out": "web.menu.outgoing"}[value])
	case "urgency":
		return f.t("web.urgency." + value)
	case "state": // in words for both boxes
		switch office.State(value) {
		case office.Accepted:
			return f.t("web.in.filter.da-tiep-nhan")
		case office.Returned:
			return f.t("web.in.filter.da-tra-lai")
		case office.Arrived:
			return f.t("web.in.waiting")
		}
		return f.stateTag(office.State(value)).Text
	case "type":
		for _, o := range documentTypes {
			if o.Value == value {
				return o.Text
			}
		}
	case "sender":
		if p, err := f.s.Directory.Lookup(ctx, value); err == nil {
			return partyName(p)
		}
	}
	if value == "" {
		return f.t("web.find.no-value")
	}
	return value
}

func (s *site) find(ctx context.Context, v *visit) error { return s.findPage(ctx, v, nil) }

// findPage searches and shows; failed are the mistakes in keeping a search.
func (s *site) findPage(ctx context.Context, v *visit, failed []FieldError) error {
	f := s.asked(ctx, v)
	view := FindView{Page: s.page(ctx, v, v.t("web.find.title"), "/tim-kiem"), Words: f.query.Text, Active: f.active,
		From: f.values.Get("tu"), Until: f.values.Get("den"), Columns: f.columnOptions()}
	view.Styles, view.Page.Path = s.some("lists.css", "find.css"), linkTo("/tim-kiem", f.values)
	for _, name := range []string{"hop", "nam", "loai", "khan", "tt", "gui", "xep", "tep", "cot"} {
		for _, value := range f.values[name] {
			view.Keep = append(view.Keep, Kept{name, value})
		}
	}
	if f.query.Text != "" {
		view.Page.Title = v.t("web.title", i18n.Args{"title": v.t("web.find.title-of", i18n.Args{"words": f.query.Text})})
	}
	var err error
	if view.Saves, err = s.saved(ctx, v, "/tim-kiem", f.values.Encode()); err != nil {
		return err
	}
	view.Asked = (f.query.Text != "" || len(f.active) > 0) && len(f.errs) == 0
	if view.Asked {
		if err := s.results(ctx, f, &view); err != nil {
			return err
		}
	}
	if sum, err := s.Office.Summary(ctx); err == nil {
		view.Stale = v.stale(s.Link(), sum.LastIn)
	}
	status := http.StatusOK
	if errs := append(f.errs, failed...); len(errs) > 0 {
		view.setErrors(v, errs)
		status = http.StatusUnprocessableEntity
	}
	return s.render(v, "find", view, status)
}

// results searches and words what was found.
func (s *site) results(ctx context.Context, f *findVisit, view *FindView) error {
	q := f.query
	q.Facets, q.After, q.Show = true, f.r.URL.Query().Get("sau"), f.fields()
	found, err := s.Search.Search(ctx, q)
	if p := (*problem.Problem)(nil); q.After != "" && errors.As(err, &p) && p.Code == "search.after" || q.After != "" && isCursor(err) {
		q.After = "" // of another search: from the beginning
		found, err = s.Search.Search(ctx, q)
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if q.After == "" {
		f.log(ctx, found, "")
	}
	view.Facets, view.Index = f.facetParts(ctx, found.Facets), f.behind(found.Index)
	total := found.Facets.Total
	for _, c := range f.columns() {
		view.Heads = append(view.Heads, f.t(c.key))
	}
	for _, h := range found.Hits {
		view.Rows = append(view.Rows, f.row(h))
	}
	switch {
	case len(view.Rows) == 0:
		view.None = f.none()
	case found.Facets.More:
		view.Found = f.t("web.find.found-more", i18n.Args{"n": total})
	default:
		view.Found = f.t("web.find.found", i18n.Args{"n": total})
	}
	view.Orders = []Filter{
		{Href: f.without("xep", ""), Text: f.t("web.find.by-rank"), Current: q.Order != search.ByDate},
		{Href: f.changed(func(v url.Values) { v.Set("xep", "moi") }), Text: f.t("web.find.by-date"), Current: q.Order == search.ByDate},
	}
	if found.Next != "" {
		view.Next = f.changed(func(v url.Values) { v.Set("sau", found.Next) })
	}
	if q.After != "" {
		view.First = f.without("sau", "")
	}
	if len(view.Rows) > 0 {
		for _, kind := range exportKinds {
			view.Exports = append(view.Exports, Filter{Text: "." + kind, Href: "/tim-kiem/xuat?" + f.exportQuery(kind)})
		}
		view.Limit = f.t("web.find.export-limit", i18n.Args{"n": maxExport})
	}
	return nil
}

// isCursor reports whether the place to go on from is all that is wrong.
func isCursor(err error) bool {
	var list problem.List
	return errors.As(err, &list) && len(list) == 1 && list[0].Code == "search.after"
}

// log keeps the look in the audit log. A store that cannot write, because its disk
// is full, goes on answering.
func (f *findVisit) log(ctx context.Context, found search.Result, export string) {
	a := search.Access{By: f.session.User.Name, Words: f.query.Text, Filter: f.values.Encode(), Files: !f.query.FieldsOnly, Export: export}
	if found.Facets != nil {
		a.Found, a.More = found.Facets.Total, found.Facets.More
	}
	if err := f.s.Search.Log(ctx, a); err != nil {
		f.s.Logger.Error("search not logged", "error", err)
	}
}

// behind says what the index lacks.
func (f *findVisit) behind(x search.State) string {
	switch {
	case x.Waiting > 0:
		return f.t("web.find.indexing-documents", i18n.Args{"n": x.Waiting})
	case x.Files > 0 && !f.query.FieldsOnly:
		return f.t("web.find.indexing-files", i18n.Args{"n": x.Files})
	}
	return ""
}

// none says that nothing was found, and where.
func (f *findVisit) none() string {
	switch {
	case f.query.Text == "":
		return f.t("web.find.none-filter")
	case f.query.FieldsOnly:
		return f.t("web.find.none-fields", i18n.Args{"words": f.query.Text})
	}
	return f.t("web.find.none", i18n.Args{"words": f.query.Text})
}

// facetParts offers to narrow, and to widen again, what was found.
func (f *findVisit) facetParts(ctx context.Context, counts *search.Facets) (parts []FacetPart) {
	for _, fc := range facets {
		part := FacetPart{Title: f.t("web.find.facet." + fc.key)}
		list := fc.counts(counts)
		if fc.key == "year" {
			slices.SortFunc(list, func(a, b search.Count) int { return strings.Compare(b.Value, a.Value) })
		}
		for _, c := range list[:min(len(list), facetValues)] {
			current := slices.Contains(f.values[fc.name], c.Value)
			value := FacetValue{Text: f.named(ctx, fc.key, c.Value), Count: strconv.Itoa(c.Count), Current: current}
			value.Href = f.without(fc.name, c.Value)
			if !current {
				value.Href = f.changed(func(v url.Values) { v.Add(fc.name, c.Value) })
			}
			part.Values = append(part.Values, value)
		}
		if len(part.Values) > 1 || len(f.values[fc.name]) > 0 && len(part.Values) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}
