package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Letter is an entry that waits for a connector, or a dead letter.
type Letter struct {
	ID      int64        `json:"id"`
	Entry   office.Entry `json:"entry"`
	Dead    bool         `json:"dead"`
	Tries   int          `json:"tries"`
	Since   time.Time    `json:"since,omitzero"` // of the first try, none before it
	Due     time.Time    `json:"due"`
	Failure *Failure     `json:"failure,omitempty"` // of the last try
}

// MaxLetters is how many letters one call of [Host.Letters] returns.
const MaxLetters = 200

// Letters lists what waits for a connector, dead letters first, oldest first.
func (h *Host) Letters(ctx context.Context, name string) ([]Letter, error) {
	list := []Letter{}
	err := h.store.db.View(ctx, func(tx *sqlite.Tx) error {
		if err := known(tx, name); err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT seq, entry, dead, tries, since, due, failure FROM deliveries WHERE connector = ?
			ORDER BY dead DESC, seq LIMIT ?`, name, MaxLetters)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l Letter
			var entry, why string
			if err := rows.Scan(&l.ID, &entry, &l.Dead, &l.Tries, sqlite.Timestamp(&l.Since), sqlite.Timestamp(&l.Due), &why); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(entry), &l.Entry); err != nil {
				return err
			}
			if why != "" {
				if err := json.Unmarshal([]byte(why), &l.Failure); err != nil {
					return err
				}
			}
			list = append(list, l)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	return list, nil
}

func known(tx *sqlite.Tx, name string) error {
	var there bool
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM connectors WHERE name = ?)`, name).Scan(&there); err != nil {
		return err
	}
	if !there {
		return unknown(name)
	}
	return nil
}

// Replay has dead letters delivered again, one of them or with id 0 all. What
// waits for its next try is due at once as well. It returns how many there were.
func (h *Host) Replay(ctx context.Context, name string, id int64, by string) (int, error) {
	return h.letters(ctx, name, id, by, actionReplay,
		`UPDATE deliveries SET dead = 0, tries = 0, due = 0 WHERE connector = ?1 AND (?2 = 0 OR seq = ?2)`)
}

// Drop gives dead letters up, one of them or with id 0 all. The documents stay.
func (h *Host) Drop(ctx context.Context, name string, id int64, by string) (int, error) {
	return h.letters(ctx, name, id, by, actionDrop, `DELETE FROM deliveries WHERE connector = ?1 AND dead = 1 AND (?2 = 0 OR seq = ?2)`)
}

func (h *Host) letters(ctx context.Context, name string, id int64, by, action, statement string) (int, error) {
	var n int64
	err := h.store.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := known(tx, name); err != nil {
			return err
		}
		res, err := tx.Exec(statement, name, id)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
		if n == 0 && id != 0 {
			return problem.New(problem.NotFound, "connector.no-letter", "id", i18n.Args{"id": strconv.FormatInt(id, 10), "name": name})
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: action, Subject: name, Detail: map[string]string{"letters": strconv.FormatInt(n, 10)}})
	})
	if err != nil {
		return 0, fmt.Errorf("change letters: %w", err)
	}
	h.nudge(name)
	return int(n), nil
}
