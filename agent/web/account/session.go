package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/text/unicode/norm"

	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Session is one sign-in of one browser.
type Session struct {
	User    User
	Ref     string // public name, fit for addresses; opens nothing
	Created time.Time
	Seen    time.Time
	Expires time.Time
}

// ErrNoSession says that a token is unknown, ended or of a closed account.
var ErrNoSession = errors.New("no such session")

const tokenSize = 32

// Open starts a session of u. The token goes into the cookie and is not kept. address is
// where a person came from who has signed in with a password, and is recorded; "" after
// [Store.SignInExternal], which records that itself.
func (s *Store) Open(ctx context.Context, u User, address string) (token string, _ Session, err error) {
	token = newToken()
	now := s.options.Now()
	e := Session{User: u, Ref: reference(token), Created: now, Seen: now, Expires: s.ends(now, now)}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`DELETE FROM sessions WHERE expires < ?`, sqlite.Millis(now)); err != nil {
			return err
		}
		if address != "" {
			if err := s.record(tx, Event{Action: "user.signed-in", By: u.Name, Name: u.Name, Address: address}); err != nil {
				return err
			}
		}
		return insert(tx, token, e)
	})
	if err != nil {
		return "", Session{}, fmt.Errorf("store session: %w", err)
	}
	return token, e, nil
}

// ends is when a session ends that began at created and was last used at seen.
func (s *Store) ends(created, seen time.Time) time.Time {
	idle, last := seen.Add(s.options.Life), created.Add(s.options.MaxLife)
	if idle.After(last) {
		return last
	}
	return idle
}

func insert(tx *sqlite.Tx, token string, e Session) error {
	_, err := tx.Exec(`INSERT INTO sessions (token, ref, user, created, seen, expires) VALUES (?, ?, ?, ?, ?, ?)`,
		key(token), e.Ref, e.User.Name, sqlite.Millis(e.Created), sqlite.Millis(e.Seen), sqlite.Millis(e.Expires))
	return err
}

// Session returns the live session of a token, ErrNoSession when there is
// none. use says that a person acted, which moves the end of the session; a
// page's own polling passes false.
func (s *Store) Session(ctx context.Context, token string, use bool) (Session, error) {
	e, err := s.load(ctx, `s.token = ?`, key(token))
	if err != nil {
		return Session{}, err
	}
	now := s.options.Now()
	if use && now.Sub(e.Seen) >= touchAfter {
		e.Seen, e.Expires = now, s.ends(e.Created, now)
		err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`UPDATE sessions SET seen = ?, expires = ? WHERE token = ?`,
				sqlite.Millis(now), sqlite.Millis(e.Expires), key(token))
			return err
		})
		if err != nil {
			return Session{}, fmt.Errorf("extend session: %w", err)
		}
	}
	return e, nil
}

// Alive reports whether the session with the public name ref still lives.
func (s *Store) Alive(ctx context.Context, ref string) bool {
	_, err := s.load(ctx, `s.ref = ?`, ref)
	return err == nil
}

// Sessions lists the live sessions of an account, the latest sign-in first.
func (s *Store) Sessions(ctx context.Context, name string) ([]Session, error) {
	var all []Session
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT ref, created, seen, expires FROM sessions WHERE user = ? AND expires > ? ORDER BY created DESC, ref`,
			foldName(name), sqlite.Millis(s.options.Now()))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e Session
			var created, seen, expires int64
			if err := rows.Scan(&e.Ref, &created, &seen, &expires); err != nil {
				return err
			}
			e.Created, e.Seen, e.Expires = sqlite.Time(created), sqlite.Time(seen), sqlite.Time(expires)
			all = append(all, e)
		}
		return rows.Err()
	})
	return all, err
}

// ChangePassword replaces the own password of a session's account after the
// old one was given from address. All sessions of the account end; the token
// is that of a new one. The errors of Authenticate stand for a wrong old
// password.
func (s *Store) ChangePassword(ctx context.Context, e Session, old, password, address string) (token string, err error) {
	if e.User.Issuer != "" {
		return "", problem.New(problem.Conflict, "account.no-password", "old", nil)
	}
	u, err := s.Authenticate(ctx, e.User.Name, old, address)
	if err != nil {
		return "", err
	}
	if norm.NFC.String(old) == norm.NFC.String(password) {
		return "", problem.New(problem.Usage, "account.password-same", "password", nil)
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return "", err
	}
	token = newToken()
	now := s.options.Now()
	fresh := Session{User: u, Ref: reference(token), Created: now, Seen: now, Expires: s.ends(now, now)}
	err = s.change(ctx, Event{Action: "user.password-changed", By: u.Name, Name: u.Name, Address: address}, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`UPDATE users SET hash = ?, temporary = 0 WHERE name = ?`, hash, u.Name); err != nil {
			return err
		}
		return insert(tx, token, fresh)
	})
	return token, err
}

// End ends the session of a token. It is idempotent.
func (s *Store) End(ctx context.Context, token string) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM sessions WHERE token = ?`, key(token))
		return err
	})
}

func (s *Store) load(ctx context.Context, where string, arg any) (Session, error) {
	var e Session
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		var created, seen, expires, since int64
		err := tx.QueryRow(`SELECT s.ref, s.created, s.seen, s.expires, u.name, u.display, u.role, u.scope, u.created, u.temporary,
			coalesce((SELECT issuer FROM identities i WHERE i.user = u.name), '') FROM sessions s JOIN users u ON u.name = s.user WHERE u.disabled = 0 AND `+where, arg).
			Scan(&e.Ref, &created, &seen, &expires, &e.User.Name, &e.User.Display, &e.User.Role, &e.User.Scope, &since, &e.User.Temporary, &e.User.Issuer)
		e.Created, e.Seen, e.Expires = sqlite.Time(created), sqlite.Time(seen), sqlite.Time(expires)
		e.User.Created = sqlite.Time(since)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Session{}, ErrNoSession
	case err != nil:
		return Session{}, fmt.Errorf("read session: %w", err)
	case !s.options.Now().Before(e.Expires):
		return Session{}, ErrNoSession
	}
	return e, nil
}

// newToken makes an unguessable token. Reading random bytes cannot fail.
func newToken() string {
	raw := make([]byte, tokenSize)
	_, _ = rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func key(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// reference names a session in addresses without giving anything about its
// token away.
func reference(token string) string {
	sum := sha256.Sum256([]byte("tram-session-reference\n" + token))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
