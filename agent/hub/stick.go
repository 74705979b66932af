package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

// USB is the hub as those see it who carry its sticks.
func (h *Hub) USB() usb.Station { return h.usb }

// neighbour finds an office to exchange with by stick. A restored hub believes
// the card that a package brings, as it does a greeting's.
func (h *Hub) neighbour(_ context.Context, code string, card []byte) (usb.Neighbour, error) {
	found, err := h.registry.Lookup(code)
	if errors.Is(err, registry.ErrNotFound) && len(card) > 0 {
		brought, bad := registry.ParseCard(card, h.registry.Authority())
		if bad == nil && strings.EqualFold(brought.Code, code) {
			found, err = brought, nil
		}
	}
	switch {
	case errors.Is(err, registry.ErrNotFound), err == nil && (!found.Enrolled() || strings.EqualFold(found.Code, h.ca.Code)):
		return usb.Neighbour{}, fmt.Errorf("%w: %q", usb.ErrNoNeighbour, code)
	case err != nil:
		return usb.Neighbour{}, fmt.Errorf("look up office: %w", err)
	}
	return usb.Neighbour{Code: found.Code, Key: found.Device}, nil
}

// greetedByStick keeps the card of an office whose package is good, and hears what
// the package says of audit logs.
func (h *Hub) greetedByStick(ctx context.Context, peer string, m usb.Manifest) error {
	if len(m.Card) > 0 {
		if err := h.db.Update(ctx, func(tx *sqlite.Tx) error { return h.relearn(tx, m.Card) }); err != nil {
			return fmt.Errorf("keep card of %q: %w", peer, err)
		}
	}
	if h.upstream.is(peer) {
		if err := h.aboveIs(ctx, m.Epoch); err != nil {
			return err
		}
	}
	return h.logs.hearByStick(ctx, peer, m)
}

// beforeStick passes on what has just arrived, so that an export may follow an
// import at once and also of a hub that does not run, and queues the registry
// cards that the office lacked when it made its last package. One that never
// made any has what its enrolment gave it, or hears of them over the link.
func (h *Hub) beforeStick(ctx context.Context, peer string, last usb.Manifest) error {
	if err := h.relay.Drain(ctx); err != nil {
		h.log.Error("inbox not routed", "error", err) // the rest may go all the same
	}
	if err := errors.Join(h.publish(ctx), h.reportAbove(ctx), h.publishSoftware(ctx)); err != nil {
		h.log.Error("what is published not queued", "error", err)
	}
	if last.Epoch == (storage.ID{}) {
		return nil
	}
	return h.relay.ShareRegistry(ctx, map[string]relay.Greeting{peer: {Has: last.Registry, Epoch: last.Epoch}})
}

// nameOf is the name of an office, empty when it is not known here.
func (h *Hub) nameOf(code string) string {
	card, err := h.registry.Lookup(code)
	if err != nil {
		return ""
	}
	return card.Name
}
