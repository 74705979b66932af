package mqtt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// knocks is how many signs of life are asked for to measure a round trip; the
// shortest counts.
const knocks = 3

// knockKeepAlive is the keepalive of a connection that only knocks, in seconds.
const knockKeepAlive = 60

// Sight is what the system knows of the way of a TCP connection. Zero fields are
// not known, as everywhere but on Linux.
type Sight struct {
	RTT      time.Duration // smoothed
	Shortest time.Duration
	Segments uint32 // with data, sent so far
	Repeated uint32 // of these, because they were lost or taken for lost
}

// Path is the Sight of a connection.
func Path(conn net.Conn) Sight {
	if s, ok := conn.(*Steered); ok {
		conn = s.Conn
	}
	s, _ := lookAt(conn)
	return Sight{RTT: s.rtt, Shortest: s.shortest, Segments: s.sent, Repeated: s.again}
}

// Knock greets a broker as the office over a new connection, sees how long it takes
// to answer, and takes leave. It announces and subscribes nothing. The broker ends
// any other connection of the office for it. [ErrRefused] when it does not take the
// office.
func Knock(conn net.Conn, office string) (rtt time.Duration, err error) {
	level, err := Level(office)
	if err != nil {
		return 0, fmt.Errorf("knock: %w", err)
	}
	if _, err := conn.Write(greeting(level)); err != nil {
		return 0, fmt.Errorf("knock: %w", err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, fmt.Errorf("knock: %w", err)
	}
	switch {
	case answer[0] != packetConnack<<4 || answer[1] != 2:
		return 0, fmt.Errorf("knock: %w: it answers with type %d", errPacket, answer[0]>>4)
	case answer[3] != 0:
		return 0, fmt.Errorf("knock: %w: code %d", ErrRefused, answer[3])
	}
	for range knocks {
		start := time.Now()
		if _, err := conn.Write(pingreq); err != nil {
			return 0, fmt.Errorf("knock: %w", err)
		}
		var pong [2]byte
		if _, err := io.ReadFull(conn, pong[:]); err != nil {
			return 0, fmt.Errorf("knock: %w", err)
		}
		if pong != [2]byte{packetPingresp << 4, 0} {
			return 0, fmt.Errorf("knock: %w: it answers with type %d", errPacket, pong[0]>>4)
		}
		if took := time.Since(start); rtt == 0 || took < rtt {
			rtt = took
		}
	}
	_, err = conn.Write([]byte{packetDisconnect << 4, 0})
	if err != nil {
		return rtt, fmt.Errorf("knock: %w", err)
	}
	return rtt, nil
}

// greeting is a CONNECT of MQTT 3.1.1 with a clean session and no last will.
func greeting(level string) []byte {
	const cleanSession = 2
	body := append([]byte{0, 4}, "MQTT"...)
	body = append(body, protocol, cleanSession)
	body = binary.BigEndian.AppendUint16(body, knockKeepAlive)
	body = binary.BigEndian.AppendUint16(body, uint16(len(level)))
	body = append(body, level...)
	return append([]byte{0x10, byte(len(body))}, body...) // under 128 bytes: a level has at most MaxCode
}

// errNoPong says that the line was lost before the answer came.
var errNoPong = errors.New("no answer to a ping")

// Ping measures how long the broker takes to answer over the connection of the
// moment, for a few bytes. [ErrDown] when there is none.
func (c *Client) Ping(ctx context.Context) (rtt time.Duration, err error) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return 0, ErrDown
	}
	g := conn.guard()
	if g == nil {
		return 0, ErrDown
	}
	for range knocks {
		select {
		case <-g.pong: // an older one
		default:
		}
		start := time.Now()
		if err := g.ping(); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrDown, err)
		}
		select {
		case <-g.pong:
			if took := time.Since(start); rtt == 0 || took < rtt {
				rtt = took
			}
		case <-conn.over:
			return 0, fmt.Errorf("%w: %w", ErrDown, errNoPong)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return rtt, nil
}

// Path is what the system knows of the way of the connection of the moment; zero
// while there is none.
func (c *Client) Path() Sight {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return Sight{}
	}
	g := conn.guard()
	if g == nil {
		return Sight{}
	}
	return Path(g.line.Conn)
}

// guard is the connection's socket, nil when it never had one.
func (c *conn) guard() *guard {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket
}
