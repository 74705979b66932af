package linktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Segment is the unit of loss in bytes: the payload of a TCP segment at the
// usual MTU. Loss is decided for each segment of a connection's stream.
const Segment = 1460

// DefaultBuffer is the queue of a line in bytes, as a small router has it.
const DefaultBuffer = 64 << 10

// readBuffer is SO_RCVBUF of a line with a rate, in bytes.
const readBuffer = 16 << 10

// dialTimeout bounds the proxy's own connection to its target.
const dialTimeout = 5 * time.Second

// Line describes one direction. The zero Line is as good as the network below.
type Line struct {
	Rate   int           // bytes per second, shared by all connections; 0 means unlimited
	Delay  time.Duration // one way
	Loss   float64       // probability that a segment is lost
	Stall  time.Duration // how long a lost segment holds up its connection (retransmission)
	Buffer int           // bytes that wait in the line; 0 means DefaultBuffer
}

// ProxyOptions for [NewProxy].
type ProxyOptions struct {
	Target   string // "host:port"
	Seed     uint64
	Up, Down Line // Up is from the client to the target
	// Lost hears of every loss: the connection by number from 1, the direction,
	// and the offset of the segment. It must not call the proxy.
	Lost func(connection uint64, up bool, offset int64)
}

// Proxy is a bad line in front of a TCP server. All methods are safe for use by
// several goroutines.
type Proxy struct {
	seed uint64
	lost func(connection uint64, up bool, offset int64)
	ln   net.Listener
	wg   sync.WaitGroup

	mu     sync.Mutex
	target string
	lines  [2]Line      // up, down
	free   [2]time.Time // when each direction has sent all it was given
	count  [2]atomic.Int64
	pairs  map[*pair]bool
	serial uint64
	refuse bool
	gate   chan struct{} // closed while traffic flows
	cutAt  int64         // cut when this many bytes have gone up; 0 means never
	closed bool
}

const (
	up   = 0
	down = 1
)

// pair is a client's connection and the proxy's own to the target.
type pair struct {
	serial         uint64
	client, target net.Conn
	quit           chan struct{}
	once           sync.Once
}

// NewProxy listens on a free port of the loopback address.
func NewProxy(o ProxyOptions) (*Proxy, error) {
	config := net.ListenConfig{Control: realisticSegments}
	ln, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{
		seed: o.Seed, lost: o.Lost, ln: ln, target: o.Target, lines: [2]Line{o.Up, o.Down},
		pairs: map[*pair]bool{}, gate: make(chan struct{}),
	}
	close(p.gate)
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Traffic counts the payload bytes that have been delivered in each direction.
func (p *Proxy) Traffic() (up, down int64) { return p.count[0].Load(), p.count[1].Load() }

// Set changes the line for what is read from now on.
func (p *Proxy) Set(upward, downward Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = [2]Line{upward, downward}
}

// SetTarget changes the server for new connections.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut resets every connection. Bytes in the line are lost. New connections are
// accepted at once, see Refuse.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for c := range p.pairs {
		c.reset()
	}
	p.free = [2]time.Time{}
}

// CutAfter cuts once, when n more bytes have gone up.
func (p *Proxy) CutAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt = p.count[up].Load() + n
}

// Refuse resets new connections while it is on.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Freeze stops all traffic and keeps connections open, as a line does that has
// died without a word.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default:
	}
}

// Thaw ends Freeze.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Close resets all connections and stops.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	err := p.ln.Close()
	p.cut()
	p.mu.Unlock()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(conn) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	target, refuse, slow := p.target, p.refuse || p.closed, p.lines[up].Rate > 0 || p.lines[down].Rate > 0
	p.serial++
	serial := p.serial
	p.mu.Unlock()
	if refuse {
		reset(client)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout, Control: realisticSegments}
	server, err := dialer.Dial("tcp", target)
	if err != nil {
		reset(client)
		return
	}
	if slow {
		// Else the kernel would buffer megabytes that have not crossed the line.
		for _, c := range []net.Conn{client, server} {
			c.(*net.TCPConn).SetReadBuffer(readBuffer)
		}
	}
	c := &pair{serial: serial, client: client, target: server, quit: make(chan struct{})}
	if !p.add(c) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.carry(c, up, client, server) })
	both.Go(func() { p.carry(c, down, server, client) })
	both.Wait()
	c.reset()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

func (p *Proxy) add(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.reset()
		return false
	}
	p.pairs[c] = true
	return true
}

func (c *pair) reset() {
	c.once.Do(func() {
		reset(c.client) // before carry hears of it, which would end the stream in order
		reset(c.target)
		close(c.quit)
	})
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// parcel is a piece of the stream on its way.
type parcel struct {
	data []byte
	due  time.Time
}

// carry moves one direction of a connection until it ends.
func (p *Proxy) carry(c *pair, dir int, src, dst net.Conn) {
	dice := rand.New(rand.NewPCG(p.seed, c.serial<<1|uint64(dir)))
	q := newQueue()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.deliver(c, dir, dst, q)
	}()
	var position int64
	var stalled time.Time
	for {
		if !p.flowing(c) {
			break
		}
		buf := make([]byte, Segment-position%Segment)
		n, err := src.Read(buf)
		if n > 0 {
			line := p.line(dir)
			if position%Segment == 0 && dice.Float64() < line.Loss {
				stalled = time.Now().Add(line.Delay + line.Stall)
				if p.lost != nil {
					p.lost(c.serial, dir == up, position)
				}
			}
			position += int64(n)
			due := p.schedule(dir, line, n)
			if due.Before(stalled) {
				due = stalled
			}
			q.put(parcel{buf[:n], due}, line.buffer(), c.quit)
		}
		if err != nil {
			break
		}
	}
	q.end()
	<-done
}

func (l Line) buffer() int {
	if l.Buffer > 0 {
		return l.Buffer
	}
	return DefaultBuffer
}

func (p *Proxy) line(dir int) Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[dir]
}

// schedule says when n bytes that enter the line now come out.
func (p *Proxy) schedule(dir int, line Line, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now()
	if line.Rate > 0 {
		if p.free[dir].After(at) {
			at = p.free[dir]
		}
		at = at.Add(time.Duration(n) * time.Second / time.Duration(line.Rate))
		p.free[dir] = at
	}
	return at.Add(line.Delay)
}

// flowing waits while the line is frozen.
func (p *Proxy) flowing(c *pair) bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-c.quit:
		return false
	}
}

func (p *Proxy) deliver(c *pair, dir int, dst net.Conn, q *queue) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		item, ok := q.take(c.quit)
		if !ok {
			break
		}
		if wait := time.Until(item.due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-c.quit:
				return
			}
		}
		if !p.flowing(c) {
			return
		}
		n, err := dst.Write(item.data)
		p.counted(dir, n)
		if err != nil {
			c.reset()
			return
		}
	}
	if tcp, ok := dst.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
}

func (p *Proxy) counted(dir, n int) {
	total := p.count[dir].Add(int64(n))
	if dir != up {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutAt > 0 && total >= p.cutAt {
		p.cutAt = 0
		p.cut()
	}
}

// queue holds the parcels in a line, bounded in bytes.
type queue struct {
	mu    sync.Mutex
	items []parcel
	bytes int
	over  bool
	moved chan struct{} // closed and replaced at every change
}

func newQueue() *queue { return &queue{moved: make(chan struct{})} }

func (q *queue) wake() {
	close(q.moved)
	q.moved = make(chan struct{})
}

func (q *queue) put(item parcel, limit int, quit <-chan struct{}) {
	for {
		q.mu.Lock()
		if q.bytes == 0 || q.bytes+len(item.data) <= limit {
			q.items = append(q.items, item)
			q.bytes += len(item.data)
			q.wake()
			q.mu.Unlock()
			return
		}
		moved := q.moved
		q.mu.Unlock()
		select {
		case <-moved:
		case <-quit:
			return
		}
	}
}

func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	q.wake()
}

// take removes the oldest parcel; it counts as in the line until the next take.
func (q *queue) take(quit <-chan struct{}) (parcel, bool) {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			item := q.items[0]
			q.items = q.items[1:]
			q.bytes -= len(item.data)
			q.wake()
			q.mu.Unlock()
			return item, true
		}
		over, moved := q.over, q.moved
		q.mu.Unlock()
		if over {
			return parcel{}, false
		}
		select {
		case <-moved:
		case <-quit:
			return parcel{}, false
		}
	}
}
