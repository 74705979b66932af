// Package crowd is thousands of offices in one process: each with a
// certificate, a card, a connection and a session of its own, run by the code
// of the product (sync/mqtt, sync/exchange, agent/guard) over a queue in memory.
// What it leaves out of an office is the disk and the pages.
//
// It promises that the hub cannot tell its offices from real ones: they are
// enrolled by invites, and their frames, headers, slips and receipts are real.
package crowd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tram/agent/health/beat"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/sync/wire"
)

// Options of a Crowd. All but InStep and Via are required.
type Options struct {
	HubDir string // data folder of a hub that has run and is not running
	Server string // address of its broker, on loopback
	Size   int    // offices, at most MaxSize
	// InStep makes the offices try to connect at every full second, all at
	// once, as clients without jitter do after an outage.
	InStep bool
	// Via is where the office of a number connects to, in place of Server; nil or "": it
	// does not matter.
	Via func(number int) string
}

// MaxSize bounds a crowd: the loopback addresses and office codes are made for
// no more.
const MaxSize = 20_000

// connecting bounds how many offices are started and not up at once, so that
// the first connection of all is no stampede itself.
const connecting = 64

// Crowd is a number of offices of one hub.
type Crowd struct {
	Offices []*Office
	o       Options
	hub     string // code
	root    *x509.CertPool
	cards   directory
	started int // offices, from the first one on
	stop    func()
	running sync.WaitGroup

	up, open, deferred atomic.Int64

	mu      sync.Mutex
	letters map[storage.ID]*Letter
	foreign int // arrivals that nobody sent
}

// directory is the registry that all offices read.
type directory struct {
	cards  map[string]registry.Card
	serial uint64 // up to which the offices hold it
}

// Serial implements guard.Registry.
func (d *directory) Serial() uint64 { return d.serial }

// Lookup implements guard.Registry.
func (d *directory) Lookup(code string) (registry.Card, error) {
	card, ok := d.cards[registry.Key(code)]
	if !ok {
		return card, fmt.Errorf("look up office %q: %w", code, registry.ErrNotFound)
	}
	return card, nil
}

// New enrols the offices at the hub, whose database it opens meanwhile.
func New(ctx context.Context, o Options) (*Crowd, error) {
	if o.Size < 2 || o.Size > MaxSize {
		return nil, fmt.Errorf("a crowd has 2 to %d offices, not %d", MaxSize, o.Size)
	}
	c := &Crowd{o: o, letters: map[storage.ID]*Letter{}, stop: func() {}}
	return c, c.enrol(ctx)
}

// Start connects all offices, some at a time, and returns when all are up. They
// stay so until Close.
func (c *Crowd) Start(ctx context.Context) error { return c.StartUpTo(ctx, len(c.Offices)) }

// StartUpTo is Start of the first n offices, as far as they are not connected yet.
func (c *Crowd) StartUpTo(ctx context.Context, n int) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	before := c.stop
	c.stop = func() { before(); stop() }
	for ; c.started < n; c.started++ {
		for int64(c.started)-c.up.Load() >= connecting {
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		if err := c.Offices[c.started].start(life); err != nil {
			return err
		}
	}
	return c.Wait(ctx, func() bool { return c.Up() == n })
}

// Beat has the connected offices tell the hub how they stand, each once in every, one
// after the other, until ctx ends.
func (c *Crowd) Beat(ctx context.Context, every time.Duration) error {
	begun := time.Now()
	report := beat.Beat{Software: "tram crowd", Started: begun, Every: int64(every / time.Second), Disk: beat.Disk{Free: 20 << 30, Reserve: 256 << 20},
		Clock: beat.Clock{Trusted: true}, Certificate: begun.AddDate(1, 0, 0), Line: beat.Line{Interface: "eth0"}}
	for i := 0; ; i++ {
		office := c.Offices[i%c.started]
		report.At = time.Now()
		raw, err := beat.Encode(report)
		if err != nil {
			return err
		}
		if office.IsUp() {
			_ = office.client.Health(ctx, raw) // may be lost, as that of a real one
		}
		if pause(ctx, every/time.Duration(c.started)) != nil {
			return nil
		}
	}
}

// Wait returns when done says so.
func (c *Crowd) Wait(ctx context.Context, done func() bool) error {
	for !done() {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("%d of %d offices are up, %d letters are on their way", c.Up(), len(c.Offices), c.Letters().Waiting), err)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Up is how many offices have a session with the hub.
func (c *Crowd) Up() int { return int(c.up.Load()) }

// UnderWay is how many connections to the broker are open without a session:
// in TLS, CONNECT, SUBSCRIBE or HELLO.
func (c *Crowd) UnderWay() int { return int(c.open.Load() - c.up.Load()) }

// Deferred counts the DEFER frames that the offices have got.
func (c *Crowd) Deferred() int { return int(c.deferred.Load()) }

// Failures counts attempts to connect that failed.
func (c *Crowd) Failures() (n int64) {
	for _, office := range c.Offices {
		n += office.client.Stats().Failures
	}
	return n
}

// Close ends all connections without farewell and returns when all goroutines
// have ended.
func (c *Crowd) Close() {
	c.stop()
	var closing sync.WaitGroup
	for _, office := range c.Offices {
		if office.client != nil {
			closing.Go(func() { office.client.Close() })
		}
	}
	closing.Wait()
	c.running.Wait()
}

// Letter is a document on its way from one office of the crowd to another.
type Letter struct {
	ID       storage.ID
	Urgency  uint8
	from, to *Office
	bundle   storage.Bundle
	contents [][]byte

	Posted  time.Time // handed to the sender's queue
	Custody time.Time // the sender holds the hub's receipt
	Arrived time.Time // complete at its recipient; zero: not yet
	copies  int
}

// Tally says what became of all letters.
type Tally struct {
	Waiting int         // posted and not arrived
	Doubled int         // arrived more than once
	Foreign int         // arrivals of what nobody sent, or elsewhere
	Custody []time.Time // when the hub took each over
}

// Letters counts the letters posted so far.
func (c *Crowd) Letters() Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Tally{Foreign: c.foreign}
	for _, l := range c.letters {
		if l.copies == 0 {
			t.Waiting++
		}
		if l.copies > 1 {
			t.Doubled++
		}
		if !l.Custody.IsZero() {
			t.Custody = append(t.Custody, l.Custody)
		}
	}
	return t
}

// Seen returns a letter as it stands.
func (c *Crowd) Seen(l *Letter) Letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *l
}

func (c *Crowd) custody(id storage.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.letters[id]; l != nil && l.Custody.IsZero() {
		l.Custody = time.Now()
	}
}

func (c *Crowd) arrived(at *Office, id storage.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.letters[id]
	if l == nil || l.to != at {
		c.foreign++
		return
	}
	l.copies++
	l.Arrived = time.Now()
}

// observer counts sessions.
type observer struct{ c *Crowd }

func (observer) Progress(string, uuid.UUID, int64, int64) {}

func (observer) Parked(string, uuid.UUID, error) {}

func (o observer) Session(_ string, up bool, _ wire.Hello) {
	if up {
		o.c.up.Add(1)
	} else {
		o.c.up.Add(-1)
	}
}
