package stick

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the memory of packages.
var Schema = sqlite.Embedded("stick", migrations)

// Journal implements usb.Journal in the database of an office or hub, which
// must have [Schema] and the audit log.
type Journal struct {
	db     *sqlite.DB
	office string
}

var _ usb.Journal = (*Journal)(nil)

// NewJournal returns the journal in db of the office with that code.
func NewJournal(db *sqlite.DB, office string) *Journal { return &Journal{db, office} }

// Imported implements usb.Journal.
func (j *Journal) Imported(ctx context.Context, id uuid.UUID) (at time.Time, err error) {
	err = j.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT at FROM stick_imports WHERE id = ?`, id).Scan(sqlite.Timestamp(&at))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look up package: %w", err)
	}
	return at, nil
}

// Number implements usb.Journal.
func (j *Journal) Number(ctx context.Context, peer string) (number uint64, err error) {
	err = j.db.Update(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`INSERT INTO stick_peers (peer, made, registry) VALUES (?, 1, 0)
			ON CONFLICT (peer) DO UPDATE SET made = made + 1 RETURNING made`, peer).Scan(&number)
		if err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: j.office, Action: "usb.exported", Subject: peer, Detail: map[string]string{"sequence": fmt.Sprint(number)},
		})
	})
	if err != nil {
		return 0, fmt.Errorf("number package: %w", err)
	}
	return number, nil
}

// Last implements usb.Journal.
func (j *Journal) Last(ctx context.Context, peer string) (usb.Manifest, error) {
	m := usb.Manifest{From: peer, To: j.office}
	var epoch []byte
	err := j.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT epoch, registry FROM stick_peers WHERE peer = ?`, peer).Scan(&epoch, &m.Registry)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return m, fmt.Errorf("look up neighbour: %w", err)
	}
	if len(epoch) == len(m.Epoch) {
		m.Epoch = storage.ID(epoch)
	}
	return m, nil
}

// Record implements usb.Journal.
func (j *Journal) Record(ctx context.Context, peer string, m usb.Manifest) error {
	err := j.db.Update(ctx, func(tx *sqlite.Tx) error {
		sequence := int64(min(m.Sequence, math.MaxInt64))
		if _, err := tx.Exec(`INSERT OR IGNORE INTO stick_imports (id, peer, sequence, at) VALUES (?, ?, ?, ?)`,
			m.ID, peer, sequence, tx.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO stick_peers (peer, made, epoch, registry) VALUES (?1, 0, ?2, ?3)
			ON CONFLICT (peer) DO UPDATE SET epoch = ?2, registry = ?3`, peer, m.Epoch, int64(min(m.Registry, math.MaxInt64))); err != nil {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: peer, Action: "usb.imported", Subject: m.ID.String(), Detail: map[string]string{"sequence": fmt.Sprint(m.Sequence)},
		})
	})
	if err != nil {
		return fmt.Errorf("record package: %w", err)
	}
	return nil
}
