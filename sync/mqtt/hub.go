package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/sync/wire"
)

// MaxHealth bounds a heartbeat, in bytes; a larger one is ignored.
const MaxHealth = 4 << 10

// healthQueue bounds the heartbeats that wait for the reader of Hub.Health.
const healthQueue = 1024

// PresenceEvent says that an office came or went, as its broker tells.
type PresenceEvent struct {
	Office   string // code
	Level    string // topic level of the code
	Online   bool
	At       time.Time // when this hub learned it, by the hub's clock
	Said     time.Time // what the office's record says, by the office's clock
	Software string
	Retained bool // it was so before this hub connected
}

// Heartbeat is a health report of an office, as it was sent.
type Heartbeat struct {
	Office string
	At     time.Time // when it came, by the hub's clock
	Report []byte
}

// Hub is the hub's end of the links to its offices: one connection to the
// broker, and a [Peer] for each office. Safe for use by several goroutines.
type Hub struct {
	topics   Topics
	level    string
	lookup   func(level string) (string, bool)
	log      *slog.Logger
	frames   int
	budget   *budget
	keeper   *keeper
	open     *opener
	spec     *spec
	stats    counters
	peerFeed *feed[*Peer, *Peer]
	presence *feed[string, PresenceEvent]
	health   chan Heartbeat
	stop     context.CancelFunc
	done     chan struct{}

	mu     sync.RWMutex
	conn   *conn
	joined bool
	peers  map[string]*Peer // by level
	mended time.Time        // when our own presence was last repaired
	shared bool             // see ShareBroker
	closed bool
}

// NewHub starts a hub and returns at once. It connects in the background and
// keeps the connection until Close. The error is about the options.
func NewHub(o HubOptions) (*Hub, error) {
	topics, err := TopicsOf(o.Hub)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	if err := checkServers(o.Servers); err != nil {
		return nil, err
	}
	if o.Lookup == nil {
		return nil, errors.New("check options: no lookup of office codes")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	tuning := o.Tuning.withHubDefaults()
	level, _ := Level(o.Hub)
	h := &Hub{
		topics: topics, level: level, lookup: o.Lookup,
		log:    o.Logger.With("hub", o.Hub),
		frames: tuning.QueueFrames, budget: &budget{limit: int64(tuning.QueueBytes)},
		peerFeed: newFeed[*Peer, *Peer](), presence: newFeed[string, PresenceEvent](),
		health: make(chan Heartbeat, healthQueue),
		peers:  map[string]*Peer{}, done: make(chan struct{}), shared: o.SharedBroker,
	}
	h.open = &opener{servers: o.Servers, tls: o.TLS, tuning: tuning, dial: o.DialContext, stats: &h.stats}
	h.keeper = newKeeper(tuning.Backoff, h.log, &h.stats)
	h.keeper.connect, h.keeper.lost = h.connect, h.lost
	h.spec = &spec{
		id: level, presence: topics.Presence(level), office: o.Hub, software: o.Software,
		filters: []string{topics.Up("+"), topics.Presence("+"), topics.Health("+")},
		begin:   h.begin, message: h.message, trying: h.keeper.trying,
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() {
		defer close(h.done)
		h.keeper.run(ctx)
	}()
	return h, nil
}

// Peers delivers each office once, when its first frame or presence comes. The
// channel is closed by Close.
func (h *Hub) Peers() <-chan *Peer { return h.peerFeed.ch }

// Presence delivers changes of presence. An unread event is replaced by the
// next one of the same office, so the last word is never lost.
func (h *Hub) Presence() <-chan PresenceEvent { return h.presence.ch }

// Health delivers heartbeats; those that find the channel full are dropped and
// counted. The channel is closed by Close.
func (h *Hub) Health() <-chan Heartbeat { return h.health }

// Kick asks for an attempt to connect to the broker within a second.
func (h *Hub) Kick() { h.keeper.try() }

// Status tells how the connection to the broker is.
func (h *Hub) Status() Status {
	s := h.keeper.snapshot()
	s.Up = s.Connected
	return s
}

// Stats counts what went over the connection, all peers together.
func (h *Hub) Stats() Stats { return h.stats.snapshot() }

// Forget ends the peer of an office that is no longer served and closes its
// Events. A frame or presence that Lookup still accepts would make a new one.
func (h *Hub) Forget(code string) {
	level, err := Level(code)
	if err != nil {
		return
	}
	h.mu.Lock()
	p := h.peers[level]
	delete(h.peers, level)
	if p != nil {
		p.shown = uuid.Nil
	}
	h.mu.Unlock()
	if p != nil {
		p.inbox.close()
	}
}

// Close takes leave of the broker and closes all channels. It may be called
// again.
func (h *Hub) Close() error {
	h.stop()
	<-h.done
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	for _, p := range h.peers {
		p.inbox.close()
	}
	h.peerFeed.close()
	h.presence.close()
	close(h.health)
	return nil
}

// sharedID ends the client id of a hub that shares its broker.
const sharedID = ":hub"

// ShareBroker says that this process is, on the same broker, also an office of
// another hub. A broker has one connection for each client id, so that this hub
// takes another one than its code from the next connection on.
func (h *Hub) ShareBroker() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shared = true
}

// wanted is the connection as it is to be made now.
func (h *Hub) wanted() *spec {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := *h.spec
	if h.shared {
		s.id += sharedID
	}
	return &s
}

func (h *Hub) connect(ctx context.Context) (*conn, error) {
	conn, err := h.open.connect(ctx, h.wanted())
	if err != nil {
		h.forget(nil, err)
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.joined = true
	for _, p := range h.peers {
		p.settle(nil)
	}
	return conn, nil
}

func (h *Hub) begin(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn, h.joined = c, false
}

func (h *Hub) lost(c *conn) {
	cause := c.cause()
	if cause == nil { // Close
		h.forget(c, ErrClosed)
		c.close()
		return
	}
	h.forget(c, cause)
}

func (h *Hub) forget(c *conn, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c != nil && h.conn != c {
		return
	}
	h.conn, h.joined = nil, false
	for _, p := range h.peers {
		p.present, p.live = uuid.Nil, nil
		p.settle(cause)
	}
}

// message takes what the broker sends. It must not block.
func (h *Hub) message(c *conn, topic string, payload []byte, retained bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != c {
		return
	}
	kind, level, ok := h.topics.split(topic)
	if ok && kind == kindPresence && level == h.level {
		h.ownPresence(c, payload)
		return
	}
	var p *Peer
	if ok {
		p = h.peer(level)
	}
	if p == nil || len(payload) == 0 || len(payload) > wire.MaxFrame {
		h.stats.stray.Add(1)
		h.log.Debug("message ignored", "topic", topic, "bytes", len(payload))
		return
	}
	switch kind {
	case kindUp:
		c.proven.Store(true)
		p.frame(payload)
	case kindPresence:
		p.presence(c, payload, retained)
	case kindHealth:
		if len(payload) > MaxHealth || retained { // a retained one is of the past
			h.stats.stray.Add(1)
			return
		}
		select {
		case h.health <- Heartbeat{Office: p.code, At: time.Now(), Report: payload}:
		default:
			h.stats.dropped.Add(1)
		}
	default:
		h.stats.stray.Add(1)
	}
}

// peer gives the peer of a level, nil when there is no such office. h.mu is held.
func (h *Hub) peer(level string) *Peer {
	if p := h.peers[level]; p != nil {
		return p
	}
	code, ok := h.lookup(level)
	if !ok {
		return nil
	}
	if got, err := Level(code); err != nil || got != level {
		h.log.Warn("lookup gave an office of another level", "office", code, "level", level)
		return nil
	}
	p := &Peer{hub: h, code: code, level: level, down: h.topics.Down(level), inbox: newInbox(h.frames, h.budget)}
	h.peers[level] = p
	h.peerFeed.put(p, p)
	return p
}

// mendInterval paces repairs of our own presence.
const mendInterval = 5 * time.Second

// ownPresence repairs our presence when the broker holds another one: the last
// will of an earlier connection of ours came late. h.mu is held.
func (h *Hub) ownPresence(c *conn, payload []byte) {
	r, err := parsePresence(payload, h.level)
	if !h.joined || (err == nil && r.online() && r.Session == c.online.Session) {
		return
	}
	if time.Since(h.mended) < mendInterval {
		return
	}
	h.mended = time.Now()
	h.log.Warn("presence of this hub was overwritten at the broker")
	go c.announceAgain(0)
}

// Online lists the offices that are present, by code.
func (h *Hub) Online() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var codes []string
	for _, p := range h.peers {
		if p.shown != uuid.Nil {
			codes = append(codes, p.code)
		}
	}
	slices.Sort(codes)
	return codes
}
