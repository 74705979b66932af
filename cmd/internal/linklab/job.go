package linklab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tram/cmd/internal/line"
	"tram/cmd/internal/peers"
)

// us is our own name among the peers.
const us = "tram"

const (
	// askEvery is how often the receiver is asked what has arrived; times are
	// that exact.
	askEvery = 50 * time.Millisecond
	// patience bounds a run in units of what the line needs at best; leastPatience
	// is what it may take at least.
	patience      = 6
	leastPatience = 3 * time.Minute
	// readyIn is how long the two ends may take to be set up over a good line.
	readyIn = 2 * time.Minute
)

// job is one scenario with one peer and one congestion control.
type job struct {
	scenario
	peer       string
	congestion string
	lab        *lab
}

func (j *job) String() string {
	return fmt.Sprintf("%s %s %s", j.name, j.peer, j.congestion)
}

// pick chooses the amount of the full or the quick form.
func pick[T any](j *job, full, quick T) T {
	if j.lab.Quick {
		return quick
	}
	return full
}

// figure prints a result; the aims are Trạm's.
func (j *job) figure(name string, value float64, unit, aim string) {
	j.emit(name, &value, unit, aim, "")
}

func (j *job) emit(name string, value *float64, unit, aim, reason string) {
	if j.peer != us {
		aim = ""
	}
	if value != nil {
		rounded := round(*value)
		value = &rounded
	}
	name += ", " + j.congestion
	if j.lab.Quick {
		name += ", quick form with smaller amounts"
	}
	j.lab.write(Figure{Figure: name, Value: value, Unit: unit, Aim: aim, Peer: j.peer, Reason: reason})
}

// round keeps four digits.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	digits := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*digits) / digits
}

// stage is a peer that is ready on a good line.
type stage struct {
	*job
	line line.Line
	peer peers.Peer
	up   bool // documents go from the office to the hub
	stop []func() error
}

// open makes the line and starts the peer. The caller closes the stage, also
// after an error.
func (j *job) open(ctx context.Context, shape line.Shape, up bool) (*stage, error) {
	s := &stage{job: j, up: up}
	dir, err := os.MkdirTemp(j.lab.dir, j.name+"-"+j.peer+"-")
	if err != nil {
		return s, fmt.Errorf("make folder: %w", err)
	}
	s.stop = append(s.stop, func() error { return os.RemoveAll(dir) })
	if s.line, err = j.newLine(); err != nil {
		return s, err
	}
	s.stop = append(s.stop, s.line.Close)
	// From the first packet on: what a connection learns of a line stays with it.
	s.line.Set(shape.Up, shape.Down)
	if s.peer, err = peers.New(j.peer); err != nil {
		return s, err
	}
	s.stop = append(s.stop, s.peer.Close)
	log, err := os.Create(filepath.Join(dir, "lab.log"))
	if err != nil {
		return s, fmt.Errorf("make log: %w", err)
	}
	s.stop = append(s.stop, log.Close)
	site := peers.Site{Line: s.line, From: s.line.Office(), To: s.line.Hub(), Dir: dir, Bin: j.lab.Bin, Log: log}
	if !up {
		site.From, site.To = site.To, site.From
	}
	ready, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	if err := s.peer.Start(ready, site); err != nil {
		return s, fmt.Errorf("start %s: %w", j.peer, err)
	}
	return s, nil
}

func (j *job) newLine() (line.Line, error) {
	if j.lab.Relay {
		return line.NewRelay(j.lab.Seed), nil
	}
	return line.New(j.lab.Seed, j.congestion)
}

// packets returns the line when it sees packets.
func (s *stage) packets() (line.Packets, error) {
	p, ok := s.line.(line.Packets)
	if !ok {
		return nil, line.ErrPackets
	}
	return p, nil
}

// close ends the peer, then the line, then removes the files.
func (s *stage) close() {
	for _, stop := range slices.Backward(s.stop) {
		if err := stop(); err != nil {
			s.lab.say("%s: clean up: %v", s.job, err)
		}
	}
}

// tram returns the peer as Trạm, for scenarios that look inside.
func (s *stage) tram() *peers.Tram { return s.peer.(*peers.Tram) }

// move hands documents over and waits until they are all whole at the receiver.
func (s *stage) move(ctx context.Context, within time.Duration, documents ...peers.Document) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not done after %.0f s", within.Seconds()))
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- s.peer.Send(ctx, documents...) }()
	err := s.arrive(ctx, sent, documents)
	if cause := context.Cause(ctx); cause != nil {
		return errors.Join(cause, err)
	}
	return err
}

func (s *stage) arrive(ctx context.Context, sent <-chan error, documents []peers.Document) error {
	for handedOver := false; ; {
		names, err := s.peer.Arrived(ctx)
		if err != nil {
			return fmt.Errorf("ask receiver: %w", err)
		}
		missing := missing(documents, names)
		if handedOver && missing == 0 {
			return nil
		}
		select {
		case err := <-sent:
			if err != nil {
				return fmt.Errorf("hand over: %w", err)
			}
			handedOver, sent = true, nil
		case <-ctx.Done():
			return fmt.Errorf("%d of %d documents are missing", missing, len(documents))
		case <-time.After(askEvery):
		}
	}
}

// missing counts the documents whose names are not among those that arrived.
func missing(documents []peers.Document, arrived []string) int {
	have := map[string]bool{}
	for _, name := range arrived {
		have[name] = true
	}
	n := 0
	for _, d := range documents {
		if !have[d.Name] {
			n++
		}
	}
	return n
}

// verify compares what arrived with what was sent.
func (s *stage) verify(ctx context.Context, documents []peers.Document) error {
	for _, d := range documents {
		got, err := s.peer.Read(ctx, d.Name)
		if err != nil {
			return fmt.Errorf("read %s at the receiver: %w", d.Name, err)
		}
		if string(got) != string(d.Data) {
			return fmt.Errorf("%s arrived altered: %d bytes instead of %d", d.Name, len(got), len(d.Data))
		}
	}
	return nil
}

// until asks until ok, and says how long it took since begin.
func until(ctx context.Context, begin time.Time, within time.Duration, ok func() (bool, error)) (time.Duration, error) {
	for {
		done, err := ok()
		if done || err != nil {
			return time.Since(begin), err
		}
		if time.Since(begin) > within {
			return 0, fmt.Errorf("not within %.0f s", within.Seconds())
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Scenarios lists the names that Options.Only takes.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// Describe lists the scenarios with what they measure, one a line.
func Describe() string {
	var b strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&b, "  %-14s %s\n", s.name, s.about)
	}
	return b.String()
}
