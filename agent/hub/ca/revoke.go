package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// CRLLife is how long a revocation list may be used after it was made. It is
// long because a broker that holds its clients to a list refuses all of them
// once the list has run out; the hub writes it anew every day.
const CRLLife = 30 * 24 * time.Hour

// revokedFile, in the key folder, repeats the revocations of the store, so that
// a backup has them.
const revokedFile = "revoked.json"

// Reason is why a key is revoked.
type Reason string

// Reasons of revocation.
const (
	ReasonLost     Reason = "lost"     // the box is lost, stolen or was in other hands
	ReasonReplaced Reason = "replaced" // another box has taken its place
	ReasonClosed   Reason = "closed"   // the office is no more
	ReasonOther    Reason = "other"
)

// Reasons lists the words that people may choose from.
func Reasons() []Reason { return []Reason{ReasonLost, ReasonReplaced, ReasonClosed, ReasonOther} }

// code is the CRLReason of RFC 5280, section 5.3.1.
func (r Reason) code() int {
	switch r {
	case ReasonLost:
		return 1 // keyCompromise
	case ReasonReplaced:
		return 4 // superseded
	case ReasonClosed:
		return 5 // cessationOfOperation
	}
	return 0 // unspecified
}

// problem is the code of what the holder of a revoked certificate is told.
func (r Reason) problem() string {
	if r == ReasonReplaced {
		return "cert.replaced"
	}
	return "cert.revoked"
}

// Revocation is one revoked key, with one certificate of it.
type Revocation struct {
	Code     string    `json:"code"`   // of the office
	Key      string    `json:"key"`    // SHA-256 of the SubjectPublicKeyInfo, hex
	Serial   string    `json:"serial"` // hex; empty where only the key is known
	At       time.Time `json:"revoked_at"`
	NotAfter time.Time `json:"not_after"`
	Reason   Reason    `json:"reason"`
}

// Revoke takes an office's keys out of trust for good: every certificate of
// them, device and seal, is refused from the commit of tx on, its card loses
// its keys, and its unused invites are withdrawn. Who enrols the office again
// needs a new invite and new keys. Problems: hub.no-office, cert.reason,
// cert.nothing when the office has no keys.
func (c *CA) Revoke(tx *sqlite.Tx, reg *registry.Registry, code string, reason Reason, by string) ([]Revocation, error) {
	if !slices.Contains(Reasons(), reason) {
		return nil, problem.New(problem.Usage, "cert.reason", "reason", i18n.Args{"value": reason, "reasons": words(Reasons())})
	}
	card, err := reg.LookupTx(tx, code)
	if errors.Is(err, registry.ErrNotFound) || err == nil && (card.Hub != "" || registry.Key(card.Code) == registry.Key(c.Code)) {
		return nil, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": code})
	}
	if err != nil {
		return nil, err
	}
	list, err := c.revokeKeys(tx, card, nil, reason, by)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, problem.New(problem.Conflict, "cert.nothing", "CODE", i18n.Args{"code": card.Code})
	}
	if err := revoke(tx, `code_key = ?`, registry.Key(card.Code), by); err != nil {
		return nil, err
	}
	if !card.Enrolled() {
		return list, nil
	}
	card.Device, card.Recipient, card.Expires = nil, "", time.Time{}
	_, err = reg.Issue(tx, card, c.Authority.Key)
	return list, err
}

// Replace revokes an office's keys, where it has any, and makes an invite for
// the box that takes its place. Problem hub.no-office, and those of
// CreateInvites.
func (c *CA) Replace(tx *sqlite.Tx, reg *registry.Registry, code string, o InviteOptions) ([]Made, error) {
	if _, err := c.Revoke(tx, reg, code, ReasonReplaced, o.By); err != nil && !errors.Is(err, problem.New(0, "cert.nothing", "", nil)) {
		return nil, err
	}
	card, err := reg.LookupTx(tx, code)
	if err != nil {
		return nil, err
	}
	o.Replace = true
	return c.CreateInvites(tx, reg, []Office{{Code: card.Code, Name: card.Name, Parent: card.Parent, Kind: card.Kind}}, o)
}

func words(reasons []Reason) string {
	var all []string
	for _, r := range reasons {
		all = append(all, string(r))
	}
	return strings.Join(all, ", ")
}

// revokeKeys revokes the keys of an office that are not in keep, and returns
// what was not revoked before.
func (c *CA) revokeKeys(tx *sqlite.Tx, card registry.Card, keep []crypto.PublicKey, reason Reason, by string) ([]Revocation, error) {
	list, err := liveCertificates(tx, card.Code, tx.Now())
	if err != nil {
		return nil, err
	}
	if key, ok := card.Device.(*ecdsa.PublicKey); ok && key != nil {
		sum, err := fingerprint(key)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(r Revocation) bool { return r.Key == sum }) {
			list = append(list, Revocation{Key: sum, NotAfter: card.Expires})
		}
	}
	kept := map[string]bool{}
	for _, key := range keep {
		sum, err := fingerprint(key)
		if err != nil {
			return nil, err
		}
		kept[sum] = true
	}
	var done []Revocation
	for _, r := range list {
		r.Code, r.At, r.Reason = card.Code, tx.Now().UTC().Truncate(time.Second), reason
		if kept[r.Key] {
			continue
		}
		fresh, err := r.insert(tx)
		if err != nil {
			return nil, err
		}
		if !fresh {
			continue
		}
		done = append(done, r)
		if err := audit.Append(tx, audit.Entry{Actor: nonEmpty(by, actorHub), Action: actionCertRevoked, Subject: card.Code,
			Detail: map[string]string{detailSerial: r.Serial, detailKey: r.Key, detailReason: string(reason)}}); err != nil {
			return nil, fmt.Errorf("revoke certificates: %w", err)
		}
	}
	if len(done) > 0 {
		all, err := readRevoked(tx)
		if err != nil {
			return nil, err
		}
		// A file that could not be written is written at the next start.
		tx.OnCommit(func() { _ = c.holdRevoked(all) })
	}
	return done, nil
}

func fingerprint(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// liveCertificates are those of an office that have not run out.
func liveCertificates(tx *sqlite.Tx, code string, now time.Time) ([]Revocation, error) {
	rows, err := tx.Query(`SELECT spki_sha256, serial, not_after FROM certificates
		WHERE code_key = ? AND unit IN ('device', 'seal') AND not_after > ? ORDER BY issued_at, serial`, registry.Key(code), now)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	defer rows.Close()
	var list []Revocation
	for rows.Next() {
		var key, serial []byte
		var r Revocation
		if err := rows.Scan(&key, &serial, sqlite.Timestamp(&r.NotAfter)); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		r.Key, r.Serial = hex.EncodeToString(key), hex.EncodeToString(serial)
		list = append(list, r)
	}
	return list, rows.Err()
}

func (r Revocation) insert(tx *sqlite.Tx) (fresh bool, err error) {
	key, err := hex.DecodeString(r.Key)
	if err != nil {
		return false, fmt.Errorf("store revocation: %w", err)
	}
	serial, err := hex.DecodeString(r.Serial)
	if err != nil {
		return false, fmt.Errorf("store revocation: %w", err)
	}
	res, err := tx.Exec(`INSERT INTO revoked (spki_sha256, serial, code, revoked_at, not_after, reason) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, key, serial, r.Code, r.At, r.NotAfter, string(r.Reason))
	if err != nil {
		return false, fmt.Errorf("store revocation: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func readRevoked(tx *sqlite.Tx) ([]Revocation, error) {
	rows, err := tx.Query(`SELECT spki_sha256, serial, code, revoked_at, not_after, reason FROM revoked ORDER BY revoked_at, spki_sha256, serial`)
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	defer rows.Close()
	list := []Revocation{}
	for rows.Next() {
		var r Revocation
		var key, serial []byte
		var reason string
		if err := rows.Scan(&key, &serial, &r.Code, sqlite.Timestamp(&r.At), sqlite.Timestamp(&r.NotAfter), &reason); err != nil {
			return nil, fmt.Errorf("read revocations: %w", err)
		}
		r.Key, r.Serial, r.Reason = hex.EncodeToString(key), hex.EncodeToString(serial), Reason(reason)
		list = append(list, r)
	}
	return list, rows.Err()
}

// loadRevoked reads the revocations of the key folder.
func (c *CA) loadRevoked() (known []Revocation, err error) {
	data, err := keystore.Load(filepath.Join(c.folder, revokedFile))
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	return known, nil
}

// takeRevoked joins the revocations of the store with those of the key folder,
// which a backup brings along, and holds them from now on.
func (c *CA) takeRevoked(tx *sqlite.Tx) error {
	known, err := c.loadRevoked()
	if err != nil {
		return err
	}
	for _, r := range known {
		if _, err := r.insert(tx); err != nil {
			return err
		}
	}
	all, err := readRevoked(tx)
	if err != nil {
		return err
	}
	if len(all) == len(known) {
		c.remember(all)
		return nil
	}
	return c.holdRevoked(all)
}

// holdRevoked makes revocations count, and then keeps them in the key folder.
func (c *CA) holdRevoked(all []Revocation) error {
	c.remember(all)
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return keystore.Save(filepath.Join(c.folder, revokedFile), append(data, '\n'))
}

func (c *CA) remember(all []Revocation) {
	keys, serials := make(map[string]Revocation, len(all)), make(map[string]bool, len(all))
	for _, r := range all {
		serials[r.Serial] = true
		if _, known := keys[r.Key]; !known {
			keys[r.Key] = r
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked, c.serials, c.revokedAll = keys, serials, all
}

// Revoked tells whether the key of a certificate was revoked, and when and why.
func (c *CA) Revoked(cert *x509.Certificate) (Revocation, bool) {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	c.mu.RLock()
	defer c.mu.RUnlock()
	r, revoked := c.revoked[hex.EncodeToString(sum[:])]
	return r, revoked
}

// SerialRevoked tells whether the certificate with a serial was revoked.
func (c *CA) SerialRevoked(serial *big.Int) bool {
	text := hex.EncodeToString(serial.Bytes())
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.serials[text]
}

func (c *CA) keyRevoked(key crypto.PublicKey) (bool, error) {
	sum, err := fingerprint(key)
	if err != nil {
		return false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, revoked := c.revoked[sum]
	return revoked, nil
}

// Revocations lists what was revoked, oldest first.
func (c *CA) Revocations() []Revocation {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.revokedAll)
}

// Dismissed says that the keys of an office were revoked and that it has not
// enrolled again.
func (c *CA) Dismissed(card registry.Card) bool {
	if card.Enrolled() {
		return false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.ContainsFunc(c.revokedAll, func(r Revocation) bool { return registry.Key(r.Code) == registry.Key(card.Code) })
}

// CRLs makes the revocation lists of this hub's CAs (RFC 5280), DER, the present
// one's first: certificates that would still be valid, under a number that grows
// with time. Serials are random: each list names those of all CAs.
//
// Their thisUpdate lies in the past, and grows by a second with each revocation:
// it knows whole seconds, and of two lists with the same one OpenSSL, which
// brokers read them with, goes by that which it read first.
func (c *CA) CRLs(now time.Time) (lists [][]byte, err error) {
	revoked := c.Revocations()
	since := now.Add(min(0, time.Duration(len(revoked))*time.Second-Backdate))
	var entries []x509.RevocationListEntry
	for _, r := range revoked {
		serial, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok || now.After(r.NotAfter) {
			continue
		}
		entries = append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: r.At, ReasonCode: r.Reason.code()})
	}
	list := &x509.RevocationList{
		Number: big.NewInt(now.UnixMilli()), ThisUpdate: since, NextUpdate: now.Add(CRLLife), RevokedCertificateEntries: entries,
	}
	for _, pair := range c.Signing() {
		der, err := x509.CreateRevocationList(rand.Reader, list, pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("make revocation list: %w", err)
		}
		lists = append(lists, der)
	}
	return lists, nil
}
