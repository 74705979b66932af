package exchange

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/sync/engine"
	"tram/sync/schedule"
	"tram/sync/wire"
)

// Bounds of one session.
const (
	// DefaultBacklog is how many outgoing bundles a session holds in memory at
	// once; the rest waits in the queue.
	DefaultBacklog = 256
	// controlQueue is how many control frames may wait for the link. What does
	// not fit is lost, as on any transport; the engine repeats it.
	controlQueue = 256
	// helloEvery is how long an unanswered HELLO waits for its repetition.
	helloEvery = 10 * time.Second
	// statsEvery is how old Node.Stats may be while something happens.
	statsEvery = 200 * time.Millisecond
	// maxFirst is how many bundles may go first at a time.
	maxFirst = 256
)

// ErrSuperseded says that a newer session with the same neighbour took over.
var ErrSuperseded = errors.New("superseded by a newer session")

// Options configures a Node.
type Options struct {
	Office   string    // own code, spoken in HELLO
	Software string    // for people, spoken in HELLO
	Epoch    uuid.UUID // of the own store
	Queue    storage.Queue
	Guard    Guard
	Engine   engine.Config    // zero fields take the engine's defaults
	Backlog  int              // 0 means DefaultBacklog
	Observer Observer         // nil: nobody watches
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // nil means time.Now
}

// Node is one machine's side of all its sessions.
type Node struct {
	o    Options
	pace *pacer
	mu   sync.Mutex
	// sessions by neighbour code
	sessions map[string]*session
	rules    schedule.Rules
	first    map[storage.ID]bool // asked for, not yet here or there; at most maxFirst
	arriving map[storage.ID]*arriving
}

// NewNode makes a Node.
func NewNode(o Options) *Node {
	if o.Backlog == 0 {
		o.Backlog = DefaultBacklog
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Node{o: o, pace: newPacer(), sessions: map[string]*session{}, first: map[storage.ID]bool{}, arriving: map[storage.ID]*arriving{}}
}

// Run holds the session with one neighbour over t until t ends or ctx does.
// Links may come and go meanwhile. A second Run for the same neighbour ends
// the first with ErrSuperseded.
func (n *Node) Run(ctx context.Context, peer string, t Transport) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := newSession(n, peer, t, cancel)
	n.enter(s)
	defer n.leave(s)
	return s.run(ctx)
}

func (n *Node) enter(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.sessions[s.peer]; old != nil {
		old.cancel(ErrSuperseded)
	}
	n.sessions[s.peer] = s
}

func (n *Node) leave(s *session) {
	s.cancel(nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions[s.peer] == s {
		delete(n.sessions, s.peer)
	}
}

// Kick tells the session with peer that the queue has something new for it.
// Without a session it does nothing: a session reads the queue when it starts.
func (n *Node) Kick(peer string) {
	if s := n.session(peer); s != nil {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// Withdraw tells every session that a bundle is no longer offered.
func (n *Node) Withdraw(id storage.ID, code wire.Code) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.first, id)
	for _, s := range n.sessions {
		s.post(engine.Withdrawn{ID: id, Code: code})
	}
}

// SetRules says what may travel from now on, over every line of this node. What
// they hold back stays queued, and goes when they allow it.
func (n *Node) SetRules(r schedule.Rules) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules = r
	for _, s := range n.sessions {
		s.post(engine.Restrict{Rules: r})
	}
}

func (n *Node) rulesNow() schedule.Rules {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rules
}

// First asks that a bundle goes before others of its class and whatever the
// rules say: an outgoing one is sent first, an incoming one is asked of the
// neighbour first. Hỏa tốc and thượng khẩn still go before it. It holds over
// sessions, for at most maxFirst bundles at a time; it is false when there are
// too many.
func (n *Node) First(id storage.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.first[id] && len(n.first) >= maxFirst {
		return false
	}
	n.first[id] = true
	for _, s := range n.sessions {
		s.post(engine.First{ID: id})
	}
	return true
}

// asked lists what First was called for.
func (n *Node) asked() []storage.ID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Keys(n.first), func(a, b storage.ID) int { return bytes.Compare(a[:], b[:]) })
}

// answered forgets that First was called for a bundle.
func (n *Node) answered(id storage.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.first, id)
}

// Stats tells how the machine of the session with peer stands, and what it has
// measured of the line; false without a session.
func (n *Node) Stats(peer string) (engine.Stats, bool) {
	if s := n.session(peer); s != nil {
		if stats := s.stats.Load(); stats != nil {
			return *stats, true
		}
	}
	return engine.Stats{}, false
}

// Silence is how long peer has said nothing since it was greeted, offered or sent
// something over the link that is up. 0 when it owes no answer.
func (n *Node) Silence(peer string) time.Duration {
	if s := n.session(peer); s != nil {
		if since := s.asked.Load(); since != nil {
			return n.o.Now().Sub(*since)
		}
	}
	return 0
}

func (n *Node) session(peer string) *session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions[peer]
}

// Parked counts the bundles that are not offered to peer now, see Observer.
func (n *Node) Parked(peer string) int {
	if s := n.session(peer); s != nil {
		return s.trial.countParked()
	}
	return 0
}

type nobody struct{}

func (nobody) Progress(string, storage.ID, int64, int64) {}
func (nobody) Session(string, bool, wire.Hello)          {}
func (nobody) Parked(string, storage.ID, error)          {}
