package agent

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"tram/agent/api"
	"tram/agent/identity"
	"tram/agent/probe"
	"tram/sync/mqtt"
)

const (
	// connectWait is how long a test waits for a line that is down to come up, for
	// which it has one attempt made at once.
	connectWait = 6 * time.Second
	// answerWait is how long the broker may take to answer then.
	answerWait = 10 * time.Second
)

// peak is the most that has gone over the line within a second since the start, in
// bytes: what the line carries at least.
type peak struct {
	last     mqtt.Stats // of the pump alone
	up, down atomic.Int64
}

// peakFloor is below what says anything of a line: heartbeats are no documents.
const peakFloor = 4 << 10

// take takes in what was counted a second after the last time.
func (p *peak) take(now mqtt.Stats) {
	for of, moved := range map[*atomic.Int64]int64{&p.up: now.SentBytes - p.last.SentBytes, &p.down: now.ReceivedBytes - p.last.ReceivedBytes} {
		if moved >= peakFloor && moved > of.Load() {
			of.Store(moved)
		}
	}
	p.last = now
}

// testLine tests the line over its own session, which nothing else may do: a broker
// has one session for an office and ends it for another.
func (d *desk) testLine(ctx context.Context) probe.Session {
	copied := d.halt() != nil
	status := d.link.Status()
	if !status.Connected && !copied {
		d.link.Kick()
		before := status.Attempts
		for late := time.Now().Add(connectWait); !status.Connected && status.Attempts == before && time.Now().Before(late) && ctx.Err() == nil; status = d.link.Status() {
			time.Sleep(50 * time.Millisecond)
		}
	}
	s := probe.Session{
		Connected: status.Connected, Up: status.Up, Server: status.Server, Copy: copied, NextTry: status.NextTry,
		Refused: errors.Is(status.Err, mqtt.ErrRefused), UpRate: d.peak.up.Load(), DownRate: d.peak.down.Load(),
	}
	if status.Err != nil {
		s.Error = status.Err.Error()
	}
	line := d.line.State()
	s.Interface, s.Metered = line.Interface, line.Metered
	if stats, ok := d.node.Stats(d.id.Hub); ok && stats.Line.Rate > 0 {
		s.UpRate = int64(stats.Line.Rate)
	}
	if s.Connected {
		ctx, cancel := context.WithTimeout(ctx, answerWait)
		defer cancel()
		rtt, err := d.link.Ping(ctx)
		s.Answered, s.RTT = err == nil, rtt
		sight := d.link.Path()
		s.Segments, s.Repeated = sight.Segments, sight.Repeated
	}
	return s
}

// testRoutes lets the command line ask for it.
func (a *Agent) testRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST "+probe.Path, api.Handle(a.log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		d := a.theDesk()
		if d == nil {
			return nil, identity.None(a.o.Dir)
		}
		return d.testLine(r.Context()), nil
	}))
}
