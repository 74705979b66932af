package sso

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tram/agent/i18n"
	"tram/agent/problem"
)

const (
	// answerIn bounds each request to the provider.
	answerIn = 10 * time.Second
	// maxAnswer bounds what the provider says to one request, bytes; the rest of a
	// longer answer is not read, and it is refused. maxHeader is that of its header.
	maxAnswer = 1 << 20
	maxHeader = 64 << 10
	// maxWhy bounds what of the provider's own words goes into a log, characters.
	maxWhy = 200
)

var (
	errTooLong  = errors.New("answer is too long")
	errInsecure = errors.New("address is neither https nor of this machine")
)

// newHTTP makes what speaks to the provider. It follows no redirects.
func newHTTP(roots *x509.CertPool, outside bool) *http.Client {
	return &http.Client{
		Timeout: answerIn,
		Transport: bounded{next: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: answerIn}).DialContext, TLSHandshakeTimeout: answerIn, MaxResponseHeaderBytes: maxHeader,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		}, secure: outside},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded refuses requests without TLS, and cuts answers.
type bounded struct {
	next   http.RoundTripper
	secure bool // also on this machine
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !fitAddress(r.URL, b.secure) {
		return nil, errInsecure
	}
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = &limited{res.Body, maxAnswer}
	}
	return res, err
}

// limited fails where io.LimitReader would end.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLong
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// fitAddress tells whether an address may be spoken to; secure asks for https
// whatever its host is.
func fitAddress(u *url.URL, secure bool) bool {
	return u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && !secure && loopback(u.Hostname()))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// found is what discovery has told about the provider.
type found struct {
	provider *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	meta     metadata
}

// metadata is what of it go-oidc does not keep.
type metadata struct {
	EndSession string   `json:"end_session_endpoint"`
	JWKS       string   `json:"jwks_uri"`
	Methods    []string `json:"token_endpoint_auth_methods_supported"`
	NamesSelf  bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover asks the provider about itself. Problems are those of explain.
func (c *Client) discover(ctx context.Context) (*found, error) {
	ctx = oidc.ClientContext(ctx, c.http)
	provider, err := oidc.NewProvider(ctx, c.o.Issuer)
	if err != nil {
		return nil, c.explain(err)
	}
	f := &found{provider: provider}
	if err := provider.Claims(&f.meta); err != nil {
		return nil, c.explain(err)
	}
	f.oauth = oauth2.Config{ClientID: c.o.ClientID, ClientSecret: c.secret, Endpoint: provider.Endpoint(), RedirectURL: c.o.Origin + c.o.Return, Scopes: c.scopes}
	f.oauth.Endpoint.AuthStyle = authStyle(c.secret, f.meta.Methods)
	if err := c.fitEndpoints(f); err != nil {
		return nil, c.explain(err)
	}
	f.verifier = provider.VerifierContext(ctx, &oidc.Config{ClientID: c.o.ClientID, Now: c.o.Now})
	return f, nil
}

// fitEndpoints holds the addresses of the provider to what issuers are held to.
func (c *Client) fitEndpoints(f *found) error {
	needed := []string{f.oauth.Endpoint.AuthURL, f.oauth.Endpoint.TokenURL, f.meta.JWKS}
	if slices.Contains(needed, "") {
		return errors.New("an endpoint is missing")
	}
	for _, address := range append(needed, f.provider.UserInfoEndpoint(), f.meta.EndSession) {
		u, err := url.Parse(address)
		if address != "" && (err != nil || !fitAddress(u, c.outside)) {
			return fmt.Errorf("%w: %q", errInsecure, address)
		}
	}
	return nil
}

// authStyle is how this client says who it is at the token endpoint: by what the
// provider knows, without trying.
func authStyle(secret string, methods []string) oauth2.AuthStyle {
	basic, post := len(methods) == 0, false
	for _, m := range methods {
		basic, post = basic || m == "client_secret_basic", post || m == "client_secret_post"
	}
	if secret == "" || post && !basic {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// explain says in words why the provider cannot be used.
func (c *Client) explain(err error) *problem.Problem {
	args := i18n.Args{"issuer": c.o.Issuer, "client": c.o.ClientID, "why": brief(err)}
	make := func(class problem.Class, code string) *problem.Problem {
		return problem.New(class, code, "", args).Because(errors.New(brief(err)))
	}
	var issuer *oidc.IssuerMismatchError
	var cert *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var answer *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case errors.As(err, &issuer):
		args["said"] = clean(issuer.Discovered)
		return make(problem.Usage, "sso.issuer")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return make(problem.BadClock, "sso.certificate-time")
	case errors.As(err, &cert):
		return make(problem.Usage, "sso.certificate")
	case errors.As(err, &answer) && (answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client" || answer.Response.StatusCode == http.StatusUnauthorized):
		return make(problem.Usage, "sso.client")
	case errors.Is(err, errTooLong), errors.Is(err, errInsecure), errors.As(err, &answer):
		return make(problem.LinkDown, "sso.answer")
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded):
		return make(problem.LinkDown, "sso.unreachable")
	}
	return make(problem.LinkDown, "sso.answer")
}

// brief is an error that may hold the provider's words, for logs and people.
func brief(err error) string {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		return clean(fmt.Sprintf("status %d, %s", answer.Response.StatusCode, answer.ErrorCode))
	}
	return clean(err.Error())
}

func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if all := []rune(text); len(all) > maxWhy {
		return string(all[:maxWhy]) + "…"
	}
	return text
}
