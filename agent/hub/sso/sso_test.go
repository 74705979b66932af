package sso_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"tram/agent/hub/sso"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/storage/audit"
)

// TestOnlyTheAnswerToThisQuestionIsBelieved has a provider lie, and others forge
// what it says.
func TestOnlyTheAnswerToThisQuestionIsBelieved(t *testing.T) {
	set := func(k string, v any) func(map[string]any) {
		return func(c map[string]any) { c[k] = v }
	}
	part := base64.RawURLEncoding.EncodeToString
	for _, c := range []struct {
		name   string
		change func(p *provider)
		want   string
	}{
		{"all is well", func(*provider) {}, ""},
		{"another nonce", func(p *provider) { p.claims = set("nonce", "x") }, "sso.token"},
		{"no nonce", func(p *provider) { p.claims = set("nonce", "") }, "sso.token"},
		{"another audience", func(p *provider) { p.claims = set("aud", "other") }, "sso.token"},
		{"several audiences, nobody authorized", func(p *provider) { p.claims = set("aud", []string{clientID, "other"}) }, "sso.token"},
		{"several audiences, we are authorized", func(p *provider) {
			p.claims = func(c map[string]any) { c["aud"], c["azp"] = []string{clientID, "other"}, clientID }
		}, ""},
		{"another party is authorized", func(p *provider) { p.claims = set("azp", "other") }, "sso.token"},
		{"the party is no text", func(p *provider) { p.claims = set("azp", []string{clientID}) }, "sso.token"},
		{"another issuer in the token", func(p *provider) { p.claims = set("iss", "https://evil.example") }, "sso.token"},
		{"nobody", func(p *provider) { p.claims = set("sub", "") }, "account.no-subject"},
		{"it has ended", func(p *provider) { p.claims = set("exp", time.Now().Add(-time.Minute).Unix()) }, "sso.clock"},
		{"it has no end", func(p *provider) { p.claims = func(c map[string]any) { delete(c, "exp") } }, "sso.clock"},
		{"it comes from the future", func(p *provider) { p.claims = set("iat", time.Now().Add(time.Hour).Unix()) }, "sso.clock"},
		{"it holds later", func(p *provider) { p.claims = set("nbf", time.Now().Add(time.Hour).Unix()) }, "sso.token"},
		{"no signature", func(p *provider) {
			p.sign = func(_ *provider, claims string) string {
				return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + "."
			}
		}, "sso.token"},
		{"signed with our secret", func(p *provider) { p.sign = hmacWith(secret) }, "sso.token"},
		{"signed with the public key", func(p *provider) {
			der, err := x509.MarshalPKIXPublicKey(&signingKey().PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			p.sign = hmacWith(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		}, "sso.token"},
		{"an unknown key", func(p *provider) { p.sign = foreign("k9") }, "sso.token"},
		{"another key under a known name", func(p *provider) { p.sign = foreign("k1") }, "sso.token"},
		{"altered", func(p *provider) {
			p.sign = func(_ *provider, claims string) string {
				parts := strings.Split(oidctest.SignIDToken(signingKey(), "k1", "ES256", claims), ".")
				parts[1] = part([]byte(strings.Replace(claims, "nhan-vien", "tram-an-toan", 1)))
				return strings.Join(parts, ".")
			}
		}, "sso.token"},
		{"no token", func(p *provider) { p.sign = func(*provider, string) string { return "" } }, "sso.token"},
		{"no token at all", func(p *provider) { p.sign = func(*provider, string) string { return "x.y" } }, "sso.token"},
		{"another issuer answers", func(p *provider) { p.answer = func(q url.Values) { q.Set("iss", "https://evil.example") } }, "sso.token"},
		{"it promised to name itself", func(p *provider) {
			p.meta = map[string]any{"authorization_response_iss_parameter_supported": true}
			p.answer = func(q url.Values) { q.Del("iss") }
		}, "sso.token"},
		{"an older provider does not name itself", func(p *provider) { p.answer = func(q url.Values) { q.Del("iss") } }, ""},
		{"another state", func(p *provider) { p.answer = func(q url.Values) { q.Set("state", "x") } }, "sso.state"},
		{"no state", func(p *provider) { p.answer = func(q url.Values) { q.Del("state") } }, "sso.state"},
		{"another code", func(p *provider) { p.answer = func(q url.Values) { q.Set("code", "x") } }, "sso.answer"},
		{"the person said no", func(p *provider) { p.answer = func(q url.Values) { q.Set("error", "access_denied") } }, "sso.refused"},
		{"an endless answer", func(p *provider) {
			p.handle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/token" {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"access_token":"%s"}`, strings.Repeat("x", 2<<20))
				return true
			}
		}, "sso.answer"},
		{"keys elsewhere", func(p *provider) {
			p.handle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/keys" {
					return false
				}
				http.Redirect(w, r, "http://127.0.0.1:1/keys", http.StatusFound)
				return true
			}
		}, "sso.token"},
		{"no role", func(p *provider) { p.claims = set("groups", []string{"nhan-vien"}) }, "account.no-role"},
		{"too many groups", func(p *provider) { p.claims = set("groups", slices.Repeat([]string{"tram-truc"}, 5001)) }, "sso.token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProvider(t, false)
			c.change(p)
			w := newWorld(t, p, nil)
			u, err := w.signIn()
			if code(err) != c.want {
				t.Fatalf("signed in as %+v: %v, want %q", u, err, c.want)
			}
			if c.want != "" {
				w.nobody(c.name)
			} else if u.Role != account.Operator || u.Name != "lan.nguyen" || u.Display != "Nguyễn Thị Lan" || u.Issuer != p.srv.URL {
				t.Errorf("signed in as %+v", u)
			}
		})
	}
}

func hmacWith(secret string) func(*provider, string) string {
	return func(_ *provider, claims string) string {
		part := base64.RawURLEncoding.EncodeToString
		body := part([]byte(`{"alg":"HS256","kid":"k1"}`)) + "." + part([]byte(claims))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		return body + "." + part(mac.Sum(nil))
	}
}

// foreign signs with a key that the provider does not have.
func foreign(id string) func(*provider, string) string {
	return func(p *provider, claims string) string {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			p.t.Error(err)
		}
		return oidctest.SignIDToken(key, id, "ES256", claims)
	}
}

// TestAnAnswerIsTakenOnceAndFromItsOwnBrowser is about state: replays, and answers
// that somebody wants another one to bring.
func TestAnAnswerIsTakenOnceAndFromItsOwnBrowser(t *testing.T) {
	w := newWorld(t, newProvider(t, false), nil)
	answer, secret := w.depart()
	for _, wrong := range []string{"", "x", secret + "x"} {
		if _, _, err := w.Finish(t.Context(), answer, wrong, "10.9.9.9"); code(err) != "sso.state" {
			t.Errorf("another browser: %v", err)
		}
	}
	if _, _, err := w.Finish(t.Context(), answer, secret, "10.1.1.1"); err != nil {
		t.Fatalf("its own browser afterwards: %v", err)
	}
	if _, _, err := w.Finish(t.Context(), answer, secret, "10.1.1.1"); code(err) != "sso.state" {
		t.Errorf("a second time: %v", err)
	}
	w.time = time.Now()
	answer, secret = w.depart()
	w.time = w.time.Add(sso.Life + time.Second)
	if _, _, err := w.Finish(t.Context(), answer, secret, "10.1.1.1"); code(err) != "sso.state" {
		t.Errorf("too late: %v", err)
	}
}

// TestP9WhoNeverComesBackIsForgotten lets strangers begin without end.
func TestP9WhoNeverComesBackIsForgotten(t *testing.T) {
	w := newWorld(t, newProvider(t, false), nil)
	answer, secret := w.depart()
	for i := range 100 {
		if _, _, err := w.Begin(page.Trip{Address: "10.2.2.2"}); err != nil {
			t.Fatal(i, err)
		}
	}
	if n := w.Waiting(); n > 70 {
		t.Errorf("%d of one address are kept", n)
	}
	if _, _, err := w.Finish(t.Context(), answer, secret, "10.1.1.1"); err != nil {
		t.Errorf("one address pushed out another: %v", err)
	}
	for i := range 2100 {
		if _, _, err := w.Begin(page.Trip{Address: fmt.Sprintf("10.3.%d.%d", i/250, i%250)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Waiting(); n > 2048 {
		t.Errorf("%d are kept", n)
	}
}

// TestTheRoleIsThatOfTheLatestSignIn follows a person whose groups and names
// change, and another one who takes over the name.
func TestTheRoleIsThatOfTheLatestSignIn(t *testing.T) {
	p := newProvider(t, false)
	w := newWorld(t, p, nil)
	ctx := t.Context()
	if _, err := w.accounts.CreateUser(ctx, account.NewUser{Name: "lan.nguyen", Role: account.Security, Password: "mật khẩu dài"}); err != nil {
		t.Fatal(err)
	}
	as := func(sub, name string, groups ...string) {
		p.claims = func(c map[string]any) {
			c["sub"], c["preferred_username"], c["name"], c["groups"], c["email"] = sub, name, "Lan", groups, "lan@tinh.gov.vn"
		}
	}
	as("1", "lan.nguyen", "tram-truc")
	u, err := w.signIn()
	if err != nil || u.Name != "lan.nguyen-2" || u.Role != account.Operator {
		t.Fatalf("the first sign-in took over %+v, %v", u, err)
	}
	token, _, err := w.accounts.Open(ctx, u, "")
	if err != nil {
		t.Fatal(err)
	}
	as("1", "lan.tran", "tram-cum-H40.1") // she married and moved
	if u, err = w.signIn(); err != nil || u.Name != "lan.nguyen-2" || u.Role != account.Officer || u.Scope != "H40.1" {
		t.Errorf("the second sign-in: %+v, %v", u, err)
	}
	if e, err := w.accounts.Session(ctx, token, true); err != nil || e.User.Role != account.Officer || e.User.Scope != "H40.1" {
		t.Errorf("an open session kept its rights: %+v, %v", e.User, err)
	}
	as("2", "lan.nguyen-2", "tram-an-toan") // another person calls herself so
	if u, err = w.signIn(); err != nil || u.Name != "lan.nguyen-2-2" || u.Role != account.Security {
		t.Errorf("somebody else: %+v, %v", u, err)
	}
	as("1", "lan.tran")
	if _, err := w.signIn(); code(err) != "account.no-role" {
		t.Errorf("without a group: %v", err)
	}
	if _, err := w.accounts.Session(ctx, token, true); err == nil {
		t.Error("the session outlived the last role")
	}
	as("1", "lan.tran", "tram-truc")
	if err := w.accounts.SetDisabled(ctx, "cli", "lan.nguyen-2", true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.signIn(); code(err) != "account.closed" {
		t.Errorf("into a closed account: %v", err)
	}
	for name, err := range map[string]error{"set": w.accounts.SetPassword(ctx, "cli", "lan.nguyen-2", "mật khẩu dài")} {
		if code(err) != "account.no-password" {
			t.Errorf("%s a password: %v", name, err)
		}
	}
	for _, password := range []string{"", "mật khẩu dài"} {
		if _, err := w.accounts.Authenticate(ctx, "lan.nguyen-2-2", password, "10.1.1.1"); code(err) != "account.wrong" {
			t.Errorf("password %q opened it: %v", password, err)
		}
	}
	rows, err := audit.List(ctx, w.db, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var log []string
	for _, r := range rows {
		log = append(log, r.Actor+" "+r.Action+" "+r.Subject)
		if strings.Contains(fmt.Sprint(r.Detail), "eyJ") {
			t.Errorf("a token stands in the log: %v", r.Detail)
		}
	}
	want := []string{" user.created lan.nguyen", "sso user.created lan.nguyen-2", "lan.nguyen-2 user.signed-in lan.nguyen-2",
		"sso user.role-changed lan.nguyen-2", "lan.nguyen-2 user.signed-in lan.nguyen-2", "sso user.created lan.nguyen-2-2", "lan.nguyen-2-2 user.signed-in lan.nguyen-2-2",
		"sso user.signed-out lan.nguyen-2", "cli user.closed lan.nguyen-2"}
	if !slices.Equal(log, want) {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
}

func TestUserinfoGivesWhatTheTokenLacks(t *testing.T) {
	p := newProvider(t, false)
	p.claims = func(c map[string]any) { delete(c, "groups") }
	w := newWorld(t, p, nil)
	if _, err := w.signIn(); code(err) != "account.no-role" {
		t.Errorf("without userinfo: %v", err)
	}
	p.meta = map[string]any{"userinfo_endpoint": p.srv.URL + "/userinfo"}
	p.userinfo = map[string]any{"sub": "248289761001", "groups": []string{"tram-an-toan"}, "preferred_username": "giam-doc", "aud": "x"}
	w = newWorld(t, p, nil)
	if u, err := w.signIn(); err != nil || u.Role != account.Security || u.Name != "lan.nguyen" {
		t.Errorf("with it: %+v, %v", u, err)
	}
	p.userinfo["sub"] = "1"
	w = newWorld(t, p, nil)
	if u, err := w.signIn(); code(err) != "sso.token" {
		t.Errorf("of somebody else: %+v, %v", u, err)
	}
}

// TestTheProviderIsSpokenToOverTLSAlone also shows that a provider that is away is
// named, and comes back.
func TestTheProviderIsSpokenToOverTLSAlone(t *testing.T) {
	p := newProvider(t, true)
	if err := newWorld(t, p, nil).Look(t.Context()); code(err) != "sso.certificate" {
		t.Errorf("an unknown authority: %v", err)
	}
	w := newWorld(t, p, func(s *sso.Settings) { s.CA = authority(t, p) })
	if code(w.Ready()) != "sso.not-yet" {
		t.Errorf("before it was asked: %v", w.Ready())
	}
	if _, err := w.signIn(); err != nil || w.Ready() != nil {
		t.Errorf("with its authority: %v", err)
	}
	for name, meta := range map[string]map[string]any{
		"plain":   {"token_endpoint": "http://tinh.gov.vn/token"},
		"missing": {"jwks_uri": ""},
		"end":     {"end_session_endpoint": "http://tinh.gov.vn/end"},
		"script":  {"authorization_endpoint": "javascript:alert(1)"},
	} {
		p.meta = meta
		if err := w.Look(t.Context()); code(err) != "sso.answer" {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.meta, p.issuer = nil, "https://login.tinh.gov.vn/"
	if err := w.Look(t.Context()); code(err) != "sso.issuer" {
		t.Errorf("another name: %v", err)
	}
	p.issuer = p.srv.URL
	p.srv.CloseClientConnections()
	p.handle = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	if err := w.Look(t.Context()); code(err) != "sso.unreachable" || code(w.Ready()) != "sso.unreachable" {
		t.Errorf("away: %v, %v", err, w.Ready())
	}
	if _, _, err := w.Begin(page.Trip{}); code(err) != "sso.unreachable" {
		t.Errorf("begin while it is away: %v", err)
	}
	p.handle = nil
	if err := w.Look(t.Context()); err != nil || w.Ready() != nil {
		t.Errorf("it is back: %v", err)
	}
}

func TestFaultsOfTheSettingsAreAllNamed(t *testing.T) {
	p := newProvider(t, false)
	s := settings(t, p)
	s.Issuer, s.ClientID, s.Origin, s.SecretFile, s.GroupsClaim = "http://login.tinh.gov.vn", "", "tram.tinh.gov.vn", "/nowhere/secret", ""
	s.Roles = []string{"tram-truc = operator", "tram-truc", "x = boss", "x = officer", "x = operator H40.1", "x* = security", "* = officer *", "x = officer *"}
	c, err := sso.New(sso.Options{Settings: s})
	var fields []string
	for _, one := range problem.All(err) {
		fields = append(fields, one.Field)
	}
	want := append([]string{"console.sso.issuer", "console.sso.client", "console.sso.origin", "console.sso.groups"}, slices.Repeat([]string{"console.sso.roles"}, 7)...)
	if want = append(want, "console.sso.file"); !slices.Equal(fields, want) {
		t.Errorf("named %v", fields)
	}
	if code(c.Ready()) != "sso.settings" || code(c.Look(t.Context())) != "sso.settings" {
		t.Errorf("ready: %v", c.Ready())
	}
}

func TestACheckTellsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *provider, s *sso.Settings)
		ok     int // steps
		want   string
	}{
		{"all is well", func(*provider, *sso.Settings) {}, 5, ""},
		{"unreachable", func(_ *provider, s *sso.Settings) { s.Issuer = "http://127.0.0.1:1" }, 0, "sso.unreachable"},
		{"wrong issuer", func(_ *provider, s *sso.Settings) { s.Issuer += "/" }, 0, "sso.issuer"},
		{"no provider", func(_ *provider, s *sso.Settings) {
			srv := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(srv.Close)
			s.Issuer = srv.URL
		}, 0, "sso.answer"},
		{"no keys", func(p *provider, _ *sso.Settings) {
			p.meta = map[string]any{"jwks_uri": p.srv.URL + "/none"}
		}, 1, "sso.answer"},
		{"clock", func(p *provider, _ *sso.Settings) {
			p.handle = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Date", time.Now().Add(-20*time.Minute).UTC().Format(http.TimeFormat))
				return false
			}
		}, 2, "sso.clock-off"},
		{"client rejected", func(_ *provider, s *sso.Settings) { s.ClientID = "other" }, 3, "sso.client"},
		{"secret rejected", func(_ *provider, s *sso.Settings) { s.SecretFile = file(t, "wrong", "x") }, 3, "sso.client"},
		{"address not registered", func(p *provider, _ *sso.Settings) {
			p.handle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/auth" {
					return false
				}
				w.WriteHeader(http.StatusBadRequest)
				return true
			}
		}, 4, "sso.address"},
		{"scope refused", func(p *provider, _ *sso.Settings) {
			p.answer = func(q url.Values) { q.Set("error", "invalid_scope") }
		}, 4, "sso.refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProvider(t, false)
			w := newWorld(t, p, func(s *sso.Settings) { c.change(p, s) })
			steps := w.Check(t.Context())
			ok, fault := 0, ""
			for _, s := range steps {
				if s.OK {
					ok++
				} else {
					fault = s.Code
				}
			}
			if ok != c.ok || fault != c.want {
				t.Errorf("%+v", steps)
			}
		})
	}
}

func TestSigningOutThereComesBack(t *testing.T) {
	p := newProvider(t, false)
	w := newWorld(t, p, nil)
	if w.End("/dang-nhap") != "" {
		t.Error("an address before the provider was asked")
	}
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := p.srv.URL + "/end?client_id=tram-hub&post_logout_redirect_uri=https%3A%2F%2Ftram.tinh.gov.vn%3A8800%2Fdang-nhap"
	if got := w.End("/dang-nhap"); got != want {
		t.Errorf("sign out at %s", got)
	}
}
