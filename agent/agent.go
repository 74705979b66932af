package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/api"
	"tram/agent/backup"
	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/enroll"
	"tram/agent/identity"
	"tram/agent/support"
	"tram/agent/update"
	"tram/storage/keystore"
)

// DefaultRetry is how often a box that holds an invite tries to reach its hub.
const DefaultRetry = 15 * time.Second

// DefaultCopyRetry is how often a box that is an older copy asks its hub
// whether it may speak again. Each time takes the line from the box that may,
// which costs both a reconnect.
const DefaultCopyRetry = 2 * time.Hour

// Options configures an Agent.
type Options struct {
	Dir     string // data folder
	Config  *config.Office
	Logger  *slog.Logger // nil discards
	Version string
	// Program is this program's file, of which processes are started that read the
	// text of attachments; "": their text is not searched.
	Program string
	Retry   time.Duration // between attempts to enrol; zero is DefaultRetry
	// CopyRetry is the time between attempts of an older copy; zero is
	// DefaultCopyRetry.
	CopyRetry time.Duration
	// RenewEvery is how often the office looks at its certificate; zero is
	// DefaultRenewEvery.
	RenewEvery time.Duration
	// BeatPoll is how often the office looks whether the hub is to be told how it
	// stands; zero is DefaultBeatPoll.
	BeatPoll time.Duration
	// ReportEvery is how often at most the hub is told figures that have changed; zero
	// is dossier.DefaultReportEvery.
	ReportEvery time.Duration
	// Updates are the slots of new versions; nil: those of Dir, for the installed program.
	Updates *update.Store
	// UpdatePoll is how often the office looks whether a new version may take over, and
	// Quiet how long nobody must have done anything then; zero: DefaultUpdatePoll,
	// DefaultQuiet.
	UpdatePoll, Quiet time.Duration
}

// Agent is one office's program.
type Agent struct {
	o       Options
	log     *slog.Logger
	lines   *support.Log // the last of them
	since   since
	clock   *clock.Clock
	updates *updates
	started time.Time
	joined  chan struct{} // wakes Run after an enrolment over the local socket
	// rejoined does so when the box was enrolled before.
	rejoined chan struct{}

	monitor *monitor   // nil: nobody may ask
	trying  sync.Mutex // held by the one attempt to enrol

	mu        sync.Mutex
	desk      *desk              // nil until the box is enrolled
	invited   int                // calls that bring an invite: they go first
	interrupt context.CancelFunc // ends the agent's own attempt; may be nil
}

// New prepares an agent in its data folder, which must exist.
func New(o Options) (*Agent, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Retry == 0 {
		o.Retry = DefaultRetry
	}
	if o.CopyRetry == 0 {
		o.CopyRetry = DefaultCopyRetry
	}
	if o.RenewEvery == 0 {
		o.RenewEvery = DefaultRenewEvery
	}
	if o.BeatPoll == 0 {
		o.BeatPoll = DefaultBeatPoll
	}
	lines := support.NewLog(o.Logger.Handler())
	o.Logger = slog.New(lines)
	c, err := clock.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	updates := newUpdates(&o)
	return &Agent{o: o, log: o.Logger, lines: lines, clock: c, updates: updates, started: c.Now(), joined: make(chan struct{}, 1), rejoined: make(chan struct{}, 1)}, nil
}

// Run locks the data folder and serves until ctx ends. ready is called when the
// local interface answers and, on an enrolled box, the pages do. A folder that
// another process serves is the problem "data.locked"; nothing is touched then.
func (a *Agent) Run(ctx context.Context, ready func()) (err error) {
	unlock, err := keystore.Lock(a.o.Dir)
	if errors.Is(err, keystore.ErrLocked) {
		return identity.Explain(err, a.o.Dir)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.leave(), unlock()) }()
	if err := errors.Join(backup.Settle(a.o.Dir), enroll.Recover(a.o.Dir)); err != nil {
		return err
	}
	local, err := api.Listen(a.o.Dir, api.SocketName)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return api.Serve(ctx, local, a.local()) })
	if err := a.openMonitor(ctx, group); err != nil {
		group.Go(func() error { return err }) // ends what has started
	} else {
		group.Go(func() error { return a.work(ctx, ready) })
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// work joins the hub when that has not been done, then runs the desk.
func (a *Agent) work(ctx context.Context, ready func()) error {
	if !identity.Exists(a.o.Dir) {
		ready()
		ready = func() {}
		if err := a.join(ctx); err != nil {
			return err
		}
	}
	for ready = sync.OnceFunc(ready); ; {
		d, err := a.openProving(ctx)
		if err != nil {
			return err
		}
		a.setDesk(d)
		again, err := a.runDesk(ctx, d, ready)
		if !again {
			return err
		}
		a.log.Info("this box has joined again: it starts anew with its new identity")
		if err := a.leave(); err != nil {
			return err
		}
	}
}

// runDesk runs the desk until ctx ends, or until the box has joined again by a
// new invite.
func (a *Agent) runDesk(ctx context.Context, d *desk, ready func()) (again bool, err error) {
	run, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		again = a.rejoin(run)
		return nil
	})
	err = d.run(run, ready)
	stop()
	return group.Wait() == nil && again && ctx.Err() == nil, err
}

// rejoin waits until the box has joined again: the command line has done it,
// or an invite that was kept for want of a link has come through. False when
// ctx ends first.
func (a *Agent) rejoin(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-a.rejoined:
			return true
		case <-time.After(a.o.Retry):
		}
		r, err := enroll.StatusAgain(a.o.Dir)
		if err == nil && r.State == enroll.None {
			continue
		}
		if err == nil {
			r, err = a.resume(ctx, true)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("joining again refused", "error", err)
		}
		if r.State == enroll.Enrolled {
			return true
		}
	}
}

// leave closes the desk. It is the last step, when no call over the local
// socket uses it any more.
func (a *Agent) leave() error {
	d := a.theDesk()
	if d == nil {
		return nil
	}
	a.setDesk(nil)
	return d.close()
}

// join waits for an invite and a link.
func (a *Agent) join(ctx context.Context) error {
	a.log.Info("this box has no identity yet: tram enroll INVITE")
	for {
		result, err := a.resume(ctx, false)
		if err != nil && ctx.Err() == nil {
			a.log.Error("enrolment refused", "error", err)
		}
		if result.State == enroll.Enrolled {
			a.clock.Heard(a.clock.Now().Add(result.ClockOffset))
		}
		if result.State == enroll.Enrolled || result.State == enroll.Already || identity.Exists(a.o.Dir) {
			a.log.Info("enrolled", "office", result.Code)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.joined:
		case <-time.After(a.o.Retry):
		}
	}
}

// resume makes one attempt with the invite that the box holds, unless somebody
// brings one just now.
func (a *Agent) resume(ctx context.Context, again bool) (enroll.Result, error) {
	a.trying.Lock()
	defer a.trying.Unlock()
	a.mu.Lock()
	if a.invited > 0 {
		a.mu.Unlock()
		return enroll.Result{State: enroll.Pending}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.interrupt = cancel
	a.mu.Unlock()
	return enroll.Resume(ctx, enroll.Options{Dir: a.o.Dir, Now: a.clock.Now, Again: again, Logger: a.log})
}

// visit takes the place of the agent's own attempt, which may be waiting for a
// line that does not answer. The visitor calls leave at its end.
func (a *Agent) visit() (leave func()) {
	a.mu.Lock()
	a.invited++
	if a.interrupt != nil {
		a.interrupt()
	}
	a.mu.Unlock()
	a.trying.Lock()
	return func() {
		a.mu.Lock()
		a.invited--
		a.mu.Unlock()
		a.trying.Unlock()
	}
}

func (a *Agent) setDesk(d *desk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.desk = d
}

func (a *Agent) theDesk() *desk {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.desk
}

// Status says how the office stands.
func (a *Agent) Status(ctx context.Context) (api.Status, error) {
	s := api.Status{Version: a.o.Version, Started: a.started, State: "not-enrolled", Clock: a.clockStatus()}
	d := a.theDesk()
	if d == nil {
		joined, err := enroll.Status(a.o.Dir)
		if err != nil {
			return s, fmt.Errorf("read enrolment: %w", err)
		}
		s.Office.Code, s.Office.Name, s.Hub = joined.Code, joined.Name, joined.Hub
		switch joined.State {
		case enroll.None:
		case enroll.Waiting:
			s.State, s.Waits = "waiting", &api.Waits{Code: joined.Why.Code, Args: joined.Why.Args}
		default:
			s.State = "pending"
		}
		return s, nil
	}
	s.State = "ready"
	err := d.status(ctx, &s)
	a.since.mark(s.Conditions, a.clock.Now())
	return s, err
}

func (a *Agent) clockStatus() api.Clock {
	trusted, offset := a.clock.Trusted()
	return api.Clock{Now: a.clock.Now(), Trusted: trusted, Offset: offset.Milliseconds()}
}
