package broker_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/broker"
	"tram/sync/linktest"
)

const hubCode = "H40"

const patience = 10 * time.Second

// bench is a broker with its authority and what it refused.
type bench struct {
	t  *testing.T
	ca *linktest.Authority
	b  *broker.Broker

	mu       sync.Mutex
	refusals []broker.Refusal
}

func start(t *testing.T, change func(*broker.Options)) *bench {
	t.Helper()
	s := &bench{t: t, ca: linktest.NewAuthority(t)}
	o := broker.Options{
		Addr: "127.0.0.1:0", TLS: s.ca.ServerConfig(), Hub: hubCode,
		OnRefused: func(r broker.Refusal) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refusals = append(s.refusals, r)
		},
	}
	if change != nil {
		change(&o)
	}
	b, err := broker.New(o)
	if err != nil {
		t.Fatalf("new broker: %v", err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatalf("start broker: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	s.b = b
	return s
}

// refused waits for a refusal of this kind.
func (s *bench) refused(office string, action broker.Action, topic string) broker.Refusal {
	s.t.Helper()
	var found broker.Refusal
	eventually(s.t, fmt.Sprintf("refusal of %s by %s", action, office), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.refusals {
			if r.Office == office && r.Action == action && r.Topic == topic {
				found = r
				return true
			}
		}
		return false
	})
	if found.Remote == "" || found.Reason == "" {
		s.t.Errorf("refusal says too little: %+v", found)
	}
	return found
}

func (s *bench) unrefused() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) > 0 {
		s.t.Errorf("refused: %+v", s.refusals)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// client is an MQTT client without any manners.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	id   uint16
}

// dial does TLS with a certificate for this code.
func (s *bench) dial(code string) *client {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.b.Addr(), s.ca.ClientConfig(code))
	if err != nil {
		s.t.Fatalf("dial as %s: %v", code, err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return &client{t: s.t, conn: conn, r: bufio.NewReader(conn)}
}

// connect dials and sends CONNECT; the return code is 0 when it was accepted.
func (s *bench) connect(code string, change func(*packets.Packet)) (*client, byte) {
	s.t.Helper()
	c := s.dial(code)
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: 4,
		Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 60, ClientIdentifier: code},
	}
	if change != nil {
		change(&pk)
	}
	var b bytes.Buffer
	if err := pk.ConnectEncode(&b); err != nil {
		s.t.Fatalf("encode connect: %v", err)
	}
	c.write(b.Bytes())
	kind, body, err := c.read()
	if err != nil || kind>>4 != packets.Connack {
		return c, 0xff
	}
	return c, body[1]
}

// office connects and must be accepted.
func (s *bench) office(code string, change func(*packets.Packet)) *client {
	s.t.Helper()
	c, rc := s.connect(code, change)
	if rc != 0 {
		s.t.Fatalf("%s was not accepted: return code %d", code, rc)
	}
	return c
}

func (c *client) write(data []byte) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(data); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// read gives the next packet.
func (c *client) read() (kind byte, body []byte, err error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	kind, err = c.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, _, err := packets.DecodeLength(c.r)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	return kind, body, err
}

func (c *client) publish(topic string, payload []byte, qos byte, retain bool) {
	c.t.Helper()
	c.id++
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos, Retain: retain},
		TopicName:   topic, Payload: payload, PacketID: c.id, ProtocolVersion: 4,
	}
	var b bytes.Buffer
	if err := pk.PublishEncode(&b); err != nil {
		c.t.Fatalf("encode publish: %v", err)
	}
	c.write(b.Bytes())
}

// subscribe gives the granted QoS, 0x80 when it was refused.
func (c *client) subscribe(filter string) byte {
	c.t.Helper()
	c.id++
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: c.id, ProtocolVersion: 4,
		Filters: packets.Subscriptions{{Filter: filter, Qos: 1}},
	}
	var b bytes.Buffer
	if err := pk.SubscribeEncode(&b); err != nil {
		c.t.Fatalf("encode subscribe: %v", err)
	}
	c.write(b.Bytes())
	for {
		kind, body, err := c.read()
		if err != nil {
			c.t.Fatalf("read suback: %v", err)
		}
		if kind>>4 == packets.Suback {
			return body[2]
		}
	}
}

// message gives the next PUBLISH.
func (c *client) message() (topic string, payload []byte, retained bool) {
	c.t.Helper()
	for {
		kind, body, err := c.read()
		if err != nil {
			c.t.Fatalf("read message: %v", err)
		}
		if kind>>4 != packets.Publish {
			continue
		}
		n := int(body[0])<<8 | int(body[1])
		topic, payload = string(body[2:2+n]), body[2+n:]
		if kind>>1&3 > 0 {
			payload = payload[2:]
		}
		return topic, payload, kind&1 > 0
	}
}

// ended says that the broker closed the connection.
func (c *client) ended() {
	c.t.Helper()
	for {
		_, _, err := c.read()
		if err == nil {
			continue
		}
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			c.t.Error("the broker keeps the connection")
		}
		return
	}
}
