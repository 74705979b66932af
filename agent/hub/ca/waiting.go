package ca

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// WaitReason is why a box is in the waiting room.
type WaitReason string

// Reasons to wait.
const (
	WaitUsed    WaitReason = "used"    // its invite was used with other keys
	WaitExpired WaitReason = "expired" // its invite has run out, invite.Late ago at most
	WaitActive  WaitReason = "active"  // its office has a box already
)

// Decision of a person on a box that waits.
type Decision string

// Decisions. A box that nobody decides on is never let in.
const (
	Undecided Decision = ""
	Admitted  Decision = "admitted"
	Refused   Decision = "refused"
)

// waitKept is how long a decided entry of the waiting room is kept.
const waitKept = 90 * 24 * time.Hour

// Waiting is one box in the waiting room.
type Waiting struct {
	ID       int64      `json:"id"`
	Code     string     `json:"code"`
	Name     string     `json:"name"`
	Reason   WaitReason `json:"reason"`
	Remote   string     `json:"remote"` // address at the last try
	First    time.Time  `json:"first"`
	Last     time.Time  `json:"last"`
	Tries    int        `json:"tries"`
	Keys     string     `json:"keys"` // of its keys, to compare with what the box shows
	Decision Decision   `json:"decision,omitempty"`
}

// wait keeps a box in the waiting room. It returns what the box is told, nil
// when it has been admitted.
func wait(tx *sqlite.Tx, row inviteRow, keys [sha256.Size]byte, why WaitReason, remote string) (*problem.Problem, error) {
	var decision sql.NullString
	err := tx.QueryRow(`UPDATE waiting SET last_at = ?, tries = tries + 1, remote = ? WHERE invite = ? AND keys_sha256 = ? RETURNING decision`,
		tx.Now(), remote, row.ID[:], keys).Scan(&decision)
	args := i18n.Args{"code": row.Code, "to": row.NotAfter.Format(time.DateOnly), "keys": WaitKeys(keys)}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if err := enter(tx, row, keys, why, remote); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("enter waiting room: %w", err)
	case Decision(decision.String) == Admitted:
		return nil, nil
	case Decision(decision.String) == Refused:
		return nil, problem.New(problem.BadInvite, "enroll.turned-away", "", args)
	}
	return problem.New(problem.Busy, "waiting."+string(why), "", args), nil
}

// WaitKeys is the short form of the hash of a box's keys that two people can
// compare.
func WaitKeys(keys [sha256.Size]byte) string { return fmt.Sprintf("%x-%x", keys[:2], keys[2:4]) }

func enter(tx *sqlite.Tx, row inviteRow, keys [sha256.Size]byte, why WaitReason, remote string) error {
	if _, err := tx.Exec(`DELETE FROM waiting WHERE decided_at < ?`, tx.Now().Add(-waitKept)); err != nil {
		return fmt.Errorf("enter waiting room: %w", err)
	}
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM waiting`).Scan(&n); err != nil {
		return fmt.Errorf("enter waiting room: %w", err)
	}
	if n >= MaxWaiting {
		return problem.New(problem.Busy, "enroll.busy", "", nil)
	}
	_, err := tx.Exec(`INSERT INTO waiting (invite, keys_sha256, code_key, code, name, reason, remote, first_at, last_at, tries)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
		row.ID[:], keys, registry.Key(row.Code), row.Code, row.Name, string(why), remote, tx.Now(), tx.Now())
	if err != nil {
		return fmt.Errorf("enter waiting room: %w", err)
	}
	return audit.Append(tx, audit.Entry{Actor: actorEnrolment, Action: actionWaiting, Subject: row.Code, Detail: map[string]string{
		detailInvite: row.ID.String(), detailReason: string(why), detailRemote: remote, detailKey: fmt.Sprintf("%x", keys),
	}})
}

const waitingColumns = `id, code, name, reason, remote, first_at, last_at, tries, keys_sha256, decision`

func scanWaiting(row interface{ Scan(...any) error }) (w Waiting, err error) {
	var keys [sha256.Size]byte
	var reason string
	var decision sql.NullString
	err = row.Scan(&w.ID, &w.Code, &w.Name, &reason, &w.Remote, sqlite.Timestamp(&w.First), sqlite.Timestamp(&w.Last), &w.Tries,
		sqlite.Digest(&keys), &decision)
	w.Reason, w.Decision, w.Keys = WaitReason(reason), Decision(decision.String), WaitKeys(keys)
	return w, err
}

// ListWaiting returns the boxes that nobody has decided on, the oldest first;
// with all also those decided on.
func ListWaiting(ctx context.Context, db *sqlite.DB, all bool) ([]Waiting, error) {
	list := []Waiting{}
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT `+waitingColumns+` FROM waiting WHERE ? OR decision IS NULL ORDER BY id`, all)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			w, err := scanWaiting(rows)
			if err != nil {
				return err
			}
			list = append(list, w)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list waiting room: %w", err)
	}
	return list, nil
}

// Decide lets a box that waits in, or turns it away; it learns that when it
// asks next. A decision may be changed until the box has been let in. Problem
// waiting.none when there is no such entry.
func Decide(tx *sqlite.Tx, id int64, d Decision, by string) (Waiting, error) {
	w, err := scanWaiting(tx.QueryRow(`UPDATE waiting SET decision = ?, decided_at = ?, decided_by = ? WHERE id = ? RETURNING `+waitingColumns,
		string(d), tx.Now(), by, id))
	if errors.Is(err, sql.ErrNoRows) {
		return w, problem.New(problem.NotFound, "waiting.none", "ID", i18n.Args{"id": id})
	}
	if err != nil {
		return w, fmt.Errorf("decide on waiting box: %w", err)
	}
	return w, audit.Append(tx, audit.Entry{Actor: nonEmpty(by, actorHub), Action: actionDecided, Subject: w.Code, Detail: map[string]string{
		detailReason: string(w.Reason), detailDecision: string(d), detailKey: w.Keys,
	}})
}
