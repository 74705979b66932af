// Package enroll is the office's half of joining a hub: it reads the invite,
// makes the keys on this machine, proves the hub, proves itself, checks what
// it gets and keeps it.
//
// It promises that the private keys never leave the machine; that nothing
// derived from the invite's secret is sent before the hub has shown the CA
// certificate whose hash stands in the invite, and even then only a MAC; that
// an identity is there wholly or not at all; and that every step may be
// repeated: the same keys ask again after a lost answer, and an enrolled box
// stays as it is. Without a link the invite is kept and Resume goes on later.
package enroll

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
)

// State of a box between no invite and identity.
type State string

// States. A box that is Waiting asks again like one that is Pending.
const (
	None     State = "none"     // no invite was given yet
	Pending  State = "pending"  // an invite is kept, the hub not yet reached
	Enrolled State = "enrolled" // the identity was made just now
	Already  State = "already"  // the identity was there before
	Waiting  State = "waiting"  // a person at the hub has to let this box in
)

// Options of Enroll and Resume.
type Options struct {
	Dir    string                                                            // data folder of the office
	Invite string                                                            // invite file, or folder that holds one; not for Resume
	Now    func() time.Time                                                  // nil is time.Now
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error) // nil is a net.Dialer
	Logger *slog.Logger                                                      // nil discards
	// Again has a box that is enrolled join anew with a new invite, after its
	// certificate was revoked or has run out for good. It keeps its keys, unless
	// they were revoked; then it makes new ones and puts the old ones aside.
	Again bool
	// Hub is set when a hub joins the hub above it. It is then known above
	// under the keys that it has, and vouched for; nil for an office.
	Hub *HubKeys
}

// HubKeys are a hub's own keys and the certificates of its authority.
type HubKeys struct {
	Device        crypto.Signer
	Age           *age.X25519Identity
	CA, Authority *x509.Certificate
}

// Result of an enrolment as far as it came.
type Result struct {
	State       State
	Code, Name  string // of the office
	Hub         string // code of the hub
	HubName     string
	Fingerprint string        // of the CA certificate, to compare with the paper
	ClockOffset time.Duration // of the hub's clock ahead of this machine's; zero when not learnt
	// Why says why it is pending or waiting; nil otherwise.
	Why *problem.Problem
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// lockName keeps two enrolments of one box apart: the command line's and the
// agent's own attempts.
const lockName = "enroll.lock"

// Enroll joins the hub of an invite. An enrolled box says so and changes
// nothing. When no endpoint of the hub can be reached the result is Pending
// and the error nil. Problems: those of ReadInvite, refusals of the hub (codes
// "invite.…" and "enroll.…"), enroll.ca-mismatch, data.locked.
func Enroll(ctx context.Context, o Options) (Result, error) {
	o.defaults()
	if err := Recover(o.Dir); err != nil {
		return Result{}, err
	}
	if identity.Exists(o.Dir) && !o.Again {
		// A cut just after the identity was made leaves the way there behind.
		_ = os.RemoveAll(pendingFolder(o.Dir))
		return already(o.Dir)
	}
	path, err := FindInvite(o.Invite)
	if err != nil {
		return Result{}, err
	}
	inv, raw, err := readInvite(path)
	if err != nil {
		return Result{}, err
	}
	if err := CheckValidity(inv, o.Now()); err != nil {
		return describe(inv, None), err
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	old, err := o.present(inv)
	if err != nil || old != nil && !o.Again {
		return describe(inv, Already), err
	}
	box, err := prepare(o.Dir, inv, raw, o.Hub, old)
	if err != nil {
		return describe(inv, None), err
	}
	r, err := o.join(ctx, inv, box)
	if old == nil || !errors.Is(err, problem.New(0, "enroll.key-revoked", "", nil)) {
		return r, err
	}
	o.Logger.Info("the keys of this box were revoked: it makes new ones", "office", inv.Code)
	if box, err = prepare(o.Dir, inv, raw, o.Hub, nil); err != nil {
		return describe(inv, None), err
	}
	return o.join(ctx, inv, box)
}

// present is the identity that the box has, nil for none. Problem
// invite.other-office when the invite is for another office, invite.other-hub
// when it is of another hub.
func (o *Options) present(inv *invite.Invite) (*identity.Identity, error) {
	if !identity.Exists(o.Dir) {
		return nil, nil
	}
	id, err := identity.Load(o.Dir)
	if err == nil && registry.Key(id.Code) != registry.Key(inv.Code) {
		return nil, problem.New(problem.BadInvite, "invite.other-office", "invite", i18n.Args{"code": inv.Code})
	}
	if err == nil && id.Hub != inv.Hub {
		return nil, problem.New(problem.BadInvite, "invite.other-hub", "invite", i18n.Args{"code": inv.Code, "hub": inv.HubName})
	}
	return id, err
}

// Resume goes on with the invite that an earlier Enroll has kept. The result
// is None when there is none.
func Resume(ctx context.Context, o Options) (Result, error) {
	o.defaults()
	r, inv, err := status(o.Dir, o.Again)
	if err != nil || r.State != Pending && r.State != Waiting {
		return r, err
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return r, err
	}
	defer unlock()
	if identity.Exists(o.Dir) && !o.Again {
		return already(o.Dir)
	}
	// An invite that has run out is tried all the same: the hub decides by its
	// own clock, and the keys may have been admitted before.
	box, err := loadBox(o.Dir)
	if err != nil {
		return r, err
	}
	return o.join(ctx, inv, box)
}

// Status says how far the box of data folder dir is.
func Status(dir string) (Result, error) {
	r, _, err := status(dir, false)
	return r, err
}

// StatusAgain says how far a box that is enrolled is with joining anew; None
// when it is not about to.
func StatusAgain(dir string) (Result, error) {
	r, _, err := status(dir, true)
	return r, err
}

func status(dir string, again bool) (Result, *invite.Invite, error) {
	if identity.Exists(dir) && !again {
		r, err := already(dir)
		return r, nil, err
	}
	raw, err := keystore.Load(filepath.Join(pendingFolder(dir), inviteFile))
	if errors.Is(err, keystore.ErrNotFound) {
		return Result{State: None}, nil, nil
	}
	if err != nil {
		return Result{State: None}, nil, identity.Explain(err, pendingFolder(dir))
	}
	inv, err := invite.Parse(raw)
	if err != nil {
		return Result{State: None}, nil, unreadable(err, inviteFile)
	}
	r := describe(inv, Pending)
	if why, err := loadWhy(pendingFolder(dir)); err != nil {
		return r, inv, err
	} else if why != nil {
		r.State, r.Why = Waiting, why
	}
	return r, inv, nil
}

func already(dir string) (Result, error) {
	id, err := identity.Load(dir)
	if err != nil {
		return Result{}, err
	}
	return Result{State: Already, Code: id.Code, Name: id.Name, Hub: id.Trust.Hub, HubName: id.Trust.HubName,
		Fingerprint: Fingerprint(id.Trust.CA)}, nil
}

func describe(inv *invite.Invite, s State) Result {
	return Result{State: s, Code: inv.Code, Name: inv.Name, Hub: inv.Hub, HubName: inv.HubName, Fingerprint: invite.Fingerprint(inv.CA)}
}

// Recover finishes what a cut has left of an enrolment, if nobody is enrolling
// just now.
func Recover(dir string) error {
	unlock, err := lock(dir)
	if errors.Is(err, problem.New(problem.Busy, "data.locked", "", nil)) {
		return nil
	}
	if err == nil {
		unlock()
	}
	return err
}

// lock keeps others from enrolling this box, and finishes what a cut has left.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, keystore.FolderMode); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	release, err := keystore.LockFile(filepath.Join(dir, lockName))
	if errors.Is(err, keystore.ErrLocked) {
		return nil, problem.New(problem.Busy, "data.locked", "data", i18n.Args{"dir": dir}).Because(err)
	}
	if err != nil {
		return nil, err
	}
	if err := identity.Settle(dir); err != nil {
		return nil, errors.Join(err, release())
	}
	return func() { _ = release() }, nil // ends with the process at the latest
}

// join talks to the hub and keeps what it gives.
func (o *Options) join(ctx context.Context, inv *invite.Invite, box *box) (Result, error) {
	r := describe(inv, Pending)
	req, err := box.request(inv, o.Now(), o.Hub)
	if err != nil {
		return r, err
	}
	var answer *invite.Answer
	q, err := o.asking(inv, req, &answer)
	if err != nil {
		return r, err
	}
	if err := o.ask(ctx, q); err != nil {
		p := problem.From(err)
		if waits(p) {
			o.Logger.Info("enrolment waits for a person at the hub", "office", inv.Code, "err", err)
			r.State, r.Why = Waiting, p
			return r, box.noteWhy(p)
		}
		if p.Class == problem.LinkDown || p.Class == problem.Busy {
			o.Logger.Info("enrolment waits for a link", "office", inv.Code, "err", err)
			r.Why = p
			return r, nil
		}
		if final(p) {
			r.State = None
			err = errors.Join(err, box.drop())
		}
		if p.Code == "enroll.key-revoked" { // the next attempt makes new ones
			err = errors.Join(err, os.RemoveAll(box.folder))
		}
		return r, err
	}
	id, err := box.identity(inv, req, answer)
	if err != nil {
		return r, problem.New(problem.BadSeal, "enroll.answer", "", i18n.Args{"hub": inv.HubName}).Because(err)
	}
	if err := box.publish(o.Dir, id, answer.Cards); err != nil {
		return r, err
	}
	r.State, r.Hub, r.HubName = Enrolled, answer.Hub, answer.HubName
	r.ClockOffset = answer.Time.Sub(o.Now())
	o.Logger.Info("enrolled", "office", inv.Code, "hub", answer.Hub, "clock_offset", r.ClockOffset.Round(time.Second).String())
	return r, nil
}

// final says whether asking again with the same invite is pointless.
func final(p *problem.Problem) bool {
	switch p.Code {
	case "invite.used", "enroll.key-revoked", "enroll.turned-away", "invite.revoked", "invite.expired", "invite.unknown", "invite.other-office", "invite.proof",
		"enroll.not-hub", "enroll.for-hub":
		return true
	}
	return false
}
