package ca

import (
	"database/sql"
	"fmt"

	"tram/storage/sqlite"
)

// InviteFiles makes the files of invites again that can still be used: those of a
// batch, or, when id is not "", that one. The same invite has the same file, byte
// for byte. They hold secrets.
func (c *CA) InviteFiles(tx *sqlite.Tx, batch, id string) ([]Made, error) {
	rows, err := sqlite.Collect(tx, func(r *sql.Rows, row *inviteRow) (err error) {
		*row, err = scanInvite(r)
		return err
	}, `SELECT `+inviteColumns+` FROM invites WHERE redeemed_at IS NULL AND revoked_at IS NULL AND not_after > ?1
		AND (?2 = '' OR lower(hex(id)) = ?2) AND (?2 <> '' OR batch = ?3) ORDER BY code_key`, tx.Now(), id, batch)
	if err != nil {
		return nil, fmt.Errorf("read invites: %w", err)
	}
	made := make([]Made, 0, len(rows))
	for _, row := range rows {
		m, err := c.file(row, Office{Code: row.Code, Name: row.Name, Parent: row.Parent, Kind: row.Kind}, InviteOpen)
		if err != nil {
			return nil, err
		}
		made = append(made, m)
	}
	return made, nil
}
