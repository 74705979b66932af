package line

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/link"
	"tram/sync/mqtt"
	"tram/sync/schedule"
)

const (
	// lookEvery is how often bytes are counted and rules decided.
	lookEvery = time.Second
	// askEvery is how often a modem that is down asks what waits.
	askEvery = 5 * time.Second
	// quiet and slow are how many bytes may go in lookEvery and in a minute over
	// a line that counts as idle: pings and their answers with room to spare.
	quiet = 1000
	slow  = 4000
	// farewell bounds the down command at the program's end.
	farewell = 10 * time.Second
)

// Reasons for which a connection is given up. They are for the log.
var (
	errGone   = errors.New("the network interface of the connection is gone")
	errNew    = errors.New("another line came up")
	errBetter = errors.New("a line that costs nothing came up")
)

// Connection is the line to the hub. *mqtt.Client is one.
type Connection interface {
	Kick()
	Reset(cause error)
	LocalAddr() netip.Addr
	Status() mqtt.Status
	Stats() mqtt.Stats
}

// Node obeys the rules. *exchange.Node is one.
type Node interface {
	SetRules(schedule.Rules)
	First(storage.ID) bool // false: there are too many
}

// Options of New. All are required but Logger.
type Options struct {
	DB         *sqlite.DB // has Schema
	Connection Connection
	Node       Node
	// Waiting counts the outgoing documents that are not at the hub, by urgency.
	Waiting func(context.Context) ([4]int, error)
	// Waits tells whether one document is among them.
	Waits   func(context.Context, storage.ID) (bool, error)
	Now     func() time.Time // in the zone of Policy.Hours and of the SIM's months
	Trusted func() bool      // whether Now is to be believed
	// Ordered tells whether the hub has ordered to hold what is not urgent, and until
	// when. nil: it never does.
	Ordered func() (until time.Time, holds bool)

	Metered []string // interfaces, as link.Config
	Policy  Policy
	Month   int // day on which the month of the SIM begins
	Modem   Modem
	Logger  *slog.Logger
}

// State is how the line stands at a moment.
type State struct {
	Interface string // "" when there is none
	Metered   bool
	Verdict   Verdict
	Account   Account
	Limit     int64 // budget of the month, bytes; 0: none
}

// Line keeps the rules. Its methods may be called from several goroutines.
type Line struct {
	o       Options
	log     *slog.Logger
	monitor *link.Monitor
	book    *Book

	mu    sync.Mutex
	state State
	first map[storage.ID]bool
	// owned is the address of a connection that an interface was seen to have:
	// one that never was on any is not missed.
	owned netip.Addr

	// The fields below belong to the goroutine of Run.
	stats mqtt.Stats
	saved time.Time
	asked time.Time
	modem *modem
	wish  wish
	ended chan bool // how a program of the modem ended: true for a failure
	// before is the line that was there when the modem's was brought up.
	before string
	// minute is the bytes over the modem's line in the minute since began.
	minute int64
	began  time.Time
}

// New prepares the line and sets the rules for the first time, so that nothing
// goes over it that must not.
func New(ctx context.Context, o Options) (*Line, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Line{o: o, log: o.Logger, first: map[storage.ID]bool{}, ended: make(chan bool, 1)}
	var err error
	if l.book, err = OpenBook(ctx, o.DB, o.Now, o.Trusted); err != nil {
		return nil, err
	}
	if err := l.loadFirst(ctx); err != nil {
		return nil, err
	}
	l.monitor = link.NewMonitor(link.Options{Config: link.Config{Metered: o.Metered}, Notify: l.notice, Logger: l.log})
	l.state.Verdict.Code = Open
	o.Node.SetRules(schedule.Rules{})
	for id := range l.first {
		o.Node.First(id) // as many as there were before, so there is room
	}
	l.decide()
	return l, nil
}

// State tells how the line stands.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Run follows the line until ctx ends and returns its error.
func (l *Line) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.monitor.Run(ctx) })
	group.Go(func() error { return l.keep(ctx) })
	return group.Wait()
}

func (l *Line) keep(ctx context.Context) error {
	l.saved = time.Now()
	if len(l.o.Modem.Up) > 0 {
		l.modem, l.before = newModem(l.o.Modem.Idle, time.Now()), l.State().Interface
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.leave()
			return ctx.Err()
		case <-tick.C:
			l.count(ctx)
			l.decide()
			l.drive(ctx)
		}
	}
}

// leave saves what was counted and brings down the line that was brought up.
func (l *Line) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if l.modem != nil {
		switch l.modem.stage {
		case raising, lowering:
			l.modem.done(time.Now(), <-l.ended)
		}
		if l.modem.stage == up {
			_ = execute(ctx, l.o.Modem.Down, farewell, l.log) // logged; there is no later
		}
	}
	l.count(ctx)
	if err := l.book.Save(ctx); err != nil {
		l.log.Error("bytes of the last minutes are not in the book", "error", err)
	}
}

// notice acts on what the monitor read.
func (l *Line) notice(changes []link.Change) {
	if local := l.o.Connection.LocalAddr(); local.IsValid() {
		if cause := l.endOf(local, changes); cause != nil {
			l.o.Connection.Reset(cause)
		}
	} else if has(changes, link.Up) {
		l.o.Connection.Reset(errNew) // an attempt over another line may hang for long
	} else if has(changes, link.Changed) {
		l.o.Connection.Kick()
	}
	if len(changes) > 0 {
		l.decide()
	}
}

func has(changes []link.Change, k link.Kind) bool {
	return slices.ContainsFunc(changes, func(c link.Change) bool { return c.Kind == k })
}

// endOf is why the connection from local should end, nil when it should not.
func (l *Line) endOf(local netip.Addr, changes []link.Change) error {
	over, known := l.monitor.Active(local)
	for _, c := range changes {
		switch {
		case c.Kind == link.Down && c.Link.Has(local):
			return errGone
		case c.Kind != link.Down && !c.Link.Metered && over.Metered && l.freeRoute():
			return errBetter
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known && l.owned == local {
		return errGone
	}
	return nil
}

// freeRoute tells whether a new connection would take a line that costs nothing.
func (l *Line) freeRoute() bool {
	route, ok := l.monitor.Active(netip.Addr{})
	return ok && !route.Metered
}

// Free tells whether something may be asked of others than the hub now: there is
// a line, and the one that a request takes costs nothing. That may be another one
// than the connection's. Where the way out is not known it is taken to be that.
func (l *Line) Free() bool {
	if route, ok := l.monitor.Active(netip.Addr{}); ok {
		return !route.Metered
	}
	over, ok := l.monitor.Active(l.o.Connection.LocalAddr())
	return ok && !over.Metered
}

// inUse is the line in use, else the one that would be. Without any line it has
// no name and costs what the last one did.
func (l *Line) inUse(last State) (name string, metered bool) {
	over, ok := l.monitor.Active(l.o.Connection.LocalAddr())
	if !ok {
		over, ok = l.monitor.Active(netip.Addr{})
	}
	if !ok {
		return "", last.Metered
	}
	return over.Name, over.Metered
}

// count puts the bytes since the last time into the book.
func (l *Line) count(ctx context.Context) {
	stats := l.o.Connection.Stats()
	use := OnWire(stats.SentBytes-l.stats.SentBytes, stats.ReceivedBytes-l.stats.ReceivedBytes, stats.Connects-l.stats.Connects)
	l.stats = stats
	name, metered := l.inUse(l.State())
	l.book.Add(metered, use)
	l.wish.moving = (metered || name != l.before) && l.moves(use.Total())
	if time.Since(l.saved) < SaveEvery {
		return
	}
	l.saved = time.Now()
	if err := errors.Join(l.book.Save(ctx), l.tidyFirst(ctx)); err != nil && ctx.Err() == nil {
		l.log.Error("book of the line not kept", "error", err)
	}
}

// Session is told of each session with the hub before anything goes over it: it
// may have come up over another line than the last one.
func (l *Line) Session() { l.decide() }

// decide sets the rules for the line as it is now. Without any line those of
// the last one stay.
func (l *Line) decide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Limit: l.o.Policy.Budget, Account: l.book.Account(l.o.Month)}
	s.Interface, s.Metered = l.inUse(l.state)
	if local := l.o.Connection.LocalAddr(); local.IsValid() {
		if _, known := l.monitor.Active(local); known {
			l.owned = local
		}
	}
	s.Verdict = l.o.Policy.Decide(l.o.Now(), s.Metered, s.Account.Used, s.Account.Resets)
	if l.o.Ordered != nil {
		if until, holds := l.o.Ordered(); holds {
			s.Verdict = s.Verdict.Order(until)
		}
	}
	if s.Verdict.Rules != l.state.Verdict.Rules {
		l.o.Node.SetRules(s.Verdict.Rules)
	}
	if s.Verdict.Code != l.state.Verdict.Code {
		l.log.Info("rules of the line", "code", s.Verdict.Code, "interface", s.Interface, "urgency", s.Verdict.Rules.MinUrgency, "size", s.Verdict.Rules.MaxSize)
	}
	l.state = s
}
