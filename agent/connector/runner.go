package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"tram/agent/problem"
	"tram/storage"
)

// Waits after failures double from minWait to maxWait, with a fifth of jitter.
const (
	minWait = 2 * time.Second
	maxWait = time.Hour
	// maxProbe is the longest wait between tries while everything fails.
	maxProbe = time.Minute
)

// wait is how long after the nth failure in a row the next try is.
func wait(n int, most time.Duration) time.Duration {
	d := minWait
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d - d/10 + rand.N(d/5)
}

// runner runs one connector.
type runner struct {
	h     *Host
	c     stored
	log   *slog.Logger
	wake  chan struct{}
	ended chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc // nil until it runs
	gone   bool               // stop was called
	held   Connector          // while it runs
	vitals vitals
}

// vitals are what State shows of a running connector.
type vitals struct {
	faults                  [parts]fault
	delivered, rounds       int64
	lastDelivery, lastRound time.Time
}

// What of a connector may fail by itself.
const (
	opening = iota
	collecting
	handing
	parts
)

type fault struct {
	why   *Failure // nil: it works
	since time.Time
}

// errPanic is a connector that has panicked.
var errPanic = errors.New("the connector has crashed")

func newRunner(h *Host, c stored) *runner {
	return &runner{h: h, c: c, log: h.log.With("connector", c.Name), wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (r *runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// stop ends it and waits for that for a moment.
func (r *runner) stop() {
	r.mu.Lock()
	r.gone = true
	cancel := r.cancel
	r.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	select {
	case <-r.ended:
	case <-time.After(closeWait):
		r.log.Error("the connector does not end")
	}
}

// run works until ctx ends or stop is called.
func (r *runner) run(ctx context.Context) {
	defer close(r.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.cancel = cancel
	gone := r.gone
	r.mu.Unlock()
	if gone || r.c.paused {
		return
	}
	made := r.opened(ctx)
	if made == nil {
		return
	}
	r.hold(made)
	var both sync.WaitGroup
	both.Go(func() { r.collect(ctx, made) })
	both.Go(func() { r.deliver(ctx, made) })
	both.Wait()
	r.hold(nil)
	if err := guarded(made.Close); err != nil {
		r.log.Error("connector not closed", "error", err)
	}
}

func (r *runner) hold(c Connector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = c
}

// made is the connector while it runs, else nil.
func (r *runner) made() Connector {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// opened makes the connector, again and again until that works; nil when ctx
// ends first.
func (r *runner) opened(ctx context.Context) Connector {
	for n := 1; ; n++ {
		kind, ok := r.h.kind(r.c.Kind)
		err := error(problem.New(problem.Usage, "connector.kind", "kind", map[string]any{"kind": r.c.Kind, "kinds": r.h.kindNames()}))
		var made Connector
		if ok {
			err = guarded(func() (err error) { made, err = r.h.open(r.c.Spec, kind); return err })
		}
		r.note(opening, err)
		if err == nil {
			return made
		}
		if !r.pause(ctx, wait(n, maxProbe)) {
			return nil
		}
	}
}

// pause waits, or until it is nudged; false when ctx has ended.
func (r *runner) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// guarded turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return f()
}

// note keeps why a part of the connector fails, or that it works.
func (r *runner) note(part int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.vitals.faults[part]
	if err == nil {
		*f = fault{}
		return
	}
	if f.why == nil {
		f.since = r.h.o.Now()
		r.log.Warn("connector fails", "error", err)
	}
	f.why = failure(err)
}

// collect runs the rounds.
func (r *runner) collect(ctx context.Context, c Connector) {
	every := c.Every()
	if every <= 0 {
		return
	}
	for n := 0; ; {
		err := guarded(func() error { return c.Collect(ctx) })
		if ctx.Err() != nil {
			return
		}
		r.note(collecting, err)
		pause := every
		if n++; err == nil {
			n = 0
			r.mu.Lock()
			r.vitals.rounds++
			r.vitals.lastRound = r.h.o.Now()
			r.mu.Unlock()
		} else {
			pause = max(every, wait(n, maxProbe))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// outcome is how a delivery ended.
type outcome struct {
	item
	err error
}

// deliver hands entries over until ctx ends. It alone touches busy and streak.
func (r *runner) deliver(ctx context.Context, c Connector) {
	d := &delivering{runner: r, c: c, busy: map[storage.ID]bool{}, done: make(chan outcome)}
	defer d.drain(ctx)
	for ctx.Err() == nil {
		news, dossiers := r.h.feed.Changed(), r.h.feed.news()
		next, err := d.begin(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log.Error("deliveries not read", "error", err)
			next = r.h.o.Now().Add(minWait)
		}
		timer := time.NewTimer(d.until(next))
		select {
		case <-ctx.Done():
		case o := <-d.done:
			d.end(ctx, o)
		case <-news:
		case <-dossiers:
		case <-r.wake:
			d.streak, d.probe, d.rest = 0, time.Time{}, time.Time{}
		case <-timer.C:
		}
		timer.Stop()
	}
}

// delivering is the state of deliver.
type delivering struct {
	*runner
	c      Connector
	busy   map[storage.ID]bool
	done   chan outcome
	streak int       // failures in a row
	probe  time.Time // no try before, while everything fails
	rest   time.Time // no try before, the other system says
	ending bool      // the other system wants nothing more
}

// idle is how long deliver waits when nothing is due.
const idle = time.Hour

func (d *delivering) until(next time.Time) time.Duration {
	if next.IsZero() {
		return idle
	}
	return max(next.Sub(d.h.o.Now()), 10*time.Millisecond)
}

// begin takes what is new in the feed and starts what is due and has room. It
// returns when to look again.
func (d *delivering) begin(ctx context.Context) (next time.Time, err error) {
	for end := false; !end; {
		if end, err = d.h.store.take(ctx, d.runner.c.Name, d.h.feed, wanted(d.c)); err != nil {
			return time.Time{}, err
		}
	}
	room := Parallel - len(d.busy)
	now := d.h.o.Now()
	if d.ending {
		return time.Time{}, nil
	}
	if d.rest.After(now) {
		return d.rest, nil
	}
	if d.streak >= Parallel { // the other system seems to be away: one at a time tries
		if room = 1 - len(d.busy); d.probe.After(now) {
			return d.probe, nil
		}
	}
	if room <= 0 {
		return time.Time{}, nil
	}
	list, next, err := d.h.store.due(ctx, d.runner.c.Name, d.busy, now, room)
	for _, i := range list {
		d.busy[i.Entry.Document] = true
		go func() {
			d.done <- outcome{i, guarded(func() error { return d.c.Deliver(ctx, i.Delivery) })}
		}()
	}
	return next, err
}

// end records how a delivery ended.
func (d *delivering) end(ctx context.Context, o outcome) {
	delete(d.busy, o.Entry.Document)
	if ctx.Err() != nil && o.err != nil {
		return // it was cut short
	}
	if o.err != nil && o.Entry.OfDossier() {
		o.err = discreet{o.err}
	}
	ctx = context.WithoutCancel(ctx)
	name, now := d.runner.c.Name, d.h.o.Now()
	var err error
	switch {
	case o.err == nil:
		d.streak, d.probe = 0, time.Time{}
		d.mu.Lock()
		d.vitals.delivered++
		d.vitals.lastDelivery = now
		d.mu.Unlock()
		err = d.h.store.delivered(ctx, o.item)
	case IsPermanent(o.err):
		d.log.Warn("not delivered", "document", o.Entry.Document, "entry", o.Entry.Cursor, "error", o.err)
		err = d.h.store.failed(ctx, name, o.item, failure(o.err), now, true)
	default:
		d.streak++
		d.probe = now.Add(wait(d.streak-Parallel, maxProbe))
		pause := wait(o.Tries+1, maxWait)
		if p, ok := d.c.(Patient); ok {
			pause = p.Wait(o.Tries + 1)
		}
		due := now.Add(pause)
		if t := NotBefore(o.err); t.After(now) {
			d.rest = earlier(t, now.Add(MaxRest))
			due = later(due, d.rest)
		}
		err = d.h.store.failed(ctx, name, o.item, failure(o.err), due, false)
	}
	d.note(handing, o.err)
	if IsStop(o.err) && !d.ending {
		d.ending = true
		err = errors.Join(err, d.h.store.change(ctx, name, By(name), actionPause, setPaused))
		d.cancel()
	}
	if err != nil {
		d.log.Error("outcome of a delivery not kept", "error", err)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// drain lets deliveries end that are under way, and keeps what they did.
func (d *delivering) drain(ctx context.Context) {
	for len(d.busy) > 0 {
		d.end(ctx, <-d.done)
	}
}
