package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Redeemed is what an invite brought.
type Redeemed struct {
	Device, Seal *x509.Certificate
	Card         []byte // the office's card with its keys
	Again        bool   // nothing new was issued: the same keys asked before
	// Waiting says why nothing was issued: the box waits for a person's word.
	// The rest is zero then.
	Waiting *problem.Problem

	code string // of the office
	told []byte // what the answer says of this hub's CAs, see toldOf
}

// Redeem takes an office in: it burns the invite of the request, issues both
// certificates and the card with the keys, all in tx. The same keys asking
// again get the same certificates, for their answer may have been lost. What is
// odd goes to the waiting room: other keys for a used invite, an invite that
// has lately run out, an office that has a box already. Nothing is told about
// an invite to those who do not know its secret. remote is for the people who
// look into the waiting room.
func (c *CA) Redeem(tx *sqlite.Tx, reg *registry.Registry, req *invite.Request, remote string) (*Redeemed, error) {
	if _, proven := c.provenFor(req); !proven {
		return nil, refusal("invite.proof", req.Code)
	}
	row, err := scanInvite(tx.QueryRow(`SELECT `+inviteColumns+` FROM invites WHERE id = ?`, req.Invite[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, refusal("invite.unknown", req.Code)
	}
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	if registry.Key(row.Code) != registry.Key(req.Code) {
		return nil, refusal("invite.other-office", row.Code)
	}
	if !row.Revoked.IsZero() {
		return nil, refusal("invite.revoked", row.Code)
	}
	device, seal, err := c.requestKeys(tx, reg, row.Code, req)
	if err != nil {
		return nil, err
	}
	card, err := joining(row, req)
	if err != nil {
		return nil, err
	}
	keys, spki, err := keysHash(device, seal, req.Recipient)
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	if !row.Redeemed.IsZero() && hmac.Equal(row.Keys, keys[:]) {
		return c.again(tx, reg, row, device)
	}
	if tx.Now().Before(row.NotBefore) {
		return nil, problem.New(problem.BadClock, "invite.not-yet", "", i18n.Args{
			"code": row.Code, "from": row.NotBefore.Format(time.DateOnly), "now": tx.Now().Format(time.DateOnly)})
	}
	odd, err := oddity(tx, reg, row, device)
	if err != nil {
		return nil, err
	}
	if odd != "" {
		if p, err := wait(tx, row, keys, odd, remote); p != nil || err != nil {
			return &Redeemed{Waiting: p}, err
		}
	}
	if _, err := tx.Exec(`UPDATE invites SET redeemed_at = ?, keys_sha256 = ?, device_spki_sha256 = ? WHERE id = ?`,
		tx.Now(), keys, spki, row.ID[:]); err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	card.Device, card.Recipient = device, req.Recipient
	return c.admit(tx, reg, row, card, seal)
}

// oddity is why a person has to look at a box that redeems an invite, "" when
// nobody has.
func oddity(tx *sqlite.Tx, reg *registry.Registry, row inviteRow, device crypto.PublicKey) (WaitReason, error) {
	switch late := tx.Now().Sub(row.NotAfter); {
	case late > invite.Late && !row.Redeemed.IsZero():
		return "", refusal("invite.used", row.Code)
	case late > invite.Late:
		return "", problem.New(problem.BadInvite, "invite.expired", "", i18n.Args{
			"code": row.Code, "to": row.NotAfter.Format(time.DateOnly), "now": tx.Now().Format(time.DateOnly)})
	case !row.Redeemed.IsZero():
		return WaitUsed, nil
	case late > 0:
		return WaitExpired, nil
	}
	card, err := reg.LookupTx(tx, row.Code)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return "", fmt.Errorf("redeem invite: %w", err)
	}
	if err == nil && card.Enrolled() && !row.Replaces && !keyIn([]crypto.PublicKey{card.Device}, device) {
		return WaitActive, nil
	}
	return "", nil
}

// joining checks what a hub brings beside an office's keys, and begins its card.
// Only an invite of kind "hub" lets a hub in: the operator has decided that it
// may speak for offices of its own.
func joining(row inviteRow, req *invite.Request) (registry.Card, error) {
	card := registry.Card{Code: row.Code, Name: row.Name, Parent: row.Parent, Kind: row.Kind}
	wanted := row.Kind == registry.KindHub
	switch {
	case req.ForHub() && !wanted:
		return card, refusal("enroll.not-hub", row.Code)
	case wanted && !req.ForHub():
		return card, refusal("enroll.for-hub", row.Code)
	case !wanted:
		return card, nil
	}
	bad := func(err error) error {
		return problem.New(problem.BadInvite, "enroll.request", "hub_ca", nil).Because(err)
	}
	root, err := x509.ParseCertificate(req.HubCA)
	if err != nil {
		return card, bad(err)
	}
	authority, err := x509.ParseCertificate(req.HubAuthority)
	if err != nil {
		return card, bad(err)
	}
	if err := identity.CheckAuthority(root, authority); err != nil {
		return card, bad(err)
	}
	card.CA, card.Authority = root, authority.PublicKey.(*ecdsa.PublicKey) // CheckAuthority has looked
	return card, nil
}

// refusal is a problem that concerns the invite of an office.
func refusal(code, office string) *problem.Problem {
	return problem.New(problem.BadInvite, code, "", i18n.Args{"code": office})
}

// requestKeys checks both certificate requests and that their keys are nobody
// else's.
func (c *CA) requestKeys(tx *sqlite.Tx, reg *registry.Registry, code string, req *invite.Request) (device, seal crypto.PublicKey, err error) {
	if device, err = requestKey(req.DeviceCSR, false); err != nil {
		return nil, nil, problem.New(problem.BadInvite, "enroll.request", "device_csr", nil).Because(err)
	}
	if seal, err = requestKey(req.SealCSR, true); err != nil {
		return nil, nil, problem.New(problem.BadInvite, "enroll.request", "seal_csr", nil).Because(err)
	}
	if device.(interface{ Equal(crypto.PublicKey) bool }).Equal(seal) {
		return nil, nil, problem.New(problem.BadInvite, "enroll.request", "seal_csr", nil).
			Because(fmt.Errorf("%w: device key and seal key are the same", ErrRequest))
	}
	for _, pub := range []crypto.PublicKey{device, seal} {
		if gone, err := c.keyRevoked(pub); err != nil {
			return nil, nil, err
		} else if gone {
			return nil, nil, refusal("enroll.key-revoked", code)
		}
		owner, err := keyOwner(tx, code, pub)
		if err != nil {
			return nil, nil, err
		}
		if owner != "" {
			return nil, nil, problem.New(problem.BadInvite, "enroll.shared-key", "", i18n.Args{"code": code, "owner": owner})
		}
		if c.isOwnKey(pub) {
			return nil, nil, problem.New(problem.BadInvite, "enroll.shared-key", "", i18n.Args{"code": code, "owner": c.Code})
		}
	}
	// Certificates are not in a backup, cards are.
	holder, err := reg.ByDevice(tx, device)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, nil, err
	}
	if err == nil && registry.Key(holder.Code) != registry.Key(code) {
		return nil, nil, problem.New(problem.BadInvite, "enroll.shared-key", "", i18n.Args{"code": code, "owner": holder.Code})
	}
	return device, seal, nil
}

// again repeats the answer to keys that were admitted with this invite, as
// long as they are still the office's.
func (c *CA) again(tx *sqlite.Tx, reg *registry.Registry, row inviteRow, device crypto.PublicKey) (*Redeemed, error) {
	card, err := reg.LookupTx(tx, row.Code)
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	if !device.(interface{ Equal(crypto.PublicKey) bool }).Equal(card.Device) {
		return nil, refusal("invite.used", row.Code) // enrolled anew since, with other keys
	}
	certs, err := c.issuedFor(tx, row.ID)
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	raw, err := reg.Raw(tx, row.Code)
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	r := &Redeemed{Device: certs[identity.UnitDevice], Seal: certs[identity.UnitSeal], Card: raw, Again: true}
	if r.Device == nil || r.Seal == nil {
		return nil, errors.New("redeem invite: certificates are not in the store")
	}
	return r, nil
}

// admit issues what an office needs and the card with its keys.
func (c *CA) admit(tx *sqlite.Tx, reg *registry.Registry, row inviteRow, card registry.Card, seal crypto.PublicKey) (*Redeemed, error) {
	d, s, err := c.issueOffice(tx, row, &row.ID, card.Device, seal)
	if err != nil {
		return nil, err
	}
	// The office's former box, if there was one, is out from here on.
	old, err := reg.LookupTx(tx, row.Code)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	if err == nil {
		if _, err := c.revokeKeys(tx, old, []crypto.PublicKey{card.Device, seal}, ReasonReplaced, actorEnrolment); err != nil {
			return nil, err
		}
	}
	card.Expires = d.NotAfter
	raw, err := reg.Issue(tx, card, c.Authority.Key)
	if err != nil {
		return nil, err
	}
	err = audit.Append(tx, audit.Entry{Actor: actorEnrolment, Action: actionRedeemed, Subject: row.Code, Detail: map[string]string{
		detailInvite: row.ID.String(), detailSerial: d.SerialNumber.Text(16),
	}})
	if err != nil {
		return nil, fmt.Errorf("redeem invite: %w", err)
	}
	r := c.redeemed(Redeemed{Device: d, Seal: s, Card: raw}, row.Code)
	return r, r.delivered(tx)
}

// issueOffice issues and records both certificates of an office. from is the
// invite that brought them; nil for a renewal.
func (c *CA) issueOffice(tx *sqlite.Tx, row inviteRow, from *invite.ID, device, seal crypto.PublicKey) (d, s *x509.Certificate, err error) {
	if d, err = c.officeDevice(row.Code, device, tx.Now()); err != nil {
		return nil, nil, err
	}
	if s, err = c.officeSeal(row.Code, row.Name, seal, tx.Now()); err != nil {
		return nil, nil, err
	}
	if err := record(tx, row.Code, identity.UnitDevice, d, from, actorEnrolment); err != nil {
		return nil, nil, err
	}
	if err := record(tx, row.Code, identity.UnitSeal, s, from, actorEnrolment); err != nil {
		return nil, nil, err
	}
	return d, s, nil
}

// answer makes the signed answer to req. Cards that do not fit are left to
// the sync.
func (c *CA) answer(ctx context.Context, reg *registry.Registry, req *invite.Request, r *Redeemed, hubCard []byte, now time.Time) ([]byte, error) {
	invited, _ := c.provenFor(req)
	sum, err := req.Transcript(invited)
	if err != nil {
		return nil, err
	}
	more, err := reg.Around(ctx, req.Code, invite.AnswerCards)
	if err != nil {
		return nil, err
	}
	cards, size := [][]byte{hubCard}, len(hubCard)
	for _, card := range more {
		if size += len(card); size > invite.MaxAnswerCards {
			break
		}
		cards = append(cards, card)
	}
	a := &invite.Answer{
		Invite: req.Invite, Transcript: sum, Device: r.Device, Seal: r.Seal, Card: r.Card, Cards: cards,
		Hub: c.Code, HubName: c.Name, Enroll: c.Enroll, MQTT: c.MQTT, Time: now, Brokers: c.Brokers,
	}
	c.vouch(a)
	return a.Sign(c.Authority.Key)
}

// provenFor is the hash of the CA that the invite of a request named, the
// present one or one before it, when the request proves that it has the invite.
func (c *CA) provenFor(req *invite.Request) (ca [sha256.Size]byte, proven bool) {
	for _, root := range c.Roots() {
		ca = sha256.Sum256(root.Raw)
		if req.Proven(c.secret(req.Invite), ca) {
			return ca, true
		}
	}
	return ca, false
}
