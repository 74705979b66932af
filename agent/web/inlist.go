package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
	"tram/storage"
)

// IncomingView is the list of incoming documents.
type IncomingView struct {
	Page
	List    ListPart
	Coming  []ComingRow
	Rows    []IncomingRow
	Entered string // what was just entered, "" for nothing
	MayBook bool
	Stick   bool // offer the exchange by stick
}

// IncomingRow is one incoming document in the list.
type IncomingRow struct {
	Href, Arrival, Day, From string
	Symbol, Subject          string
	Urgent                   Urgent
	State                    Tag
	Marks                    []Tag // verdicts on the seal and on the signatures in the files
	Remarks                  []Tag // recalled, replaced, updated
	Due                      Tag   // "" for no deadline, or for one that was met
	New                      bool  // just entered
}

// Arriving is a document that is coming in. Only its envelope is known.
type Arriving struct {
	ID         storage.ID
	From       string // office code
	Urgency    office.Urgency
	Size, Here int64 // bytes as they travel, and how many of them are safe on this machine
	Held       bool  // it does not come over the present line
}

// ComingRow is a document that is coming in.
type ComingRow struct {
	From, Line string
	Urgent     Urgent
	State      Tag
}

// maxComing is how many of those that come in a page shows; it says how many more
// there are.
const maxComing = 20

func (s *site) arriving() []Arriving {
	if s.Options.Arriving == nil {
		return nil
	}
	return s.Options.Arriving()
}

func (s *site) incoming(ctx context.Context, v *visit) error { return s.incomingList(ctx, v, nil) }

// incomingList shows the list; failed are the mistakes in keeping a filter.
func (s *site) incomingList(ctx context.Context, v *visit, failed []FieldError) error {
	l, page, err := s.listing(ctx, v, incomingList)
	if err != nil {
		return err
	}
	view := IncomingView{Page: s.page(ctx, v, v.t("web.menu.incoming"), "/van-ban-den"), List: l.part, MayBook: v.may(account.Answer), Stick: v.may(account.Stick)}
	view.Styles = s.some("lists.css")
	status := l.finish(&view.Page, failed)
	fresh := ""
	view.Entered, fresh = v.entered(page.Documents)
	due, err := s.deadlines(ctx, v, page.Documents)
	if err != nil {
		return err
	}
	for _, d := range page.Documents {
		row := IncomingRow{Due: due[d.ID], Href: boxPath(d), Day: listDay(d), New: d.ID.String() == fresh, From: partyName(d.From),
			Symbol: symbol(d), Subject: d.Subject, Urgent: v.urgent(d.Urgency), State: v.incomingTag(d), Marks: v.marks(d), Remarks: v.remarks(d)}
		if d.Arrival > 0 {
			row.Arrival = strconv.Itoa(d.Arrival)
		}
		if d.State == office.Accepted { // its number stands in a column of its own
			row.State.Text = v.t("web.in.accepted")
		}
		view.Rows = append(view.Rows, row)
	}
	if len(l.part.Active) == 0 && page.Before == 0 {
		view.Coming = s.coming(ctx, v)
	}
	sum, err := s.Office.Summary(ctx)
	if err != nil {
		return fmt.Errorf("read summary: %w", err)
	}
	view.List.Stale = v.stale(s.Link(), sum.LastIn)
	return s.render(v, "incoming", view, status)
}

// finish shows mistakes in the filters, or in keeping them, and tells the status.
func (l *listVisit) finish(p *Page, failed []FieldError) int {
	p.Path = linkTo(l.kind.path, l.values)
	if errs := append(l.errs, failed...); len(errs) > 0 {
		p.setErrors(l.visit, errs)
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// coming words what is on its way to this office.
func (s *site) coming(ctx context.Context, v *visit) (rows []ComingRow) {
	all := s.arriving()
	for _, a := range all[:min(len(all), maxComing)] {
		row := ComingRow{From: a.From, Urgent: v.urgent(a.Urgency)}
		if p, err := s.Directory.Lookup(ctx, a.From); err == nil {
			row.From = partyName(p)
		}
		done := percent(office.Progress{Sent: a.Here, Total: a.Size})
		row.State = Tag{v.t("web.lists.coming", i18n.Args{"n": done}), "blue"}
		row.Line = formatPair(v.lang, a.Here, a.Size)
		switch {
		case a.Held:
			row.State.Tone, row.Line = "grey", joinDots(row.Line, v.t("web.lists.coming-held"))
		case !s.Link().Up:
			row.State.Tone, row.Line = "grey", joinDots(row.Line, v.t("web.lists.coming-down"))
		}
		rows = append(rows, row)
	}
	if more := len(all) - len(rows); more > 0 {
		rows = append(rows, ComingRow{From: v.t("web.lists.coming-more", i18n.Args{"n": more})})
	}
	return rows
}
