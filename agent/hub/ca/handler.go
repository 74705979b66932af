package ca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Limits of the enrolment service, hard. Offices on slow lines need up to
// enrollTimeout for some kilobytes.
const (
	enrollTimeout    = 60 * time.Second // for a whole request, and for the response
	enrollHandshake  = 30 * time.Second // for TLS and the request header
	enrollHeader     = 4 << 10          // bytes of a request header
	enrollConcurrent = 8                // requests worked on at once; others wait for their turn
)

// EnrollOptions of the enrolment service.
type EnrollOptions struct {
	DB       *sqlite.DB
	Registry *registry.Registry
	Card     []byte       // the hub's own, as Register returned it
	Pages    *PagesCA     // nil: no certificates for pages are given
	Logger   *slog.Logger // nil discards
}

type enrollHandler struct {
	ca    *CA
	o     EnrollOptions
	limit *limiter
	slots chan struct{}
}

// EnrollHandler serves invite.Path and those below. It answers nobody who does not know an
// invite's secret with more than "no", bounds what a request may cost and how
// many an address may make, and writes refusals of real invites to the audit
// log.
func (c *CA) EnrollHandler(o EnrollOptions) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &enrollHandler{ca: c, o: o, limit: newLimiter(), slots: make(chan struct{}, enrollConcurrent)}
}

// EnrollServer wraps a handler into a server with timeouts and TLS. Serve it
// on a plain listener with ServeTLS(l, "", "").
func (c *CA) EnrollServer(h http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols) // the programs are built without HTTP/2
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: h, Protocols: protocols, TLSConfig: c.EnrollTLS(), ReadHeaderTimeout: enrollHandshake, ReadTimeout: enrollTimeout,
		WriteTimeout: 2 * enrollTimeout, IdleTimeout: enrollHandshake, MaxHeaderBytes: enrollHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// EnrollTLS is the server side of enrolment: no client certificate, and the
// CA certificate along with the leaf, because the office only knows its hash. An
// office that knows the former CA alone is shown the former certificate.
func (c *CA) EnrollTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: identity.Economical.Curves(),
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			s, root := c.shown(hello.SupportedProtos)
			return &tls.Certificate{Certificate: [][]byte{s.Cert.Raw, root.Raw}, PrivateKey: s.Key, Leaf: s.Cert}, nil
		},
	}
}

// BrokerTLS is the server side of the broker: leaf only, and a client must
// show a device certificate of this CA. admit, when not nil, may refuse an
// office that is nevertheless not welcome, such as one whose key is no longer
// the one on its card. Set CurvePreferences for another key exchange than
// identity.Economical.
func (c *CA) BrokerTLS(admit func(code string, cert *x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, CurvePreferences: identity.Economical.Curves(), SessionTicketsDisabled: true,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: identity.Pool(c.Roots()),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			s := c.Server()
			return &tls.Certificate{Certificate: [][]byte{s.Cert.Raw}, PrivateKey: s.Key, Leaf: s.Cert}, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			code, err := identity.DeviceCode(cs.PeerCertificates[0])
			if err != nil || admit == nil {
				return err
			}
			return admit(code, cs.PeerCertificates[0])
		},
	}
}

func (h *enrollHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limits := map[string]int64{invite.Path: invite.MaxRequest, invite.RenewPath: invite.MaxRenewal}
	if h.o.Pages != nil {
		limits[invite.PagesPath] = invite.MaxPages
	}
	most, found := limits[r.URL.Path]
	switch {
	case !found:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	if wait := h.limit.take(r.RemoteAddr, time.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		h.refuse(w, http.StatusTooManyRequests, problem.New(problem.Busy, "enroll.busy", "", nil))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		h.refuse(w, http.StatusBadRequest, problem.New(problem.BadInvite, "enroll.request", "", nil).Because(err))
		return
	}
	switch r.URL.Path {
	case invite.RenewPath:
		h.serveRenew(w, r, body)
	case invite.PagesPath:
		h.servePages(w, r, body)
	default:
		h.serveEnroll(w, r, body)
	}
}

func (h *enrollHandler) serveEnroll(w http.ResponseWriter, r *http.Request, body []byte) {
	req, err := invite.DecodeRequest(body)
	if err != nil {
		h.refuse(w, http.StatusBadRequest, unreadable(err))
		return
	}
	if !h.turn(r.Context()) {
		return
	}
	defer h.done()
	raw, err := h.enroll(r.Context(), req, r.RemoteAddr)
	if err != nil {
		h.fail(w, r, asker{req.Code, req.Invite.String()}, err)
		return
	}
	h.reply(w, http.StatusOK, invite.Reply{Answer: raw})
}

// unreadable is the problem that a request cannot be read.
func unreadable(err error) *problem.Problem {
	code := "enroll.request"
	if errors.Is(err, invite.ErrVersion) {
		code = "enroll.version"
	}
	return problem.New(problem.BadInvite, code, "", nil).Because(err)
}

// turn waits until a request may be worked on; false when its asker has gone.
func (h *enrollHandler) turn(ctx context.Context) bool {
	select {
	case h.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *enrollHandler) done() { <-h.slots }

// asker is who made a request, for log and audit chain.
type asker struct {
	code   string
	invite string // of an enrolment; "" for a renewal
}

// serveRenew gives an office new certificates for its keys. The signature of
// the request costs a public key operation, so it is made in turn.
func (h *enrollHandler) serveRenew(w http.ResponseWriter, r *http.Request, body []byte) {
	if !h.turn(r.Context()) {
		return
	}
	defer h.done()
	req, err := invite.ParseRenewal(body)
	if err != nil {
		h.refuseUnproven(w, err)
		return
	}
	code := req.Certificate.Subject.CommonName
	raw, err := h.renew(r.Context(), req)
	if err != nil {
		h.fail(w, r, asker{code: code}, err)
		return
	}
	h.o.Logger.Info("certificates renewed", "office", code, "remote", r.RemoteAddr)
	h.reply(w, http.StatusOK, invite.Reply{Answer: raw})
}

// refuseUnproven answers what cannot be read or was not signed with the key of the
// certificate in it.
func (h *enrollHandler) refuseUnproven(w http.ResponseWriter, err error) {
	if errors.Is(err, invite.ErrSignature) {
		h.refuse(w, http.StatusForbidden, problem.New(problem.Denied, "cert.proof", "", nil).Because(err))
		return
	}
	h.refuse(w, http.StatusBadRequest, unreadable(err))
}

// servePages gives an office the certificate of its pages.
func (h *enrollHandler) servePages(w http.ResponseWriter, r *http.Request, body []byte) {
	if !h.turn(r.Context()) {
		return
	}
	defer h.done()
	req, err := invite.ParsePages(body)
	if err != nil {
		h.refuseUnproven(w, err)
		return
	}
	code := req.Certificate.Subject.CommonName
	var answer *invite.PagesIssued
	err = h.o.DB.Update(context.WithoutCancel(r.Context()), func(tx *sqlite.Tx) (err error) {
		answer, err = h.ca.IssuePages(tx, h.o.Registry, h.o.Pages, req)
		return err
	})
	var raw []byte
	if err == nil {
		raw, err = answer.Sign(h.ca.Authority.Key)
	}
	if err != nil {
		h.fail(w, r, asker{code: code}, err)
		return
	}
	h.o.Logger.Info("certificate for pages given", "office", code, "names", namesOf(answer.Chain[0]), "remote", r.RemoteAddr)
	h.reply(w, http.StatusOK, invite.Reply{Answer: raw})
}

func (h *enrollHandler) renew(ctx context.Context, req *invite.Renewal) (raw []byte, err error) {
	var r *Redeemed
	var now time.Time
	err = h.o.DB.Update(context.WithoutCancel(ctx), func(tx *sqlite.Tx) (err error) {
		now = tx.Now()
		if r, err = h.ca.Renew(tx, h.o.Registry, req); err != nil {
			return err
		}
		return r.delivered(tx)
	})
	if err != nil {
		return nil, err
	}
	return h.ca.Renewed(r, req.Transcript(), h.o.Card, now)
}

// enroll redeems and makes the answer.
func (h *enrollHandler) enroll(ctx context.Context, req *invite.Request, remote string) ([]byte, error) {
	var r *Redeemed
	var now time.Time
	// A client that goes away must not undo what is being issued.
	err := h.o.DB.Update(context.WithoutCancel(ctx), func(tx *sqlite.Tx) (err error) {
		now = tx.Now()
		r, err = h.ca.Redeem(tx, h.o.Registry, req, remote)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.Waiting != nil {
		return nil, r.Waiting
	}
	h.o.Logger.Info("office enrolled", "office", req.Code, "invite", req.Invite.String(), "again", r.Again, "remote", remote,
		"clock_offset", now.Sub(req.Time).Round(time.Second).String())
	return h.ca.answer(ctx, h.o.Registry, req, r, h.o.Card, now)
}

// Sign answers a request that did not come over the line. It returns the
// office's code and the answer. Problems: enroll.request, enroll.version, those
// of Redeem and of the waiting room.
func (c *CA) Sign(ctx context.Context, o EnrollOptions, body []byte) (code string, answer []byte, err error) {
	req, err := invite.DecodeRequest(body)
	if err != nil {
		return "", nil, unreadable(err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	answer, err = (&enrollHandler{ca: c, o: o}).enroll(ctx, req, "usb")
	return req.Code, answer, err
}

// fail answers and records an error of enroll.
func (h *enrollHandler) fail(w http.ResponseWriter, r *http.Request, from asker, err error) {
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, storage.ErrFull):
		p = problem.New(problem.Full, "enroll.hub-full", "", nil).Because(err)
	default:
		p = problem.New(problem.Failed, "enroll.hub-failed", "", nil).Because(err)
	}
	level := slog.LevelWarn
	if p.Class == problem.Failed || p.Class == problem.Full {
		level = slog.LevelError
	}
	h.o.Logger.Log(r.Context(), level, "enrolment refused", "office", from.code, "invite", from.invite, "remote", r.RemoteAddr, "err", err)
	if p.Code != "invite.proof" && !foreign[p.Code] && p.Class != problem.Failed && p.Class != problem.Full && p.Class != problem.Busy {
		// Only who knows a secret, or has had a certificate, gets this far, so
		// that strangers cannot fill the log.
		h.audit(r.Context(), from, p, r.RemoteAddr)
	}
	h.refuse(w, status(p), p)
}

// foreign are the problems of certificates that anybody can make.
var foreign = map[string]bool{"cert.self-signed": true, "cert.unknown-ca": true, "cert.broken-chain": true}

func (h *enrollHandler) audit(ctx context.Context, from asker, p *problem.Problem, remote string) {
	err := h.o.DB.Update(context.WithoutCancel(ctx), func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: actorEnrolment, Action: actionRefused, Subject: from.code, Detail: map[string]string{
			detailInvite: from.invite, detailReason: p.Code, detailRemote: remote,
		}})
	})
	if err != nil {
		h.o.Logger.Error("refusal not recorded", "err", err)
	}
}

func status(p *problem.Problem) int {
	switch p.Class {
	case problem.Usage:
		return http.StatusBadRequest
	case problem.Full, problem.Busy:
		return http.StatusServiceUnavailable
	case problem.Failed:
		return http.StatusInternalServerError
	}
	return http.StatusForbidden
}

func (h *enrollHandler) refuse(w http.ResponseWriter, code int, p *problem.Problem) {
	args := map[string]string{}
	for k, v := range p.Args {
		args[k] = fmt.Sprint(v)
	}
	h.reply(w, code, invite.Reply{Refusal: &invite.Refusal{Code: p.Code, Text: p.Message(i18n.English), Args: args}})
}

func (h *enrollHandler) reply(w http.ResponseWriter, code int, r invite.Reply) {
	r.Version, r.Time = 1, time.Now().UnixMilli()
	body, err := json.Marshal(r)
	if err != nil {
		h.o.Logger.Error("enrolment reply not encoded", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the office asks again when it did not arrive
}
