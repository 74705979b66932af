package relay

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/sqlite"
)

const (
	// KeepFor is how long at most something is kept for an office's next backup. An office
	// whose last one is older is taken not to make any.
	KeepFor = 15 * 24 * time.Hour
	// MaxKept bounds what is kept so alone, in bytes: over it the oldest goes.
	MaxKept = 20 << 30
	// savedMargin is how far before an office's backup what it took over has to be, to
	// count as in it: heartbeats travel, and clocks differ.
	savedMargin = 10 * time.Minute
)

// Saved notes as of when, by this hub's clock, the last verified backup of an office is,
// and ends what was kept for the case that the office is set back to an earlier one.
func (r *Relay) Saved(ctx context.Context, office string, at time.Time) error {
	key := registry.Key(office)
	r.mu.Lock()
	known := r.saved[key]
	r.mu.Unlock()
	if !at.After(known.Add(savedMargin / 2)) { // the same one: its time moves with the clocks
		return nil
	}
	var peer string
	err := r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		card, err := r.o.Registry.LookupTx(tx, office)
		if err != nil {
			return err
		}
		peer = card.Code
		_, err = tx.Exec(`INSERT INTO saved (office, at) VALUES (?1, ?2) ON CONFLICT (office) DO UPDATE SET at = ?2`, key, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("note backup of %q: %w", office, err)
	}
	r.mu.Lock()
	r.saved[key] = at
	r.mu.Unlock()
	return r.endKept(ctx, peer, at.Add(-savedMargin))
}

// loadSaved reads what Saved has noted.
func (r *Relay) loadSaved(ctx context.Context) error {
	type row struct {
		office string
		at     time.Time
	}
	return r.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, v *row) error { return rows.Scan(&v.office, sqlite.Timestamp(&v.at)) }, `SELECT office, at FROM saved`)
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, v := range list {
			r.saved[v.office] = v.at
		}
		return err
	})
}

// saves tells whether an office backs itself up, so that what it took over since is kept
// for it.
func (r *Relay) saves(office string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.saved[registry.Key(office)].After(r.o.Now().Add(-KeepFor))
}

// letGo ends what is held for an office that has answered it, or keeps it for the case
// that the office is set back to its last backup.
func (r *Relay) letGo(tx *sqlite.Tx, id storage.ID, office string) error {
	if !r.saves(office) {
		return r.release(tx, id, office)
	}
	kept, err := r.o.Queue.Keep(tx, id, office)
	if err != nil {
		return err
	}
	if !kept {
		return r.release(tx, id, office)
	}
	return r.finished(tx, id)
}

// tidyKept ends what has been kept long enough, and the oldest when it is too much or
// there is no room for it.
func (r *Relay) tidyKept(ctx context.Context) error {
	if err := r.endKept(ctx, "", r.o.Now().Add(-KeepFor)); err != nil {
		return err
	}
	most := int64(MaxKept)
	if r.o.Room != nil && r.o.Room(0) != nil {
		most = 0
	}
	before, over, err := r.o.Queue.KeptUntil(ctx, most)
	if err != nil || !over {
		return err
	}
	return r.endKept(ctx, "", before)
}

func (r *Relay) endKept(ctx context.Context, peer string, before time.Time) error {
	for n := batch; n == batch; {
		err := r.o.DB.Update(ctx, func(tx *sqlite.Tx) (err error) {
			n, err = r.o.Queue.EndKept(tx, peer, before, batch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// held tells whether a bundle for an office is kept beyond the office's custody.
func (r *Relay) held(b storage.Bundle, office string) bool { return receipted(b) || r.saves(office) }
