package appkey

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema holds the tables of this package.
var Schema = sqlite.Embedded("apps", migrations)

// Limits and defaults.
const (
	// MaxApps bounds the applications that are in use. Hard.
	MaxApps = 200
	// DefaultRate is in calls a minute.
	DefaultRate = 600
	// MaxRate is the highest rate that may be given.
	MaxRate = 60_000
	// MaxDays is the longest life of a key that ends, days.
	MaxDays = 3650
	// touchAfter is how old the last use may be before another is written down.
	touchAfter = 5 * time.Minute
	// FlushEvery is how often counted calls are written down. Those since then
	// are lost in a power cut; what changes or reads content is not counted this
	// way alone.
	FlushEvery = time.Minute
)

// App is an application. The zero times mean never.
type App struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"` // the public part of its key
	Kind    Kind      `json:"kind"`
	Scopes  []Scope   `json:"scopes"`
	Rate    int       `json:"rate"` // calls a minute
	Own     bool      `json:"own"`  // sees only what it sent and what answers that
	Created time.Time `json:"created"`
	Rotated time.Time `json:"rotated,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	Used    time.Time `json:"used,omitzero"`
	Calls   int64     `json:"calls"` // of all time
	// System is whose words for the statuses of dossiers it uses, see [Store.States]; ""
	// for none.
	System string `json:"system,omitempty"`
}

// May reports whether it has a scope.
func (a App) May(s Scope) bool { return slices.Contains(a.Scopes, s) }

// Actor is how the audit log names it.
func (a App) Actor() string { return "app:" + a.Name }

// NewApp is what Create needs.
type NewApp struct {
	Name   string  `json:"name"`
	Kind   Kind    `json:"kind"`
	Scopes []Scope `json:"scopes,omitempty"` // none: those of the kind
	Rate   int     `json:"rate,omitempty"`   // 0: DefaultRate
	Own    bool    `json:"own,omitempty"`    // portals and public services are so anyway
	Days   int     `json:"days,omitempty"`   // until the key ends; 0: never
	By     string  `json:"by,omitempty"`     // who makes it, for the log
}

// Options of New.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
}

// Store keeps applications. Safe for concurrent use.
type Store struct {
	db     *sqlite.DB
	log    *slog.Logger
	now    func() time.Time
	limits limits

	mu    sync.Mutex
	calls map[call]int64
}

type call struct{ app, day, operation string }

// New makes a Store over a database that has Schema.
func New(db *sqlite.DB, o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{db: db, log: o.Logger, now: o.Now, limits: limits{by: map[string]*allowance{}}, calls: map[call]int64{}}
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,31}$`)

// Create makes an application and its key, which is not kept.
func (s *Store) Create(ctx context.Context, n NewApp) (App, Key, error) {
	a := App{Name: n.Name, Kind: n.Kind, Rate: n.Rate, Own: n.Own || n.Kind.seesOwn()}
	var faults problem.List
	fault := func(code, field string, args i18n.Args) {
		faults = append(faults, problem.New(problem.Usage, code, field, args))
	}
	if !nameForm.MatchString(n.Name) {
		fault("app.name", "name", nil)
	}
	var err error
	a.Scopes, err = readScopes(n.Kind, n.Scopes)
	faults.Note(err)
	if a.Rate == 0 {
		a.Rate = DefaultRate
	}
	if a.Rate < 1 || a.Rate > MaxRate {
		fault("app.bad-rate", "rate", i18n.Args{"most": MaxRate})
	}
	if n.Days < 0 || n.Days > MaxDays {
		fault("app.bad-days", "days", i18n.Args{"most": MaxDays})
	}
	if err := faults.Err(); err != nil {
		return App{}, "", err
	}
	key, id := newKey()
	a.ID = id
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		a.Created = tx.Now()
		if n.Days > 0 {
			a.Expires = a.Created.AddDate(0, 0, n.Days)
		}
		if err := room(tx, a.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO apps (name, id, secret, kind, scopes, rate, own, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.Name, a.ID, digest(string(key)), string(a.Kind), words(a.Scopes), a.Rate, a.Own, a.Created, sqlite.MillisOrZero(a.Expires)); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: n.By, Action: "app.created", Subject: a.Name, Detail: map[string]string{
			"kind": string(a.Kind), "scopes": words(a.Scopes), "id": a.ID,
		}})
	})
	if err != nil {
		return App{}, "", fmt.Errorf("create application: %w", err)
	}
	return a, key, nil
}

// room refuses a name that was given, and more than MaxApps.
func room(tx *sqlite.Tx, name string) error {
	var taken bool
	var inUse int
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM apps WHERE name = ?), (SELECT count(*) FROM apps WHERE revoked = 0)`, name).
		Scan(&taken, &inUse); err != nil {
		return err
	}
	switch {
	case taken:
		return problem.New(problem.Conflict, "app.taken", "name", i18n.Args{"name": name})
	case inUse >= MaxApps:
		return problem.New(problem.Conflict, "app.too-many", "name", i18n.Args{"most": MaxApps})
	}
	return nil
}

// Rotate gives an application another key. The one before opens nothing any
// more.
func (s *Store) Rotate(ctx context.Context, by, name string) (App, Key, error) {
	key, id := newKey()
	var a App
	err := s.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		if a, err = inUse(tx, name); err != nil {
			return err
		}
		a.ID, a.Rotated = id, tx.Now()
		if _, err := tx.Exec(`UPDATE apps SET id = ?, secret = ?, rotated = ? WHERE name = ?`, id, digest(string(key)), a.Rotated, name); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "app.rotated", Subject: name, Detail: map[string]string{"id": id}})
	})
	if err != nil {
		return App{}, "", fmt.Errorf("rotate key of application: %w", err)
	}
	return a, key, nil
}

// Revoke ends an application for good. Again is no error.
func (s *Store) Revoke(ctx context.Context, by, name string) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		a, err := one(tx, name)
		if err != nil || !a.Revoked.IsZero() {
			return err
		}
		if _, err := tx.Exec(`UPDATE apps SET revoked = ? WHERE name = ?`, tx.Now(), name); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{Actor: by, Action: "app.revoked", Subject: name})
	})
	if err != nil {
		return fmt.Errorf("revoke application: %w", err)
	}
	return nil
}

func inUse(tx *sqlite.Tx, name string) (App, error) {
	a, err := one(tx, name)
	if err == nil && !a.Revoked.IsZero() {
		return App{}, problem.New(problem.Conflict, "app.revoked", "name", i18n.Args{"name": name})
	}
	return a, err
}

func one(tx *sqlite.Tx, name string) (App, error) {
	list, err := read(tx, `WHERE name = ?`, name)
	if err != nil {
		return App{}, err
	}
	if len(list) == 0 {
		return App{}, problem.New(problem.NotFound, "app.unknown", "name", i18n.Args{"name": name})
	}
	return list[0], nil
}

// List returns all applications, by name.
func (s *Store) List(ctx context.Context) (list []App, err error) {
	if err := s.Flush(ctx); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = read(tx, `ORDER BY name`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return list, nil
}

const columns = `name, id, kind, scopes, rate, own, created, rotated, expires, revoked, used,
	(SELECT coalesce(sum(calls), 0) FROM app_calls WHERE app = name), ` + system

// system is the column behind the others.
const system = `coalesce((SELECT system FROM app_states WHERE app = name), '')`

func read(tx *sqlite.Tx, where string, args ...any) ([]App, error) {
	rows, err := tx.Query(`SELECT `+columns+` FROM apps `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []App{}
	for rows.Next() {
		var a App
		if err := a.scan(rows); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

func (a *App) scan(row interface{ Scan(...any) error }, more ...any) error {
	var scopes string
	var times [5]int64
	err := row.Scan(append([]any{&a.Name, &a.ID, &a.Kind, &scopes, &a.Rate, &a.Own, &times[0], &times[1], &times[2], &times[3], &times[4], &a.Calls, &a.System}, more...)...)
	for i, t := range []*time.Time{&a.Created, &a.Rotated, &a.Expires, &a.Revoked, &a.Used} {
		if times[i] > 0 {
			*t = sqlite.Time(times[i])
		}
	}
	a.Scopes = []Scope{}
	for _, w := range strings.Fields(scopes) {
		a.Scopes = append(a.Scopes, Scope(w))
	}
	return err
}

func words(scopes []Scope) string { return strings.ReplaceAll(join(scopes), ",", "") }

// Authenticate returns the application whose key this is. The problem is
// "app.no-key", "app.bad-key" for one that is mistyped, "app.wrong-key", or
// "app.ended" for one that was good once.
func (s *Store) Authenticate(ctx context.Context, key string) (App, error) {
	if key == "" {
		return App{}, problem.New(problem.Denied, "app.no-key", "Authorization", nil)
	}
	id, ok := Parse(key)
	if !ok {
		return App{}, problem.New(problem.Denied, "app.bad-key", "Authorization", nil)
	}
	var a App
	var secret [32]byte
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		return a.scan(tx.QueryRow(`SELECT name, id, kind, scopes, rate, own, created, rotated, expires, revoked, used, 0, `+system+`, secret FROM apps WHERE id = ?`, id),
			sqlite.Digest(&secret))
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return App{}, fmt.Errorf("look key up: %w", err)
	}
	given := digest(key)
	now := s.now()
	switch {
	case subtle.ConstantTimeCompare(given[:], secret[:]) != 1 || err != nil:
		return App{}, problem.New(problem.Denied, "app.wrong-key", "Authorization", nil)
	case !a.Revoked.IsZero(), !a.Expires.IsZero() && !now.Before(a.Expires):
		return App{}, problem.New(problem.Denied, "app.ended", "Authorization", i18n.Args{"name": a.Name})
	}
	if now.Sub(a.Used) > touchAfter {
		s.touch(ctx, a.Name)
	}
	return a, nil
}

// touch notes a use. A full disk must not keep applications from reading.
func (s *Store) touch(ctx context.Context, name string) {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE apps SET used = ? WHERE name = ?`, tx.Now(), name)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("last use of a key not noted", "app", name, "error", err)
	}
}

// Count counts a call of an operation.
func (s *Store) Count(app, operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call{app, s.now().UTC().Format(time.DateOnly), operation}]++
}

// Flush writes down what was counted.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	counted := s.calls
	s.calls = map[call]int64{}
	s.mu.Unlock()
	if len(counted) == 0 {
		return nil
	}
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		for c, n := range counted {
			if _, err := tx.Exec(`INSERT INTO app_calls (app, day, operation, calls) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET calls = calls + excluded.calls`, c.app, c.day, c.operation, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, n := range counted {
		s.calls[c] += n
	}
	return fmt.Errorf("write down calls: %w", err)
}

// Run writes down what was counted, until ctx ends and once more then.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Flush(context.WithoutCancel(ctx)))
		case <-tick.C:
			if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("calls of applications not written down", "error", err)
			}
		}
	}
}
