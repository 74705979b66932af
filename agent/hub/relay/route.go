package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// Policy is the hub's rule for headers whose signature is good: a neighbour
// hands over only what comes from itself or, when it is a hub, from an office
// that is reached through it. While the registry is being rebuilt unknown
// recipients are waited for.
func (r *Relay) Policy(ctx context.Context, peer string, h bundle.Header) *exchange.Denial {
	near, err := r.o.Registry.Neighbour(h.From)
	if err != nil { // the card of a hub between is on its way
		return &exchange.Denial{Code: wire.CodeUnknownSender, After: unknownRetry, Text: err.Error()}
	}
	if !strings.EqualFold(near.Code, peer) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("office %q hands over a bundle of %q", peer, h.From)}
	}
	switch h.Kind {
	case bundle.KindRegistry, bundle.KindNotice:
		return r.controlPolicy(peer, near, h)
	case bundle.KindReport, bundle.KindCommand:
		return r.reportPolicy(peer, h)
	case bundle.KindSoftware:
		return r.softwarePolicy(peer, h)
	}
	if h.Slips() < 0 {
		return &exchange.Denial{Code: wire.CodeMalformed, Text: "a bundle for a hub needs the key slips of its recipients"}
	}
	if near.IsHub() {
		if err := r.finishedAlready(ctx, h.ID); err != nil {
			r.o.Logger.Error("bundle not reported as passed on", "id", h.ID, "error", err)
		}
	}
	if d := r.allowed(h); d != nil {
		return d
	}
	if r.o.Now().After(r.o.RebuildUntil) {
		return nil
	}
	for _, to := range h.To {
		if _, err := r.o.Registry.Lookup(to); errors.Is(err, registry.ErrNotFound) {
			return &exchange.Denial{
				Code: wire.CodeUnknownRecipient, After: unknownRetry,
				Text: fmt.Sprintf("the hub was restored and has not heard from office %q yet", to),
			}
		}
	}
	return nil
}

// allowed holds a sender to the rules on its card. Answers are always allowed:
// whoever wrote to it has to hear what became of the document.
func (r *Relay) allowed(h bundle.Header) *exchange.Denial {
	if h.Kind != bundle.KindDocument && h.Kind != bundle.KindDossier {
		return nil
	}
	from, err := r.o.Registry.Lookup(h.From)
	for _, to := range h.To {
		if err != nil || !from.Restricted() {
			break
		}
		var ok bool
		if ok, err = r.o.Registry.Allows(from, to); err == nil && !ok {
			return &exchange.Denial{Code: wire.CodeNotAllowed, Text: fmt.Sprintf("office %q may not write to %q", h.From, to)}
		}
	}
	if err != nil {
		return &exchange.Denial{Code: wire.CodeInternal, After: unknownRetry, Text: err.Error()}
	}
	return nil
}

// controlPolicy is Policy for what hubs tell each other.
func (r *Relay) controlPolicy(peer string, near registry.Card, h bundle.Header) *exchange.Denial {
	if !near.IsHub() && !r.isAbove(near.Code) || !strings.EqualFold(h.From, peer) || len(h.To) != 1 || !r.isMe(h.To[0]) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("%q is no hub that may send a bundle of kind %s here", peer, h.Kind)}
	}
	return nil
}

// handle deals with one bundle of the inbox.
func (r *Relay) handle(ctx context.Context, a queue.Arrived) error {
	switch bundle.Kind(a.Kind) {
	case bundle.KindRegistry, bundle.KindNotice, bundle.KindReport, bundle.KindCommand:
		return r.control(ctx, a)
	case bundle.KindSoftware:
		return r.takeSoftware(ctx, a)
	}
	return r.route(ctx, a)
}

// miss is a recipient that a bundle cannot be passed to.
type miss struct {
	office string
	code   wire.Code
}

// route makes one bundle of the inbox outgoing to its next hops.
func (r *Relay) route(ctx context.Context, a queue.Arrived) error {
	targets, misses, err := r.targets(ctx, a)
	if err != nil {
		return err
	}
	stamp := r.stamp(a)
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if err := r.took(tx, a, targets, stamp); err != nil {
			return err
		}
		if len(targets) > 0 {
			if err := r.o.Queue.Forward(tx, a.ID, targets); err != nil {
				return err
			}
		}
		for _, m := range misses {
			if err := r.undeliverable(tx, a.Peer, a.Bundle, m, evidence.ContentConsignmentFailure); err != nil {
				return err
			}
		}
		if err := audit.Append(tx, audit.Entry{
			Actor: r.o.Code, Action: "relay.routed", Subject: a.ID.String(),
			Detail: map[string]string{"from": a.From, "peer": a.Peer, "next": hops(targets)},
		}); err != nil {
			return err
		}
		if err := r.o.Queue.Done(tx, a.ID); err != nil {
			return err
		}
		if bundle.Kind(a.Kind) == bundle.KindStatus && strings.EqualFold(a.From, a.Peer) {
			if err := r.letGo(tx, a.InReplyTo, a.Peer); err != nil {
				return err
			}
		}
		return r.finished(tx, a.ID)
	})
}

// maxHopsShown bounds the next hops that an audit entry names.
const maxHopsShown = 8

func hops(targets []queue.Target) string {
	var names []string
	for _, t := range targets[:min(len(targets), maxHopsShown)] {
		names = append(names, t.Peer)
	}
	if more := len(targets) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("… %d", more))
	}
	return strings.Join(names, " ")
}

// targets finds the next hop of each recipient. To an office goes its own slip;
// to a hub the slips object, once for all that lie behind it. Recipients
// behind the neighbour that handed the bundle over are that one's to serve.
func (r *Relay) targets(ctx context.Context, a queue.Arrived) ([]queue.Target, []miss, error) {
	slips, err := r.slips(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	var targets []queue.Target
	var misses []miss
	for _, to := range a.To {
		near, err := r.next(to)
		switch {
		case errors.Is(err, registry.ErrNotFound),
			errors.Is(err, registry.ErrChain) && r.o.Now().Sub(a.At) > chainPatience:
			misses = append(misses, miss{to, wire.CodeUnknownRecipient})
		case err != nil:
			return nil, nil, err
		case near.IsHub() || r.isAbove(near.Code):
			there := func(t queue.Target) bool { return t.Peer == near.Code }
			if !strings.EqualFold(near.Code, a.Peer) && !slices.ContainsFunc(targets, there) {
				targets = append(targets, queue.Target{Peer: near.Code, Hold: true})
			}
		case slips[to] == nil:
			misses = append(misses, miss{to, wire.CodeMalformed})
		default:
			targets = append(targets, queue.Target{Peer: near.Code, Slip: slips[to], Hold: r.held(a.Bundle, near.Code)})
		}
	}
	return targets, misses, nil
}

// receipted says whether the recipients of a bundle answer it with a status, until
// which it is kept for them.
func receipted(b storage.Bundle) bool {
	return bundle.Kind(b.Kind) == bundle.KindDocument || bundle.Kind(b.Kind) == bundle.KindDossier
}

// next is the neighbour to pass a recipient's bundle to. Whom this hub does not
// know, the hub above may. registry.ErrNotFound: nobody.
func (r *Relay) next(to string) (registry.Card, error) {
	near, err := r.o.Registry.Neighbour(to)
	above := r.above.Load()
	switch {
	case err == nil && (r.isMe(to) || !r.isAbove(to) && near.IsHub() && strings.EqualFold(near.Code, to)):
		return near, fmt.Errorf("find the next hop: %w: %q is a hub", registry.ErrNotFound, to)
	case errors.Is(err, registry.ErrNotFound) && above != nil:
		return registry.Card{Code: above.Code}, nil
	}
	return near, err
}

// slips reads the key slips of a bundle; none when they cannot be read, which
// then shows as undeliverable for every recipient.
func (r *Relay) slips(ctx context.Context, a queue.Arrived) (map[string][]byte, error) {
	signed, err := bundle.Parse(a.Header)
	if err != nil {
		return nil, fmt.Errorf("parse stored header: %w", err)
	}
	index := signed.Header.Slips()
	if index < 0 {
		return nil, nil
	}
	body, _, err := r.o.Queue.OpenObject(ctx, a.ID, index)
	if err != nil {
		return nil, fmt.Errorf("open slips: %w", err)
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, bundle.MaxSlips+1))
	if err != nil {
		return nil, fmt.Errorf("read slips: %w", err)
	}
	slips, err := bundle.DecodeSlips(raw)
	if err != nil {
		r.o.Logger.Warn("slips do not parse", "id", a.ID, "from", a.From, "error", err)
	}
	return slips, nil
}

// Refused is the queue's hook for a bundle that its next hop will never take:
// the sender is told in the same transaction.
func (r *Relay) Refused(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
	if r.isMe(b.From) {
		return r.o.Queue.EndFor(tx, b.ID, peer) // the hub's own registry or notice: nobody to tell
	}
	behind, err := r.behind(tx, b, peer)
	if err != nil {
		return err
	}
	from, err := r.o.Queue.Source(tx, b.ID)
	if err != nil {
		return err
	}
	event := evidence.ContentConsignmentFailure
	if hub, err := r.isHub(tx, peer); err != nil {
		return err
	} else if hub {
		event = evidence.RelayRejection
	}
	for _, office := range behind {
		if err := r.undeliverable(tx, from, b, miss{office, wire.Code(o.Code)}, event); err != nil {
			return err
		}
	}
	if err := audit.Append(tx, audit.Entry{
		Actor: peer, Action: "relay.refused", Subject: b.ID.String(),
		Detail: map[string]string{"from": b.From, "code": fmt.Sprint(o.Code), "text": o.Text},
	}); err != nil {
		return err
	}
	if err := r.dropHeld(tx, peer, b.ID); err != nil {
		return err
	}
	return r.release(tx, b.ID, peer)
}

// behind lists the recipients of b whose next hop is peer.
func (r *Relay) behind(tx *sqlite.Tx, b storage.Bundle, peer string) ([]string, error) {
	var list []string
	for _, to := range b.To {
		near, err := r.o.Registry.NeighbourTx(tx, to)
		switch {
		case err == nil && strings.EqualFold(near.Code, peer), errors.Is(err, registry.ErrNotFound) && r.isAbove(peer):
			list = append(list, to)
		case err != nil && !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrChain):
			return nil, err
		}
	}
	return list, nil
}

// Custody is the queue's hook for a bundle that its next hop took over.
func (r *Relay) Custody(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
	if err := r.consigned(tx, peer, b, o.At); err != nil {
		return err
	}
	if err := audit.Append(tx, audit.Entry{
		Actor: peer, Action: "relay.passed", Subject: b.ID.String(),
		Detail: map[string]string{"from": b.From},
	}); err != nil {
		return err
	}
	if !receipted(b) && !r.isMe(b.From) && r.saves(peer) { // held for the office's backup alone
		if _, err := r.o.Queue.Keep(tx, b.ID, peer); err != nil {
			return err
		}
	}
	return r.finished(tx, b.ID)
}
