package queue

import (
	"context"
	"errors"
	"time"

	"tram/storage/blob"
)

// compactPages is how many free pages of the database Tidy gives back at most,
// so that it never holds the writer for long.
const compactPages = 2000

// Tidy drops what has no more use at now: unfinished bundles whose lifetime
// ended, content files that neither the queue nor alsoUses (nil: nobody) names,
// and free pages of the database. It is to be called now and then; what one
// call leaves, the next one finds.
func (q *Queue) Tidy(ctx context.Context, now time.Time, alsoUses func(context.Context, [32]byte) (bool, error)) error {
	_, forgotten := q.ForgetExpired(ctx, now)
	_, _, swept := q.blobs.Sweep(ctx, func(sum [32]byte) (bool, error) {
		used, err := q.Uses(ctx, sum)
		if used || err != nil || alsoUses == nil {
			return used, err
		}
		return alsoUses(ctx, sum)
	}, time.Now().Add(-blob.Grace))
	return errors.Join(forgotten, swept, q.db.Compact(ctx, compactPages))
}
