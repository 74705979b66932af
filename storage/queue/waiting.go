package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tram/storage"
	"tram/storage/sqlite"
)

// Waiting counts for each neighbour the bundles that it has not taken over.
func (q *Queue) Waiting(ctx context.Context) (map[string]int, error) {
	waiting := map[string]int{}
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT peer, count(*) FROM outgoing WHERE state = 0 GROUP BY peer`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var peer string
			var n int
			if err := rows.Scan(&peer, &n); err != nil {
				return err
			}
			waiting[peer] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count waiting bundles: %w", err)
	}
	return waiting, nil
}

// Pending is a bundle that some neighbours have not taken over.
type Pending struct {
	ID      storage.ID
	Kind    uint8
	From    string
	Urgency uint8
	Created time.Time // by its sender's clock
	Expires time.Time
	Taken   time.Time // when this store took it over; of its owner's own, Created
	Size    int64     // sum of its objects, in bytes
	To      int       // recipients in all
	Peers   []string  // that have not taken it over, sorted
}

// Pending lists the bundles of some kinds and at least an urgency that neighbours have
// not taken over, the most urgent and then the oldest first. No more than limit pairs of
// bundle and neighbour are read; more says that there are others.
func (q *Queue) Pending(ctx context.Context, kinds []uint8, urgency uint8, limit int) (list []Pending, more bool, err error) {
	among, err := json.Marshal(kindNumbers(kinds))
	if err != nil {
		return nil, false, err
	}
	type pair struct {
		Pending
		peer string
	}
	var pairs []pair
	err = q.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		pairs, err = sqlite.Collect(tx, func(rows *sql.Rows, p *pair) error {
			return rows.Scan(&p.ID, &p.Kind, &p.From, &p.Urgency, sqlite.Timestamp(&p.Created), sqlite.Timestamp(&p.Expires), sqlite.Timestamp(&p.Taken), &p.Size, &p.To, &p.peer)
		}, `SELECT b.id, b.kind, b.from_office, b.urgency, b.created, b.expires, coalesce(s.at, b.created), b.size, json_array_length(b.to_offices), o.peer
			FROM outgoing o JOIN bundles b ON b.seq = o.bundle LEFT JOIN seen s ON s.id = b.id
			WHERE o.state = ?1 AND o.urgency >= ?2 AND b.kind IN (SELECT value FROM json_each(?3))
			ORDER BY o.urgency DESC, o.created, o.bundle, o.peer LIMIT ?4`, stateWaiting, urgency, string(among), limit+1)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list bundles that wait: %w", err)
	}
	if more = len(pairs) > limit; more {
		pairs = pairs[:limit]
	}
	for _, p := range pairs {
		if n := len(list); n == 0 || list[n-1].ID != p.ID {
			list = append(list, p.Pending)
		}
		last := &list[len(list)-1]
		last.Peers = append(last.Peers, p.peer)
	}
	return list, more, nil
}

// kindNumbers keeps encoding/json from writing bytes as text.
func kindNumbers(kinds []uint8) []int {
	numbers := make([]int, 0, len(kinds))
	for _, k := range kinds {
		numbers = append(numbers, int(k))
	}
	return numbers
}
