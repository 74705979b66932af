package search

import (
	"cmp"
	"slices"
	"strconv"
)

// count counts the newest matches by their values.
func (p *plan) count() *Facets {
	var box, year, kind, urgency, state, sender = tally{}, tally{}, tally{}, tally{}, tally{}, tally{}
	counted := p.newest[:min(len(p.newest), MaxCounted)]
	for _, h := range counted {
		box[string(h.Box)]++
		state[string(h.State)]++
		urgency[strconv.Itoa(int(h.Urgency))]++
		kind[h.Type]++
		sender[h.sender]++
		year[h.Date[:min(len(h.Date), 4)]]++
	}
	return &Facets{
		Total: len(counted), More: len(p.newest) > MaxCounted,
		Box: box.list(), Year: year.list(), Type: kind.list(), Urgency: urgency.list(), State: state.list(), Sender: sender.list(),
	}
}

// tally counts values.
type tally map[string]int

// list is the most frequent values first.
func (t tally) list() []Count {
	list := []Count{}
	for v, n := range t {
		list = append(list, Count{v, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Value, b.Value)) })
	return list[:min(len(list), MaxValues)]
}
