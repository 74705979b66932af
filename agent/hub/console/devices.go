package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// DevicesView is a page of boxes.
type DevicesView struct {
	page.Page
	AsOf    string
	By      DevicesForm
	Active  []page.Chip
	Choices []page.Filter
	Heads   []page.Head
	Rows    []DeviceRow
	Caption string
	Here    string
	Export  string
	Pager   page.Pager
	Open    bool
	Orders  string // address of the list of orders; "" for who gives none
	Bulk    BulkForm
}

// DevicesForm is the filters as they were chosen.
type DevicesForm struct {
	Text, State, Sort                       string
	Clusters, Versions, Certificate, Queues []page.Option
}

// DeviceRow is one box.
type DeviceRow struct {
	Href, Name, Code, Cluster string
	Tick                      string // what its box says to those who do not see it
	State                     page.Tag
	Reason, Since             string
	Seen, Queue, Waiting      string
	Software, Certificate     string
	Disk, Clock, SIM          string
	Stale                     bool // nothing is heard of it: its figures are of before
}

// look is the filter for all states that ask for somebody.
const look = "can-xem"

// kept are the parts of an address that stay from page to page of the list.
var kept = []string{"cum", "trang-thai", "phien-ban", "tu", "chung-thu", "ton", "xep"}

// Choices of filters, days and hours.
var (
	certDays   = []int{7, 30, 90}
	queueHours = []int{1, 8, 24}
)

// maxFilter bounds each text of an address, in bytes; what is longer is left out.
const maxFilter = 200

// asked is the query that an address stands for.
type asked struct {
	fleet.Query
	cluster string
	values  url.Values
}

// ask reads the address of a list, or a form that came from one.
func ask(given url.Values) asked {
	a := asked{values: url.Values{}}
	for _, name := range kept {
		if value := strings.TrimSpace(given.Get(name)); value != "" && len(value) <= maxFilter {
			a.values.Set(name, strings.ToValidUTF8(value, ""))
		}
	}
	a.Limit = fleet.DefaultPage
	a.cluster, a.Software, a.Text = a.values.Get("cum"), a.values.Get("phien-ban"), a.values.Get("tu")
	if a.cluster != "" {
		a.Clusters = []string{a.cluster}
	}
	if one, ok := fleet.ParseState(a.values.Get("trang-thai")); ok {
		a.States = []fleet.State{one}
	} else if a.values.Get("trang-thai") == look {
		a.States = troubled
	} else {
		a.values.Del("trang-thai")
	}
	if n := a.number("chung-thu", certDays); n > 0 {
		a.CertificateWithin = time.Duration(n) * 24 * time.Hour
	}
	if n := a.number("ton", queueHours); n > 0 {
		a.QueueOlder = time.Duration(n) * time.Hour
	}
	a.Sort, a.Desc = strings.CutPrefix(a.values.Get("xep"), "-")
	if !slices.Contains(fleet.Sorts, a.Sort) {
		a.Sort, a.Desc = "", false
		a.values.Del("xep")
	}
	if after := given.Get("sau"); len(after) <= maxCursor {
		a.After = after
	}
	return a
}

// maxCursor bounds the place where a page begins, bytes.
const maxCursor = 1 << 10

// number is a part of the address that is one of all, 0 otherwise.
func (a asked) number(name string, all []int) int {
	n, err := strconv.Atoi(a.values.Get(name))
	if err != nil || !slices.Contains(all, n) {
		a.values.Del(name)
		return 0
	}
	return n
}

// with is the address of the list with one part changed; "" takes it out.
func (a asked) with(name, value string) string {
	values := url.Values{}
	for k, list := range a.values {
		values[k] = list
	}
	if values.Del(name); value != "" {
		values.Set(name, value)
	}
	return linkTo(devicesPath, values)
}

func linkTo(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func (s *site) devices(ctx context.Context, v *page.Visit) error {
	return s.showDevices(ctx, v, ask(v.R.URL.Query()), nil)
}

// showDevices shows the list; failed is what the form around it could not do.
func (s *site) showDevices(ctx context.Context, v *page.Visit, a asked, failed error) error {
	o, err := s.Fleet.Overview(ctx, scope(v))
	if err != nil {
		return fmt.Errorf("read how the boxes stand: %w", err)
	}
	list, err := s.Fleet.Page(ctx, scope(v), a.Query)
	if err != nil {
		return fmt.Errorf("list boxes: %w", err)
	}
	total, err := s.Fleet.Count(ctx, scope(v), a.Query)
	if err != nil {
		return fmt.Errorf("count boxes: %w", err)
	}
	view := DevicesView{Page: s.Page(ctx, v, v.T("console.devices.title"), devicesPath), AsOf: v.T("console.as-of", i18n.Args{"time": clock(o.At)}), Here: devicesPath}
	view.Styles, view.Path = s.Some("lists.css", "console.css"), a.with("sau", a.After)
	s.say(v).filters(&view, a, o)
	for _, d := range list.Agents {
		view.Rows = append(view.Rows, s.say(v).row(d))
	}
	view.Caption = v.T("console.devices.caption", i18n.Args{"n": total})
	view.Export = linkTo(devicesPath+"/xuat", a.values)
	view.Pager.Text = v.T("console.devices.shown", i18n.Args{"n": len(list.Agents), "total": total})
	if a.After != "" {
		view.Pager.First = a.with("", "")
	}
	if list.Next != "" {
		view.Pager.Next = a.with("sau", list.Next)
	}
	status := http.StatusOK
	if v.May(account.Order) {
		view.Orders = ordersPath
		view.Bulk = s.say(v).bulkForm(a, total)
		view.Heads = append([]page.Head{{Text: v.T("console.bulk.col")}}, view.Heads...)
		if failed != nil {
			view.SetErrors(v.Mistakes(failed, view.Bulk.Inputs, ""))
			status = page.StatusOf(problem.From(page.Problems(failed)[0]))
		}
	}
	return s.Render(v, "devices", view, status)
}

// row is a box in the list.
func (w words) row(d fleet.Agent) DeviceRow {
	r := DeviceRow{Href: deviceHref(d.Code), Name: w.name(d), Code: d.Code, Cluster: w.cluster(d.Cluster), State: w.tag(d),
		Reason: w.short(d), Since: w.since(d), Seen: w.seen(d), Queue: w.queue(d), Waiting: w.Count(d.Waiting),
		Software: strings.TrimPrefix(d.Software, "tram "), Certificate: w.certificate(d), Disk: w.disk(d), Clock: w.offset(d), SIM: w.sim(d),
		Stale: d.State == fleet.OutOfContact || d.State == fleet.OutOfContactGroup}
	r.Tick = w.T("console.bulk.tick", i18n.Args{"name": r.Name})
	if r.Software == "" {
		r.Software = "–"
	}
	return r
}

// filters fills in what the list can be narrowed and sorted by.
func (w words) filters(view *DevicesView, a asked, o Overview) {
	state := a.values.Get("trang-thai")
	view.Choices = []page.Filter{
		{Href: a.with("trang-thai", ""), Text: w.T("console.filter.all"), Current: state == ""},
		{Href: a.with("trang-thai", look), Text: w.T("console.filter.look"), Current: state == look},
	}
	for _, one := range stateOrder {
		view.Choices = append(view.Choices, page.Filter{Href: a.with("trang-thai", one.String()), Text: w.state(one), Current: state == one.String()})
	}
	f := &view.By
	f.Text, f.State, f.Sort = a.Text, state, a.values.Get("xep")
	f.Clusters = []page.Option{{Text: w.T("console.filter.any")}}
	for _, c := range o.Clusters {
		f.Clusters = append(f.Clusters, page.Option{Value: c.Key, Text: w.cluster(c.Key), Chosen: c.Key == a.cluster && c.Key != ""})
		if c.Key == a.cluster && c.Key != "" {
			view.Active = append(view.Active, w.chip(a, "cum", w.T("console.col.cluster"), w.cluster(c.Key)))
		}
	}
	f.Versions = []page.Option{{Text: w.T("console.filter.any")}}
	for _, version := range o.Versions {
		f.Versions = append(f.Versions, page.Option{Value: version, Text: version, Chosen: version == a.Software})
	}
	f.Certificate = w.numbers(a, "chung-thu", certDays, "console.filter.days")
	f.Queues = w.numbers(a, "ton", queueHours, "console.filter.hours")
	for name, label := range map[string]string{"phien-ban": "console.col.software", "tu": "console.filter.text"} {
		if value := a.values.Get(name); value != "" {
			view.Active = append(view.Active, w.chip(a, name, w.T(label), value))
		}
	}
	if a.CertificateWithin > 0 {
		view.Active = append(view.Active, w.chip(a, "chung-thu", w.T("console.col.certificate"), w.T("console.filter.days", i18n.Args{"n": a.values.Get("chung-thu")})))
	}
	if a.QueueOlder > 0 {
		view.Active = append(view.Active, w.chip(a, "ton", w.T("console.col.queue"), w.T("console.filter.hours", i18n.Args{"n": a.values.Get("ton")})))
	}
	slices.SortFunc(view.Active, func(a, b page.Chip) int { return strings.Compare(a.Text, b.Text) })
	view.Open = len(view.Active) > 0
	view.Heads = w.heads(a)
}

func (w words) chip(a asked, name, label, value string) page.Chip {
	text := label + ": " + value
	return page.Chip{Text: text, Href: a.with(name, ""), Drop: w.T("console.filter.drop", i18n.Args{"filter": text})}
}

func (w words) numbers(a asked, name string, all []int, key string) []page.Option {
	options := []page.Option{{Text: w.T("console.filter.any")}}
	for _, n := range all {
		value := strconv.Itoa(n)
		options = append(options, page.Option{Value: value, Text: w.T(key, i18n.Args{"n": n}), Chosen: a.values.Get(name) == value})
	}
	return options
}

// columns are those of the list; what it cannot be sorted by has no sort.
var columns = []struct {
	key, sort string
	down      bool // the first press sorts downwards
}{
	{"name", "name", false}, {"cluster", "cluster", false}, {"state", "state", false}, {"seen", "seen", true}, {"queue", "queue", true},
	{"waiting", "", false}, {"software", "software", false}, {"certificate", "certificate", false}, {"disk", "disk", false}, {"clock", "clock", true}, {"sim", "sim", false},
}

func (w words) heads(a asked) []page.Head {
	var heads []page.Head
	for _, c := range columns {
		h := page.Head{Text: w.T("console.col." + c.key)}
		if c.sort != "" {
			next := c.sort
			if c.down {
				next = "-" + next
			}
			if a.Sort == c.sort {
				h.Sort = map[bool]string{false: "ascending", true: "descending"}[a.Desc]
				next = map[bool]string{false: "-" + c.sort, true: c.sort}[a.Desc]
			}
			h.Href = a.with("xep", next)
		}
		heads = append(heads, h)
	}
	return heads
}

// exportDevices gives all boxes of the filter as CSV.
func (s *site) exportDevices(ctx context.Context, v *page.Visit) error {
	a := ask(v.R.URL.Query())
	a.Limit, a.After = fleet.MaxPage, ""
	var out bytes.Buffer
	table := newTable(&out)
	head := []string{v.T("console.col.code")}
	for _, c := range columns {
		head = append(head, v.T("console.col."+c.key))
		if c.key == "state" {
			head = append(head, v.T("console.col.since"), v.T("console.col.reason"))
		}
	}
	table.row(head...)
	for {
		list, err := s.Fleet.Page(ctx, scope(v), a.Query)
		if err != nil {
			return fmt.Errorf("export boxes: %w", err)
		}
		for _, d := range list.Agents {
			r := s.say(v).row(d)
			table.row(d.Code, r.Name, r.Cluster, r.State.Text, page.Full(d.StateSince), r.Reason, page.Full(d.Seen), r.Queue, r.Waiting, d.Software,
				page.Day(d.Certificate), r.Disk, r.Clock, r.SIM)
		}
		if a.After = list.Next; a.After == "" {
			break
		}
	}
	return s.csv(v, "thiet-bi", &out, table)
}

// table writes CSV that spreadsheets open as it is: with a mark of UTF-8, and
// nothing of a foreign name taken for a formula.
type table struct{ w *csv.Writer }

func newTable(out *bytes.Buffer) table {
	out.WriteString("\ufeff")
	return table{csv.NewWriter(out)}
}

func (t table) row(cells ...string) {
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) && c != "–" {
			cells[i] = "'" + c
		}
	}
	_ = t.w.Write(cells) // to memory
}

// csv sends a table as a file.
func (s *site) csv(v *page.Visit, name string, out *bytes.Buffer, t table) error {
	t.w.Flush()
	if err := t.w.Error(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return s.file(v, name+"-"+v.Now.In(page.Zone).Format("2006-01-02")+".csv", "text/csv; charset=utf-8", out.Bytes())
}

// file sends a file to be saved.
func (s *site) file(v *page.Visit, name, kind string, data []byte) error {
	h := v.W.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "private, no-store")
	if _, err := v.W.Write(data); err != nil {
		s.Logger.Debug("send file", "path", v.R.URL.Path, "error", err)
	}
	return nil
}
