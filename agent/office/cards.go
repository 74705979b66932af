package office

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"tram/agent/hub/registry"
	"tram/agent/seal"
	"tram/storage/sqlite"
)

// keepCard keeps a card that its authority has signed, when it is the newest of
// its office.
func (o *Office) keepCard(tx *sqlite.Tx, raw []byte) error {
	card, err := registry.ParseCard(raw, o.latest.Load().Trust.Authority.PublicKey)
	if err != nil {
		return &rejected{err}
	}
	_, err = tx.Exec(`INSERT INTO signed_cards (code_key, serial, card) VALUES (?, ?, ?)
		ON CONFLICT (code_key) DO UPDATE SET serial = excluded.serial, card = excluded.card WHERE excluded.serial > serial`,
		registry.Key(card.Code), int64(card.Serial), raw)
	if err != nil {
		return fmt.Errorf("keep card: %w", err)
	}
	return nil
}

// KeepCard keeps a card for what this office exports, as one that came with a
// greeting. One that the authority has not signed is left out.
func (o *Office) KeepCard(tx *sqlite.Tx, raw []byte) error {
	err := o.keepCard(tx, raw)
	var bad *rejected
	if errors.As(err, &bad) {
		o.log.Warn("card not kept", "error", bad.err)
		return nil
	}
	return err
}

// Proves reports whether this office holds the card of an office under the
// authority's own signature, with the keys and CAs that it has in the registry
// now.
func (o *Office) Proves(tx *sqlite.Tx, code string) (bool, error) {
	now, err := o.registry.LookupTx(tx, code)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	card, _, err := o.signedCard(tx, code)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	return err == nil && sameKeys(card, now), err
}

func sameKeys(a, b registry.Card) bool {
	equal := func(a, b crypto.PublicKey) bool {
		key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
		return ok && key.Equal(b) || a == nil && b == nil
	}
	if a.IsHub() != b.IsHub() || !equal(a.Device, b.Device) {
		return false
	}
	return !a.IsHub() || a.Authority.Equal(b.Authority) && slices.EqualFunc(a.CAs(), b.CAs(), (*x509.Certificate).Equal)
}

// signedCard is the newest card of an office here under the authority's own
// signature. [registry.ErrNotFound] when there is none.
func (o *Office) signedCard(tx *sqlite.Tx, code string) (best registry.Card, raw []byte, err error) {
	var found [][]byte
	held, err := o.registry.Raw(tx, code)
	switch {
	case err == nil:
		found = append(found, held)
	case !errors.Is(err, registry.ErrNotFound):
		return best, nil, err
	}
	var kept []byte
	err = tx.QueryRow(`SELECT card FROM signed_cards WHERE code_key = ?`, registry.Key(code)).Scan(&kept)
	switch {
	case err == nil:
		found = append(found, kept)
	case !errors.Is(err, sql.ErrNoRows):
		return best, nil, fmt.Errorf("look up signed card: %w", err)
	}
	if o.isMe(code) {
		found = append(found, o.latest.Load().Card)
	}
	for _, signed := range found {
		card, err := registry.ParseCard(signed, o.latest.Load().Trust.Authority.PublicKey)
		if err == nil && registry.Key(card.Code) == registry.Key(code) && card.Serial > best.Serial {
			best, raw = card, bytes.Clone(signed)
		}
	}
	if raw == nil {
		return best, nil, fmt.Errorf("signed card of %q: %w", code, registry.ErrNotFound)
	}
	return best, raw, nil
}

// cardsFor are the cards with which the signatures in an exported document are
// checked, and the certificate of the authority that signed them: of those whose
// device keys have signed, and of those whose seals are of another hub's CA. Cards
// that are not here are left out: whoever reads the file is told.
func (o *Office) cardsFor(tx *sqlite.Tx, seq int64) ([]seal.Extra, error) {
	codes, err := signers(tx, `SELECT from_code FROM documents WHERE seq = ?1
		UNION SELECT office FROM proofs WHERE document = ?1 AND kind = ?2`, seq, EvidenceCustody)
	if err != nil {
		return nil, err
	}
	sealers, err := signers(tx, `SELECT office FROM proofs WHERE document = ?1 AND kind = ?2
		UNION SELECT witness FROM testimony WHERE document = ?1 AND kind = ?3`, seq, EvidenceStatus, EvidenceRecord)
	if err != nil {
		return nil, err
	}
	for _, code := range sealers {
		card, err := o.registry.LookupTx(tx, code)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		if card.Hub != "" || card.IsHub() {
			codes = append(codes, code)
		}
	}
	var extra []seal.Extra
	done := map[string]bool{}
	for codes = append(codes, o.me.Trust.Hub); len(codes) > 0; codes = codes[1:] {
		key := registry.Key(codes[0])
		if done[key] {
			continue
		}
		done[key] = true
		card, raw, err := o.signedCard(tx, codes[0])
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		extra = append(extra, seal.Extra{Name: seal.CardName(card.Code), Data: raw})
		if card.Hub != "" {
			codes = append(codes, card.Hub)
		}
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return append(extra, seal.Extra{Name: seal.AuthorityName(o.me.Trust.Hub), Data: o.latest.Load().Trust.Authority.Raw}), nil
}

// signers are the offices and hubs that a query over a document names.
func signers(tx *sqlite.Tx, query string, args ...any) (codes []string, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("list signers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var code string
		if err := rows.Scan(&code); err != nil {
			return nil, fmt.Errorf("list signers: %w", err)
		}
		codes = append(codes, code)
	}
	return codes, rows.Err()
}
