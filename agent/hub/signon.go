package hub

import (
	"context"

	"tram/agent/config"
	"tram/agent/hub/sso"
	"tram/agent/problem"
	"tram/agent/web/page"
)

// signOnSettings are those of the provider in the settings.
func signOnSettings(c *config.Hub) sso.Settings {
	s := c.Console.SSO
	return sso.Settings{
		Issuer: s.Issuer, ClientID: s.Client, SecretFile: s.Secret, CA: s.CA, Origin: s.Origin, Return: page.SignOnReturn, Name: s.Name,
		Scopes: s.Scopes, UserClaim: s.User, GroupsClaim: s.Groups, Roles: s.Roles,
	}
}

// openSignOn makes the client of the provider. Faults of its settings keep nobody
// with a password out: the sign-in page tells of them.
func (h *Hub) openSignOn() {
	if h.o.Config.Console.SSO.Issuer == "" {
		return
	}
	client, err := sso.New(sso.Options{Settings: signOnSettings(h.o.Config), Accounts: h.accounts, Logger: h.log.With("part", "sign-on"), Now: h.clock.Now})
	if err != nil {
		h.log.Error("single sign-on is not possible with these settings", "error", err)
	}
	h.signOn = client
}

// CheckSignOn tries single sign-on with settings, as far as that goes without a
// person. Faults of the settings are a problem.List.
func CheckSignOn(ctx context.Context, c *config.Hub) ([]sso.Step, error) {
	if c.Console.SSO.Issuer == "" {
		return nil, problem.New(problem.Usage, "sso.off", "console.sso.issuer", nil)
	}
	client, err := sso.New(sso.Options{Settings: signOnSettings(c)})
	if err != nil {
		return nil, err
	}
	return client.Check(ctx), nil
}
