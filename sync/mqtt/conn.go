package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sync/semaphore"
)

// protocol is MQTT 3.1.1. Naming it keeps paho from a second attempt with 3.1.
const protocol = 4

// publishTimeout is paho's WriteTimeout: how long a publish waits for the one
// before it. The line itself is watched by meter.
const publishTimeout = time.Minute

// settleTime is how long a closed socket waits for paho to say why it closed it.
const settleTime = 250 * time.Millisecond

// farewell bounds the leave-taking of Close.
const farewell = 2 * time.Second

// proxyPatience is how many times longer a line may bring acknowledgements but
// no byte: a large offer on a slow line is still on its way, or a carrier's proxy
// acknowledges what it cannot pass on.
const proxyPatience = 3

// spec describes the connection that a Client or a Hub wants.
type spec struct {
	id       string   // client id: our topic level
	filters  []string // subscriptions, see conn.subscribe
	presence string   // our presence topic
	office   string   // our code
	software string
	// begin is called before the subscription, so that messages find a place;
	// message for each one, from one goroutine, and must not block.
	begin   func(c *conn)
	message func(c *conn, topic string, payload []byte, retained bool)
	trying  func(server string)
	// expecting is nil when a silent line may be left to the keepalive.
	expecting *expectation
}

// conn is one connection to a broker, from CONNACK to its end. It is never
// revived.
type conn struct {
	server          string
	mq              paho.Client
	online, offline record
	spec            *spec
	acks            *semaphore.Weighted
	ackBytes        int64
	control, bulk   chan *request
	proven          atomic.Bool // the neighbour has answered over it
	leaving         atomic.Bool // close has begun

	over chan struct{} // closed at the end

	mu     sync.Mutex
	socket *guard
	err    error
	ended  bool
}

// request is a publish on its way to the line.
type request struct {
	topic   string
	payload []byte // owned
	qos     byte
	retain  bool
	again   bool       // says what was said before: dropped once leave is taken
	room    int64      // bytes taken from acks
	taken   chan error // the link has it
	acked   chan error // the broker acknowledged it; nil when nobody waits
}

// connect tries each server once and returns the first connection that is
// subscribed and announced.
func (o *opener) connect(ctx context.Context, s *spec) (*conn, error) {
	var all error
	first := int(o.last.Load())
	for i := range o.servers {
		at := (first + i) % len(o.servers)
		c, err := o.connectTo(ctx, s, o.servers[at])
		if err == nil {
			o.last.Store(int32(at))
			return c, nil
		}
		all = errors.Join(all, fmt.Errorf("connect to %s: %w", o.servers[at], err))
	}
	return nil, all
}

func (o *opener) connectTo(ctx context.Context, s *spec, server string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.tuning.ConnectTimeout)
	defer cancel()
	s.trying(server)
	c := &conn{
		server: server, spec: s,
		acks: semaphore.NewWeighted(int64(o.tuning.AckBytes)), ackBytes: int64(o.tuning.AckBytes),
		control: make(chan *request), bulk: make(chan *request), over: make(chan struct{}),
	}
	c.online, c.offline = announcement(s.office, s.software, time.Now())
	c.mq = paho.NewClient(o.pahoOptions(ctx, c))
	if err := c.handshake(ctx); err != nil {
		c.end(err)
		return nil, err
	}
	go c.write()
	if s.expecting != nil {
		go c.watch(o.tuning, s.expecting)
	}
	s.begin(c)
	if err := c.join(ctx); err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

func (o *opener) pahoOptions(ctx context.Context, c *conn) *paho.ClientOptions {
	opts := paho.NewClientOptions().
		AddBroker("tcp://"+c.server). // only a label: the connection comes from open
		SetClientID(c.spec.id).
		SetProtocolVersion(protocol).
		SetCleanSession(true).
		SetStore(paho.NewMemoryStore()).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true). // the handler never blocks, see the package comment
		SetKeepAlive(o.tuning.KeepAlive).
		SetPingTimeout(o.tuning.PingTimeout).
		SetWriteTimeout(publishTimeout).
		SetConnectTimeout(o.tuning.ConnectTimeout).
		SetBinaryWill(c.spec.presence, c.offline.encode(), 1, true)
	opts.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		c.spec.message(c, m.Topic(), m.Payload(), m.Retained())
	})
	opts.SetConnectionLostHandler(func(_ paho.Client, err error) { c.end(err) })
	opts.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		secure, line, err := o.open(ctx, c.server)
		if err != nil {
			return nil, err
		}
		g := &guard{Conn: secure, line: line, filters: len(c.spec.filters), ended: c.socketEnded, pong: make(chan struct{}, 1)}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended {
			line.Close()
			return nil, c.err
		}
		c.socket = g
		return g, nil
	})
	return opts
}

// handshake does TCP, TLS and CONNECT.
func (c *conn) handshake(ctx context.Context) error {
	token := c.mq.Connect()
	err := c.await(ctx, token)
	if err == nil {
		return nil
	}
	var alert *net.OpError
	code := byte(0)
	if connect, ok := token.(*paho.ConnectToken); ok && ctx.Err() == nil {
		code = connect.ReturnCode()
	}
	if (code >= 1 && code <= 5) || (errors.As(err, &alert) && alert.Op == "remote error") {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// join subscribes and announces our presence, in this order: whoever sees us
// online can reach us. Neither waits for the other's answer, to save a round
// trip.
func (c *conn) join(ctx context.Context) error {
	token, err := c.subscribe(ctx)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	q := &request{topic: c.spec.presence, payload: c.online.encode(), qos: 1, retain: true}
	if err := c.send(ctx, q, false); err != nil {
		return fmt.Errorf("announce presence: %w", err)
	}
	if err := c.await(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, granted := range token.(*paho.SubscribeToken).Result() {
		if granted > 1 {
			return fmt.Errorf("%w: subscription to %s", ErrRefused, filter)
		}
	}
	return nil
}

// subscribe hands our only SUBSCRIBE to the line. It asks for QoS 0: with a clean
// session a higher one saves nothing that the exchange does not send again by
// itself, costs an acknowledgement for each frame, and makes a broker hold back,
// repeat and reorder frames when a slow line is late with those (NATS after 30 s,
// RabbitMQ after ten frames). paho blocks up to publishTimeout over a connection
// that ends at this moment; it is then left to itself.
func (c *conn) subscribe(ctx context.Context) (paho.Token, error) {
	filters := map[string]byte{}
	for _, filter := range c.spec.filters {
		filters[filter] = 0
	}
	asked := make(chan paho.Token, 1)
	go func() { asked <- c.mq.SubscribeMultiple(filters, nil) }()
	select {
	case token := <-asked:
		return token, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.over:
		return nil, c.cause()
	}
}

// announce publishes our presence and waits for the acknowledgement.
func (c *conn) announce(ctx context.Context, r record) error {
	q := &request{topic: c.spec.presence, payload: r.encode(), qos: 1, retain: true, acked: make(chan error, 1)}
	if err := c.send(ctx, q, false); err != nil {
		return fmt.Errorf("announce presence: %w", err)
	}
	select {
	case err := <-q.acked:
		return err
	case <-ctx.Done():
		return fmt.Errorf("announce presence: %w", ctx.Err())
	case <-c.over:
		return fmt.Errorf("announce presence: %w", c.cause())
	}
}

// announceAgain publishes that we are online after a wait, for somebody who may
// not know. It does nothing on a connection that is over or takes leave.
func (c *conn) announceAgain(wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-c.over:
		return
	}
	q := &request{topic: c.spec.presence, payload: c.online.encode(), qos: 1, retain: true, again: true}
	_ = c.send(context.Background(), q, false) // fails with the connection only
}

// await waits for a token. A token may never complete, so it is never enough.
func (c *conn) await(ctx context.Context, token paho.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-c.over:
		// paho completes the token with the better reason a moment later.
		if token.WaitTimeout(settleTime) && token.Error() != nil {
			return token.Error()
		}
		return c.cause()
	}
}

// send hands a request to the line: a bulk one is written to the socket when it
// returns nil, another one is on its way.
func (c *conn) send(ctx context.Context, q *request, bulk bool) error {
	q.taken = make(chan error, 1)
	if q.qos > 0 {
		if err := c.reserve(ctx, q); err != nil {
			return err
		}
	}
	lane := c.control
	if bulk {
		lane = c.bulk
	}
	select {
	case lane <- q:
	case <-ctx.Done():
		c.acks.Release(q.room)
		return ctx.Err()
	case <-c.over:
		return c.down()
	}
	select {
	case err := <-q.taken:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.over:
		return c.down()
	}
}

// reserve takes room among the frames that the broker has not acknowledged.
func (c *conn) reserve(ctx context.Context, q *request) error {
	room := min(int64(len(q.payload)), c.ackBytes)
	if !c.acks.TryAcquire(room) {
		ctx, cancel := context.WithCancelCause(ctx)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-c.over:
				cancel(c.down())
			case <-stop:
				cancel(nil)
			}
		}()
		if err := c.acks.Acquire(ctx, room); err != nil {
			return context.Cause(ctx)
		}
	}
	q.room = room
	return nil
}

// write is the only goroutine that publishes: control requests first, one bulk
// request at a time.
func (c *conn) write() {
	for {
		var q *request
		select {
		case q = <-c.control:
		default:
			select {
			case q = <-c.control:
			case q = <-c.bulk:
			case <-c.over:
				return
			}
		}
		if q.again && c.leaving.Load() {
			c.acks.Release(q.room)
			q.taken <- ErrClosed
			continue
		}
		token := c.mq.Publish(q.topic, q.qos, q.retain, q.payload)
		if q.qos == 0 {
			q.taken <- c.await(context.Background(), token)
			continue
		}
		q.taken <- nil
		go c.awaitAck(token, q)
	}
}

// watch ends a connection over which nothing comes although something is
// expected.
func (c *conn) watch(t Tuning, expecting *expectation) {
	tick := time.NewTicker(t.ProbeAfter / 4)
	defer tick.Stop()
	var probed time.Time
	for {
		select {
		case <-c.over:
			return
		case now := <-tick.C:
			since, busy := expecting.since()
			if !busy {
				continue
			}
			deaf, unheard := c.socket.line.deaf(now)
			deaf, unheard = min(deaf, now.Sub(since)), min(unheard, now.Sub(since))
			switch {
			case unheard >= t.DeadAfter, deaf >= proxyPatience*t.DeadAfter:
				c.end(ErrSilent)
				return
			case deaf >= t.ProbeAfter && now.Sub(probed) >= t.ProbeAfter:
				probed = now
				go c.socket.ping() // an error ends the connection by itself
			}
		}
	}
}

// expectation says whether something ought to come over the line, and since
// when.
type expectation struct{ at atomic.Int64 }

func (e *expectation) set(busy bool) {
	switch {
	case !busy:
		e.at.Store(0)
	default:
		e.at.CompareAndSwap(0, time.Now().UnixNano())
	}
}

func (e *expectation) since() (time.Time, bool) {
	at := e.at.Load()
	return time.Unix(0, at), at != 0
}

func (c *conn) awaitAck(token paho.Token, q *request) {
	err := c.await(context.Background(), token)
	c.acks.Release(q.room)
	if q.acked != nil {
		q.acked <- err
	}
}

// close says goodbye, so that our last will is not sent, and ends the connection.
func (c *conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	c.leaving.Store(true)
	c.offline.At = time.Now().UTC().Truncate(time.Second)
	if c.announce(ctx, c.offline) == nil {
		c.mq.Disconnect(uint(settleTime.Milliseconds()))
	}
	c.end(ErrClosed)
}

// socketEnded is told by guard what happened to the socket.
func (c *conn) socketEnded(err error) {
	if err != nil {
		c.end(err)
		return
	}
	// paho closed it and tells why soon, if at all.
	time.AfterFunc(settleTime, func() { c.end(errEnded) })
}

// end ends the connection; the first reason counts. Closing the socket makes
// paho stop its goroutines.
func (c *conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.err = true, err
	if c.socket != nil {
		c.socket.Close()
	}
	close(c.over)
}

func (c *conn) localAddr() netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket == nil {
		return netip.Addr{}
	}
	tcp, ok := c.socket.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *conn) down() error { return fmt.Errorf("%w: %w", ErrDown, c.cause()) }
