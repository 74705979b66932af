package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

const (
	// reportEvery is how often neighbouring hubs are told what has been passed
	// on: reports of one such time go together.
	reportEvery = time.Second
	// idsPerReport bounds one report; more make several.
	idsPerReport = 1000
	// maxControl bounds what another hub may say in one bundle, bytes.
	maxControl = 8 << 20
)

// release ends what is held for a neighbour, which needs it no more.
func (r *Relay) release(tx *sqlite.Tx, id storage.ID, peer string) error {
	if err := r.o.Queue.EndFor(tx, id, peer); err != nil {
		return err
	}
	return r.finished(tx, id)
}

// finished notes for the hub that a bundle came from that it can let go of it,
// when nothing here is left to be done.
func (r *Relay) finished(tx *sqlite.Tx, id storage.ID) error {
	busy, err := r.o.Queue.Busy(tx, id)
	if err != nil || busy {
		return err
	}
	from, err := r.o.Queue.Source(tx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if hub, err := r.isHub(tx, from); err != nil || !hub {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO passed (peer, bundle) VALUES (?, ?) ON CONFLICT DO NOTHING`, from, id); err != nil {
		return fmt.Errorf("note %s as passed on: %w", id, err)
	}
	return nil
}

func (r *Relay) isHub(tx *sqlite.Tx, code string) (bool, error) {
	if r.isAbove(code) {
		return true, nil
	}
	c, err := r.o.Registry.LookupTx(tx, code)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	return c.IsHub(), err
}

// finishedAlready answers a hub that offers a bundle again which is finished
// here: its report was lost.
func (r *Relay) finishedAlready(ctx context.Context, id storage.ID) error {
	known := false
	err := r.o.DB.View(ctx, func(tx *sqlite.Tx) (err error) {
		known, err = r.o.Queue.Seen(tx, id)
		return err
	})
	if err != nil || !known {
		return err
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return r.finished(tx, id) })
}

// report tells neighbouring hubs what they need not hold any longer, until ctx
// ends.
func (r *Relay) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for more := true; more; {
				var err error
				if more, err = r.reportOnce(ctx); err != nil && ctx.Err() == nil {
					r.o.Logger.Error("passed bundles not reported", "error", err)
				}
			}
		}
	}
}

// reportOnce queues one report, if there is something to report.
func (r *Relay) reportOnce(ctx context.Context) (more bool, err error) {
	peer, ids := "", []uuid.UUID(nil)
	err = r.o.DB.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT peer, bundle FROM passed WHERE peer = (SELECT min(peer) FROM passed) LIMIT ?`, idsPerReport)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&peer, &id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil || len(ids) == 0 {
		return false, err
	}
	p, err := r.message(peer, Notice{Type: typePassed, Bundles: ids}, 0, uuid.Nil)
	if err != nil {
		return false, err
	}
	return true, r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		for _, id := range ids {
			if _, err := tx.Exec(`DELETE FROM passed WHERE peer = ? AND bundle = ?`, peer, id); err != nil {
				return err
			}
		}
		return r.put(tx, p)
	})
}

// undeliverable tells the sender of b, by the neighbour that b came from, that
// it does not reach an office. event is what this hub has witnessed of that, ""
// when it only passes the word of another on.
func (r *Relay) undeliverable(tx *sqlite.Tx, from string, b storage.Bundle, m miss, event evidence.Name) error {
	p, err := r.message(from, Notice{Type: typeUndeliverable, Bundle: b.ID, Office: m.office, Code: m.code}, b.Urgency, b.ID)
	if err != nil {
		return fmt.Errorf("make notice: %w", err)
	}
	if err := r.put(tx, p); err != nil {
		return err
	}
	if event != "" {
		e := evidence.Event{Name: event, At: r.o.Now(), Office: m.office, Reason: evidence.Undeliverable, Code: m.code}
		if err := r.witnessed(tx, from, b, e); err != nil {
			return err
		}
	}
	return audit.Append(tx, audit.Entry{
		Actor: r.o.Code, Action: "relay.undeliverable", Subject: b.ID.String(),
		Detail: map[string]string{"from": b.From, "to": m.office},
	})
}

// control deals with what a neighbouring hub says. What cannot be understood is
// dropped with an entry in the audit chain.
func (r *Relay) control(ctx context.Context, a queue.Arrived) error {
	payload, err := r.openControl(ctx, a)
	if err != nil {
		return err
	}
	act := r.takeNotice
	switch bundle.Kind(a.Kind) {
	case bundle.KindRegistry:
		act = r.takeCards
	case bundle.KindReport:
		act = func(tx *sqlite.Tx, peer string, payload []byte) error { return r.takeReport(tx, a, payload) }
	case bundle.KindCommand:
		act = func(tx *sqlite.Tx, peer string, payload []byte) error { return r.takeAnswer(tx, a, payload) }
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if err := r.o.Queue.Done(tx, a.ID); err != nil {
			return err
		}
		err := act(tx, a.Peer, payload)
		var bad *unreadable
		if !errors.As(err, &bad) {
			return err
		}
		r.o.Logger.Warn("bundle of a hub dropped", "id", a.ID, "peer", a.Peer, "reason", bad.text)
		return audit.Append(tx, audit.Entry{
			Actor: a.Peer, Action: "relay.dropped", Subject: a.ID.String(), Detail: map[string]string{"reason": bad.text},
		})
	})
}

// unreadable says that what a hub sent makes no sense, now and ever.
type unreadable struct{ text string }

func (u *unreadable) Error() string { return u.text }

// openControl decrypts the one object of a bundle for this hub; nil when it
// cannot be.
func (r *Relay) openControl(ctx context.Context, a queue.Arrived) ([]byte, error) {
	signed, err := bundle.Parse(a.Header)
	if err != nil {
		return nil, fmt.Errorf("parse stored header: %w", err)
	}
	key, err := r.o.Open(a.Slip)
	if err != nil || key.Opens(signed.Header) != nil {
		return nil, nil
	}
	body, _, err := r.o.Queue.OpenObject(ctx, a.ID, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	plain, err := key.Decrypt(body, signed.Header.Objects[0], maxControl)
	if err != nil {
		return nil, nil
	}
	payload, err := io.ReadAll(plain)
	if errors.Is(err, bundle.ErrMalformed) || errors.Is(err, bundle.ErrTooLarge) {
		return nil, nil
	}
	return payload, err
}

// takeCards adopts the cards of a neighbouring hub: a page of its registry, or
// a list of cards, which hubs of earlier versions send.
func (r *Relay) takeCards(tx *sqlite.Tx, peer string, payload []byte) error {
	from, err := r.source(tx, peer)
	if err != nil {
		return err
	}
	if !registry.IsPage(payload) {
		cards, err := registry.DecodeCards(payload)
		if err != nil {
			return &unreadable{err.Error()}
		}
		did, err := r.o.Registry.Adopt(tx, from, cards)
		if err != nil {
			return err
		}
		return r.adopted(tx, from, did)
	}
	page, err := registry.ParsePage(payload, from.Authority)
	if err != nil {
		return &unreadable{err.Error()}
	}
	did, err := r.o.Registry.AdoptPage(tx, from, page)
	if err != nil {
		return err
	}
	if did.Older {
		r.o.Logger.Warn("page of an older registry refused", "peer", from.Code, "version", page.Version)
		return audit.Append(tx, audit.Entry{
			Actor: from.Code, Action: "refused.registry", Subject: r.o.Code,
			Detail: map[string]string{"reason": "its registry is older than the one that was taken in", "version": fmt.Sprint(page.Version)},
		})
	}
	return r.adopted(tx, from, did)
}

// source describes a neighbouring hub as a source of cards.
func (r *Relay) source(tx *sqlite.Tx, peer string) (registry.Source, error) {
	if r.isAbove(peer) {
		return *r.above.Load(), nil
	}
	c, err := r.o.Registry.LookupTx(tx, peer)
	if err != nil {
		return registry.Source{}, err
	}
	if !c.IsHub() {
		return registry.Source{}, &unreadable{fmt.Sprintf("office %q is no hub", peer)}
	}
	return registry.Source{Code: c.Code, Authority: c.Authority, Own: r.o.Code, Signer: r.o.Authority}, nil
}

// AdoptAbove takes in cards of the hub above that came with a greeting or an
// enrolment.
func (r *Relay) AdoptAbove(tx *sqlite.Tx, cards [][]byte) error {
	from := *r.above.Load()
	did, err := r.o.Registry.Adopt(tx, from, cards)
	if err != nil {
		return err
	}
	return r.adopted(tx, from, did)
}

// adopted writes down what came of a neighbour's cards.
func (r *Relay) adopted(tx *sqlite.Tx, from registry.Source, did registry.Adopted) error {
	for _, code := range did.Refused {
		r.o.Logger.Warn("card refused", "peer", from.Code, "office", code)
		if err := audit.Append(tx, audit.Entry{
			Actor: from.Code, Action: "refused.card", Subject: code,
			Detail: map[string]string{"reason": "the office is not reached through this hub"},
		}); err != nil {
			return err
		}
	}
	if did.Changed == 0 {
		return nil
	}
	return audit.Append(tx, audit.Entry{
		Actor: from.Code, Action: "registry.adopted", Subject: r.o.Code, Detail: map[string]string{"cards": fmt.Sprint(did.Changed)},
	})
}

// takeNotice acts on what a neighbouring hub says about bundles.
func (r *Relay) takeNotice(tx *sqlite.Tx, peer string, payload []byte) error {
	n, err := parseNotice(payload)
	if err != nil {
		return err
	}
	switch n.Type {
	case typePublished:
		return r.takePublished(tx, peer, n.Published)
	case typeUndeliverable:
		return r.passNotice(tx, peer, n)
	case typeEvidence:
		return r.takeEvidence(tx, peer, n.Evidence)
	case typeRenewed:
		if r.o.Renewed == nil || !r.isAbove(peer) {
			return &unreadable{fmt.Sprintf("certificates from %q, which is not the hub above", peer)}
		}
		if err := r.o.Renewed(n.Answer); err != nil {
			return &unreadable{err.Error()} // the office asks when they run out
		}
		return nil
	}
	for _, id := range n.Bundles {
		if err := r.release(tx, id, peer); err != nil {
			return err
		}
	}
	return nil
}

// parseNotice reads a notice; *unreadable when it is none that a hub acts on.
func parseNotice(payload []byte) (Notice, error) {
	var n Notice
	if err := json.Unmarshal(payload, &n); err != nil {
		return n, &unreadable{err.Error()}
	}
	switch {
	case n.Version != noticeVersion:
		return n, &unreadable{fmt.Sprintf("notice of version %d", n.Version)}
	case n.Type != typeUndeliverable && n.Type != typePassed && n.Type != typeEvidence && n.Type != typeRenewed && n.Type != typePublished:
		return n, &unreadable{fmt.Sprintf("notice of type %.40q", n.Type)}
	case len(n.Bundles) > idsPerReport:
		return n, &unreadable{fmt.Sprintf("notice about %d bundles", len(n.Bundles))}
	case len(n.Evidence) > eventsPerNotice+testimonyPerNotice:
		return n, &unreadable{fmt.Sprintf("notice of %d pieces of evidence", len(n.Evidence))}
	}
	return n, nil
}

// passNotice hands the word that an office was not reached back along the way
// of the bundle, as this hub's own word.
func (r *Relay) passNotice(tx *sqlite.Tx, peer string, n Notice) error {
	b, err := r.o.Queue.Find(tx, n.Bundle)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // its lifetime has ended here, and so at the sender
	}
	if err != nil {
		return err
	}
	behind, err := r.behind(tx, b, peer)
	if err != nil {
		return err
	}
	for _, office := range behind {
		if !strings.EqualFold(office, n.Office) {
			continue
		}
		from, err := r.o.Queue.Source(tx, b.ID)
		if err != nil {
			return err
		}
		return r.undeliverable(tx, from, b, miss{office, wire.Code(n.Code)}, "")
	}
	return &unreadable{fmt.Sprintf("%q answers for office %.80q, which is not behind it", peer, n.Office)}
}
