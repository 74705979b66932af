package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/sync/engine"
	"tram/sync/wire"
)

// session is one neighbour's side of a Node. Its loop goroutine owns all
// fields below the line; the sender goroutines only see the jobs they get.
type session struct {
	node   *Node
	peer   string
	link   Transport
	log    *slog.Logger
	cancel context.CancelCauseFunc
	kick   chan struct{}
	posts  *mailbox[posted] // events from other goroutines
	jobs   lane[job]        // offers and chunks to send
	frames lane[control]    // control frames and offers to send
	stats  atomic.Pointer[engine.Stats]
	trial  *trial // of frames that end the connection
	// asked is since when an answer of the neighbour is waited for; nil when it has
	// said something since.
	asked atomic.Pointer[time.Time]

	machine  *engine.Peer
	round    int       // grows with each session; answers of an older round are dropped
	up       bool      // link
	mine     uuid.UUID // own session ID of this link-up
	theirs   wire.Hello
	agreed   bool   // HELLO both ways
	told     bool   // an answer to an answer was sent for this session of theirs
	toldLog  bool   // one was sent for the sake of its Log
	saidLog  []byte // Log of the last HELLO of this session
	outgoing map[storage.ID]storage.Outgoing
	more     bool                  // the queue has bundles beyond the backlog
	incoming map[storage.ID][]byte // headers of admitted bundles
	busy     bool                  // as the link was told
	shown    time.Time             // when stats was last set
	stepped  []func()              // to be called at the end of the present step
	wake     *time.Timer
	helloDue *time.Timer
}

type posted struct {
	round int // 0: of any round
	event engine.Event
}

func newSession(n *Node, peer string, t Transport, cancel context.CancelCauseFunc) *session {
	return &session{
		node: n, peer: peer, link: t, cancel: cancel,
		log:   n.o.Logger.With("peer", peer),
		kick:  make(chan struct{}, 1),
		posts: newMailbox[posted](),
		trial: newTrial(n.o.Now),
		wake:  stopped(), helloDue: stopped(),
	}
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// ask notes that a frame goes out which the neighbour has to answer.
func (s *session) ask() {
	now := s.node.o.Now()
	s.asked.CompareAndSwap(nil, &now)
}

func (s *session) post(ev engine.Event) { s.posts.put(posted{event: ev}) }

// run is small on the stack, as is what leads to it: at rest it fits into a quarter
// of 8 KiB, so that the collector may shrink a stack that work has made grow.
func (s *session) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var senders sync.WaitGroup
	defer func() { stop(); senders.Wait(); s.end() }()
	s.jobs = lane[job]{group: &senders, do: func(j job) { s.posts.put(posted{round: j.round, event: s.sendJob(ctx, j)}) }}
	s.frames = lane[control]{group: &senders, limit: controlQueue, do: func(c control) { s.sendControlFrame(ctx, c) }}
	events := s.link.Events()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case ev, ok := <-events:
			if !ok {
				return nil
			}
			s.linkEvent(ctx, ev)
		case <-s.kick:
			s.refill(ctx)
		case <-s.posts.ready:
			s.takePosts(ctx)
		case <-s.wake.C:
			s.step(ctx, engine.Tick{})
		case <-s.helloDue.C:
			if s.up && !s.agreed {
				s.hello(ctx, nil)
			}
		}
	}
}

func (s *session) takePosts(ctx context.Context) {
	for _, p := range s.posts.take() {
		if s.machine != nil && (p.round == 0 || p.round == s.round) {
			s.step(ctx, p.event)
		}
	}
}

func (s *session) end() {
	s.wake.Stop()
	s.helloDue.Stop()
	s.forgetAll()
	if s.agreed {
		s.node.o.Observer.Session(s.peer, false, s.theirs)
	}
}

func (s *session) linkEvent(ctx context.Context, ev LinkEvent) {
	switch {
	case ev.Up:
		s.trial.ended(false) // what was tried in between never left
		s.linkDown(ctx)
		s.up, s.mine = true, uuid.New()
		s.hello(ctx, nil)
	case ev.Down:
		if s.up {
			s.log.Info("link is down", "error", ev.Err)
			s.park(ev)
		}
		s.linkDown(ctx)
	default:
		if err := s.received(ctx, ev.Frame); err != nil {
			s.log.Warn("frame not used", "error", err)
		}
	}
}

// park sets bundles aside whose frames end the connection.
func (s *session) park(down LinkEvent) {
	for _, id := range s.trial.ended(down.Cut) {
		s.log.Error("bundle parked: its frame ends the connection each time", "id", id, "for", ParkTime, "error", down.Err)
		s.node.o.Observer.Parked(s.peer, id, down.Err)
		time.AfterFunc(ParkTime, s.Kick)
	}
}

func (s *session) linkDown(ctx context.Context) {
	s.helloDue.Stop()
	if s.agreed {
		s.step(ctx, engine.Down{})
		s.node.o.Observer.Session(s.peer, false, s.theirs)
		s.outgoing = nil // read again when the neighbour is back
		s.forgetAll()
	}
	s.parted()
	s.asked.Store(nil)
	s.up, s.agreed, s.told, s.theirs = false, false, false, wire.Hello{}
	s.toldLog, s.saidLog = false, nil
}

// hello opens the session with nil, or answers the neighbour's HELLO. That one
// may be an answer itself: then it is answered once, and only when there is
// something to say that could not be said before.
func (s *session) hello(ctx context.Context, heard *wire.Hello) {
	s.helloDue.Reset(helloEvery)
	o := s.node.o
	say := wire.Hello{
		Version: wire.Version, Office: o.Office, Session: s.mine,
		Epoch: o.Epoch, Now: o.Now(), Software: o.Software,
	}
	if heard != nil {
		say.Answers = heard.Session
	} else {
		s.ask()
	}
	if err := o.Guard.Greet(ctx, s.peer, &say, heard); err != nil {
		if ctx.Err() == nil {
			s.log.Error("hello not made", "error", err)
		}
		return
	}
	news := len(say.Card) > 0 || say.Known != say.Boot && say.Known != uuid.Nil
	logNews := len(say.Log) > 0 && !bytes.Equal(say.Log, s.saidLog)
	if heard != nil && heard.Answers == s.mine {
		if (s.told || !news) && (s.toldLog || !logNews) {
			return
		}
		s.toldLog = s.toldLog || logNews
	}
	s.told = s.told || heard != nil && news
	s.saidLog = say.Log
	s.sendControl(say)
}

func (s *session) received(ctx context.Context, raw []byte) error {
	if !s.up { // a hub hears an office before it knows that the link is up
		s.up, s.mine = true, uuid.New()
	}
	s.asked.Store(nil)
	frame, err := wire.Decode(raw)
	if err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	if h, ok := frame.(wire.Hello); ok {
		return s.helloReceived(ctx, h)
	}
	if !s.agreed {
		// The neighbour believes in a session that this side has forgotten.
		s.hello(ctx, nil)
		return nil
	}
	s.trial.answered(frame)
	s.step(ctx, engine.Frame{Frame: frame})
	return nil
}

func (s *session) helloReceived(ctx context.Context, h wire.Hello) error {
	if !strings.EqualFold(h.Office, s.peer) {
		err := fmt.Errorf("hello of office %q on the line of %q", h.Office, s.peer)
		return errors.Join(err, s.node.o.Guard.Hello(ctx, s.peer, h, false))
	}
	if s.agreed && h.Session != s.theirs.Session {
		s.linkDownKeepLine(ctx)
	}
	err := s.node.o.Guard.Hello(ctx, s.peer, h, h.Answers == s.mine)
	unsettled, older := errors.Is(err, ErrUnsettled), errors.Is(err, ErrCopy)
	if err == nil || unsettled || older { // an older copy says what it is
		s.hello(ctx, &h)
	}
	if older {
		s.helloDue.Stop()
	}
	if unsettled {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check hello: %w", err)
	}
	s.theirs = h
	if !s.agreed {
		s.agree(ctx)
	}
	return nil
}

// linkDownKeepLine ends the session because the neighbour began another one
// on the same line.
func (s *session) linkDownKeepLine(ctx context.Context) {
	mine := s.mine
	s.linkDown(ctx)
	s.up, s.mine = true, mine
}

// agree starts a fresh machine from the store for the session just agreed.
func (s *session) agree(ctx context.Context) {
	s.agreed = true
	s.helloDue.Stop()
	s.round++
	config := s.node.o.Engine
	if s.machine != nil {
		config.Known = s.machine.Stats().Line
	}
	s.machine = engine.New(config)
	s.outgoing = map[storage.ID]storage.Outgoing{}
	s.forgetAll()
	s.log.Info("session agreed", "software", s.theirs.Software, "epoch", s.theirs.Epoch)
	s.node.o.Observer.Session(s.peer, true, s.theirs)
	// An observer may have set rules for this line: nothing goes before they hold.
	s.machine.Step(s.node.o.Now(), engine.Restrict{Rules: s.node.rulesNow()})
	if done := s.node.pace.begin(ctx); done != nil {
		s.refill(ctx)
		done()
	}
	s.step(ctx, engine.Up{})
	for _, id := range s.node.asked() {
		s.step(ctx, engine.First{ID: id})
	}
}

// refill makes outgoing bundles of the store known to the machine.
func (s *session) refill(ctx context.Context) {
	if !s.agreed {
		return
	}
	backlog := s.node.o.Backlog + s.trial.countParked()
	list, err := s.node.o.Queue.Outgoing(ctx, s.peer, s.theirs.Epoch, backlog)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("outgoing bundles not listed", "error", err)
		}
		return
	}
	s.more = len(list) == backlog
	for _, out := range list {
		if _, known := s.outgoing[out.ID]; known || s.trial.isParked(out.ID) {
			continue
		}
		s.outgoing[out.ID] = out
		s.step(ctx, engine.Queued{Item: item(out)})
	}
}

// settled forgets an outgoing bundle and fetches more when many are done.
func (s *session) settled(ctx context.Context, id storage.ID) {
	delete(s.outgoing, id)
	s.trial.forget(id)
	s.node.answered(id)
	if s.more && len(s.outgoing) < s.node.o.Backlog/2 {
		s.more = false
		s.Kick()
	}
}

// Kick asks the loop to look into the queue.
func (s *session) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// step feeds one event to the machine and carries out what it asks for. The
// answers of actions that are done here follow in the same order.
func (s *session) step(ctx context.Context, ev engine.Event) {
	if s.machine == nil {
		return
	}
	defer func() {
		for _, done := range s.stepped {
			done()
		}
		s.stepped = nil
	}()
	pending := []engine.Event{ev}
	for len(pending) > 0 && ctx.Err() == nil {
		next := pending[0]
		pending = pending[1:]
		for _, action := range s.machine.Step(s.node.o.Now(), next) {
			if answer := s.perform(ctx, action); answer != nil {
				pending = append(pending, answer)
			}
		}
	}
	busy := s.machine.Busy()
	if now := s.node.o.Now(); now.Sub(s.shown) >= statsEvery || busy != s.busy {
		s.shown = now
		stats := s.machine.Stats()
		s.stats.Store(&stats)
	}
	if busy != s.busy {
		s.busy = busy
		if e, ok := s.link.(Expecter); ok {
			e.Expect(busy)
		}
	}
}
