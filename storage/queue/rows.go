package queue

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tram/storage"
	"tram/storage/sqlite"
)

// row is a bundle with its number in the database.
type row struct {
	storage.Bundle
	seq    int64
	digest [32]byte // of the header
}

const bundleColumns = `b.seq, b.id, b.kind, b.from_office, b.to_offices, b.urgency, b.created, b.expires, b.in_reply_to, b.header`

// fields returns where to scan bundleColumns, and what to do after the scan.
func (r *row) fields() (dest []any, finish func() error) {
	var to string
	dest = []any{&r.seq, &r.ID, &r.Kind, &r.From, &to, &r.Urgency,
		sqlite.Timestamp(&r.Created), sqlite.Timestamp(&r.Expires), &r.InReplyTo, &r.Header}
	return dest, func() error {
		r.digest = sha256.Sum256(r.Header)
		if err := json.Unmarshal([]byte(to), &r.To); err != nil {
			return fmt.Errorf("read recipients: %w", err)
		}
		return nil
	}
}

// objectKey is the key of an object's row.
func objectKey(seq int64, index int) int64 { return seq*MaxObjects + int64(index) }

// findSeq returns a bundle's number. [storage.ErrNotFound]
func findSeq(tx *sqlite.Tx, id storage.ID) (seq int64, err error) {
	err = notFound(tx.QueryRow(`SELECT seq FROM bundles WHERE id = ?`, id).Scan(&seq))
	return seq, err
}

// findBundle returns a bundle with its objects. [storage.ErrNotFound]
func findBundle(tx *sqlite.Tx, id storage.ID) (row, error) {
	var r row
	dest, finish := r.fields()
	if err := tx.QueryRow(`SELECT `+bundleColumns+` FROM bundles b WHERE b.id = ?`, id).Scan(dest...); err != nil {
		return r, notFound(err)
	}
	if err := finish(); err != nil {
		return r, err
	}
	return r, r.loadObjects(tx)
}

func (r *row) loadObjects(tx *sqlite.Tx) error {
	objects, err := listObjects(tx, r.seq)
	for _, o := range objects {
		r.Objects = append(r.Objects, o.Object)
	}
	return err
}

// object is a row of objects without the bytes.
type object struct {
	storage.Object
	have   bool
	inline bool
}

func listObjects(tx *sqlite.Tx, seq int64) ([]object, error) {
	rows, err := tx.Query(`SELECT sha256, size, role, have, inline IS NOT NULL FROM objects
		WHERE key BETWEEN ? AND ? ORDER BY key`, objectKey(seq, 0), objectKey(seq, MaxObjects-1))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []object
	for rows.Next() {
		var o object
		if err := rows.Scan(sqlite.Digest(&o.SHA256), &o.Size, &o.Role, &o.have, &o.inline); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// errKnown says that a bundle's ID is in the store.
var errKnown = errors.New("bundle is known")

// insertBundle writes a bundle and its objects, or nothing and errKnown;
// content tells for each object whether it is complete, and its inline bytes.
func insertBundle(tx *sqlite.Tx, b storage.Bundle, content func(i int) (have bool, inline []byte)) (seq int64, err error) {
	to, err := encodeList(b.To)
	if err != nil {
		return 0, err
	}
	header := b.Header
	if header == nil {
		header = []byte{}
	}
	res, err := tx.Exec(`INSERT INTO bundles (id, kind, from_office, to_offices, urgency, created, expires, in_reply_to, header, size)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		b.ID, b.Kind, b.From, to, b.Urgency, b.Created, b.Expires, b.InReplyTo, header, sizeOf(b.Objects))
	if err != nil {
		return 0, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return 0, err
	} else if n == 0 {
		return 0, errKnown
	}
	if seq, err = res.LastInsertId(); err != nil {
		return 0, err
	}
	for i, o := range b.Objects {
		have, inline := content(i)
		if _, err := tx.Exec(`INSERT INTO objects (key, sha256, size, role, have, inline) VALUES (?, ?, ?, ?, ?, ?)`,
			objectKey(seq, i), o.SHA256, o.Size, o.Role, have, inline); err != nil {
			return 0, err
		}
	}
	return seq, nil
}

// seen is what is remembered of a bundle that was taken over.
type seen struct {
	header  [32]byte
	receipt []byte
}

// findSeen returns the memory of a bundle. [storage.ErrNotFound]
func findSeen(tx *sqlite.Tx, id storage.ID) (seen, error) {
	var s seen
	err := tx.QueryRow(`SELECT header, receipt FROM seen WHERE id = ?`, id).Scan(sqlite.Digest(&s.header), &s.receipt)
	return s, notFound(err)
}

func collectIDs(rows *sql.Rows) ([]storage.ID, error) {
	defer rows.Close()
	var ids []storage.ID
	for rows.Next() {
		var id storage.ID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return storage.ErrNotFound
	}
	return err
}

func sizeOf(objects []storage.Object) (n int64) {
	for _, o := range objects {
		n += o.Size
	}
	return n
}
