package ca

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage/audit"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of invites and of issued certificates.
var Schema = sqlite.Embedded("ca", migrations)

// Actions of the audit log.
const (
	actionCertificate   = "certificate.issued"
	actionInvited       = "invite.created"
	actionRedeemed      = "invite.redeemed"
	actionRevoked       = "invite.revoked"
	actionRefused       = "invite.refused"
	actionCardsRestored = "registry.restored"
	actionCertRevoked   = "certificate.revoked"
	actionRenewed       = "certificate.renewed"
	actionWaiting       = "enrolment.waiting"
	actionDecided       = "enrolment.decided"
	actorHub            = "hub"
	actorEnrolment      = "enrolment"
	detailSerial        = "serial"
	detailUnit          = "unit"
	detailInvite        = "invite"
	detailNotAfter      = "not_after"
	detailReason        = "reason"
	detailKey           = "key_sha256"
	detailBatch         = "batch"
	detailRemote        = "remote"
	detailCount         = "count"
	detailDecision      = "decision"
	detailNames         = "names"
)

// record stores an issued certificate and its audit entry. A certificate that
// is stored already is left alone.
func record(tx *sqlite.Tx, code, unit string, cert *x509.Certificate, from *invite.ID, actor string) error {
	var id []byte
	if from != nil {
		id = from[:]
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	res, err := tx.Exec(`INSERT INTO certificates
		(serial, code_key, unit, spki_sha256, not_before, not_after, issued_at, invite, der)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING`,
		cert.SerialNumber.Bytes(), registry.Key(code), unit, sum, cert.NotBefore, cert.NotAfter, tx.Now(), id, cert.Raw)
	if err != nil {
		return fmt.Errorf("record certificate: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	detail := map[string]string{
		detailSerial: cert.SerialNumber.Text(16), detailUnit: unit,
		detailNotAfter: cert.NotAfter.UTC().Format(time.RFC3339), detailKey: fmt.Sprintf("%x", sum),
	}
	if from != nil {
		detail[detailInvite] = from.String()
	}
	if unit == unitPages {
		detail[detailNames] = strings.Join(namesOf(cert), " ")
	}
	return audit.Append(tx, audit.Entry{Actor: actor, Action: actionCertificate, Subject: code, Detail: detail})
}

// issuedFor returns the certificates that an invite brought, by unit. Those of
// a box that another one has taken the place of are left out.
func (c *CA) issuedFor(tx *sqlite.Tx, id invite.ID) (map[string]*x509.Certificate, error) {
	rows, err := tx.Query(`SELECT unit, der FROM certificates WHERE invite = ? ORDER BY issued_at, serial`, id[:])
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	defer rows.Close()
	certs := map[string]*x509.Certificate{}
	for rows.Next() {
		var unit string
		var der []byte
		if err := rows.Scan(&unit, &der); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		if _, gone := c.Revoked(cert); !gone {
			certs[unit] = cert
		}
	}
	return certs, rows.Err()
}

// keyOwner returns the code key of another office, or of the hub, that has a
// certificate for the same public key; "" when there is none.
func keyOwner(tx *sqlite.Tx, code string, pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("look up key: %w", err)
	}
	rows, err := tx.Query(`SELECT code_key FROM certificates WHERE spki_sha256 = ? AND code_key <> ? LIMIT 1`,
		sha256.Sum256(der), registry.Key(code))
	if err != nil {
		return "", fmt.Errorf("look up key: %w", err)
	}
	defer rows.Close()
	var owner string
	if rows.Next() {
		if err := rows.Scan(&owner); err != nil {
			return "", fmt.Errorf("look up key: %w", err)
		}
	}
	return owner, rows.Err()
}

// Register makes a store know this hub: cards from a backup, its own
// certificates and its own card, which it returns. It is called at each start
// and changes nothing the second time.
func (c *CA) Register(tx *sqlite.Tx, reg *registry.Registry) (card []byte, err error) {
	reg.Originate()
	restored, err := c.takeRestored(tx, reg)
	if err != nil {
		return nil, err
	}
	if err := c.takeRevoked(tx); err != nil {
		return nil, err
	}
	own := map[string]*x509.Certificate{
		identity.UnitAuthority: c.Authority.Cert, identity.UnitDevice: c.Device().Cert, identity.UnitServer: c.Server().Cert,
	}
	for _, unit := range []string{identity.UnitAuthority, identity.UnitDevice, identity.UnitServer} {
		if err := record(tx, c.Code, unit, own[unit], nil, actorHub); err != nil {
			return nil, err
		}
	}
	want := registry.Card{
		Code: c.Code, Name: c.Name, Kind: registry.KindHub, Device: &c.Device().Key.PublicKey,
		Recipient: c.Age.Recipient().String(), Expires: c.Device().Cert.NotAfter,
		Authority: &c.Authority.Key.PublicKey, CA: c.Root.Cert, Vouchers: c.others.vouchers,
	}
	of := c.trust()
	want.OtherCAs = of.Issuers()[1:]
	have, err := reg.LookupTx(tx, c.Code)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	// After a restore the card is issued anew in any case: so the registry is of a
	// newer version than any that the hub handed out before it was lost.
	if err == nil && !restored && have.IsHub() && have.Name == want.Name && have.Recipient == want.Recipient && have.Expires.Equal(want.Expires) &&
		slices.EqualFunc(have.CAs(), want.CAs(), (*x509.Certificate).Equal) &&
		want.Device.(interface{ Equal(crypto.PublicKey) bool }).Equal(have.Device) {
		return reg.Raw(tx, c.Code)
	}
	want.Parent, want.Kind = have.Parent, nonEmpty(have.Kind, want.Kind)
	return reg.Issue(tx, want, c.Authority.Key)
}

func nonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// takeRestored merges the cards that Restore left in the key folder, and
// removes them once they are in the store. It tells whether there were any.
func (c *CA) takeRestored(tx *sqlite.Tx, reg *registry.Registry) (restored bool, err error) {
	folder := filepath.Join(c.folder, restoredDir)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take in restored cards: %w", err)
	}
	total := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), cardsExtension) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return false, fmt.Errorf("take in restored cards: %w", err)
		}
		cards, err := registry.DecodeCards(data)
		if err != nil {
			return false, fmt.Errorf("take in restored cards: %w", err)
		}
		n, err := reg.Merge(tx, cards)
		if err != nil {
			return false, fmt.Errorf("take in restored cards: %w", err)
		}
		total += n
	}
	// What stays behind when this fails is merged again, to no effect.
	tx.OnCommit(func() { _ = os.RemoveAll(folder) })
	return true, audit.Append(tx, audit.Entry{Actor: actorHub, Action: actionCardsRestored, Subject: c.Code,
		Detail: map[string]string{detailCount: fmt.Sprint(total)}})
}

// Refresh renews the hub's own certificates at two thirds of their life, and
// the server's when it does not name every address. Their keys stay. Call it
// at start and once a day; Register afterwards records what is new.
func (c *CA) Refresh(now time.Time) (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.sweep(); err != nil {
		return false, fmt.Errorf("refresh certificates: %w", err)
	}
	if oldOwn(c.device.Cert, now) {
		pair, err := c.makeHubDevice(c.device.Key, now)
		if err != nil {
			return false, err
		}
		if err := keystore.SaveCert(filepath.Join(c.folder, deviceName+".crt"), pair.Cert); err != nil {
			return false, fmt.Errorf("refresh certificates: %w", err)
		}
		c.device, changed = pair, true
	}
	if oldOwn(c.server.Cert, now) || !names(c.server.Cert, c.hosts) {
		pair, err := c.makeServer(c.server.Key, now)
		if err != nil {
			return changed, err
		}
		if err := keystore.SaveCert(filepath.Join(c.folder, serverName+".crt"), pair.Cert); err != nil {
			return changed, fmt.Errorf("refresh certificates: %w", err)
		}
		c.server, changed = pair, true
	}
	return changed, nil
}

// oldOwn says whether two thirds of the life of one of the hub's own certificates
// are over. It counts from
// the end, for the beginning of the hub's own certificates is the CA's.
func oldOwn(cert *x509.Certificate, now time.Time) bool {
	return cert.NotAfter.Sub(now) < ServerLife/3
}

func names(cert *x509.Certificate, hosts []string) bool {
	for _, h := range hosts {
		if cert.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// keysHash is one digest over all public keys of an office.
func keysHash(device, seal crypto.PublicKey, recipient string) (all, spki [sha256.Size]byte, err error) {
	d, err := x509.MarshalPKIXPublicKey(device)
	if err != nil {
		return all, spki, err
	}
	s, err := x509.MarshalPKIXPublicKey(seal)
	if err != nil {
		return all, spki, err
	}
	first, second := sha256.Sum256(d), sha256.Sum256(s)
	return sha256.Sum256(bytes.Join([][]byte{first[:], second[:], []byte(recipient)}, nil)), first, nil
}
