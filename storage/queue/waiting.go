package queue

import (
	"context"
	"fmt"

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
