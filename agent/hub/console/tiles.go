package console

import (
	"fmt"
	"net/url"
	"strings"

	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/web/page"
)

// Run is the tiles of one state: a path whose dashes are the tiles.
type Run struct{ State, Path string }

// Measures of a drawing, in its own units: the pitch of tiles, of which the dash
// pattern in console.css shows tileSize, and how many stand in a row.
const (
	tilePitch = 10
	tileSize  = 8
	tileRow   = 20
)

// clusters draws the boxes of each cluster, those to look at first.
func (w words) clusters(all []Cluster) []ClusterTile {
	var tiles []ClusterTile
	for _, c := range all {
		look := c.Counts[fleet.NeedsRepair] + c.Counts[fleet.OutOfContact] + c.Counts[fleet.OutOfContactGroup]
		t := ClusterTile{Href: clusterHref(c.Key), Name: w.cluster(c.Key), Look: look > 0, Text: w.T("console.cluster.well", i18n.Args{"n": c.Total})}
		if look > 0 {
			t.Text = w.T("console.cluster.look", i18n.Args{"n": c.Total, "look": look})
		}
		t.Width = min(c.Total, tileRow) * tilePitch
		t.Height = (c.Total + tileRow - 1) / tileRow * tilePitch
		t.Runs = runs(c.Counts)
		tiles = append(tiles, t)
	}
	return tiles
}

// runs draws counts as rows of dashes: one path for a state, however many boxes
// are in it.
func runs(counts map[fleet.State]int) []Run {
	var all []Run
	at := 0
	for _, state := range stateOrder {
		n := counts[state]
		if n == 0 {
			continue
		}
		var path strings.Builder
		for left := n; left > 0; {
			col, row := at%tileRow, at/tileRow
			some := min(left, tileRow-col)
			fmt.Fprintf(&path, "M%d %dh%d", col*tilePitch, row*tilePitch+tilePitch/2, some*tilePitch-(tilePitch-tileSize))
			at, left = at+some, left-some
		}
		all = append(all, Run{state.String(), path.String()})
	}
	return all
}

func clusterHref(key string) string { return devicesPath + "?" + url.Values{"cum": {key}}.Encode() }

// clusterTable says in words what the drawings show.
func (w words) clusterTable(all []Cluster) page.Grid {
	g := page.Grid{Caption: w.T("console.cluster.table"), Head: []string{w.T("console.col.cluster"), w.T("console.cluster.all")}}
	for _, state := range stateOrder {
		g.Head = append(g.Head, w.state(state))
	}
	for _, c := range all {
		row := []page.Cell{{Text: w.cluster(c.Key), Href: clusterHref(c.Key)}, {Text: w.Count(c.Total)}}
		for _, state := range stateOrder {
			row = append(row, page.Cell{Text: w.Count(c.Counts[state])})
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// BandPart is a time in one state, in a drawing that is bandWidth wide.
type BandPart struct {
	State, Text string
	X, Width    int
}

const bandWidth = 1000

// band draws the states of a box over a span of time; the table beside it says
// the same.
func (w words) band(list []fleet.Band) (parts []BandPart, table page.Grid) {
	if len(list) == 0 {
		return nil, table
	}
	to := list[len(list)-1].To
	from := to.Add(-bandSpan)
	table = page.Grid{Caption: w.T("console.band.title"), Head: []string{w.T("console.band.from"), w.T("console.band.to"), w.T("console.col.state")}}
	for _, b := range list {
		x := int(max(b.From.Sub(from), 0) * bandWidth / bandSpan)
		end := int(max(b.To.Sub(from), 0) * bandWidth / bandSpan)
		text := w.state(b.State)
		parts = append(parts, BandPart{b.State.String(), text, x, max(end-x, 2)})
	}
	for i := len(list) - 1; i >= 0 && len(table.Rows) < bandRows; i-- {
		b := list[i]
		table.Rows = append(table.Rows, []page.Cell{{Text: page.Full(b.From)}, {Text: page.Full(b.To)}, {Tag: page.Tag{Text: w.state(b.State), Tone: tones[b.State]}}})
	}
	return parts, table
}

// bandRows bounds the table beside a band; the oldest are left out.
const bandRows = 50
