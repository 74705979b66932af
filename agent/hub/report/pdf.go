package report

import (
	"fmt"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
	"tram/agent/typeset"
)

// Sizes of the printed report.
const (
	titleSize typeset.Length = 14_000
	bodySize  typeset.Length = 11_000
	noteSize  typeset.Length = 9_000
)

// Columns of the three tables, in tenths of a millimetre; together they are the page.
var (
	deliveryColumns = []typeset.TableColumn{{Width: 380}, {Width: 240}, {Width: 150, Align: typeset.Center}, {Width: 180, Align: typeset.Center}, {Width: 270, Align: typeset.Center}, {Width: 270, Align: typeset.Center}, {Width: 160, Align: typeset.Center}}
	reachedColumns  = []typeset.TableColumn{{Width: 600}, {Width: 250, Align: typeset.Center}, {Width: 300, Align: typeset.Center}, {Width: 500}}
	simColumns      = []typeset.TableColumn{{Width: 600}, {Width: 350, Align: typeset.Center}, {Width: 350, Align: typeset.Center}, {Width: 350, Align: typeset.Center}}
)

// Heading is what stands above the printed report.
type Heading struct {
	Hub  string
	Made time.Time
	// Name gives the name of an office, or of the office that a cluster is named after.
	Name func(code string) string
}

// PDF is the report on paper.
func (m Month) PDF(lang i18n.Lang, h Heading) ([]byte, error) {
	t := func(key string, args i18n.Args) string { return i18n.T(lang, "hub.report."+key, args) }
	f := typeset.NewFlow()
	f.Size = bodySize
	f.Text(strings.ToUpper(h.Hub), typeset.Bold, bodySize, typeset.Left)
	f.Gap(typeset.MM(40))
	f.Text(t("title", i18n.Args{"month": m.From.In(clock.Vietnam).Format("01/2006")}), typeset.Bold, titleSize, typeset.Center)
	f.Text(t("until", i18n.Args{"time": m.To.In(clock.Vietnam).Format("15:04 02/01/2006")}), typeset.Italic, bodySize, typeset.Center)
	f.Gap(typeset.MM(40))
	for _, table := range m.Tables(lang, h.Name) {
		f.Text(i18n.T(lang, table.Title), typeset.Bold, bodySize, typeset.Left)
		f.Gap(typeset.MM(10))
		if len(table.Rows) == 0 {
			f.Text(t("none", nil), typeset.Italic, bodySize, typeset.Left)
		} else {
			var header []string
			for _, key := range table.Columns {
				header = append(header, i18n.T(lang, key))
			}
			f.Table(table.widths, header, table.Rows)
		}
		f.Text(i18n.T(lang, table.Note), typeset.Italic, noteSize, typeset.Left)
		f.Gap(typeset.MM(50))
	}
	f.Number()
	return typeset.PDFBytes(typeset.Info{Title: t("title", i18n.Args{"month": m.Month}), Author: h.Hub, Made: h.Made}, f.Pages)
}

// Table is one of the three of a report. Title, Note and Columns are keys of messages.
type Table struct {
	Title, Note string
	Columns     []string
	Rows        [][]string
	widths      []typeset.TableColumn
}

// Tables are those of a report, filled in.
func (m Month) Tables(lang i18n.Lang, name func(code string) string) []Table {
	columns := func(names ...string) (keys []string) {
		for _, n := range names {
			keys = append(keys, "hub.report.col."+n)
		}
		return keys
	}
	return []Table{
		{"hub.report.delivery", "hub.report.delivery-note", columns("group", "urgency", "count", "size", "p50", "p95", "within"), m.deliveryRows(lang, name), deliveryColumns},
		{"hub.report.reached", "hub.report.reached-note", columns("group", "boxes", "share", "longest"), m.reachedRows(lang, name), reachedColumns},
		{"hub.report.sim", "hub.report.sim-note", columns("group", "boxes", "used", "over"), m.simRows(lang, name), simColumns},
	}
}

// groups are all of them, the whole first when there are several.
func (m Month) groups(lang i18n.Lang, name func(string) string, row func(label string, g Group) [][]string) (rows [][]string) {
	if len(m.Clusters) > 1 {
		rows = row(i18n.T(lang, "hub.report.all"), m.All)
	}
	for _, g := range m.Clusters {
		label := g.Cluster
		if n := name(g.Cluster); n != "" {
			label = n
		}
		rows = append(rows, row(label, g)...)
	}
	return rows
}

// deliveryRows are the cells of how long documents took.
func (m Month) deliveryRows(lang i18n.Lang, name func(string) string) [][]string {
	return m.groups(lang, name, func(label string, g Group) (rows [][]string) {
		for _, d := range g.Delivery {
			within := "–"
			if Limits[d.Urgency] > 0 {
				within = percent(lang, float64(d.Within)/float64(d.Count))
			}
			rows = append(rows, []string{label, i18n.T(lang, "hub.report.urgency."+fmt.Sprint(d.Urgency)), fmt.Sprint(d.Count), megabytes(lang, d.Bytes), Took(lang, d.P50), Took(lang, d.P95), within})
		}
		return rows
	})
}

// reachedRows are those of how far boxes could be reached.
func (m Month) reachedRows(lang i18n.Lang, name func(string) string) [][]string {
	return m.groups(lang, name, func(label string, g Group) [][]string {
		if g.Reached.Boxes == 0 {
			return nil
		}
		longest := "–"
		if g.Reached.Longest > 0 {
			office := g.Reached.Office
			if n := name(office); n != "" {
				office = n
			}
			longest = Took(lang, g.Reached.Longest) + " (" + office + ")"
		}
		return [][]string{{label, fmt.Sprint(g.Reached.Boxes), percent(lang, g.Reached.Share()), longest}}
	})
}

// simRows are those of what SIMs used.
func (m Month) simRows(lang i18n.Lang, name func(string) string) [][]string {
	return m.groups(lang, name, func(label string, g Group) [][]string {
		if g.SIM.Boxes == 0 {
			return nil
		}
		return [][]string{{label, fmt.Sprint(g.SIM.Boxes), megabytes(lang, g.SIM.Bytes), fmt.Sprint(g.SIM.Over)}}
	})
}

func percent(lang i18n.Lang, share float64) string { return decimal(lang, 100*share) + " %" }

func megabytes(lang i18n.Lang, n int64) string { return decimal(lang, float64(n)/1e6) }

func decimal(lang i18n.Lang, x float64) string {
	text := fmt.Sprintf("%.1f", x)
	if lang == i18n.Vietnamese {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// Took is a time as people say it, in its two largest units at most.
func Took(lang i18n.Lang, d time.Duration) string {
	unit := func(key string, n time.Duration) string {
		return i18n.T(lang, "hub.report.unit."+key, i18n.Args{"n": int64(n)})
	}
	switch {
	case d < time.Minute:
		return unit("s", max((d+time.Second-1)/time.Second, 1))
	case d < 10*time.Minute:
		return unit("min", d/time.Minute) + " " + unit("s", d%time.Minute/time.Second)
	case d < time.Hour:
		return unit("min", d/time.Minute)
	case d < 24*time.Hour:
		return unit("h", d/time.Hour) + " " + unit("min", d%time.Hour/time.Minute)
	}
	return unit("d", d/(24*time.Hour)) + " " + unit("h", d%(24*time.Hour)/time.Hour)
}
