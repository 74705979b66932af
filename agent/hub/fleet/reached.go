package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// Reached is how far boxes could be reached over a time.
type Reached struct {
	Boxes int `json:"boxes"`
	// Watched is the time that the boxes were judged, all together; Silent that of it in
	// which they were out of contact, for whatever reason.
	Watched time.Duration `json:"watched_ns"`
	Silent  time.Duration `json:"silent_ns"`
	// Longest is the longest single silence, and of which box.
	Longest time.Duration `json:"longest_ns"`
	Office  string        `json:"office,omitempty"`
}

// Share is the part of the time in which they were reached, 1 for none.
func (r Reached) Share() float64 {
	if r.Watched == 0 {
		return 1
	}
	return 1 - float64(r.Silent)/float64(r.Watched)
}

// Add takes other boxes in.
func (r *Reached) Add(o Reached) {
	r.Boxes += o.Boxes
	r.Watched += o.Watched
	r.Silent += o.Silent
	if o.Longest > r.Longest {
		r.Longest, r.Office = o.Longest, o.Office
	}
}

// Reached tells of each cluster how far its boxes could be reached from a time to
// another. What was before a box was first judged, or while it was stopped, does not
// count.
func (f *Fleet) Reached(ctx context.Context, from, to time.Time) (map[string]Reached, error) {
	type box struct{ code, cluster string }
	all := map[string]Reached{}
	err := f.db.View(ctx, func(tx *sqlite.Tx) error {
		boxes, err := sqlite.Collect(tx, func(rows *sql.Rows, b *box) error { return rows.Scan(&b.code, &b.cluster) },
			`SELECT code, cluster FROM agents WHERE listed = 1 AND enrolled = 1`)
		if err != nil {
			return err
		}
		for _, b := range boxes {
			list, err := bands(tx, b.code, from, to)
			if err != nil {
				return err
			}
			sum := all[b.cluster]
			sum.Add(reachedOf(b.code, list))
			all[b.cluster] = sum
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how far boxes were reached: %w", err)
	}
	return all, nil
}

// reachedOf is that of one box.
func reachedOf(code string, list []Band) Reached {
	r := Reached{Boxes: 1}
	silence := time.Duration(0)
	for _, b := range list {
		if b.State == Stopped || b.State == NotEnrolled {
			silence = 0
			continue
		}
		span := b.To.Sub(b.From)
		r.Watched += span
		if !b.State.silent() {
			silence = 0
			continue
		}
		r.Silent += span
		if silence += span; silence > r.Longest {
			r.Longest, r.Office = silence, code
		}
	}
	return r
}
