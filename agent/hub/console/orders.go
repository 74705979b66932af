package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	order "tram/agent/command"
	"tram/agent/hub/command"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

const (
	// ordersShown is how many orders a page of the list has, deviceOrders how many the
	// page of a box names.
	ordersShown  = 100
	deviceOrders = 10
	// actOrder is the field of a form that names an order.
	actOrder = "viec"
	// actWithdraw takes an order back.
	actWithdraw = "rut"
	// forEver is a hold without an end.
	forEver = "den-khi-go"
)

// holdFor are the spans of a hold that can be chosen, in hours.
var holdFor = []int{1, 4, 12, 24, 72}

var orderTones = map[command.State]string{
	command.Queued: "grey", command.Taken: "blue", command.Waiting: "amber", command.Done: "green", command.Refused: "amber", command.Withdrawn: "grey", command.Expired: "grey",
}

// roleOf is what the visitor's account may order as: roles have the same names there.
func roleOf(v *page.Visit) command.Role { return command.Role(v.Session.User.Role) }

func orderHref(r command.Record) string { return ordersPath + "/mot/" + r.ID.String() }

func (w words) command(name order.Name) string {
	if !name.Known() {
		return string(name)
	}
	return w.T("console.order." + string(name))
}

func (w words) orderTag(r command.Record) page.Tag {
	return page.Tag{Text: r.Text(w.Lang), Tone: orderTones[r.State]}
}

// may are the orders that the visitor may give, with what each does.
func (w words) orders(chosen string) []page.Option {
	var all []page.Option
	for _, name := range order.Names {
		if roleOf(w.Visit).May(name) {
			all = append(all, page.Option{Value: string(name), Text: w.T("console.order.does." + string(name)), Chosen: string(name) == chosen})
		}
	}
	return all
}

// orderInputs are the fields of a form for an order: which, and for a hold how long.
func (w words) orderInputs() []page.Input {
	inputs := []page.Input{{ID: "viec", Name: actOrder, Kind: "select", Label: w.T("console.order.which"), Options: w.orders(w.R.PostForm.Get(actOrder))}}
	if !roleOf(w.Visit).May(order.Hold) {
		return inputs
	}
	in := page.Input{ID: "until", Name: "until", Kind: "select", Label: w.T("console.order.until"), Hint: w.T("console.order.until-hint")}
	chosen := w.R.PostForm.Get("until")
	for _, hours := range holdFor {
		in.Options = append(in.Options, page.Option{Value: strconv.Itoa(hours), Text: w.T("console.filter.hours-plain", i18n.Args{"n": hours}), Chosen: chosen == strconv.Itoa(hours)})
	}
	in.Options = append(in.Options, page.Option{Value: forEver, Text: w.T("console.order.forever"), Chosen: chosen == forEver})
	return append(inputs, in)
}

// orderOf reads which order is to be given. Problems: command.unknown, command.role,
// console.order.until.
func orderOf(v *page.Visit) (command.Order, error) {
	o := command.Order{Command: order.Name(v.R.PostFormValue(actOrder)), By: v.Session.User.Name, Role: roleOf(v)}
	switch {
	case !o.Command.Known():
		return o, problem.New(problem.Usage, "command.unknown", actOrder, i18n.Args{"command": o.Command, "known": command.Words()})
	case !o.Role.May(o.Command):
		return o, problem.New(problem.Denied, "command.role", actOrder, i18n.Args{"command": o.Command})
	}
	if until := v.R.PostFormValue("until"); o.Command == order.Hold && until != forEver {
		hours, err := strconv.Atoi(until)
		if err != nil || !slices.Contains(holdFor, hours) {
			return o, problem.New(problem.Usage, "console.order.until", "until", nil)
		}
		o.Until = v.Now.Add(time.Duration(hours) * time.Hour).Truncate(time.Second)
	}
	return o, nil
}

// ordering is the form for orders to one box, and what was ordered of it last.
func (w words) ordering(d fleet.Report, list []command.Record, inputs []page.Input) []page.Section {
	text, button := w.T("console.order.now"), w.T("console.order.go")
	if !d.Online {
		text, button = w.T("console.order.later"), w.T("console.order.go-later")
	}
	g := w.orderGrid(list[:min(len(list), deviceOrders)], false)
	sec := page.Section{Title: w.T("console.order.title"), Text: text, Forms: []page.Form{{Action: deviceHref(d.Code) + "/lenh", Inputs: inputs, Buttons: []page.Button{{Text: button}}}}}
	if len(list) > 0 {
		sec.Forms[0].Links = []page.Option{{Value: linkTo(ordersPath, url.Values{"don-vi": {d.Code}}), Text: w.T("console.order.all-of")}}
		return []page.Section{sec, {Title: w.T("console.order.last"), Grid: g}}
	}
	return []page.Section{sec}
}

// orderGrid lists orders; named says of which box each is.
func (w words) orderGrid(list []command.Record, named bool) page.Grid {
	g := page.Grid{Caption: w.T("console.orders.title"), Empty: w.T("console.orders.none")}
	if named {
		g.Head = append(g.Head, w.T("console.col.name"))
	}
	g.Head = append(g.Head, w.T("console.order.which"), w.T("console.col.state"), w.T("console.order.given"), w.T("console.event.who"), w.T("console.order.answered"))
	for _, r := range list {
		var row []page.Cell
		if named {
			row = append(row, page.Cell{Text: cmp.Or(w.named(r.Office), r.Office), Note: r.Office, Href: deviceHref(r.Office)})
		}
		answered := "–"
		if !r.Answered.IsZero() {
			answered = page.Full(r.Answered)
		}
		g.Rows = append(g.Rows, append(row, page.Cell{Text: w.command(r.Command), Href: orderHref(r)}, page.Cell{Tag: w.orderTag(r)},
			page.Cell{Text: page.Full(r.Created), Whole: true}, page.Cell{Text: r.By}, page.Cell{Text: answered, Whole: true}))
	}
	return g
}

// order orders one box to do something.
func (s *site) order(ctx context.Context, v *page.Visit) error {
	o, err := orderOf(v)
	return s.act(ctx, v, "lenh", func(d fleet.Report) error {
		if err != nil {
			return err
		}
		o.Office = d.Code
		_, err := s.Orders.Give(ctx, o)
		return err
	})
}

// seen are the orders that the visitor may see, those of the newest that the hub lists.
func (s *site) seen(ctx context.Context, v *page.Visit, q command.Query) ([]command.Record, error) {
	list, err := s.Orders.List(ctx, q)
	if err != nil || scope(v) == "" {
		return list, err
	}
	within := map[string]bool{}
	for _, r := range list {
		if _, known := within[r.Office]; known {
			continue
		}
		_, err := s.Fleet.Get(ctx, scope(v), r.Office)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		within[r.Office] = err == nil
	}
	return slices.DeleteFunc(list, func(r command.Record) bool { return !within[r.Office] }), nil
}

func isNotFound(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Class == problem.NotFound
}

// orders lists what was ordered, the newest first.
func (s *site) orders(ctx context.Context, v *page.Visit) error {
	given := v.R.URL.Query()
	q := command.Query{Office: strings.TrimSpace(given.Get("don-vi")), Open: given.Get("loc") == "cho"}
	if len(q.Office) > maxFilter {
		q.Office = ""
	}
	list, err := s.seen(ctx, v, q)
	if err != nil {
		return fmt.Errorf("list orders: %w", err)
	}
	w := s.say(v)
	view := BoardView{Page: s.Page(ctx, v, v.T("console.orders.title"), devicesPath), Back: devicesPath, BackText: v.T("console.devices.title"), Heading: v.T("console.orders.title")}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), v.R.URL.RequestURI()
	states := []page.Option{{Text: v.T("console.orders.all")}, {Value: "cho", Text: v.T("console.orders.open"), Chosen: q.Open}}
	filter := page.Section{Text: v.T("console.orders.text", i18n.Args{"limit": command.MaxListed}), Forms: []page.Form{{Action: ordersPath, Get: true, Inputs: []page.Input{
		{ID: "don-vi", Name: "don-vi", Kind: "text", Label: v.T("console.col.code"), Value: q.Office},
		{ID: "loc", Name: "loc", Kind: "select", Label: v.T("console.col.state"), Options: states}}, Buttons: []page.Button{{Text: v.T("web.lists.go")}}}}}
	from := min(at(given.Get("tu-dong")), len(list))
	until := min(from+ordersShown, len(list))
	view.Sections = []page.Section{filter, {Grid: w.orderGrid(list[from:until], true)}}
	view.Pager = w.pager(from, until, len(list), func(n int) string {
		return linkTo(ordersPath, url.Values{"don-vi": {q.Office}, "loc": {given.Get("loc")}, "tu-dong": {strconv.Itoa(n)}})
	})
	return s.show(v, view)
}

// oneOrder is the order that the address names, of a box that the visitor may see.
func (s *site) oneOrder(ctx context.Context, v *page.Visit) (command.Record, error) {
	r, err := s.Orders.Get(ctx, v.R.PathValue("id"))
	if err != nil || scope(v) == "" {
		return r, err
	}
	if _, err := s.Fleet.Get(ctx, scope(v), r.Office); isNotFound(err) {
		return command.Record{}, problem.New(problem.NotFound, "command.none", "", i18n.Args{"id": v.R.PathValue("id")})
	} else if err != nil {
		return command.Record{}, err
	}
	return r, nil
}

func (s *site) orderPage(ctx context.Context, v *page.Visit) error { return s.showOrder(ctx, v, nil) }

func (s *site) showOrder(ctx context.Context, v *page.Visit, failed error) error {
	r, err := s.oneOrder(ctx, v)
	if err != nil {
		return err
	}
	w := s.say(v)
	title := v.T("console.order.of", i18n.Args{"order": w.command(r.Command), "name": cmp.Or(w.named(r.Office), r.Office)})
	view := BoardView{Page: s.Page(ctx, v, title, devicesPath), Back: deviceHref(r.Office), BackText: cmp.Or(w.named(r.Office), r.Office), Heading: title, Tag: w.orderTag(r)}
	view.Styles, view.Path = s.Some("admin.css", "console.css"), orderHref(r)
	view.Sections = []page.Section{{Facts: w.orderFacts(r)}}
	if text := indented(r.Result); text != nil {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.order.answer"), Commands: text})
	}
	if r.Archive > 0 && roleOf(v).May(order.Support) {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.order.archive"), Text: v.T("console.order.archive-text", i18n.Args{"size": page.Size(v.Lang, r.Archive)}),
			Forms: []page.Form{{Action: orderHref(r) + "/goi", Get: true, Links: []page.Option{{Value: orderHref(r) + "/goi", Text: v.T("console.order.download"), Chosen: true}}}}})
	}
	if r.State == command.Queued && roleOf(v).May(r.Command) {
		view.Sections = append(view.Sections, page.Section{Title: v.T("console.order.withdraw"), Text: v.T("console.order.withdraw-text"),
			Forms: []page.Form{{Action: orderHref(r), Buttons: []page.Button{{Text: v.T("console.order.withdraw-go"), Name: actOrder, Value: actWithdraw, Tone: "warn"}}}}})
	}
	if failed != nil {
		return s.mended(v, view, nil, failed)
	}
	return s.show(v, view)
}

func (w words) orderFacts(r command.Record) []page.Fact {
	var facts []page.Fact
	add := func(key string, at time.Time) {
		if !at.IsZero() {
			facts = append(facts, page.Fact{Name: w.T(key), Value: page.Full(at)})
		}
	}
	add("console.order.given", r.Created)
	facts = append(facts, page.Fact{Name: w.T("console.event.who"), Value: page.JoinDots(r.By, w.T("console.order.role."+string(r.Role)))})
	add("console.order.held-until", r.Until)
	add("console.order.expires", r.Expires)
	add("console.order.taken", r.Taken)
	add("console.order.answered", r.Answered)
	add("console.order.done-at", r.At)
	if r.Withdrawn != "" {
		facts = append(facts, page.Fact{Name: w.T("console.order.withdrawn-by"), Value: r.Withdrawn})
	}
	return facts
}

// indented is an answer as people read JSON; nil when there is none.
func indented(result json.RawMessage) []string {
	var out bytes.Buffer
	if len(result) == 0 || json.Indent(&out, result, "", "  ") != nil {
		return nil
	}
	return strings.Split(out.String(), "\n")
}

// withdrawOrder takes an order back that its box does not have.
func (s *site) withdrawOrder(ctx context.Context, v *page.Visit) error {
	r, err := s.oneOrder(ctx, v)
	if err != nil {
		return err
	}
	if v.R.PostFormValue(actOrder) != actWithdraw {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	if err := s.Orders.Withdraw(ctx, r.ID.String(), v.Session.User.Name, roleOf(v)); err != nil {
		if !page.Mendable(err) {
			return fmt.Errorf("withdraw order: %w", err)
		}
		return s.showOrder(ctx, v, err)
	}
	v.Redirect(orderHref(r) + "?xong=rut-lenh")
	return nil
}

// orderArchive gives the support archive that a box has sent, to whom could have asked
// for it.
func (s *site) orderArchive(ctx context.Context, v *page.Visit) error {
	r, err := s.oneOrder(ctx, v)
	if err != nil {
		return err
	}
	if !roleOf(v).May(order.Support) {
		return problem.New(problem.Denied, "web.not-yours", "", nil)
	}
	data, err := s.Orders.Archive(ctx, r.ID.String())
	if err != nil {
		return err
	}
	return s.file(v, "ho-tro-"+r.ID.String()+".zip", "application/zip", data)
}
