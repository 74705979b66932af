// Package account keeps who may use the pages of an office or a hub, and their
// sessions.
//
// It promises:
//
//   - A password is kept only as argon2id with its parameters, a session only
//     as the SHA-256 of its cookie: reading the database signs nobody in.
//   - A wrong name, a wrong password and a closed account look the same and
//     take the same time.
//   - Guessing is slowed per account and per address, and costs bounded memory;
//     after LockAfter failures in a row the name is locked until an IT officer
//     unlocks it, whether or not there is such an account.
//   - Closing an account or setting its password ends its sessions at once. No
//     session outlives Options.MaxLife.
//   - A password that somebody else set has to be replaced at the next sign-in.
//   - What a role may do is one table, see Role.May.
//   - Who signs in elsewhere is known by issuer and subject alone, has no password
//     here, and the role of the latest sign-in.
//   - Each change of an account is told to Options.Record within the
//     transaction that makes it.
package account

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Role is what a person does in the office; it decides what they may do here.
type Role string

// Roles; what each may do is the table behind Role.May.
const (
	Clerk   Role = "clerk"   // văn thư
	Leader  Role = "leader"  // lãnh đạo
	Staff   Role = "staff"   // chuyên viên
	OneStop Role = "onestop" // một cửa
	IT      Role = "it"      // quản trị
)

// Roles of a hub.
const (
	Operator Role = "operator" // trực điều hành
	Security Role = "security" // an toàn thông tin
	Officer  Role = "officer"  // cán bộ CNTT của một cụm: sees what lies in User.Scope
)

// Roles lists the roles an account of an office may have, HubRoles those of a
// hub's.
var (
	Roles    = []Role{Clerk, Leader, Staff, OneStop, IT}
	HubRoles = []Role{Operator, Security, Officer}
)

// User is a person who may sign in.
type User struct {
	Name     string    `json:"name"`
	Display  string    `json:"display"`
	Role     Role      `json:"role"`
	Scope    string    `json:"scope,omitempty"` // of an Officer: the part of the tree that it sees
	Created  time.Time `json:"created"`
	Disabled bool      `json:"disabled"`
	// Temporary says that the password was set by somebody else: nothing but
	// replacing it is allowed.
	Temporary bool `json:"temporary"`
	// Locked says that too many sign-ins failed in a row.
	Locked bool `json:"locked"`
	// Issuer is the provider of single sign-on that vouches for the person; "" for
	// an account with a password of its own.
	Issuer string `json:"issuer,omitempty"`
}

// NewUser is what CreateUser needs.
type NewUser struct {
	Name, Display string // Display "" repeats Name
	Role          Role
	Scope         string // of an Officer
	Password      string
	Temporary     bool   // see User.Temporary
	By            string // who makes it, for the log
}

// Limits of an account's texts.
const (
	// MinPassword is in characters.
	MinPassword = 8
	// MaxPassword bounds what is hashed, bytes.
	MaxPassword = 256
	maxDisplay  = 100 // characters
	maxScope    = 100 // characters
)

// Defaults of Options.
const (
	// DefaultLife is how long a session lasts after its last use.
	DefaultLife = 8 * time.Hour
	// DefaultMaxLife is how long a session lasts however much it is used: a
	// long working day, so that each day begins with a password.
	DefaultMaxLife = 16 * time.Hour
	// touchAfter is how old Seen may be before a use is written down.
	touchAfter = 5 * time.Minute
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema holds the tables of this package.
var Schema = sqlite.Embedded("account", migrations)

// Options of New.
type Options struct {
	// Life of a session after its last use; 0 takes DefaultLife.
	Life time.Duration
	// MaxLife of a session since the sign-in; 0 takes DefaultMaxLife.
	MaxLife time.Duration
	// Record keeps an event, in the transaction of the change; nil keeps none.
	Record func(tx *sqlite.Tx, e Event) error
	Roles  []Role     // that accounts may have; nil is those of an office
	Keep   []Role     // of which one open account stays: the last is not closed, and keeps its role
	Hash   Parameters // zero takes DefaultParameters
	Logger *slog.Logger
	Now    func() time.Time
}

// Store keeps accounts and sessions. Safe for concurrent use.
type Store struct {
	db       *sqlite.DB
	options  Options
	throttle *throttle
	hashing  chan struct{} // one at a time: each takes Parameters.Memory
	nobody   string        // a hash to compare with when the name is unknown
}

// New makes a Store over a database that has Schema.
func New(db *sqlite.DB, o Options) (*Store, error) {
	if o.Life == 0 {
		o.Life = DefaultLife
	}
	if o.MaxLife == 0 {
		o.MaxLife = DefaultMaxLife
	}
	if o.Roles == nil {
		o.Roles = Roles
	}
	if o.Hash == (Parameters{}) {
		o.Hash = DefaultParameters
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{
		db: db, options: o, throttle: newThrottle(o.Now),
		hashing: make(chan struct{}, 1), nobody: hashOfNobody(o.Hash),
	}, nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,31}$`)

// CreateUser adds an account. A *problem.Problem says what is wrong with the
// input or that the name is taken.
func (s *Store) CreateUser(ctx context.Context, n NewUser) (User, error) {
	u := User{Name: foldName(n.Name), Display: strings.TrimSpace(norm.NFC.String(n.Display)), Role: n.Role, Scope: strings.TrimSpace(norm.NFC.String(n.Scope)),
		Created: s.options.Now(), Temporary: n.Temporary}
	if u.Display == "" {
		u.Display = u.Name
	}
	if err := s.checkUser(u); err != nil {
		return User{}, err
	}
	hash, err := s.hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var taken int
		if err := tx.QueryRow(`SELECT count(*) FROM users WHERE name = ?`, u.Name).Scan(&taken); err != nil {
			return err
		}
		if taken > 0 {
			return problem.New(problem.Conflict, "account.taken", "name", i18n.Args{"name": u.Name})
		}
		_, err := tx.Exec(`INSERT INTO users (name, display, role, scope, hash, created, temporary) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			u.Name, u.Display, string(u.Role), u.Scope, hash, sqlite.Millis(u.Created), u.Temporary)
		if err != nil {
			return err
		}
		if err := forgive(tx, u.Name); err != nil {
			return err
		}
		return s.record(tx, Event{Action: "user.created", By: n.By, Name: u.Name})
	})
	return u, err
}

func (s *Store) checkUser(u User) error {
	if !nameForm.MatchString(u.Name) {
		return problem.New(problem.Usage, "account.name", "name", nil)
	}
	if utf8.RuneCountInString(u.Display) > maxDisplay {
		return problem.New(problem.Usage, "account.display", "display", i18n.Args{"max": maxDisplay})
	}
	return s.checkRole(u)
}

func (s *Store) checkRole(u User) error {
	if !slices.Contains(s.options.Roles, u.Role) {
		names := make([]string, len(s.options.Roles))
		for i, r := range s.options.Roles {
			names[i] = string(r)
		}
		return problem.New(problem.Usage, "account.role", "role", i18n.Args{"roles": strings.Join(names, ", ")})
	}
	if (u.Role == Officer) != (u.Scope != "") || utf8.RuneCountInString(u.Scope) > maxScope {
		return problem.New(problem.Usage, "account.scope", "scope", i18n.Args{"max": maxScope})
	}
	return nil
}

// SetPassword gives an account a temporary password on behalf of by, unlocks it
// and ends its sessions.
func (s *Store) SetPassword(ctx context.Context, by, name, password string) error {
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	name = foldName(name)
	err = s.change(ctx, Event{Action: "user.password-set", By: by, Name: name}, func(tx *sqlite.Tx) error {
		if err := hasPassword(tx, name); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE users SET hash = ?, temporary = 1 WHERE name = ?`, hash, name); err != nil {
			return err
		}
		return forgive(tx, name)
	})
	if err == nil {
		s.throttle.forget(name)
	}
	return err
}

// SetDisabled closes or opens an account on behalf of by and ends its sessions.
// Problems: account.unknown, account.last.
func (s *Store) SetDisabled(ctx context.Context, by, name string, disabled bool) error {
	action := "user.opened"
	if disabled {
		action = "user.closed"
	}
	name = foldName(name)
	return s.change(ctx, Event{Action: action, By: by, Name: name}, func(tx *sqlite.Tx) error {
		if disabled {
			if err := s.stays(tx, name, ""); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE users SET disabled = ? WHERE name = ?`, disabled, name)
		return err
	})
}

// EndAll ends all sessions of an account on behalf of by.
func (s *Store) EndAll(ctx context.Context, by, name string) error {
	return s.change(ctx, Event{Action: "user.signed-out", By: by, Name: foldName(name)}, func(*sqlite.Tx) error { return nil })
}

// change ends the sessions of an account, does fn and records e.
func (s *Store) change(ctx context.Context, e Event, fn func(tx *sqlite.Tx) error) error {
	return s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if err := exists(tx, e.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM sessions WHERE user = ?`, e.Name); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return s.record(tx, e)
	})
}

// Users lists all accounts by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	var all []User
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT name, display, role, scope, created, disabled, temporary,
			EXISTS (SELECT 1 FROM attempts a WHERE a.name = users.name AND a.failed >= ?),
			coalesce((SELECT issuer FROM identities WHERE user = users.name), '') FROM users ORDER BY name`, LockAfter)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var u User
			var created int64
			if err := rows.Scan(&u.Name, &u.Display, &u.Role, &u.Scope, &created, &u.Disabled, &u.Temporary, &u.Locked, &u.Issuer); err != nil {
				return err
			}
			u.Created = sqlite.Time(created)
			all = append(all, u)
		}
		return rows.Err()
	})
	return all, err
}

// Authenticate checks a name and password given from address. Every failure
// is a *problem.Problem: "account.wrong", "account.throttled" when there were
// too many in a while, or "account.locked" when there were LockAfter in a row,
// which is said whether or not there is such an account and whatever the
// password is.
func (s *Store) Authenticate(ctx context.Context, name, password, address string) (User, error) {
	name = foldName(name)
	// One attempt at a time: parallel guesses must not pass the throttle together.
	if err := s.enter(ctx); err != nil {
		return User{}, err
	}
	defer s.leave()
	if wait := s.throttle.wait(name, address); wait > 0 {
		return User{}, problem.New(problem.Denied, "account.throttled", "name",
			i18n.Args{"minutes": int((wait + time.Minute - 1) / time.Minute)})
	}
	if locked, err := s.locked(ctx, name); err != nil || locked {
		return User{}, cmp.Or(err, error(problem.New(problem.Denied, "account.locked", "name", nil)))
	}
	u, hash, err := s.find(ctx, name)
	if err != nil {
		return User{}, err
	}
	if hash == "" {
		hash = s.nobody
	}
	right, err := verify(hash, password)
	if err != nil {
		return User{}, err
	}
	if !right || u.Name == "" || u.Disabled {
		s.throttle.failed(name, address)
		s.options.Logger.Warn("sign-in refused", "name", logName(name), "address", address)
		if err := s.countFailure(ctx, name, address); err != nil {
			return User{}, err
		}
		return User{}, problem.New(problem.Denied, "account.wrong", "name", nil)
	}
	s.throttle.passed(name, address)
	return u, s.db.Update(ctx, func(tx *sqlite.Tx) error { return forgive(tx, name) })
}

// find returns the zero User when there is no such name.
func (s *Store) find(ctx context.Context, name string) (u User, hash string, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		var created int64
		err := tx.QueryRow(`SELECT name, display, role, scope, created, disabled, temporary, hash FROM users WHERE name = ?`, name).
			Scan(&u.Name, &u.Display, &u.Role, &u.Scope, &created, &u.Disabled, &u.Temporary, &hash)
		u.Created = sqlite.Time(created)
		if errors.Is(err, sql.ErrNoRows) {
			u = User{}
			return nil
		}
		return err
	})
	return u, hash, err
}

func foldName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// logName keeps what people type into the name field by mistake, passwords
// above all, out of the log.
func logName(name string) string {
	if nameForm.MatchString(name) {
		return name
	}
	return "(not a name)"
}
