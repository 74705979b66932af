package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/command"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/storage/audit"
)

// DeviceView is one box: a verdict first, then what it rests on.
type DeviceView struct {
	page.Page
	Done     string
	Heading  string
	Verdict  string
	Tag      page.Tag
	Stale    string // since when the figures are of before
	Band     []BandPart
	BandText string
	Bands    page.Grid
	Sections []page.Section
}

const (
	bandSpan    = 7 * 24 * time.Hour
	eventsShown = 20
)

func (s *site) device(ctx context.Context, v *page.Visit) error {
	return s.showDevice(ctx, v, nil)
}

// showDevice shows a box; failed is what a form of it could not do.
func (s *site) showDevice(ctx context.Context, v *page.Visit, failed error) error {
	d, err := s.Fleet.Get(ctx, scope(v), v.R.PathValue("code"))
	if err != nil {
		return err
	}
	w, a := s.say(v), d.Agent
	view := DeviceView{Page: s.Page(ctx, v, w.name(a), devicesPath), Heading: w.name(a), Tag: w.tag(a), Verdict: w.verdict(a)}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), deviceHref(d.Code)
	if key := "console.done." + v.R.URL.Query().Get("xong"); failed == nil && i18n.Has(key) {
		view.Done = v.T(key, i18n.Args{"name": w.name(a)})
	}
	if d.State == fleet.OutOfContact || d.State == fleet.OutOfContactGroup {
		view.Stale = v.T("console.device.stale", i18n.Args{"time": w.Clock(latest(d.Beat, d.Seen))})
	}
	bands, err := s.Fleet.Bands(ctx, d.Code, bandSpan)
	if err != nil {
		return fmt.Errorf("read history of a box: %w", err)
	}
	view.Band, view.Bands = w.band(bands)
	view.BandText = v.T("console.band.title")
	events, err := s.Fleet.Events(ctx, d.Code, eventsShown)
	if err != nil {
		return fmt.Errorf("read events of a box: %w", err)
	}
	inputs := w.actInputs()
	var errs []page.FieldError
	if failed != nil {
		errs = v.Mistakes(failed, inputs, "")
	}
	view.Sections = []page.Section{
		{Title: v.T("console.device.queue"), Facts: w.queueFacts(a)},
		{Title: v.T("console.device.box"), Facts: w.boxFacts(d)},
		{Title: v.T("console.device.events"), Grid: w.events(events)},
	}
	if v.May(account.Order) {
		orders, err := s.Orders.List(ctx, command.Query{Office: d.Code})
		if err != nil {
			return fmt.Errorf("list orders to a box: %w", err)
		}
		ordering := w.orderInputs()
		if failed != nil {
			errs = v.Mistakes(failed, slices.Concat(inputs, ordering), "")
			for i := range ordering {
				if j := slices.IndexFunc(errs, func(e page.FieldError) bool { return e.Field == ordering[i].ID }); j >= 0 {
					ordering[i].Error = errs[j].Text
				}
			}
		}
		view.Sections = append(view.Sections, w.ordering(d, orders, ordering)...)
	}
	if v.May(account.Pause) {
		view.Sections = append(view.Sections, w.pausing(d))
	}
	if v.May(account.Revoke) {
		view.Sections = append(view.Sections, w.acts(d, inputs)...)
	}
	view.SetErrors(errs)
	status := http.StatusOK
	if failed != nil {
		status = page.StatusOf(problem.From(failed))
	}
	return s.Render(v, "device", view, status)
}

// verdict is how a box stands, in a sentence.
func (w words) verdict(d fleet.Agent) string {
	args := i18n.Args{"name": w.name(d), "seen": w.seen(d), "span": i18n.Span(w.Lang, w.Now.Sub(d.StateSince)), "time": w.Clock(d.StateSince), "n": d.Waiting}
	text := w.T("console.verdict."+d.State.String(), args)
	if d.StateSince.IsZero() && d.State != fleet.NotEnrolled {
		text = w.state(d.State)
	}
	var more []string
	if why := w.reason(d); why != "" {
		more = append(more, w.T("console.verdict.reason", i18n.Args{"why": why}))
	}
	if d.Waiting > 0 {
		more = append(more, w.T("console.verdict.waiting", args))
	}
	return strings.Join(append([]string{text}, more...), " ")
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w words) queueFacts(d fleet.Agent) []page.Fact {
	facts := []page.Fact{{Name: w.T("console.col.queue"), Value: w.queue(d)}, {Name: w.T("console.col.waiting"), Value: w.T("console.bundles", i18n.Args{"n": d.Waiting})}}
	if !d.Beat.IsZero() {
		facts = append(facts, page.Fact{Name: w.T("console.device.told"), Value: page.Full(d.Beat)})
	}
	return facts
}

func (w words) boxFacts(r fleet.Report) []page.Fact {
	d := r.Agent
	facts := []page.Fact{
		{Name: w.T("console.col.code"), Value: d.Code}, {Name: w.T("console.col.cluster"), Value: w.cluster(d.Cluster)},
		{Name: w.T("console.col.seen"), Value: w.seen(d)}, {Name: w.T("console.col.software"), Value: d.Software},
		{Name: w.T("console.col.certificate"), Value: w.certificate(d)}, {Name: w.T("console.col.disk"), Value: w.disk(d)},
		{Name: w.T("console.col.clock"), Value: w.offset(d)}, {Name: w.T("console.col.sim"), Value: w.sim(d)},
	}
	return slices.DeleteFunc(facts, func(f page.Fact) bool { return f.Value == "" || f.Value == "–" })
}

// events is what the audit log says of an office.
func (w words) events(rows []audit.Row) page.Grid {
	g := page.Grid{Caption: w.T("console.device.events"), Empty: w.T("console.device.no-events"),
		Head: []string{w.T("console.event.at"), w.T("console.event.what"), w.T("console.event.who")}}
	for _, r := range rows {
		what := r.Action
		if key := "console.event." + r.Action; i18n.Has(key) {
			what = w.T(key)
		}
		g.Rows = append(g.Rows, []page.Cell{{Text: page.Full(r.At)}, {Text: what}, {Text: r.Actor}})
	}
	return g
}

// actInputs are the fields of the forms of acts: reason and confirmation of a
// revocation, confirmation of a new invite.
func (w words) actInputs() []page.Input {
	in := page.Input{ID: "reason", Name: "reason", Kind: "select", Label: w.T("console.revoke.reason"),
		Options: []page.Option{{Text: w.T("console.choose")}}}
	for _, r := range ca.Reasons() {
		in.Options = append(in.Options, page.Option{Value: string(r), Text: w.T("console.revoke." + string(r))})
	}
	return []page.Input{in, {ID: "sure", Name: "sure", Kind: "check", Value: "1", Label: w.T("console.revoke.sure")},
		{ID: "replace", Name: "replace", Kind: "check", Value: "1", Label: w.T("console.reinvite.sure")}}
}

// acts are what can be done to a box; each says what it does before.
func (w words) acts(d fleet.Report, inputs []page.Input) []page.Section {
	base := deviceHref(d.Code)
	return []page.Section{
		{Title: w.T("console.reinvite.title"), Text: w.T("console.reinvite.text"), Forms: []page.Form{{Action: base + "/moi-lai",
			Inputs:  inputs[2:],
			Buttons: []page.Button{{Text: w.T("console.reinvite.go"), Tone: "plain"}}}}},
		{Title: w.T("console.release.title"), Text: w.T("console.release.text"), Forms: []page.Form{{Action: base + "/quen",
			Buttons: []page.Button{{Text: w.T("console.release.go"), Tone: "plain"}}}}},
		{Title: w.T("console.revoke.title"), Text: w.T("console.revoke.text"), Forms: []page.Form{{Action: base + "/thu-hoi", Inputs: inputs[:2],
			Buttons: []page.Button{{Text: w.T("console.revoke.go"), Tone: "warn"}}}}},
	}
}

// pausing stops or resumes watching a box.
func (w words) pausing(d fleet.Report) page.Section {
	form, key := page.Form{Action: deviceHref(d.Code) + "/tam-dung", Buttons: []page.Button{{Text: w.T("console.pause.go"), Name: "viec", Value: "tam-dung", Tone: "plain"}}}, "console.pause.text"
	if !d.Paused.IsZero() {
		form.Buttons, key = []page.Button{{Text: w.T("console.resume.go"), Name: "viec", Value: "theo-doi", Tone: "plain"}}, "console.resume.text"
	}
	return page.Section{Title: w.T("console.pause.title"), Text: w.T(key, i18n.Args{"time": w.Clock(d.Paused)}), Forms: []page.Form{form}}
}

func (s *site) pause(ctx context.Context, v *page.Visit) error {
	what := v.R.PostFormValue("viec")
	if what != "tam-dung" && what != "theo-doi" {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	return s.act(ctx, v, what, func(d fleet.Report) error {
		return s.Fleet.Pause(ctx, d.Code, what == "tam-dung", v.Session.User.Name)
	})
}

// act does what a form of a box asks for, and leads back to it.
func (s *site) act(ctx context.Context, v *page.Visit, done string, do func(d fleet.Report) error) error {
	d, err := s.Fleet.Get(ctx, scope(v), v.R.PathValue("code"))
	if err != nil {
		return err
	}
	if err := do(d); err != nil {
		if !page.Mendable(err) {
			return err
		}
		return s.showDevice(ctx, v, err)
	}
	v.Redirect(deviceHref(d.Code) + "?xong=" + done)
	return nil
}

// sure is the problem of a form whose box "I am sure" was left open, nil when it
// was not.
func sure(v *page.Visit, name string) error {
	if v.R.PostFormValue(name) == "1" {
		return nil
	}
	return problem.New(problem.Usage, "console.sure", name, nil)
}

func (s *site) revoke(ctx context.Context, v *page.Visit) error {
	return s.act(ctx, v, "thu-hoi", func(d fleet.Report) error {
		reason := ca.Reason(v.R.PostFormValue("reason"))
		if !slices.Contains(ca.Reasons(), reason) {
			return problem.New(problem.Usage, "console.no-reason", "reason", nil)
		}
		if err := sure(v, "sure"); err != nil {
			return err
		}
		return s.Trust.Revoke(ctx, d.Code, reason, v.Session.User.Name)
	})
}

func (s *site) release(ctx context.Context, v *page.Visit) error {
	return s.act(ctx, v, "quen", func(d fleet.Report) error { return s.Trust.Release(ctx, d.Code, v.Session.User.Name) })
}

// reinvite revokes a box and makes the invite of the one that takes its place.
func (s *site) reinvite(ctx context.Context, v *page.Visit) error {
	d, err := s.Fleet.Get(ctx, scope(v), v.R.PathValue("code"))
	if err != nil {
		return err
	}
	if err := sure(v, "replace"); err != nil {
		return s.showDevice(ctx, v, err)
	}
	batch := d.Code + "-" + v.Now.In(page.Zone).Format("2006-01-02")
	_, err = s.Invites.Replace(ctx, d.Code, ca.InviteOptions{Batch: batch, By: v.Session.User.Name})
	if err != nil {
		if !page.Mendable(err) {
			return err
		}
		return s.showDevice(ctx, v, err)
	}
	v.Redirect(batchHref(batch) + "&xong=lam")
	return nil
}
