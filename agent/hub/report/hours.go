package report

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/agent/hub/fleet"
	"tram/storage/sqlite"
)

const (
	// Day is how many hours Hours tells of, the present one included.
	Day = 24
	// KeepHours is for how many hours what passed is kept: a row for each cluster and hour
	// in which something did.
	KeepHours = 48
)

// Hour is what passed in an hour among the offices of a cluster.
type Hour struct {
	At       time.Time // when it begins
	Cluster  string
	Sent     int // documents that the hub took over from its offices
	Received int // that its offices took over, each recipient by itself
	// Waiting is what had not left the boxes in contact or had not been taken over by its
	// recipients, as last looked at; below 0: nobody looked.
	Waiting int
}

func hourOf(at time.Time) int64 { return at.Unix() / int64(time.Hour/time.Second) }

// Sent counts a document that the hub has taken over from an office. Who is no office of
// this hub is not counted.
func (r *Reports) Sent(tx *sqlite.Tx, office string) error {
	_, err := tx.Exec(`INSERT INTO report_hours (hour, cluster, sent) SELECT ?, cluster, 1 FROM agents WHERE code = ? AND listed = 1
		ON CONFLICT (hour, cluster) DO UPDATE SET sent = sent + 1`, hourOf(tx.Now()), office)
	if err != nil {
		return fmt.Errorf("count document of an office: %w", err)
	}
	return nil
}

func received(tx *sqlite.Tx, office string) error {
	_, err := tx.Exec(`INSERT INTO report_hours (hour, cluster, received) SELECT ?, cluster, 1 FROM agents WHERE code = ? AND listed = 1
		ON CONFLICT (hour, cluster) DO UPDATE SET received = received + 1`, hourOf(tx.Now()), office)
	return err
}

// NoteWaiting keeps how much is left in each cluster now: what the boxes in contact say,
// and what waits here for each box. Hours that are over, and those of a clock that was
// ahead, are forgotten.
func (r *Reports) NoteWaiting(ctx context.Context, here map[string]int) error {
	type box struct {
		code, cluster string
		queue         int
	}
	err := r.db.Update(ctx, func(tx *sqlite.Tx) error {
		boxes, err := sqlite.Collect(tx, func(rows *sql.Rows, b *box) error { return rows.Scan(&b.code, &b.cluster, &b.queue) },
			`SELECT code, cluster, CASE WHEN state IN (?, ?, ?) THEN queue_count ELSE 0 END FROM agents WHERE listed = 1`, fleet.Normal, fleet.Late, fleet.NeedsRepair)
		if err != nil {
			return err
		}
		waiting := map[string]int{}
		for _, b := range boxes {
			waiting[b.cluster] += b.queue + here[b.code]
		}
		now := hourOf(tx.Now())
		for cluster, n := range waiting {
			_, err := tx.Exec(`INSERT INTO report_hours (hour, cluster, waiting) VALUES (?1, ?2, ?3) ON CONFLICT (hour, cluster) DO UPDATE SET waiting = ?3`, now, cluster, n)
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DELETE FROM report_hours WHERE hour > ?1 OR hour <= ?1 - ?2`, now, KeepHours)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what is left: %w", err)
	}
	return nil
}

// Hours tells what passed in each of the last Day hours, by cluster, the oldest first.
// An hour of a cluster in which nothing did and nobody looked is not in it.
func (r *Reports) Hours(ctx context.Context) (list []Hour, err error) {
	err = r.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		now := hourOf(tx.Now())
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, h *Hour) error {
			var hour int64
			err := rows.Scan(&hour, &h.Cluster, &h.Sent, &h.Received, &h.Waiting)
			h.At = time.Unix(hour*int64(time.Hour/time.Second), 0)
			return err
		}, `SELECT hour, cluster, sent, received, waiting FROM report_hours WHERE hour > ?1 - ?2 AND hour <= ?1 ORDER BY hour, cluster`, now, Day)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what passed in each hour: %w", err)
	}
	return list, nil
}
