package enroll

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
)

// Renewed is what a renewal brought.
type Renewed struct {
	Identity *identity.Identity // with the new certificates, already stored
	Hub      time.Time          // the hub's clock, signed by it
}

// Renew asks the hub for new certificates of the keys that this box has. The
// present device certificate proves the box, even when it has run out: how long
// after is the hub's policy. Options.Invite is not used. Problems:
// identity.none, data.locked, enroll.unreachable, enroll.ca-mismatch,
// enroll.answer, and those of the hub, "cert.…".
func Renew(ctx context.Context, o Options) (Renewed, error) {
	o.defaults()
	id, err := identity.Load(o.Dir)
	if err != nil {
		return Renewed{}, err
	}
	req := &invite.Renewal{Certificate: id.DeviceCert, Seal: id.SealCert, Time: o.Now()}
	_, _ = rand.Read(req.Nonce[:]) // never fails
	body, err := req.Sign(id.Device)
	if err != nil {
		return Renewed{}, err
	}
	var answer *invite.Answer
	q := o.member(id, invite.RenewPath, body)
	q.take = func(raw []byte) (err error) {
		answer, err = invite.ParseRenewed(raw, id.Trust.Authority.PublicKey)
		return err
	}
	if err := o.ask(ctx, q); err != nil {
		return Renewed{}, err
	}
	if answer.Transcript != req.Transcript() {
		return Renewed{}, badAnswer(id, errors.New("check answer: it is for another request"))
	}
	return keep(o.Dir, func(*identity.Identity) (*invite.Answer, error) { return answer, nil })
}

// member makes a question of an office that has an identity: the server must be
// that of its hub.
func (o *Options) member(id *identity.Identity, path string, body []byte) *question {
	name, print := id.Trust.HubName, Fingerprint(id.Trust.CA)
	servers := id.Trust.Servers()
	return &question{
		hub: name, fingerprint: print, endpoints: id.Trust.Enroll, path: path, body: body, known: known(servers),
		verify: func(host string, chain []*x509.Certificate) error {
			return stranger{name, host, print}.check(identity.IssuerOf(chain[0], servers), chain[0], id.Now(o.Now()))
		},
	}
}

// Pages asks the hub for the certificate of this office's pages. request is the
// PKCS#10 for their key and names. What the certificates in the answer say is the
// caller's to check. Options.Dir and Options.Invite are not used. Problems:
// enroll.unreachable, enroll.ca-mismatch, enroll.answer, and those of the hub,
// "cert.…" and "pages.…".
func Pages(ctx context.Context, o Options, id *identity.Identity, request []byte) (*invite.PagesIssued, error) {
	o.defaults()
	req := &invite.Pages{Certificate: id.DeviceCert, Request: request, Time: o.Now()}
	_, _ = rand.Read(req.Nonce[:]) // never fails
	body, err := req.Sign(id.Device)
	if err != nil {
		return nil, err
	}
	var answer *invite.PagesIssued
	q := o.member(id, invite.PagesPath, body)
	q.take = func(raw []byte) (err error) {
		answer, err = invite.ParsePagesIssued(raw, id.Trust.Authority.PublicKey)
		return err
	}
	if err := o.ask(ctx, q); err != nil {
		return nil, err
	}
	if answer.Transcript != req.Transcript() {
		return nil, badAnswer(id, errors.New("check answer: it is for another request"))
	}
	return answer, nil
}

// Take takes in new certificates that the hub has sent of its own accord.
// Older ones than those that the box has change nothing. Problems:
// identity.none, data.locked, enroll.answer.
func Take(dir string, raw []byte) (Renewed, error) {
	return keep(dir, func(id *identity.Identity) (*invite.Answer, error) {
		return invite.ParseRenewed(raw, id.Trust.Authority.PublicKey)
	})
}

// known is what the hub's service is told of the CAs that can be checked.
func known(cas []*x509.Certificate) (words []string) {
	for _, c := range cas {
		words = append(words, identity.KnownCA(sha256.Sum256(c.Raw)))
	}
	return words
}

func badAnswer(id *identity.Identity, err error) *problem.Problem {
	return problem.New(problem.BadSeal, "enroll.answer", "", i18n.Args{"hub": id.Trust.HubName}).Because(err)
}

// keepWait is how long keep waits for another answer to be stored.
const keepWait = 2 * time.Second

// keep checks the answer of a renewal and stores what it brings. A cut between
// two files leaves certificates of the same keys, each good by itself. The
// folder is locked for that alone: what the hub sends while it is being asked is
// taken at once, and an answer is held against the identity that is there when it
// comes.
func keep(dir string, read func(*identity.Identity) (*invite.Answer, error)) (Renewed, error) {
	unlock, err := lock(dir)
	for late := time.Now().Add(keepWait); err != nil && problem.From(err).Class == problem.Busy && time.Now().Before(late); {
		time.Sleep(keepWait / 100)
		unlock, err = lock(dir)
	}
	if err != nil {
		return Renewed{}, err
	}
	defer unlock()
	id, err := identity.Load(dir)
	if err != nil {
		return Renewed{}, err
	}
	answer, err := read(id)
	if err != nil {
		return Renewed{}, badAnswer(id, err)
	}
	next, err := renewed(id, answer)
	if err != nil {
		return Renewed{}, badAnswer(id, err)
	}
	if err := identity.Save(dir, next); err != nil {
		return Renewed{}, err
	}
	return Renewed{Identity: next, Hub: answer.Time}, nil
}

// renewed is id with what an answer brings. The keys stay, so that nothing
// that was encrypted for the office or sealed by it changes its meaning. An answer
// whose CA is one of the past is old, and changes nothing.
func renewed(id *identity.Identity, a *invite.Answer) (*identity.Identity, error) {
	switch {
	case a.Invite != invite.ID{}:
		return nil, errors.New("check answer: it is for an enrolment")
	case a.Hub != id.Trust.Hub:
		return nil, fmt.Errorf("check answer: hub %q instead of %q", a.Hub, id.Trust.Hub)
	}
	if identity.Among(id.Trust.Former, a.CA) {
		return id, nil
	}
	trust, err := id.Trust.Succeed(a.CA, a.Authority, a.Next, a.Former, a.Vouchers)
	if err != nil {
		return nil, fmt.Errorf("check answer: %w", err)
	}
	card, err := registry.ParseCard(a.Card, a.Authority.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("check answer: own card: %w", err)
	}
	if registry.Key(card.Code) != registry.Key(id.Code) || !same(id.Device.Public(), card.Device) {
		return nil, errors.New("check answer: own card has another code or key")
	}
	next := *id
	next.Trust = trust
	next.Name, next.Trust.HubName = card.Name, a.HubName
	next.Trust.MQTT, next.Trust.Enroll, next.Trust.Brokers = a.MQTT, a.Enroll, a.Brokers
	next.Card = newer(a.Card, id.Card, a.Authority.PublicKey)
	if better(a.Device, id.DeviceCert, trust.CA) {
		next.DeviceCert = a.Device
	}
	if id.SealCert == nil || better(a.Seal, id.SealCert, trust.CA) {
		next.SealCert = a.Seal
	}
	// Also certificates that are older than ours must be ours.
	proof := next
	proof.DeviceCert, proof.SealCert = a.Device, a.Seal
	if err := proof.Check(); err != nil {
		return nil, fmt.Errorf("check answer: %w", err)
	}
	return &next, nil
}

// better says whether new is to stand in the place of old: the present CA issued
// it alone, or it lasts longer.
func better(new, old, ca *x509.Certificate) bool {
	newOne, oldOne := new.CheckSignatureFrom(ca) == nil, old.CheckSignatureFrom(ca) == nil
	if newOne != oldOne {
		return newOne
	}
	return new.NotAfter.After(old.NotAfter)
}

// newer is the card with the higher serial.
func newer(a, b []byte, authority crypto.PublicKey) []byte {
	ours, err := registry.ParseCard(b, authority)
	if err != nil {
		return a
	}
	theirs, err := registry.ParseCard(a, authority)
	if err != nil || theirs.Serial < ours.Serial {
		return b
	}
	return a
}
