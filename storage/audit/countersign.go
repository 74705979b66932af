package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// maxCountersigned is how many countersignatures are kept, the newest. Older
// ones add nothing: each covers all entries before its own.
const maxCountersigned = 4096

// Countersignature is another one's word that the chain had an entry with this
// hash. Whether Raw bears its signature is for the caller to check.
type Countersignature struct {
	Seq     int64
	Hash    [32]byte
	Witness string    // who signed
	At      time.Time // the witness's clock
	Raw     []byte
}

// Head returns the number and hash of the last entry as recorded; of an empty
// log, 0 and the chain's name.
func Head(tx *sqlite.Tx) (seq int64, hash [32]byte, err error) { return head(tx) }

// HashOf returns the hash that stands with an entry; ok is false when there is
// no such entry.
func HashOf(tx *sqlite.Tx, seq int64) (hash [32]byte, ok bool, err error) {
	err = tx.QueryRow(`SELECT hash FROM audit WHERE seq = ?`, seq).Scan(sqlite.Digest(&hash))
	if errors.Is(err, sql.ErrNoRows) {
		return hash, false, nil
	}
	if err != nil {
		return hash, false, fmt.Errorf("read hash of audit entry %d: %w", seq, err)
	}
	return hash, true, nil
}

// KeepCountersignature stores a countersignature, also one that the chain does
// not bear out: then [Verify] says so from now on. Of one entry the first hash
// stays, with its latest signature.
func KeepCountersignature(tx *sqlite.Tx, c Countersignature) error {
	_, err := tx.Exec(`INSERT INTO countersigned (seq, hash, witness, at, raw) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (seq) DO UPDATE SET at = ?4, raw = ?5 WHERE hash = ?2 AND witness = ?3 AND at < ?4`,
		c.Seq, c.Hash, c.Witness, c.At, c.Raw)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM countersigned WHERE seq <= (SELECT seq FROM countersigned ORDER BY seq DESC LIMIT 1 OFFSET ?)`, maxCountersigned)
	}
	if err != nil {
		return fmt.Errorf("keep countersignature: %w", err)
	}
	return nil
}

// LastCountersignature returns the latest by the witness's clock; ok is false when
// there is none.
func LastCountersignature(tx *sqlite.Tx) (c Countersignature, ok bool, err error) {
	list, err := countersignatures(tx, `ORDER BY at DESC, seq DESC LIMIT 1`)
	if err != nil || len(list) == 0 {
		return c, false, err
	}
	return list[0], true, nil
}

func countersignatures(tx *sqlite.Tx, order string) ([]Countersignature, error) {
	rows, err := tx.Query(`SELECT seq, hash, witness, at, raw FROM countersigned ` + order)
	if err != nil {
		return nil, fmt.Errorf("read countersignatures: %w", err)
	}
	defer rows.Close()
	var list []Countersignature
	for rows.Next() {
		var c Countersignature
		if err := rows.Scan(&c.Seq, sqlite.Digest(&c.Hash), &c.Witness, sqlite.Timestamp(&c.At), &c.Raw); err != nil {
			return nil, fmt.Errorf("read countersignatures: %w", err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// ErrUnchecked says that a countersignature could not be checked: then it counts
// neither for nor against the chain.
var ErrUnchecked = errors.New("countersignature cannot be checked")

// VerifyCountersigned is [Verify] that also checks each countersignature with
// check, which says whether its signature holds. A bad signature is a
// *[BrokenError] too, unless it is [ErrUnchecked]. The report names the last one
// that was checked.
func VerifyCountersigned(ctx context.Context, db *sqlite.DB, check func(Countersignature) error) (Report, error) {
	rep, err := Verify(ctx, db)
	if err != nil {
		return rep, err
	}
	var list []Countersignature
	err = db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = countersignatures(tx, `ORDER BY seq`)
		return err
	})
	if err != nil {
		return rep, fmt.Errorf("verify audit log: %w", err)
	}
	rep.Countersigned, rep.Witness, rep.WitnessedAt = 0, "", time.Time{}
	for _, c := range list {
		switch err := check(c); {
		case errors.Is(err, ErrUnchecked):
		case err != nil:
			return rep, fmt.Errorf("verify audit log: %w", &BrokenError{Seq: c.Seq, Why: "its countersignature does not hold: " + err.Error()})
		default:
			rep.Countersigned, rep.Witness, rep.WitnessedAt = c.Seq, c.Witness, c.At
		}
	}
	return rep, nil
}

// agree compares a chain that was read to its end with the countersignatures.
// The first that it does not bear out is a *BrokenError.
func (rep *Report) agree(tx *sqlite.Tx) error {
	list, err := countersignatures(tx, `ORDER BY seq`)
	if err != nil {
		return err
	}
	for _, c := range list {
		hash, ok, err := HashOf(tx, c.Seq)
		if err != nil {
			return err
		}
		switch by := fmt.Sprintf("%s countersigned it at %s", c.Witness, c.At.UTC().Format(time.RFC3339)); {
		case !ok: // the number stays when the chain grows again
			return &BrokenError{Seq: c.Seq, Why: "it is missing, and " + by}
		case hash != c.Hash:
			return &BrokenError{Seq: c.Seq, Why: "it is not what it was when " + by}
		}
		rep.Countersigned, rep.Witness, rep.WitnessedAt = c.Seq, c.Witness, c.At
	}
	return nil
}
