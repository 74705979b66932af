package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// OverviewView is how everything stands, on one screen.
type OverviewView struct {
	page.Page
	Empty    bool // no office was ever invited
	Steps    []Step
	AsOf     string
	Figures  []Figure
	States   []Figure
	Clusters []ClusterTile
	Table    page.Grid
	Todo     []Todo
	MoreTodo page.Option // the rest of them
	Chart    DayChart
}

// Step is one of those that lead from nothing to a running province.
type Step struct{ Text, Command string }

// Figure is a number that leads to the list of what it counts; Note says more.
type Figure struct{ Tone, Number, Text, Note, Href string }

// ClusterTile is the boxes of a cluster as a drawing, and what it says.
type ClusterTile struct {
	Href, Name, Text string
	Look             bool // somebody should
	Width, Height    int
	Runs             []Run
}

// Todo is one thing that somebody should look at.
type Todo struct {
	Href, Text, Note string
	Tag              page.Tag
}

// Bounds of the page.
const (
	// todoShown is how many things to do it lists; it says how many more there are.
	todoShown = 10
	// certSoon is when a certificate that is not renewed is something to do.
	certSoon = 30 * 24 * time.Hour
	// inviteSoon is when an invite that nobody has used is something to do.
	inviteSoon = 3 * 24 * time.Hour
)

// troubled are the states that ask for somebody.
var troubled = []fleet.State{fleet.NeedsRepair, fleet.OutOfContact, fleet.OutOfContactGroup}

func (s *site) overview(ctx context.Context, v *page.Visit) error {
	o, err := s.Fleet.Overview(ctx, scope(v))
	if err != nil {
		return fmt.Errorf("read how the boxes stand: %w", err)
	}
	view := OverviewView{Page: s.Page(ctx, v, v.T("console.overview.title"), homePath), AsOf: v.T("console.as-of", i18n.Args{"time": clock(o.At)})}
	view.Styles = s.Some("console.css")
	total := 0
	counts := map[fleet.State]int{}
	for _, c := range o.Clusters {
		total += c.Total
		for state, n := range c.Counts {
			counts[state] += n
		}
	}
	if view.Empty = total == 0; view.Empty {
		view.Styles = append(view.Styles, s.Some("admin.css")...)
		view.Steps = s.firstSteps(v)
		return s.Render(v, "overview", view, http.StatusOK)
	}
	for _, state := range stateOrder {
		if n := counts[state]; n > 0 || state == fleet.Normal {
			view.States = append(view.States, Figure{state.String(), v.Count(n), s.say(v).state(state), "", stateHref(state)})
		}
	}
	if err := s.figures(ctx, v, &view, o); err != nil {
		return err
	}
	if view.Chart, err = s.chart(ctx, v); err != nil {
		return err
	}
	view.Clusters, view.Table = s.say(v).clusters(o.Clusters), s.say(v).clusterTable(o.Clusters)
	return s.Render(v, "overview", view, http.StatusOK)
}

// firstSteps lead from nothing to the first box.
func (s *site) firstSteps(v *page.Visit) []Step {
	return []Step{
		{v.T("console.first.list"), "code,name,parent,kind\n" + s.Code + ".01,UBND xã An Bình," + s.Code + ",xa"},
		{v.T("console.first.invite"), "tram-hub invite create --csv danh-sach-xa.csv --out moi"},
		{v.T("console.first.enroll"), "tram enroll moi"},
	}
}

func stateHref(state fleet.State) string {
	return devicesPath + "?" + url.Values{"trang-thai": {state.String()}}.Encode()
}

// figures fills in what is counted besides states, and what is to be done.
func (s *site) figures(ctx context.Context, v *page.Visit, view *OverviewView, o Overview) error {
	soon, err := s.Fleet.Count(ctx, scope(v), fleet.Query{CertificateWithin: certSoon})
	if err != nil {
		return fmt.Errorf("count certificates: %w", err)
	}
	if err := s.dutyFigures(ctx, v, view); err != nil {
		return err
	}
	view.Figures = append(view.Figures, []Figure{
		{"", v.Count(o.Waiting), v.T("console.figure.waiting"), "", devicesPath},
		{tone(soon), v.Count(soon), v.T("console.figure.certs", i18n.Args{"days": int(certSoon / (24 * time.Hour))}), "", devicesPath + "?chung-thu=30"},
	}...)
	bad, err := s.Fleet.Page(ctx, scope(v), fleet.Query{States: troubled, Sort: "state", Limit: todoShown})
	if err != nil {
		return fmt.Errorf("list boxes in trouble: %w", err)
	}
	troubles, err := s.Fleet.Count(ctx, scope(v), fleet.Query{States: troubled})
	if err != nil {
		return fmt.Errorf("count boxes in trouble: %w", err)
	}
	for _, d := range o.Doubted {
		view.Todo = append(view.Todo, s.say(v).todo(d))
	}
	if v.May(account.Trust) {
		if err := s.trustFigures(ctx, v, view); err != nil {
			return err
		}
	}
	for _, d := range bad.Agents {
		if d.Log.IsZero() && d.Copy.IsZero() { // these are there already
			view.Todo = append(view.Todo, s.say(v).todo(d))
		}
	}
	rest := len(view.Todo) - todoShown + troubles - len(bad.Agents)
	view.Todo = view.Todo[:min(len(view.Todo), todoShown)]
	if rest > 0 {
		q := url.Values{"trang-thai": {"can-xem"}}
		view.MoreTodo = page.Option{Value: devicesPath + "?" + q.Encode(), Text: v.T("console.todo.more", i18n.Args{"n": rest})}
	}
	return nil
}

// dutyFigures puts first what cannot wait: urgent documents that have not arrived, and
// incidents.
func (s *site) dutyFigures(ctx context.Context, v *page.Visit, view *OverviewView) error {
	u, err := s.Duty.Undelivered(ctx, scope(v))
	if err != nil {
		return fmt.Errorf("read urgent documents: %w", err)
	}
	open, err := s.Duty.Incidents(ctx, scope(v), duty.Query{Open: true})
	if err != nil {
		return fmt.Errorf("read incidents: %w", err)
	}
	view.Figures = append(view.Figures,
		Figure{tone(len(u.Documents)), v.Count(len(u.Documents)), v.T("console.figure.urgent"), "", urgentPath},
		Figure{tone(len(open.Incidents)), v.Count(len(open.Incidents)), v.T("console.figure.incidents"), "", incidentsPath})
	for i := range open.Incidents[:min(len(open.Incidents), todoShown)] {
		one := &open.Incidents[i]
		view.Todo = append(view.Todo, Todo{incidentHref(one.ID), duty.Title(one, v.Lang, s.Hub.Name), s.say(v).incidentState(one),
			page.Tag{Text: v.T("incident.severity." + string(one.Severity)), Tone: severityTones[one.Severity]}})
	}
	return nil
}

func tone(n int) string {
	if n > 0 {
		return "amber"
	}
	return ""
}

// trustFigures counts the waiting room and the invites.
func (s *site) trustFigures(ctx context.Context, v *page.Visit, view *OverviewView) error {
	room, err := s.Trust.WaitingRoom(ctx, false)
	if err != nil {
		return fmt.Errorf("read the waiting room: %w", err)
	}
	invites, err := s.Invites.Invites(ctx)
	if err != nil {
		return fmt.Errorf("read invites: %w", err)
	}
	open := 0
	var ending []ca.InviteInfo
	for _, i := range invites {
		if i.State != ca.InviteOpen {
			continue
		}
		open++
		if i.NotAfter.Sub(v.Now) < inviteSoon {
			ending = append(ending, i)
		}
	}
	view.Figures = append(view.Figures,
		Figure{tone(len(room)), v.Count(len(room)), v.T("console.figure.room"), "", waitingPath},
		Figure{"", v.Count(open), v.T("console.figure.invites"), "", invitesPath + "?trang-thai=" + string(ca.InviteOpen)})
	for _, w := range room {
		view.Todo = append(view.Todo, Todo{waitingPath, cmp.Or(w.Name, w.Code), v.T("console.waiting.why." + string(w.Reason)),
			page.Tag{Text: v.T("console.waiting.tag"), Tone: "amber"}})
	}
	slices.SortFunc(ending, func(a, b ca.InviteInfo) int { return a.NotAfter.Compare(b.NotAfter) })
	for _, i := range ending[:min(len(ending), todoShown)] {
		view.Todo = append(view.Todo, Todo{batchHref(i.Batch), i.Name, v.T("console.todo.invite", i18n.Args{"day": page.Day(i.NotAfter)}),
			page.Tag{Text: v.T("console.invites.title"), Tone: "grey"}})
	}
	return nil
}
