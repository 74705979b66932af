package report

import (
	"cmp"
	"maps"
	"slices"

	"tram/agent/fold"
)

// sum fills in the report from its groups.
func (m *Month) sum(groups map[string]*gathered) {
	all := &gathered{Group: Group{Delivery: []Delivery{}}}
	names := slices.SortedFunc(maps.Keys(groups), func(a, b string) int { return cmp.Compare(fold.SortKey(a), fold.SortKey(b)) })
	for _, name := range names {
		g := groups[name]
		for urgency, d := range g.by {
			for bucket, n := range d.buckets {
				all.by[urgency].add(bucket, n, 0)
			}
			all.by[urgency].Bytes += d.Bytes
		}
		all.Reached.Add(g.Reached)
		all.SIM.Boxes += g.SIM.Boxes
		all.SIM.Bytes += g.SIM.Bytes
		all.SIM.Over += g.SIM.Over
		all.SIM.Budget += g.SIM.Budget
		m.Clusters = append(m.Clusters, g.done())
	}
	m.All = all.done()
}

// done is the group with what there was of each urgency.
func (g *gathered) done() Group {
	for urgency := levels - 1; urgency >= 0; urgency-- {
		if d := g.by[urgency]; d.Count > 0 {
			d.settle(urgency)
			g.Delivery = append(g.Delivery, d)
		}
	}
	return g.Group
}
