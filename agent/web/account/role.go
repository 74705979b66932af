package account

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Over tells whether a role has every right of another one. Who manages the accounts of
// a hub makes and changes those of such roles alone, so that nobody gets a right by it.
func (r Role) Over(other Role) bool {
	rights := grants[other]
	return len(rights) > 0 && !slices.ContainsFunc(rights, func(right Right) bool { return !r.May(right) })
}

// SetRole gives an account another role on behalf of by, scope as of NewUser, and ends
// its sessions. Problems: account.unknown, account.role, account.scope, account.last, and
// account.no-role-here for an account of single sign-on: each sign-in says its role.
func (s *Store) SetRole(ctx context.Context, by, name string, role Role, scope string) error {
	u := User{Name: foldName(name), Role: role, Scope: strings.TrimSpace(norm.NFC.String(scope))}
	if err := s.checkRole(u); err != nil {
		return err
	}
	return s.change(ctx, Event{Action: "user.role-changed", By: by, Name: u.Name, Role: u.Role, Scope: u.Scope}, func(tx *sqlite.Tx) error {
		external, err := isExternal(tx, u.Name)
		if err != nil {
			return err
		}
		if external {
			return problem.New(problem.Conflict, "account.no-role-here", "role", nil)
		}
		if err := s.stays(tx, u.Name, u.Role); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE users SET role = ?, scope = ? WHERE name = ?`, string(u.Role), u.Scope, u.Name)
		return err
	})
}

// stays refuses to take the last open account of a role in Options.Keep out of it; to is
// the role that the account is to have, "" for none. Accounts of single sign-on do not
// count: their provider may be away. Problem account.last.
func (s *Store) stays(tx *sqlite.Tx, name string, to Role) error {
	var role Role
	var safe bool
	err := tx.QueryRow(`SELECT u.role, u.disabled OR u.name IN (SELECT user FROM identities) OR EXISTS (SELECT 1 FROM users o
			WHERE o.role = u.role AND o.disabled = 0 AND o.name <> u.name AND o.name NOT IN (SELECT user FROM identities))
		FROM users u WHERE u.name = ?`, name).Scan(&role, &safe)
	if err != nil || safe || role == to || !slices.Contains(s.options.Keep, role) {
		return err
	}
	return problem.New(problem.Conflict, "account.last", "", i18n.Args{"name": name, "role": string(role)})
}
