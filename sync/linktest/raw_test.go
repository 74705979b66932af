package linktest_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// rawPatience bounds one answer of a broker.
const rawPatience = 20 * time.Second

// Packet types of MQTT.
const (
	connack = 2
	publish = 3
	puback  = 4
	suback  = 9
)

// raw is an MQTT client that does what it is told, also what Trạm never would.
type raw struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	id   uint16
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func (c *raw) write(first byte, body []byte) error {
	packet := []byte{first}
	for n := len(body); ; {
		digit := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			packet = append(packet, digit|0x80)
			continue
		}
		packet = append(packet, digit)
		break
	}
	c.conn.SetWriteDeadline(time.Now().Add(rawPatience))
	_, err := c.conn.Write(append(packet, body...))
	return err
}

// read gives the next packet that arrives within limit.
func (c *raw) read(limit time.Duration) (first byte, body []byte, err error) {
	c.conn.SetReadDeadline(time.Now().Add(limit))
	if first, err = c.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, shift := 0, 0
	for {
		digit, err := c.r.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		length |= int(digit&0x7f) << shift
		if shift += 7; digit&0x80 == 0 {
			break
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.r, body)
	return first, body, err
}

// will is a last will; the zero value is none.
type will struct {
	topic   string
	payload []byte
}

var errRefused = errors.New("connection refused")

// dialRaw connects with a client certificate; an error says that the broker
// did not want it.
func dialRaw(t *testing.T, addr string, config *tls.Config, id string, w will) (*raw, error) {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: rawPatience}, "tcp", addr, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	c := &raw{t: t, conn: conn, r: bufio.NewReader(conn)}
	flags := byte(2) // clean session
	payload := text(id)
	if w.topic != "" {
		flags |= 0x04 | 0x08 | 0x20 // will, QoS 1, retained
		payload = append(append(payload, text(w.topic)...), text(string(w.payload))...)
	}
	head := append(text("MQTT"), 4, flags, 0, 60)
	if err := c.write(0x10, append(head, payload...)); err != nil {
		return nil, err
	}
	first, body, err := c.read(rawPatience)
	switch {
	case err != nil:
		return nil, err
	case first>>4 != connack || len(body) != 2 || body[1] != 0:
		return nil, errRefused
	}
	return c, nil
}

// subscribe says whether the broker granted a filter, at any QoS.
func (c *raw) subscribe(filter string) bool {
	c.t.Helper()
	c.id++
	body := binary.BigEndian.AppendUint16(nil, c.id)
	if err := c.write(0x82, append(append(body, text(filter)...), 1)); err != nil {
		return false
	}
	for {
		first, body, err := c.read(rawPatience)
		if err != nil {
			return false
		}
		if first>>4 == suback {
			return len(body) == 3 && body[2] <= 1
		}
	}
}

// publish sends a message with QoS 1; the answer, if any, is not waited for.
func (c *raw) publish(topic string, payload []byte, retain bool) {
	c.id++
	first := byte(0x32)
	if retain {
		first |= 1
	}
	body := binary.BigEndian.AppendUint16(text(topic), c.id)
	_ = c.write(first, append(body, payload...)) // a broker may have cut the line
}

// message gives the next message that arrives within limit, "" for none.
func (c *raw) message(limit time.Duration) (topic string, payload []byte) {
	for {
		first, body, err := c.read(limit)
		if err != nil {
			return "", nil
		}
		if first>>4 != publish {
			continue
		}
		n := int(binary.BigEndian.Uint16(body))
		topic, payload = string(body[2:2+n]), body[2+n:]
		if first>>1&3 > 0 {
			_ = c.write(puback<<4, payload[:2])
			payload = payload[2:]
		}
		return topic, payload
	}
}
