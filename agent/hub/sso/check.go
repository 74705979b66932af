package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Step is one part of a check.
type Step struct {
	Name string `json:"name"` // see Steps
	OK   bool   `json:"ok"`
	// Code, Message and Next say what is wrong.
	Code    string           `json:"code,omitempty"`
	Message string           `json:"message,omitempty"`
	Next    string           `json:"next,omitempty"`
	Problem *problem.Problem `json:"-"`
}

// Steps are the names of all steps, in their order.
var Steps = []string{"issuer", "keys", "clock", "client", "address"}

// clockNear is how far the provider's clock may be off without a word.
const clockNear = 2 * time.Minute

// checkCode stands where a code of the provider would; no provider has given it.
const checkCode = "tram-hub-check"

// Check tries what can be tried without a person: whether the provider answers,
// is the one of the settings, has keys, shares our time, knows this client and its
// secret, and would send browsers back to the console. It ends at the first fault.
func (c *Client) Check(ctx context.Context) []Step {
	var f *found
	var said time.Time
	do := map[string]func() error{
		"issuer":  func() (err error) { f, err = c.discover(ctx); return err },
		"keys":    func() (err error) { said, err = c.checkKeys(ctx, f); return err },
		"clock":   func() error { return c.checkClock(said) },
		"client":  func() error { return c.checkClient(ctx, f) },
		"address": func() error { return c.checkAddress(ctx, f) },
	}
	var steps []Step
	for _, name := range Steps {
		err := do[name]()
		if err == nil {
			steps = append(steps, Step{Name: name, OK: true})
			continue
		}
		p := problem.From(err)
		return append(steps, Step{Name: name, Code: p.Code, Problem: p})
	}
	return steps
}

// checkKeys returns what time the provider says it is.
func (c *Client) checkKeys(ctx context.Context, f *found) (time.Time, error) {
	res, body, err := c.get(ctx, f.meta.JWKS)
	if err != nil {
		return time.Time{}, c.explain(err)
	}
	var set struct {
		Keys []struct {
			Kind string `json:"kty"`
			Use  string `json:"use"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || res.StatusCode != http.StatusOK {
		return time.Time{}, c.explain(fmt.Errorf("keys: status %d, %v", res.StatusCode, err))
	}
	for _, k := range set.Keys {
		if (k.Kind == "RSA" || k.Kind == "EC" || k.Kind == "OKP") && (k.Use == "" || k.Use == "sig") {
			said, _ := http.ParseTime(res.Header.Get("Date")) // zero: not said
			return said, nil
		}
	}
	return time.Time{}, c.explain(errors.New("no key to sign with"))
}

func (c *Client) checkClock(said time.Time) error {
	off := c.o.Now().Sub(said)
	if said.IsZero() || off.Abs() <= clockNear {
		return nil
	}
	return problem.New(problem.BadClock, "sso.clock-off", "", i18n.Args{"name": c.o.Name, "minutes": int(off.Abs().Round(time.Minute) / time.Minute)})
}

// checkClient shows a code that is none: a provider that takes this client for who
// it is finds fault with the code alone.
func (c *Client) checkClient(ctx context.Context, f *found) error {
	_, err := f.oauth.Exchange(oidc.ClientContext(ctx, c.http), checkCode, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && answer.ErrorCode == "invalid_grant" {
		return nil
	}
	if err == nil {
		err = errors.New("a code that does not exist was taken")
	}
	return c.explain(err)
}

// checkAddress begins a sign-in as a browser would.
func (c *Client) checkAddress(ctx context.Context, f *found) error {
	options := []oauth2.AuthCodeOption{oidc.Nonce(checkCode), oauth2.S256ChallengeOption(oauth2.GenerateVerifier())}
	res, _, err := c.get(ctx, f.oauth.AuthCodeURL(checkCode, options...))
	if err != nil {
		return c.explain(err)
	}
	if to, err := res.Location(); err == nil {
		if fault := to.Query().Get("error"); fault != "" && isAt(to, f.oauth.RedirectURL) {
			return problem.New(problem.Usage, "sso.refused", "", i18n.Args{"name": c.o.Name, "error": clean(fault)})
		}
	}
	if res.StatusCode >= http.StatusBadRequest {
		return problem.New(problem.Usage, "sso.address", "console.sso.origin", i18n.Args{"address": f.oauth.RedirectURL, "status": res.StatusCode})
	}
	return nil
}

func isAt(u *url.URL, address string) bool { return u.Scheme+"://"+u.Host+u.Path == address }

func (c *Client) get(ctx context.Context, address string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}
