package ca

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// renewAgain bounds how often an office gets further certificates for asking: those
// of the last hour are given again.
const renewAgain = time.Hour

// ErrNothingDue says that an office's certificates need not be renewed yet.
var ErrNothingDue = errors.New("nothing is due")

// due says whether an office needs a new certificate in the place of this one:
// two thirds of its life are over, or another CA issues now.
func (c *CA) due(cert *x509.Certificate, now time.Time) bool {
	return Due(cert, now) || !bytes.Equal(cert.RawIssuer, c.Root.Cert.RawSubject)
}

// Due says whether two thirds of the life of a certificate are over.
func Due(cert *x509.Certificate, now time.Time) bool {
	return cert.NotAfter.Sub(now) < cert.NotAfter.Sub(cert.NotBefore)/3
}

// Renew gives an office new certificates for the keys that it has, on the word
// of its device certificate, which may have run out within the policy's grace.
// Asking again within an hour gives the same ones. Problems: those of Judge,
// cert.other-key, cert.other-office, cert.unsettled, cert.no-seal.
func (c *CA) Renew(tx *sqlite.Tx, reg *registry.Registry, r *invite.Renewal) (*Redeemed, error) {
	if p := c.Judge(r.Certificate, tx.Now(), c.Policy.grace()); p != nil {
		return nil, p
	}
	card, err := c.checkHolder(tx, reg, r.Certificate)
	if err != nil {
		return nil, err
	}
	return c.reissue(tx, reg, card, r.Seal, renewAgain)
}

// Prepare makes new certificates for an office whose are due, or finds those
// that were made and have not reached it; ErrNothingDue when there are none.
// NoteSent is to be called when they are on their way.
func (c *CA) Prepare(tx *sqlite.Tx, reg *registry.Registry, code string) (*Redeemed, error) {
	card, err := reg.LookupTx(tx, code)
	if err != nil {
		return nil, err
	}
	key, err := fingerprintOf(card)
	if err != nil || key == nil {
		return nil, errors.Join(ErrNothingDue, err)
	}
	have, err := latest(tx, card.Code, identity.UnitDevice, key, true)
	if err != nil {
		return nil, err
	}
	seal, err := latest(tx, card.Code, identity.UnitSeal, nil, true)
	if err != nil {
		return nil, err
	}
	// Without a record, after a restore, the office asks by itself.
	if have == nil || seal == nil {
		return nil, ErrNothingDue
	}
	again := c.Policy.deviceLife() / 3
	if !c.due(have.cert, tx.Now()) && !c.due(seal.cert, tx.Now()) {
		if told, err := c.Told(tx, code); err != nil || told {
			return nil, errors.Join(ErrNothingDue, err)
		}
		again = math.MaxInt64 // the same with the CAs that are to be believed
	}
	if p := c.Judge(have.cert, tx.Now(), c.Policy.grace()); p != nil {
		return nil, p
	}
	return c.reissue(tx, reg, card, nil, again)
}

func fingerprintOf(card registry.Card) ([]byte, error) {
	if card.Device == nil {
		return nil, nil
	}
	der, err := x509.MarshalPKIXPublicKey(card.Device)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	sum := sha256.Sum256(der)
	return sum[:], nil
}

// reissue issues both certificates of an office anew, or gives those that were
// issued within the last time again. The card stays as it is: nobody else's
// belief depends on the new dates. shown is the seal certificate that the
// office shows, which a restored hub has no record of; nil for none.
func (c *CA) reissue(tx *sqlite.Tx, reg *registry.Registry, card registry.Card, shown *x509.Certificate, again time.Duration) (*Redeemed, error) {
	raw, err := reg.Raw(tx, card.Code)
	if err != nil {
		return nil, err
	}
	key, err := fingerprintOf(card)
	if err != nil {
		return nil, err
	}
	device, err := latest(tx, card.Code, identity.UnitDevice, key, false)
	if err != nil {
		return nil, err
	}
	seal, err := latest(tx, card.Code, identity.UnitSeal, nil, false)
	if err != nil {
		return nil, err
	}
	if device != nil && seal != nil && tx.Now().Sub(device.issued) < again && !c.due(device.cert, tx.Now()) {
		return c.redeemed(Redeemed{Device: device.cert, Seal: seal.cert, Card: raw, Again: true}, card.Code), nil
	}
	old := shown
	if seal != nil {
		old = seal.cert
	}
	if old == nil || c.chain(old) != "" || registry.Key(old.Subject.SerialNumber) != registry.Key(card.Code) ||
		len(old.Subject.OrganizationalUnit) != 1 || old.Subject.OrganizationalUnit[0] != identity.UnitSeal {
		return nil, problem.New(problem.Denied, "cert.no-seal", "", i18n.Args{"code": card.Code})
	}
	if r, revoked := c.Revoked(old); revoked {
		return nil, problem.New(problem.Denied, r.Reason.problem(), "", i18n.Args{"code": card.Code, "serial": r.Serial,
			"at": r.At.Format(time.DateOnly), "hub": c.Name})
	}
	row := inviteRow{Code: card.Code, Name: card.Name}
	d, s, err := c.issueOffice(tx, row, nil, card.Device, old.PublicKey)
	if err != nil {
		return nil, err
	}
	err = audit.Append(tx, audit.Entry{Actor: actorEnrolment, Action: actionRenewed, Subject: card.Code, Detail: map[string]string{
		detailSerial: d.SerialNumber.Text(16), detailNotAfter: d.NotAfter.UTC().Format(time.RFC3339),
	}})
	return c.redeemed(Redeemed{Device: d, Seal: s, Card: raw}, card.Code), err
}

// issued is a certificate of the store.
type issued struct {
	cert   *x509.Certificate
	issued time.Time
}

// latest is the newest certificate of an office for a purpose and a key (nil:
// any), or nil; with delivered only one that the office is known to have.
func latest(tx *sqlite.Tx, code, unit string, key []byte, delivered bool) (*issued, error) {
	var der []byte
	var at time.Time
	err := tx.QueryRow(`SELECT der, issued_at FROM certificates WHERE code_key = ? AND unit = ?
		AND (? IS NULL OR spki_sha256 = ?) AND (delivered_at IS NOT NULL OR NOT ?) ORDER BY not_after DESC, issued_at DESC LIMIT 1`,
		registry.Key(code), unit, key, key, delivered).Scan(&der, sqlite.Timestamp(&at))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	return &issued{cert, at}, nil
}

// Renewed makes the signed answer with new certificates, for the request with
// that transcript or, when it is zero, for an office that did not ask.
func (c *CA) Renewed(r *Redeemed, transcript [sha256.Size]byte, hubCard []byte, now time.Time) ([]byte, error) {
	a := &invite.Answer{
		Transcript: transcript, Device: r.Device, Seal: r.Seal, Card: r.Card,
		Cards: [][]byte{hubCard}, Hub: c.Code, HubName: c.Name, Enroll: c.Enroll, MQTT: c.MQTT, Time: now, Brokers: c.Brokers,
	}
	c.vouch(a)
	return a.SignRenewed(c.Authority.Key)
}

// Certificate is one certificate of an office in a list.
type Certificate struct {
	Code     string     `json:"code"`
	Unit     string     `json:"unit"`   // device or seal
	Serial   string     `json:"serial"` // hex
	From     time.Time  `json:"from"`
	Until    time.Time  `json:"until"`
	Revoked  *time.Time `json:"revoked,omitempty"`
	Reason   Reason     `json:"reason,omitempty"`
	Received bool       `json:"received"` // the office is known to have it
}

// Certificates lists the certificates of offices that have not run out, and
// those that ran out within the policy's grace, by office, the newest first.
func (c *CA) Certificates(ctx context.Context, db *sqlite.DB, now time.Time) ([]Certificate, error) {
	list := []Certificate{}
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT der, unit, delivered_at IS NOT NULL FROM certificates
			WHERE unit IN ('device', 'seal') AND not_after > ? ORDER BY code_key, unit, not_after DESC`, now.Add(-c.Policy.grace()))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var der []byte
			var l Certificate
			if err := rows.Scan(&der, &l.Unit, &l.Received); err != nil {
				return err
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			l.Code, l.Serial, l.From, l.Until = cert.Subject.CommonName, fmt.Sprintf("%x", cert.SerialNumber), cert.NotBefore, cert.NotAfter
			if l.Unit == identity.UnitSeal {
				l.Code = cert.Subject.SerialNumber
			}
			if r, revoked := c.Revoked(cert); revoked {
				l.Revoked, l.Reason = &r.At, r.Reason
			}
			list = append(list, l)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return list, nil
}
