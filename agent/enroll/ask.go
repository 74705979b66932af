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

// question is something to ask a hub, and how it proves itself and its answer.
type question struct {
	hub         string   // name, for people
	fingerprint string   // of its CA, for people
	endpoints   []string // host:port, in the order to try
	path        string
	body        []byte
	known       []string // of CAs, see identity.KnownCA
	// verify judges the chain that the server at host has shown.
	verify func(host string, chain []*x509.Certificate) error
	// take reads and keeps the signed answer.
	take func(answer []byte) error
}

// asking makes the question of an enrolment, whose answer goes into answer.
func (o *Options) asking(inv *invite.Invite, req *invite.Request, answer **invite.Answer) (*question, error) {
	body, err := req.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return &question{
		hub: inv.HubName, fingerprint: invite.Fingerprint(inv.CA), endpoints: inv.Enroll, path: invite.Path, body: body,
		known:  []string{identity.KnownCA(inv.CA)},
		verify: func(host string, chain []*x509.Certificate) error { return verifyHub(inv, host, chain, o.now(inv)) },
		take: func(raw []byte) (err error) {
			*answer, err = invite.ParseAnswer(raw, inv.Authority.PublicKey)
			return err
		},
	}, nil
}

// now is the time by which a hub's certificates are judged. An invite cannot be
// from the future: a clock that says so, such as one in 1970, is behind.
func (o *Options) now(inv *invite.Invite) time.Time {
	if now := o.Now(); now.After(inv.NotBefore) {
		return now
	}
	return inv.NotBefore
}

// ask puts a question to the endpoints in turn until one answers. A refusal
// by the hub ends it; otherwise the gravest of the failures is returned:
// someone who is not the hub rather than nobody.
func (o *Options) ask(ctx context.Context, q *question) error {
	var grave, down error
	for _, endpoint := range q.endpoints {
		err := o.askOne(ctx, q, endpoint)
		if err == nil {
			return nil
		}
		o.Logger.Debug("enrolment endpoint failed", "endpoint", endpoint, "err", err)
		p := problem.From(err)
		switch {
		case waits(p):
			return err
		case p.Class == problem.LinkDown || p.Class == problem.Busy:
			down = errors.Join(down, err)
		case final(p):
			return err
		case grave == nil:
			grave = err
		}
	}
	if grave != nil {
		return grave
	}
	return unreachable(q, down)
}

func unreachable(q *question, err error) *problem.Problem {
	return problem.New(problem.LinkDown, "enroll.unreachable", "", i18n.Args{
		"hub": q.hub, "endpoints": strings.Join(q.endpoints, ", ")}).Because(err)
}

func (o *Options) askOne(ctx context.Context, q *question, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return o.connect(ctx, q, network, addr)
			},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+endpoint+q.path, bytes.NewReader(q.body))
	if err != nil {
		return unreachable(q, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		var p *problem.Problem
		if errors.As(err, &p) {
			return p
		}
		return unreachable(q, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, invite.MaxAnswer+1))
	if err != nil {
		return unreachable(q, err) // cut off: the same request will be answered again
	}
	return q.read(resp.StatusCode, data)
}

// read understands a reply of the hub, which has been proven by TLS.
func (q *question) read(status int, data []byte) error {
	bad := func(err error) error {
		return problem.New(problem.Failed, "enroll.answer", "", i18n.Args{"hub": q.hub}).Because(err)
	}
	if len(data) > invite.MaxAnswer {
		return bad(fmt.Errorf("read reply: more than %d bytes", invite.MaxAnswer))
	}
	var reply invite.Reply
	if err := json.Unmarshal(data, &reply); err != nil {
		return bad(fmt.Errorf("read reply, status %d: %w", status, err))
	}
	if reply.Refusal != nil {
		return refused(q, reply.Refusal)
	}
	if err := q.take(reply.Answer); err != nil {
		return bad(err)
	}
	return nil
}

// refusals are the problem codes a hub may refuse with.
var refusals = map[string]problem.Class{
	"invite.proof": problem.BadInvite, "invite.unknown": problem.BadInvite, "invite.other-office": problem.BadInvite,
	"invite.revoked": problem.BadInvite, "invite.used": problem.BadInvite, "invite.expired": problem.BadInvite,
	"invite.not-yet": problem.BadClock, "enroll.request": problem.BadInvite, "enroll.shared-key": problem.BadInvite,
	"enroll.not-hub": problem.BadInvite, "enroll.for-hub": problem.BadInvite, "enroll.version": problem.BadInvite, "enroll.busy": problem.Busy, "enroll.hub-full": problem.Busy,
	"enroll.hub-failed": problem.Busy, "enroll.key-revoked": problem.BadInvite, "enroll.turned-away": problem.BadInvite,
	"waiting.used": problem.Busy, "waiting.expired": problem.Busy, "waiting.active": problem.Busy,
	"cert.usage": problem.Denied, "cert.self-signed": problem.Denied, "cert.broken-chain": problem.Denied, "cert.unknown-ca": problem.Denied,
	"cert.revoked": problem.Denied, "cert.replaced": problem.Denied, "cert.not-yet": problem.Denied, "cert.expired": problem.Denied, "cert.other-key": problem.Denied,
	"pages.names": problem.Denied, "pages.often": problem.Busy,
	"cert.other-office": problem.Denied, "cert.no-seal": problem.Denied, "cert.proof": problem.Denied, "cert.unsettled": problem.Busy,
}

// waits says whether a refusal of the hub means that a person there has to
// decide.
func waits(p *problem.Problem) bool { return strings.HasPrefix(p.Code, "waiting.") }

func refused(q *question, r *invite.Refusal) *problem.Problem {
	class, known := refusals[r.Code]
	if !known {
		return problem.New(problem.Failed, "enroll.refused", "", i18n.Args{"hub": q.hub, "text": clean(r.Text)})
	}
	args := i18n.Args{"hub": q.hub}
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
// everything after, unless the peer is the hub that was meant.
func (o *Options) connect(ctx context.Context, q *question, network, addr string) (net.Conn, error) {
	plain, err := o.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	host := identity.Host(addr)
	conn := tls.Client(plain, &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: identity.Economical.Curves(), ServerName: host,
		NextProtos: append([]string{"http/1.1"}, q.known...),
		// The root is not known beforehand, only its hash: VerifyConnection
		// does the whole verification, and runs before anything is sent.
		InsecureSkipVerify: true, //nolint:gosec
		VerifyConnection:   func(cs tls.ConnectionState) error { return q.verify(host, cs.PeerCertificates) },
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
	hub := stranger{inv.HubName, host, invite.Fingerprint(inv.CA)}
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return sha256.Sum256(c.Raw) == inv.CA })
	if at < 1 {
		return hub.mismatch(foreignLeaf(chain, at), errors.New("verify hub: the CA of the invite is not in its chain"))
	}
	root, leaf := chain[at], chain[0]
	if err := identity.CheckAuthority(root, inv.Authority); err != nil {
		return hub.mismatch("enroll.server-authority", err)
	}
	return hub.check(root, leaf, now)
}

// stranger is a server that has still to prove that it is the hub.
type stranger struct{ hub, host, fingerprint string }

// mismatch is the problem, of that code, that a server is not the hub.
func (s stranger) mismatch(code string, err error) *problem.Problem {
	return problem.New(problem.BadInvite, code, "", i18n.Args{"hub": s.hub, "host": s.host, "fingerprint": s.fingerprint}).Because(err)
}

func foreignLeaf(chain []*x509.Certificate, at int) string {
	if at < 0 && len(chain) == 1 && bytes.Equal(chain[0].RawIssuer, chain[0].RawSubject) {
		return "enroll.server-self-signed"
	}
	return "enroll.ca-mismatch"
}

// check says whether leaf is root's server certificate for the host. Problems:
// enroll.ca-mismatch, enroll.server-…, and enroll.clock when only the dates are
// wrong.
func (s stranger) check(root, leaf *x509.Certificate, now time.Time) error {
	// An office's certificate of the same CA is no server.
	server := slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && slices.Equal(leaf.Subject.OrganizationalUnit, []string{identity.UnitServer})
	if leaf.CheckSignatureFrom(root) == nil && !server {
		return s.mismatch("enroll.server-usage", errors.New("verify hub: not a server certificate"))
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: s.host, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return problem.New(problem.BadClock, "enroll.clock", "", i18n.Args{"now": now.Format(time.DateTime),
			"from": leaf.NotBefore.Format(time.DateOnly), "to": leaf.NotAfter.Format(time.DateOnly)}).Because(err)
	case errors.As(err, &name):
		return s.mismatch("enroll.server-name", err)
	case err != nil && bytes.Equal(leaf.RawIssuer, root.RawSubject):
		return s.mismatch("enroll.server-broken-chain", err)
	case err != nil:
		return s.mismatch("enroll.ca-mismatch", err)
	}
	return nil
}
