package countersign

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
	"tram/sync/wire"
)

// FullEvery is how often at most a log is read from its beginning while
// contacts come and go; between, its end is taken as it is recorded.
const FullEvery = 10 * time.Minute

// BookOptions configures a Book. DB, Office, Epoch and Key are needed.
type BookOptions struct {
	DB     *sqlite.DB // opened with audit.Schema
	Office string     // whose log it is
	Epoch  uuid.UUID  // of the store
	// Key is the device key of a hub; false: it is not known.
	Key func(hub string) (crypto.PublicKey, bool)
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil: time.Now
}

// Book is the office's half: its own log as it is shown to the hub. Its methods
// may be called from several goroutines.
type Book struct {
	o BookOptions

	reading sync.Mutex // held while the log is read
	read    time.Time  // when it was last read whole

	mu      sync.Mutex // of what is asked for at any time
	finding *audit.BrokenError
}

// NewBook makes a Book.
func NewBook(o BookOptions) *Book {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Book{o: o}
}

// Finding is what is wrong with the log, nil for nothing.
func (b *Book) Finding() *audit.BrokenError {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.finding
}

// verify reads the log, whole when that is due.
func (b *Book) verify(ctx context.Context, force bool) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	now := b.o.Now()
	if since := now.Sub(b.read); !force && !b.read.IsZero() && since >= 0 && since < FullEvery {
		return nil
	}
	_, err := audit.Verify(ctx, b.o.DB)
	var broken *audit.BrokenError
	if err != nil && !errors.As(err, &broken) {
		return err
	}
	b.read = now
	if before := b.Finding(); broken != nil && (before == nil || before.Seq != broken.Seq) {
		b.o.Log.Error("the audit log was changed", "entry", broken.Seq, "reason", broken.Why)
		if err := b.note(ctx, broken); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finding = broken
	return nil
}

// note writes a finding into the log itself, once: the chain goes on behind it.
func (b *Book) note(ctx context.Context, broken *audit.BrokenError) error {
	return b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		var known bool
		err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM audit WHERE action = ? AND subject = ?)`, actionBroken, fmt.Sprint(broken.Seq)).Scan(&known)
		if err != nil || known {
			return err
		}
		return audit.Append(tx, audit.Entry{
			Actor: b.o.Office, Action: actionBroken, Subject: fmt.Sprint(broken.Seq), Detail: map[string]string{"reason": broken.Why},
		})
	})
}

// Actions in audit logs.
const (
	actionBroken   = "audit.broken"   // in one's own log: from the entry in subject on it does not hold
	actionFinding  = "audit.finding"  // in the hub's: an office's log does not hold
	actionReplaced = "audit.replaced" // in the hub's: an office has a new log
)

// Say gives what a greeting of the hub, its answer, or a package for it says about
// the log.
func (b *Book) Say(ctx context.Context, hub string, heard *wire.Hello) ([]byte, error) {
	if err := b.verify(ctx, false); err != nil {
		return nil, err
	}
	var w word
	settled := false // the hub has just countersigned all there is
	if f := b.Finding(); f != nil {
		w.Broken = f.Seq
	}
	var told []byte
	if heard != nil {
		told = heard.Log
	}
	claimed, signed := b.claimed(hub, told)
	err := b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		seq, head, err := audit.Head(tx)
		if err != nil {
			return err
		}
		if settled = signed && w.Broken == 0 && claimed.Seq == seq && claimed.Hash == head; settled {
			return nil
		}
		w.Seq, w.Head = seq, head[:]
		if w.Known = claimed.Seq; w.Known == 0 {
			last, _, err := audit.LastCountersignature(tx)
			if err != nil {
				return err
			}
			w.Known = last.Seq
		}
		hash, ok, err := audit.HashOf(tx, w.Known)
		if ok {
			w.Same = hash[:]
		}
		return err
	})
	if err != nil || settled {
		return nil, err
	}
	return w.encode()
}

// claimed is the countersignature that the hub's word holds, of this very log;
// false when there is none.
func (b *Book) claimed(hub string, told []byte) (Signed, bool) {
	if len(told) == 0 {
		return Signed{}, false
	}
	w, err := decodeWord(told)
	if err != nil || len(w.Sealed) == 0 {
		return Signed{}, false
	}
	key, known := b.o.Key(hub)
	if !known {
		return Signed{}, false
	}
	s, err := Open(w.Sealed, key)
	if err != nil || !strings.EqualFold(s.Office, b.o.Office) || !strings.EqualFold(s.Witness, hub) || s.Epoch != b.o.Epoch {
		return Signed{}, false
	}
	return s, true
}

// Hear keeps the countersignature in a hub's greeting, and compares it with the
// log.
func (b *Book) Hear(ctx context.Context, hub string, h wire.Hello) error {
	return b.hear(ctx, hub, h.Log)
}

// HearByStick is Hear for what a package of the hub says.
func (b *Book) HearByStick(ctx context.Context, hub string, m usb.Manifest) error {
	return b.hear(ctx, hub, m.Log)
}

func (b *Book) hear(ctx context.Context, hub string, told []byte) error {
	s, ok := b.claimed(hub, told)
	if !ok {
		return nil
	}
	matches, kept := false, false
	err := b.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		hash, ok, err := audit.HashOf(tx, s.Seq)
		if err != nil {
			return err
		}
		matches = ok && hash == s.Hash
		last, ok, err := audit.LastCountersignature(tx)
		kept = ok && last.Seq == s.Seq && last.Hash == s.Hash && !last.At.Before(s.At)
		return err
	})
	if err != nil {
		return err
	}
	if !kept {
		err := b.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
			return audit.KeepCountersignature(tx, audit.Countersignature{Seq: s.Seq, Hash: s.Hash, Witness: s.Witness, At: s.At, Raw: s.Raw})
		})
		if err != nil {
			return err
		}
	}
	return b.verify(ctx, !matches)
}
