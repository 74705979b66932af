package connector

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("connector", migrations)

// Actions in the audit log. They are stable: programs search for them.
const (
	actionAdd    = "connector.add"
	actionRemove = "connector.remove"
	actionPause  = "connector.pause"
	actionResume = "connector.resume"
	actionDead   = "connector.dead-letter"
	actionReplay = "connector.replay"
	actionDrop   = "connector.drop"
)

// Spec is a connector as a person adds it.
type Spec struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Settings json.RawMessage `json:"settings"`
	Secret   []byte          `json:"secret,omitempty"` // never in an answer
}

// stored is a connector as it is kept.
type stored struct {
	Spec
	paused  bool
	created time.Time
}

// store keeps connectors and what waits for them.
type store struct{ db *sqlite.DB }

func unknown(name string) error {
	return problem.New(problem.NotFound, "connector.unknown", "name", i18n.Args{"name": name})
}

func (s store) all(ctx context.Context) (list []stored, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT name, kind, settings, secret, paused, created FROM connectors ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c stored
			var settings string
			if err := rows.Scan(&c.Name, &c.Kind, &settings, &c.Secret, &c.paused, sqlite.Timestamp(&c.created)); err != nil {
				return err
			}
			c.Settings = json.RawMessage(settings)
			list = append(list, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list connectors: %w", err)
	}
	return list, nil
}

func (s store) add(ctx context.Context, c Spec, cursor, by string) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var there bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM connectors WHERE name = ?)`, c.Name).Scan(&there); err != nil {
			return err
		}
		if there {
			return problem.New(problem.Conflict, "connector.exists", "name", i18n.Args{"name": c.Name})
		}
		var secret any
		if c.Secret != nil {
			secret = c.Secret
		}
		if _, err := tx.Exec(`INSERT INTO connectors (name, kind, settings, secret, cursor, created) VALUES (?, ?, ?, ?, ?, ?)`,
			c.Name, c.Kind, string(c.Settings), secret, cursor, tx.Now()); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: actionAdd, Subject: c.Name, Detail: map[string]string{"kind": c.Kind}})
	})
	if err != nil {
		return fmt.Errorf("add connector: %w", err)
	}
	return nil
}

// change runs one statement about a connector, which must be there.
func (s store) change(ctx context.Context, name, by, action, statement string) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		res, err := tx.Exec(statement, name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(unknown(name), err)
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: name})
	})
	if err != nil {
		return fmt.Errorf("change connector: %w", err)
	}
	return nil
}

// item is one row of deliveries.
type item struct {
	seq int64
	Delivery
}

// take moves entries from the feed into the deliveries of a connector and the
// cursor behind them, in one transaction. end says that there was nothing more
// to read, or no room for it.
func (s store) take(ctx context.Context, name string, feed Feed, wants func(office.Entry) bool) (end bool, err error) {
	var cursor string
	var waiting int
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT cursor, (SELECT count(*) FROM deliveries WHERE connector = ?1) FROM connectors WHERE name = ?1`, name).
			Scan(&cursor, &waiting)
	})
	if err != nil {
		return false, fmt.Errorf("read place in feed: %w", err)
	}
	room := MaxWaiting - waiting
	if room <= 0 {
		return true, nil
	}
	entries, next, err := feed.Feed(ctx, cursor, min(room, office.MaxFeed))
	if err != nil || next == cursor {
		return true, err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		for _, e := range entries {
			if !wants(e) {
				continue
			}
			raw, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO deliveries (connector, document, entry, since, due) VALUES (?, ?, ?, ?, ?)`,
				name, e.Document, string(raw), time.Time{}, tx.Now()); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE connectors SET cursor = ? WHERE name = ?`, next, name)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take entries from feed: %w", err)
	}
	return false, nil
}

// due returns the first waiting delivery of each document, those that are due
// before the others, and when the next one is, zero for never.
func (s store) due(ctx context.Context, name string, busy map[storage.ID]bool, now time.Time, limit int) (list []item, next time.Time, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT d.seq, d.entry, d.tries, d.since, d.due FROM deliveries d WHERE d.connector = ?1 AND d.dead = 0
			AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.connector = ?1 AND e.dead = 0 AND e.document = d.document AND e.seq < d.seq)
			ORDER BY d.due, d.seq LIMIT ?2`, name, limit+len(busy)+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var i item
			var raw string
			var due time.Time
			if err := rows.Scan(&i.seq, &raw, &i.Tries, sqlite.Timestamp(&i.Since), sqlite.Timestamp(&due)); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(raw), &i.Entry); err != nil {
				return fmt.Errorf("read delivery: %w", err)
			}
			switch {
			case busy[i.Entry.Document]:
			case due.After(now):
				next = due
				return nil
			case len(list) < limit:
				list = append(list, i)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list deliveries: %w", err)
	}
	return list, next, nil
}

// delivered forgets a delivery that is done.
func (s store) delivered(ctx context.Context, i item) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM deliveries WHERE seq = ?`, i.seq)
		return err
	})
}

// failed notes a try that failed: it is due again, or a dead letter.
func (s store) failed(ctx context.Context, name string, i item, why *Failure, due time.Time, dead bool) error {
	raw, err := json.Marshal(why)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		since := i.Since
		if since.IsZero() {
			since = tx.Now()
		}
		if _, err := tx.Exec(`UPDATE deliveries SET tries = tries + 1, since = ?, due = ?, failure = ?, dead = ? WHERE seq = ?`,
			since, due, string(raw), dead, i.seq); err != nil || !dead {
			return err
		}
		reason := why.Text(i18n.Vietnamese)
		if i.Entry.OfDossier() {
			reason = why.short()
		}
		return audit.Append(tx, audit.Entry{Actor: By(name), Action: actionDead, Subject: i.Entry.Document.String(),
			Detail: map[string]string{"entry": i.Entry.Cursor, "reason": reason}})
	})
}
