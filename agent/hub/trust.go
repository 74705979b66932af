package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/enroll"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// greetPause is how long the hub waits after a greeting before it looks for
	// certificates that are due: those who greet together are dealt with at once.
	greetPause = 2 * time.Second
	// crlEvery is how often the revocation list of an external broker is written
	// anew. It is good for ca.CRLLife.
	crlEvery = 24 * time.Hour
	// crlLook is how often the hub looks for revocations that are not in it yet:
	// those that come with an enrolment in the place of another box.
	crlLook = 2 * time.Second
)

// crlFile is the revocation list as it was last written.
type crlFile struct {
	mu      sync.Mutex
	at      time.Time
	revoked int // revocations, also those that are not in it any more
}

// policy is how settings say that certificates live.
func policy(c *config.Hub) ca.Policy {
	grace := c.Enroll.Grace
	if grace == 0 {
		grace = -1 // none, while the policy's zero is its default
	}
	return ca.Policy{DeviceLife: c.Enroll.Life, Grace: grace}
}

// explain says for the log why a certificate was not accepted.
func (h *Hub) explain(cert *x509.Certificate) string {
	if p := h.ca.Judge(cert, time.Now(), 0); p != nil {
		return p.Error()
	}
	return ""
}

// noteDelivered remembers that an office has its new certificates.
func noteDelivered(tx *sqlite.Tx, b storage.Bundle) error {
	if bundle.Kind(b.Kind) != bundle.KindNotice {
		return nil
	}
	return ca.NoteDelivered(tx, b.ID)
}

// renew sends new certificates to offices on the line whose present ones are
// due, as bundles of the session that is up: it needs no port but the broker's,
// no request, and no new connection, and an office uses what it got when it
// connects next. An office that is never on the line in that time asks itself.
func (h *Hub) renew(ctx context.Context) error {
	for {
		if err := h.renewDue(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("certificates not renewed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(h.o.RenewEvery):
			continue
		case <-h.greetings:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(greetPause, h.o.RenewEvery)):
		}
	}
}

func (h *Hub) renewDue(ctx context.Context) error {
	due, err := h.ca.DueOffices(ctx, h.db, time.Now())
	if err != nil || len(due) == 0 {
		return err
	}
	online := map[string]bool{}
	for _, code := range h.link.Online() {
		online[registry.Key(code)] = true
	}
	var errs []error
	for _, code := range due {
		if online[code] && ctx.Err() == nil {
			errs = append(errs, h.renewOne(ctx, code))
		}
	}
	return errors.Join(errs...)
}

// renewOne makes new certificates for an office and sends them.
func (h *Hub) renewOne(ctx context.Context, code string) error {
	return h.db.Update(ctx, func(tx *sqlite.Tx) error {
		r, err := h.ca.Prepare(tx, h.registry, code)
		if errors.Is(err, ca.ErrNothingDue) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("renew certificates of %q: %w", code, err)
		}
		answer, err := h.ca.Renewed(r, [32]byte{}, h.card, time.Now())
		if err != nil {
			return err
		}
		card, err := h.registry.LookupTx(tx, code)
		if err != nil {
			return err
		}
		id, err := h.relay.SendRenewed(tx, card.Code, answer)
		if err != nil {
			return err
		}
		h.log.Info("certificates sent", "office", card.Code, "until", r.Device.NotAfter, "id", id)
		return r.NoteSent(tx, id)
	})
}

// renewedAbove takes in what the hub above has sent to this one.
func (h *Hub) renewedAbove(answer []byte) error {
	r, err := enroll.Take(ca.UpstreamFolder(h.o.Dir), answer)
	if err != nil {
		return err
	}
	h.upstream.taken()
	h.useAbove(r.Identity)
	return nil
}

// useAbove has the line to the hub above use new certificates from its next
// connection on.
func (h *Hub) useAbove(id *identity.Identity) {
	h.upstream.mu.Lock()
	defer h.upstream.mu.Unlock()
	h.upstream.id = id
	if h.upstream.live != nil {
		h.upstream.live.Set(id)
	}
	h.log.Info("certificates of this hub at the hub above renewed", "until", id.DeviceCert.NotAfter)
}

// CertRevoked is the answer of `tram-hub cert revoke`.
type CertRevoked struct {
	Code    string          `json:"code"`
	Revoked []ca.Revocation `json:"revoked"`
	CRL     string          `json:"crl,omitempty"` // file that was written
}

// RevokeCert takes an office's keys out of trust, ends its connection and
// writes the revocation list for an external broker. Problems are those of
// ca.Revoke.
func (h *Hub) RevokeCert(ctx context.Context, code string, reason ca.Reason, by string) (CertRevoked, error) {
	out := CertRevoked{Code: code, CRL: h.crlPath()}
	err := h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		out.Revoked, err = h.ca.Revoke(tx, h.registry, code, reason, by)
		return err
	})
	if err != nil {
		return out, err
	}
	out.Code = out.Revoked[0].Code
	h.dismiss(out.Code)
	h.log.Warn("certificates revoked", "office", out.Code, "reason", reason, "by", by)
	return out, h.writeCRL()
}

// dismiss ends the session with an office whose keys were revoked, and its
// connection where the broker is ours. Another one may hold the connection: what
// comes over it is not heard any more, see officeOfLevel.
func (h *Hub) dismiss(code string) {
	if h.broker != nil {
		h.broker.Kick(code)
	}
	if h.link != nil {
		h.link.Forget(code)
	}
}

// crlPath is the file of the revocation list, "" when none is kept.
func (h *Hub) crlPath() string {
	path := h.o.Config.MQTT.CRL
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(h.o.Dir, path)
}

func (h *Hub) writeCRL() error {
	path, now := h.crlPath(), time.Now()
	if path == "" {
		return nil
	}
	h.crl.mu.Lock()
	defer h.crl.mu.Unlock()
	revoked := len(h.ca.Revocations())
	list, err := crlPEM(h.ca, now)
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(path, list, 0o644); err != nil {
		return fmt.Errorf("write revocation list: %w", err)
	}
	h.crl.at, h.crl.revoked = now, revoked
	return nil
}

// crlDue says whether the file lacks revocations or gets old.
func (h *Hub) crlDue() bool {
	h.crl.mu.Lock()
	defer h.crl.mu.Unlock()
	return h.crl.revoked != len(h.ca.Revocations()) || time.Since(h.crl.at) >= crlEvery
}

// crlLate is when the file is older than it should ever be.
func (h *Hub) crlLate() time.Time {
	h.crl.mu.Lock()
	defer h.crl.mu.Unlock()
	written := h.crl.at
	if written.IsZero() {
		written = h.started
	}
	return written.Add(2 * crlEvery)
}

// crlPEM are the revocation lists of a hub in the form that brokers read.
func crlPEM(authority *ca.CA, now time.Time) ([]byte, error) {
	lists, err := authority.CRLs(now)
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, der := range lists {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return text, nil
}

// keepCRL writes the revocation list anew every day, and when somebody was
// revoked.
func (h *Hub) keepCRL(ctx context.Context) error {
	for failed := false; ; {
		if h.crlPath() != "" && h.crlDue() {
			err := h.writeCRL()
			if err != nil && !failed && ctx.Err() == nil {
				h.log.Error("revocation list not written", "error", err)
			}
			failed = err != nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(crlLook):
		}
	}
}

// Certificates lists the offices' certificates in force, see ca.Certificates.
func (h *Hub) Certificates(ctx context.Context) ([]ca.Certificate, error) {
	return h.ca.Certificates(ctx, h.db, time.Now())
}

// WaitingRoom lists the boxes that a person has to decide on, see
// ca.ListWaiting.
func (h *Hub) WaitingRoom(ctx context.Context, all bool) ([]ca.Waiting, error) {
	return ca.ListWaiting(ctx, h.db, all)
}

// Decide lets a box of the waiting room in or turns it away.
func (h *Hub) Decide(ctx context.Context, id int64, d ca.Decision, by string) (w ca.Waiting, err error) {
	err = h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		w, err = ca.Decide(tx, id, d, by)
		return err
	})
	return w, err
}

// ReplaceRequest asks for the invite of a box that takes an office's place.
type ReplaceRequest struct {
	Code string           `json:"code"`
	O    ca.InviteOptions `json:"options"`
}

// Replace revokes an office's present box and invites another one.
func (h *Hub) Replace(ctx context.Context, code string, o ca.InviteOptions) (made []ca.Made, err error) {
	err = h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		made, err = h.ca.Replace(tx, h.registry, code, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.dismiss(made[0].Office.Code)
	return made, h.writeCRL()
}

// RevokedBatch is the answer of `tram-hub invite revoke`.
type RevokedBatch struct {
	Batch string `json:"batch"`
	Count int    `json:"count"`
}

// RevokeBatch withdraws the unused invites of a batch.
func (h *Hub) RevokeBatch(ctx context.Context, batch, by string) (RevokedBatch, error) {
	out := RevokedBatch{Batch: batch}
	err := h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		out.Count, err = ca.RevokeBatch(tx, batch, by)
		return err
	})
	return out, err
}

// SignRequest is a request to enrol that came by stick.
type SignRequest struct {
	Request []byte `json:"request"`
}

// Signed is its answer.
type Signed struct {
	Code   string `json:"code"`
	Answer []byte `json:"answer,omitempty"` // to be carried back
}

// SignInvite redeems an invite for a request that came by stick. Problems are
// those of ca.CA.Redeem, those of the waiting room among them.
func (h *Hub) SignInvite(ctx context.Context, body []byte) (Signed, error) {
	code, answer, err := h.ca.Sign(ctx, ca.EnrollOptions{DB: h.db, Registry: h.registry, Card: h.card, Logger: h.log}, body)
	return Signed{Code: code, Answer: answer}, err
}

// Paths of the local interface about trust.
const (
	InvitesPath = "/v1/invites" // GET lists, POST makes; below it /replace and /revoke
	CertsPath   = "/v1/certificates"
	RevokePath  = "/v1/certificates/revoke"
	WaitingPath = "/v1/waiting" // GET lists, POST decides
)

// maxTrustRequest bounds the requests below in bytes.
const maxTrustRequest = 64 << 10

// RevokeRequest asks to revoke an office's keys.
type RevokeRequest struct {
	Code   string    `json:"code"`
	Reason ca.Reason `json:"reason"`
}

// DecideRequest decides on a box of the waiting room.
type DecideRequest struct {
	ID       int64       `json:"id"`
	Decision ca.Decision `json:"decision"`
}

// Invites lists all invites, the newest first.
func (h *Hub) Invites(ctx context.Context) ([]ca.InviteInfo, error) {
	list, err := ca.ListInvites(ctx, h.db, time.Now(), 0)
	if list == nil {
		list = []ca.InviteInfo{}
	}
	return list, err
}

func (h *Hub) trustRoutes(mux *http.ServeMux) {
	get := func(path string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET "+path, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) { return do(r) }))
	}
	get(InvitesPath, func(r *http.Request) (any, error) { return h.Invites(r.Context()) })
	get(CertsPath, func(r *http.Request) (any, error) { return h.Certificates(r.Context()) })
	get(WaitingPath, func(r *http.Request) (any, error) {
		return h.WaitingRoom(r.Context(), r.URL.Query().Get("all") == "true")
	})
	post(mux, h, InvitesPath, ca.MaxCSV*2, func(ctx context.Context, req InviteRequest) (any, error) {
		return h.Invite(ctx, []byte(req.CSV), req.O)
	})
	post(mux, h, InvitesPath+"/replace", maxTrustRequest, func(ctx context.Context, req ReplaceRequest) (any, error) {
		return h.Replace(ctx, req.Code, req.O)
	})
	post(mux, h, InvitesPath+"/revoke", maxTrustRequest, func(ctx context.Context, req RevokedBatch) (any, error) {
		return h.RevokeBatch(ctx, req.Batch, "cli")
	})
	post(mux, h, InvitesPath+"/sign", maxTrustRequest, func(ctx context.Context, req SignRequest) (any, error) {
		return h.SignInvite(ctx, req.Request)
	})
	post(mux, h, RevokePath, maxTrustRequest, func(ctx context.Context, req RevokeRequest) (any, error) {
		return h.RevokeCert(ctx, req.Code, req.Reason, "cli")
	})
	post(mux, h, WaitingPath, maxTrustRequest, func(ctx context.Context, req DecideRequest) (any, error) {
		return h.Decide(ctx, req.ID, req.Decision, "cli")
	})
}

// post serves one call with a JSON body of at most most bytes.
func post[T any](mux *http.ServeMux, h *Hub, path string, most int64, do func(ctx context.Context, req T) (any, error)) {
	mux.HandleFunc("POST "+path, api.Handle(h.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var req T
		if err := api.ReadJSONWithin(r.Body, most, &req); err != nil {
			return nil, err
		}
		return do(r.Context(), req)
	}))
}
