package relay

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

const (
	// batch is how many bundles of the inbox are looked at in one go.
	batch = 64
	// together is how many of them are routed at the same time: they share one
	// commit, for which one after the other would each wait.
	together = batch
	// unknownRetry is when an offer to an office without a card is looked at
	// again while the registry is being rebuilt.
	unknownRetry = 30 * time.Second
	// noticeLife is how long a hub's notice is kept for its reader.
	noticeLife = 30 * 24 * time.Hour
)

// Options configures a Relay.
type Options struct {
	Code     string // the hub's own office code
	Device   crypto.Signer
	DB       *sqlite.DB
	Queue    *queue.Queue
	Registry *registry.Registry
	// RebuildUntil is set after a restore from backup: until then an unknown
	// recipient is not undeliverable but waited for, since its card may come
	// back with its next greeting.
	RebuildUntil time.Time
	Logger       *slog.Logger
	Now          func() time.Time
}

// Relay routes the hub's bundles.
type Relay struct {
	o Options

	draining sync.Mutex // held by the one round that routes

	sharing sync.Mutex
	// shared tells up to which serial cards were queued for an office since
	// the start of this process.
	shared map[string]uint64

	mu      sync.Mutex
	met     map[string]bool   // offices that have greeted
	greeted map[string]uint64 // of these, those that RunSharing is to look at, and what they hold
	news    chan struct{}
}

// New makes a Relay.
func New(o Options) *Relay {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Relay{o: o, shared: map[string]uint64{}, met: map[string]bool{}, greeted: map[string]uint64{}, news: make(chan struct{}, 1)}
}

// Policy is the hub's rule for headers whose signature is good: an office
// hands over only what it sent itself, and while the registry is being rebuilt
// unknown recipients are waited for.
func (r *Relay) Policy(_ context.Context, peer string, h bundle.Header) *exchange.Denial {
	if !strings.EqualFold(h.From, peer) {
		return &exchange.Denial{Code: wire.CodeSender, Text: fmt.Sprintf("office %q hands over a bundle of %q", peer, h.From)}
	}
	if h.Slips() < 0 {
		return &exchange.Denial{Code: wire.CodeMalformed, Text: "a bundle for a hub needs the key slips of its recipients"}
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

// Run routes what is and comes into the inbox until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	changes, stop := r.o.Queue.Watch()
	defer stop()
	for {
		if err := r.Drain(ctx); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("inbox not routed", "error", err)
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case c, ok := <-changes:
				if !ok {
					return nil
				}
				waiting = !c.Inbox
			case <-time.After(time.Minute): // a failed round is tried again
				waiting = false
			}
		}
	}
}

// Drain routes what is in the inbox now. It may be called beside Run.
func (r *Relay) Drain(ctx context.Context) error {
	r.draining.Lock()
	defer r.draining.Unlock()
	for {
		list, err := r.o.Queue.Inbox(ctx, batch)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		var routed atomic.Int32
		var group errgroup.Group
		group.SetLimit(together)
		for _, a := range list {
			group.Go(func() error {
				if err := r.route(ctx, a); err == nil {
					routed.Add(1)
				} else if ctx.Err() == nil {
					r.o.Logger.Error("bundle not routed", "id", a.ID, "error", err)
				}
				return ctx.Err()
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if routed.Load() == 0 {
			return fmt.Errorf("none of %d bundles could be routed", len(list))
		}
	}
}

// miss is a recipient that a bundle cannot be passed to.
type miss struct {
	office string
	code   wire.Code
}

// route makes one bundle of the inbox outgoing to its recipients.
func (r *Relay) route(ctx context.Context, a queue.Arrived) error {
	targets, misses, err := r.targets(ctx, a)
	if err != nil {
		return err
	}
	notices := make([]packed, 0, len(misses))
	for _, m := range misses {
		n, err := r.notice(a, m)
		if err != nil {
			return fmt.Errorf("make notice: %w", err)
		}
		notices = append(notices, n)
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if len(targets) > 0 {
			if err := r.o.Queue.Forward(tx, a.ID, targets); err != nil {
				return err
			}
		}
		for i, n := range notices {
			if err := r.put(tx, n); err != nil {
				return err
			}
			if err := audit.Append(tx, audit.Entry{
				Actor: r.o.Code, Action: "relay.undeliverable", Subject: a.ID.String(),
				Detail: map[string]string{"from": a.From, "to": misses[i].office},
			}); err != nil {
				return err
			}
		}
		if err := audit.Append(tx, audit.Entry{
			Actor: r.o.Code, Action: "relay.routed", Subject: a.ID.String(),
			Detail: map[string]string{"from": a.From, "offices": fmt.Sprint(len(targets))},
		}); err != nil {
			return err
		}
		return r.o.Queue.Done(tx, a.ID)
	})
}

func (r *Relay) targets(ctx context.Context, a queue.Arrived) ([]queue.Target, []miss, error) {
	slips, err := r.slips(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	var targets []queue.Target
	var misses []miss
	for _, to := range a.To {
		card, err := r.o.Registry.Lookup(to)
		slip := slips[to]
		switch {
		case errors.Is(err, registry.ErrNotFound), err == nil && strings.EqualFold(card.Code, r.o.Code):
			misses = append(misses, miss{to, wire.CodeUnknownRecipient})
		case err != nil:
			return nil, nil, fmt.Errorf("look up %q: %w", to, err)
		case slip == nil:
			misses = append(misses, miss{to, wire.CodeMalformed})
		default:
			targets = append(targets, queue.Target{Peer: card.Code, Slip: slip})
		}
	}
	return targets, misses, nil
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

// Refused is the queue's hook for a bundle that its recipient will never take:
// the sender is told in the same transaction.
func (r *Relay) Refused(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
	if strings.EqualFold(b.From, r.o.Code) {
		return nil // the hub's own registry or notice: nobody to tell
	}
	n, err := r.notice(queue.Arrived{Bundle: b}, miss{peer, wire.Code(o.Code)})
	if err != nil {
		return err
	}
	if err := r.put(tx, n); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{
		Actor: peer, Action: "relay.refused", Subject: b.ID.String(),
		Detail: map[string]string{"from": b.From, "code": fmt.Sprint(o.Code), "text": o.Text},
	})
}

// Custody is the queue's hook for a bundle that its recipient took over.
func (r *Relay) Custody(tx *sqlite.Tx, peer string, b storage.Bundle, _ storage.Outcome) error {
	return audit.Append(tx, audit.Entry{
		Actor: peer, Action: "relay.passed", Subject: b.ID.String(),
		Detail: map[string]string{"from": b.From},
	})
}

// Expire ends bundles whose lifetime is over. Their senders know: the same
// lifetime ended there.
func (r *Relay) Expire(ctx context.Context) error {
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		ids, err := r.o.Queue.Expired(tx, r.o.Now(), batch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := r.o.Queue.End(tx, id); err != nil {
				return err
			}
			if err := audit.Append(tx, audit.Entry{Actor: r.o.Code, Action: "relay.expired", Subject: id.String()}); err != nil {
				return err
			}
		}
		return nil
	})
}
