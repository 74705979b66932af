package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// cardsPerBundle bounds one bundle of cards; an office that lacks more gets
	// several bundles.
	cardsPerBundle = 500
	// officesPerBundle is how many offices that lack the same cards share one
	// bundle, each with a slip of its own. The header names them all, which costs
	// each of them some ten bytes for every other.
	officesPerBundle = 32
	// gatherGreetings is how long a greeting waits for others, so that offices
	// that lack the same cards are found together.
	gatherGreetings = 200 * time.Millisecond
	// shareRetry is when cards that could not be queued are tried again.
	shareRetry = 10 * time.Second
)

// Greeted notes that an office says it holds the cards up to serial has. What it
// lacks is queued by RunSharing soon: a greeting does not wait for it.
func (r *Relay) Greeted(office string, has uint64) {
	r.mu.Lock()
	r.met[office], r.greeted[office] = true, has
	r.mu.Unlock()
	r.wake()
}

// News says that the registry has grown: those of the offices that have greeted
// are sent what is new. The others say what they hold when they greet.
func (r *Relay) News(offices []string) {
	r.mu.Lock()
	for _, office := range offices {
		if _, waiting := r.greeted[office]; r.met[office] && !waiting {
			r.greeted[office] = 0 // what was queued for it since counts
		}
	}
	r.mu.Unlock()
	r.wake()
}

func (r *Relay) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// RunSharing serves greetings until ctx ends. When thousands of offices return
// at once, the work for each is a look at two numbers as long as it lacks
// nothing, and a slip when it does.
func (r *Relay) RunSharing(ctx context.Context) error {
	wait := gatherGreetings
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.news:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		r.mu.Lock()
		offices := r.greeted
		r.greeted = map[string]uint64{}
		r.mu.Unlock()
		wait = gatherGreetings
		if err := r.ShareRegistry(ctx, offices); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("registry not shared", "error", err)
			wait = shareRetry
			for office, has := range offices {
				r.Greeted(office, has)
			}
		}
	}
}

// ShareRegistry queues for offices the cards that are newer than the serial that
// each says it holds, and than what was queued for it before. A restored hub
// starts from the beginning: what its former self queued may be lost.
func (r *Relay) ShareRegistry(ctx context.Context, offices map[string]uint64) error {
	r.sharing.Lock()
	defer r.sharing.Unlock()
	lack := map[uint64][]registry.Card{} // by what they have
	newest := r.o.Registry.Newest()
	for office, has := range offices {
		card, err := r.o.Registry.Lookup(office)
		if errors.Is(err, registry.ErrNotFound) {
			continue // nothing can be encrypted to it
		}
		if err != nil {
			return fmt.Errorf("look up %q: %w", office, err)
		}
		since, queued := r.shared[card.Code]
		if !queued && r.o.Now().After(r.o.RebuildUntil) {
			since = has
		}
		if since >= newest {
			r.shared[card.Code] = since
		} else if card.Enrolled() {
			lack[since] = append(lack[since], card)
		}
	}
	for _, since := range slices.Sorted(maps.Keys(lack)) {
		if err := r.shareSince(ctx, since, lack[since]); err != nil {
			return fmt.Errorf("share registry: %w", err)
		}
	}
	return nil
}

// shareSince queues for offices all cards that are newer than since.
func (r *Relay) shareSince(ctx context.Context, since uint64, offices []registry.Card) error {
	slices.SortFunc(offices, func(a, b registry.Card) int { return strings.Compare(a.Code, b.Code) })
	for {
		cards, err := r.o.Registry.Since(ctx, since, cardsPerBundle)
		if err != nil || len(cards) == 0 {
			return err
		}
		for _, raw := range cards {
			c, err := registry.ParseCard(raw, r.o.Registry.Authority())
			if err != nil {
				return err
			}
			since = max(since, c.Serial)
		}
		payload, err := registry.EncodeCards(cards)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(offices, officesPerBundle) {
			if err := r.shareCards(ctx, payload, some); err != nil {
				return err
			}
			for _, office := range some {
				r.shared[office.Code] = since
			}
		}
	}
}

func (r *Relay) shareCards(ctx context.Context, payload []byte, offices []registry.Card) error {
	h := bundle.Header{Kind: bundle.KindRegistry}
	for _, office := range offices {
		h.To = append(h.To, office.Code)
	}
	p, err := r.pack(h, payload, bundle.RoleRegistry)
	if err != nil {
		return err
	}
	return r.o.DB.Update(ctx, func(tx *sqlite.Tx) error { return r.put(tx, p) })
}

// put queues a bundle of the hub's own for all whom it names.
func (r *Relay) put(tx *sqlite.Tx, p packed) error {
	targets := make([]queue.Target, 0, len(p.slips))
	for office, slip := range p.slips {
		targets = append(targets, queue.Target{Peer: office, Slip: slip})
	}
	return r.o.Queue.Put(tx, p.bundle, p.contents, targets)
}
