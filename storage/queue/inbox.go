package queue

import (
	"context"
	"fmt"
	"io"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Arrived is a complete bundle that its owner has not handled.
type Arrived struct {
	storage.Bundle
	Peer string    // the neighbour that completed it
	Slip []byte    // its key slip for us, if it came beside the objects
	At   time.Time // when it was taken over
}

// Inbox lists what is to be handled, most urgent first and in order of arrival
// within an urgency, at most limit.
func (q *Queue) Inbox(ctx context.Context, limit int) ([]Arrived, error) {
	var list []Arrived
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		found, err := inboxRows(tx, limit)
		if err != nil {
			return err
		}
		for _, a := range found {
			if err := a.row.loadObjects(tx); err != nil {
				return err
			}
			a.Bundle = a.row.Bundle
			list = append(list, a.Arrived)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list inbox: %w", err)
	}
	return list, nil
}

type inboxRow struct {
	Arrived
	row row
}

func inboxRows(tx *sqlite.Tx, limit int) ([]inboxRow, error) {
	rows, err := tx.Query(`SELECT `+bundleColumns+`, i.peer, i.slip, i.at FROM inbox i JOIN bundles b ON b.seq = i.bundle
		ORDER BY i.urgency DESC, i.at, i.bundle LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []inboxRow
	for rows.Next() {
		var a inboxRow
		dest, finish := a.row.fields()
		if err := rows.Scan(append(dest, &a.Peer, &a.Slip, sqlite.Timestamp(&a.At))...); err != nil {
			return nil, err
		}
		if err := finish(); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// OpenObject opens the content of an object of a bundle that is in the store,
// and returns its size. [storage.ErrNotFound] when the bundle is not here or
// the object not complete.
func (q *Queue) OpenObject(ctx context.Context, id storage.ID, object int) (io.ReadSeekCloser, int64, error) {
	var c blob.Content
	var inline bool
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		return notFound(tx.QueryRow(`SELECT o.sha256, o.size, o.inline IS NOT NULL, o.inline
			FROM bundles b JOIN objects o ON o.key = b.seq * 256 + ? WHERE b.id = ? AND o.have = 1`,
			index(object), id).Scan(sqlite.Digest(&c.SHA256), &c.Size, &inline, &c.Inline))
	})
	if err == nil {
		if inline && c.Inline == nil {
			c.Inline = []byte{}
		}
		var r io.ReadSeekCloser
		if r, err = q.blobs.Reader(c); err == nil {
			return r, c.Size, nil
		}
	}
	return nil, 0, fmt.Errorf("open object %d of bundle %s: %w", object, id, err)
}

// Uses says whether a bundle in the queue refers to the file of that digest,
// complete or not: for [blob.Store.Sweep].
func (q *Queue) Uses(ctx context.Context, sha [32]byte) (bool, error) {
	var used bool
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM objects WHERE sha256 = ? AND inline IS NULL)`, sha).Scan(&used)
	})
	if err != nil {
		return false, fmt.Errorf("look up content: %w", err)
	}
	return used, nil
}

// Stats counts what is in the queue.
type Stats struct {
	Waiting  int   // outgoing entries that no neighbour has answered
	Held     int   // outgoing entries in a neighbour's custody, kept for P3
	Refused  int   // outgoing entries refused, kept until their owner ends them
	Incoming int   // unfinished offers of neighbours
	Inbox    int   // complete bundles to be handled
	Bundles  int   // bundles in all
	Bytes    int64 // of their objects
}

// Stats counts what is in the queue.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT
			(SELECT count(*) FROM outgoing WHERE state = 0), (SELECT count(*) FROM outgoing WHERE state = 1 AND kept = 0),
			(SELECT count(*) FROM outgoing WHERE state = 2), (SELECT count(*) FROM incoming),
			(SELECT count(*) FROM inbox), (SELECT count(*) FROM bundles), (SELECT coalesce(sum(size), 0) FROM bundles)`).
			Scan(&s.Waiting, &s.Held, &s.Refused, &s.Incoming, &s.Inbox, &s.Bundles, &s.Bytes)
	})
	if err != nil {
		return Stats{}, fmt.Errorf("count queue: %w", err)
	}
	return s, nil
}

// Content is the query of digest and size of the files that the queue refers to and has
// whole; [Queue.Uses] asks the same of one.
const Content = `SELECT sha256, size FROM objects WHERE have = 1 AND inline IS NULL AND size > 0`
