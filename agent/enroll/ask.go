package enroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
)

// Timeouts of one attempt at one endpoint. They leave room for a slow 3G line.
const (
	dialTimeout = 20 * time.Second
	askTimeout  = 90 * time.Second // from the first packet to the end of the answer
)

// ask puts the request to the endpoints in turn until one answers. A refusal
// by the hub ends it; otherwise the gravest of the failures is returned:
// someone who is not the hub rather than nobody.
func (o *Options) ask(ctx context.Context, inv *invite.Invite, req *invite.Request) (*invite.Answer, error) {
	body, err := req.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var grave, down error
	for _, endpoint := range inv.Enroll {
		answer, err := o.askOne(ctx, inv, endpoint, body)
		if err == nil {
			return answer, nil
		}
		o.Logger.Debug("enrolment endpoint failed", "endpoint", endpoint, "err", err)
		p := problem.From(err)
		switch {
		case p.Class == problem.LinkDown || p.Class == problem.Busy:
			down = errors.Join(down, err)
		case final(p):
			return nil, err
		case grave == nil:
			grave = err
		}
	}
	if grave != nil {
		return nil, grave
	}
	return nil, unreachable(inv, down)
}

func unreachable(inv *invite.Invite, err error) *problem.Problem {
	return problem.New(problem.LinkDown, "enroll.unreachable", "", i18n.Args{
		"hub": inv.HubName, "endpoints": strings.Join(inv.Enroll, ", ")}).Because(err)
}

func (o *Options) askOne(ctx context.Context, inv *invite.Invite, endpoint string, body []byte) (*invite.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return o.connect(ctx, inv, network, addr)
			},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+endpoint+invite.Path, bytes.NewReader(body))
	if err != nil {
		return nil, unreachable(inv, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		var p *problem.Problem
		if errors.As(err, &p) {
			return nil, p
		}
		return nil, unreachable(inv, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, invite.MaxAnswer+1))
	if err != nil {
		return nil, unreachable(inv, err) // cut off: the same request will be answered again
	}
	return o.read(inv, resp.StatusCode, data)
}

// read understands a reply of the hub, which has been proven by TLS.
func (o *Options) read(inv *invite.Invite, status int, data []byte) (*invite.Answer, error) {
	bad := func(err error) error {
		return problem.New(problem.Failed, "enroll.answer", "", i18n.Args{"hub": inv.HubName}).Because(err)
	}
	if len(data) > invite.MaxAnswer {
		return nil, bad(fmt.Errorf("read reply: more than %d bytes", invite.MaxAnswer))
	}
	var reply invite.Reply
	if err := json.Unmarshal(data, &reply); err != nil {
		return nil, bad(fmt.Errorf("read reply, status %d: %w", status, err))
	}
	if reply.Refusal != nil {
		return nil, refused(inv, reply.Refusal)
	}
	answer, err := invite.ParseAnswer(reply.Answer, inv.Authority.PublicKey)
	if err != nil {
		return nil, bad(err)
	}
	return answer, nil
}

// refusals are the problem codes a hub may refuse with.
var refusals = map[string]problem.Class{
	"invite.proof": problem.BadInvite, "invite.unknown": problem.BadInvite, "invite.other-office": problem.BadInvite,
	"invite.revoked": problem.BadInvite, "invite.used": problem.BadInvite, "invite.expired": problem.BadInvite,
	"invite.not-yet": problem.BadClock, "enroll.request": problem.BadInvite, "enroll.shared-key": problem.BadInvite,
	"enroll.version": problem.BadInvite, "enroll.busy": problem.Busy, "enroll.hub-full": problem.Busy,
	"enroll.hub-failed": problem.Busy,
}

func refused(inv *invite.Invite, r *invite.Refusal) *problem.Problem {
	class, known := refusals[r.Code]
	if !known {
		return problem.New(problem.Failed, "enroll.refused", "", i18n.Args{"hub": inv.HubName, "text": clean(r.Text)})
	}
	args := i18n.Args{"hub": inv.HubName}
	for k, v := range r.Args {
		args[k] = clean(v)
	}
	return problem.New(class, r.Code, "", args)
}

// clean makes foreign text fit for one line on a terminal.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}

// connect makes the TLS connection. The handshake fails, and with it
// everything after, unless the peer is the hub of the invite.
func (o *Options) connect(ctx context.Context, inv *invite.Invite, network, addr string) (net.Conn, error) {
	plain, err := o.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	host := identity.Host(addr)
	conn := tls.Client(plain, &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: identity.Economical.Curves(), ServerName: host,
		// The root is not known beforehand, only its hash: VerifyConnection
		// does the whole verification, and runs before anything is sent.
		InsecureSkipVerify: true, //nolint:gosec
		VerifyConnection:   func(cs tls.ConnectionState) error { return verifyHub(inv, host, cs.PeerCertificates, o.Now()) },
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

// verifyHub accepts a chain whose root has the hash of the invite, whose leaf
// is that root's server certificate for host, and whose root also vouches for
// the authority that signed the invite.
func verifyHub(inv *invite.Invite, host string, chain []*x509.Certificate, now time.Time) error {
	mismatch := func(err error) error {
		return problem.New(problem.BadInvite, "enroll.ca-mismatch", "", i18n.Args{"hub": inv.HubName, "host": host,
			"fingerprint": invite.Fingerprint(inv.CA)}).Because(err)
	}
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return sha256.Sum256(c.Raw) == inv.CA })
	if at < 1 {
		return mismatch(errors.New("verify hub: the CA of the invite is not in its chain"))
	}
	root, leaf := chain[at], chain[0]
	if err := identity.CheckAuthority(root, inv.Authority); err != nil {
		return mismatch(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return problem.New(problem.BadClock, "enroll.clock", "", i18n.Args{"now": now.Format(time.DateTime)}).Because(err)
	}
	if err != nil {
		return mismatch(err)
	}
	// An office's certificate of the same CA is no server.
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || !slices.Equal(leaf.Subject.OrganizationalUnit, []string{identity.UnitServer}) {
		return mismatch(errors.New("verify hub: not a server certificate"))
	}
	return nil
}
