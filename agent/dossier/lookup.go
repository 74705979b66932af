package dossier

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// PublicStatus is what somebody learns who has the receipt of a dossier: no personal data.
type PublicStatus struct {
	Code      code.Dossier `json:"code"`
	Procedure string       `json:"procedure"`
	Office    string       `json:"office"`
	Status    code.Status  `json:"status"`
	Accepted  time.Time    `json:"accepted,omitzero"`
	Due       time.Time    `json:"due,omitzero"`
	Waits     bool         `json:"waits,omitempty"` // for the applicant
	Ended     time.Time    `json:"ended,omitzero"`
	Returned  time.Time    `json:"returned,omitzero"`
	Outcome   Outcome      `json:"outcome,omitempty"`
}

// secretSize is that of the word on a receipt, in characters of base32: 50 bits.
const secretSize = 10

// Secret is the word on the receipt of a dossier with which its status is looked up,
// such as "K3QF7-2MWPA". It is made from the code with a key of this office, so that
// a receipt that is printed again bears the same.
func (s *Store) Secret(ctx context.Context, c code.Dossier) (string, error) {
	words, err := s.Secrets(ctx)
	if err != nil {
		return "", err
	}
	return words(c), nil
}

// Secrets is [Store.Secret] of any code, also within a transaction.
func (s *Store) Secrets(ctx context.Context) (func(c code.Dossier) string, error) {
	key, err := s.lookupKey(ctx)
	if err != nil {
		return nil, err
	}
	return func(c code.Dossier) string {
		w := secretOf(key, c)
		return w[:5] + "-" + w[5:]
	}, nil
}

func secretOf(key []byte, c code.Dossier) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(c.Key()))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:secretSize]
}

// lookupKey reads the key, and makes it the first time.
func (s *Store) lookupKey(ctx context.Context) (key []byte, err error) {
	read := func(tx *sqlite.Tx) error { return tx.QueryRow(`SELECT key FROM dossier_key`).Scan(&key) }
	if err = s.db.View(ctx, read); err == nil {
		return key, nil
	}
	if !noRows(err) {
		return nil, fmt.Errorf("read key of receipts: %w", err)
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO dossier_key (one, key) VALUES (1, ?)`, fresh); err != nil {
			return err
		}
		return read(tx)
	})
	return key, saving(err)
}

// LookUp tells the public status of a dossier to somebody with its code and the word
// from its receipt. A wrong word and an unknown code get the same answer, also when
// a code was tried too often: see [MaxTries].
func (s *Store) LookUp(ctx context.Context, c code.Dossier, secret string) (PublicStatus, error) {
	if wait := s.tries.Wait(c.Key(), s.now()); wait > 0 {
		return PublicStatus{}, problem.New(problem.Busy, "dossier.lookup-often", "code", i18n.Args{"minutes": int((wait + time.Minute - 1) / time.Minute)})
	}
	key, err := s.lookupKey(ctx)
	if err != nil {
		return PublicStatus{}, err
	}
	given := strings.ToUpper(strings.NewReplacer("-", "", " ", "", "0", "O", "1", "I", "8", "B").Replace(secret))
	right := subtle.ConstantTimeCompare([]byte(given), []byte(secretOf(key, c))) == 1
	d, err := s.ByCode(ctx, c)
	if err != nil && !errors.Is(err, unknown()) {
		return PublicStatus{}, err
	}
	if err != nil || !right || d.Guest {
		s.tries.Note(c.Key(), s.now())
		return PublicStatus{}, problem.New(problem.NotFound, "dossier.lookup", "secret", nil)
	}
	return PublicStatus{
		Code: d.Code, Procedure: d.Procedure.Name, Office: d.OwnerName, Status: d.Status, Accepted: d.Accepted, Due: d.Due,
		Waits: d.Status == code.Supplement || d.Status == code.Payment, Ended: d.End(), Returned: d.Returned, Outcome: d.Outcome(),
	}, nil
}
