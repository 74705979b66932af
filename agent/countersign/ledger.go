package countersign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of a Ledger.
var Schema = sqlite.Embedded("countersign", migrations)

// Finding says what is wrong with an office's log.
type Finding string

// Findings. They are stable: they stand in audit logs.
const (
	// Broken: the office itself found an entry that does not hold.
	Broken Finding = "broken"
	// Shorter: it ends before what was countersigned.
	Shorter Finding = "shorter"
	// Changed: an entry that was countersigned is another one now.
	Changed Finding = "changed"
)

// LedgerOptions configures a Ledger.
type LedgerOptions struct {
	DB     *sqlite.DB // opened with Schema and audit.Schema
	Code   string     // of the hub
	Device crypto.Signer
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
}

// Ledger is the hub's half: what it has countersigned. Its methods may be
// called from several goroutines.
type Ledger struct{ o LedgerOptions }

// NewLedger makes a Ledger.
func NewLedger(o LedgerOptions) *Ledger {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ledger{o}
}

// entry is what is remembered of an office's log.
type entry struct {
	epoch   uuid.UUID
	seq     int64
	hash    [32]byte
	raw     []byte
	finding Finding
	at      int64 // entry of the finding
}

func key(office string) string { return strings.ToLower(office) }

func (l *Ledger) load(tx *sqlite.Tx, office string) (e entry, ok bool, err error) {
	err = tx.QueryRow(`SELECT epoch, seq, hash, raw, finding, entry FROM logs WHERE code = ?`, key(office)).
		Scan(&e.epoch, &e.seq, sqlite.Digest(&e.hash), &e.raw, &e.finding, &e.at)
	if errors.Is(err, sql.ErrNoRows) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read log of %q: %w", office, err)
	}
	e.raw = bytes.Clone(e.raw)
	return e, true, nil
}

// Say gives what a greeting of an office says about its log: the last
// countersignature.
func (l *Ledger) Say(ctx context.Context, office string) ([]byte, error) {
	var e entry
	err := l.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		e, _, err = l.load(tx, office)
		return err
	})
	if err != nil || len(e.raw) == 0 {
		return nil, err
	}
	return word{Sealed: e.raw}.encode()
}

// Hear compares what an office says of its log with what was countersigned,
// and countersigns the log if it goes on from there. A log that does not is
// written into the hub's audit log, once.
func (l *Ledger) Hear(ctx context.Context, office string, h wire.Hello) error {
	if len(h.Log) == 0 {
		return nil
	}
	w, err := decodeWord(h.Log)
	if err != nil || w.Seq == 0 || len(w.Head) != sha256.Size {
		return nil // of a later version, or a log without an entry
	}
	var known entry
	var ok bool
	err = l.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		known, ok, err = l.load(tx, office)
		return err
	})
	if err != nil {
		return err
	}
	if d := judge(known, ok, h.Epoch, w); !d.sign && d.finding == known.finding && d.entry == known.at {
		return nil // nothing new, and no write for it
	}
	return l.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		known, ok, err := l.load(tx, office) // it may have changed meanwhile
		if err != nil {
			return err
		}
		return l.settle(tx, office, known, ok, h.Epoch, w)
	})
}

// decision is what follows from a greeting.
type decision struct {
	finding Finding
	entry   int64
	sign    bool
	anew    bool // it is another store's log
}

// judge compares a log with what is remembered of it. A finding stays until
// the office is released.
func judge(known entry, ok bool, epoch uuid.UUID, w word) decision {
	switch {
	case !ok:
		return decision{sign: w.Broken == 0, finding: brokenAt(w), entry: w.Broken}
	case known.epoch != epoch:
		return decision{sign: w.Broken == 0, anew: true, finding: brokenAt(w), entry: w.Broken}
	case known.finding != "":
		return decision{finding: known.finding, entry: known.at}
	case w.Broken > 0:
		return decision{finding: Broken, entry: w.Broken}
	case w.Seq < known.seq:
		return decision{finding: Shorter, entry: w.Seq + 1}
	case w.Seq == known.seq && !bytes.Equal(w.Head, known.hash[:]),
		w.Known == known.seq && !bytes.Equal(w.Same, known.hash[:]):
		return decision{finding: Changed, entry: known.seq}
	}
	// An office that missed the last countersignature finds it in this hub's
	// greeting, and answers with the hash of that entry.
	return decision{sign: w.Known == known.seq && w.Seq > known.seq}
}

func brokenAt(w word) Finding {
	if w.Broken > 0 {
		return Broken
	}
	return ""
}

func (l *Ledger) settle(tx *sqlite.Tx, office string, known entry, ok bool, epoch uuid.UUID, w word) error {
	d := judge(known, ok, epoch, w)
	if d.anew {
		err := audit.Append(tx, audit.Entry{Actor: office, Action: actionReplaced, Subject: office, Detail: map[string]string{
			"countersigned": fmt.Sprint(known.seq), "entries": fmt.Sprint(w.Seq),
		}})
		if err != nil {
			return err
		}
	}
	if d.sign {
		return l.sign(tx, office, epoch, w)
	}
	if d.finding == "" || d.finding == known.finding && d.entry == known.at {
		return nil
	}
	if !ok || d.anew { // there is nothing countersigned to hang it on
		if err := l.store(tx, office, entry{epoch: epoch, raw: []byte{}}); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`UPDATE logs SET finding = ?, entry = ?, since = ? WHERE code = ?`, string(d.finding), d.entry, tx.Now(), key(office)); err != nil {
		return fmt.Errorf("note finding on log of %q: %w", office, err)
	}
	tx.OnCommit(func() {
		l.o.Log.Error("the audit log of an office does not hold", "peer", office, "finding", string(d.finding), "entry", d.entry)
	})
	return audit.Append(tx, audit.Entry{Actor: l.o.Code, Action: actionFinding, Subject: office, Detail: map[string]string{
		"finding": string(d.finding), "entry": fmt.Sprint(d.entry), "countersigned": fmt.Sprint(known.seq), "entries": fmt.Sprint(w.Seq),
	}})
}

func (l *Ledger) sign(tx *sqlite.Tx, office string, epoch uuid.UUID, w word) error {
	e := entry{epoch: epoch, seq: w.Seq, hash: [32]byte(w.Head)}
	var err error
	e.raw, err = sign(Signed{Office: office, Epoch: epoch, Witness: l.o.Code, Seq: e.seq, Hash: e.hash, At: l.o.Now()}, l.o.Device)
	if err != nil {
		return err
	}
	return l.store(tx, office, e)
}

func (l *Ledger) store(tx *sqlite.Tx, office string, e entry) error {
	_, err := tx.Exec(`INSERT INTO logs (code, epoch, seq, hash, at, raw) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (code) DO UPDATE SET epoch = ?2, seq = ?3, hash = ?4, at = ?5, raw = ?6, finding = '', entry = 0, since = 0`,
		key(office), e.epoch, e.seq, e.hash, l.o.Now(), e.raw)
	if err != nil {
		return fmt.Errorf("remember log of %q: %w", office, err)
	}
	return nil
}

// Release forgets an office's log: the next one that it shows is taken as it
// is. Forgetting nothing is no error.
func Release(tx *sqlite.Tx, office string) error {
	if _, err := tx.Exec(`DELETE FROM logs WHERE code = ?`, key(office)); err != nil {
		return fmt.Errorf("release log of %q: %w", office, err)
	}
	return nil
}

// Found is a finding on an office's log.
type Found struct {
	Finding Finding   `json:"finding"`
	Entry   int64     `json:"entry"` // from which on it does not hold
	Since   time.Time `json:"since"`
}

// Findings lists what is wrong with the logs of offices, by code in lower case.
func (l *Ledger) Findings(ctx context.Context) (map[string]Found, error) {
	found := map[string]Found{}
	err := l.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT code, finding, entry, since FROM logs WHERE finding <> ''`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var code string
			var f Found
			if err := rows.Scan(&code, &f.Finding, &f.Entry, sqlite.Timestamp(&f.Since)); err != nil {
				return err
			}
			found[code] = f
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list findings on logs: %w", err)
	}
	return found, nil
}
