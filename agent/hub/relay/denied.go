package relay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"tram/agent/evidence"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

const (
	// MaxDenials is how many refusals at the offer a hub testifies to one office
	// within DenialWindow, hard: each costs a signature and waits on its disk
	// until the office takes it. Further ones are refused just as well, and only
	// by REFUSE, which nobody has signed. The audit chain tells when it begins.
	MaxDenials = 64
	// DenialWindow is also how long the same document is not testified again.
	DenialWindow = 24 * time.Hour
)

// Denied testifies to an office that this hub does not take a document of its
// own, and never will. Nothing is testified of a document that the hub has taken
// before: it would contradict what it has signed then.
func (r *Relay) Denied(ctx context.Context, peer string, signed bundle.Signed, code wire.Code) {
	b := signed.Stored()
	if !r.testifies(b) || !strings.EqualFold(b.From, peer) {
		return
	}
	d := denial{peer: peer, bundle: b, code: code, now: r.o.Now()}
	due := false
	err := r.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) { // most of a flood ends here, without a write
		due, _, err = r.due(tx, d)
		return err
	})
	if err == nil && due {
		err = r.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return r.deny(tx, d) })
	}
	if err != nil && ctx.Err() == nil {
		r.o.Logger.Error("refusal not testified", "peer", peer, "id", b.ID, "error", err)
	}
}

type denial struct {
	peer   string
	bundle storage.Bundle
	code   wire.Code
	now    time.Time
}

// due says whether a refusal is to be testified, and how many were within the
// window.
func (r *Relay) due(tx *sqlite.Tx, d denial) (due bool, had int, err error) {
	taken, err := r.o.Queue.Seen(tx, d.bundle.ID)
	if err != nil || taken {
		return false, 0, err
	}
	var same int
	err = tx.QueryRow(`SELECT count(*), coalesce(sum(header = ?), 0) FROM denials WHERE peer = ?`, sha256.Sum256(d.bundle.Header), d.peer).Scan(&had, &same)
	if err != nil {
		return false, 0, fmt.Errorf("count refusals of %s: %w", d.peer, err)
	}
	return same == 0 && had < MaxDenials, had, nil
}

func (r *Relay) deny(tx *sqlite.Tx, d denial) error {
	due, had, err := r.due(tx, d)
	if err != nil || !due {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO denials (peer, header, at) VALUES (?, ?, ?)`, d.peer, sha256.Sum256(d.bundle.Header), d.now); err != nil {
		return fmt.Errorf("note refusal of %s: %w", d.bundle.ID, err)
	}
	e := evidence.Event{Name: evidence.SubmissionRejection, At: d.now, Reason: evidence.Refused, Code: d.code}
	if err := r.witnessed(tx, d.peer, d.bundle, e); err != nil || had+1 < MaxDenials {
		return err
	}
	r.o.Logger.Warn("further refusals are not testified to this office for a while", "peer", d.peer, "limit", MaxDenials, "within", DenialWindow)
	return audit.Append(tx, audit.Entry{Actor: d.peer, Action: "relay.denials-full", Subject: r.o.Code, Detail: map[string]string{
		"limit": fmt.Sprint(MaxDenials), "within": DenialWindow.String(),
	}})
}

// forgetDenials lets the window move on.
func (r *Relay) forgetDenials(ctx context.Context) error {
	over := r.o.Now().Add(-DenialWindow)
	var any bool
	err := r.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM denials WHERE at <= ?)`, over).Scan(&any)
	})
	if err != nil || !any {
		return err
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM denials WHERE at <= ?`, over)
		return err
	})
}
