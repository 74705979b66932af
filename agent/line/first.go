package line

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

func (l *Line) loadFirst(ctx context.Context) error {
	err := l.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id FROM line_first`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id storage.ID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			l.first[id] = true
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read what goes first: %w", err)
	}
	return nil
}

// First has a document sent first and whatever the rules say, over this line
// and those to come. Asking twice is asking once. When too many are asked for
// already it is the problem "queue.too-many-first".
func (l *Line) First(ctx context.Context, id storage.ID) error {
	if !l.o.Node.First(id) {
		return problem.New(problem.Conflict, "queue.too-many-first", "", nil)
	}
	err := l.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO line_first (id, asked) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, tx.Now())
		return err
	})
	if err != nil {
		return fmt.Errorf("put document first: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first[id] = true
	return nil
}

// IsFirst tells whether somebody asked for a document to be sent first.
func (l *Line) IsFirst(id storage.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first[id]
}

// tidyFirst forgets the documents that were asked for first and do not wait any
// more.
func (l *Line) tidyFirst(ctx context.Context) error {
	l.mu.Lock()
	all := slices.Collect(maps.Keys(l.first))
	l.mu.Unlock()
	for _, id := range all {
		waits, err := l.o.Waits(ctx, id)
		if err != nil {
			return fmt.Errorf("look what goes first: %w", err)
		}
		if waits {
			continue
		}
		err = l.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`DELETE FROM line_first WHERE id = ?`, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget what went first: %w", err)
		}
		l.mu.Lock()
		delete(l.first, id)
		l.mu.Unlock()
	}
	return nil
}
