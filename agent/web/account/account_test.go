package account

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"tram/agent/problem"
	"tram/storage/sqlite"
)

const secret = "mật khẩu dài"

type fixture struct {
	*Store
	t    *testing.T
	db   *sqlite.DB
	time time.Time
	log  bytes.Buffer
}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, time: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)}
	var err error
	if f.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{Schema}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
	})
	f.Store, err = New(f.db, Options{Hash: Parameters{Memory: 64, Time: 1, Threads: 1}, Now: func() time.Time { return f.time },
		Logger: slog.New(slog.NewTextHandler(&f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) user(name string) User {
	f.t.Helper()
	u, err := f.CreateUser(f.t.Context(), NewUser{Name: name, Display: "Nguyễn Thị Lan", Role: Clerk, Password: secret})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

func code(err error) string {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestCreateUserChecksItsInput(t *testing.T) {
	f := open(t)
	f.user("lan")
	for want, n := range map[string]NewUser{
		"account.taken":          {Name: " LAN", Role: Clerk, Password: secret},
		"account.name":           {Name: "Lan Anh", Role: Clerk, Password: secret},
		"account.role":           {Name: "minh", Role: "boss", Password: secret},
		"account.password-short": {Name: "minh", Role: Clerk, Password: "ngắn"},
		"account.password-long":  {Name: "minh", Role: Clerk, Password: strings.Repeat("x", MaxPassword+1)},
		"account.display":        {Name: "minh", Role: Clerk, Password: secret, Display: strings.Repeat("ế", maxDisplay+1)},
	} {
		if _, err := f.CreateUser(t.Context(), n); code(err) != want {
			t.Errorf("%+v gave %v, want %s", n, err, want)
		}
	}
	users, err := f.Users(t.Context())
	if err != nil || len(users) != 1 || users[0].Name != "lan" || users[0].Role != Clerk || !users[0].Created.Equal(f.time) {
		t.Errorf("users %+v, %v", users, err)
	}
}

func TestAuthenticate(t *testing.T) {
	f := open(t)
	f.user("lan")
	if u, err := f.Authenticate(t.Context(), " Lan ", secret, "10.0.0.1"); err != nil || u.Display != "Nguyễn Thị Lan" {
		t.Errorf("right password: %+v, %v", u, err)
	}
	if _, err := f.Authenticate(t.Context(), "lan", norm.NFD.String(secret), "10.0.0.1"); err != nil {
		t.Errorf("the same password typed decomposed: %v", err)
	}
	wrong := map[string]string{"lan": "sai mật khẩu", "nobody": secret, "": "", "mật khẩu gõ nhầm ô": "x"}
	for name, password := range wrong {
		if u, err := f.Authenticate(t.Context(), name, password, "10.0.0.2"); code(err) != "account.wrong" || u.Name != "" {
			t.Errorf("%q gave %+v, %v", name, u, err)
		}
	}
	if strings.Contains(f.log.String(), "gõ nhầm") || strings.Contains(f.log.String(), secret) {
		t.Errorf("the log holds what was typed: %s", f.log.String())
	}
	if err := f.SetDisabled(t.Context(), "it", "lan", true); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "lan", secret, "10.0.0.3"); code(err) != "account.wrong" {
		t.Errorf("a closed account gave %v", err)
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	f := open(t)
	f.user("lan")
	guess := func(name, password, address string) string {
		_, err := f.Authenticate(t.Context(), name, password, address)
		return code(err)
	}
	for range pairTries {
		guess("lan", "sai", "10.0.0.1")
	}
	if got := guess("lan", secret, "10.0.0.1"); got != "account.throttled" {
		t.Errorf("the guesser's next try gave %q", got)
	}
	if got := guess("lan", secret, "10.0.0.2"); got != "" {
		t.Errorf("the clerk at her own PC gave %q", got)
	}
	f.time = f.time.Add(pause + time.Second)
	if got := guess("lan", secret, "10.0.0.1"); got != "" {
		t.Errorf("after the pause: %q", got)
	}
	for i := range addressTries {
		guess("u"+string(rune('a'+i)), "sai", "10.0.0.9")
	}
	if got := guess("lan", secret, "10.0.0.9"); got != "account.throttled" {
		t.Errorf("one address at many names gave %q", got)
	}
	f.time = f.time.Add(pause + time.Second)
	for i := range accountTries {
		guess("lan", "sai", "10.1.0."+string(rune('0'+i)))
	}
	if got := guess("lan", secret, "10.2.0.1"); got != "account.throttled" {
		t.Errorf("many addresses at one name gave %q", got)
	}
}

func TestP9TheThrottleForgetsBeforeItGrows(t *testing.T) {
	th := newThrottle(time.Now)
	for i := range 3 * throttleSize {
		th.failed(strings.Repeat("x", i%200), string(rune(i)))
		if len(th.seen) > throttleSize+3 {
			t.Fatalf("%d keys remembered", len(th.seen))
		}
	}
}

func TestSessions(t *testing.T) {
	f := open(t)
	u := f.user("lan")
	ctx := t.Context()
	token, first, err := f.Open(ctx, u, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Session(ctx, token, true); err != nil || got.User.Name != "lan" || got.Ref != first.Ref || !f.Alive(ctx, first.Ref) {
		t.Errorf("session %+v, %v", got, err)
	}
	if strings.Contains(token, first.Ref) || f.Alive(ctx, token) {
		t.Error("the reference and the token are related")
	}
	for _, bad := range []string{"", "x", first.Ref, token + "x"} {
		if _, err := f.Session(ctx, bad, true); !errors.Is(err, ErrNoSession) {
			t.Errorf("token %q gave %v", bad, err)
		}
	}
	f.time = f.time.Add(DefaultLife - time.Minute)
	if _, err := f.Session(ctx, token, false); err != nil {
		t.Errorf("polling near the end: %v", err)
	}
	if got, err := f.Session(ctx, token, true); err != nil || !got.Expires.Equal(f.time.Add(DefaultLife)) {
		t.Errorf("use moves the end to %v, %v", got.Expires, err)
	}
	f.time = f.time.Add(DefaultLife)
	if _, err := f.Session(ctx, token, true); !errors.Is(err, ErrNoSession) || f.Alive(ctx, first.Ref) {
		t.Errorf("after its end: %v", err)
	}
	ends := map[string]func(token string) error{
		"sign-out":   func(token string) error { return f.End(ctx, token) },
		"password":   func(string) error { return f.SetPassword(ctx, "it", "lan", "mật khẩu mới") },
		"everywhere": func(string) error { return f.EndAll(ctx, "lan", "lan") },
		"closing":    func(string) error { return f.SetDisabled(ctx, "it", "lan", true) },
	}
	for name, end := range ends {
		token, e, err := f.Open(ctx, u, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if err := end(token); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Session(ctx, token, true); !errors.Is(err, ErrNoSession) || f.Alive(ctx, e.Ref) {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if err := f.SetPassword(ctx, "it", "ai-do", secret); code(err) != "account.unknown" {
		t.Errorf("password of an unknown account: %v", err)
	}
}

// TestReadingTheDatabaseSignsNobodyIn: neither passwords nor tokens stand in it.
func TestReadingTheDatabaseSignsNobodyIn(t *testing.T) {
	f := open(t)
	token, _, err := f.Open(t.Context(), f.user("lan"), "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	err = f.db.View(t.Context(), func(tx *sqlite.Tx) error {
		var hash string
		var stored []byte
		if err := tx.QueryRow(`SELECT hash, token FROM users JOIN sessions ON user = name`).Scan(&hash, &stored); err != nil {
			return err
		}
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") || strings.Contains(hash, secret) || bytes.Contains(stored, []byte(token)) || len(stored) != 32 {
			t.Errorf("stored %q and %x", hash, stored)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoredHashesAreReadStrictly(t *testing.T) {
	good := encode(Parameters{Memory: 64, Time: 1, Threads: 1}, make([]byte, saltSize), make([]byte, keySize))
	if _, _, _, err := decode(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "m=64", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1), good[:len(good)-3], strings.Replace(good, "v=19", "v=20", 1)} {
		if _, _, _, err := decode(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestHashingWaitsItsTurn: one hash at a time, and a visitor who leaves does
// not wait.
func TestHashingWaitsItsTurn(t *testing.T) {
	f := open(t)
	if err := f.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.Authenticate(ctx, "lan", secret, "10.0.0.1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second hash gave %v", err)
	}
	f.leave()
}

func BenchmarkSignIn(b *testing.B) {
	hash := hashOfNobody(DefaultParameters)
	for b.Loop() {
		if _, err := verify(hash, secret); err != nil {
			b.Fatal(err)
		}
	}
}
