package console

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"

	order "tram/agent/command"
	"tram/agent/hub/command"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

const (
	// MaxBulk is how many boxes one form may order; for more the list is to be narrowed.
	MaxBulk = 500
	// failuresShown is how many of those that could not be ordered a page names.
	failuresShown = 50
	// wholeList says that a form means all boxes of the filter, not those that are ticked.
	wholeList = "tat-ca"
)

// BulkForm is the form around the list of boxes; without Inputs there is none.
type BulkForm struct {
	Inputs []page.Input
	Chosen string // what the button for ticked boxes says
	All    string // what that for all of the filter says
	Hidden []page.Input
}

// bulkForm is for those who may order something.
func (w words) bulkForm(a asked, total int) BulkForm {
	f := BulkForm{Inputs: w.orderInputs(), Chosen: w.T("console.bulk.chosen"), All: w.T("console.bulk.all", i18n.Args{"n": total})}
	for _, name := range kept {
		if value := a.values.Get(name); value != "" {
			f.Hidden = append(f.Hidden, page.Input{Name: name, Kind: "hidden", Value: value})
		}
	}
	return f
}

// bulk is the boxes that a form means, and what of them can be ordered.
type bulk struct {
	boxes   []fleet.Agent
	cannot  []failure
	offline int
}

// failure is why a box is not ordered anything.
type failure struct {
	box fleet.Agent
	why *problem.Problem
}

// chosen are the boxes that a form means: those that are ticked, or all of the filter.
// Problems: console.bulk.none, console.bulk.too-many, hub.no-office.
func (s *site) chosen(ctx context.Context, v *page.Visit, a asked) (b bulk, err error) {
	var boxes []fleet.Agent
	if v.R.PostFormValue("pham-vi") == wholeList {
		total, err := s.Fleet.Count(ctx, scope(v), a.Query)
		if err != nil {
			return b, fmt.Errorf("count boxes: %w", err)
		}
		if total > MaxBulk {
			return b, problem.New(problem.Usage, "console.bulk.too-many", "main", i18n.Args{"n": total, "limit": MaxBulk})
		}
		a.Limit, a.After = MaxBulk, ""
		list, err := s.Fleet.Page(ctx, scope(v), a.Query)
		if err != nil {
			return b, fmt.Errorf("list boxes: %w", err)
		}
		boxes = list.Agents
	} else {
		codes := slices.Compact(slices.Sorted(slices.Values(v.R.PostForm["chon"])))
		if len(codes) > MaxBulk {
			return b, problem.New(problem.Usage, "console.bulk.too-many", "main", i18n.Args{"n": len(codes), "limit": MaxBulk})
		}
		for _, code := range codes {
			d, err := s.Fleet.Get(ctx, scope(v), code)
			if err != nil {
				return b, err
			}
			boxes = append(boxes, d.Agent)
		}
	}
	if len(boxes) == 0 {
		return b, problem.New(problem.Usage, "console.bulk.none", "main", nil)
	}
	for _, d := range boxes {
		if err := s.Orders.Check(ctx, d.Code); err != nil {
			if !page.Mendable(err) {
				return b, err
			}
			b.cannot = append(b.cannot, failure{d, problem.From(err)})
			continue
		}
		b.boxes = append(b.boxes, d)
		if !d.Online {
			b.offline++
		}
	}
	return b, nil
}

// orderMany orders many boxes to do something: first it shows which, then it gives each
// an order of its own. When others are meant than were shown it shows them again.
func (s *site) orderMany(ctx context.Context, v *page.Visit) error {
	a := ask(v.R.PostForm)
	o, err := orderOf(v)
	var b bulk
	if err == nil {
		b, err = s.chosen(ctx, v, a)
	}
	if err != nil {
		if !page.Mendable(err) {
			return err
		}
		return s.showDevices(ctx, v, a, err)
	}
	if v.R.PostFormValue("sure") != b.mark() {
		return s.previewOrders(ctx, v, a, o, b)
	}
	for _, d := range b.boxes {
		o.Office = d.Code
		if _, err := s.Orders.Give(ctx, o); err != nil {
			if !page.Mendable(err) {
				return fmt.Errorf("order %q: %w", d.Code, err)
			}
			b.cannot = append(b.cannot, failure{d, problem.From(err)})
		}
	}
	if len(b.cannot) == 0 {
		v.Redirect(ordersPath + "?xong=lenh-nhieu")
		return nil
	}
	return s.show(v, s.ordered(ctx, v, o.Command, b))
}

// mark stands for the boxes that were shown: how many, and which.
func (b bulk) mark() string {
	codes := make([]string, len(b.boxes))
	for i, d := range b.boxes {
		codes[i] = d.Code
	}
	slices.Sort(codes)
	sum := sha256.Sum256([]byte(strings.Join(codes, "\n")))
	return fmt.Sprintf("%d-%x", len(codes), sum[:8])
}

func (s *site) previewOrders(ctx context.Context, v *page.Visit, a asked, o command.Order, b bulk) error {
	w := s.say(v)
	args := i18n.Args{"order": w.command(o.Command), "n": len(b.boxes), "offline": b.offline}
	view := s.bulkPage(ctx, v, v.T("console.bulk.title", args), a)
	hidden := func(name, value string) page.Input { return page.Input{Name: name, Kind: "hidden", Value: value} }
	form := page.Form{Action: devicesPath + "/lenh", Inputs: []page.Input{hidden(actOrder, string(o.Command)), hidden("until", v.R.PostFormValue("until")), hidden("sure", b.mark())},
		Buttons: []page.Button{{Text: v.T("console.bulk.go", args)}}, Links: []page.Option{{Value: a.with("", ""), Text: v.T("console.preview.back")}}}
	if v.R.PostFormValue("pham-vi") == wholeList {
		form.Inputs = append(form.Inputs, hidden("pham-vi", wholeList))
		form.Inputs = append(form.Inputs, w.bulkForm(a, 0).Hidden...)
	} else {
		for _, d := range slices.Concat(b.boxes, b.left()) {
			form.Inputs = append(form.Inputs, hidden("chon", d.Code))
		}
	}
	sec := page.Section{Text: v.T("console.bulk.touches", args), Facts: []page.Fact{{Name: v.T("console.order.which"), Value: v.T("console.order.does." + string(o.Command))}}}
	if !o.Until.IsZero() {
		sec.Facts = append(sec.Facts, page.Fact{Name: v.T("console.order.held-until"), Value: page.Full(o.Until)})
	}
	if b.offline > 0 {
		sec.Notices = []page.Notice{{Text: v.T("console.bulk.offline", args)}}
	}
	if len(b.boxes) > 0 {
		sec.Forms = []page.Form{form}
	}
	view.Sections = []page.Section{sec}
	if first := b.boxes[:min(len(b.boxes), firstShown)]; len(first) > 0 {
		g := page.Grid{Caption: v.T("console.devices.title"), Head: []string{v.T("console.col.name"), v.T("console.col.cluster"), v.T("console.col.state"), v.T("console.col.seen")}}
		for _, d := range first {
			g.Rows = append(g.Rows, []page.Cell{{Text: w.name(d), Note: d.Code, Href: deviceHref(d.Code)}, {Text: w.cluster(d.Cluster)}, {Tag: w.tag(d)}, {Text: w.seen(d)}})
		}
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.preview.first", i18n.Args{"n": len(first), "all": len(b.boxes)}), Grid: g})
	}
	view.Sections = append(view.Sections, w.failures(b)...)
	return s.show(v, view)
}

// left are the boxes that cannot be ordered anything.
func (b bulk) left() []fleet.Agent {
	var all []fleet.Agent
	for _, f := range b.cannot {
		all = append(all, f.box)
	}
	return all
}

// ordered says which of many were not ordered, and why.
func (s *site) ordered(ctx context.Context, v *page.Visit, name order.Name, b bulk) BoardView {
	w := s.say(v)
	args := i18n.Args{"order": w.command(name), "n": len(slices.DeleteFunc(slices.Clone(b.boxes), b.failed)), "left": len(b.cannot)}
	view := s.bulkPage(ctx, v, v.T("console.bulk.title", args), asked{values: url.Values{}})
	view.Sections = append([]page.Section{{Text: v.T("console.bulk.partly", args), Forms: []page.Form{{Action: ordersPath, Get: true, Links: []page.Option{{Value: ordersPath, Text: v.T("console.orders.title")}}}}}}, w.failures(b)...)
	return view
}

func (b bulk) failed(d fleet.Agent) bool {
	return slices.ContainsFunc(b.cannot, func(f failure) bool { return f.box.Code == d.Code })
}

// failures lists those that are ordered nothing.
func (w words) failures(b bulk) []page.Section {
	if len(b.cannot) == 0 {
		return nil
	}
	g := page.Grid{Caption: w.T("console.bulk.cannot", i18n.Args{"n": len(b.cannot)}), Head: []string{w.T("console.col.name"), w.T("console.col.reason")}}
	for _, f := range b.cannot[:min(len(b.cannot), failuresShown)] {
		g.Rows = append(g.Rows, []page.Cell{{Text: cmp.Or(w.name(f.box), f.box.Code), Note: f.box.Code, Href: deviceHref(f.box.Code)}, {Text: w.Whole(f.why)}})
	}
	return []page.Section{{Title: g.Caption, Grid: g}}
}

func (s *site) bulkPage(ctx context.Context, v *page.Visit, title string, a asked) BoardView {
	view := BoardView{Page: s.Page(ctx, v, title, devicesPath), Back: a.with("", ""), BackText: v.T("console.devices.title"), Heading: title}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), a.with("", "")
	return view
}
