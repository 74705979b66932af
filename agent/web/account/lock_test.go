package account

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// fail makes n failed sign-ins, each from an address of its own and after the
// throttle has faded.
func (f *fixture) fail(name string, n int) {
	f.t.Helper()
	for i := range n {
		f.time = f.time.Add(pause + time.Second)
		if _, err := f.Authenticate(f.t.Context(), name, "sai", fmt.Sprintf("10.%d.%d.1", i/250, i%250)); code(err) != "account.wrong" {
			f.t.Fatalf("attempt %d at %s gave %v", i, name, err)
		}
	}
}

func TestAnAccountIsLockedAfterTheThrottleAndUnlockedByIT(t *testing.T) {
	f := open(t)
	var events []Event
	f.options.Record = func(_ *sqlite.Tx, e Event) error {
		events = append(events, e)
		return nil
	}
	f.options.Life, f.options.MaxLife = 1000*time.Hour, 1000*time.Hour
	token, _, err := f.Open(t.Context(), f.user("lan"), "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	f.fail("lan", LockAfter)
	f.time = f.time.Add(pause + time.Second)
	for _, password := range []string{secret, "sai"} { // no oracle for the right one
		if _, err := f.Authenticate(t.Context(), "lan", password, "10.9.9.9"); code(err) != "account.locked" {
			t.Errorf("a locked account gave %v", err)
		}
	}
	if users, err := f.Users(t.Context()); err != nil || !users[0].Locked {
		t.Errorf("users %+v, %v", users, err)
	}
	again, err := New(f.db, f.options) // a restart does not unlock
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Authenticate(t.Context(), "lan", secret, "10.9.9.9"); code(err) != "account.locked" {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := f.Session(t.Context(), token, true); err != nil {
		t.Errorf("whoever is at work is thrown out: %v", err)
	}
	if err := f.Unlock(t.Context(), "it", "LAN"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "lan", secret, "10.9.9.9"); err != nil {
		t.Errorf("after unlocking: %v", err)
	}
	if err := f.Unlock(t.Context(), "it", "ai-do"); code(err) != "account.unknown" {
		t.Errorf("unlocking nobody gave %v", err)
	}
	want := []Event{{Action: "user.created", Name: "lan"}, {Action: "user.signed-in", By: "lan", Name: "lan", Address: "10.0.0.1"}, {Action: "user.locked", Name: "lan", Address: "10.0.99.1"}, {Action: "user.unlocked", By: "it", Name: "lan"}}
	if !slices.Equal(events, want) {
		t.Errorf("recorded %+v", events)
	}
}

func TestAGoodSignInForgivesWhatFailed(t *testing.T) {
	f := open(t)
	f.user("lan")
	for range 3 {
		f.fail("lan", LockAfter-1)
		f.time = f.time.Add(pause + time.Second)
		if _, err := f.Authenticate(t.Context(), "lan", secret, "10.9.9.9"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLockingDoesNotTellWhichAccountsThereAre(t *testing.T) {
	f := open(t)
	f.fail("ai-do", LockAfter)
	f.time = f.time.Add(pause + time.Second)
	if _, err := f.Authenticate(t.Context(), "ai-do", secret, "10.9.9.9"); code(err) != "account.locked" {
		t.Errorf("a name without an account gave %v", err)
	}
	// An account made later under that name begins anew.
	f.user("ai-do")
	if _, err := f.Authenticate(t.Context(), "ai-do", secret, "10.9.9.9"); err != nil {
		t.Errorf("the new account: %v", err)
	}
}

// TestP9CountedStrangersAreBounded also holds that an account's own count is
// not pushed out by counting others.
func TestP9CountedStrangersAreBounded(t *testing.T) {
	f := open(t)
	f.user("lan")
	f.fail("lan", 1)
	for i := range strangersKept + 20 {
		f.fail(fmt.Sprintf("ten-%d", i), 1)
	}
	f.fail("mật khẩu gõ nhầm", 1)
	err := f.db.View(t.Context(), func(tx *sqlite.Tx) error {
		var all, lan int
		if err := tx.QueryRow(`SELECT count(*), count(*) FILTER (WHERE name = 'lan') FROM attempts`).Scan(&all, &lan); err != nil {
			return err
		}
		if all != strangersKept+1 || lan != 1 {
			t.Errorf("%d names are counted, lan %d times", all, lan)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASessionEndsHoweverMuchItIsUsed(t *testing.T) {
	f := open(t)
	token, e, err := f.Open(t.Context(), f.user("lan"), "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for f.time.Before(e.Created.Add(DefaultMaxLife - time.Minute)) {
		if e, err = f.Session(t.Context(), token, true); err != nil {
			t.Fatalf("in use after %v: %v", f.time.Sub(e.Created), err)
		}
		f.time = f.time.Add(time.Hour)
	}
	if !e.Expires.Equal(e.Created.Add(DefaultMaxLife)) {
		t.Errorf("the session ends at %v", e.Expires)
	}
	if _, err := f.Session(t.Context(), token, true); err == nil {
		t.Error("the session outlived its longest life")
	}
}

func TestATemporaryPasswordIsReplaced(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	f.user("lan")
	if err := f.SetPassword(ctx, "it", "lan", "tạm thời 1"); err != nil {
		t.Fatal(err)
	}
	u, err := f.Authenticate(ctx, "lan", "tạm thời 1", "10.0.0.1")
	if err != nil || !u.Temporary {
		t.Fatalf("signed in as %+v, %v", u, err)
	}
	token, e, err := f.Open(ctx, u, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := f.Open(ctx, u, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if e, err = f.Session(ctx, token, true); err != nil || !e.User.Temporary {
		t.Errorf("session %+v, %v", e, err)
	}
	for password, want := range map[string]string{"tạm thời 1": "account.password-same", "ngắn": "account.password-short"} {
		if _, err := f.ChangePassword(ctx, e, "tạm thời 1", password, "10.0.0.1"); code(err) != want {
			t.Errorf("%q gave %v, want %s", password, err, want)
		}
	}
	if _, err := f.ChangePassword(ctx, e, "sai mật khẩu", "mật khẩu mới", "10.0.0.1"); code(err) != "account.wrong" {
		t.Errorf("a wrong old password gave %v", err)
	}
	fresh, err := f.ChangePassword(ctx, e, "tạm thời 1", "mật khẩu mới", "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := f.Session(ctx, fresh, true); err != nil || e.User.Temporary {
		t.Errorf("new session %+v, %v", e, err)
	}
	for _, old := range []string{token, other} {
		if _, err := f.Session(ctx, old, true); err == nil {
			t.Error("an earlier session lives on")
		}
	}
	if all, err := f.Sessions(ctx, "lan"); err != nil || len(all) != 1 {
		t.Errorf("sessions %+v, %v", all, err)
	}
}

func TestEachRoleMayWhatTheTableSays(t *testing.T) {
	want := map[Role]string{
		Clerk:  "lists content handed handle direct answer send stick books keep-books dossiers dossier-desk dossier-work",
		Leader: "lists content handed handle direct books dossiers dossier-work dossier-decide", Staff: "lists handed handle books dossiers dossier-work",
		OneStop: "lists handed handle dossiers dossier-desk dossier-work", IT: "lists accounts admin stick", "": "", "boss": "",
		Operator: "accounts fleet duty trust invite pause offices order releases stage", Security: "accounts fleet duty trust invite admit pause revoke order releases", Officer: "fleet order",
	}
	for role, rights := range want {
		got := ""
		for _, r := range Rights {
			if role.May(r) {
				got += " " + string(r)
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != rights {
			t.Errorf("%q may %q, want %q", role, got, rights)
		}
	}
	for _, role := range slices.Concat(Roles, HubRoles) {
		if _, ok := want[role]; !ok {
			t.Errorf("role %q stands in no test", role)
		}
	}
}

func TestARoleIsOverThoseWhoseRightsItHas(t *testing.T) {
	for _, r := range HubRoles {
		for _, other := range slices.Concat(HubRoles, Roles, []Role{"", "boss"}) {
			want := r == other || other == Officer
			if got := r.Over(other); got != want {
				t.Errorf("%q is over %q: %v", r, other, got)
			}
		}
	}
}

// TestTheLastAccountOfARoleStays, closed ones not counted.
func TestTheLastAccountOfARoleStays(t *testing.T) {
	f := open(t)
	f.options.Roles, f.options.Keep = HubRoles, []Role{Operator}
	ctx := t.Context()
	for _, n := range []NewUser{{Name: "op1", Role: Operator}, {Name: "op2", Role: Operator}, {Name: "sec", Role: Security}} {
		n.Password = secret
		if _, err := f.CreateUser(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	last := func(what string, err error) {
		t.Helper()
		if code(err) != "account.last" {
			t.Errorf("%s gave %v", what, err)
		}
	}
	works := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	works(f.SetDisabled(ctx, "it", "sec", true))
	works(f.SetDisabled(ctx, "it", "OP1", true))
	works(f.SetDisabled(ctx, "it", "op1", true)) // it is already
	last("closing", f.SetDisabled(ctx, "it", "op2", true))
	last("another role", f.SetRole(ctx, "it", "op2", Security, ""))
	away, err := f.SignInExternal(ctx, External{Issuer: "https://id.example", Subject: "1", Name: "op3", Role: Operator})
	works(err)
	last("closing while another is of a provider that may be away", f.SetDisabled(ctx, "it", "op2", true))
	works(f.SetDisabled(ctx, "it", away.Name, true))
	if err := f.SetRole(ctx, "it", away.Name, Security, ""); code(err) != "account.no-role-here" {
		t.Errorf("the role of an account of single sign-on: %v", err)
	}
	works(f.SetRole(ctx, "it", "op2", Operator, ""))
	works(f.SetRole(ctx, "it", "op1", Officer, " Cụm Kỳ Sơn "))
	if users, err := f.Users(ctx); err != nil || users[0].Role != Officer || users[0].Scope != "Cụm Kỳ Sơn" || users[1].Role != Operator || users[1].Disabled {
		t.Errorf("%+v, %v", users, err)
	}
	for want, err := range map[string]error{
		"account.scope": f.SetRole(ctx, "it", "sec", Officer, ""), "account.role": f.SetRole(ctx, "it", "sec", Clerk, ""), "account.unknown": f.SetRole(ctx, "it", "ai", Operator, ""),
	} {
		if code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestAnotherRoleEndsSessionsAndIsRecorded(t *testing.T) {
	f := open(t)
	f.options.Roles = HubRoles
	var events []Event
	f.options.Record = func(_ *sqlite.Tx, e Event) error {
		events = append(events, e)
		return nil
	}
	u, err := f.CreateUser(t.Context(), NewUser{Name: "ky", Role: Operator, Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := f.Open(t.Context(), u, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SetRole(t.Context(), "op", "ky", Officer, "H40.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Session(t.Context(), token, true); err == nil {
		t.Error("the session of before goes on")
	}
	if want := (Event{Action: "user.role-changed", By: "op", Name: "ky", Role: Officer, Scope: "H40.1"}); events[len(events)-1] != want {
		t.Errorf("recorded %+v", events)
	}
}
