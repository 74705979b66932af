// Package queue keeps bundles on their way: what goes out to neighbours, what
// comes in from them, and what has been seen.
//
// *[Queue] implements [storage.Queue] over the database and the blob store; the
// suite in storagetest holds it to that contract. Beyond it, it promises that
// the owner's half ([Queue.Put], [Queue.Forward], [Queue.End], [Queue.Done])
// takes part in the caller's transaction, that the memory of what was seen is
// written in the transaction that hands a bundle over (P2), and that content
// stays while an outgoing, incoming or inbox entry refers to it (P3).
//
// Lock order: a bundle's lock, then the database's writer, then the parts.
// Functions that take a *sqlite.Tx take no bundle lock.
package queue

import (
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// MaxObjects is how many objects a bundle may have. The layout of the table
// objects depends on it.
const MaxObjects = 256

// DefaultReofferAfter is how long a neighbour's custody is trusted before a
// held bundle is offered again, in case its store was set back without getting
// a new epoch.
const DefaultReofferAfter = 24 * time.Hour

//go:embed migrations/*.sql
var files embed.FS

// Schema holds the tables of the queue.
var Schema = sqlite.Embedded("queue", files)

// Options configure [New]. The zero value is usable.
type Options struct {
	Hooks  Hooks
	Limits Limits
	Logger *slog.Logger // nil: discard
	// ReofferAfter is how old a neighbour's custody of a held bundle may get
	// before the bundle is offered again. Zero means [DefaultReofferAfter],
	// negative never.
	ReofferAfter time.Duration
	// Vital tells kinds of bundles that may use the disk's reserve while they are small:
	// receipts, and what else keeps documents moving that are here. Nil means none.
	Vital func(kind uint8) bool
}

// Hooks are called inside the transaction that makes the event durable; an
// error of theirs undoes it and comes back from the method. They may use the
// methods of Queue that take a *sqlite.Tx, and must not block. Nil ones are
// left out.
type Hooks struct {
	// Custody: peer has taken b over. Not called again for the same epoch of
	// the same peer.
	Custody func(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error
	// Refused: peer will never take b.
	Refused func(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error
	// Arrived: b is complete and in the inbox.
	Arrived func(tx *sqlite.Tx, peer string, b storage.Bundle) error
}

// Queue implements [storage.Queue]. Make it with [New].
type Queue struct {
	db      *sqlite.DB
	blobs   *blob.Store
	hooks   Hooks
	limits  Limits
	reoffer time.Duration
	vital   func(kind uint8) bool
	log     *slog.Logger

	locks    bundleLocks
	parts    parts
	watchers watchers
	total    total
	recover  sync.Once
}

var _ storage.Queue = (*Queue)(nil)

// New returns the queue in db, which must have [Schema], with its content in
// blobs. At most one may exist for a database at a time.
func New(db *sqlite.DB, blobs *blob.Store, o Options) *Queue {
	q := &Queue{db: db, blobs: blobs, hooks: o.Hooks, limits: o.Limits.withDefaults(), reoffer: o.ReofferAfter, log: o.Logger, vital: o.Vital}
	if q.reoffer == 0 {
		q.reoffer = DefaultReofferAfter
	}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	q.locks.held = map[storage.ID]*bundleLock{}
	q.parts = parts{blobs: blobs, log: q.log, open: map[partKey]*openPart{}}
	q.watchers.all = map[*watcher]struct{}{}
	return q
}

// SetHooks replaces the hooks of [Options], for an owner that is made after the
// queue. Call it before the queue is in use.
func (q *Queue) SetHooks(h Hooks) { q.hooks = h }

// Close closes the partial files. The database and the blob store stay open.
func (q *Queue) Close() error { return q.parts.closeAll() }

// Target is a neighbour that a bundle is to go to.
type Target struct {
	Peer string
	Slip []byte // key slip for it; nil when the slips object goes along
	// Hold keeps the bundle after the neighbour's custody until End (P3).
	// Without it the entry goes at custody or refusal.
	Hold bool
}

// Put takes a new local bundle into the outbox. contents are its objects in
// order. The same bundle again adds targets that are missing;
// [storage.ErrConflict] when the ID is known with another header,
// [storage.ErrFull] when a limit does not allow it.
func (q *Queue) Put(tx *sqlite.Tx, b storage.Bundle, contents []blob.Content, targets []Target) error {
	if err := q.put(tx, b, contents, targets); err != nil {
		return fmt.Errorf("put bundle %s: %w", b.ID, err)
	}
	return nil
}

func (q *Queue) put(tx *sqlite.Tx, b storage.Bundle, contents []blob.Content, targets []Target) error {
	if len(targets) == 0 {
		return errors.New("no targets")
	}
	if err := checkObjects(b.Objects); err != nil {
		return err
	}
	if len(contents) != len(b.Objects) {
		return fmt.Errorf("%d contents for %d objects", len(contents), len(b.Objects))
	}
	for i, c := range contents {
		if c.SHA256 != b.Objects[i].SHA256 || c.Size != b.Objects[i].Size {
			return fmt.Errorf("object %d: %w", i, storage.ErrDigest)
		}
	}
	if err := q.room(tx, b, 0); err != nil {
		if _, known := findSeq(tx, b.ID); known != nil {
			return err
		}
		return q.putKnown(tx, b, contents, targets)
	}
	seq, err := insertBundle(tx, b, func(i int) (bool, []byte) { return true, contents[i].Inline })
	if errors.Is(err, errKnown) {
		return q.putKnown(tx, b, contents, targets)
	}
	if err != nil {
		return err
	}
	q.grow(tx, sizeOf(b.Objects))
	return q.addTargets(tx, seq, b, targets)
}

// putKnown is put for an ID that is in the store.
func (q *Queue) putKnown(tx *sqlite.Tx, b storage.Bundle, contents []blob.Content, targets []Target) error {
	old, err := findBundle(tx, b.ID)
	if err != nil {
		return err
	}
	if old.digest != sha256.Sum256(b.Header) || !slices.Equal(old.Objects, b.Objects) {
		return storage.ErrConflict
	}
	if err := q.fill(tx, old.seq, contents); err != nil {
		return err
	}
	return q.addTargets(tx, old.seq, b, targets)
}

// fill completes the objects of a bundle that is known, perhaps because it is
// also coming in.
func (q *Queue) fill(tx *sqlite.Tx, seq int64, contents []blob.Content) error {
	for i, c := range contents {
		if err := complete(tx, seq, i, c.Inline); err != nil {
			return err
		}
	}
	return nil
}

// Forward makes a bundle that is in the store outgoing, without copying its
// content. A target that the bundle already goes or went to is left as it is.
// [storage.ErrNotFound] when the bundle, or the content of an object that the
// neighbour needs, is not here.
func (q *Queue) Forward(tx *sqlite.Tx, id storage.ID, targets []Target) error {
	if err := q.forward(tx, id, targets); err != nil {
		return fmt.Errorf("forward bundle %s: %w", id, err)
	}
	return nil
}

func (q *Queue) forward(tx *sqlite.Tx, id storage.ID, targets []Target) error {
	found, err := findBundle(tx, id)
	if err != nil {
		return err
	}
	var missing, objects int
	if err := tx.QueryRow(`SELECT coalesce(sum(have = 0), 0), count(*) FROM objects WHERE key BETWEEN ? AND ?`,
		objectKey(found.seq, 0), objectKey(found.seq, MaxObjects-1)).Scan(&missing, &objects); err != nil {
		return err
	}
	for _, t := range targets {
		// With a slip of its own a neighbour does without the slips object.
		if missing > 1 || (missing == 1 && t.Slip == nil) {
			return fmt.Errorf("%w: %d of %d objects are not complete", storage.ErrNotFound, missing, objects)
		}
	}
	return q.addTargets(tx, found.seq, found.Bundle, targets)
}

func (q *Queue) addTargets(tx *sqlite.Tx, seq int64, b storage.Bundle, targets []Target) error {
	for _, t := range targets {
		if t.Peer == "" {
			return errors.New("target without a name")
		}
		res, err := tx.Exec(`INSERT INTO outgoing (bundle, peer, urgency, created, hold, state, slip) VALUES (?, ?, ?, ?, ?, 0, ?)
			ON CONFLICT (bundle, peer) DO NOTHING`, seq, t.Peer, b.Urgency, b.Created, t.Hold, t.Slip)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			q.notify(tx, Change{Peer: t.Peer})
		}
	}
	return nil
}

// End says that the owner is done with an outgoing bundle: receipted, expired
// or withdrawn. It goes to nobody any more, and its content may go. Nothing
// happens when it is not outgoing.
func (q *Queue) End(tx *sqlite.Tx, id storage.ID) error {
	seq, err := findSeq(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end bundle %s: %w", id, err)
	}
	res, err := tx.Exec(`DELETE FROM outgoing WHERE bundle = ?`, seq)
	if err != nil {
		return fmt.Errorf("end bundle %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err == nil && n > 0 {
		q.notify(tx, Change{Ended: id})
	}
	return q.release(tx, seq)
}

// EndFor is [Queue.End] for one neighbour only: its recipients have receipted.
// The bundle is ended as a whole with its last neighbour.
func (q *Queue) EndFor(tx *sqlite.Tx, id storage.ID, peer string) error {
	seq, err := findSeq(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM outgoing WHERE bundle = ? AND peer = ?`, seq, peer)
	}
	if err != nil {
		return fmt.Errorf("end bundle %s for %s: %w", id, peer, err)
	}
	q.notify(tx, Change{Peer: peer, Ended: id})
	return q.release(tx, seq)
}

// Expired lists outgoing bundles whose lifetime has ended at now, the longest
// expired first, at most limit.
func (q *Queue) Expired(tx *sqlite.Tx, now time.Time, limit int) ([]storage.ID, error) {
	rows, err := tx.Query(`SELECT id FROM bundles WHERE expires <= ?
		AND EXISTS (SELECT 1 FROM outgoing WHERE bundle = seq AND kept = 0) ORDER BY expires LIMIT ?`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("list expired bundles: %w", err)
	}
	ids, err := collectIDs(rows)
	if err != nil {
		return nil, fmt.Errorf("list expired bundles: %w", err)
	}
	return ids, nil
}

// Done says that the owner has handled an inbox entry. Its content goes unless
// the bundle is outgoing. Nothing happens when there is no such entry.
func (q *Queue) Done(tx *sqlite.Tx, id storage.ID) error {
	seq, err := findSeq(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM inbox WHERE bundle = ?`, seq)
	}
	if err == nil {
		err = q.release(tx, seq)
	}
	if err != nil {
		return fmt.Errorf("end inbox entry %s: %w", id, err)
	}
	return nil
}

// Seen says whether a bundle was ever taken over.
func (q *Queue) Seen(tx *sqlite.Tx, id storage.ID) (bool, error) {
	_, err := findSeen(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up bundle %s: %w", id, err)
	}
	return true, nil
}

// release removes a bundle that nothing refers to any more. Its files stay for
// [blob.Store.Sweep], because others may refer to the same content.
func (q *Queue) release(tx *sqlite.Tx, seq int64) error {
	var size int64
	err := tx.QueryRow(`DELETE FROM bundles WHERE seq = ?1
		AND NOT EXISTS (SELECT 1 FROM outgoing WHERE bundle = ?1)
		AND NOT EXISTS (SELECT 1 FROM incoming WHERE bundle = ?1)
		AND NOT EXISTS (SELECT 1 FROM inbox    WHERE bundle = ?1)
		RETURNING size`, seq).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM objects WHERE key BETWEEN ? AND ?`, objectKey(seq, 0), objectKey(seq, MaxObjects-1))
	}
	if err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	q.grow(tx, -size)
	return nil
}

func checkObjects(objects []storage.Object) error {
	if len(objects) > MaxObjects {
		return fmt.Errorf("%d objects, at most %d are allowed", len(objects), MaxObjects)
	}
	for i, o := range objects {
		if o.Size < 0 {
			return fmt.Errorf("object %d has a negative size", i)
		}
	}
	return nil
}

func encodeList[T any](list []T) (string, error) {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	return string(b), err
}
