package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// follow takes over what the feed tells until ctx ends.
func (x *Index) follow(ctx context.Context) {
	for ctx.Err() == nil {
		changed := x.source.Changed()
		begin := time.Now()
		n, err := x.take(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			x.log.Error("feed not followed", "error", err)
			if !rest(ctx, retry) {
				return
			}
		case n > 0:
			select {
			case x.files <- struct{}{}:
			default:
			}
			pause := time.Since(begin) // half of the time is the others'
			if n < batch {
				pause = max(pause, gather)
			}
			if !rest(ctx, pause) {
				return
			}
		default:
			if err := x.merge(ctx, changed); err != nil && ctx.Err() == nil {
				x.log.Error("index not merged", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			case <-x.settled:
			}
		}
	}
}

// take takes over one page of the feed and returns how many entries it had.
func (x *Index) take(ctx context.Context) (int, error) {
	place, err := x.place(ctx)
	if err != nil {
		return 0, err
	}
	entries, next, err := x.source.Feed(ctx, place, batch)
	if p := (*problem.Problem)(nil); errors.As(err, &p) && p.Code == "feed.cursor" {
		// The store is another one, such as one that was restored from before: what
		// it has is learnt again.
		entries, next, err = x.source.Feed(ctx, "", batch)
	}
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	var ids []storage.ID
	for _, e := range entries {
		if !slices.Contains(ids, e.Document) {
			ids = append(ids, e.Document)
		}
	}
	records, err := x.describeAll(ctx, ids)
	if err != nil {
		return 0, err
	}
	err = x.db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, r := range records {
			if err := r.save(tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO search_place (one, cursor) VALUES (1, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor`, next)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write index: %w", err)
	}
	return len(entries), nil
}

func (x *Index) place(ctx context.Context) (cursor string, err error) {
	err = x.db.View(ctx, func(tx *sqlite.Tx) error {
		_, err := found(tx.QueryRow(`SELECT cursor FROM search_place`).Scan(&cursor))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read place in the feed: %w", err)
	}
	return cursor, nil
}

// describeAll reads documents from the office. One that is there no more is left
// out.
func (x *Index) describeAll(ctx context.Context, ids []storage.ID) (list []record, err error) {
	for _, id := range ids {
		d, err := x.source.Get(ctx, id)
		if p := (*problem.Problem)(nil); errors.As(err, &p) && p.Class == problem.NotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read document %s: %w", id, err)
		}
		message, err := x.source.Message(ctx, id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			// A message that cannot be read any more must not stop the index.
			x.log.Error("message not read", "document", id, "error", err)
		}
		list = append(list, describe(d, message))
	}
	return list, nil
}

var _ Source = (*office.Office)(nil)
