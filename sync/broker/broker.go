package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"tram/sync/mqtt"
)

// Bounds of one broker.
const (
	// DefaultMaxConnections bounds connections, offices and strangers together.
	// Further ones are closed at once.
	DefaultMaxConnections = 16 << 10
	// DefaultMaxHandshakes bounds the connections in the TLS handshake, some 30 kB
	// each. Further ones are closed at once, before anything is computed for
	// them, and come again with backoff.
	DefaultMaxHandshakes = 2 << 10
	// DefaultQueueBytes bounds the payload that waits to be written to one office.
	DefaultQueueBytes = 4 << 20
	// DefaultHubQueueBytes is the same for the hub.
	DefaultHubQueueBytes = 64 << 20
	// QueueMessages bounds the messages that wait to be written to one
	// connection. It costs eight bytes each, for every connection.
	QueueMessages = 256
	// HandshakeTimeout is how long a connection has for TLS and CONNECT.
	HandshakeTimeout = 30 * time.Second
	// MaxKeepAlive is granted to clients that ask for a longer keepalive or for
	// none; MQTT then ends a connection after one and a half of it in silence.
	MaxKeepAlive = 20 * time.Minute
)

// Options for [New]. Addr, TLS and Hub are required.
type Options struct {
	Addr string      // "host:port"; port 0 takes a free one
	TLS  *tls.Config // must have ClientAuth RequireAndVerifyClientCert
	Hub  string      // code of the hub
	// Logger gets what happens at info and above, and mochi's own words at debug.
	Logger *slog.Logger
	// OnRefused hears of refusals, from several goroutines; it must not block
	// for long. Repetitions are merged, see Refusal.Repeats.
	OnRefused func(Refusal)
	// Revoked says whether a certificate has been revoked. It is asked at every
	// connection; see also Kick.
	Revoked func(serial *big.Int) bool
	// Explain puts into words, for the log, why a client's certificate was not
	// accepted in the TLS handshake; "" leaves it to the TLS library. nil: always.
	Explain func(cert *x509.Certificate) string
	// MaxConnections is DefaultMaxConnections when zero.
	MaxConnections int
	// MaxHandshakes is DefaultMaxHandshakes when zero.
	MaxHandshakes int
	// QueueBytes is DefaultQueueBytes when zero, HubQueueBytes likewise.
	QueueBytes, HubQueueBytes int
}

// Action is what was refused.
type Action string

// Actions of a [Refusal].
const (
	ActionHandshake Action = "handshake" // TLS: no, foreign or expired certificate
	ActionConnect   Action = "connect"   // names, version or revocation
	ActionWill      Action = "will"      // topic of the last will
	ActionPublish   Action = "publish"
	ActionSubscribe Action = "subscribe"
	ActionPacket    Action = "packet" // too large or malformed
)

// Refusal is something that the broker did not let happen.
type Refusal struct {
	Office  string // common name of the certificate, empty without a valid one
	Remote  string // address
	Action  Action
	Topic   string // of a publish, subscription or last will
	Reason  string // for the log, in English
	Repeats int    // same office, action and topic since the last report
}

// Stats counts since Start.
type Stats struct {
	Connections int   // now
	Sessions    int   // offices connected now, the hub included
	TurnedAway  int64 // connections closed at once for lack of room
	Refused     int64 // refusals, repetitions included
	Dropped     int64 // messages for which a subscriber had no room
	In, Out     int64 // messages
}

// Broker is an MQTT 3.1.1 broker for one hub and its offices.
type Broker struct {
	o        Options
	server   *mochi.Server
	door     *door
	guard    *gatekeeper
	closeOne sync.Once
}

// New checks the options and prepares a broker.
func New(o Options) (*Broker, error) {
	topics, err := mqtt.TopicsOf(o.Hub)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	if o.TLS == nil || o.TLS.ClientAuth != tls.RequireAndVerifyClientCert || o.TLS.ClientCAs == nil {
		return nil, errors.New("check options: TLS must require and verify client certificates")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.MaxHandshakes == 0 {
		o.MaxHandshakes = DefaultMaxHandshakes
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.HubQueueBytes == 0 {
		o.HubQueueBytes = DefaultHubQueueBytes
	}
	b := &Broker{o: o}
	b.server = mochi.New(&mochi.Options{
		Capabilities: capabilities(o.MaxConnections),
		// Each connection at rest holds one; TLS has a buffer of its own behind it, and
		// what is larger goes past it.
		ClientNetReadBufferSize: 256,
		Logger:                  slog.New(quiet{o.Logger.Handler()}),
		SysTopicResendInterval:  int64((24 * time.Hour).Seconds()), // nobody may read them
	})
	hub, _ := mqtt.Level(o.Hub)
	b.guard = newGatekeeper(b, topics, hub)
	b.door = newDoor(b)
	if err := b.server.AddHook(b.guard, nil); err != nil {
		return nil, fmt.Errorf("add hook: %w", err)
	}
	return b, nil
}

func capabilities(maxConnections int) *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClients = int64(maxConnections)
	c.MaximumPacketSize = mqtt.MaxPacket
	c.MaximumClientWritesPending = QueueMessages
	c.MaximumSessionExpiryInterval = 0
	c.MaximumMessageExpiryInterval = 0 // presence of long connections must not expire
	c.MaximumInflight = 64
	c.ReceiveMaximum = 64
	c.MaximumQos = 1
	c.TopicAliasMaximum = 0
	c.SharedSubAvailable = 0
	c.SubIDAvailable = 0
	c.MinimumProtocolVersion = 4
	return c
}

// Start listens and serves until Close.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.door.listen(ctx); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if err := b.server.AddListener(b.door); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.o.Logger.Info("broker listens", "addr", b.Addr())
	return nil
}

// Addr is the address that the broker listens on, known after Start.
func (b *Broker) Addr() string { return b.door.Address() }

// Kick ends the connection of an office, for example when its certificate has
// been revoked. Its last will is published.
func (b *Broker) Kick(code string) {
	if level, err := mqtt.Level(code); err == nil {
		b.guard.kick(level)
	}
}

// Stats counts what happened.
func (b *Broker) Stats() Stats {
	info := b.server.Info.Clone()
	sessions := b.guard.count()
	return Stats{
		Connections: b.door.count(), Sessions: sessions, TurnedAway: b.door.turnedAway(),
		Refused: b.guard.refused.Load(), Dropped: info.MessagesDropped + b.guard.dropped.Load(),
		In: info.MessagesReceived, Out: info.MessagesSent,
	}
}

// Close ends all connections and stops. It may be called again.
func (b *Broker) Close() error {
	var err error
	b.closeOne.Do(func() {
		b.door.shut()
		err = b.server.Close()
	})
	return err
}
