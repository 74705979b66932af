package console

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/duty"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// urgentShown bounds the documents that the page of urgent ones shows.
const urgentShown = 100

// urgent shows the urgent documents that have not arrived, and whom to call.
func (s *site) urgent(ctx context.Context, v *page.Visit) error { return s.showUrgent(ctx, v, nil) }

func (s *site) showUrgent(ctx context.Context, v *page.Visit, failed error) error {
	u, err := s.Duty.Undelivered(ctx, scope(v))
	if err != nil {
		return err
	}
	view := BoardView{Page: s.Page(ctx, v, v.T("console.urgent.title"), urgentPath), Heading: v.T("console.urgent.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), urgentPath
	args := i18n.Args{"n": len(u.Documents), "time": clock(u.At)}
	if len(u.Documents) == 0 {
		view.Sections = []page.Section{{Text: v.T("console.urgent.none", args)}}
		return s.show(v, view)
	}
	view.Sections = []page.Section{{Text: v.T("console.urgent.count", args)}}
	w := s.say(v)
	var inputs []page.Input
	for i, d := range u.Documents[:min(len(u.Documents), urgentShown)] {
		section, in := w.urgentSection(i, d, v.May(account.Duty))
		view.Sections, inputs = append(view.Sections, section), append(inputs, in...)
	}
	if failed != nil {
		return s.mended(v, view, inputs, failed)
	}
	return s.show(v, view)
}

// urgentSection is one document with those who do not have it.
func (w words) urgentSection(i int, d duty.UndeliveredDocument, may bool) (page.Section, []page.Input) {
	g := page.Grid{Caption: w.T("console.urgent.waiting"), Head: []string{w.T("console.col.name"), w.T("console.urgent.phone"), w.T("console.urgent.waits"), w.T("console.urgent.box"), w.T("console.urgent.calls")}}
	in := page.Input{ID: fmt.Sprintf("office-%d", i), Name: "office", Kind: "select", Label: w.T("console.urgent.called")}
	for _, r := range d.Recipients {
		tone := "amber"
		if r.Late {
			tone = "red"
		}
		waits := page.Cell{Tag: page.Tag{Text: i18n.Span(w.Lang, time.Duration(r.Elapsed)*time.Second), Tone: tone}}
		if !r.Due.IsZero() {
			waits.Note = w.T("console.urgent.due", i18n.Args{"time": w.Clock(r.Due)})
		}
		g.Rows = append(g.Rows, []page.Cell{
			{Text: cmp.Or(r.Name, r.Code), Note: r.Code, Href: deviceHref(r.Code)}, {Text: cmp.Or(r.Phone, "–"), Whole: true}, waits, {Text: w.contact(r)}, {Text: w.calls(r.Calls)},
		})
		in.Options = append(in.Options, page.Option{Value: r.Code, Text: cmp.Or(r.Name, r.Code)})
	}
	section := page.Section{Grid: g, Title: w.T("console.urgent.document", i18n.Args{
		"urgency": w.T(fmt.Sprintf("hub.report.urgency.%d", d.Urgency)), "from": cmp.Or(d.FromName, d.From), "time": w.Clock(d.Taken), "left": len(d.Recipients), "of": d.Of,
	})}
	if !may {
		return section, nil
	}
	inputs := []page.Input{
		{Kind: "hidden", Name: "document", Value: d.ID.String()}, in,
		{ID: fmt.Sprintf("note-%d", i), Name: "note", Kind: "text", Label: w.T("console.urgent.note")},
	}
	section.Forms = []page.Form{{Action: urgentPath, Inputs: inputs, Buttons: []page.Button{{Text: w.T("console.urgent.called-go"), Tone: "plain"}}}}
	return section, inputs
}

// contact says whether the box of a recipient is there.
func (w words) contact(r duty.UndeliveredRecipient) string {
	switch {
	case r.Online:
		return w.T("console.urgent.online")
	case r.Seen.IsZero():
		return w.T("console.urgent.never")
	}
	return w.T("console.urgent.away", i18n.Args{"span": i18n.Span(w.Lang, w.Now.Sub(r.Seen))})
}

func (w words) calls(list []duty.Call) string {
	var all []string
	for _, c := range list {
		all = append(all, page.JoinDots(w.Clock(c.At), c.By, c.Note))
	}
	return cmp.Or(strings.Join(all, "; "), "–")
}

// called writes down that somebody called an office about a document.
func (s *site) called(ctx context.Context, v *page.Visit) error {
	document, err := uuid.Parse(v.R.PostFormValue("document"))
	if err != nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	err = s.Duty.Called(ctx, scope(v), duty.Call{Document: document, Office: v.R.PostFormValue("office"), Note: v.R.PostFormValue("note"), By: v.Session.User.Display})
	if err != nil {
		if !page.Mendable(err) {
			return err
		}
		return s.showUrgent(ctx, v, err)
	}
	v.Redirect(urgentPath + "?xong=goi")
	return nil
}
