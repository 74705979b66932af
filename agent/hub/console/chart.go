package console

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tram/agent/hub/report"
	"tram/agent/i18n"
	"tram/agent/web/page"
)

// DayChart is what was sent, received and left in the last day: bars up and down, and a
// line in a drawing of its own below, since both may be of quite different sizes. The
// table says the same. Without Bars nothing is drawn.
type DayChart struct {
	Text           string // the sums
	Sent, Received string // what stands beside the samples of both
	Waiting        string
	Bars           []ChartBar
	Line           []string // paths; between them nobody looked
	Ticks          []string // times below
	Table          page.Grid
}

// ChartBar is an hour: heights above and below the middle.
type ChartBar struct{ X, Up, UpY, Down int }

// Measures of the chart, in its own units; overview.html has them in its view boxes.
const (
	chartPitch = 20 // of an hour
	chartHalf  = 40 // height of the bars to one side
	chartLow   = 36 // height of the line
	chartEvery = 6  // hours between two times that are written
)

// chart draws the last day.
func (s *site) chart(ctx context.Context, v *page.Visit) (DayChart, error) {
	list, err := s.Reports.Hours(ctx, scope(v))
	if err != nil {
		return DayChart{}, fmt.Errorf("read the last day: %w", err)
	}
	return s.say(v).chart(wholeDay(list, v.Now)), nil
}

// wholeDay is the last day with every hour, those of which nothing is known too.
func wholeDay(list []report.Hour, now time.Time) []report.Hour {
	last := now.Truncate(time.Hour)
	day := make([]report.Hour, report.Day)
	for i := range day {
		day[i] = report.Hour{At: last.Add(time.Duration(i-report.Day+1) * time.Hour), Waiting: -1}
		for _, h := range list {
			if h.At.Equal(day[i].At) {
				day[i] = h
			}
		}
	}
	return day
}

func (w words) chart(day []report.Hour) DayChart {
	most, left, sent, received, waiting, known := 0, 0, 0, 0, -1, false
	for _, h := range day {
		most, left = max(most, h.Sent, h.Received), max(left, h.Waiting)
		sent, received = sent+h.Sent, received+h.Received
		if h.Waiting >= 0 {
			waiting = h.Waiting
		}
		known = known || h.Waiting >= 0 || h.Sent+h.Received > 0
	}
	if !known {
		return DayChart{Text: w.T("console.chart.none")}
	}
	c := DayChart{
		Sent: w.T("console.chart.sent", i18n.Args{"n": sent}), Received: w.T("console.chart.received", i18n.Args{"n": received}), Waiting: w.T("console.chart.unknown"),
		Table: page.Grid{Caption: w.T("console.chart.title"), Head: []string{w.T("console.chart.hour"), w.T("console.chart.sent-col"), w.T("console.chart.received-col"), w.T("console.chart.waiting-col")}},
	}
	if waiting >= 0 {
		c.Waiting = w.T("console.chart.waiting", i18n.Args{"n": waiting, "most": left})
	}
	c.Text = w.T("console.chart.most", i18n.Args{"n": most})
	var path strings.Builder
	for i, h := range day {
		up, down := tall(h.Sent, most, chartHalf), tall(h.Received, most, chartHalf)
		c.Bars = append(c.Bars, ChartBar{X: i*chartPitch + 3, Up: up, UpY: chartHalf - up, Down: down})
		if i%chartEvery == 0 {
			c.Ticks = append(c.Ticks, h.At.In(page.Zone).Format("15:04"))
		}
		switch y := chartLow - tall(h.Waiting, left, chartLow-2); {
		case h.Waiting < 0:
			c.Line = endOf(c.Line, &path)
			path.Reset()
		case path.Len() == 0:
			fmt.Fprintf(&path, "M%d %dh%d", i*chartPitch, y, chartPitch)
		default:
			fmt.Fprintf(&path, "V%dh%d", y, chartPitch)
		}
	}
	c.Line = endOf(c.Line, &path)
	for i := len(day) - 1; i >= 0; i-- {
		h, left := day[i], "–"
		if h.Waiting >= 0 {
			left = w.Count(h.Waiting)
		}
		c.Table.Rows = append(c.Table.Rows, []page.Cell{{Text: h.At.In(page.Zone).Format("15:04 02/01"), Whole: true}, {Text: w.Count(h.Sent)}, {Text: w.Count(h.Received)}, {Text: left}})
	}
	return c
}

func endOf(lines []string, path *strings.Builder) []string {
	if path.Len() > 0 {
		lines = append(lines, path.String())
	}
	return lines
}

// tall is the height of n where most is as high as high: seen when there is something.
func tall(n, most, high int) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(n*high/most, 1)
}
