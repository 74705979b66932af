// Package line is a scripted bad line between an office and its hub, for the
// lab: rate up and down, delay, loss, a queue bounded in bytes, cuts.
//
// As root on Linux it is a pair of network namespaces with a TUN device in
// each and this process in between, so that real programs speak real TCP over
// it and every packet is seen ([New]). Elsewhere it is a relay of TCP
// connections on loopback ([NewRelay]), which cannot lose packets silently or
// count headers.
//
// It promises that nothing is left behind: Close removes the namespaces, and
// New removes those of a lab that was killed. No packet leaves the pair.
package line

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"time"
)

// DefaultQueue is how many bytes wait at the slow end of a line when nothing
// else is said, as in a small router.
const DefaultQueue = 64 << 10

// ErrPackets says that a line of this kind does not see packets.
var ErrPackets = errors.New("line sees no packets: run the lab as root on Linux")

// Direction describes one direction of a line. The zero Direction is as good
// as the machine.
type Direction struct {
	Rate  int           // bits per second of IP packets, headers included; 0 means unlimited
	Delay time.Duration // one way
	Loss  float64       // probability that a packet is lost, after it has used its time on the line
	Queue int           // bytes that may wait for the line; 0 means DefaultQueue
}

// Line is a line between two hosts. All methods are safe for use by several
// goroutines.
type Line interface {
	// Office and Hub are the two ends.
	Office() Host
	Hub() Host
	// Set changes both directions for what is sent from now on; up is from the
	// office to the hub.
	Set(up, down Direction)
	// Link cuts the line or joins it again. While it is cut, packets vanish
	// without a word, those on their way too.
	Link(up bool)
	// Traffic counts since the line was made. ErrPackets when it cannot.
	Traffic() (Traffic, error)
	// Close removes everything. It may be called again.
	Close() error
}

// Host is one end of a line.
type Host interface {
	// Addr is the address of the host on the line.
	Addr() string
	// Prefix is the command that starts other commands on this host, nil when
	// they need none.
	Prefix() []string
	// Dial connects from this host. It is the Dial of a net.Dialer.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Through returns the address at which this host reaches a server on the
	// other one.
	Through(address string) (string, error)
}

// Command makes a command that runs on host. When ctx ends, it is killed with
// all processes that it started.
func Command(ctx context.Context, host Host, name string, args ...string) *exec.Cmd {
	argv := append(append([]string{}, host.Prefix()...), name)
	argv = append(argv, args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	killGroup(cmd)
	return cmd
}

// Traffic is what has gone over a line, by direction.
type Traffic struct{ Up, Down Count }

// Count is the traffic of one direction as its sender put it on the line, lost
// packets included.
type Count struct {
	Packets int64
	Bytes   int64 // IP packets, headers included
	Payload int64 // what went through the sockets: each byte of a TCP stream once
	Again   int64 // payload that TCP sent once more
	Lost    int64 // packets that chance took
	Full    int64 // packets for which the queue had no room
	Cut     int64 // packets that vanished in a cut
}

// Sub returns what was added since b.
func (a Count) Sub(b Count) Count {
	return Count{
		a.Packets - b.Packets, a.Bytes - b.Bytes, a.Payload - b.Payload, a.Again - b.Again,
		a.Lost - b.Lost, a.Full - b.Full, a.Cut - b.Cut,
	}
}

// Sub returns what was added since b.
func (a Traffic) Sub(b Traffic) Traffic { return Traffic{a.Up.Sub(b.Up), a.Down.Sub(b.Down)} }

// Flow is one TCP connection, or the datagrams between two ports.
type Flow struct {
	Begin    time.Time // its first packet
	Up, Down int64     // payload, each byte once
}

// Packets is what only a line of packets can do.
type Packets interface {
	Line
	// Flows lists all flows in the order of their beginning.
	Flows() []Flow
	// Forget makes every present flow vanish for good, as a carrier's address
	// translation does that has lost its table. New ones are not affected.
	Forget()
	// Interface takes the office's network interface down or up, which programs
	// on the office can notice.
	Interface(up bool) error
}

// Shape describes both directions and the cuts of a line.
type Shape struct {
	Up, Down Direction
	// UpFor and DownFor are the schedule of cuts: the line is up, then cut, in
	// turns. Zero means never cut.
	UpFor, DownFor time.Duration
}

// Play sets the shape and follows its schedule, beginning with up, until ctx
// ends; then it joins the line. It returns a function that says how long the
// line has been up since.
func (s Shape) Play(ctx context.Context, l Line) (upTime func() time.Duration) {
	l.Set(s.Up, s.Down)
	begin := time.Now()
	if s.UpFor == 0 {
		return func() time.Duration { return time.Since(begin) }
	}
	go func() {
		defer l.Link(true)
		for {
			for _, phase := range []struct {
				up   bool
				last time.Duration
			}{{true, s.UpFor}, {false, s.DownFor}} {
				l.Link(phase.up)
				select {
				case <-ctx.Done():
					return
				case <-time.After(phase.last):
				}
			}
		}
	}()
	return func() time.Duration { return s.upIn(time.Since(begin)) }
}

// upIn is how much of the first d the line is up.
func (s Shape) upIn(d time.Duration) time.Duration {
	cycle := s.UpFor + s.DownFor
	return d/cycle*s.UpFor + min(d%cycle, s.UpFor)
}
