//go:build linux

package main

import (
	"strings"
	"time"
)

const (
	// aliveTime is the program's watchdog period: so long without a sign of life and
	// it is started anew.
	aliveTime = 60 * time.Second
	// startTime is how long it may take until it is ready.
	startTime = 5 * time.Minute
	// proveTime is how long it has to be healthy until a system on trial is confirmed.
	proveTime = 60 * time.Second
)

// verdict is what is to be done about the office's program.
type verdict struct {
	feed    bool // the hardware's watchdog may be fed
	restart bool // the program does not answer for itself
	proven  bool // a system on trial may be confirmed
}

// patient judges the office's program from what it says of itself. It is pure: times
// are handed in, counted from any fixed instant.
type patient struct {
	started time.Duration // this run of it
	ready   bool
	readyAt time.Duration
	alive   time.Duration // last sign of this run
	well    time.Duration // last instant at which it was well, in any run
}

func (p *patient) start(now time.Duration) {
	p.started, p.ready, p.alive = now, false, now
}

// hear takes a message of sd_notify.
func (p *patient) hear(message string, now time.Duration) {
	for line := range strings.Lines(message) {
		switch strings.TrimSuffix(line, "\n") {
		case "READY=1":
			if !p.ready {
				p.ready, p.readyAt = true, now
			}
			p.alive, p.well = now, now
		case "WATCHDOG=1":
			p.alive = now
			if p.ready {
				p.well = now
			}
		}
	}
}

func (p *patient) judge(now time.Duration) verdict {
	patience := startTime
	if p.ready {
		patience = aliveTime
	}
	return verdict{
		feed:    now-p.well < sickTime,
		restart: now-p.alive > patience,
		proven:  p.ready && now-p.readyAt >= proveTime && now-p.alive < aliveTime,
	}
}
