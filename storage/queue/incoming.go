package queue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// offer is what the database knows about an offered bundle.
type offer struct {
	receipt []byte // taken over before
	bundle  *row
	objects []object
	same    bool // this neighbour's offer is recorded just so
}

// Admit implements [storage.Queue]. An inline object that does not match its
// digest, or is larger than [blob.InlineMax], counts as not sent.
func (q *Queue) Admit(ctx context.Context, peer string, in storage.Incoming) (storage.Admission, error) {
	q.recover.Do(func() { q.recoverParts(ctx) })
	defer q.locks.lock(in.ID)()
	a, err := q.admit(ctx, peer, in)
	if err != nil {
		return storage.Admission{}, fmt.Errorf("admit bundle %s from %s: %w", in.ID, peer, err)
	}
	return a, nil
}

func (q *Queue) admit(ctx context.Context, peer string, in storage.Incoming) (storage.Admission, error) {
	if err := checkIncoming(in); err != nil {
		return storage.Admission{}, err
	}
	inline := goodInline(in)
	// Has also keeps the files from being swept until the row refers to them.
	files := map[int]bool{}
	for _, i := range in.Need {
		o := in.Objects[i]
		files[i] = o.Size > blob.InlineMax && q.blobs.Has(o.SHA256, o.Size)
	}
	var known offer
	err := q.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		known, err = recognise(tx, peer, in)
		return err
	})
	if err == nil && known.receipt == nil && !(known.same && nothingNew(known.objects, inline, files)) {
		err = q.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
			known, err = recognise(tx, peer, in)
			if err != nil || known.receipt != nil {
				return err
			}
			return q.record(tx, peer, in, known, inline, files)
		})
	}
	if err != nil {
		return storage.Admission{}, err
	}
	if known.receipt != nil {
		return storage.Admission{Receipt: known.receipt}, nil
	}
	return q.durable(in, known.objects, inline, files)
}

func checkIncoming(in storage.Incoming) error {
	if err := checkObjects(in.Objects); err != nil {
		return err
	}
	for _, i := range in.Need {
		if i < 0 || i >= len(in.Objects) {
			return fmt.Errorf("object %d does not exist", i)
		}
	}
	return nil
}

// goodInline picks the needed objects that came with an offer and are right. An
// empty object always did.
func goodInline(in storage.Incoming) map[int][]byte {
	good := map[int][]byte{}
	for _, i := range in.Need {
		o := in.Objects[i]
		b := in.Inline[i]
		if int64(len(b)) == o.Size && o.Size <= blob.InlineMax && sha256.Sum256(b) == o.SHA256 {
			good[i] = append([]byte{}, b...)
		}
	}
	return good
}

// recognise looks an offer up. [storage.ErrConflict] when the header is another.
func recognise(tx *sqlite.Tx, peer string, in storage.Incoming) (offer, error) {
	var known offer
	digest := sha256.Sum256(in.Header)
	s, err := findSeen(tx, in.ID)
	if err == nil {
		if s.header != digest {
			return known, storage.ErrConflict
		}
		known.receipt = append([]byte{}, s.receipt...) // not nil
		return known, nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return known, err
	}
	b, err := findBundle(tx, in.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return known, nil
	}
	if err != nil {
		return known, err
	}
	if b.digest != digest || !slices.Equal(b.Objects, in.Objects) {
		return known, storage.ErrConflict
	}
	known.bundle = &b
	if known.objects, err = listObjects(tx, b.seq); err != nil {
		return known, err
	}
	old, err := findIncoming(tx, b.seq, peer)
	if errors.Is(err, storage.ErrNotFound) {
		return known, nil
	}
	known.same = err == nil && slices.Equal(old.need, in.Need) && bytes.Equal(old.slip, in.Slip)
	return known, err
}

func nothingNew(objects []object, inline map[int][]byte, files map[int]bool) bool {
	for i, o := range objects {
		if !o.have && (inline[i] != nil || files[i]) {
			return false
		}
	}
	return true
}

// record writes down an offer that is new, or new from this neighbour.
func (q *Queue) record(tx *sqlite.Tx, peer string, in storage.Incoming, known offer, inline map[int][]byte, files map[int]bool) error {
	var size int64
	for _, i := range in.Need {
		size += in.Objects[i].Size
	}
	var seq int64
	if known.bundle != nil {
		seq = known.bundle.seq
	}
	if !known.same {
		if err := q.admissible(tx, peer, seq, in.Urgency, size); err != nil {
			return err
		}
	}
	if known.bundle == nil {
		if err := q.room(tx, in.Bundle, size); err != nil {
			return err
		}
		var err error
		seq, err = insertBundle(tx, in.Bundle, func(i int) (bool, []byte) { return inline[i] != nil || files[i], inline[i] })
		if err != nil {
			return err
		}
		q.grow(tx, sizeOf(in.Objects))
	} else {
		for i, o := range known.objects {
			if o.have || (inline[i] == nil && !files[i]) {
				continue
			}
			if err := complete(tx, seq, i, inline[i]); err != nil {
				return err
			}
		}
	}
	need, err := encodeList(in.Need)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO incoming (bundle, peer, urgency, size, need, slip, at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (bundle, peer) DO UPDATE SET size = excluded.size, need = excluded.need, slip = excluded.slip`,
		seq, peer, in.Urgency, size, need, in.Slip, tx.Now())
	return err
}

// complete marks an object as being here. inline is nil when it is a file.
func complete(tx *sqlite.Tx, seq int64, i int, inline []byte) error {
	_, err := tx.Exec(`UPDATE objects SET have = 1, inline = ? WHERE key = ? AND have = 0`, inline, objectKey(seq, i))
	return err
}

// durable tells how much of each needed object is here.
func (q *Queue) durable(in storage.Incoming, objects []object, inline map[int][]byte, files map[int]bool) (storage.Admission, error) {
	a := storage.Admission{Durable: map[int]int64{}}
	for _, i := range in.Need {
		if inline[i] != nil || files[i] || (i < len(objects) && objects[i].have) {
			a.Durable[i] = in.Objects[i].Size
			continue
		}
		part, err := q.parts.get(partKey{in.ID, i}, in.Objects[i].Size)
		if err != nil {
			return storage.Admission{}, err
		}
		a.Durable[i] = part.Len()
		q.parts.put(part)
	}
	return a, nil
}

// arrival is a row of incoming.
type arrival struct {
	need []int
	slip []byte
}

// findIncoming returns one neighbour's unfinished offer. [storage.ErrNotFound]
func findIncoming(tx *sqlite.Tx, seq int64, peer string) (arrival, error) {
	var a arrival
	var need string
	err := notFound(tx.QueryRow(`SELECT need, slip FROM incoming WHERE bundle = ? AND peer = ?`, seq, peer).Scan(&need, &a.slip))
	if err == nil {
		err = json.Unmarshal([]byte(need), &a.need)
	}
	return a, err
}

// Write implements [storage.Queue]. [storage.ErrNotFound] when the bundle is
// not admitted; bytes beyond the declared size are [storage.ErrOffset].
func (q *Queue) Write(ctx context.Context, id storage.ID, object int, off int64, p []byte, sync bool) (int64, error) {
	defer q.locks.lock(id)()
	n, err := q.write(ctx, partKey{id, object}, off, p, sync)
	if err != nil {
		return 0, fmt.Errorf("write object %d of bundle %s: %w", object, id, err)
	}
	return n, nil
}

func (q *Queue) write(ctx context.Context, k partKey, off int64, p []byte, sync bool) (int64, error) {
	part, ok := q.parts.use(k)
	if !ok {
		o, err := q.admitted(ctx, k)
		if err != nil {
			return 0, err
		}
		if o.have {
			if off < 0 || off+int64(len(p)) > o.Size {
				return 0, storage.ErrOffset
			}
			return o.Size, nil
		}
		if part, err = q.parts.get(k, o.Size); err != nil {
			return 0, err
		}
	}
	defer q.parts.put(part)
	if off+int64(len(p)) > part.size {
		return 0, fmt.Errorf("%w: bytes up to %d of %d", storage.ErrOffset, off+int64(len(p)), part.size)
	}
	if err := part.Append(off, p); err != nil {
		return 0, err
	}
	if sync {
		if err := part.Sync(); err != nil {
			return 0, err
		}
	}
	return part.Len(), nil
}

// admitted looks up an object of an unfinished bundle.
func (q *Queue) admitted(ctx context.Context, k partKey) (object, error) {
	var o object
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		return notFound(tx.QueryRow(`SELECT o.size, o.have FROM bundles b JOIN objects o ON o.key = b.seq * 256 + ?
			WHERE b.id = ? AND EXISTS (SELECT 1 FROM incoming WHERE bundle = b.seq)`, index(k.index), k.id).Scan(&o.Size, &o.have))
	})
	return o, err
}

// Complete implements [storage.Queue]. It is [storage.ErrDigest] as well when
// bytes of an object are missing; nothing is dropped then.
func (q *Queue) Complete(ctx context.Context, peer string, id storage.ID, receipt []byte) error {
	defer q.locks.lock(id)()
	if err := q.complete(ctx, peer, id, receipt); err != nil {
		return fmt.Errorf("complete bundle %s from %s: %w", id, peer, err)
	}
	return nil
}

func (q *Queue) complete(ctx context.Context, peer string, id storage.ID, receipt []byte) error {
	var done bool
	var b row
	var in arrival
	var objects []object
	err := q.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if done, err = q.Seen(tx, id); done || err != nil {
			return err
		}
		if b, err = findBundle(tx, id); err != nil {
			return err
		}
		if in, err = findIncoming(tx, b.seq, peer); err != nil {
			return err
		}
		objects, err = listObjects(tx, b.seq)
		return err
	})
	if done || err != nil {
		return err
	}
	contents := map[int]blob.Content{}
	for _, i := range in.need {
		if objects[i].have {
			continue
		}
		if contents[i], err = q.finish(partKey{id, i}, objects[i]); err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
	}
	if err := q.db.Update(ctx, func(tx *sqlite.Tx) error { return q.handOver(tx, peer, b, in, contents, receipt) }); err != nil {
		return err
	}
	if err := q.parts.remove(id, len(objects)); err != nil {
		q.log.Warn("partial files not removed", "bundle", id, "error", err)
	}
	return nil
}

// finish checks an object's bytes and makes them content.
func (q *Queue) finish(k partKey, o object) (blob.Content, error) {
	if o.Size > blob.InlineMax && q.blobs.Has(o.SHA256, o.Size) {
		return blob.Content{SHA256: o.SHA256, Size: o.Size}, nil // from another bundle, or before a crash
	}
	part, err := q.parts.get(k, o.Size)
	if err != nil {
		return blob.Content{}, err
	}
	c, err := part.Finish(o.SHA256, o.Size)
	q.parts.put(part)
	if errors.Is(err, storage.ErrOffset) {
		return c, fmt.Errorf("%w: %w", storage.ErrDigest, err)
	}
	if c.Inline == nil {
		q.parts.forget(k) // it is content now, or bad, or in doubt
	}
	return c, err
}

// handOver puts a bundle into the inbox and remembers it, in one transaction.
func (q *Queue) handOver(tx *sqlite.Tx, peer string, b row, in arrival, contents map[int]blob.Content, receipt []byte) error {
	for i, c := range contents {
		if err := complete(tx, b.seq, i, c.Inline); err != nil {
			return err
		}
	}
	if receipt == nil {
		receipt = []byte{}
	}
	if _, err := tx.Exec(`INSERT INTO seen (id, header, peer, receipt, at) VALUES (?, ?, ?, ?, ?)`,
		b.ID, b.digest, peer, receipt, tx.Now()); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO inbox (bundle, peer, urgency, at, slip) VALUES (?, ?, ?, ?, ?)`,
		b.seq, peer, b.Urgency, tx.Now(), in.slip); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM incoming WHERE bundle = ?`, b.seq); err != nil {
		return err
	}
	q.notify(tx, Change{Inbox: true})
	if q.hooks.Arrived != nil {
		return q.hooks.Arrived(tx, peer, b.Bundle)
	}
	return nil
}

// Forget implements [storage.Queue]. The bytes stay as long as another
// neighbour offers the same bundle.
func (q *Queue) Forget(ctx context.Context, peer string, id storage.ID) error {
	defer q.locks.lock(id)()
	err := q.forget(ctx, id, func(tx *sqlite.Tx, seq int64) error {
		_, err := tx.Exec(`DELETE FROM incoming WHERE bundle = ? AND peer = ?`, seq, peer)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget bundle %s from %s: %w", id, peer, err)
	}
	return nil
}

// forget removes offers of a bundle, and its partial bytes with the last one.
func (q *Queue) forget(ctx context.Context, id storage.ID, remove func(tx *sqlite.Tx, seq int64) error) error {
	objects := 0
	err := q.db.Update(ctx, func(tx *sqlite.Tx) error {
		b, err := findBundle(tx, id)
		if err != nil {
			return err
		}
		if err := remove(tx, b.seq); err != nil {
			return err
		}
		var left bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM incoming WHERE bundle = ?)`, b.seq).Scan(&left); err != nil {
			return err
		}
		if !left {
			objects = len(b.Objects)
		}
		return q.release(tx, b.seq)
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return q.parts.remove(id, objects)
}

// ForgetExpired drops unfinished incoming bundles whose lifetime has ended at
// now, and returns how many: their neighbours will not finish them.
func (q *Queue) ForgetExpired(ctx context.Context, now time.Time) (int, error) {
	var ids []storage.ID
	err := q.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT id FROM bundles WHERE expires <= ? AND EXISTS (SELECT 1 FROM incoming WHERE bundle = seq)`, now)
		if err != nil {
			return err
		}
		ids, err = collectIDs(rows)
		return err
	})
	for i, id := range ids {
		if err != nil {
			return i, err
		}
		unlock := q.locks.lock(id)
		err = q.forget(ctx, id, func(tx *sqlite.Tx, seq int64) error {
			_, err := tx.Exec(`DELETE FROM incoming WHERE bundle = ?`, seq)
			return err
		})
		unlock()
	}
	if err != nil {
		return 0, fmt.Errorf("forget expired bundles: %w", err)
	}
	return len(ids), nil
}

// recoverParts removes partial files that no unfinished bundle refers to: a
// crash came between the transaction and their removal.
func (q *Queue) recoverParts(ctx context.Context) {
	names, err := q.blobs.Parts()
	for _, name := range names {
		k, ok := parsePart(name)
		if !ok {
			continue
		}
		unlock := q.locks.lock(k.id)
		o, aerr := q.admitted(ctx, k)
		if errors.Is(aerr, storage.ErrNotFound) || (aerr == nil && o.have) {
			q.parts.forget(k)
			err = errors.Join(err, q.blobs.RemovePart(name))
		}
		unlock()
	}
	if err != nil {
		q.log.Warn("left-over partial files not removed", "error", err)
	}
}
