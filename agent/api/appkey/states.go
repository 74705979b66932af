package appkey

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tram/agent/dossier/code"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// SetStates has an application speak of the statuses of dossiers in its own words, by
// a mapping file; an empty one takes them away.
func (s *Store) SetStates(ctx context.Context, by, name string, file []byte) (*code.Mapping, error) {
	var m *code.Mapping
	if len(file) > 0 {
		var err error
		if m, err = code.ReadMapping(bytes.NewReader(file)); err != nil {
			return nil, err
		}
	}
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := inUse(tx, name); err != nil {
			return err
		}
		e := audit.Entry{Actor: by, Action: "app.states", Subject: name}
		if m == nil {
			if _, err := tx.Exec(`DELETE FROM app_states WHERE app = ?`, name); err != nil {
				return err
			}
			return audit.Append(tx, e)
		}
		e.Detail = map[string]string{"system": m.System}
		if _, err := tx.Exec(`INSERT OR REPLACE INTO app_states (app, system, mapping) VALUES (?, ?, ?)`, name, m.System, string(file)); err != nil {
			return err
		}
		return audit.Append(tx, e)
	})
	if err != nil {
		return nil, fmt.Errorf("set words of application: %w", err)
	}
	return m, nil
}

// States is how an application calls the statuses of dossiers, nil for as they are.
func (s *Store) States(ctx context.Context, name string) (*code.Mapping, error) {
	var raw string
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		if _, err := one(tx, name); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT mapping FROM app_states WHERE app = ?`, name).Scan(&raw)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read words of application: %w", err)
	}
	m, err := code.ReadMapping(bytes.NewReader([]byte(raw)))
	if err != nil {
		return nil, fmt.Errorf("read words of application %s: %w", name, err)
	}
	return m, nil
}
