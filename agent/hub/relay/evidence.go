package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// A hub testifies what it witnesses of a document, see package evidence: to the
// neighbour that the document came from, and that it took it over, also to the
// office that gets it. What there is to tell is written down in the transaction
// in which it happened, and sealed and sent a little later, so that what
// belongs together goes together.

// DefaultTell is how long a hub gathers what it has to tell a neighbour.
const DefaultTell = 5 * time.Second

// DeliverBy is the time, by urgency, within which a document ought to reach its
// next hop after this hub took it over. When it is over, the sender gets
// evidence of that; the document is still offered.
var DeliverBy = [...]time.Duration{48 * time.Hour, 8 * time.Hour, 2 * time.Hour, 30 * time.Minute}

const (
	// eventsPerNotice bounds the events in one notice, testimonyPerNotice the
	// signed things of others; more make several.
	eventsPerNotice    = 500
	testimonyPerNotice = 100
	// cardsPerNotice bounds the cards in one notice. An office lacks those that
	// have no room, and cannot prove to others what these offices have signed.
	cardsPerNotice = 200
	// lateBatch is how many late documents are looked at in one go.
	lateBatch = 64
)

const typeEvidence = "evidence"

// Stamped is a time stamp on the seal of a document.
type Stamped struct {
	Document uuid.UUID `json:"document"`
	Token    []byte    `json:"token"` // DER
}

// testifies says whether this hub has a seal to testify with, and b is
// something to testify about.
func (r *Relay) testifies(b storage.Bundle) bool {
	return r.o.Seal != nil && bundle.Kind(b.Kind) == bundle.KindDocument
}

// witnessed notes an event of a document, to be told to a neighbour.
func (r *Relay) witnessed(tx *sqlite.Tx, peer string, b storage.Bundle, e evidence.Event) error {
	if !r.testifies(b) || r.isMe(peer) {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO outcomes (peer, bundle, header, sender, event, office, reason, code, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		peer, b.ID, sha256.Sum256(b.Header), b.From, string(e.Name), e.Office, string(e.Reason), int(e.Code), e.At)
	if err != nil {
		return fmt.Errorf("note %s of %s: %w", e.Name, b.ID, err)
	}
	return nil
}

// heldBack notes an event to be told to a recipient when it has the document:
// before, it could not tell what the evidence is about.
func (r *Relay) heldBack(tx *sqlite.Tx, peer string, b storage.Bundle, e evidence.Event) error {
	if err := r.witnessed(tx, peer, b, e); err != nil {
		return err
	}
	return r.hold(tx, `UPDATE outcomes SET held = 1 WHERE bundle = ? AND peer = ?`, peer, b.ID)
}

// tellHeld lets what was held back for a recipient go.
func (r *Relay) tellHeld(tx *sqlite.Tx, peer string, id storage.ID) error {
	return r.hold(tx, `UPDATE outcomes SET held = 0 WHERE bundle = ? AND peer = ? AND held = 1`, peer, id)
}

// dropHeld drops what was held back for a recipient that will not have it.
func (r *Relay) dropHeld(tx *sqlite.Tx, peer string, id storage.ID) error {
	return r.hold(tx, `DELETE FROM outcomes WHERE bundle = ? AND peer = ? AND held = 1`, peer, id)
}

func (r *Relay) hold(tx *sqlite.Tx, query, peer string, id storage.ID) error {
	if _, err := tx.Exec(query, id, peer); err != nil {
		return fmt.Errorf("hold evidence of %s for %s: %w", id, peer, err)
	}
	return nil
}

// took testifies that this hub took a document over, to where it came from and,
// once they have it, to the offices that get it from here, and watches its time. A
// time stamp goes back with that, of a dossier alone.
func (r *Relay) took(tx *sqlite.Tx, a queue.Arrived, targets []queue.Target, stamp []byte) error {
	if len(stamp) > 0 {
		if err := r.passOn(tx, a.Peer, "stamp", a.ID, stamp); err != nil {
			return err
		}
	}
	if !r.testifies(a.Bundle) {
		return nil
	}
	e := evidence.Event{Name: evidence.RelayAcceptance, At: a.At}
	if strings.EqualFold(a.From, a.Peer) {
		e.Name = evidence.SubmissionAcceptance
	}
	if err := r.witnessed(tx, a.Peer, a.Bundle, e); err != nil {
		return err
	}
	for _, t := range targets {
		hub, err := r.isHub(tx, t.Peer)
		if err == nil && !hub && !strings.EqualFold(t.Peer, a.Peer) {
			err = r.heldBack(tx, t.Peer, a.Bundle, e)
		}
		if err != nil {
			return err
		}
	}
	due := a.At.Add(DeliverBy[min(int(a.Urgency), len(DeliverBy)-1)])
	if _, err := tx.Exec(`INSERT INTO watched (bundle, due) VALUES (?, ?) ON CONFLICT (bundle) DO NOTHING`, a.ID, due); err != nil {
		return fmt.Errorf("watch %s: %w", a.ID, err)
	}
	return nil
}

// stamp gives a time stamp on the seal of a document or dossier whose sender asks
// for it in the header; nil: none is asked for here, or none can be given.
func (r *Relay) stamp(a queue.Arrived) []byte {
	if r.o.Stamps == nil || r.o.Seal == nil || !receipted(a.Bundle) || !strings.EqualFold(a.From, a.Peer) {
		return nil
	}
	signed, err := bundle.Parse(a.Header)
	if err != nil || signed.Header.Stamp == [sha256.Size]byte{} {
		return nil
	}
	token, err := r.o.Stamps.Stamp(tsa.Request{Imprint: tsa.SHA256(signed.Header.Stamp), Certificates: true})
	if err != nil {
		r.o.Logger.Warn("time stamp not given", "id", a.ID, "error", err)
		return nil
	}
	return token
}

func (r *Relay) passOn(tx *sqlite.Tx, peer, kind string, id uuid.UUID, data []byte) error {
	if _, err := tx.Exec(`INSERT INTO testimony (peer, kind, bundle, data) VALUES (?, ?, ?, ?)`, peer, kind, id, data); err != nil {
		return fmt.Errorf("note %s of %s: %w", kind, id, err)
	}
	return nil
}

// consigned testifies that an office's box has a document whole.
func (r *Relay) consigned(tx *sqlite.Tx, peer string, b storage.Bundle, at time.Time) error {
	if !r.testifies(b) {
		return nil
	}
	if hub, err := r.isHub(tx, peer); err != nil || hub {
		return err // that hub testifies for itself
	}
	if err := r.tellHeld(tx, peer, b.ID); err != nil {
		return err
	}
	from, err := r.o.Queue.Source(tx, b.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.witnessed(tx, from, b, evidence.Event{Name: evidence.ContentConsignment, At: at, Office: peer})
}

// missed testifies, of all neighbours that have not taken a document, that they
// have not.
func (r *Relay) missed(tx *sqlite.Tx, id storage.ID, reason evidence.Reason, code wire.Code) error {
	b, err := r.o.Queue.Find(tx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && !r.testifies(b) {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := r.o.Queue.Source(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	peers, err := r.o.Queue.Untaken(tx, id)
	if err != nil {
		return err
	}
	for _, peer := range peers {
		e := evidence.Event{Name: evidence.ContentConsignmentFailure, At: r.o.Now(), Reason: reason, Code: code}
		behind := []string{peer}
		hub, err := r.isHub(tx, peer)
		if err != nil {
			return err
		}
		if hub {
			e.Name = evidence.RelayFailure
			if behind, err = r.behind(tx, b, peer); err != nil {
				return err
			}
		}
		for _, e.Office = range behind {
			if err := r.witnessed(tx, from, b, e); err != nil {
				return err
			}
		}
		if reason == evidence.Expired {
			if err := r.dropHeld(tx, peer, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// late testifies for the documents whose time is over. Each is late once.
func (r *Relay) late(ctx context.Context) error {
	for {
		var ids []storage.ID
		err := r.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
			ids, err = sqlite.Column[storage.ID](tx, `SELECT bundle FROM watched WHERE due <= ? ORDER BY due LIMIT ?`, r.o.Now(), lateBatch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		err = r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
			for _, id := range ids {
				if err := r.missed(tx, id, evidence.Late, wire.CodeNone); err != nil {
					return err
				}
				if _, err := tx.Exec(`DELETE FROM watched WHERE bundle = ?`, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// testify tells neighbours what this hub has witnessed, until ctx ends.
func (r *Relay) testify(ctx context.Context) {
	tick := time.NewTicker(r.o.TellAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Testify(ctx); err != nil && ctx.Err() == nil {
				r.o.Logger.Error("evidence not told", "error", err)
			}
		}
	}
}

// Testify seals and queues everything that there is to tell now. It may be
// called beside Run.
func (r *Relay) Testify(ctx context.Context) error {
	if r.o.Seal == nil {
		return nil
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	if err := errors.Join(r.late(ctx), r.forgetDenials(ctx)); err != nil {
		return err
	}
	for after, more := "", true; more; {
		var err error
		if after, more, err = r.tellOne(ctx, after); err != nil {
			return err
		}
	}
	return nil
}

// told is what goes into one notice.
type told struct {
	peer      string
	records   []evidence.Record
	evidence  [][]byte // of other hubs
	stamps    []Stamped
	cards     [][]byte
	outcomes  []int64 // rows
	testimony []int64
}

// tellOne queues one notice to a neighbour behind after, if there is something
// to tell. What an office without keys, as one that was revoked, is to be told
// waits for its new ones, and it is skipped.
func (r *Relay) tellOne(ctx context.Context, after string) (skip string, more bool, err error) {
	var t told
	keys := true
	err = r.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		if t, err = r.gather(tx, after); err != nil || t.peer == "" {
			return err
		}
		card, err := r.o.Registry.LookupTx(tx, t.peer)
		keys = err != nil || card.Enrolled()
		if err != nil || card.IsHub() || r.isAbove(t.peer) {
			return nil // a hub has its cards from its neighbours
		}
		return r.gatherCards(tx, &t)
	})
	switch {
	case err != nil || t.peer == "":
		return after, false, err
	case !keys:
		return t.peer, true, nil
	}
	return after, true, r.tell(ctx, t)
}

// tell queues one notice.
func (r *Relay) tell(ctx context.Context, t told) error {
	n := Notice{Type: typeEvidence, Evidence: t.evidence, Stamps: t.stamps, Cards: t.cards}
	for _, record := range t.records {
		head, err := evidence.Seal(record, *r.o.Seal)
		if err != nil {
			return err
		}
		n.Evidence = append(n.Evidence, head)
	}
	p, err := r.message(t.peer, n, 0, uuid.Nil)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("make notice: %w", err)
	}
	gone := err != nil
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		for table, rows := range map[string][]int64{"outcomes": t.outcomes, "testimony": t.testimony} {
			for _, seq := range rows {
				if _, err := tx.Exec(`DELETE FROM `+table+` WHERE seq = ?`, seq); err != nil {
					return err
				}
			}
		}
		if gone {
			return audit.Append(tx, audit.Entry{Actor: r.o.Code, Action: "relay.untold", Subject: t.peer, Detail: map[string]string{
				"events": fmt.Sprint(len(t.outcomes)), "reason": "the office is in the registry no more",
			}})
		}
		return r.put(tx, p)
	})
}

// gather reads what there is to tell the first neighbour behind after.
func (r *Relay) gather(tx *sqlite.Tx, after string) (t told, err error) {
	err = tx.QueryRow(`SELECT coalesce(min(peer), '') FROM (SELECT min(peer) AS peer FROM outcomes WHERE held = 0 AND peer > ?
		UNION ALL SELECT min(peer) FROM testimony WHERE peer > ?)`, after, after).Scan(&t.peer)
	if err != nil || t.peer == "" {
		return t, err
	}
	rows, err := tx.Query(`SELECT seq, bundle, header, sender, event, office, reason, code, at FROM outcomes WHERE peer = ? AND held = 0 ORDER BY seq LIMIT ?`,
		t.peer, eventsPerNotice)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	at := map[uuid.UUID]int{}
	for rows.Next() {
		var seq int64
		var e evidence.Event
		record := evidence.Record{Witness: r.o.Code}
		if err := rows.Scan(&seq, &record.Document, sqlite.Digest(&record.Header), &record.From, &e.Name, &e.Office, &e.Reason, &e.Code,
			sqlite.Timestamp(&e.At)); err != nil {
			return t, err
		}
		i, known := at[record.Document]
		if !known {
			i = len(t.records)
			at[record.Document], t.records = i, append(t.records, record)
		}
		t.records[i].Events = append(t.records[i].Events, e)
		t.outcomes = append(t.outcomes, seq)
	}
	if err := rows.Err(); err != nil {
		return t, err
	}
	return t, t.gatherTestimony(tx)
}

func (t *told) gatherTestimony(tx *sqlite.Tx) error {
	rows, err := tx.Query(`SELECT seq, kind, bundle, data FROM testimony WHERE peer = ? ORDER BY seq LIMIT ?`, t.peer, testimonyPerNotice)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var kind string
		var s Stamped
		if err := rows.Scan(&seq, &kind, &s.Document, &s.Token); err != nil {
			return err
		}
		if kind == "stamp" {
			t.stamps = append(t.stamps, s)
		} else {
			t.evidence = append(t.evidence, s.Token)
		}
		t.testimony = append(t.testimony, seq)
	}
	return rows.Err()
}
