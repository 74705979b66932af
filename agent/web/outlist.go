package web

import (
	"context"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

// OutgoingView is the list of documents sent.
type OutgoingView struct {
	Page
	List    ListPart
	Rows    []OutgoingRow
	Entered string // what was just entered, "" for nothing
	MayBook bool
}

// OutgoingRow is one document sent.
type OutgoingRow struct {
	Href, Day, Symbol, Subject, To string
	Urgent                         Urgent
	State                          Tag
	Progress                       string // "4/5 nơi đã tiếp nhận"
	Remarks                        []Tag
	New                            bool // just entered
	Recipients                     []RecipientRow
	More                           string // how many recipients more there are
}

// RecipientRow is one addressee inside a row.
type RecipientRow struct {
	Name, Reason string
	State, Ask   Tag
}

// maxRecipients is how many recipients a row lists; the document's page has all.
const maxRecipients = 12

func (s *site) outgoing(ctx context.Context, v *visit) error { return s.outgoingList(ctx, v, nil) }

// outgoingList shows the list; failed are the mistakes in keeping a filter.
func (s *site) outgoingList(ctx context.Context, v *visit, failed []FieldError) error {
	l, page, err := s.listing(ctx, v, outgoingList)
	if err != nil {
		return err
	}
	view := OutgoingView{Page: s.page(ctx, v, v.t("web.menu.outgoing"), "/van-ban-di"), List: l.part, MayBook: v.may(account.Send)}
	view.Styles = s.some("lists.css")
	status := l.finish(&view.Page, failed)
	fresh := ""
	view.Entered, fresh = v.entered(page.Documents)
	for _, d := range page.Documents {
		row := v.outgoingRow(d)
		row.New = d.ID.String() == fresh
		view.Rows = append(view.Rows, row)
	}
	if link := s.Link(); !link.Up && !link.Since.IsZero() {
		view.List.Stale = v.t("web.out.as-of", i18n.Args{"time": v.clock(link.Since)})
	}
	return s.render(v, "outgoing", view, status)
}

func (v *visit) outgoingRow(d office.Document) OutgoingRow {
	row := OutgoingRow{Href: boxPath(d), Day: listDay(d), Symbol: symbol(d), Subject: d.Subject,
		To: v.recipientsShort(d), Urgent: v.urgent(d.Urgency), State: v.stateTag(d.State), Remarks: v.remarks(d)}
	if len(d.To) == 1 {
		if t := v.askTag(d.To[0]); t.Text != "" {
			row.Remarks = append(row.Remarks, t)
		}
	}
	if len(d.To) > 1 && d.Medium != office.Paper {
		row.Progress = v.furthest(d)
		for _, r := range d.To[:min(len(d.To), maxRecipients)] {
			row.Recipients = append(row.Recipients, RecipientRow{partyName(r.Party), r.ReasonIn(v.lang), v.stateTag(r.State), v.askTag(r)})
		}
		if more := len(d.To) - len(row.Recipients); more > 0 {
			row.More = v.t("web.lists.more-recipients", i18n.Args{"n": more})
		}
	}
	return row
}

// furthest counts the recipients at the furthest step that any reached.
func (v *visit) furthest(d office.Document) string {
	count := map[office.State]int{}
	asked := 0
	for _, r := range d.To {
		count[r.State]++
		if r.Recall != nil {
			asked++
		}
	}
	switch {
	case d.State == office.Withdrawn:
		return ""
	case asked > 0:
		return v.t("web.out.count.recalled", i18n.Args{"n": count[office.Recalled], "all": asked})
	}
	for _, s := range []office.State{office.Accepted, office.Delivered} {
		n := count[s]
		if s == office.Delivered {
			n += count[office.Accepted] + count[office.Returned]
		}
		if n > 0 {
			return v.t("web.out.count."+string(s), i18n.Args{"n": n, "all": len(d.To)})
		}
	}
	return v.t("web.out.count.none", i18n.Args{"all": len(d.To)})
}
