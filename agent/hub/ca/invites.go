package ca

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// Lives of invites.
const (
	DefaultInviteLife = 30 * 24 * time.Hour // when TTL is zero
	MaxInviteLife     = 366 * 24 * time.Hour
)

// secretPurpose separates invite secrets from other uses of the invite key.
const secretPurpose = "tram-invite-secret-1"

// InviteOptions of CreateInvites.
type InviteOptions struct {
	TTL time.Duration // zero is DefaultInviteLife; at most MaxInviteLife
	New bool          // replace invites that are still valid, and invite enrolled offices again
	// Replace makes an invite for a box that takes the place of an office's
	// present one; without it such a box goes to the waiting room. It implies New.
	Replace bool
	Batch   string // name for revoking together; "" is the day, "2026-11-22"
	By      string // who asks, for the audit log
}

// InviteState says what CreateInvites did for an office, or how an invite
// stands.
type InviteState string

// States of invites.
const (
	InviteCreated  InviteState = "created" // made now
	InviteOpen     InviteState = "open"    // made before, still valid and unused
	InviteUsed     InviteState = "used"    // the office is enrolled
	InviteExpired  InviteState = "expired" // not used in time
	InviteRevoked  InviteState = "revoked" // withdrawn, or replaced by a new one
	inviteDayBatch             = "2006-01-02"
)

// Made is the result of CreateInvites for one office.
type Made struct {
	Office Office
	State  InviteState // created, open or used
	ID     invite.ID
	Until  time.Time
	File   string // name of the invite file; "" when State is used
	Raw    []byte // its content: holds the secret; nil when State is used
}

// CreateInvites makes an invite for each office and a card without keys for
// those that have none. An office whose invite is still valid and unused gets
// the same one again, byte for byte; one that is enrolled gets none. With New
// every office gets a new one and older unused ones are revoked.
func (c *CA) CreateInvites(tx *sqlite.Tx, reg *registry.Registry, offices []Office, o InviteOptions) ([]Made, error) {
	if o.TTL == 0 {
		o.TTL = DefaultInviteLife
	}
	if o.TTL < 0 || o.TTL > MaxInviteLife {
		return nil, problem.New(problem.Usage, "invite.ttl", "ttl", i18n.Args{"max": int(MaxInviteLife / (24 * time.Hour))})
	}
	if tx.Now().Before(earliest) {
		return nil, problem.New(problem.BadClock, "clock.dead", "", i18n.Args{"now": tx.Now().Format(time.DateTime)})
	}
	if len(c.Enroll) == 0 || len(c.MQTT) == 0 {
		return nil, problem.New(problem.Usage, "hub.no-endpoint", "", nil)
	}
	o.New = o.New || o.Replace
	if o.Batch == "" {
		o.Batch = tx.Now().Format(inviteDayBatch)
	}
	made := make([]Made, 0, len(offices))
	for _, office := range offices {
		m, err := c.inviteOffice(tx, reg, office, o)
		if err != nil {
			return nil, err
		}
		made = append(made, m)
	}
	return made, nil
}

func (c *CA) inviteOffice(tx *sqlite.Tx, reg *registry.Registry, office Office, o InviteOptions) (Made, error) {
	if registry.Key(office.Code) == registry.Key(c.Code) {
		return Made{}, problem.New(problem.Usage, "office.is-hub", "code", i18n.Args{"value": office.Code})
	}
	card, err := c.announce(tx, reg, office)
	if err != nil {
		return Made{}, err
	}
	if !o.New {
		open, found, err := openInvite(tx, office.Code)
		if err != nil {
			return Made{}, err
		}
		if found && open.sameOffice(office) {
			return c.file(open, office, InviteOpen)
		}
		if !found && card.Enrolled() {
			return Made{Office: office, State: InviteUsed}, nil
		}
	}
	if err := revoke(tx, `code_key = ?`, registry.Key(office.Code), o.By); err != nil {
		return Made{}, err
	}
	row := inviteRow{
		Code: office.Code, Name: office.Name, Parent: office.Parent, Kind: office.Kind, Batch: o.Batch,
		NotBefore: tx.Now().Add(-Backdate).Truncate(time.Second), NotAfter: tx.Now().Add(o.TTL).Truncate(time.Second), Created: tx.Now(),
		Replaces: o.Replace,
	}
	if _, err := rand.Read(row.ID[:]); err != nil {
		return Made{}, fmt.Errorf("create invite: %w", err)
	}
	if err := row.insert(tx); err != nil {
		return Made{}, err
	}
	err = audit.Append(tx, audit.Entry{Actor: nonEmpty(o.By, actorHub), Action: actionInvited, Subject: office.Code, Detail: map[string]string{
		detailInvite: row.ID.String(), detailBatch: o.Batch, detailNotAfter: row.NotAfter.Format(time.RFC3339),
	}})
	if err != nil {
		return Made{}, fmt.Errorf("create invite: %w", err)
	}
	return c.file(row, office, InviteCreated)
}

// announce puts the office into the registry, or corrects its name and place
// there; keys that it has stay.
func (c *CA) announce(tx *sqlite.Tx, reg *registry.Registry, office Office) (registry.Card, error) {
	card, err := reg.LookupTx(tx, office.Code)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return card, err
	}
	if card.Hub != "" {
		return card, problem.New(problem.Conflict, "office.elsewhere", "code", i18n.Args{"value": card.Code, "hub": card.Hub})
	}
	if err == nil && card.Code == office.Code && card.Name == office.Name && card.Parent == office.Parent && card.Kind == office.Kind {
		return card, nil
	}
	card.Name, card.Parent, card.Kind = office.Name, office.Parent, office.Kind
	if !card.Enrolled() {
		card.Code = office.Code // the spelling of an enrolled code is that of its certificate
	}
	if _, err := reg.Issue(tx, card, c.Authority.Key); err != nil {
		return card, err
	}
	return card, nil
}

// file makes the invite file of row.
func (c *CA) file(row inviteRow, office Office, state InviteState) (Made, error) {
	raw, err := invite.Sign(&invite.Invite{
		ID: row.ID, Secret: c.secret(row.ID), Code: row.Code, Name: row.Name, Parent: row.Parent, Kind: row.Kind,
		Hub: c.Code, HubName: c.Name, Enroll: c.Enroll, MQTT: c.MQTT, CA: c.Hash(),
		NotBefore: row.NotBefore, NotAfter: row.NotAfter, Authority: c.Authority.Cert,
	}, c.Authority.Key)
	if err != nil {
		return Made{}, err
	}
	return Made{Office: office, State: state, ID: row.ID, Until: row.NotAfter, File: FileName(row.Code), Raw: raw}, nil
}

// secret derives the secret of an invite, so that none is stored.
func (c *CA) secret(id invite.ID) invite.Secret {
	h := hmac.New(sha256.New, c.inviteKey)
	h.Write([]byte(secretPurpose))
	h.Write(id[:])
	return invite.Secret(h.Sum(nil)[:len(invite.Secret{})])
}

// WriteInvites writes the invite files into dir, which is made when missing.
// Files are replaced as a whole; running it again leaves the same files.
func WriteInvites(dir string, made []Made) error {
	if err := fsx.MkdirAll(fsx.OS, dir, keystore.FolderMode); err != nil {
		return fmt.Errorf("write invites: %w", err)
	}
	for _, m := range made {
		if m.Raw == nil {
			continue
		}
		if err := fsx.WriteFile(filepath.Join(dir, m.File), m.Raw, keystore.FileMode); err != nil {
			return fmt.Errorf("write invite of %s: %w", m.Office.Code, err)
		}
	}
	return nil
}

// FileName is the name of an office's invite file, safe on every file system.
// Different codes have different names.
func FileName(code string) string {
	name := strings.ReplaceAll(code, ":", "_")
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	device := len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT")
	if device || stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL" {
		name = "_" + name // reserved on Windows; codes do not begin with "_"
	}
	return name + invite.Extension
}

// InviteInfo is one invite in a list.
type InviteInfo struct {
	ID        string      `json:"id"`    // hex
	Short     string      `json:"short"` // form of ID that people read out
	Code      string      `json:"code"`
	Name      string      `json:"name"`
	Batch     string      `json:"batch"`
	State     InviteState `json:"state"`
	Created   time.Time   `json:"created"`
	NotBefore time.Time   `json:"not_before"`
	NotAfter  time.Time   `json:"not_after"`
	Redeemed  time.Time   `json:"redeemed,omitzero"` // zero when unused
}

// ListInvites returns invites, newest first, at most limit of them; limit zero
// is all.
func ListInvites(ctx context.Context, db *sqlite.DB, now time.Time, limit int) ([]InviteInfo, error) {
	if limit <= 0 {
		limit = -1
	}
	var list []InviteInfo
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT `+inviteColumns+` FROM invites ORDER BY created_at DESC, code_key LIMIT ?`, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanInvite(rows)
			if err != nil {
				return err
			}
			list = append(list, InviteInfo{ID: r.ID.String(), Short: r.ID.ShortCode(), Code: r.Code, Name: r.Name, Batch: r.Batch, State: r.state(now),
				Created: r.Created, NotBefore: r.NotBefore, NotAfter: r.NotAfter, Redeemed: r.Redeemed})
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list invites: %w", err)
	}
	return list, nil
}

// RevokeBatch withdraws the unused invites of a batch and returns how many
// they were.
func RevokeBatch(tx *sqlite.Tx, batch, by string) (int, error) {
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM invites WHERE batch = ? AND redeemed_at IS NULL AND revoked_at IS NULL`, batch).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("revoke invites: %w", err)
	}
	return n, revoke(tx, `batch = ?`, batch, by)
}

// CloseInvites withdraws every unused invite and returns how many they were: after a
// restore nobody knows which have been used since.
func CloseInvites(tx *sqlite.Tx) (int, error) {
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM invites WHERE redeemed_at IS NULL AND revoked_at IS NULL`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("revoke invites: %w", err)
	}
	return n, revoke(tx, `batch <> ?`, "", "")
}

func revoke(tx *sqlite.Tx, where string, arg any, by string) error {
	rows, err := tx.Query(`UPDATE invites SET revoked_at = ? WHERE `+where+`
		AND redeemed_at IS NULL AND revoked_at IS NULL RETURNING id, code`, tx.Now(), arg)
	if err != nil {
		return fmt.Errorf("revoke invites: %w", err)
	}
	var entries []audit.Entry
	for rows.Next() {
		var id []byte
		var code string
		if err := rows.Scan(&id, &code); err != nil {
			return errors.Join(fmt.Errorf("revoke invites: %w", err), rows.Close())
		}
		entries = append(entries, audit.Entry{Actor: nonEmpty(by, actorHub), Action: actionRevoked, Subject: code,
			Detail: map[string]string{detailInvite: invite.ID(id).String()}})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("revoke invites: %w", err)
	}
	for _, e := range entries {
		if err := audit.Append(tx, e); err != nil {
			return fmt.Errorf("revoke invites: %w", err)
		}
	}
	return nil
}

// inviteRow is a row of the table; zero times are NULL.
type inviteRow struct {
	ID                                     invite.ID
	Code, Name, Parent, Kind, Batch        string
	NotBefore, NotAfter, Created, Redeemed time.Time
	Revoked                                time.Time
	Keys                                   []byte
	Replaces                               bool
}

const inviteColumns = `id, code, name, parent, kind, batch, not_before, not_after, created_at, redeemed_at, revoked_at, keys_sha256, replaces`

func scanInvite(row interface{ Scan(...any) error }) (inviteRow, error) {
	var r inviteRow
	var id []byte
	var from, to, created int64
	var redeemed, revoked sql.NullInt64
	err := row.Scan(&id, &r.Code, &r.Name, &r.Parent, &r.Kind, &r.Batch, &from, &to, &created, &redeemed, &revoked, &r.Keys, &r.Replaces)
	if err != nil {
		return r, err
	}
	if len(id) != len(r.ID) {
		return r, fmt.Errorf("read invite: id of %d bytes", len(id))
	}
	copy(r.ID[:], id)
	r.NotBefore, r.NotAfter, r.Created = sqlite.Time(from), sqlite.Time(to), sqlite.Time(created)
	if redeemed.Valid {
		r.Redeemed = sqlite.Time(redeemed.Int64)
	}
	if revoked.Valid {
		r.Revoked = sqlite.Time(revoked.Int64)
	}
	return r, nil
}

func (r inviteRow) insert(tx *sqlite.Tx) error {
	_, err := tx.Exec(`INSERT INTO invites (id, code_key, code, name, parent, kind, batch, not_before, not_after, created_at, replaces)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID[:], registry.Key(r.Code), r.Code, r.Name, r.Parent, r.Kind, r.Batch, r.NotBefore, r.NotAfter, r.Created, r.Replaces)
	if err != nil {
		return fmt.Errorf("store invite: %w", err)
	}
	return nil
}

func (r inviteRow) state(now time.Time) InviteState {
	switch {
	case !r.Revoked.IsZero():
		return InviteRevoked
	case !r.Redeemed.IsZero():
		return InviteUsed
	case now.After(r.NotAfter):
		return InviteExpired
	}
	return InviteOpen
}

func (r inviteRow) sameOffice(o Office) bool {
	return r.Code == o.Code && r.Name == o.Name && r.Parent == o.Parent && r.Kind == o.Kind
}

// openInvite returns the newest invite of an office that can still be used.
func openInvite(tx *sqlite.Tx, code string) (inviteRow, bool, error) {
	row := tx.QueryRow(`SELECT `+inviteColumns+` FROM invites WHERE code_key = ?
		AND redeemed_at IS NULL AND revoked_at IS NULL AND not_after > ? ORDER BY created_at DESC LIMIT 1`, registry.Key(code), tx.Now())
	r, err := scanInvite(row)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read invite: %w", err)
	}
	return r, true, nil
}
