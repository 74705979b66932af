package search

import (
	"context"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// The index consists of segments, and a search goes through all of them. Those of
// FTS5's own merging are up to 30 with 100,000 documents; in one, searches take
// half the time.
const (
	// mergeShare: segments are joined when those beside the largest one are more than
	// this part of it, so that each byte is written about four times more in its life.
	mergeShare = 4
	// mergeLeast is the size below which that is not worth it, in pages.
	mergeLeast = 64
	// mergeStep is how many pages are written in one transaction.
	mergeStep = 200
)

// merge joins the segments of the index when that is due. It gives up at ctx's end
// and when stop has news; the next call goes on.
func (x *Index) merge(ctx context.Context, stop <-chan struct{}) error {
	due, err := x.MergeDue(ctx)
	if err != nil || !due {
		return err
	}
	for step := -mergeStep; ; step = mergeStep { // below zero: of all segments
		begin := time.Now()
		var before, after int64
		err := x.db.Update(ctx, func(tx *sqlite.Tx) error {
			if err := tx.QueryRow(`SELECT total_changes()`).Scan(&before); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO search_words (search_words, rank) VALUES ('merge', ?)`, step); err != nil {
				return err
			}
			return tx.QueryRow(`SELECT total_changes()`).Scan(&after)
		})
		if err != nil {
			return fmt.Errorf("merge index: %w", err)
		}
		if after-before < 2 { // as FTS5 documents its end
			return nil
		}
		select {
		case <-stop:
			return nil
		default:
			if !rest(ctx, time.Since(begin)) {
				return nil
			}
		}
	}
}

// MergeDue tells whether segments are to be joined, which happens at the next rest.
func (x *Index) MergeDue(ctx context.Context) (bool, error) {
	var all, largest int
	err := x.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT coalesce(sum(n), 0), coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM search_words_idx GROUP BY segid)`).
			Scan(&all, &largest)
	})
	if err != nil {
		return false, fmt.Errorf("look at the segments of the index: %w", err)
	}
	return all >= mergeLeast && (all-largest)*mergeShare > largest, nil
}
