package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tram/agent/hub/duty"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// severityTones are the colours of severities: red is for what somebody is called for.
var severityTones = map[incident.Severity]string{incident.Page: "red", incident.Critical: "red", incident.Warning: "amber", incident.Daily: "grey", incident.Weekly: "grey"}

// incidents lists incidents, the newest first.
func (s *site) incidents(ctx context.Context, v *page.Visit) error {
	q := v.R.URL.Query()
	all := q.Get("loc") == "tat-ca"
	before, _ := strconv.ParseInt(q.Get("truoc"), 10, 64) // 0: from the newest
	list, err := s.Duty.Incidents(ctx, scope(v), duty.Query{Open: !all, Before: incident.ID(before)})
	if err != nil {
		return err
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.incidents.title"), incidentsPath), Heading: v.T("console.incidents.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), v.R.URL.RequestURI()
	g := page.Grid{Caption: view.Heading, Empty: v.T("console.incidents.none", i18n.Args{"time": clock(v.Now)}),
		Head: []string{v.T("console.incidents.what"), v.T("console.incidents.severity"), v.T("console.incidents.since"), v.T("console.incidents.state")}}
	for i := range list.Incidents {
		g.Rows = append(g.Rows, w.incidentRow(&list.Incidents[i]))
	}
	other, text := incidentsPath+"?loc=tat-ca", "console.incidents.all"
	if all {
		other, text = incidentsPath, "console.incidents.open"
	}
	view.Sections = []page.Section{{Grid: g, Forms: []page.Form{{Action: incidentsPath, Get: true, Links: []page.Option{{Value: other, Text: v.T(text)}}}}}}
	if list.Next > 0 {
		values := url.Values{"truoc": {fmt.Sprint(list.Next)}}
		if all {
			values.Set("loc", "tat-ca")
		}
		view.Pager.Next = linkTo(incidentsPath, values)
	}
	return s.show(v, view)
}

func (w words) incidentRow(i *incident.Incident) []page.Cell {
	return []page.Cell{
		{Text: duty.Title(i, w.Lang, w.named), Note: fmt.Sprintf("#%d", i.ID), Href: incidentHref(i.ID)},
		{Tag: page.Tag{Text: w.T("incident.severity." + string(i.Severity)), Tone: severityTones[i.Severity]}}, {Text: w.Clock(i.Opened)}, {Text: w.incidentState(i)},
	}
}

// incidentState says how far an incident is.
func (w words) incidentState(i *incident.Incident) string {
	args := i18n.Args{"time": w.Clock(i.Closed)}
	switch {
	case i.Merged > 0:
		return w.T("console.incidents.merged", i18n.Args{"id": fmt.Sprint(i.Merged)})
	case !i.Open():
		return w.T("console.incidents.closed", args)
	case i.Snoozed.After(w.Now):
		return w.T("console.incidents.snoozed", i18n.Args{"time": w.Clock(i.Snoozed)})
	case i.Ack != nil:
		return w.T("console.incidents.taken", i18n.Args{"who": i.Ack.By})
	case !i.Recovered.IsZero():
		return w.T("console.incidents.recovered", i18n.Args{"time": w.Clock(i.Recovered)})
	}
	return w.T("console.incidents.running")
}

func incidentHref(id incident.ID) string { return fmt.Sprintf("%s/mot/%d", incidentsPath, id) }

func numbered(v *page.Visit) (incident.ID, error) {
	id, err := strconv.ParseInt(v.R.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	return incident.ID(id), nil
}

func (s *site) incident(ctx context.Context, v *page.Visit) error {
	return s.showIncident(ctx, v, nil)
}

// showIncident shows everything about an incident.
func (s *site) showIncident(ctx context.Context, v *page.Visit, failed error) error {
	id, err := numbered(v)
	if err != nil {
		return err
	}
	rec, err := s.Duty.Incident(ctx, scope(v), id)
	if err != nil {
		return err
	}
	w, i := s.say(v), &rec.Incident
	title := duty.Title(i, v.Lang, w.named)
	view := BoardView{Page: s.Page(ctx, v, title, incidentsPath), Heading: title, Back: incidentsPath, BackText: v.T("console.incidents.title"),
		Tag: page.Tag{Text: v.T("incident.severity." + string(i.Severity)), Tone: severityTones[i.Severity]}}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), incidentHref(id)
	facts := []page.Fact{{Name: v.T("console.incidents.state"), Value: w.incidentState(i)}, {Name: v.T("console.incidents.since"), Value: page.Full(i.Opened)},
		{Name: v.T("console.incidents.count"), Value: v.T("console.incidents.of", i18n.Args{"n": i.Out(), "peak": i.Peak})}}
	view.Sections = []page.Section{{Facts: facts, Forms: []page.Form{{Action: incidentHref(id), Get: true, Links: []page.Option{{Value: incidentHref(id) + "/tuong-trinh", Text: v.T("console.incidents.export"), Chosen: true}}}}}}
	inputs := []page.Input{{ID: "note", Name: "note", Kind: "text", Label: v.T("console.incidents.note")}}
	if v.May(account.Duty) && i.Open() {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.incidents.acts"), Forms: []page.Form{{Action: incidentHref(id), Inputs: inputs, Buttons: []page.Button{
			{Text: v.T("console.incidents.ack"), Name: "viec", Value: actAck}, {Text: v.T("console.incidents.write"), Name: "viec", Value: actNote, Tone: "plain"},
			{Text: v.T("console.incidents.snooze"), Name: "viec", Value: actSnooze, Tone: "plain"}}}}})
	}
	view.Sections = append(view.Sections, page.Section{Title: v.T("console.incidents.offices"), Grid: w.members(rec)}, page.Section{Title: v.T("console.incidents.timeline"), Grid: w.timeline(rec)})
	if failed != nil {
		return s.mended(v, view, inputs, failed)
	}
	return s.show(v, view)
}

// members are the offices of an incident that the visitor may see.
func (w words) members(rec duty.Record) page.Grid {
	g := page.Grid{Caption: w.T("console.incidents.offices"), Empty: w.T("console.incidents.nobody"), Head: []string{w.T("console.col.name"), w.T("console.incidents.from"), w.T("console.incidents.to")}}
	for _, code := range rec.Concerned() {
		m, until := rec.Members[code], "–"
		if !m.Left.IsZero() {
			until = page.Full(m.Left)
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: w.named(code), Note: code, Href: deviceHref(code)}, {Text: page.Full(m.Joined)}, {Text: until}})
	}
	return g
}

func (w words) timeline(rec duty.Record) page.Grid {
	g := page.Grid{Caption: w.T("console.incidents.timeline"), Head: []string{w.T("console.event.at"), w.T("console.event.what")}}
	for _, l := range rec.Timeline(w.Lang, w.named) {
		g.Rows = append(g.Rows, []page.Cell{{Text: page.Full(l.At)}, {Text: l.Text}})
	}
	return g
}

// What can be done about an incident, as forms say it.
const (
	actAck    = "nhan"
	actNote   = "ghi"
	actSnooze = "hoan"
)

func (s *site) actOnIncident(ctx context.Context, v *page.Visit) error {
	id, err := numbered(v)
	if err != nil {
		return err
	}
	note, by, what := v.R.PostFormValue("note"), v.Session.User.Display, v.R.PostFormValue("viec")
	switch what {
	case actAck:
		err = s.Duty.Acknowledge(ctx, scope(v), id, by, note)
	case actNote:
		err = s.Duty.Note(ctx, scope(v), id, by, note)
	case actSnooze:
		err = s.Duty.Snooze(ctx, scope(v), id, time.Time{}, by)
	default:
		err = problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if err != nil {
		if !page.Mendable(err) {
			return err
		}
		return s.showIncident(ctx, v, err)
	}
	v.Redirect(incidentHref(id) + "?xong=" + what)
	return nil
}

// postMortem gives an incident as Markdown.
func (s *site) postMortem(ctx context.Context, v *page.Visit) error {
	id, err := numbered(v)
	if err != nil {
		return err
	}
	rec, err := s.Duty.Incident(ctx, scope(v), id)
	if err != nil {
		return err
	}
	h := v.W.Header()
	h.Set("Content-Type", "text/markdown; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="su-co-%d.md"`, id))
	v.W.WriteHeader(http.StatusOK)
	_, err = v.W.Write([]byte(rec.Markdown(v.Lang, s.say(v).named)))
	return err
}
