// Package lineage tells a box from its copies: a cloned disk, or an image that
// was restored from before.
//
// Each run of the program draws an id, its boot, and adds it to the store's
// lineage before it greets anybody. Whoever keeps a session with an office
// remembers the boot with which it was agreed. A store descends from the box
// that is remembered when it has that boot in its lineage; else that box has
// gone on without it, and this one is an older copy.
//
// It promises that a box which is killed at any instant is never taken for a
// copy of itself, that of two boxes with one identity the one that was
// remembered last goes on and the other agrees no session, after any number of
// restarts, and that a remembered boot is durable before its session counts as
// agreed. It finds accidents, not theft: who has an office's keys can claim any
// lineage. And it does not see a virtual machine that is resumed with its
// memory, for that one has the boot that is remembered.
package lineage

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/storage/sqlite"
	"tram/sync/exchange"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of boots and boxes.
var Schema = sqlite.Embedded("lineage", migrations)

const (
	// MaxBoots is how many boots of the own store are kept, the newest. A box
	// that greeted in so many runs without one agreed session would be taken
	// for a copy of itself.
	MaxBoots = 4096
	// CopyShown is how long after its last attempt an older copy is reported.
	CopyShown = 7 * 24 * time.Hour
)

// Lineage is the memory of one store. Its methods may be called from several
// goroutines.
type Lineage struct {
	db *sqlite.DB

	mu   sync.Mutex
	boot uuid.UUID // zero until it is durable
}

// New returns the lineage in db, which must have been opened with Schema.
func New(db *sqlite.DB) *Lineage { return &Lineage{db: db} }

// Boot returns the id of this run. The first call makes it durable, so that a
// run that never greets leaves no trace.
func (l *Lineage) Boot(ctx context.Context) (uuid.UUID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.boot != uuid.Nil {
		return l.boot, nil
	}
	var boot uuid.UUID
	err := l.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		if boot, err = draw(tx.Now()); err != nil {
			return err
		}
		if _, err = tx.Exec(`INSERT INTO boots (id) VALUES (?)`, boot); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM boots WHERE seq <= (SELECT max(seq) FROM boots) - ?`, MaxBoots)
		return err
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("add boot to lineage: %w", err)
	}
	l.boot = boot
	return boot, nil
}

// draw makes a UUID of version 7, so that whoever sees it learns when the run
// began, by the clock of its box.
func draw(now time.Time) (uuid.UUID, error) {
	boot, err := uuid.NewV7()
	if err != nil {
		return boot, fmt.Errorf("draw boot: %w", err)
	}
	version := binary.BigEndian.Uint16(boot[6:])
	binary.BigEndian.PutUint64(boot[:], uint64(max(now.UnixMilli(), 0))<<16|uint64(version))
	return boot, nil
}

// Began is when the run of a boot began, by the clock of its box; the zero time
// when the id does not say.
func Began(boot uuid.UUID) time.Time {
	if boot.Version() != 7 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(boot[:]) >> 16)).UTC()
}

// Own reports whether boot is one of this store's.
func (l *Lineage) Own(ctx context.Context, boot uuid.UUID) (bool, error) {
	l.mu.Lock()
	own := boot == l.boot && boot != uuid.Nil
	l.mu.Unlock()
	if own {
		return true, nil
	}
	err := l.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM boots WHERE id = ?)`, boot).Scan(&own)
	})
	if err != nil {
		return false, fmt.Errorf("look into lineage: %w", err)
	}
	return own, nil
}

// Heard returns the boot with which a session with office was last agreed,
// zero when none is remembered or that was a box with another key than device.
func (l *Lineage) Heard(ctx context.Context, office string, device [32]byte) (uuid.UUID, error) {
	var b box
	err := l.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		b, err = load(tx, office)
		return err
	})
	if b.renewed(device) {
		return uuid.Nil, err
	}
	return b.boot, err
}

// Claim is what an office's HELLO says of its box.
type Claim struct {
	Office  string
	Device  [32]byte  // SHA-256 of the device key on its card, zero when it has no card
	Boot    uuid.UUID // zero: it tells none
	Known   uuid.UUID // the remembered boot, as far as it is in the box's lineage
	Answers bool      // the box has seen which boot is remembered
}

// Copy is why a claim was refused. It is an [exchange.ErrCopy].
type Copy struct{ Boot, Heard uuid.UUID }

// Error names both boots.
func (c *Copy) Error() string {
	return fmt.Sprintf("box of boot %s does not descend from that of boot %s", c.Boot, c.Heard)
}

// Is makes a Copy an exchange.ErrCopy.
func (c *Copy) Is(target error) bool { return target == exchange.ErrCopy }

// Agree remembers the box that claims to speak for an office, durably.
// [exchange.ErrUnsettled] when the box could not know yet what to claim, a
// *Copy when it is an older copy. A box with another device key than the
// remembered one was enrolled anew and is no copy.
func (l *Lineage) Agree(ctx context.Context, c Claim) error {
	var b box
	err := l.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		b, err = load(tx, c.Office)
		return err
	})
	if err != nil {
		return err
	}
	if verdict := b.judge(c); errors.Is(verdict, exchange.ErrUnsettled) || verdict == nil && (b.boot == c.Boot && b.device == c.Device) {
		return verdict
	}
	var verdict error
	err = l.db.Update(ctx, func(tx *sqlite.Tx) error {
		b, err := load(tx, c.Office) // it may have changed meanwhile
		if err != nil {
			return err
		}
		verdict = b.judge(c)
		return b.keep(tx, c, verdict)
	})
	if err != nil {
		return fmt.Errorf("remember box of %q: %w", c.Office, err)
	}
	return verdict
}

// box is a row of boxes. Its zero value remembers nothing.
type box struct {
	boot   uuid.UUID
	device [32]byte
}

func key(office string) string { return strings.ToLower(office) }

func load(tx *sqlite.Tx, office string) (box, error) {
	var b box
	var boot, device []byte
	err := tx.QueryRow(`SELECT boot, device FROM boxes WHERE code = ?`, key(office)).Scan(&boot, &device)
	if errors.Is(err, sql.ErrNoRows) {
		return box{}, nil
	}
	if err != nil {
		return box{}, fmt.Errorf("read box of %q: %w", office, err)
	}
	copy(b.boot[:], boot)
	copy(b.device[:], device)
	return b, nil
}

// renewed says that the office has enrolled another box since.
func (b box) renewed(device [32]byte) bool {
	return b.device != [32]byte{} && device != [32]byte{} && b.device != device
}

func (b box) judge(c Claim) error {
	switch {
	case b.boot == uuid.Nil, b.boot == c.Boot, b.boot == c.Known, b.renewed(c.Device):
		return nil
	case !c.Answers:
		return exchange.ErrUnsettled
	}
	return &Copy{Boot: c.Boot, Heard: b.boot}
}

// keep writes down what follows from a verdict.
func (b box) keep(tx *sqlite.Tx, c Claim, verdict error) error {
	switch {
	case errors.Is(verdict, exchange.ErrCopy):
		_, err := tx.Exec(`UPDATE boxes SET since = CASE WHEN seen > ?1 THEN since ELSE ?2 END, seen = ?2 WHERE code = ?3`,
			sqlite.Millis(tx.Now().Add(-CopyShown)), sqlite.Millis(tx.Now()), key(c.Office))
		return err
	case verdict != nil, c.Boot == uuid.Nil:
		return nil
	}
	if b.renewed(c.Device) {
		if err := Release(tx, c.Office); err != nil { // and the copies of the old box
			return err
		}
	}
	var device []byte
	if c.Device != [32]byte{} {
		device = c.Device[:]
	}
	_, err := tx.Exec(`INSERT INTO boxes (code, device, boot, at) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (code) DO UPDATE SET device = coalesce(?2, device), boot = ?3, at = ?4`,
		key(c.Office), device, c.Boot, tx.Now())
	return err
}

// Release forgets the box of an office: the next one that speaks for it is
// remembered, whichever it is. Forgetting nothing is no error.
func Release(tx *sqlite.Tx, office string) error {
	if _, err := tx.Exec(`DELETE FROM boxes WHERE code = ?`, key(office)); err != nil {
		return fmt.Errorf("release %q: %w", office, err)
	}
	return nil
}

// Copies tells for which offices, in lower case, an older copy was refused, and
// since when. A copy that has not tried for CopyShown is left out.
func (l *Lineage) Copies(ctx context.Context) (map[string]time.Time, error) {
	since := map[string]time.Time{}
	err := l.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT code, since FROM boxes WHERE seen > ?`, tx.Now().Add(-CopyShown))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var code string
			var at time.Time
			if err := rows.Scan(&code, sqlite.Timestamp(&at)); err != nil {
				return err
			}
			since[code] = at
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list copies: %w", err)
	}
	return since, nil
}
