package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/storage/sqlite"
	"tram/sync/mqtt"
)

// joinEvery is how often a hub looks whether it has been invited to a hub
// above, and asks that hub to let it in.
const joinEvery = 5 * time.Second

// upstream is this hub as an office of the hub above.
type upstream struct {
	mu sync.RWMutex
	id *identity.Identity // nil: there is no hub above
	// The line: all nil until it is served.
	live    *identity.Live // of id
	link    *mqtt.Client
	renewer *enroll.Renewer
}

func (u *upstream) identity() *identity.Identity {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.id
}

// is reports whether code names the hub above.
func (u *upstream) is(code string) bool {
	id := u.identity()
	return id != nil && code == id.Hub
}

// codes are the hub above, if there is one.
func (u *upstream) codes() []string {
	if id := u.identity(); id != nil {
		return []string{id.Hub}
	}
	return nil
}

func (u *upstream) close() {
	u.mu.RLock()
	link := u.link
	u.mu.RUnlock()
	if link != nil {
		link.Close()
	}
}

// taken notes that the hub above hears this one.
func (u *upstream) taken() {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.renewer != nil {
		u.renewer.Taken()
	}
}

// Upstream is how this hub stands with the hub above.
type Upstream struct {
	Code    string     `json:"code"`
	Name    string     `json:"name"`
	Up      bool       `json:"up"`
	Until   time.Time  `json:"certificate_until"`
	Refusal *api.Waits `json:"refusal,omitempty"` // why the hub above gives no new certificate
}

func (u *upstream) status() *Upstream {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.id == nil {
		return nil
	}
	s := &Upstream{Code: u.id.Hub, Name: u.id.Trust.HubName, Until: u.id.DeviceCert.NotAfter}
	if u.link == nil {
		return s
	}
	s.Up = u.link.Status().Up
	if p := u.renewer.Refusal(); p != nil {
		s.Refusal = &api.Waits{Code: p.Code, Args: p.Args}
	}
	return s
}

// JoinUpstream makes the hub of data folder dir an office of the hub above, by
// that hub's invite. A running hub notices by itself. Results and problems are
// those of enroll.Enroll.
func JoinUpstream(ctx context.Context, dir string, o enroll.Options) (enroll.Result, error) {
	authority, err := ca.Load(dir)
	if err != nil {
		return enroll.Result{}, err
	}
	return enroll.Enroll(ctx, joining(authority, dir, o))
}

func joining(authority *ca.CA, dir string, o enroll.Options) enroll.Options {
	o.Dir = ca.UpstreamFolder(dir)
	o.Hub = &enroll.HubKeys{
		Device: authority.Device().Key, Age: authority.Age, CA: authority.Root.Cert, Authority: authority.Authority.Cert,
	}
	return o
}

// openUpstream reads who this hub is at the hub above, if it has joined one.
func (h *Hub) openUpstream(ctx context.Context) error {
	dir := ca.UpstreamFolder(h.o.Dir)
	if !identity.Exists(dir) {
		return nil
	}
	id, err := identity.Load(dir)
	if err != nil {
		return err
	}
	if id.Code != h.ca.Code {
		return fmt.Errorf("open upstream: this hub is %q, joined the hub above as %q", h.ca.Code, id.Code)
	}
	cards, err := enroll.FirstCards(dir)
	if err != nil {
		return err
	}
	h.relay.SetAbove(id.Hub, id.Trust.Authority.PublicKey)
	h.upstream.mu.Lock()
	h.upstream.id = id
	h.upstream.mu.Unlock()
	return h.db.Update(ctx, func(tx *sqlite.Tx) error { return h.relay.AdoptAbove(tx, cards) })
}

// serveUpstream joins the hub above when there is an invite, then holds the
// session with it until ctx ends.
func (h *Hub) serveUpstream(ctx context.Context) error {
	for h.upstream.identity() == nil {
		if err := h.tryUpstream(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("hub above not joined", "error", err)
		}
		if h.upstream.identity() != nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(joinEvery):
		}
	}
	if h.sharesBroker() { // joined while running
		h.link.ShareBroker()
	}
	id, servers := h.upstream.identity(), h.upstreamServers()
	live := identity.NewLive(id)
	link, err := mqtt.Dial(mqtt.Options{
		Servers: servers, TLS: live.TLS(), Roots: live.Roots, Hub: id.Hub, Office: id.Code, Software: h.software(),
		Logger: h.log.With("part", "upstream"), Tuning: mqtt.Tuning{KeepAlive: h.o.Config.Upstream.Keepalive},
	})
	if err != nil {
		return fmt.Errorf("prepare the line to the hub above: %w", err)
	}
	renewer := enroll.NewRenewer(enroll.RenewerOptions{
		Options:  enroll.Options{Dir: ca.UpstreamFolder(h.o.Dir), Logger: h.log.With("part", "upstream")},
		Identity: live.Get,
		Line:     func() (mqtt.Status, time.Duration) { return link.Status(), h.node.Silence(id.Hub) },
		Use: func(r enroll.Renewed) error {
			h.useAbove(r.Identity)
			link.Kick()
			return nil
		},
	})
	h.upstream.mu.Lock()
	h.upstream.link, h.upstream.live, h.upstream.renewer = link, live, renewer
	h.upstream.mu.Unlock()
	defer link.Close()
	h.log.Info("joined to the hub above", "hub", id.Hub, "servers", servers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return renewer.Run(ctx) })
	group.Go(func() error {
		err := h.node.Run(ctx, id.Hub, link)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.Join(errors.New("session with the hub above has ended"), err)
	})
	return group.Wait()
}

// upstreamServers are the nodes of the broker of the hub above, if there is one.
func (h *Hub) upstreamServers() []string {
	if servers := h.o.Config.Upstream.Servers; len(servers) > 0 {
		return servers
	}
	if id := h.upstream.identity(); id != nil {
		return id.Trust.MQTT
	}
	return nil
}

// sharesBroker reports whether this hub and the one above are relays on one
// broker.
func (h *Hub) sharesBroker() bool {
	if h.upstream.identity() == nil {
		return false
	}
	above := h.upstreamServers()
	return slices.ContainsFunc(h.servers(), func(s string) bool { return slices.Contains(above, s) })
}

// tryUpstream goes on with an invite that was kept because there was no link,
// and takes up an identity that has come.
func (h *Hub) tryUpstream(ctx context.Context) error {
	if _, err := enroll.Resume(ctx, joining(h.ca, h.o.Dir, enroll.Options{Logger: h.log.With("part", "upstream")})); err != nil {
		return err
	}
	return h.openUpstream(ctx)
}

// ownCard is this hub's card as a neighbour believes it, that of the hub above
// or its own, and its serial.
func (h *Hub) ownCard(peer string) (card []byte, serial uint64) {
	if !h.upstream.is(peer) {
		return h.card, h.serial
	}
	id := h.upstream.identity()
	own, err := registry.ParseCard(id.Card, id.Trust.Authority.PublicKey)
	if err != nil {
		h.log.Error("card of this hub at the hub above not read", "error", err)
		return nil, 0
	}
	return id.Card, own.Serial
}

// holds is the serial of a neighbour's card here. That of the hub above was
// issued anew by this hub, so its serial says nothing to the hub above.
func (h *Hub) holds(peer string) uint64 {
	if h.upstream.is(peer) {
		return 0
	}
	card, err := h.registry.Lookup(peer)
	if err != nil {
		return 0
	}
	return card.Serial
}

// remembers says whose boxes are told apart here: those of offices. A hub is
// raised anew from its backup, with a lineage of its own.
func (h *Hub) remembers(peer string) bool {
	card, err := h.registry.Lookup(peer)
	return !h.upstream.is(peer) && (err != nil || !card.IsHub())
}

// copyRetry is how often a hub that is an older copy asks the hub above again.
const copyRetry = 2 * time.Hour

// errOlder is why the line to the hub above is down.
var errOlder = errors.New("another box with this hub's identity has taken over")

// foundOlder takes this hub off the line to the hub above, which remembers
// another box of it.
func (h *Hub) foundOlder(_ context.Context, peer string, _ uuid.UUID) {
	h.upstream.mu.RLock()
	link := h.upstream.link
	h.upstream.mu.RUnlock()
	if h.upstream.is(peer) && link != nil {
		link.Rest(copyRetry, errOlder)
		h.log.Error("this hub is an older copy: another box has spoken for it at the hub above since", "hub", peer)
	}
}
