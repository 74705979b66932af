package mqtt

import (
	"net"
	"time"
)

const (
	// steerEvery is how often a connection that sends is looked at.
	steerEvery = 200 * time.Millisecond
	// steerLooks is how many looks in a row decide, and steerSpan how long they take
	// at least: a slow line is not written to at each look.
	steerLooks = 8
	steerSpan  = 3 * time.Second
	// steerPatience is how many times in a row BBR must be seen to overfill the
	// line before it is given up: at first it does so to find the line's rate.
	steerPatience = 6
)

// Steered is a TCP connection that changes its congestion control when the
// usual one takes random loss for a full line: when segments are lost and the
// congestion window is what limits, although no queue has built up. Where loss
// comes with a queue the line is full indeed, and the usual one is right. BBR
// does not look at loss, but cannot tell a shallow queue either; so it is taken
// only where needed, and given up when it fills one. Linux only.
type Steered struct {
	net.Conn
	control string // to change to
	usual   string // to go back to; empty until changed
	next    time.Time
	judge   judge
	full    int // verdicts in a row that BBR overfills the line
	settled bool
}

// Steer watches over a connection that may change to the congestion control of
// this name. Without a TCP socket or a name it only passes bytes on.
func Steer(conn net.Conn, control string) *Steered {
	return &Steered{Conn: conn, control: control, settled: control == ""}
}

// Write implements net.Conn.
func (s *Steered) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if now := time.Now(); !s.settled && err == nil && !now.Before(s.next) {
		s.next = now.Add(steerEvery)
		s.look(now)
	}
	return n, err
}

func (s *Steered) look(now time.Time) {
	seen, ok := lookAt(s.Conn)
	if !ok {
		s.settled = true
		return
	}
	switch v := s.judge.take(now, seen); {
	case v == randomLoss && s.usual == "":
		s.usual, s.settled = change(s.Conn, s.control)
	case v == fullLine && s.usual != "":
		if s.full++; s.full == steerPatience {
			change(s.Conn, s.usual)
			s.settled = true
		}
	case v == fine:
		s.full = 0
	}
}

// sight is one look at a socket.
type sight struct {
	rtt, shortest   time.Duration
	unacked, window uint32 // segments
	sent, again     uint32 // segments since the beginning; of these, sent again
}

// verdict on a line.
type verdict int

const (
	undecided  verdict = iota // not enough looks yet
	fine                      // nothing to change
	randomLoss                // the line takes more than the window lets through
	fullLine                  // a queue overflows
)

// judge looks at a connection some times in a row and then tells.
type judge struct {
	first          sight
	began          time.Time
	looks          int
	limited, queue int // looks with a full window; with a queue in the line
}

func (j *judge) take(now time.Time, s sight) verdict {
	if j.looks == 0 {
		j.first, j.began = s, now
	}
	j.looks++
	if s.unacked*5 >= s.window*4 {
		j.limited++
	}
	if s.rtt*5 > s.shortest*6 {
		j.queue++
	}
	if j.looks < steerLooks || now.Sub(j.began) < steerSpan {
		return undecided
	}
	sent, again := s.sent-j.first.sent, s.again-j.first.again
	lossy := again >= 2 && again*1000 >= sent
	limited, idle, queue := j.limited*2 >= j.looks, j.queue <= j.looks/8, j.queue*2 >= j.looks
	*j = judge{}
	switch {
	case lossy && limited && idle:
		return randomLoss
	case queue && again*20 >= sent:
		return fullLine
	default:
		return fine
	}
}
