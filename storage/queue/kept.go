package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tram/storage"
	"tram/storage/sqlite"
)

// Keep says that the owner is done with a bundle for a neighbour that has custody of it,
// and keeps it for the case that the neighbour's store is set back: it is offered again
// only under another epoch of the neighbour, and counts as neither busy nor outgoing.
// [Queue.EndKept] ends it. False when the neighbour has no custody of it: nothing changes
// then.
func (q *Queue) Keep(tx *sqlite.Tx, id storage.ID, peer string) (kept bool, err error) {
	res, err := tx.Exec(`UPDATE outgoing SET kept = 1 WHERE bundle = (SELECT seq FROM bundles WHERE id = ?) AND peer = ? AND state = ? AND hold = 1`,
		id, peer, stateCustody)
	if err == nil {
		var n int64
		n, err = res.RowsAffected()
		kept = n > 0
	}
	if err != nil {
		return false, fmt.Errorf("keep bundle %s for %s: %w", id, peer, err)
	}
	return kept, nil
}

// EndKept ends what is kept and what a neighbour took over before a time, the oldest
// first and at most limit, and returns how much; peer is the neighbour, "" for all.
func (q *Queue) EndKept(tx *sqlite.Tx, peer string, before time.Time, limit int) (n int, err error) {
	query, args := `SELECT bundle, peer FROM outgoing WHERE kept = 1 AND settled < ?1 ORDER BY settled LIMIT ?2`, []any{before, limit}
	if peer != "" {
		query, args = `SELECT bundle, peer FROM outgoing WHERE kept = 1 AND settled < ?1 AND peer = ?3 ORDER BY settled LIMIT ?2`, append(args, peer)
	}
	type entry struct {
		bundle int64
		peer   string
	}
	list, err := sqlite.Collect(tx, func(rows *sql.Rows, e *entry) error { return rows.Scan(&e.bundle, &e.peer) }, query, args...)
	for _, e := range list {
		if err == nil {
			_, err = tx.Exec(`DELETE FROM outgoing WHERE bundle = ? AND peer = ?`, e.bundle, e.peer)
		}
		if err == nil {
			err = q.release(tx, e.bundle)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("end what is kept: %w", err)
	}
	return len(list), nil
}

// Kept counts what is kept, and its bytes.
func (q *Queue) Kept(ctx context.Context) (n int, bytes int64, err error) {
	err = q.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*), coalesce(sum(size), 0) FROM bundles WHERE seq IN (SELECT bundle FROM outgoing WHERE kept = 1)
			AND seq NOT IN (SELECT bundle FROM outgoing WHERE kept = 0)`).Scan(&n, &bytes)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count what is kept: %w", err)
	}
	return n, bytes, nil
}

// KeptUntil is the time before which EndKept has to end to leave at most so many bytes
// that are kept alone; false when there are no more.
func (q *Queue) KeptUntil(ctx context.Context, most int64) (before time.Time, over bool, err error) {
	err = q.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT settled FROM (SELECT o.settled AS settled, sum(b.size) OVER (ORDER BY o.settled DESC, o.bundle DESC, o.peer DESC) AS above
			FROM outgoing o JOIN bundles b ON b.seq = o.bundle WHERE o.kept = 1) WHERE above > ? ORDER BY settled DESC LIMIT 1`, most).Scan(sqlite.Timestamp(&before))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		over = err == nil
		return err
	})
	if err != nil {
		return before, false, fmt.Errorf("look for what is kept: %w", err)
	}
	return before.Add(time.Millisecond), over, nil
}
