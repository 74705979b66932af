package queue

import (
	"fmt"
	"slices"
	"sync"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Defaults of [Limits].
const (
	DefaultPeerBundles = 256
	DefaultPeerBytes   = 8 << 30
)

// Limits bound what is kept. Hitting one is [storage.ErrFull]: nothing is
// dropped, the bundle is offered or put again later. Beside them, content
// leaves the blob store's reserve of disk space free.
type Limits struct {
	// PeerBundles is how many unfinished bundles one neighbour may have here.
	// Zero means [DefaultPeerBundles].
	PeerBundles int
	// PeerBytes is how many bytes of objects these may have in all. A bundle
	// that is the only one may be larger. Zero means [DefaultPeerBytes].
	//
	// For both only bundles of at least the same urgency count: a bulk transfer
	// never keeps an urgent document out.
	PeerBytes int64
	// StoredBytes is how many bytes of objects all bundles in the queue may
	// have, the same content twice counted twice. Zero means that only the disk
	// limits it.
	StoredBytes int64
}

func (l Limits) withDefaults() Limits {
	if l.PeerBundles <= 0 {
		l.PeerBundles = DefaultPeerBundles
	}
	if l.PeerBytes <= 0 {
		l.PeerBytes = DefaultPeerBytes
	}
	return l
}

// admissible checks the limits of a neighbour for one more unfinished bundle,
// or for another offer of the bundle seq.
func (q *Queue) admissible(tx *sqlite.Tx, peer string, seq int64, urgency uint8, size int64) error {
	var count int
	var bytes int64
	if err := tx.QueryRow(`SELECT count(*), coalesce(sum(size), 0) FROM incoming WHERE peer = ? AND urgency >= ? AND bundle <> ?`,
		peer, urgency, seq).Scan(&count, &bytes); err != nil {
		return err
	}
	if count >= q.limits.PeerBundles {
		return fmt.Errorf("%w: %d unfinished bundles from %s", storage.ErrFull, count, peer)
	}
	if count > 0 && bytes+size > q.limits.PeerBytes {
		return fmt.Errorf("%w: %d unfinished bytes from %s", storage.ErrFull, bytes, peer)
	}
	return nil
}

// vitalMax is how large a bundle may be, in bytes, that is let into the disk's reserve.
const vitalMax = 2 * blob.InlineMax

// isVital says whether a bundle is one of the few and small that keep others going on a
// disk that is full for documents.
func (q *Queue) isVital(b storage.Bundle) bool {
	return q.vital != nil && q.vital(b.Kind) && sizeOf(b.Objects) <= vitalMax &&
		!slices.ContainsFunc(b.Objects, func(o storage.Object) bool { return o.Size > blob.InlineMax })
}

// room checks the limits of the whole queue and the disk for a new bundle, whose objects
// need that many more bytes in files.
func (q *Queue) room(tx *sqlite.Tx, b storage.Bundle, files int64) error {
	objects := b.Objects
	var fresh int64 // bytes that the database itself will take
	for _, o := range objects {
		if o.Size <= blob.InlineMax {
			fresh += o.Size
		}
	}
	room := q.blobs.Room
	if q.isVital(b) {
		room = q.blobs.VitalRoom
	}
	if err := room(max(fresh+1, files)); err != nil {
		return err
	}
	if q.limits.StoredBytes <= 0 {
		return nil
	}
	size := sizeOf(objects)
	if n, known := q.total.get(); known && n+size <= q.limits.StoredBytes {
		return nil
	}
	var sum int64
	if err := tx.QueryRow(`SELECT coalesce(sum(size), 0) FROM bundles`).Scan(&sum); err != nil {
		return err
	}
	q.total.set(sum)
	if sum+size > q.limits.StoredBytes {
		return fmt.Errorf("%w: the queue holds %d bytes", storage.ErrFull, sum)
	}
	return nil
}

// grow counts n bytes once tx is durable.
func (q *Queue) grow(tx *sqlite.Tx, n int64) { tx.OnCommit(func() { q.total.add(n) }) }

// total is the sum of the bundles' sizes, roughly: updates of one commit group
// may count twice. It saves the exact sum, which is taken before refusing.
type total struct {
	mu    sync.Mutex
	known bool
	bytes int64
}

func (t *total) get() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes, t.known
}

func (t *total) set(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes, t.known = n, true
}

func (t *total) add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += n
}
