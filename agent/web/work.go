package web

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

// WorkView is the clerk's home: what to do, most pressing first.
type WorkView struct {
	Page
	Groups []WorkGroup
	Mine   bool   // offer the list of the person's own work
	Direct bool   // offer to reassign somebody's work
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
	Due                   Tag   // "" for no deadline
	Role                  string
	Action, ActionHref    string
}

// workShown bounds each list of the home page.
const workShown = office.MaxWork

func (s *site) home(_ context.Context, v *visit) error {
	v.redirect("/viec-can-lam")
	return nil
}

func (s *site) work(ctx context.Context, v *visit) error {
	todo, err := s.Office.Work(ctx)
	if err != nil {
		return fmt.Errorf("read work list: %w", err)
	}
	own, err := s.Handling.Todo(ctx, v.actor())
	if err != nil {
		return fmt.Errorf("read what is handled: %w", err)
	}
	title := v.t("web.menu.work")
	for _, d := range todo.Urgent {
		if d.Urgency == office.HoaToc && v.may(account.Direct) {
			title = v.t("web.title.express", i18n.Args{"title": title})
			break
		}
	}
	view := WorkView{Page: s.page(ctx, v, title, "/viec-can-lam")}
	dossiers, err := s.workDossiers(ctx, v)
	if err != nil {
		return err
	}
	view.Groups = append(dossiers, v.workGroups(todo, own)...)
	view.Mine, view.Direct = v.may(account.Handle), v.may(account.Direct)
	if !todo.LastIn.IsZero() {
		view.Fresh = v.t("web.work.fresh", i18n.Args{"time": v.clock(todo.LastIn)})
	}
	view.Stale = v.stale(s.Link(), todo.LastIn)
	return s.render(v, "work", view, 200)
}

// workGroups are the lists of the visitor, in the fixed order: what is urgent, what
// is overdue, what is due soon, what is to be accepted, what came back, what was not
// sent. Each sees what is theirs.
func (v *visit) workGroups(todo office.Work, own handling.Todo) (groups []WorkGroup) {
	add := func(id string, who account.Right, more string, unlisted int, rows ...[]WorkRow) {
		g := WorkGroup{ID: id, Title: v.t("web.work." + id), Rows: slices.Concat(rows...)}
		if g.Count = len(g.Rows) + unlisted; g.Count == 0 || !v.may(who) {
			return
		}
		if g.Count > workShown {
			g.Rows, g.More = g.Rows[:min(len(g.Rows), workShown)], more
		}
		groups = append(groups, g)
	}
	sending := account.Send
	if v.may(account.Accounts) { // who runs the box sees what it does not bring away
		sending = account.Accounts
	}
	c := todo.Count
	const mine, unaccepted = "/viec-cua-toi", "/van-ban-den?loc=chua-tiep-nhan"
	add("urgent", account.Direct, unaccepted, unlisted(c.Urgent, todo.Urgent), each(todo.Urgent, v.workIn), each(own.Pressing, v.workWaiting))
	add("opinion", account.Direct, "", 0, each(own.Opinion, v.workWaiting))
	add("overdue", account.Handle, mine, 0, each(own.Overdue, v.workDue))
	add("soon", account.Handle, mine, 0, each(own.Soon, v.workDue))
	add("to-accept", account.Answer, unaccepted, unlisted(c.ToAccept, todo.ToAccept), each(todo.ToAccept, v.workIn))
	add("requests", account.Answer, "/van-ban-den", unlisted(c.Requests, todo.Requests), each(todo.Requests, v.workRequest))
	add("unhanded", account.Direct, "", 0, each(own.Unhanded, v.workDue))
	add("returned", account.Send, "/van-ban-di?loc=bi-tra-lai", unlisted(c.Returned, todo.Returned), each(todo.Returned, v.workBack))
	add("failed", sending, "/van-ban-di?loc=khong-gui-duoc", unlisted(c.Failed, todo.Failed), each(todo.Failed, v.workBack))
	add("unsent", sending, "/hop-gui", unlisted(c.Unsent, todo.Unsent), each(todo.Unsent, v.workUnsent))
	add("mine", account.Handle, mine, 0, each(own.Mine, v.workWaiting))
	add("inform", account.Handle, mine, 0, each(own.Inform, v.workWaiting))
	return groups
}

// unlisted is how many there are besides those that are listed.
func unlisted(count int, list []office.Document) int { return max(0, count-len(list)) }

// each makes a row of each item of a list.
func each[T any](list []T, row func(T) WorkRow) []WorkRow {
	rows := make([]WorkRow, len(list))
	for i, item := range list {
		rows[i] = row(item)
	}
	return rows
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
