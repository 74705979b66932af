package web

import (
	"context"
	"fmt"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

// WorkView is the clerk's home: what to do, most pressing first.
type WorkView struct {
	Page
	Groups []WorkGroup
	Fresh  string // when the newest document came; so that empty is not broken
	Stale  string // said while the link is down
}

// WorkGroup is one list of the home page.
type WorkGroup struct {
	ID, Title string
	Count     int
	Rows      []WorkRow
	More      string // address of the whole list when it is cut
}

// WorkRow is one thing to do.
type WorkRow struct {
	Href, Symbol, Subject string
	Who, When, Why        string
	Urgent                Urgent
	Marks                 []Tag // what to look at twice
	Action, ActionHref    string
}

// workShown bounds each list of the home page.
const workShown = 25

func (s *site) home(_ context.Context, v *visit) error {
	v.redirect("/viec-can-lam")
	return nil
}

func (s *site) work(ctx context.Context, v *visit) error {
	todo, err := s.Office.Work(ctx)
	if err != nil {
		return fmt.Errorf("read work list: %w", err)
	}
	title := v.t("web.menu.work")
	for _, d := range todo.Urgent {
		if d.Urgency == office.HoaToc {
			title = v.t("web.title.express", i18n.Args{"title": title})
			break
		}
	}
	view := WorkView{Page: s.page(ctx, v, title, "/viec-can-lam")}
	add := func(id string, docs []office.Document, more string, row func(office.Document) WorkRow) {
		if len(docs) == 0 {
			return
		}
		g := WorkGroup{ID: id, Title: v.t("web.work." + id), Count: len(docs)}
		if len(docs) > workShown {
			docs, g.More = docs[:workShown], more
		}
		for _, d := range docs {
			g.Rows = append(g.Rows, row(d))
		}
		view.Groups = append(view.Groups, g)
	}
	add("urgent", todo.Urgent, "/van-ban-den?loc=chua-tiep-nhan", v.workIn)
	add("to-accept", todo.ToAccept, "/van-ban-den?loc=chua-tiep-nhan", v.workIn)
	add("requests", todo.Requests, "/van-ban-den", v.workRequest)
	add("returned", todo.Returned, "/van-ban-di?loc=bi-tra-lai", v.workBack)
	add("failed", todo.Failed, "/van-ban-di?loc=khong-gui-duoc", v.workBack)
	add("unsent", todo.Unsent, "/hop-gui", v.workUnsent)
	if !todo.LastIn.IsZero() {
		view.Fresh = v.t("web.work.fresh", i18n.Args{"time": v.clock(todo.LastIn)})
	}
	view.Stale = v.stale(s.Link(), todo.LastIn)
	return s.render(v, "work", view, 200)
}

// stale says, while the link is down, that newer documents may exist.
func (v *visit) stale(link Link, last time.Time) string {
	switch {
	case link.Up:
		return ""
	case last.IsZero():
		return v.t("web.stale.never")
	}
	return v.t("web.stale", i18n.Args{"time": v.clock(last)})
}

func (v *visit) workRow(d office.Document) WorkRow {
	return WorkRow{Href: boxPath(d), ActionHref: boxPath(d), Symbol: symbol(d), Subject: d.Subject, Urgent: v.urgent(d.Urgency)}
}

func (v *visit) workIn(d office.Document) WorkRow {
	row := v.workRow(d)
	row.Who, row.Marks = partyName(d.From), v.warnings(d)
	row.When = v.t("web.work.arrived", i18n.Args{"time": v.clock(d.Created), "span": i18n.Span(v.lang, v.now.Sub(d.Created))})
	row.Action = v.t("web.work.open")
	return row
}

// workRequest is a document whose sender waits for an answer.
func (v *visit) workRequest(d office.Document) WorkRow {
	row := v.workRow(d)
	row.Who, row.Action = partyName(d.From), v.t("web.work.answer")
	if r := d.Request; r != nil {
		row.When, row.Why = v.t("web.request.work-"+r.Kind, i18n.Args{"time": v.clock(r.At)}), r.Reason
	}
	return row
}

func (v *visit) workBack(d office.Document) WorkRow {
	row := v.workRow(d)
	for _, r := range d.To {
		if r.State == office.Returned || r.State == office.Failed {
			row.Who, row.Why = partyName(r.Party), r.ReasonIn(v.lang)
			break
		}
	}
	if row.Why == "" {
		row.Why = d.ReasonIn(v.lang)
	}
	row.Action, row.ActionHref = v.t("web.work.mend"), "/gui?tu="+d.ID.String()
	if !v.may(account.Send) {
		row.Action, row.ActionHref = v.t("web.work.look"), row.Href
	}
	return row
}

func (v *visit) workUnsent(d office.Document) WorkRow {
	row := v.workRow(d)
	row.Who = v.recipientsShort(d)
	row.When = v.t("web.work.saved", i18n.Args{"time": v.clock(d.Created), "span": i18n.Span(v.lang, v.now.Sub(d.Created))})
	row.Action = v.t("web.work.look")
	return row
}

// recipientsShort names the first recipient and counts the rest.
func (v *visit) recipientsShort(d office.Document) string {
	switch len(d.To) {
	case 0:
		return ""
	case 1:
		return partyName(d.To[0].Party)
	}
	return v.t("web.recipients.more", i18n.Args{"first": partyName(d.To[0].Party), "n": len(d.To) - 1})
}
