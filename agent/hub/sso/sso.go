package sso

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/storage/keystore"
)

const (
	// lookEvery is how often the provider is asked about itself, so that the sign-in
	// page knows without waiting; lookSoon while it is away.
	lookEvery = time.Minute
	lookSoon  = 15 * time.Second
)

// Settings are those of the provider.
type Settings struct {
	Issuer     string // its address, as it writes it itself
	ClientID   string
	SecretFile string // "" for a client without a secret
	CA         string // file with authorities in PEM; "" for the system's
	Origin     string // under which browsers open the console, as in https://tram.tinh.gov.vn:8800
	Return     string // path there that the provider sends browsers back to
	Name       string // how people call it; "" is its host
	Scopes     []string
	// UserClaim and GroupsClaim name claims; dots lead into objects.
	UserClaim, GroupsClaim string
	Roles                  []string // see ruleForm; the first that fits counts
}

// Accounts keeps the accounts of who has signed in. *account.Store is one.
type Accounts interface {
	SignInExternal(ctx context.Context, x account.External) (account.User, error)
}

// Options of New. All but Logger and Now are required.
type Options struct {
	Settings
	Accounts Accounts
	Logger   *slog.Logger
	Now      func() time.Time
}

// Client is this hub as the client of its provider. Safe for concurrent use.
type Client struct {
	o       Options
	rules   []rule
	scopes  []string
	secret  string
	http    *http.Client
	outside bool // the provider is not on this machine
	broken  bool // by its settings

	mu      sync.Mutex
	found   *found
	trouble error // why nobody can sign in now
	pending *pendings
}

// New makes a client that does not know yet whether its provider is there; Run and
// Look find out. Faults of the settings are a problem.List, and come with a
// client that is never ready because of them.
func New(o Options) (*Client, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{o: o, pending: newPendings(o.Now)}
	c.trouble = problem.New(problem.Busy, "sso.not-yet", "", nil)
	if err := c.read(); err != nil {
		c.broken, c.trouble = true, problem.New(problem.Usage, "sso.settings", "", nil).Because(err)
		return c, err
	}
	return c, nil
}

// read checks the settings and keeps what follows from them.
func (c *Client) read() error {
	var faults problem.List
	fault := func(key, value, want string) {
		faults = append(faults, problem.New(problem.Usage, "sso.setting", "console.sso."+key, i18n.Args{"key": "console.sso." + key, "value": value, "want": want}))
	}
	issuer, err := url.Parse(c.o.Issuer)
	if err != nil || !fitAddress(issuer, false) || issuer.RawQuery != "" || issuer.Fragment != "" {
		fault("issuer", c.o.Issuer, "https://…")
	} else {
		c.outside = !loopback(issuer.Hostname())
		if c.o.Name == "" {
			c.o.Name = issuer.Hostname()
		}
	}
	if c.o.ClientID == "" {
		fault("client", "", "client id")
	}
	if origin, err := url.Parse(c.o.Origin); err != nil || !fitAddress(origin, false) || origin.Path != "" || origin.RawQuery != "" || origin.Fragment != "" {
		fault("origin", c.o.Origin, "https://HOST:PORT")
	}
	if c.o.UserClaim == "" {
		fault("user", "", "preferred_username")
	}
	if c.o.GroupsClaim == "" {
		fault("groups", "", "groups")
	}
	for _, text := range c.o.Roles {
		r, ok := parseRule(text)
		if !ok {
			fault("roles", text, ruleForm)
		}
		c.rules = append(c.rules, r)
	}
	if len(c.o.Roles) == 0 {
		fault("roles", "", ruleForm)
	}
	if c.o.SecretFile != "" {
		data, err := keystore.Load(c.o.SecretFile)
		if c.secret = string(bytes.TrimSpace(data)); err != nil || c.secret == "" {
			faults = append(faults, problem.New(problem.Usage, "sso.secret", "console.sso.file", i18n.Args{"file": c.o.SecretFile}).Because(err))
		}
	}
	roots, err := connector.Roots("console.sso.ca", c.o.CA)
	faults.Note(err)
	c.scopes = append([]string{"openid"}, slices.DeleteFunc(slices.Clone(c.o.Scopes), func(s string) bool { return s == "openid" })...)
	c.http = newHTTP(roots, c.outside)
	return faults.Err()
}

// Run keeps knowing whether the provider is there until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	for {
		wait := lookEvery
		if c.Look(ctx) != nil {
			wait = lookSoon
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Look asks the provider about itself once. The problem is that of Ready from now
// on.
func (c *Client) Look(ctx context.Context) error {
	if c.broken {
		return c.Ready()
	}
	f, err := c.discover(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	before := c.trouble
	switch {
	case err != nil:
		c.trouble = err
	case c.found == nil || c.found.meta.JWKS != f.meta.JWKS || c.found.oauth.Endpoint != f.oauth.Endpoint:
		c.found, c.trouble = f, nil
	default: // the same: its keys are known
		c.trouble = nil
	}
	c.mu.Unlock()
	switch {
	case err != nil && (before == nil || problem.From(before).Code != problem.From(err).Code):
		c.o.Logger.Warn("nobody can sign in with the provider of single sign-on", "issuer", c.o.Issuer, "error", err)
	case err == nil && before != nil:
		c.o.Logger.Info("provider of single sign-on is there", "issuer", c.o.Issuer)
	}
	return err
}

// Name is how people call the provider.
func (c *Client) Name() string { return c.o.Name }

// Issuer is the provider as accounts know it.
func (c *Client) Issuer() string { return c.o.Issuer }

// Origin is where the console has to be open for a sign-in.
func (c *Client) Origin() string { return c.o.Origin }

// Ready is nil, or a *problem.Problem that says why nobody can sign in with the
// provider now. It waits for nothing.
func (c *Client) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

// End is where somebody signs out at the provider and comes back to the page at
// path, "" when it has no such place.
func (c *Client) End(path string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil || c.found.meta.EndSession == "" {
		return ""
	}
	u, err := url.Parse(c.found.meta.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", c.o.ClientID)
	q.Set("post_logout_redirect_uri", c.o.Origin+path)
	u.RawQuery = q.Encode()
	return u.String()
}
