package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// States of a row of outgoing.
const (
	stateWaiting = 0
	stateCustody = 1
	stateRefused = 2
)

// Outgoing implements [storage.Queue]. Under the peer's present epoch, held
// bundles are listed again when their custody is older than ReofferAfter. A
// zero epoch means that the peer's is not known: nothing in its custody is
// listed then.
func (q *Queue) Outgoing(ctx context.Context, peer string, epoch storage.ID, limit int) ([]storage.Outgoing, error) {
	var list []storage.Outgoing
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := q.outgoingRows(tx, peer, epoch, limit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := r.loadObjects(tx); err != nil {
				return err
			}
			list = append(list, storage.Outgoing{Bundle: r.Bundle, Slip: r.slip})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list outgoing bundles: %w", err)
	}
	return list, nil
}

type outgoingRow struct {
	row
	slip []byte
}

// outgoingRows picks from each reason to offer as many as may be needed, along
// its index, and then the first of them all.
func (q *Queue) outgoingRows(tx *sqlite.Tx, peer string, epoch storage.ID, limit int) ([]outgoingRow, error) {
	const pick = `SELECT * FROM (SELECT bundle, slip, urgency, created FROM outgoing WHERE peer = ?1 AND `
	const order = ` ORDER BY urgency DESC, created, bundle LIMIT ?2)`
	reasons := []string{pick + `state = 0` + order}
	args := []any{peer, limit}
	if epoch != (storage.ID{}) {
		args = append(args, epoch)
		reasons = append(reasons, pick+`state = 1 AND epoch < ?3`+order, pick+`state = 1 AND epoch > ?3`+order)
		if q.reoffer > 0 {
			args = append(args, tx.Now().Add(-q.reoffer))
			reasons = append(reasons, pick+`state = 1 AND epoch = ?3 AND settled < ?4 AND kept = 0`+order)
		}
	}
	rows, err := tx.Query(`SELECT `+bundleColumns+`, o.slip FROM (`+strings.Join(reasons, ` UNION ALL `)+`) o
		JOIN bundles b ON b.seq = o.bundle ORDER BY o.urgency DESC, o.created, o.bundle LIMIT ?2`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []outgoingRow
	for rows.Next() {
		var r outgoingRow
		dest, finish := r.fields()
		if err := rows.Scan(append(dest, &r.slip)...); err != nil {
			return nil, err
		}
		if err := finish(); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// ReadObject implements [storage.Queue].
func (q *Queue) ReadObject(ctx context.Context, id storage.ID, object int, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read object: negative offset %d", off)
	}
	var c blob.Content
	var piece []byte
	var inline bool
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		return notFound(tx.QueryRow(`SELECT o.sha256, o.size, o.inline IS NOT NULL, substr(o.inline, ?, ?)
			FROM bundles b JOIN objects o ON o.key = b.seq * 256 + ?
			WHERE b.id = ? AND o.have = 1 AND EXISTS (SELECT 1 FROM outgoing WHERE bundle = b.seq)`,
			off+1, len(p), index(object), id).Scan(sqlite.Digest(&c.SHA256), &c.Size, &inline, &piece))
	})
	if err != nil {
		return 0, fmt.Errorf("read object %d of bundle %s: %w", object, id, err)
	}
	if !inline {
		n, err := q.blobs.ReadAt(c, p, off)
		if err != nil && err != io.EOF {
			err = fmt.Errorf("read object %d of bundle %s: %w", object, id, err)
		}
		return n, err
	}
	n := copy(p, piece)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// index keeps an object's index from reaching into another bundle.
func index(object int) any {
	if object < 0 || object >= MaxObjects {
		return nil // equals nothing
	}
	return object
}

// InlineFor loads objects of a bundle that are stored inline, in the order of
// indexes, as long as they fit into max bytes in all. Others are left out.
// [storage.ErrNotFound] when the bundle is gone.
func (q *Queue) InlineFor(ctx context.Context, id storage.ID, indexes []int, max int) (map[int][]byte, error) {
	found := map[int][]byte{}
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		seq, err := findSeq(tx, id)
		if err != nil {
			return err
		}
		for _, i := range indexes {
			if i < 0 || i >= MaxObjects {
				continue
			}
			var b []byte
			err := tx.QueryRow(`SELECT inline FROM objects WHERE key = ? AND inline IS NOT NULL AND size <= ?`,
				objectKey(seq, i), max).Scan(&b)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			max -= len(b)
			found[i] = append([]byte{}, b...) // not nil when empty
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load objects of bundle %s: %w", id, err)
	}
	return found, nil
}

// Settle implements [storage.Queue].
func (q *Queue) Settle(ctx context.Context, peer string, id storage.ID, o storage.Outcome) error {
	err := q.db.Update(ctx, func(tx *sqlite.Tx) error { return q.settle(tx, peer, id, o) })
	if err != nil {
		return fmt.Errorf("settle bundle %s with %s: %w", id, peer, err)
	}
	return nil
}

func (q *Queue) settle(tx *sqlite.Tx, peer string, id storage.ID, o storage.Outcome) error {
	b, err := findBundle(tx, id)
	if err != nil {
		return err
	}
	var hold, kept bool
	var state int
	var epoch []byte
	err = notFound(tx.QueryRow(`SELECT hold, kept, state, epoch FROM outgoing WHERE bundle = ? AND peer = ?`, b.seq, peer).Scan(&hold, &kept, &state, &epoch))
	if err != nil {
		return err
	}
	custody := o.Receipt != nil
	if kept && !custody { // its owner was done with it: nobody is to be told
		_, err := tx.Exec(`DELETE FROM outgoing WHERE bundle = ? AND peer = ?`, b.seq, peer)
		return errors.Join(err, q.release(tx, b.seq))
	}
	if state == stateCustody && string(epoch) == string(o.Epoch[:]) {
		// Known. What the neighbour has signed for stays signed; it was asked
		// again, so its custody is fresh.
		_, err := tx.Exec(`UPDATE outgoing SET settled = ? WHERE bundle = ? AND peer = ?`, tx.Now(), b.seq, peer)
		return err
	}
	if state == stateRefused && !custody {
		return nil
	}
	hook, next := q.hooks.Refused, stateRefused
	if custody {
		hook, next = q.hooks.Custody, stateCustody
	}
	if hold {
		_, err = tx.Exec(`UPDATE outgoing SET state = ?, epoch = ?, receipt = ?, code = ?, text = ?, settled = ? WHERE bundle = ? AND peer = ?`,
			next, o.Epoch, o.Receipt, o.Code, o.Text, tx.Now(), b.seq, peer)
	} else {
		_, err = tx.Exec(`DELETE FROM outgoing WHERE bundle = ? AND peer = ?`, b.seq, peer)
	}
	if err == nil && hook != nil {
		err = hook(tx, peer, b.Bundle, o)
	}
	if err != nil {
		return err
	}
	return q.release(tx, b.seq)
}
