package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tram/storage/sqlite"
)

// Filter picks entries of the log. What is zero picks all.
type Filter struct {
	Actor   string
	Action  string    // this one, and those below it: "user" picks "user.created"
	Subject string    // this one
	From    time.Time // not before it
	Until   time.Time // before it
	Before  int64     // entries with a lower number
}

// Find returns at most limit entries that f picks, the newest first.
func Find(ctx context.Context, db *sqlite.DB, f Filter, limit int) ([]Row, error) {
	list, err := rowsOf(ctx, db, `WHERE (?1 = '' OR actor = ?1) AND (?2 = '' OR action = ?2 OR substr(action, 1, length(?2) + 1) = ?2 || '.')
		AND (?3 = '' OR subject = ?3) AND (?4 = 0 OR at >= ?4) AND (?5 = 0 OR at < ?5) AND (?6 = 0 OR seq < ?6)
		ORDER BY seq DESC LIMIT ?7`, f.Actor, f.Action, f.Subject, sqlite.MillisOrZero(f.From), sqlite.MillisOrZero(f.Until), f.Before, limit)
	if err != nil {
		return nil, fmt.Errorf("search audit log: %w", err)
	}
	return list, nil
}

// read gives one row of the log to the caller's eyes.
func read(scan func(...any) error) (Row, error) {
	var r stored
	if err := r.scan(scan); err != nil {
		return Row{}, err
	}
	row := Row{Seq: r.seq, Hash: r.hash, Entry: Entry{At: sqlite.Time(r.at), Actor: r.actor, Action: r.action, Subject: r.subject}}
	if err := json.Unmarshal([]byte(r.detail), &row.Detail); err != nil {
		return row, fmt.Errorf("entry %d: %w", r.seq, err)
	}
	return row, nil
}
