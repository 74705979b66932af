package account

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/fold"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// External is a person as a provider of single sign-on vouches for them.
type External struct {
	// Issuer and Subject together say who it is. Nothing else is compared.
	Issuer, Subject string
	// Name is what the account's name is made of at the first sign-in, Display
	// how the person is shown from now on.
	Name, Display string
	// Role and Scope are those of now; Role "" is none.
	Role    Role
	Scope   string
	Address string // where the visitor comes from
}

const (
	// maxSubject bounds issuer and subject, bytes.
	maxSubject = 1024
	// cutName leaves room for a number behind a name that is taken.
	cutName = 28
	// namesTried is how many names are tried before a person is refused.
	namesTried = 999
	// actorExternal stands in the log for the provider.
	actorExternal = "sso"
)

// reservedNames stand in the audit log for programs.
var reservedNames = []string{"cli", "hub", "tram", "enrolment", actorExternal}

// SignInExternal gives the account of a person, as they are now: made at the
// first sign-in, with the role of this one. Problems, all Denied:
// "account.no-role" when there is no role, which ends the sessions of an account
// that had one; "account.closed" when somebody has closed the account.
func (s *Store) SignInExternal(ctx context.Context, x External) (User, error) {
	if x.Issuer == "" || x.Subject == "" || len(x.Issuer) > maxSubject || len(x.Subject) > maxSubject {
		return User{}, problem.New(problem.Denied, "account.no-subject", "", nil)
	}
	var u User
	var refused error
	err := s.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		u, refused, err = s.signInExternal(tx, x)
		return err
	})
	if err = cmp.Or(err, refused); err != nil {
		return User{}, err
	}
	return u, nil
}

// signInExternal leaves what a refusal changes too.
func (s *Store) signInExternal(tx *sqlite.Tx, x External) (u User, refused, err error) {
	e := Event{By: actorExternal, Address: x.Address, Issuer: x.Issuer, Subject: x.Subject}
	if u, err = externalUser(tx, x); err != nil {
		return u, nil, err
	}
	e.Name = u.Name
	switch {
	case x.Role == "":
		return u, problem.New(problem.Denied, "account.no-role", "", nil), s.lostRole(tx, e)
	case u.Disabled:
		return u, problem.New(problem.Denied, "account.closed", "", nil), nil
	case u.Name == "":
		u, err = s.addExternal(tx, x, e)
	default:
		u, err = s.refreshExternal(tx, u, x, e)
	}
	if err != nil {
		var p *problem.Problem
		if errors.As(err, &p) {
			return u, err, nil // nothing was written
		}
		return u, nil, err
	}
	e.Action, e.By, e.Name = "user.signed-in", u.Name, u.Name
	return u, nil, s.record(tx, e)
}

// externalUser is the zero User when nobody has signed in as x.
func externalUser(tx *sqlite.Tx, x External) (u User, err error) {
	var created int64
	err = tx.QueryRow(`SELECT u.name, u.display, u.role, u.scope, u.created, u.disabled, i.issuer
		FROM identities i JOIN users u ON u.name = i.user WHERE i.issuer = ? AND i.subject = ?`, x.Issuer, x.Subject).
		Scan(&u.Name, &u.Display, &u.Role, &u.Scope, &created, &u.Disabled, &u.Issuer)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, nil
	}
	if err != nil {
		return User{}, fmt.Errorf("read account of single sign-on: %w", err)
	}
	u.Created = sqlite.Time(created)
	return u, nil
}

// lostRole ends the sessions of an account whose person has no role any more.
func (s *Store) lostRole(tx *sqlite.Tx, e Event) error {
	res, err := tx.Exec(`DELETE FROM sessions WHERE user = ?`, e.Name)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	e.Action = "user.signed-out"
	return s.record(tx, e)
}

func (s *Store) addExternal(tx *sqlite.Tx, x External, e Event) (User, error) {
	u := User{Display: shown(x), Role: x.Role, Scope: x.Scope, Created: s.options.Now(), Issuer: x.Issuer}
	base := externalName(x.Name)
	for n := 1; u.Name == ""; n++ {
		name := base
		if n > 1 {
			name = base + "-" + strconv.Itoa(n)
		}
		var taken int
		if err := tx.QueryRow(`SELECT count(*) FROM users WHERE name = ?`, name).Scan(&taken); err != nil {
			return User{}, err
		}
		switch {
		case taken == 0 && !slices.Contains(reservedNames, name):
			u.Name = name
		case n == namesTried:
			return User{}, problem.New(problem.Denied, "account.no-subject", "", nil)
		}
	}
	if err := s.checkUser(u); err != nil {
		return User{}, err
	}
	_, err := tx.Exec(`INSERT INTO users (name, display, role, scope, hash, created) VALUES (?, ?, ?, ?, '', ?)`,
		u.Name, u.Display, string(u.Role), u.Scope, sqlite.Millis(u.Created))
	if err != nil {
		return User{}, fmt.Errorf("add account of single sign-on: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO identities (issuer, subject, user) VALUES (?, ?, ?)`, x.Issuer, x.Subject, u.Name); err != nil {
		return User{}, fmt.Errorf("add identity: %w", err)
	}
	if err := forgive(tx, u.Name); err != nil {
		return User{}, err
	}
	e.Action, e.Name, e.Role, e.Scope = "user.created", u.Name, u.Role, u.Scope
	return u, s.record(tx, e)
}

func (s *Store) refreshExternal(tx *sqlite.Tx, u User, x External, e Event) (User, error) {
	moved := u.Role != x.Role || u.Scope != x.Scope
	if u.Display == shown(x) && !moved {
		return u, nil
	}
	u.Display, u.Role, u.Scope = shown(x), x.Role, x.Scope
	if err := s.checkUser(u); err != nil {
		return User{}, err
	}
	if _, err := tx.Exec(`UPDATE users SET display = ?, role = ?, scope = ? WHERE name = ?`, u.Display, string(u.Role), u.Scope, u.Name); err != nil {
		return User{}, fmt.Errorf("refresh account of single sign-on: %w", err)
	}
	if !moved {
		return u, nil
	}
	e.Action, e.Role, e.Scope = "user.role-changed", u.Role, u.Scope
	return u, s.record(tx, e)
}

// shown is how a person is shown, never empty and never too long.
func shown(x External) string {
	text := strings.Join(strings.Fields(norm.NFC.String(strings.ToValidUTF8(cmp.Or(x.Display, x.Name), ""))), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > maxDisplay {
		text = string([]rune(text)[:maxDisplay])
	}
	return cmp.Or(text, externalName(x.Name))
}

// externalName makes the name of an account from what a provider calls a
// person: an address of mail, a name of a domain, words.
func externalName(claim string) string {
	var b strings.Builder
	for _, r := range fold.String(strings.ToValidUTF8(claim, "")) {
		if b.Len() == cutName {
			break
		}
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', b.Len() > 0 && (r == '.' || r == '_' || r == '-'):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if name := strings.TrimRight(b.String(), "-._"); nameForm.MatchString(name) {
		return name
	}
	return "person"
}

// hasPassword refuses what is about the password of an account that has none.
func hasPassword(tx *sqlite.Tx, name string) error {
	external, err := isExternal(tx, name)
	if err != nil {
		return err
	}
	if external {
		return problem.New(problem.Conflict, "account.no-password", "name", nil)
	}
	return nil
}

func isExternal(tx *sqlite.Tx, name string) (external bool, err error) {
	if err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM identities WHERE user = ?)`, name).Scan(&external); err != nil {
		return false, fmt.Errorf("look for identity: %w", err)
	}
	return external, nil
}
