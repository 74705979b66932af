package search

import (
	"cmp"
	"slices"
	"strconv"

	"tram/storage/sqlite"
)

// count counts the newest matches by their values.
func (p *plan) count(tx *sqlite.Tx) (*Facets, error) {
	f := &Facets{}
	var box, year, kind, urgency, state, sender = tally{}, tally{}, tally{}, tally{}, tally{}, tally{}
	if !p.nothing {
		query, args := p.query(`d.box, d.state, d.urgency, d.type, d.sender, substr(d.date, 1, 4)`, p.all, first, MaxCounted+1)
		rows, err := tx.Query(query, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var b, s, t, from, y string
			var u int
			if err := rows.Scan(&b, &s, &u, &t, &from, &y); err != nil {
				return nil, err
			}
			if f.Total == MaxCounted {
				f.More = true
				break
			}
			f.Total++
			box[b]++
			state[s]++
			urgency[strconv.Itoa(u)]++
			kind[t]++
			sender[from]++
			year[y]++
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	f.Box, f.Year, f.Type, f.Urgency, f.State, f.Sender = box.list(), year.list(), kind.list(), urgency.list(), state.list(), sender.list()
	return f, nil
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
