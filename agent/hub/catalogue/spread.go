package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tram/agent/dossier"
	"tram/storage"
	"tram/storage/sqlite"
)

// Repeat is how long a neighbour that has taken a publication over has for saying so,
// before it is sent again.
const Repeat = 10 * time.Minute

// Heard notes up to where a neighbour below says it has the catalogue. One that has
// less than before is another box, or was restored, and is sent the rest at once.
func (c *Catalogue) Heard(tx *sqlite.Tx, peer string, m dossier.Mark) error {
	has := m.Serial
	newest, err := newest(tx)
	if err != nil {
		return err
	}
	if m.Store != c.db.Epoch() || has > newest { // of a hub that is no more
		has = 0
	}
	_, err = tx.Exec(`INSERT INTO catalogue_offices (peer, has, heard, upto, newest, sent) VALUES (?1, ?2, ?3, 0, 0, 0)
		ON CONFLICT (peer) DO UPDATE SET bundle = CASE WHEN ?2 < has THEN NULL ELSE bundle END, has = ?2, heard = ?3`, peer, has, tx.Now())
	return err
}

// Carrier brings publications to neighbours.
type Carrier interface {
	// Send queues a publication for peers, which all lack the same, and returns its
	// bundle. Who has no keys any more is left out of sent.
	Send(tx *sqlite.Tx, peers []string, publication []byte) (id storage.ID, sent []string, err error)
	// Waits tells whether a peer has still to take a bundle over.
	Waits(tx *sqlite.Tx, id storage.ID, peer string) (bool, error)
	Withdraw(tx *sqlite.Tx, id storage.ID, peer string) error
}

// behind is a neighbour that lacks something.
type behind struct {
	peer   string
	has    int64
	bundle storage.ID
	upto   int64
	newest int64
	sent   time.Time
}

// together is how many neighbours share one bundle at most.
const together = 500

// Publish sends what is lacking to those who lack it. more says that another call may
// find something.
func (c *Catalogue) Publish(ctx context.Context, by Carrier) (more bool, err error) {
	err = c.db.Update(ctx, func(tx *sqlite.Tx) error {
		more = false
		late, err := c.late(tx)
		if err != nil {
			return err
		}
		groups := map[int64][]string{}
		for _, b := range late {
			due, err := b.due(tx, by)
			if err != nil {
				return err
			}
			if due {
				groups[b.has] = append(groups[b.has], b.peer)
			}
		}
		for since, peers := range groups {
			if len(peers) > together {
				peers, more = peers[:together], true
			}
			if err := c.send(tx, by, since, peers); err != nil {
				return fmt.Errorf("publish to %d offices: %w", len(peers), err)
			}
		}
		return nil
	})
	return more, err
}

// due tells whether a neighbour is to be sent something: nothing is on its way to it,
// or something older that it has not taken over, which is withdrawn; or it has had
// time enough to say that it has what it took over.
func (b behind) due(tx *sqlite.Tx, by Carrier) (bool, error) {
	if b.bundle == (storage.ID{}) {
		return true, nil
	}
	newest, err := newest(tx)
	if err != nil {
		return false, err
	}
	waits, err := by.Waits(tx, b.bundle, b.peer)
	switch {
	case err != nil || waits && b.newest == newest:
		return false, err
	case waits:
		return true, by.Withdraw(tx, b.bundle, b.peer)
	case b.has >= b.upto: // it has what it was sent, and there is more
		return true, nil
	}
	return tx.Now().Sub(b.sent) >= Repeat, nil
}

func (c *Catalogue) late(tx *sqlite.Tx) (list []behind, err error) {
	rows, err := tx.Query(`SELECT peer, has, coalesce(bundle, zeroblob(16)), upto, newest, sent FROM catalogue_offices WHERE has < (SELECT max(serial) FROM catalogue_items) ORDER BY peer`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b behind
		if err := rows.Scan(&b.peer, &b.has, &b.bundle, &b.upto, &b.newest, sqlite.Timestamp(&b.sent)); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

func (c *Catalogue) send(tx *sqlite.Tx, by Carrier, since int64, peers []string) error {
	p, err := c.page(tx, since)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	id, sent, err := by.Send(tx, peers, raw)
	if err != nil {
		return err
	}
	newest, err := newest(tx)
	if err != nil {
		return err
	}
	for _, peer := range sent {
		if _, err := tx.Exec(`UPDATE catalogue_offices SET bundle = ?, upto = ?, newest = ?, sent = ? WHERE peer = ?`, id, p.Serial, newest, tx.Now(), peer); err != nil {
			return err
		}
	}
	return nil
}

// page is what is newer than a serial, within the bounds of a publication.
func (c *Catalogue) page(tx *sqlite.Tx, since int64) (dossier.Publication, error) {
	p := dossier.Publication{Mark: dossier.Mark{Store: c.db.Epoch(), Serial: since}, Since: since, Items: []dossier.Item{}}
	rows, err := tx.Query(`SELECT kind, origin, content, serial FROM catalogue_items WHERE serial > ? ORDER BY serial LIMIT ?`, since, dossier.MaxItems)
	if err != nil {
		return p, err
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		var i dossier.Item
		var raw string
		var serial int64
		if err := rows.Scan(&i.Kind, &i.Origin, &raw, &serial); err != nil {
			return p, err
		}
		if size += len(raw); size > dossier.MaxPublication && len(p.Items) > 0 {
			break
		}
		i.Content, p.Serial = json.RawMessage(raw), serial
		p.Items = append(p.Items, i)
	}
	return p, rows.Err()
}
