package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tram/storage"
	"tram/storage/sqlite"
)

// Load is the bundles of one urgency that wait for one neighbour.
type Load struct {
	Peer    string
	Urgency uint8
	Count   int
	Bytes   int64     // of their objects
	Since   time.Time // when this store took over the oldest of them
}

// Leaving counts the bundles of some kinds that neighbours have not taken over, by
// neighbour and the most urgent first; no kinds are all.
func (q *Queue) Leaving(ctx context.Context, kinds ...uint8) ([]Load, error) {
	among, err := among(kinds)
	if err != nil {
		return nil, err
	}
	return q.loads(ctx, `SELECT o.peer, o.urgency, count(*), sum(b.size), min(coalesce(s.at, b.created))
		FROM outgoing o JOIN bundles b ON b.seq = o.bundle LEFT JOIN seen s ON s.id = b.id
		WHERE o.state = ?1 AND (?2 = '' OR b.kind IN (SELECT value FROM json_each(?2))) GROUP BY o.peer, o.urgency ORDER BY o.peer, o.urgency DESC`, stateWaiting, among)
}

// Coming counts the bundles that neighbours have begun to hand over, by neighbour and
// the most urgent first.
func (q *Queue) Coming(ctx context.Context) ([]Load, error) {
	return q.loads(ctx, `SELECT peer, urgency, count(*), sum(size), min(at) FROM incoming GROUP BY peer, urgency ORDER BY peer, urgency DESC`)
}

// Custody counts the bundles that at least one neighbour has not taken over, each once,
// the most urgent first.
func (q *Queue) Custody(ctx context.Context) ([]Load, error) {
	return q.loads(ctx, `SELECT '', b.urgency, count(*), sum(b.size), min(coalesce(s.at, b.created)) FROM bundles b LEFT JOIN seen s ON s.id = b.id
		WHERE b.seq IN (SELECT bundle FROM outgoing WHERE state = ?) GROUP BY b.urgency ORDER BY b.urgency DESC`, stateWaiting)
}

func (q *Queue) loads(ctx context.Context, query string, args ...any) (list []Load, err error) {
	err = q.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, l *Load) error {
			return rows.Scan(&l.Peer, &l.Urgency, &l.Count, &l.Bytes, sqlite.Timestamp(&l.Since))
		}, query, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count what waits: %w", err)
	}
	return list, nil
}

// among writes kinds as a JSON array of numbers; "" for none. As bytes they would be
// written as text.
func among(kinds []uint8) (string, error) {
	if len(kinds) == 0 {
		return "", nil
	}
	numbers := make([]int, len(kinds))
	for i, k := range kinds {
		numbers[i] = int(k)
	}
	data, err := json.Marshal(numbers)
	return string(data), err
}

// Taken is when this store took over a bundle that it has, zero when it is the owner's
// own, and the size of its objects. Error [storage.ErrNotFound].
func (q *Queue) Taken(tx *sqlite.Tx, id storage.ID) (at time.Time, size int64, err error) {
	var ms int64
	err = notFound(tx.QueryRow(`SELECT coalesce(s.at, 0), b.size FROM bundles b LEFT JOIN seen s ON s.id = b.id WHERE b.id = ?`, id).Scan(&ms, &size))
	return sqlite.TimeOrZero(ms), size, err
}
