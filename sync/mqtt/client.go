package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/sync/exchange"
	"tram/sync/wire"
)

// Client is the office's end of the link to its hub. It is an
// [exchange.Transport] and safe for use by several goroutines.
type Client struct {
	topics Topics
	hub    string // level of the hub
	up     string // topics
	down   string
	health string

	keeper *keeper
	open   *opener
	spec   *spec
	stats  counters
	inbox  *inbox
	spread time.Duration
	stop   context.CancelFunc
	done   chan struct{}

	expecting expectation

	mu      sync.Mutex
	conn    *conn
	joined  bool      // conn is subscribed and announced
	told    bool      // the hub's presence came live over conn
	present uuid.UUID // session of the hub while it is online
	shown   uuid.UUID // session of the hub that the reader knows as up
}

var _ exchange.Transport = (*Client)(nil)

// Dial starts a client and returns at once. It connects in the background and
// keeps the connection until Close. The error is about the options.
func Dial(o Options) (*Client, error) {
	topics, err := TopicsOf(o.Hub)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	level, err := Level(o.Office)
	if err != nil {
		return nil, fmt.Errorf("check options: office: %w", err)
	}
	hub, _ := Level(o.Hub)
	if hub == level {
		return nil, errors.New("check options: office is the hub itself")
	}
	if err := checkServers(o.Servers); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	tuning := o.Tuning.withDefaults()
	c := &Client{
		topics: topics, hub: hub, up: topics.Up(level), down: topics.Down(level), health: topics.Health(level),
		inbox:  newInbox(tuning.QueueFrames, &budget{limit: int64(tuning.QueueBytes)}),
		spread: tuning.AnnounceSpread,
		done:   make(chan struct{}),
	}
	c.open = &opener{servers: o.Servers, tls: o.TLS, roots: o.Roots, tuning: tuning, dial: o.DialContext, stats: &c.stats}
	c.keeper = newKeeper(tuning.Backoff, o.Logger.With("office", o.Office, "hub", o.Hub), &c.stats)
	c.keeper.connect, c.keeper.lost = c.connect, c.lost
	c.spec = &spec{
		id: level, presence: topics.Presence(level), office: o.Office, software: o.Software,
		filters: []string{c.down, topics.Presence(hub)},
		begin:   c.begin, message: c.message, trying: c.keeper.trying, expecting: &c.expecting,
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() {
		defer close(c.done)
		c.keeper.run(ctx)
	}()
	return c, nil
}

// Events implements [exchange.Transport].
func (c *Client) Events() <-chan exchange.LinkEvent { return c.inbox.ch }

// Send implements [exchange.Transport]. Bulk frames go with QoS 0, others with
// QoS 1. Errors are [ErrDown], [ErrTooLarge] or that of ctx.
func (c *Client) Send(ctx context.Context, frame []byte, bulk bool) error {
	c.mu.Lock()
	conn, up := c.conn, c.shown != uuid.Nil
	c.mu.Unlock()
	if !up {
		conn = nil
	}
	return sendFrame(ctx, conn, &c.stats, c.up, frame, bulk)
}

func sendFrame(ctx context.Context, c *conn, stats *counters, topic string, frame []byte, bulk bool) error {
	switch {
	case len(frame) > wire.MaxFrame:
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(frame))
	case len(frame) == 0:
		return errors.New("send frame: frame is empty")
	case ctx.Err() != nil:
		return ctx.Err()
	case c == nil:
		return ErrDown
	}
	q := &request{topic: topic, payload: slices.Clone(frame), qos: 1}
	if bulk {
		q.qos = 0
	}
	if err := c.send(ctx, q, bulk); err != nil {
		return err
	}
	stats.sentFrames.Add(1)
	return nil
}

// Expect says whether content is under way, in either direction. While it is, a
// line that turns silent is given up after Tuning.DeadAfter instead of after
// the keepalive.
func (c *Client) Expect(content bool) { c.expecting.set(content) }

// Health publishes a heartbeat, a small JSON document, when nothing more urgent
// waits for the line. It may be lost.
func (c *Client) Health(ctx context.Context, report []byte) error {
	c.mu.Lock()
	conn, joined := c.conn, c.joined
	c.mu.Unlock()
	if !joined {
		return ErrDown
	}
	return conn.send(ctx, &request{topic: c.health, payload: slices.Clone(report)}, true)
}

// Kick asks for an attempt to connect within a second, for example when the
// network came up or somebody pressed a button. It does nothing while connected.
func (c *Client) Kick() { c.keeper.try() }

// Rest makes no new connection for so long, Kick or not, and ends the present
// one as soon as what was given to Send can have left it.
func (c *Client) Rest(d time.Duration, why error) {
	c.keeper.rest(d)
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		time.AfterFunc(farewell, func() { conn.end(why) })
	}
}

// Reset ends the connection, or the attempt to get one, at once and without a
// farewell, and tries anew: for a network that is known to have gone, where
// waiting for timeouts would only lose time. cause is for Status and the log.
func (c *Client) Reset(cause error) { c.keeper.reset(cause) }

// LocalAddr is this end of the connection, by which one finds the network
// interface that it goes over. It is the zero address while there is none.
func (c *Client) LocalAddr() netip.Addr {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return netip.Addr{}
	}
	return conn.localAddr()
}

// Status tells how the connection is.
func (c *Client) Status() Status {
	s := c.keeper.snapshot()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Up = c.shown != uuid.Nil
	return s
}

// Stats counts what went over the link.
func (c *Client) Stats() Stats { return c.stats.snapshot() }

// Close takes leave of the broker, which takes at most a few seconds on a bad
// line, and closes Events. It may be called again.
func (c *Client) Close() error {
	c.stop()
	<-c.done
	c.inbox.close()
	return nil
}

func (c *Client) connect(ctx context.Context) (*conn, error) {
	conn, err := c.open.connect(ctx, c.spec)
	if err != nil {
		c.forget(nil, err)
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = true
	c.settle(nil)
	return conn, nil
}

func (c *Client) begin(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.joined, c.told, c.present = conn, false, false, uuid.Nil
}

func (c *Client) lost(conn *conn) {
	cause := conn.cause()
	if cause == nil { // Close
		cause = ErrClosed
		c.forget(conn, cause)
		conn.close()
		return
	}
	c.forget(conn, cause)
}

// forget ends the use of conn, or of any.
func (c *Client) forget(conn *conn, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn != nil && c.conn != conn {
		return
	}
	c.conn, c.joined, c.present = nil, false, uuid.Nil
	c.settle(cause)
}

// settle tells the reader about Up and Down. c.mu is held.
func (c *Client) settle(cause error) {
	want := uuid.Nil
	if c.joined {
		want = c.present
	}
	showChange(c.inbox, &c.shown, want, cause)
}

// message takes what the broker sends. It must not block.
func (c *Client) message(conn *conn, topic string, payload []byte, retained bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != conn {
		return
	}
	if topic == c.topics.Presence(c.hub) {
		c.hubPresence(conn, payload, retained)
		return
	}
	if topic != c.down || len(payload) == 0 || len(payload) > wire.MaxFrame {
		c.stats.stray.Add(1)
		return
	}
	if !c.told && c.present == uuid.Nil {
		// A hub that speaks is there. Its presence may have been missed: NATS
		// loses a retained message to those who subscribe while it is stored.
		c.present = unknownSession
		c.settle(nil)
	}
	if c.shown == uuid.Nil {
		c.stats.stray.Add(1)
		return
	}
	conn.proven.Store(true)
	c.stats.receivedFrames.Add(1)
	if !c.inbox.frame(payload) {
		c.stats.dropped.Add(1)
	}
}

func (c *Client) hubPresence(conn *conn, payload []byte, retained bool) {
	r, err := parsePresence(payload, c.hub)
	if err != nil {
		c.stats.stray.Add(1)
		c.keeper.log.Warn("hub presence is not readable", "error", err)
		return
	}
	c.told = c.told || !retained
	switch {
	case r.online():
		if r.Session != c.present && !retained {
			// The hub has come after us. Not every broker gives it our presence
			// then: RabbitMQ has no retained messages for a wildcard.
			go conn.announceAgain(rand.N(c.spread))
		}
		if c.present == unknownSession && c.shown == unknownSession {
			c.shown = r.Session // the same hub, now by name
		}
		c.present = r.Session
	case r.Session != c.present && c.present != unknownSession:
		return // the last will of a connection that was replaced meanwhile
	default:
		c.present = uuid.Nil
	}
	c.settle(nil)
}
