package sso_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"tram/agent/hub/sso"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

const (
	clientID = "tram-hub"
	secret   = "mật mã của trung tâm & +%"
)

var signingKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// provider is one of OpenID Connect that can lie.
type provider struct {
	t      testing.TB
	srv    *httptest.Server
	issuer string // that it says of itself
	// What a test changes.
	claims   func(map[string]any)                    // of the ID token
	sign     func(p *provider, claims string) string // nil: rightly
	meta     map[string]any                          // changes of its metadata
	answer   func(q url.Values)                      // changes of what the browser brings back
	userinfo map[string]any
	handle   func(w http.ResponseWriter, r *http.Request) bool // true: was answered
	// What it has seen.
	asked    url.Values
	codes    map[string]bool
	requests []string
}

func newProvider(t testing.TB, secure bool) *provider {
	t.Helper()
	p := &provider{t: t, codes: map[string]bool{}}
	p.srv = httptest.NewUnstartedServer(p)
	if secure {
		p.srv.StartTLS()
	} else {
		p.srv.Start()
	}
	p.issuer = p.srv.URL
	t.Cleanup(p.srv.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests = append(p.requests, r.Method+" "+r.URL.Path)
	if p.handle != nil && p.handle(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		meta := map[string]any{
			"issuer": p.issuer, "authorization_endpoint": p.srv.URL + "/auth", "token_endpoint": p.srv.URL + "/token", "jwks_uri": p.srv.URL + "/keys",
			"end_session_endpoint": p.srv.URL + "/end", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		}
		for k, v := range p.meta {
			meta[k] = v
		}
		p.write(w, meta)
	case "/keys":
		point, err := signingKey().PublicKey.Bytes() // 4, X, Y
		if err != nil {
			p.t.Error(err)
		}
		x, y := point[1:33], point[33:]
		p.write(w, map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "alg": "ES256",
			"x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y)}}})
	case "/auth":
		p.asked = r.URL.Query()
		code := rand.Text()
		p.codes[code] = true
		q := url.Values{"code": {code}, "state": {p.asked.Get("state")}, "iss": {p.issuer}}
		if p.answer != nil {
			p.answer(q)
		}
		http.Redirect(w, r, p.asked.Get("redirect_uri")+"?"+q.Encode(), http.StatusSeeOther)
	case "/token":
		p.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		p.write(w, p.userinfo)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (p *provider) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		p.write(w, map[string]string{"error": code})
	}
	name, password, _ := r.BasicAuth()
	name, err1 := url.QueryUnescape(name)
	password, err2 := url.QueryUnescape(password)
	if err1 != nil || err2 != nil || name != clientID || password != secret {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	code := r.PostFormValue("code")
	if !p.codes[code] || p.asked.Get("code_challenge_method") != "S256" || base64.RawURLEncoding.EncodeToString(challenge[:]) != p.asked.Get("code_challenge") ||
		r.PostFormValue("redirect_uri") != p.asked.Get("redirect_uri") {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	delete(p.codes, code)
	claims := map[string]any{
		"iss": p.issuer, "sub": "248289761001", "aud": clientID, "nonce": p.asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		"preferred_username": "lan.nguyen", "name": "Nguyễn Thị Lan", "groups": []string{"nhan-vien", "tram-truc"},
	}
	if p.claims != nil {
		p.claims(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	sign := p.sign
	if sign == nil {
		sign = func(_ *provider, claims string) string {
			return oidctest.SignIDToken(signingKey(), "k1", "ES256", claims)
		}
	}
	out := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60}
	if raw := sign(p, string(text)); raw != "" {
		out["id_token"] = raw
	}
	p.write(w, out)
}

// world is a hub's client of a provider, with its accounts.
type world struct {
	*sso.Client
	t        *testing.T
	provider *provider
	accounts *account.Store
	db       *sqlite.DB
	time     time.Time // zero: now
}

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func settings(t testing.TB, p *provider) sso.Settings {
	return sso.Settings{
		Issuer: p.srv.URL, ClientID: clientID, SecretFile: file(t, "secret", secret+"\n"), Origin: "https://tram.tinh.gov.vn:8800", Return: "/ve", Scopes: []string{"profile", "openid"},
		UserClaim: "preferred_username", GroupsClaim: "groups", Roles: []string{"tram-truc = operator", "tram-an-toan=security", "tram-cum-* = officer *"},
	}
}

func newWorld(t *testing.T, p *provider, change func(s *sso.Settings)) *world {
	t.Helper()
	w := &world{t: t, provider: p}
	var err error
	if w.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, account.Schema}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.accounts, err = account.New(w.db, account.Options{Roles: account.HubRoles, Record: account.Audited, Hash: account.Parameters{Memory: 64, Time: 1, Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	s := settings(t, p)
	if change != nil {
		change(&s)
	}
	w.Client, err = sso.New(sso.Options{Settings: s, Accounts: w.accounts, Now: func() time.Time {
		if w.time.IsZero() {
			return time.Now()
		}
		return w.time
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// depart begins a sign-in and lets the provider answer: what a browser holds then.
func (w *world) depart() (answer url.Values, secret string) {
	w.t.Helper()
	if err := w.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	target, secret, err := w.Begin(page.Trip{Next: "/thiet-bi", Address: "10.1.1.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	client := *w.provider.srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Get(target)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		w.t.Fatal(err)
	}
	to, err := res.Location()
	if err != nil || !strings.HasPrefix(to.String(), "https://tram.tinh.gov.vn:8800/ve?") {
		w.t.Fatalf("the provider sent to %v: %v", to, err)
	}
	return to.Query(), secret
}

func (w *world) signIn() (account.User, error) {
	w.t.Helper()
	answer, secret := w.depart()
	u, trip, err := w.Finish(w.t.Context(), answer, secret, "10.1.1.1")
	if err == nil && trip.Next != "/thiet-bi" {
		w.t.Errorf("it leads on to %q", trip.Next)
	}
	return u, err
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return problem.From(err).Code
}

// nobody has signed in.
func (w *world) nobody(what string) {
	w.t.Helper()
	if users, err := w.accounts.Users(context.WithoutCancel(w.t.Context())); err != nil || len(users) > 0 {
		w.t.Errorf("%s left accounts %+v, %v", what, users, err)
	}
}

func authority(t testing.TB, p *provider) string {
	return file(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.srv.Certificate().Raw})))
}
