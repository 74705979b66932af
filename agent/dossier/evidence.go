package dossier

import (
	"context"
	"database/sql"
	"io"
	"time"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// SealedStep is a step of a hand-over with the seal that it bears.
type SealedStep struct {
	ID       storage.ID `json:"id"` // of its bundle
	Transfer storage.ID `json:"transfer"`
	Number   int        `json:"number"`
	Incoming bool       `json:"incoming,omitempty"`
	At       time.Time  `json:"at"`     // sealed, by the clock of who sealed
	Signer   string     `json:"signer"` // code of the office whose seal it is
}

// Steps are the sealed steps of all hand-overs of a dossier, in the order in which
// they were sealed: the signatures that the control sheet rests on.
func (s *Store) Steps(ctx context.Context, id storage.ID) (list []SealedStep, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, e *SealedStep) error {
			return rows.Scan(&e.ID, &e.Transfer, &e.Number, &e.Incoming, sqlite.Timestamp(&e.At), &e.Signer)
		}, `SELECT s.id, s.transfer, s.number, s.incoming, s.at, s.signer FROM dossier_steps s JOIN dossier_transfers t ON t.id = s.transfer
			JOIN dossiers d ON d.seq = t.dossier WHERE d.id = ? ORDER BY s.at, s.number, s.id`, id)
		return err
	})
	return list, reading(err)
}

// Sealed opens a step as it was sealed: a zip with the message, its manifest and the
// signature over that, as of package seal.
func (s *Store) Sealed(ctx context.Context, dossier, step storage.ID) (io.ReadSeekCloser, error) {
	var c blob.Content
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT s.size, s.sha256, s.inline FROM dossier_steps s JOIN dossier_transfers t ON t.id = s.transfer
			JOIN dossiers d ON d.seq = t.dossier WHERE d.id = ? AND s.id = ?`, dossier, step).Scan(&c.Size, sqlite.Digest(&c.SHA256), &c.Inline)
		if noRows(err) {
			return unknown()
		}
		return err
	})
	if err != nil {
		return nil, reading(err)
	}
	return s.blobs.Reader(c)
}
