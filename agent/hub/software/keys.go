package software

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"errors"

	"tram/agent/release"
	"tram/storage/sqlite"
)

// Trust believes a software key from now on, and returns this hub's warrant for it:
// above is the serial of the warrant of the hub above, 0 when the key is this hub's
// own. Of the hub above no older warrant is taken (release.ErrSignature).
func (s *Software) Trust(tx *sqlite.Tx, key *ecdsa.PublicKey, above uint64) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	var last struct {
		serial, above uint64
		key, warrant  []byte
	}
	err = tx.QueryRow(`SELECT serial, above, key, warrant FROM software_keys ORDER BY serial DESC LIMIT 1`).Scan(&last.serial, &last.above, &last.key, &last.warrant)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return nil, err
	case above != 0 && above < last.above:
		return nil, release.ErrSignature
	case string(last.key) == string(der):
		return last.warrant, nil
	}
	serial := last.serial + 1
	warrant, err := release.SignWarrant(release.Warrant{Hub: s.o.Code, Serial: serial, Key: key}, s.o.Authority)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`INSERT INTO software_keys (serial, key, above, warrant) VALUES (?, ?, ?, ?)`, int64(serial), der, int64(above), warrant); err != nil {
		return nil, err
	}
	return warrant, nil
}

// Warrant is this hub's warrant for the key that is believed now; sql.ErrNoRows: none.
func (s *Software) Warrant(ctx context.Context) (warrant []byte, err error) {
	err = s.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		warrant, err = lastWarrant(tx)
		return err
	})
	return warrant, err
}

func lastWarrant(tx *sqlite.Tx) (warrant []byte, err error) {
	err = tx.QueryRow(`SELECT warrant FROM software_keys ORDER BY serial DESC LIMIT 1`).Scan(&warrant)
	return warrant, err
}
