package dossier

import (
	"encoding/json"

	"tram/storage/sqlite"
)

func transfers(tx *sqlite.Tx, seq int64) ([]Transfer, error) {
	list := []Transfer{}
	rows, err := tx.Query(`SELECT content FROM dossier_transfers WHERE dossier = ? ORDER BY id`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var raw string
		var t Transfer
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(raw), &t); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}
