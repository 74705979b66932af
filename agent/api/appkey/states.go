package appkey

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

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
	return m, s.ChangeStates(ctx, by, name, nil, func(*code.Mapping) (*code.Mapping, error) { return m, nil })
}

// ChangeStates changes the words of an application: change gets those there are, nil
// for none, and gives those there shall be. what says in the audit log which change
// it is; nil for all of them.
func (s *Store) ChangeStates(ctx context.Context, by, name string, what map[string]string, change func(*code.Mapping) (*code.Mapping, error)) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := inUse(tx, name); err != nil {
			return err
		}
		m, err := statesIn(tx, name)
		if err != nil {
			return err
		}
		if m, err = change(m); err != nil {
			return err
		}
		e := audit.Entry{Actor: by, Action: "app.states", Subject: name, Detail: maps.Clone(what)}
		if m == nil {
			if _, err := tx.Exec(`DELETE FROM app_states WHERE app = ?`, name); err != nil {
				return err
			}
			return audit.Append(tx, e)
		}
		file, err := m.Encode()
		if err != nil {
			return err
		}
		if _, err := code.ReadMapping(bytes.NewReader(file)); err != nil { // with its indents it may be too large
			return err
		}
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["system"] = m.System
		if _, err := tx.Exec(`INSERT OR REPLACE INTO app_states (app, system, mapping) VALUES (?, ?, ?)`, name, m.System, string(file)); err != nil {
			return err
		}
		return audit.Append(tx, e)
	})
	if err != nil {
		return fmt.Errorf("set words of application: %w", err)
	}
	return nil
}

// States is how an application calls the statuses of dossiers, nil for as they are.
func (s *Store) States(ctx context.Context, name string) (m *code.Mapping, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		if _, err := one(tx, name); err != nil {
			return err
		}
		m, err = statesIn(tx, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read words of application %s: %w", name, err)
	}
	return m, nil
}

// statesIn reads the words of an application, nil for none.
func statesIn(tx *sqlite.Tx, name string) (*code.Mapping, error) {
	var raw string
	err := tx.QueryRow(`SELECT mapping FROM app_states WHERE app = ?`, name).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return code.ReadMapping(bytes.NewReader([]byte(raw)))
}
