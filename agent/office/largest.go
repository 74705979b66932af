package office

import (
	"context"
	"fmt"

	"tram/storage"
	"tram/storage/sqlite"
)

// Largest names the documents that take the most room, the largest first, and
// says how many documents there are.
func (o *Office) Largest(ctx context.Context, limit int) (ids []storage.ID, all int, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		if err := tx.QueryRow(`SELECT count(*) FROM documents`).Scan(&all); err != nil {
			return err
		}
		ids, err = sqlite.Column[storage.ID](tx, `SELECT id FROM documents ORDER BY size DESC, seq LIMIT ?`, limit)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list largest documents: %w", err)
	}
	return ids, all, nil
}
