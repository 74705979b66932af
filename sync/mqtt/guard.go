package mqtt

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// errEnded is what paho gets from a connection that this package has closed: it
// does not report the standard error and would then keep its goroutines.
var errEnded = errors.New("connection ended")

// errPacket says that the broker sent a packet that no honest broker sends to
// this client: over MaxPacket, or of a type or form that cannot come up.
var errPacket = errors.New("refuse packet from broker")

// MQTT packet types that a broker may send to this client.
const (
	packetConnack    = 2
	packetPublish    = 3
	packetPuback     = 4
	packetSuback     = 9
	packetPingresp   = 13
	packetDisconnect = 14 // not in 3.1.1 from a broker, but some send it before they close
)

// guard is the connection that paho sees. It follows the packet boundaries of
// what is read and refuses a packet from its first bytes, before paho allocates
// what the length field promises. It also refuses packets that would make paho
// index out of range, such as a SUBACK with more codes than filters asked for.
type guard struct {
	net.Conn
	line    *meter            // the socket below Conn
	writing sync.Mutex        // held for a packet
	filters int               // topic filters in our only SUBSCRIBE
	ended   func(err error)   // called on every failure, and with nil on Close
	left    int               // bytes of the current packet still to come
	header  [headerBytes]byte // fixed header so far
	have    int               // bytes in header
	pong    chan struct{}     // holds one once a PINGRESP has come; nil: nobody asks
}

// headerBytes is the longest fixed header: type and four length bytes.
const headerBytes = 5

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err != nil {
		err = g.failed("read", err)
	}
	ok, bad := g.follow(p[:n])
	if bad != nil {
		g.ended(bad)
		return ok, bad
	}
	return n, err
}

// follow walks over bytes read. It returns how many may be passed on, all
// unless there is an error.
func (g *guard) follow(p []byte) (int, error) {
	for i := 0; i < len(p); {
		if g.left > 0 {
			skip := min(g.left, len(p)-i)
			g.left -= skip
			i += skip
			continue
		}
		g.header[g.have] = p[i]
		g.have++
		if g.have > 1 && p[i]&0x80 == 0 {
			length := 0
			for j := g.have - 1; j > 0; j-- {
				length = length<<7 | int(g.header[j]&0x7f)
			}
			if err := g.check(g.header[0], length); err != nil {
				return i, err
			}
			g.left, g.have = length, 0
		} else if g.have == headerBytes {
			return i, fmt.Errorf("%w: length field is malformed", errPacket)
		}
		i++
	}
	return len(p), nil
}

func (g *guard) check(first byte, length int) error {
	kind, limit := first>>4, 0
	switch kind {
	case packetPublish:
		if qos := first >> 1 & 3; qos > 1 {
			return fmt.Errorf("%w: QoS %d", errPacket, qos)
		}
		limit = MaxPacket
	case packetConnack, packetPuback:
		limit = 2
	case packetSuback:
		limit = 2 + g.filters
	case packetPingresp:
		select {
		case g.pong <- struct{}{}:
		default:
		}
	case packetDisconnect:
	default:
		return fmt.Errorf("%w: type %d", errPacket, kind)
	}
	if length > limit {
		return fmt.Errorf("%w: type %d with %d bytes, limit %d", errPacket, kind, length, limit)
	}
	return nil
}

// Write writes whole packets: paho hands each over in one call.
func (g *guard) Write(p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	n, err := g.Conn.Write(p)
	if err != nil {
		err = g.failed("write", err)
	}
	return n, err
}

// pingreq is a PINGREQ.
var pingreq = []byte{0xc0, 0}

// ping asks the broker for a sign of life, which paho takes for the answer to
// one of its own pings. It blocks while the line takes nothing.
func (g *guard) ping() error {
	_, err := g.Write(pingreq)
	return err
}

func (g *guard) failed(verb string, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errEnded
	}
	err = fmt.Errorf("%s: %w", verb, err)
	g.ended(err)
	return err
}

// Close closes the socket at once. There is no TLS farewell: it would wait
// behind a line that takes nothing, and MQTT has its own.
func (g *guard) Close() error {
	err := g.line.Close()
	g.ended(nil)
	return err
}

// SetDeadline bounds reads only: meter gives every write its own deadline.
func (g *guard) SetDeadline(t time.Time) error { return g.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing, see SetDeadline.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }
