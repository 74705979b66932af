package hub

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/broker"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// greeted takes an office's own card, which a restored hub may not have, and
// sends it the cards that it lacks.
func (h *Hub) greeted(ctx context.Context, peer string, hello wire.Hello) error {
	if len(hello.Card) > 0 && !h.registry.Has(hello.Card) {
		learn := h.relearn
		if h.upstream.is(peer) {
			learn = func(tx *sqlite.Tx, raw []byte) error { return h.relay.AdoptAbove(tx, [][]byte{raw}) }
		}
		if err := h.db.Update(ctx, func(tx *sqlite.Tx) error { return learn(tx, hello.Card) }); err != nil {
			return fmt.Errorf("keep card of %q: %w", peer, err)
		}
	}
	if err := h.heard(peer, hello); err != nil {
		return err
	}
	if h.upstream.is(peer) {
		if err := h.aboveIs(ctx, hello.Epoch); err != nil {
			return err
		}
	}
	h.relay.Greeted(peer, relay.Greeting{Has: hello.Registry, Epoch: hello.Epoch})
	select {
	case h.greetings <- struct{}{}:
	default:
	}
	return nil
}

// heard refuses a box whose keys were revoked. A restored hub may not know that
// the office has enrolled again: then the box shows its card first.
func (h *Hub) heard(peer string, hello wire.Hello) error {
	card, err := h.registry.Lookup(peer)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up %q: %w", peer, err)
	case !h.ca.Dismissed(card):
		return nil
	case hello.Answers == uuid.Nil && len(hello.Card) == 0:
		return exchange.ErrUnsettled
	}
	return fmt.Errorf("keys of %q were revoked", peer)
}

// taken is the serial up to which a neighbour's cards are here.
func (h *Hub) taken(peer string) (serial uint64) {
	err := h.db.View(context.Background(), func(tx *sqlite.Tx) (err error) {
		serial, err = h.registry.Taken(tx, peer)
		return err
	})
	if err != nil {
		h.log.Error("cards taken in not looked up", "peer", peer, "error", err)
	}
	return serial
}

// relearn takes in a card that this hub does not have. It is issued anew, since
// offices that were told of later cards would not ask for its old serial.
func (h *Hub) relearn(tx *sqlite.Tx, raw []byte) error {
	changed, err := h.registry.Merge(tx, [][]byte{raw})
	if err != nil || changed == 0 {
		return err
	}
	card, err := registry.ParseCard(raw, h.registry.Authority())
	if err != nil {
		return err
	}
	_, err = h.registry.Issue(tx, card, h.ca.Authority.Key)
	return err
}

// admit keeps a box away whose office has enrolled another one since: only the
// key on the card speaks for the office.
func (h *Hub) admit(code string, cert *x509.Certificate) error {
	if p := h.ca.Judge(cert, time.Now(), 0); p != nil {
		return p
	}
	card, err := h.registry.Lookup(code)
	if errors.Is(err, registry.ErrNotFound) {
		return nil // a restored hub learns the card from the greeting
	}
	if err != nil {
		return err
	}
	if key, ok := card.Device.(*ecdsa.PublicKey); ok && !key.Equal(cert.PublicKey) {
		return problem.New(problem.Denied, "cert.other-key", "", i18n.Args{"code": code})
	}
	return nil
}

// refused writes a refusal of the guard into log and audit chain.
func (h *Hub) refused(ctx context.Context, r guard.Refusal) {
	h.monitor.refused("guard", r.Action, 1+r.Unsaid)
	h.log.Warn("refused", "peer", r.Peer, "action", r.Action, "id", r.Bundle, "reason", r.Reason, "unsaid", r.Unsaid)
	h.audit(ctx, audit.Entry{
		Actor: r.Peer, Action: "refused." + r.Action, Subject: r.Bundle.String(),
		Detail: map[string]string{"reason": r.Reason, "unsaid": strconv.Itoa(r.Unsaid)},
	})
}

// brokerRefused does the same for a refusal of the embedded broker.
func (h *Hub) brokerRefused(r broker.Refusal) {
	h.monitor.refused("broker", string(r.Action), 1+r.Repeats)
	h.log.Warn("refused by broker", "peer", r.Office, "action", r.Action, "topic", r.Topic, "remote", r.Remote, "reason", r.Reason, "repeats", r.Repeats)
	h.audit(context.Background(), audit.Entry{
		Actor: r.Office, Action: "refused." + string(r.Action), Subject: r.Topic,
		Detail: map[string]string{"reason": r.Reason, "remote": r.Remote, "repeats": fmt.Sprint(r.Repeats)},
	})
}

func (h *Hub) audit(ctx context.Context, e audit.Entry) {
	err := h.db.Update(ctx, func(tx *sqlite.Tx) error { return audit.Append(tx, e) })
	if err != nil {
		h.log.Error("audit entry not written", "action", e.Action, "error", err)
	}
}

// officeOfLevel finds the office whose code gives a topic level. Levels are
// folded codes, so the registry is asked with the dots put back. One whose keys
// were revoked is none, until it has enrolled again, of which a restored hub may
// not know: see heard.
func (h *Hub) officeOfLevel(level string) (string, bool) {
	card, err := h.registry.Lookup(strings.ReplaceAll(level, "_", "."))
	if err != nil || !h.ours(card) {
		return "", false
	}
	return card.Code, !h.rebuild.IsZero() || !h.ca.Dismissed(card)
}

// ours reports whether an office, or a hub below, has this hub as its own.
func (h *Hub) ours(c registry.Card) bool {
	return c.Hub == "" && registry.Key(c.Code) != registry.Key(h.ca.Code) && !h.upstream.is(c.Code)
}

// current says whether no newer card of an office can be on its way here: this
// hub itself issues those of its own offices.
func (h *Hub) current(c registry.Card, _ time.Time) bool {
	return c.Hub == "" && !h.upstream.is(c.Code)
}

// observer passes the sessions' news on to the fleet.
type observer struct{ h *Hub }

func (o observer) Progress(string, storage.ID, int64, int64) {}

func (o observer) Session(peer string, up bool, hello wire.Hello) {
	if o.h.upstream.is(peer) { // the fleet is what lies below
		if up {
			o.h.upstream.taken()
		}
		return
	}
	o.h.seen.put(peer, up, hello.Software)
}

// seen gathers who came and went, so that thousands who come at once are
// recorded together and none waits for that.
type seen struct {
	mu      sync.Mutex
	changes map[string]fleet.Change
	ready   chan struct{}
}

func newSeen() *seen { return &seen{changes: map[string]fleet.Change{}, ready: make(chan struct{}, 1)} }

func (s *seen) put(peer string, up bool, software string) {
	s.mu.Lock()
	s.changes[peer] = fleet.Change{Online: up, Software: software}
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *seen) take() map[string]fleet.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := s.changes
	s.changes = map[string]fleet.Change{}
	return changes
}

// record writes down who came and went until ctx ends.
func (h *Hub) record(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.seen.ready:
		}
		if err := h.fleet.Sessions(ctx, h.seen.take()); err != nil && ctx.Err() == nil {
			h.log.Error("presence not recorded", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(recordEvery):
		}
	}
}

func (o observer) Parked(peer string, id storage.ID, cause error) {
	o.h.audit(context.Background(), audit.Entry{
		Actor: peer, Action: "parked", Subject: id.String(), Detail: map[string]string{"reason": fmt.Sprint(cause)},
	})
}
