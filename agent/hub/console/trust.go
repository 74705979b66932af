package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/fold"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// matches tells whether text is in one of the values, whatever their diacritics.
func matches(text string, values ...string) bool {
	text = fold.String(text)
	return slices.ContainsFunc(values, func(value string) bool { return strings.Contains(fold.String(value), text) })
}

// waiting shows the boxes that somebody has to decide on, each with why it waits
// and what to do before deciding.
func (s *site) waiting(ctx context.Context, v *page.Visit) error {
	room, err := s.Trust.WaitingRoom(ctx, true)
	if err != nil {
		return fmt.Errorf("read the waiting room: %w", err)
	}
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.waiting.title"), waitingPath), Heading: v.T("console.waiting.title")}
	var decided []page.Section
	grid := page.Grid{Caption: v.T("console.waiting.decided"), Head: []string{v.T("console.col.name"), v.T("console.waiting.reason"), v.T("console.waiting.last"), v.T("console.waiting.decision")}}
	for _, w := range room {
		if w.Decision == ca.Undecided {
			view.Sections = append(view.Sections, s.say(v).waitingOne(w))
			continue
		}
		tone := map[ca.Decision]string{ca.Admitted: "green", ca.Refused: "grey"}[w.Decision]
		grid.Rows = append(grid.Rows, []page.Cell{{Text: w.Name, Note: w.Code}, {Text: v.T("console.waiting.why." + string(w.Reason))}, {Text: page.Full(w.Last)},
			{Tag: page.Tag{Text: v.T("console.waiting." + string(w.Decision)), Tone: tone}}})
	}
	if len(view.Sections) == 0 {
		view.Sections = []page.Section{{Text: v.T("console.waiting.empty", i18n.Args{"time": v.Clock(v.Now)})}}
	}
	if len(grid.Rows) > 0 {
		decided = []page.Section{{Title: v.T("console.waiting.decided"), Grid: grid}}
	}
	view.Sections = append(view.Sections, decided...)
	return s.show(v, view)
}

// waitingOne is a box that waits.
func (w words) waitingOne(box ca.Waiting) page.Section {
	part := page.Section{Title: w.T("console.waiting.one", i18n.Args{"name": box.Name, "code": box.Code}),
		Notices: []page.Notice{{Tone: "amber", Text: w.T("console.waiting.why." + string(box.Reason)), Fix: w.T("console.waiting.fix." + string(box.Reason))}},
		Facts: []page.Fact{
			{Name: w.T("console.waiting.keys"), Value: box.Keys}, {Name: w.T("console.waiting.remote"), Value: box.Remote},
			{Name: w.T("console.waiting.first"), Value: page.Full(box.First)},
			{Name: w.T("console.waiting.last"), Value: w.T("console.waiting.tries", i18n.Args{"time": page.Full(box.Last), "n": box.Tries})},
		}}
	if w.May(account.Admit) {
		part.Forms = []page.Form{{Action: waitingPath + "/" + strconv.FormatInt(box.ID, 10), Buttons: []page.Button{
			{Text: w.T("console.waiting.admit"), Name: "viec", Value: string(ca.Admitted), Tone: "plain"},
			{Text: w.T("console.waiting.refuse"), Name: "viec", Value: string(ca.Refused), Tone: "warn"},
		}}}
	} else {
		part.Text = w.T("console.waiting.not-yours")
	}
	return part
}

func (s *site) decide(ctx context.Context, v *page.Visit) error {
	id, err := strconv.ParseInt(v.R.PathValue("id"), 10, 64)
	d := ca.Decision(v.R.PostFormValue("viec"))
	if err != nil || d != ca.Admitted && d != ca.Refused {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if _, err := s.Trust.Decide(ctx, id, d, v.Session.User.Name); err != nil {
		return err
	}
	v.Redirect(waitingPath + "?xong=" + string(d))
	return nil
}

// certificates says how the CA stands and lists the offices' certificates.
func (s *site) certificates(ctx context.Context, v *page.Visit) error {
	certs, err := s.Trust.Certificates(ctx)
	if err != nil {
		return fmt.Errorf("list certificates: %w", err)
	}
	q := v.R.URL.Query()
	text, soon, from := strings.TrimSpace(q.Get("tu")), q.Get("trong"), at(q.Get("tu-dong"))
	certs = slices.DeleteFunc(certs, func(c ca.Certificate) bool {
		return text != "" && !matches(text, c.Code, c.Serial) || soon != "" && c.Until.Sub(v.Now) > certSoon
	})
	view := BoardView{Page: s.trustPage(ctx, v, v.T("console.certs.title"), certsPath), Heading: v.T("console.certs.title")}
	from = min(from, len(certs))
	until := min(from+invitesShown, len(certs))
	inputs := []page.Input{
		{ID: "tu", Name: "tu", Kind: "text", Label: v.T("console.certs.text"), Value: text},
		{ID: "trong", Name: "trong", Kind: "select", Label: v.T("console.certs.ends"), Options: []page.Option{
			{Text: v.T("console.filter.any")}, {Value: "30", Text: v.T("console.filter.days", i18n.Args{"n": int(certSoon / (24 * time.Hour))}), Chosen: soon != ""}}},
	}
	view.Sections = []page.Section{
		{Title: v.T("console.ca.title"), Facts: s.say(v).authority(s.Hub.CA())},
		{Title: v.T("console.certs.list"), Forms: []page.Form{{Action: certsPath, Get: true, Inputs: inputs, Buttons: []page.Button{{Text: v.T("web.lists.go")}}}}},
		{Grid: s.say(v).certGrid(certs[from:until], s.Code)},
	}
	if s.Root != nil {
		view.Sections[0].Forms = []page.Form{{Action: rootPath, Get: true, Links: []page.Option{{Value: rootPath, Text: v.T("console.ca.root"), Chosen: true}}}}
	}
	view.Pager = s.say(v).pager(from, until, len(certs), func(n int) string {
		return linkTo(certsPath, url.Values{"tu": {text}, "trong": {soon}, "tu-dong": {strconv.Itoa(n)}})
	})
	return s.show(v, view)
}

// authority is how the CA stands.
func (w words) authority(a Authority) []page.Fact {
	facts := []page.Fact{
		{Name: w.T("console.ca.words"), Value: a.Words}, {Name: w.T("console.ca.fingerprint"), Value: a.Fingerprint},
		{Name: w.T("console.ca.until"), Value: page.Day(a.Until)},
		{Name: w.T("console.ca.phase"), Value: w.T("console.ca.phase." + string(a.Phase))},
	}
	if a.Phase != ca.Settled {
		facts = append(facts, page.Fact{Name: w.T("console.ca.since"), Value: page.Full(a.PhaseSince)}, page.Fact{Name: w.T("console.ca.next"), Value: a.Next})
	}
	return append(facts, page.Fact{Name: w.T("console.ca.pages"), Value: page.Day(a.PagesUntil)}, page.Fact{Name: w.T("console.ca.revoked"), Value: strconv.Itoa(a.Revoked)},
		page.Fact{Name: w.T("console.ca.endpoints"), Value: strings.Join(a.Endpoints, ", ")})
}

// certGrid lists certificates; hub is the code of the hub itself, which has no page.
func (w words) certGrid(list []ca.Certificate, hub string) page.Grid {
	g := page.Grid{Caption: w.T("console.certs.list"), Empty: w.T("console.certs.none"),
		Head: []string{w.T("console.col.code"), w.T("console.certs.unit"), w.T("console.certs.until"), w.T("console.col.state"), w.T("console.certs.serial")}}
	for _, c := range list {
		state, own := page.Tag{Text: w.T("console.certs.good"), Tone: "green"}, c.Code == hub
		switch {
		case own:
		case c.Revoked != nil:
			state = page.Tag{Text: w.T("console.certs.revoked"), Tone: "grey"}
		case c.Until.Before(w.Now):
			state = page.Tag{Text: w.T("console.certs.over"), Tone: "amber"}
		case !c.Received:
			state = page.Tag{Text: w.T("console.certs.sent"), Tone: "blue"}
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: c.Code, Href: map[bool]string{false: deviceHref(c.Code)}[own]}, {Text: w.T("tram.cert." + c.Unit)},
			{Text: page.Day(c.Until), Note: w.days(c.Until)}, {Tag: state}, {Text: c.Serial}})
	}
	return g
}
