package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/web/account"
)

// DossiersView is the list of one-stop dossiers.
type DossiersView struct {
	Page
	Tabs     []DossierTab
	Form     DossierFilter
	Open     bool // the filters are open
	Active   []Chip
	Rows     []DossierRow
	First    string // addresses of pages, "" at the ends
	Next     string
	Exports  []ReportRow
	Clear    string
	Unsure   bool     // deadlines count by days
	Calendar []string // where the days off come from
	Receive  bool     // offer to take one in
}

// DossierTab is a tab with how many dossiers it has.
type DossierTab struct {
	Href, Text string
	Count      string // "" for the one of all
	Current    bool
}

// DossierFilter is the filters as they were typed.
type DossierFilter struct {
	Tab, Words, Procedure, From, Until string
	Hidden                             []Option // filters of links that the form has no field for
	Channels, Outcomes                 []Option
}

// DossierRow is one dossier of the list.
type DossierRow struct {
	Href, Code, Applicant, Procedure string
	Channel, Due, Handler            string
	State, Left                      Tag
	From                             string // office that it came from, "" for an own one
	Apology                          *ApologyLink
	Waits                            string // that an apology waits for a leader
}

// tabs are the tabs with their names in the address. The first that is not new is
// what the list opens with.
var tabs = []struct {
	name string
	tab  dossier.Tab
}{
	{"moi-nop", dossier.TabNew}, {"dang-giai-quyet", dossier.TabOpen}, {"sap-den-han", dossier.TabSoon}, {"qua-han", dossier.TabLate},
	{"cho-bo-sung", dossier.TabWaiting}, {"cho-tra", dossier.TabDone}, {"da-tra", dossier.TabClosed}, {allTabs, ""},
}

const (
	allTabs  = "tat-ca"
	firstTab = "dang-giai-quyet"
)

// dossierFilters are the parts of an address that stay from page to page.
var dossierFilters = []string{"loc", "chu", "thu-tuc", "kenh", "ket-qua", "tu", "den", "nhan-tu", "nhan-den", "con", "rieng", "phieu"}

// dossierVisit reads the list for one visitor.
type dossierVisit struct {
	*visit
	values url.Values
	query  dossier.Query
	errs   []FieldError
	active []Chip
}

// dossiersAsked reads the address of the list.
func dossiersAsked(v *visit) *dossierVisit {
	l := &dossierVisit{visit: v, values: url.Values{}}
	given := v.r.URL.Query()
	for _, name := range dossierFilters {
		if value := strings.TrimSpace(given.Get(name)); value != "" && len(value) <= maxFilter {
			l.values.Set(name, strings.ToValidUTF8(value, ""))
		}
	}
	l.byTab()
	if l.query.Words = l.values.Get("chu"); l.query.Words != "" {
		l.chip("chu", v.t("web.lists.words", i18n.Args{"words": l.query.Words}))
	}
	l.byProcedure()
	if n, err := strconv.Atoi(l.values.Get("kenh")); err == nil && n >= int(dossier.AtDesk) && n <= int(dossier.ByPost) {
		l.query.Channel = dossier.Channel(n)
		l.chip("kenh", v.t("web.dossier.channel."+strconv.Itoa(n)))
	} else {
		l.values.Del("kenh")
	}
	l.query.Outcome = dossier.Outcome(l.values.Get("ket-qua"))
	if !slices.Contains([]dossier.Outcome{dossier.Early, dossier.OnTime, dossier.Late}, l.query.Outcome) {
		l.query.Outcome = ""
		l.values.Del("ket-qua")
	} else {
		l.chip("ket-qua", l.query.Outcome.Text(v.lang))
	}
	l.span("tu", "den", &l.query.From, &l.query.To)
	l.span("nhan-tu", "nhan-den", &l.query.TakenFrom, &l.query.TakenTo)
	for name, on := range map[string]*bool{"con": &l.query.Running, "rieng": &l.query.Own} {
		*on = l.values.Get(name) != ""
	}
	if l.query.Running {
		l.chip("con", v.t("web.dossier.running"))
	}
	if l.query.Own {
		l.chip("rieng", v.t("web.dossier.own"))
	}
	switch l.query.Apology = dossier.Draft(l.values.Get("phieu")); l.query.Apology {
	case dossier.DraftWaiting:
		l.chip("phieu", v.t("web.dossier.apology-waiting"))
	case dossier.DraftBack:
		l.chip("phieu", v.t("web.dossier.apology-sent-back"))
	default:
		l.query.Apology = dossier.NoDraft
		l.values.Del("phieu")
	}
	l.query.After = given.Get("sau")
	return l
}

// byTab reads the tab: all of them when something is looked for and none is named.
func (l *dossierVisit) byTab() {
	wanted := l.values.Get("loc")
	at := slices.IndexFunc(tabs, func(t struct {
		name string
		tab  dossier.Tab
	}) bool {
		return t.name == wanted
	})
	if at < 0 {
		l.values.Del("loc")
		wanted = firstTab
		if len(l.values) > 0 {
			wanted = allTabs
		}
		l.values.Set("loc", wanted)
		for i, t := range tabs {
			if t.name == wanted {
				at = i
			}
		}
	}
	l.query.Tab = tabs[at].tab
}

func (l *dossierVisit) byProcedure() {
	text := l.values.Get("thu-tuc")
	if text == "" {
		return
	}
	p, err := code.ParseProcedure(text)
	if err != nil {
		l.errs = append(l.errs, FieldError{"thu-tuc", l.fieldErrors(err)[0].Text})
		return
	}
	l.query.Procedure = p.String()
	l.chip("thu-tuc", l.t("web.dossier.procedure-is", i18n.Args{"code": p.String()}))
}

// span reads two days, the second included.
func (l *dossierVisit) span(from, until string, first, after *time.Time) {
	for _, name := range []string{from, until} {
		text := l.values.Get(name)
		if text == "" {
			continue
		}
		day, ok := typedDay(text)
		if !ok {
			l.errs = append(l.errs, FieldError{name, l.t("web.lists.bad-day", i18n.Args{"text": text})})
			continue
		}
		if l.chip(name, l.t("web.dossier.day-"+name, i18n.Args{"day": formatDay(day)})); name == from {
			*first = day
		} else {
			*after = day.AddDate(0, 0, 1)
		}
	}
	if !after.IsZero() && !after.After(*first) {
		l.errs = append(l.errs, FieldError{until, l.t("web.lists.days-order")})
	}
}

// with is the address of the list with one part changed; "" takes it out.
func (l *dossierVisit) with(name, value string) string { return l.at("", name, value) }

func (l *dossierVisit) at(below, name, value string) string {
	values := url.Values{}
	for k, list := range l.values {
		values[k] = list
	}
	if values.Del(name); value != "" {
		values.Set(name, value)
	}
	return linkTo(dossiersPath+below, values)
}

func (l *dossierVisit) chip(name, text string) {
	l.active = append(l.active, l.chipOf(text, l.with(name, "")))
}

func (s *site) dossierList(ctx context.Context, v *visit) error {
	l := dossiersAsked(v)
	view := DossiersView{Page: s.page(ctx, v, v.t("web.dossier.title"), dossiersPath), Active: l.active, Unsure: s.Dossiers.Unsure(),
		Calendar: s.calendarLines(v), Receive: v.may(account.DossierDesk), Open: len(l.active) > 0 || len(l.errs) > 0}
	view.Styles = s.some("lists.css", "dossier.css")
	counts, err := s.Dossiers.Counts(ctx)
	if err != nil {
		return err
	}
	now := l.values.Get("loc")
	for _, t := range tabs {
		tab := DossierTab{Href: l.with("loc", t.name), Text: v.t("web.dossier.tab." + t.name), Current: t.name == now}
		if t.tab != "" {
			tab.Count = strconv.Itoa(counts[t.tab])
		}
		view.Tabs = append(view.Tabs, tab)
	}
	view.Form = l.form()
	view.Clear = linkTo(dossiersPath, url.Values{"loc": {now}})
	if view.setErrors(v, l.errs); len(l.errs) > 0 {
		return s.render(v, "dossiers", view, http.StatusUnprocessableEntity)
	}
	page, err := s.Dossiers.List(ctx, l.query)
	if err != nil {
		return fmt.Errorf("list dossiers: %w", err)
	}
	for _, r := range page.Rows {
		view.Rows = append(view.Rows, s.dossierRow(v, r, view.Unsure))
	}
	if l.query.After != "" {
		view.First = l.with("", "")
	}
	if page.Next != "" {
		view.Next = l.with("sau", page.Next)
	}
	for _, kind := range []string{"xlsx", "csv"} {
		view.Exports = append(view.Exports, ReportRow{l.at("/xuat", "dang", kind), v.t("web.dossier.export-" + kind)})
	}
	return s.render(v, "dossiers", view, http.StatusOK)
}

func (l *dossierVisit) form() DossierFilter {
	get := l.values.Get
	f := DossierFilter{Tab: get("loc"), Words: get("chu"), Procedure: get("thu-tuc"), From: get("tu"), Until: get("den")}
	f.Channels = l.channelOptions(l.query.Channel, Option{Text: l.t("web.lists.any")})
	f.Outcomes = []Option{{Text: l.t("web.lists.any")}}
	for _, o := range []dossier.Outcome{dossier.Early, dossier.OnTime, dossier.Late} {
		f.Outcomes = append(f.Outcomes, Option{string(o), o.Text(l.lang), o == l.query.Outcome})
	}
	for _, name := range []string{"nhan-tu", "nhan-den", "con", "rieng", "phieu"} {
		if value := get(name); value != "" {
			f.Hidden = append(f.Hidden, Option{Value: name, Text: value})
		}
	}
	return f
}

func (s *site) dossierRow(v *visit, r dossier.Row, unsure bool) DossierRow {
	row := DossierRow{Href: dossierPath(r.ID), Code: r.Code.String(), Applicant: r.Applicant, Procedure: r.Procedure, Handler: r.Handler,
		Channel: v.t("web.dossier.channel." + strconv.Itoa(int(r.Channel))), State: v.dossierStatus(r.Status), Left: s.rowTag(v, r, unsure), Due: v.dueTime(r.Due, unsure)}
	if r.Guest {
		row.From = r.OwnerName
	}
	m, runs := s.Dossiers.LeftOf(r)
	row.Apology = v.apologyLink(row.Href, r.Apology, runs && m.Overdue && !r.Guest)
	if r.Apology == dossier.DraftWaiting && !v.may(account.DossierDecide) {
		row.Waits = v.t("web.dossier.apology-waits")
	}
	return row
}

// dueTime is a date of return: with the time when the clock is to be believed.
func (v *visit) dueTime(t time.Time, unsure bool) string {
	if unsure {
		return formatDay(t)
	}
	return formatFull(t)
}
