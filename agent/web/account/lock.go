package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

const (
	// LockAfter is how many sign-ins in a row may fail before an account is
	// locked, the bound of NIST SP 800-63B. The throttle makes that take hours
	// from one address. Sessions that are open go on.
	LockAfter = 100
	// strangersKept bounds the counted names that are no account; the oldest
	// are forgotten beyond it.
	strangersKept = 256
)

// locked reports whether too many sign-ins as name have failed in a row, also
// for a name that is no account.
func (s *Store) locked(ctx context.Context, name string) (bool, error) {
	failed := 0
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT failed FROM attempts WHERE name = ?`, name).Scan(&failed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read failed sign-ins: %w", err)
	}
	return failed >= LockAfter, nil
}

// countFailure notes a failed sign-in, and locks the name at LockAfter.
func (s *Store) countFailure(ctx context.Context, name, address string) error {
	if !nameForm.MatchString(name) {
		return nil // no account can have it
	}
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		failed := 0
		err := tx.QueryRow(`INSERT INTO attempts (name, failed, last) VALUES (?, 1, ?)
			ON CONFLICT (name) DO UPDATE SET failed = failed + 1, last = excluded.last RETURNING failed`,
			name, sqlite.Millis(s.options.Now())).Scan(&failed)
		if err != nil {
			return err
		}
		if failed == LockAfter {
			s.options.Logger.Warn("account locked", "name", name, "address", address)
			if err := s.record(tx, Event{Action: "user.locked", Name: name, Address: address}); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DELETE FROM attempts WHERE name IN (
			SELECT name FROM attempts WHERE name NOT IN (SELECT name FROM users)
			ORDER BY last DESC LIMIT -1 OFFSET ?)`, strangersKept)
		return err
	})
	if err != nil {
		return fmt.Errorf("count failed sign-in: %w", err)
	}
	return nil
}

// forgive forgets the failed sign-ins of name.
func forgive(tx *sqlite.Tx, name string) error {
	_, err := tx.Exec(`DELETE FROM attempts WHERE name = ?`, name)
	return err
}

// Unlock lets an account sign in again after too many failed attempts, on
// behalf of by. It is idempotent; an unknown name is the *problem.Problem
// "account.unknown".
func (s *Store) Unlock(ctx context.Context, by, name string) error {
	name = foldName(name)
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := exists(tx, name); err != nil {
			return err
		}
		if err := forgive(tx, name); err != nil {
			return err
		}
		return s.record(tx, Event{Action: "user.unlocked", By: by, Name: name})
	})
	if err == nil {
		s.throttle.forget(name)
	}
	return err
}

// exists returns the problem "account.unknown" when there is no such account.
func exists(tx *sqlite.Tx, name string) error {
	n := 0
	if err := tx.QueryRow(`SELECT count(*) FROM users WHERE name = ?`, name).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return problem.New(problem.NotFound, "account.unknown", "name", i18n.Args{"name": name})
	}
	return nil
}

// Event is what happened to an account, for the audit log. It holds no secret.
type Event struct {
	Action  string // "user.created", "user.locked", …
	By      string // who did it; "" when nobody is known
	Name    string // the account
	Address string // where a visitor came from; "" when nobody came
	// Of single sign-on: who vouched for whom.
	Issuer, Subject string
	Role            Role // that it has now, when that changed
	Scope           string
}

// Audited keeps what happens to accounts in the audit log, for Options.Record.
func Audited(tx *sqlite.Tx, e Event) error {
	entry := audit.Entry{Actor: e.By, Action: e.Action, Subject: e.Name}
	detail := map[string]string{"address": e.Address, "issuer": e.Issuer, "subject": e.Subject, "role": string(e.Role), "scope": e.Scope}
	maps.DeleteFunc(detail, func(_, v string) bool { return v == "" })
	if len(detail) > 0 {
		entry.Detail = detail
	}
	return audit.Append(tx, entry)
}

func (s *Store) record(tx *sqlite.Tx, e Event) error {
	if s.options.Record == nil {
		return nil
	}
	return s.options.Record(tx, e)
}
