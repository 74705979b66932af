package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/search"
)

// ListPart is what the lists of documents have in common: filters, order, pages.
// All of it stands in the address, which may be kept as a bookmark.
type ListPart struct {
	Here     string // address of the list without filters
	Choices  []Filter
	Form     ListForm
	Active   []Chip // filters in force
	Heads    []Head
	Sorted   string // says what the list is sorted by
	Pager    Pager
	Total    int
	Cut      string // said when not all documents with the words were looked at
	Stale    string // said while the link is down
	Saves    SavedPart
	Open     bool // the form is open
	KeysHelp bool
}

// ListForm is the filters as they were typed.
type ListForm struct {
	State, Sort              string
	Words, Party             string
	PartyLabel               string
	From, Until              string
	Year                     string
	Urgencies, Types, States []Option
	Years                    []Option
	HasWords                 bool // there is an index to look words up in
}

// choice is a filter of a list by states: its name in the address.
type choice struct {
	name   string
	states []office.State
}

// head is a column of a kind of list.
type head struct {
	key  string      // of its title
	name string      // in the address, "" when the list cannot be sorted by it
	by   office.Sort // what it sorts by
	down bool        // Z, the newest or the highest comes first at the first press
}

// listKind is what differs between the lists.
type listKind struct {
	box     office.Box
	path    string
	words   string // beginning of the keys of its choices
	party   string // key of the label of the other office
	choices []choice
	heads   []head
}

var incomingList = listKind{box: office.In, path: "/van-ban-den", words: "web.in.filter.", party: "web.col.author",
	choices: []choice{
		{"", nil},
		{"chua-tiep-nhan", []office.State{office.Arrived}},
		{"da-tiep-nhan", []office.State{office.Accepted}},
		{"da-tra-lai", []office.State{office.Returned}},
		{"da-thu-hoi", []office.State{office.Recalled}},
	},
	heads: []head{
		{"web.col.arrival", "so-den", office.ByArrival, true}, {"web.col.arrived", "ngay", office.ByFiled, true},
		{"web.col.author", "noi", office.ByParty, false}, {"web.col.symbol", "ky-hieu", office.BySymbol, false},
		{"web.col.subject", "trich-yeu", office.BySubject, false}, {"web.lists.urgency", "khan", office.ByUrgency, true},
		{"web.col.signatures", "", "", false}, {"web.col.state", "", "", false},
	},
}

var outgoingList = listKind{box: office.Out, path: "/van-ban-di", words: "web.out.filter.", party: "web.col.to",
	choices: []choice{
		{"", nil},
		{"chua-toi", []office.State{office.Saved, office.Sending, office.AtHub}},
		{"da-tiep-nhan", []office.State{office.Accepted}},
		{"bi-tra-lai", []office.State{office.Returned}},
		{"khong-gui-duoc", []office.State{office.Failed}},
		{"da-thu-hoi", []office.State{office.Recalled, office.Withdrawn}},
	},
	heads: []head{
		{"web.col.symbol", "ky-hieu", office.BySymbol, false}, {"web.col.sent", "ngay", office.ByFiled, true},
		{"web.col.subject", "trich-yeu", office.BySubject, false}, {"web.lists.urgency", "khan", office.ByUrgency, true},
		{"web.col.to", "noi", office.ByParty, false}, {"web.col.state", "", "", false},
	},
}

// kept are the parts of an address that stay from page to page of a list; the
// others say where in the list a page lies.
var kept = []string{"loc", "khan", "loai", "noi", "tu", "den", "nam", "chu", "xep"}

// maxFilter bounds each text of an address, in bytes; what is longer is left out.
const maxFilter = 500

// listVisit reads one list for one visitor.
type listVisit struct {
	*visit
	kind   listKind
	values url.Values // what is kept of the address
	query  office.Listing
	errs   []FieldError
	part   ListPart
}

// listing reads the address of a list, and the page that it names.
func (s *site) listing(ctx context.Context, v *visit, kind listKind) (*listVisit, office.ListPage, error) {
	l := &listVisit{visit: v, kind: kind, values: url.Values{}}
	given := v.r.URL.Query()
	for _, name := range kept {
		if value := strings.TrimSpace(given.Get(name)); value != "" && len(value) <= maxFilter {
			l.values.Set(name, strings.ToValidUTF8(value, ""))
		}
	}
	l.query = office.Listing{Box: kind.box, Limit: office.DefaultPage}
	l.part.Here, l.part.KeysHelp = kind.path, true
	l.byState()
	l.byUrgency()
	l.byType()
	l.byDays()
	if l.query.Party = l.values.Get("noi"); l.query.Party != "" {
		l.chip("noi", v.t(kind.party)+": "+l.query.Party)
	}
	l.part.Form.Words, l.part.Form.Party, l.part.Form.PartyLabel = l.values.Get("chu"), l.query.Party, v.t(kind.party)
	l.part.Form.HasWords = s.Search != nil
	if err := s.byWords(ctx, l); err != nil {
		return nil, office.ListPage{}, err
	}
	l.order()
	l.at(given)
	page, err := s.Office.Listing(ctx, l.query)
	if err != nil {
		return nil, page, fmt.Errorf("list documents: %w", err)
	}
	l.pager(given, page)
	l.part.Total, l.part.Open = page.Total, len(l.part.Active) > 0 || len(l.errs) > 0
	l.part.Saves, err = s.saved(ctx, v, kind.path, l.values.Encode())
	return l, page, err
}

// with is the address of the list with one part changed; "" takes it out.
func (l *listVisit) with(name, value string) string {
	values := url.Values{}
	for k, list := range l.values {
		values[k] = list
	}
	if values.Del(name); value != "" {
		values.Set(name, value)
	}
	return linkTo(l.kind.path, values)
}

func linkTo(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// chipOf makes a chip.
func (v *visit) chipOf(text, without string) Chip {
	return Chip{text, without, v.t("web.lists.drop", i18n.Args{"filter": text})}
}

// chip notes a filter in force.
func (l *listVisit) chip(name, text string) {
	l.part.Active = append(l.part.Active, l.chipOf(text, l.with(name, "")))
}

func (l *listVisit) byState() {
	wanted := l.values.Get("loc")
	for _, c := range l.kind.choices {
		f := Filter{Href: l.with("loc", c.name), Text: l.t(l.kind.words + cmp.Or(c.name, "all")), Current: c.name == wanted}
		if f.Current {
			l.query.States = c.states
			if c.name != "" {
				l.chip("loc", f.Text)
			}
		}
		l.part.Choices = append(l.part.Choices, f)
	}
	if !slices.ContainsFunc(l.part.Choices, func(f Filter) bool { return f.Current }) { // unknown: as if nothing were said
		l.values.Del("loc")
		l.part.Choices[0].Current = true
	}
	l.part.Form.State = l.values.Get("loc")
}

func (l *listVisit) byUrgency() {
	wanted := l.values.Get("khan")
	l.part.Form.Urgencies = []Option{{Text: l.t("web.lists.any")}}
	for u := range len("0123") {
		value, text := strconv.Itoa(u), l.t("web.urgency."+strconv.Itoa(u))
		l.part.Form.Urgencies = append(l.part.Form.Urgencies, Option{Value: value, Text: text, Chosen: value == wanted})
		if value == wanted {
			urgency := office.Urgency(u)
			l.query.Urgency = &urgency
			l.chip("khan", text)
		}
	}
	if l.query.Urgency == nil {
		l.values.Del("khan")
	}
}

func (l *listVisit) byType() {
	l.part.Form.Types = append([]Option{{Text: l.t("web.lists.any")}}, documentTypes...)
	wanted := l.values.Get("loai")
	for i, o := range l.part.Form.Types {
		if wanted != "" && o.Value == wanted {
			l.part.Form.Types[i].Chosen, l.query.Type = true, wanted
			l.chip("loai", o.Text)
		}
	}
	if wanted != "" && l.query.Type == "" { // one that the form does not offer
		l.query.Type = wanted
		l.chip("loai", wanted)
	}
}

// yearsBack is how many years the form offers.
const yearsBack = 5

// byDays reads year and days. The narrower bound counts.
func (l *listVisit) byDays() {
	this := l.now.In(vietnam).Year()
	wanted := l.values.Get("nam")
	l.part.Form.Years = []Option{{Text: l.t("web.lists.any")}}
	for y := this; y > this-yearsBack; y-- {
		l.part.Form.Years = append(l.part.Form.Years, Option{Value: strconv.Itoa(y), Text: strconv.Itoa(y), Chosen: strconv.Itoa(y) == wanted})
	}
	if y, err := strconv.Atoi(wanted); err == nil && y >= 1900 && y < 10_000 {
		l.query.FiledFrom, l.query.FiledUntil = time.Date(y, 1, 1, 0, 0, 0, 0, vietnam), time.Date(y+1, 1, 1, 0, 0, 0, 0, vietnam)
		l.chip("nam", l.t("web.lists.in-year", i18n.Args{"year": wanted}))
	} else {
		l.values.Del("nam")
	}
	form := &l.part.Form
	form.From, form.Until = l.values.Get("tu"), l.values.Get("den")
	if day, ok := l.day("tu", form.From); ok && day.After(l.query.FiledFrom) {
		l.query.FiledFrom = day
	}
	if day, ok := l.day("den", form.Until); ok {
		if until := day.AddDate(0, 0, 1); l.query.FiledUntil.IsZero() || until.Before(l.query.FiledUntil) {
			l.query.FiledUntil = until
		}
	}
	if !l.query.FiledUntil.IsZero() && !l.query.FiledUntil.After(l.query.FiledFrom) && form.From != "" && form.Until != "" {
		l.errs = append(l.errs, FieldError{"den", l.t("web.lists.days-order")})
	}
}

// day reads a date of the form; false when there is none.
func (l *listVisit) day(name, text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	date, ok := parseDate(text)
	day, err := time.ParseInLocation(time.DateOnly, date, vietnam)
	if !ok || err != nil {
		l.errs = append(l.errs, FieldError{name, l.t("web.lists.bad-day", i18n.Args{"text": text})})
		return time.Time{}, false
	}
	l.chip(name, l.t("web.lists.day-"+name, i18n.Args{"day": day.Format("02/01/2006")}))
	return day, true
}

// byWords looks up which documents have the words.
func (s *site) byWords(ctx context.Context, l *listVisit) error {
	words := l.values.Get("chu")
	if words == "" || s.Search == nil {
		l.values.Del("chu")
		return nil
	}
	l.chip("chu", l.t("web.lists.words", i18n.Args{"words": words}))
	ids, more, err := s.Search.Find(ctx, search.Query{Text: words, Box: l.kind.box, FieldsOnly: true}, office.MaxOnly)
	if err != nil {
		return fmt.Errorf("find words: %w", err)
	}
	if more {
		l.part.Cut = l.t("web.lists.cut", i18n.Args{"n": len(ids)})
	}
	l.query.Only = ids
	return nil
}

// order reads what the list is sorted by; the newest first when nothing is said.
func (l *listVisit) order() {
	wanted := l.values.Get("xep")
	name, down := strings.TrimPrefix(wanted, "-"), strings.HasPrefix(wanted, "-")
	at := slices.IndexFunc(l.kind.heads, func(h head) bool { return name != "" && h.name == name })
	if at < 0 {
		l.values.Del("xep")
		at, down = slices.IndexFunc(l.kind.heads, func(h head) bool { return h.by == office.ByFiled }), true
		name = l.kind.heads[at].name
	}
	l.query.Sort, l.query.Down = l.kind.heads[at].by, down
	l.part.Form.Sort = l.values.Get("xep")
	for i, h := range l.kind.heads {
		column := Head{Text: l.t(h.key)}
		if h.name != "" {
			next := h.down
			if i == at {
				next = !down
				column.Sort = map[bool]string{true: "descending", false: "ascending"}[down]
			}
			column.Href = l.with("xep", map[bool]string{true: "-", false: ""}[next]+h.name)
			column.Focus = i == at && l.values.Has("xep") && l.r.URL.Query().Get("so") == ""
		}
		l.part.Heads = append(l.part.Heads, column)
	}
	l.part.Sorted = l.t("web.lists.sorted-"+map[bool]string{true: "down", false: "up"}[down], i18n.Args{"column": l.t(l.kind.heads[at].key)})
}

// at reads where in the list the page lies.
func (l *listVisit) at(given url.Values) {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(given.Get(name), 10, 64)
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
	switch l.query.After, l.query.Before = number("sau"), number("truoc"); {
	case given.Get("cuoi") != "":
		l.query.Last, l.query.After, l.query.Before = true, 0, 0
	case l.query.After > 0:
		l.query.Before = 0
	}
}

// pager leads on. The numbers of the rows come from the address: they help people
// to find their way and decide nothing.
func (l *listVisit) pager(given url.Values, page office.ListPage) {
	shown := len(page.Documents)
	if page.Total <= shown {
		return
	}
	from, err := strconv.Atoi(given.Get("so"))
	switch {
	case page.Before == 0 || err != nil && !l.query.Last:
		from = 1
	case page.After == 0:
		from = page.Total - shown + 1
	}
	from = max(1, min(from, page.Total-shown+1))
	to := func(name string, value int64, from int) string {
		values := url.Values{}
		for k, list := range l.values {
			values[k] = list
		}
		values.Set(name, strconv.FormatInt(value, 10))
		values.Set("so", strconv.Itoa(from))
		return linkTo(l.kind.path, values)
	}
	p := &l.part.Pager
	p.Text = l.t("web.pager", i18n.Args{"from": from, "to": from + shown - 1, "total": page.Total})
	if page.Before > 0 {
		p.First, p.Prev = l.with("", ""), to("truoc", page.Before, max(1, from-l.query.Limit))
	}
	if page.After > 0 {
		p.Next, p.Last = to("sau", page.After, from+shown), to("cuoi", 1, page.Total)
	}
}
