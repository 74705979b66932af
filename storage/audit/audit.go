// Package audit keeps the log of who did what, as a hash chain.
//
// It promises that an entry is written in the same transaction as the change it
// records, and that [Verify] finds any row that was changed, removed, inserted
// or reordered later. Whoever rewrites the whole chain and its head is found
// out by the countersignatures that others have given on it, see
// [KeepCountersignature], and by the one that the last witness has kept itself.
//
// The encoding that is hashed is specified, with a test vector, in
// storage/README.md.
package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// chainName is hashed into the first link, so that a change of the format makes
// another chain.
const chainName = "tram-audit-1"

// maxText bounds each text of an entry, in bytes. Append refuses longer ones.
const maxText = 64 << 10

//go:embed migrations/*.sql
var files embed.FS

// Schema holds the tables of the log.
var Schema = sqlite.Embedded("audit", files)

// Entry is something that happened. Texts are plain; no secrets, no content of
// documents.
type Entry struct {
	At      time.Time // zero: the time of the transaction
	Actor   string    // account, program or office
	Action  string    // a stable word such as "document.send"
	Subject string    // what it was done to, usually an ID
	Detail  map[string]string
}

// Row is an entry as it stands in the log.
type Row struct {
	Entry
	Seq  int64 // from 1 without gaps
	Hash [32]byte
}

// Report is what [Verify] found in a whole chain.
type Report struct {
	Entries int64
	Head    [32]byte // hash of the last entry; of the empty chain when there is none
	First   time.Time
	Last    time.Time
	// Countersigned is the last entry that another one has countersigned, 0 for
	// none; Witness is who, WitnessedAt when.
	Countersigned int64
	Witness       string
	WitnessedAt   time.Time
}

// BrokenError says where a chain does not hold. Entries before Seq are intact.
type BrokenError struct {
	Seq int64
	Why string
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("audit log is broken at entry %d: %s", e.Seq, e.Why)
}

// Append writes an entry as part of tx.
func Append(tx *sqlite.Tx, e Entry) error {
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	detail, err := encodeDetail(e.Detail)
	if err != nil {
		return fmt.Errorf("append audit entry: %w", err)
	}
	if max(len(e.Actor), len(e.Action), len(e.Subject), len(detail)) > maxText {
		return fmt.Errorf("append audit entry: a text is longer than %d bytes", maxText)
	}
	seq, prev, err := head(tx)
	if err != nil {
		return fmt.Errorf("append audit entry: %w", err)
	}
	r := stored{seq: seq + 1, at: sqlite.Millis(e.At), actor: e.Actor, action: e.Action, subject: e.Subject, detail: detail}
	r.hash = r.link(prev)
	if _, err := tx.Exec(`INSERT INTO audit (seq, at, actor, action, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.seq, r.at, r.actor, r.action, r.subject, r.detail, r.hash); err != nil {
		return fmt.Errorf("append audit entry: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO audit_head (one, seq, hash) VALUES (1, ?, ?)
		ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`, r.seq, r.hash); err != nil {
		return fmt.Errorf("append audit entry: %w", err)
	}
	return nil
}

// head returns the last link; of an empty log, entry 0 and the chain's name.
func head(tx *sqlite.Tx) (seq int64, hash [32]byte, err error) {
	err = tx.QueryRow(`SELECT seq, hash FROM audit_head`).Scan(&seq, sqlite.Digest(&hash))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, sha256.Sum256([]byte(chainName)), nil
	}
	return seq, hash, err
}

// encodeDetail gives the one JSON text of a map: keys sorted, "{}" when empty.
func encodeDetail(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

// stored is a row with the bytes that are hashed.
type stored struct {
	seq, at                        int64
	actor, action, subject, detail string
	hash                           [32]byte
}

// link hashes the row onto the link before it.
func (r stored) link(prev [32]byte) [32]byte {
	b := append(make([]byte, 0, 256), prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.at))
	for _, s := range []string{r.actor, r.action, r.subject, r.detail} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

const selectRows = `SELECT seq, at, actor, action, subject, detail, hash FROM audit `

func (r *stored) scan(scan func(...any) error) error {
	return scan(&r.seq, &r.at, &r.actor, &r.action, &r.subject, &r.detail, sqlite.Digest(&r.hash))
}

// Verify checks the whole chain. A chain that does not hold is a *[BrokenError];
// the report then covers the entries before it.
func Verify(ctx context.Context, db *sqlite.DB) (Report, error) {
	var rep Report
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		wantSeq, wantHead, err := head(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(selectRows + `ORDER BY seq`)
		if err != nil {
			return err
		}
		defer rows.Close()
		rep.Head = sha256.Sum256([]byte(chainName))
		for rows.Next() {
			if err := rep.check(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		switch {
		case rep.Entries < wantSeq:
			return &BrokenError{Seq: rep.Entries + 1, Why: fmt.Sprintf("entries up to %d are missing", wantSeq)}
		case rep.Entries > wantSeq:
			return &BrokenError{Seq: wantSeq + 1, Why: "it was added behind the recorded end"}
		case rep.Head != wantHead:
			return &BrokenError{Seq: wantSeq, Why: "the recorded end has another hash"}
		}
		return rep.agree(tx)
	})
	if err != nil {
		return rep, fmt.Errorf("verify audit log: %w", err)
	}
	return rep, nil
}

// check takes one row into the report if it continues the chain.
func (rep *Report) check(rows *sql.Rows) error {
	var r stored
	due := rep.Entries + 1
	if err := r.scan(rows.Scan); err != nil {
		return &BrokenError{Seq: due, Why: "a column has another form: " + err.Error()}
	}
	switch {
	case r.seq > due:
		return &BrokenError{Seq: due, Why: "it is missing"}
	case r.seq < due:
		return &BrokenError{Seq: r.seq, Why: "its number is out of order"}
	case r.link(rep.Head) != r.hash:
		return &BrokenError{Seq: r.seq, Why: "it was changed, or does not follow the entry before it"}
	}
	at := sqlite.Time(r.at)
	if rep.Entries == 0 {
		rep.First = at
	}
	rep.Entries, rep.Head, rep.Last = due, r.hash, at
	return nil
}

// List returns at most limit entries after number after, oldest first.
func List(ctx context.Context, db *sqlite.DB, after int64, limit int) ([]Row, error) {
	list, err := rowsOf(ctx, db, `WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list audit log: %w", err)
	}
	return list, nil
}

// rowsOf reads the entries that a condition picks.
func rowsOf(ctx context.Context, db *sqlite.DB, where string, args ...any) (list []Row, err error) {
	err = db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(selectRows+where, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row, err := read(rows.Scan)
			if err != nil {
				return err
			}
			list = append(list, row)
		}
		return rows.Err()
	})
	return list, err
}
