package ca

import (
	"context"
	"fmt"
	"time"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/sqlite"
)

// redeemed completes r with what its answer will tell the office of this hub's
// CAs.
func (c *CA) redeemed(r Redeemed, code string) *Redeemed {
	r.code, r.told = registry.Key(code), c.toldOf()
	return &r
}

// Told reports whether an office is known to believe the CAs that it is to
// believe.
func (c *CA) Told(tx *sqlite.Tx, code string) (bool, error) {
	of := c.toldOf()
	if of == nil {
		return true, nil
	}
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM told WHERE code_key = ? AND trust = ? AND delivered_at IS NOT NULL`, registry.Key(code), of).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up CAs told: %w", err)
	}
	return n > 0, nil
}

// NoteSent remembers which bundle carries new certificates to an office.
func (r *Redeemed) NoteSent(tx *sqlite.Tx, bundle storage.ID) error {
	_, err := tx.Exec(`UPDATE certificates SET notice = ?, sent_at = ? WHERE serial IN (?, ?)`,
		bundle, tx.Now(), r.Device.SerialNumber.Bytes(), r.Seal.SerialNumber.Bytes())
	if err == nil && r.told != nil {
		_, err = tx.Exec(`INSERT OR REPLACE INTO told (code_key, trust, notice, sent_at) VALUES (?, ?, ?, ?)`, r.code, r.told, bundle, tx.Now())
	}
	if err != nil {
		return fmt.Errorf("note renewal: %w", err)
	}
	return nil
}

// NoteDelivered remembers that an office has what a bundle carried. Other
// bundles are none of its business.
func NoteDelivered(tx *sqlite.Tx, bundle storage.ID) error {
	_, err := tx.Exec(`UPDATE certificates SET delivered_at = ? WHERE notice = ? AND delivered_at IS NULL`, tx.Now(), bundle)
	if err == nil {
		_, err = tx.Exec(`UPDATE told SET delivered_at = ? WHERE notice = ? AND delivered_at IS NULL`, tx.Now(), bundle)
	}
	if err != nil {
		return fmt.Errorf("note renewal: %w", err)
	}
	return nil
}

// delivered remembers that an office was answered with r. An answer that is
// lost is asked for again.
func (r *Redeemed) delivered(tx *sqlite.Tx) error {
	_, err := tx.Exec(`UPDATE certificates SET delivered_at = ? WHERE serial IN (?, ?) AND delivered_at IS NULL`,
		tx.Now(), r.Device.SerialNumber.Bytes(), r.Seal.SerialNumber.Bytes())
	if err == nil && r.told != nil {
		_, err = tx.Exec(`INSERT OR REPLACE INTO told (code_key, trust, delivered_at) VALUES (?, ?, ?)`, r.code, r.told, tx.Now())
	}
	if err != nil {
		return fmt.Errorf("note renewal: %w", err)
	}
	return nil
}

// sendAgain is when certificates that were sent and have not reached their
// office are sent anew: the first bundle may have run out.
const sendAgain = 24 * time.Hour

// maxDue bounds how many offices DueOffices returns of each kind; the rest
// follows when these have been dealt with.
const maxDue = 2000

// DueOffices are offices, by folded code, whose certificates are due, those that
// end first before others, and those that are not known to believe the CAs of
// this hub; but for what is under way already.
func (c *CA) DueOffices(ctx context.Context, db *sqlite.DB, now time.Time) ([]string, error) {
	var due []string
	err := db.View(ctx, func(tx *sqlite.Tx) (err error) {
		due, err = codes(tx, `SELECT code_key FROM certificates c
			WHERE unit IN ('device', 'seal') AND delivered_at IS NOT NULL AND 3 * (not_after - ?) < not_after - not_before
			AND NOT EXISTS (SELECT 1 FROM certificates n WHERE n.code_key = c.code_key AND n.unit = c.unit
				AND n.delivered_at IS NOT NULL AND n.not_after > c.not_after)
			AND NOT EXISTS (SELECT 1 FROM certificates n WHERE n.code_key = c.code_key AND n.unit = c.unit
				AND n.delivered_at IS NULL AND n.sent_at > ?)
			GROUP BY code_key ORDER BY min(not_after) LIMIT ?`, now, now.Add(-sendAgain), maxDue)
		of := c.toldOf()
		if err != nil || of == nil {
			return err
		}
		untold, err := codes(tx, `SELECT DISTINCT code_key FROM certificates c
			WHERE unit = 'device' AND delivered_at IS NOT NULL AND not_after > ?
			AND NOT EXISTS (SELECT 1 FROM told t WHERE t.code_key = c.code_key AND t.trust = ?
				AND (t.delivered_at IS NOT NULL OR t.sent_at > ?))
			ORDER BY code_key`, now.Add(-c.Policy.grace()), of, now.Add(-sendAgain))
		due = append(due, untold...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for certificates that are due: %w", err)
	}
	return due, nil
}

func codes(tx *sqlite.Tx, query string, args ...any) (list []string, err error) {
	return sqlite.Column[string](tx, query, args...)
}
