package office

import (
	"context"
	"database/sql"
	"fmt"

	"tram/storage/sqlite"
)

// Tally is how many documents of a box are in a state.
type Tally struct {
	Box   Box
	State State
	Count int
}

// Tallies counts the documents by box and state.
func (o *Office) Tallies(ctx context.Context) (list []Tally, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, t *Tally) error { return rows.Scan(&t.Box, &t.State, &t.Count) },
			`SELECT box, state, count(*) FROM documents GROUP BY box, state`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count documents: %w", err)
	}
	return list, nil
}
