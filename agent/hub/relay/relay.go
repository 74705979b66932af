package relay

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
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
	// chainPatience is how long a bundle waits for the card of a hub on the way
	// to a recipient before it counts as undeliverable there.
	chainPatience = 10 * time.Minute
	// noticeLife is how long a hub's notice is kept for its reader.
	noticeLife = 30 * 24 * time.Hour
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of this package.
var Schema = sqlite.Embedded("relay", migrations)

// Options configures a Relay.
type Options struct {
	Code      string // the hub's own office code
	Device    crypto.Signer
	Authority *ecdsa.PrivateKey                     // issues the cards that neighbouring hubs send
	Open      func(slip []byte) (bundle.Key, error) // opens key slips made for this hub
	DB        *sqlite.DB                            // opened with Schema
	Queue     *queue.Queue
	Registry  *registry.Registry
	// RebuildUntil is set after a restore from backup: until then an unknown
	// recipient is not undeliverable but waited for, since its card may come
	// back with its next greeting.
	RebuildUntil time.Time
	// Seal is the hub's own, for what it testifies; nil: it testifies nothing.
	Seal *seal.Sealer
	// Stamps gives time stamps to the offices that ask for one; nil: none.
	Stamps *tsa.Authority
	// Report takes what a neighbour below reports, in any order, and Published what the
	// hub above publishes; an error of [Unreadable] drops it. nil: it is dropped.
	Report    func(tx *sqlite.Tx, from registry.Card, h bundle.Header, payload []byte) error
	Published func(tx *sqlite.Tx, above string, payload []byte) error
	// Answered takes what an office below answers to an order; an error of
	// [Unreadable] drops it. nil: it is dropped.
	Answered func(tx *sqlite.Tx, from registry.Card, to storage.ID, payload []byte) error
	// Software takes a release of the hub above. keep ends that in the transaction that
	// makes it durable. An error of [Unreadable] drops it. nil: it is dropped.
	Software func(ctx context.Context, s Software) (keep func(tx *sqlite.Tx) error, err error)
	// TellAfter is how long what is to be told a neighbour is gathered; zero:
	// DefaultTell.
	TellAfter time.Duration
	// Renewed takes in new certificates that the hub above has sent. nil: there
	// is no hub above.
	Renewed func(answer []byte) error
	// Room says whether so many bytes more have room on the disk; nil: they have.
	Room   func(bytes int64) error
	Logger *slog.Logger
	Now    func() time.Time
}

// Relay routes the hub's bundles.
type Relay struct {
	o     Options
	above atomic.Pointer[registry.Source] // the hub above; nil: none

	draining sync.Mutex // held by the one round that routes
	telling  sync.Mutex // held by the one round that testifies

	sharing sync.Mutex
	shared  map[string]share // by the code of a neighbour that has greeted

	mu      sync.Mutex
	met     map[string]Greeting // neighbours that have greeted
	greeted map[string]Greeting // of these, those that RunSharing is to look at
	resync  map[string]bool     // by the code of an office: all cards are to be sent again
	saved   map[string]time.Time
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
	if o.TellAfter <= 0 {
		o.TellAfter = DefaultTell
	}
	return &Relay{o: o, shared: map[string]share{}, met: map[string]Greeting{}, greeted: map[string]Greeting{}, resync: map[string]bool{}, saved: map[string]time.Time{}, news: make(chan struct{}, 1)}
}

// SetAbove names the hub above, and the key that signs its cards.
func (r *Relay) SetAbove(code string, authority crypto.PublicKey) {
	r.above.Store(&registry.Source{
		Code: code, Authority: authority, Above: true, Own: r.o.Code, Signer: r.o.Authority,
	})
}

// isAbove reports whether code names the hub above.
func (r *Relay) isAbove(code string) bool {
	above := r.above.Load()
	return above != nil && registry.Key(above.Code) == registry.Key(code)
}

func (r *Relay) isMe(code string) bool { return registry.Key(code) == registry.Key(r.o.Code) }

// Run routes what is and comes into the inbox, and reports to neighbouring
// hubs, until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	changes, stop := r.o.Queue.Watch()
	defer stop()
	var reports sync.WaitGroup
	defer reports.Wait()
	if err := r.loadSaved(ctx); err != nil {
		return err
	}
	reports.Go(func() { r.report(ctx) })
	if r.o.Seal != nil {
		reports.Go(func() { r.testify(ctx) })
	}
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

// Drain routes the inbox until it is empty or nothing of it can be routed. What
// fails stays and is looked at again later; it holds up nothing behind it. It
// may be called beside Run.
func (r *Relay) Drain(ctx context.Context) error {
	r.draining.Lock()
	defer r.draining.Unlock()
	for limit := batch; ; {
		list, err := r.o.Queue.Inbox(ctx, limit)
		if err != nil {
			return err
		}
		stuck, err := r.handleAll(ctx, list)
		if err != nil {
			return err
		}
		switch {
		case len(list) == 0:
			return nil
		case stuck == len(list) && len(list) < limit:
			return fmt.Errorf("none of %d bundles could be routed", stuck)
		case stuck == len(list):
			limit += batch
		}
	}
}

// handleAll handles bundles of the inbox, documents and reports several at once and
// what hubs say in order, and tells how many failed.
func (r *Relay) handleAll(ctx context.Context, list []queue.Arrived) (stuck int, err error) {
	var failed atomic.Int32
	handle := func(a queue.Arrived) {
		if err := r.handle(ctx, a); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("bundle not routed", "id", a.ID, "error", err)
			failed.Add(1)
		}
	}
	var group errgroup.Group
	group.SetLimit(together)
	for _, a := range list {
		switch bundle.Kind(a.Kind) {
		case bundle.KindRegistry, bundle.KindNotice:
			handle(a)
		default:
			group.Go(func() error {
				handle(a)
				return nil
			})
		}
	}
	err = group.Wait()
	return int(failed.Load()), errors.Join(err, ctx.Err())
}

// Expire ends bundles whose lifetime is over. Their senders know, for the same
// lifetime ended there; that this hub could not deliver them until then, it
// testifies.
func (r *Relay) Expire(ctx context.Context) error {
	if err := r.tidyKept(ctx); err != nil {
		return err
	}
	for n := batch; n == batch; {
		err := r.o.DB.Update(ctx, func(tx *sqlite.Tx) (err error) {
			n, err = r.expire(tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) expire(tx *sqlite.Tx) (int, error) {
	ids, err := r.o.Queue.Expired(tx, r.o.Now(), batch)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := r.missed(tx, id, evidence.Expired, wire.CodeExpired); err != nil {
			return 0, err
		}
		if err := r.o.Queue.End(tx, id); err != nil {
			return 0, err
		}
		if err := audit.Append(tx, audit.Entry{Actor: r.o.Code, Action: "relay.expired", Subject: id.String()}); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}
