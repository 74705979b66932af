package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/register"
)

// DossierStatsView is the figures of a month.
type DossierStatsView struct {
	Page
	Month      string // 11/2026
	Prev, Next string // addresses of the months beside it, "" for one to come
	Rows       []StatsRow
	Sum        StatsRow
	Exports    []ReportRow
}

// StatsRow is the figures of a procedure, or of all.
type StatsRow struct {
	Code, Name                                string
	Taken, Early, OnTime, Late, Open, OpenOff StatsCell
	Percent                                   string // early or on time, of those that ended; "" for none
}

// StatsCell is a figure, and the address of the dossiers behind it.
type StatsCell struct {
	N    string
	Href string // "" for none
}

// month reads which month is asked for: the present one when none is.
func (v *visit) month() time.Time {
	if t, err := time.ParseInLocation("1/2006", strings.TrimSpace(v.r.URL.Query().Get("thang")), vietnam); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
		return t
	}
	y, m, _ := v.now.In(vietnam).Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, vietnam)
}

const monthForm = "01/2006"

func (s *site) dossierStats(ctx context.Context, v *visit) error {
	from := v.month()
	to := from.AddDate(0, 1, 0)
	sum, list, err := s.Dossiers.Stats(ctx, from, to)
	if err != nil {
		return err
	}
	month := from.Format(monthForm)
	view := DossierStatsView{Page: s.page(ctx, v, v.t("web.dossier.stats-title", i18n.Args{"month": month}), dossiersPath), Month: month}
	view.Styles = s.some("dossier.css")
	at := func(t time.Time) string {
		return dossiersPath + "/thong-ke?thang=" + url.QueryEscape(t.Format(monthForm))
	}
	if view.Prev = at(from.AddDate(0, -1, 0)); !to.After(v.now) {
		view.Next = at(to)
	}
	for _, f := range list {
		if f.Taken+f.Early+f.OnTime+f.Late+f.Open > 0 {
			view.Rows = append(view.Rows, statsRow(f, from, to))
		}
	}
	view.Sum = statsRow(sum, from, to)
	for _, kind := range []string{"xlsx", "csv"} {
		view.Exports = append(view.Exports, ReportRow{dossiersPath + "/thong-ke/xuat?dang=" + kind + "&thang=" + url.QueryEscape(month), v.t("web.dossier.export-" + kind)})
	}
	return s.render(v, "dossierstats", view, http.StatusOK)
}

// statsRow leads from each figure to the dossiers that it counts.
func statsRow(f dossier.Figures, from, to time.Time) StatsRow {
	first, last := formatDay(from), formatDay(to.AddDate(0, 0, -1))
	cell := func(n int, pairs ...string) StatsCell {
		c := StatsCell{N: strconv.Itoa(n)}
		if n == 0 {
			return c
		}
		values := url.Values{"rieng": {"1"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		if f.Procedure != "" {
			values.Set("thu-tuc", f.Procedure)
		}
		c.Href = linkTo(dossiersPath, values)
		return c
	}
	ended := func(o dossier.Outcome, n int) StatsCell {
		return cell(n, "loc", allTabs, "ket-qua", string(o), "tu", first, "den", last)
	}
	return StatsRow{Code: f.Procedure, Name: f.Name, Percent: onTimeShare(f), Taken: cell(f.Taken, "loc", allTabs, "nhan-tu", first, "nhan-den", last),
		Early: ended(dossier.Early, f.Early), OnTime: ended(dossier.OnTime, f.OnTime), Late: ended(dossier.Late, f.Late),
		Open: cell(f.Open, "loc", allTabs, "con", "1"), OpenOff: cell(f.OpenLate, "loc", "qua-han")}
}

// onTimeShare is how many of those that ended did so in time.
func onTimeShare(f dossier.Figures) string {
	all := f.Early + f.OnTime + f.Late
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", (f.Early+f.OnTime)*100/all)
}

// dossierStatsExport sends the figures of a month as a file.
func (s *site) dossierStatsExport(ctx context.Context, v *visit) error {
	from := v.month()
	sum, list, err := s.Dossiers.Stats(ctx, from, from.AddDate(0, 1, 0))
	if err != nil {
		return err
	}
	sum.Name = i18n.T(i18n.Vietnamese, "web.dossier.stats-sum")
	table := s.exportTable(v, statsBook)
	table.Volume.FirstDay, table.Volume.LastDay = from, from.AddDate(0, 1, -1)
	for i, f := range append(list, sum) {
		table.Lines = append(table.Lines, register.Line{Key: strconv.Itoa(i), Values: map[register.Field]string{
			statsCode: f.Procedure, dossierProcedure: f.Name, statsTaken: strconv.Itoa(f.Taken), statsEarly: strconv.Itoa(f.Early), statsOnTime: strconv.Itoa(f.OnTime),
			statsLate: strconv.Itoa(f.Late), statsPercent: onTimeShare(f), statsOpen: strconv.Itoa(f.Open), statsOpenOff: strconv.Itoa(f.OpenLate),
		}})
	}
	return s.sendTable(v, table, "thong-ke-mot-cua-"+from.Format("2006-01"))
}

// figures are the columns of a row, in their order.
var figures = []register.Field{statsTaken, statsEarly, statsOnTime, statsLate, statsPercent, statsOpen, statsOpenOff}

// statsLine is a row with the titles of its columns.
type statsLine struct {
	Page
	Row   StatsRow
	Cells []labelled
}

type labelled struct {
	StatsCell
	Label string
}

// With is a row as its template needs it.
func (d DossierStatsView) With(r StatsRow) statsLine {
	line := statsLine{Page: d.Page, Row: r}
	for i, c := range []StatsCell{r.Taken, r.Early, r.OnTime, r.Late, {N: r.Percent}, r.Open, r.OpenOff} {
		line.Cells = append(line.Cells, labelled{c, register.Column{Field: figures[i]}.TitleIn(d.Lang)})
	}
	return line
}
