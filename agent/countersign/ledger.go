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
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
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
	at      time.Time // when that was countersigned
	raw     []byte
	pack    shown
	finding Finding
	entry   int64 // of the finding
}

// shown is what the latest package of a store, by its number, has said of the
// log: a package may come long after it was made, and after later ones.
type shown struct {
	number uint64
	seq    int64
	head   []byte
}

// claim is what an office says of its log, and where.
type claim struct {
	word
	epoch  uuid.UUID
	number uint64    // of the package; 0: a greeting, which is of this moment
	made   time.Time // the package, by the office's clock
}

func key(office string) string { return strings.ToLower(office) }

func (l *Ledger) load(tx *sqlite.Tx, office string) (e entry, ok bool, err error) {
	err = tx.QueryRow(`SELECT epoch, seq, hash, at, raw, pack, pack_seq, pack_head, finding, entry FROM logs WHERE code = ?`, key(office)).
		Scan(&e.epoch, &e.seq, sqlite.Digest(&e.hash), sqlite.Timestamp(&e.at), &e.raw, &e.pack.number, &e.pack.seq, &e.pack.head, &e.finding, &e.entry)
	if errors.Is(err, sql.ErrNoRows) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read log of %q: %w", office, err)
	}
	e.raw, e.pack.head = bytes.Clone(e.raw), bytes.Clone(e.pack.head)
	return e, true, nil
}

// Say gives what a greeting of an office, or a package for it, says about its log:
// the last countersignature.
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
	return l.hear(ctx, office, h.Log, claim{epoch: h.Epoch})
}

// HearByStick is Hear for what a package of an office says.
func (l *Ledger) HearByStick(ctx context.Context, office string, m usb.Manifest) error {
	return l.hear(ctx, office, m.Log, claim{epoch: m.Epoch, number: m.Sequence, made: m.Created})
}

func (l *Ledger) hear(ctx context.Context, office string, said []byte, c claim) (err error) {
	if len(said) == 0 {
		return nil
	}
	if c.word, err = decodeWord(said); err != nil || c.Seq == 0 || len(c.Head) != sha256.Size {
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
	if d := judge(known, ok, c); d == (decision{finding: known.finding, entry: known.entry}) {
		return nil // nothing new, and no write for it
	}
	return l.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		known, ok, err := l.load(tx, office) // it may have changed meanwhile
		if err != nil {
			return err
		}
		return l.settle(tx, office, known, ok, c)
	})
}

// decision is what follows from a claim.
type decision struct {
	finding Finding
	entry   int64
	sign    bool
	note    bool // the package is the latest
	anew    bool // it is another store's log
}

// judge compares a log with what is remembered of it. A finding stays until
// the office is released.
func judge(known entry, ok bool, c claim) decision {
	d := decision{note: c.number > 0}
	switch {
	case !ok:
		d.sign, d.finding, d.entry = c.Broken == 0, brokenAt(c.word), c.Broken
		return d
	case known.epoch != c.epoch && c.number > 0 && !c.made.After(known.at):
		return decision{finding: known.finding, entry: known.entry} // of a store that was before this one
	case known.epoch != c.epoch:
		d.sign, d.anew, d.finding, d.entry = c.Broken == 0, true, brokenAt(c.word), c.Broken
		return d
	}
	d.note = c.number > known.pack.number
	if d.finding, d.entry = known.finding, known.entry; d.finding == "" {
		d.finding, d.entry = known.compare(c)
	}
	// An office that missed the last countersignature finds it in this hub's
	// greeting or package, and answers with the hash of that entry.
	d.sign = d.finding == "" && c.Known == known.seq && c.Seq > known.seq
	return d
}

// compare says what is wrong with a log of the same store, "" for nothing. An old
// package may rightly end before what was countersigned since, as long as it was
// made before the office knew of that.
func (e entry) compare(c claim) (Finding, int64) {
	current := c.number == 0 || c.Known == e.seq
	switch {
	case c.Broken > 0:
		return Broken, c.Broken
	case current && c.Seq < e.seq:
		return Shorter, c.Seq + 1
	case c.number > e.pack.number && c.Seq < e.pack.seq:
		return Shorter, c.Seq + 1
	case c.number > 0 && c.number == e.pack.number && (c.Seq != e.pack.seq || !bytes.Equal(c.Head, e.pack.head)):
		return Changed, min(c.Seq, e.pack.seq) // made twice: the store was set back
	case c.Seq == e.seq && !bytes.Equal(c.Head, e.hash[:]), c.Known == e.seq && !bytes.Equal(c.Same, e.hash[:]):
		return Changed, e.seq
	}
	return "", 0
}

func brokenAt(w word) Finding {
	if w.Broken > 0 {
		return Broken
	}
	return ""
}

func (l *Ledger) settle(tx *sqlite.Tx, office string, known entry, ok bool, c claim) error {
	d := judge(known, ok, c)
	if d.anew {
		err := audit.Append(tx, audit.Entry{Actor: office, Action: actionReplaced, Subject: office, Detail: map[string]string{
			"countersigned": fmt.Sprint(known.seq), "entries": fmt.Sprint(c.Seq),
		}})
		if err != nil {
			return err
		}
	}
	next := known
	if !ok || d.anew {
		next = entry{epoch: c.epoch, at: l.o.Now(), raw: []byte{}}
	}
	if d.note {
		next.pack = shown{c.number, c.Seq, c.Head}
	}
	if d.sign {
		next.seq, next.hash, next.at = c.Seq, [32]byte(c.Head), l.o.Now()
		var err error
		next.raw, err = sign(Signed{Office: office, Epoch: next.epoch, Witness: l.o.Code, Seq: next.seq, Hash: next.hash, At: next.at}, l.o.Device)
		if err != nil {
			return err
		}
	}
	next.finding, next.entry = d.finding, d.entry
	if err := l.store(tx, office, next); err != nil {
		return err
	}
	if d.finding == "" || d.finding == known.finding && d.entry == known.entry && !d.anew {
		return nil
	}
	return l.found(tx, office, known, c, d)
}

// found writes down a finding that is new.
func (l *Ledger) found(tx *sqlite.Tx, office string, known entry, c claim, d decision) error {
	if _, err := tx.Exec(`UPDATE logs SET since = ? WHERE code = ?`, tx.Now(), key(office)); err != nil {
		return fmt.Errorf("note finding on log of %q: %w", office, err)
	}
	tx.OnCommit(func() {
		l.o.Log.Error("the audit log of an office does not hold", "peer", office, "finding", string(d.finding), "entry", d.entry)
	})
	detail := map[string]string{
		"finding": string(d.finding), "entry": fmt.Sprint(d.entry), "countersigned": fmt.Sprint(known.seq), "entries": fmt.Sprint(c.Seq),
	}
	if c.number > 0 {
		detail["package"] = fmt.Sprint(c.number)
	}
	return audit.Append(tx, audit.Entry{Actor: l.o.Code, Action: actionFinding, Subject: office, Detail: detail})
}

func (l *Ledger) store(tx *sqlite.Tx, office string, e entry) error {
	head := e.pack.head
	if head == nil {
		head = []byte{}
	}
	_, err := tx.Exec(`INSERT INTO logs (code, epoch, seq, hash, at, raw, pack, pack_seq, pack_head, finding, entry)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
		ON CONFLICT (code) DO UPDATE SET epoch = ?2, seq = ?3, hash = ?4, at = ?5, raw = ?6, pack = ?7, pack_seq = ?8, pack_head = ?9,
			finding = ?10, entry = ?11`,
		key(office), e.epoch, e.seq, e.hash, e.at, e.raw, int64(min(e.pack.number, math.MaxInt64)), e.pack.seq, head, string(e.finding), e.entry)
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
