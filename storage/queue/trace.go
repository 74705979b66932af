package queue

import (
	"fmt"

	"tram/storage"
	"tram/storage/sqlite"
)

// Busy reports whether a bundle still goes to a neighbour, is held for one, or
// waits in the inbox. What is kept is not busy.
func (q *Queue) Busy(tx *sqlite.Tx, id storage.ID) (bool, error) {
	var busy bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM bundles b WHERE b.id = ? AND (
		EXISTS (SELECT 1 FROM outgoing WHERE bundle = b.seq AND kept = 0) OR EXISTS (SELECT 1 FROM inbox WHERE bundle = b.seq)))`, id).Scan(&busy)
	if err != nil {
		return false, fmt.Errorf("look up bundle %s: %w", id, err)
	}
	return busy, nil
}

// Source is the neighbour that handed a bundle over. [storage.ErrNotFound] when
// none did: it is unknown, or of this store's owner.
func (q *Queue) Source(tx *sqlite.Tx, id storage.ID) (string, error) {
	var peer string
	err := notFound(tx.QueryRow(`SELECT peer FROM seen WHERE id = ?`, id).Scan(&peer))
	if err != nil {
		return "", fmt.Errorf("look up source of bundle %s: %w", id, err)
	}
	return peer, nil
}

// Find returns a bundle that is in the store. [storage.ErrNotFound]
func (q *Queue) Find(tx *sqlite.Tx, id storage.ID) (storage.Bundle, error) {
	found, err := findBundle(tx, id)
	if err != nil {
		return storage.Bundle{}, fmt.Errorf("look up bundle %s: %w", id, err)
	}
	return found.Bundle, nil
}

// Untaken lists the neighbours that a bundle goes to and that have neither
// taken it over nor refused it.
func (q *Queue) Untaken(tx *sqlite.Tx, id storage.ID) ([]string, error) {
	rows, err := tx.Query(`SELECT o.peer FROM bundles b JOIN outgoing o ON o.bundle = b.seq
		WHERE b.id = ? AND o.state = ? ORDER BY o.peer`, id, stateWaiting)
	if err != nil {
		return nil, fmt.Errorf("look up who has not taken bundle %s: %w", id, err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var peer string
		if err := rows.Scan(&peer); err != nil {
			return nil, fmt.Errorf("look up who has not taken bundle %s: %w", id, err)
		}
		list = append(list, peer)
	}
	return list, rows.Err()
}
