package handling

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Load is how much a person has in hand: parts that are not finished, and documents
// that wait for their opinion.
func (s *Store) Load(ctx context.Context) (map[string]int, error) {
	load := map[string]int{}
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT person, count(*) FROM (
			SELECT person FROM parts WHERE person <> '' AND state IN ('waiting', 'open')
			UNION ALL SELECT leader FROM works WHERE leader <> '' AND state = 'submitted') GROUP BY person`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var person string
			var n int
			if err := rows.Scan(&person, &n); err != nil {
				return err
			}
			load[person] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count work of people: %w", err)
	}
	return load, nil
}

// ReassignAll gives all that a person has in hand to another one, in one
// transaction, and returns how many documents that were. Of what both have a part
// of, that of the first ends.
func (s *Store) ReassignAll(ctx context.Context, from string, to Assignee, reason string, by Actor) (n int, err error) {
	if err := directs(by); err != nil {
		return 0, err
	}
	var f faults
	reason = f.text("reason", reason, "handling.no-reason")
	list := f.assignees("to", []Assignee{to}, map[string]bool{})
	if len(f.list) == 0 && (len(list) == 0 || list[0].Person == from) {
		f.add("handling.no-person", "to", nil)
	}
	if err := f.list.Err(); err != nil {
		return 0, err
	}
	to = list[0]
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		ids, err := inHand(tx, from)
		if err != nil {
			return err
		}
		n = 0
		for _, id := range ids {
			err := s.actIn(tx, id, by, 0, func(a *acting) error { return a.standIn(from, to, reason) })
			if p := problem.From(err); err != nil && p.Class == problem.Conflict {
				continue // recalled meanwhile: nobody's work any more
			}
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("reassign work: %w", err)
	}
	return n, nil
}

func inHand(tx *sqlite.Tx, person string) ([]storage.ID, error) {
	found := map[storage.ID]bool{}
	rows, err := tx.Query(`SELECT document FROM parts WHERE person = ?1 AND person <> '' AND state IN ('waiting', 'open')
		UNION SELECT document FROM works WHERE leader = ?1 AND leader <> '' AND state = 'submitted'`, person)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id storage.ID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		found[id] = true
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b storage.ID) int { return slices.Compare(a[:], b[:]) }), rows.Err()
}

// standIn gives the parts of a person to another one.
func (a *acting) standIn(from string, to Assignee, reason string) error {
	if a.w.State == Submitted && a.w.Leader.Person == from {
		a.w.Leader = to
		if err := a.step(Step{Kind: StepSubmitted, Who: to.Name}); err != nil {
			return err
		}
	}
	for i := range len(a.w.Parts) { // pass adds to the end
		p := &a.w.Parts[i]
		if !p.working() || p.Assignee.Person != from {
			continue
		}
		err := a.pass(p, to, StepReassigned, reason)
		if has := problem.From(err); err != nil && has.Code == "handling.has-it" {
			p.State, p.Ended = PartPassed, a.tx.Now()
			err = a.keep(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
