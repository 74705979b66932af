package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// minSharers and bytesPerSharer say how many offices that lack the same cards
	// share one bundle: so many that their names cost a few percent of it.
	minSharers     = 32
	bytesPerSharer = 1 << 10
	// gatherGreetings is how long a greeting waits for others, so that offices
	// that lack the same cards are found together.
	gatherGreetings = 200 * time.Millisecond
	// shareRetry is when cards that could not be queued are tried again.
	shareRetry = 10 * time.Second
)

// Greeting is what a neighbour said of itself when it greeted.
type Greeting struct {
	Has   uint64     // serial up to which it holds the cards
	Epoch storage.ID // of its store
}

// share says up to which serial cards were queued for a neighbour since it
// greeted with the store of this epoch.
type share struct {
	epoch  storage.ID
	serial uint64
}

// Greeted notes what a neighbour says of itself. The cards that it lacks are
// queued by RunSharing soon: a greeting does not wait for it.
func (r *Relay) Greeted(office string, g Greeting) {
	r.mu.Lock()
	r.met[office], r.greeted[office] = g, g
	r.mu.Unlock()
	r.wake()
}

// News says that the registry has grown: those of the neighbours that have
// greeted are sent what is new. The others say what they hold when they greet.
func (r *Relay) News(offices []string) {
	r.mu.Lock()
	for _, office := range offices {
		g, met := r.met[office]
		if _, waiting := r.greeted[office]; met && !waiting {
			r.greeted[office] = g // what was queued for it since counts
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
		r.greeted = map[string]Greeting{}
		r.mu.Unlock()
		wait = gatherGreetings
		if err := r.ShareRegistry(ctx, offices); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("registry not shared", "error", err)
			wait = shareRetry
			r.again(offices)
		}
	}
}

// again has greetings looked at anew that could not be served, but for those
// that were followed by another.
func (r *Relay) again(offices map[string]Greeting) {
	r.mu.Lock()
	for office, g := range offices {
		if _, newer := r.greeted[office]; !newer {
			r.greeted[office] = g
		}
	}
	r.mu.Unlock()
	r.wake()
}

// lacking are neighbours that lack the same cards: all newer than since, and of
// a hub not those that it is itself the way to.
type lacking struct {
	since uint64
	hub   string // key of the hub; empty for offices
}

// ShareRegistry queues for neighbours the cards that are newer than the serial
// that each says it holds, and than what was queued for its store before. A
// restored hub starts from the beginning: what its former self queued may be
// lost.
func (r *Relay) ShareRegistry(ctx context.Context, offices map[string]Greeting) error {
	r.sharing.Lock()
	defer r.sharing.Unlock()
	lack := map[lacking][]registry.Card{}
	newest := r.o.Registry.Newest()
	for office, g := range offices {
		card, err := r.o.Registry.Lookup(office)
		if errors.Is(err, registry.ErrNotFound) {
			continue // nothing can be encrypted to it
		}
		if err != nil {
			return fmt.Errorf("look up %q: %w", office, err)
		}
		key := registry.Key(card.Code)
		was, known := r.shared[key]
		if !known || was.epoch != g.Epoch {
			was = share{epoch: g.Epoch, serial: g.Has}
			if !r.o.Now().After(r.o.RebuildUntil) {
				was.serial = 0
			}
		}
		if r.resyncs(key) {
			was.serial = 0
		}
		r.shared[key] = was
		if was.serial < newest && card.Enrolled() {
			like := lacking{since: was.serial}
			if card.IsHub() || r.isAbove(card.Code) {
				like.hub = key
			}
			lack[like] = append(lack[like], card)
		}
	}
	for like, cards := range lack {
		if err := r.shareSince(ctx, like, cards); err != nil {
			return fmt.Errorf("share registry: %w", err)
		}
	}
	return nil
}

// shareSince queues for neighbours all cards that they lack, page by page.
func (r *Relay) shareSince(ctx context.Context, like lacking, to []registry.Card) error {
	slices.SortFunc(to, func(a, b registry.Card) int { return strings.Compare(a.Code, b.Code) })
	for {
		page, payload, err := r.o.Registry.PageAfter(ctx, like.since, r.theirs(like.hub), r.o.Authority)
		if err != nil || page == nil {
			return err
		}
		for some := range slices.Chunk(to, sharers(len(payload))) {
			if len(page.Cards) > 0 {
				if err := r.sharePage(ctx, payload, some); err != nil {
					return err
				}
			}
			for _, office := range some {
				key := registry.Key(office.Code)
				r.shared[key] = share{epoch: r.shared[key].epoch, serial: page.Until}
			}
		}
		like.since = page.Until
	}
}

// theirs tells which cards a hub is not sent: those that it is itself the way
// to. An office, for which hub is "", is sent them all.
func (r *Relay) theirs(hub string) func(registry.Card) (bool, error) {
	if hub == "" {
		return nil
	}
	return func(c registry.Card) (bool, error) {
		near, err := r.o.Registry.Neighbour(c.Code)
		if errors.Is(err, registry.ErrChain) {
			return false, nil
		}
		return err == nil && registry.Key(near.Code) == hub, err
	}
}

// sharers is how many offices share one bundle of size bytes, each with a slip of
// its own. The header names them all, which costs each of them some ten bytes for
// every other.
func sharers(size int) int {
	return min(max(size/bytesPerSharer, minSharers), bundle.MaxRecipients)
}

func (r *Relay) sharePage(ctx context.Context, payload []byte, offices []registry.Card) error {
	// The keys are those of the cards that were found to have some: an office that
	// is revoked meanwhile must not hold up the others.
	p, err := r.pack(bundle.Header{Kind: bundle.KindRegistry}, offices, payload, bundle.RoleRegistry)
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
