package sso

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

const (
	// Life is how long somebody may take at the provider.
	Life = 10 * time.Minute
	// maxPending bounds how many may be there at once, maxAddress those from one
	// address. Beyond it the oldest has to begin again.
	maxPending = 2048
	maxAddress = 64
	// finishIn bounds all requests of one sign-in together.
	finishIn = 20 * time.Second
	// clockMay is how far the provider's clock may be ahead of this one.
	clockMay = 5 * time.Minute
	// maxGroups bounds the groups that are looked at; who has more is refused.
	maxGroups = 5000
)

// pending is somebody who is at the provider.
type pending struct {
	trip     page.Trip
	browser  [sha256.Size]byte // digest of what only that browser holds
	nonce    string
	verifier string // of PKCE
	at       time.Time
}

// pendings are taken once, by state.
type pendings struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]pending
}

func newPendings(now func() time.Time) *pendings {
	return &pendings{now: now, of: map[string]pending{}}
}

func (p *pendings) put(state string, one pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.at = p.now()
	maps.DeleteFunc(p.of, func(_ string, o pending) bool { return one.at.Sub(o.at) > Life })
	here, oldest, own := 0, "", ""
	for s, o := range p.of {
		if oldest == "" || o.at.Before(p.of[oldest].at) {
			oldest = s
		}
		if o.trip.Address != one.trip.Address {
			continue
		}
		if here++; own == "" || o.at.Before(p.of[own].at) {
			own = s
		}
	}
	switch {
	case here >= maxAddress:
		delete(p.of, own)
	case len(p.of) >= maxPending:
		delete(p.of, oldest)
	}
	p.of[state] = one
}

// take gives back what was put, once, to the browser that holds secret.
func (p *pendings) take(state, secret string) (one pending, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok = p.of[state]
	if !ok {
		return one, false
	}
	got := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(got[:], one.browser[:]) != 1 {
		return pending{}, false // the one who began may still come
	}
	delete(p.of, state)
	return one, p.now().Sub(one.at) <= Life
}

// Begin gives the address at the provider that a browser is to go to, and a
// secret that it has to bring back.
func (c *Client) Begin(t page.Trip) (target, secret string, err error) {
	c.mu.Lock()
	f, trouble := c.found, c.trouble
	c.mu.Unlock()
	if trouble != nil {
		return "", "", trouble
	}
	state, secret := rand.Text(), rand.Text()
	one := pending{trip: t, browser: sha256.Sum256([]byte(secret)), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	c.pending.put(state, one)
	options := []oauth2.AuthCodeOption{oidc.Nonce(one.nonce), oauth2.S256ChallengeOption(one.verifier)}
	if t.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	return f.oauth.AuthCodeURL(state, options...), secret, nil
}

// Finish takes the answer of the provider, as a browser with secret brought it
// from address. The problems are Denied, or say what is wrong with the provider.
func (c *Client) Finish(ctx context.Context, q url.Values, secret, address string) (account.User, page.Trip, error) {
	one, ok := c.pending.take(q.Get("state"), secret)
	if !ok {
		return account.User{}, page.Trip{}, problem.New(problem.Denied, "sso.state", "", nil)
	}
	ctx, cancel := context.WithTimeout(ctx, finishIn)
	defer cancel()
	x, err := c.identify(oidc.ClientContext(ctx, c.http), q, one)
	if err == nil {
		x.Address = address
		var u account.User
		if u, err = c.o.Accounts.SignInExternal(ctx, x); err == nil {
			return u, one.trip, nil
		}
	}
	c.o.Logger.Warn("sign-in with the provider refused", "issuer", c.o.Issuer, "subject", clean(x.Subject), "address", address, "error", err)
	return account.User{}, one.trip, err
}

// identify finds out who it is that an answer speaks of.
func (c *Client) identify(ctx context.Context, q url.Values, one pending) (x account.External, err error) {
	c.mu.Lock()
	f := c.found
	c.mu.Unlock()
	if iss := q.Get("iss"); iss != c.o.Issuer && (iss != "" || f.meta.NamesSelf) {
		return x, c.refuse("it came from another issuer", nil)
	}
	if fault := q.Get("error"); fault != "" {
		return x, problem.New(problem.Denied, "sso.refused", "", i18n.Args{"name": c.o.Name, "error": clean(fault)})
	}
	token, err := f.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(one.verifier))
	if err != nil {
		return x, c.explain(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return x, c.refuse("there is no ID token", nil)
	}
	id, err := c.verify(ctx, f, raw, one.nonce)
	if err != nil {
		return x, err
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return x, c.refuse("its claims cannot be read", err)
	}
	if err := authorized(claims, c.o.ClientID); err != nil {
		return x, c.refuse("it is for another client", err)
	}
	if claim(claims, c.o.UserClaim) == nil || claim(claims, c.o.GroupsClaim) == nil {
		if err := c.complete(ctx, f, token, id, claims); err != nil {
			return x, err
		}
	}
	groups := texts(claim(claims, c.o.GroupsClaim))
	if len(groups) > maxGroups {
		return x, c.refuse(fmt.Sprintf("it names %d groups", len(groups)), nil)
	}
	x = account.External{Issuer: c.o.Issuer, Subject: id.Subject, Name: textOf(claims, c.o.UserClaim), Display: textOf(claims, "name")}
	x.Role, x.Scope = roleOf(c.rules, groups)
	return x, nil
}

// verify holds an ID token against the provider's keys and against the question.
func (c *Client) verify(ctx context.Context, f *found, raw, nonce string) (*oidc.IDToken, error) {
	id, err := f.verifier.Verify(ctx, raw)
	var old *oidc.TokenExpiredError
	if errors.As(err, &old) {
		return nil, problem.New(problem.BadClock, "sso.clock", "", i18n.Args{"name": c.o.Name}).Because(err)
	}
	if err != nil {
		return nil, c.refuse("it does not verify", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, c.refuse("it answers another question", nil)
	}
	if id.IssuedAt.Sub(c.o.Now()) > clockMay {
		return nil, problem.New(problem.BadClock, "sso.clock", "", i18n.Args{"name": c.o.Name}).Because(fmt.Errorf("issued at %v", id.IssuedAt))
	}
	return id, nil
}

// authorized holds claim azp: of a token for several, we must be who asked.
func authorized(claims map[string]any, client string) error {
	party, has := claims["azp"]
	if !has && len(texts(claims["aud"])) > 1 {
		return errors.New("several audiences, and no authorized party")
	}
	if has && party != client {
		return errors.New("another party is authorized")
	}
	return nil
}

// complete adds claims that the ID token lacks from the provider's userinfo, where
// it has one.
func (c *Client) complete(ctx context.Context, f *found, token *oauth2.Token, id *oidc.IDToken, claims map[string]any) error {
	if f.provider.UserInfoEndpoint() == "" {
		return nil
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return c.refuse("its access token is another one", err)
		}
	}
	info, err := f.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return c.explain(err)
	}
	if info.Subject != id.Subject {
		return c.refuse("userinfo speaks of somebody else", nil)
	}
	more := map[string]json.RawMessage{}
	if err := info.Claims(&more); err != nil {
		return c.refuse("userinfo cannot be read", err)
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		var v any
		if _, has := claims[name]; !has && json.Unmarshal(more[name], &v) == nil {
			claims[name] = v
		}
	}
	return nil
}

// refuse says that an answer is not believed; people learn that it is not, the log
// why.
func (c *Client) refuse(why string, err error) error {
	cause := errors.New(why)
	if err != nil {
		cause = fmt.Errorf("%s: %s", why, brief(err))
	}
	return problem.New(problem.Denied, "sso.token", "", i18n.Args{"name": c.o.Name}).Because(cause)
}
