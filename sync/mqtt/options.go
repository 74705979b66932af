package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Defaults of [Tuning].
const (
	// DefaultKeepAlive lets an idle office spend well under 100 kB a day, TLS
	// and TCP included.
	DefaultKeepAlive = 240 * time.Second
	// DefaultPingTimeout is long because a ping waits behind what the line has
	// buffered; see Tuning.PingTimeout.
	DefaultPingTimeout = 30 * time.Second
	// DefaultWriteTimeout cuts a line that takes not one byte in this time.
	DefaultWriteTimeout = 30 * time.Second
	// DefaultConnectTimeout spans TCP, TLS and the MQTT handshake.
	DefaultConnectTimeout = 30 * time.Second
	// DefaultUserTimeout is TCP_USER_TIMEOUT: sent bytes unacknowledged for so
	// long end the connection. Linux only.
	DefaultUserTimeout = 30 * time.Second
	// DefaultUnsent is how many bytes the socket takes beyond what the line has
	// accepted (TCP_NOTSENT_LOWAT). What is in there cannot be overtaken by an
	// urgent frame any more. Linux only; elsewhere the window of the exchange
	// above is the only bound.
	DefaultUnsent = 16 << 10
	// DefaultCongestion is the congestion control of TCP that a connection
	// changes to when the system's own takes random loss, as on radio, for a full
	// line ([Steered]). Linux only, where the kernel has it.
	DefaultCongestion = "bbr"
	// DefaultLongestRTO bounds TCP's wait between repetitions, so that a line
	// that was away for some seconds is used within this time after its return.
	// Linux 6.15 and later; else waits double up to 120 s.
	DefaultLongestRTO = time.Second
	// DefaultProbeAfter is how long a line may be silent while content is under
	// way before it is asked for a sign of life.
	DefaultProbeAfter = 3 * time.Second
	// DefaultDeadAfter is how long it may be silent then before it counts as
	// dead. It is more than a line's usual hiccup, and leaves time to be moving
	// again within 15 s.
	DefaultDeadAfter = 11 * time.Second
	// DefaultQueueFrames bounds the frames that wait for the reader of Events.
	DefaultQueueFrames = 256
	// DefaultQueueBytes bounds the bytes of those frames.
	DefaultQueueBytes = 4 << 20
	// DefaultAckBytes bounds the control frames that the broker has not
	// acknowledged; Send of a control frame waits for room.
	DefaultAckBytes = 1 << 20
	// DefaultAnnounceSpread is the time over which offices announce themselves
	// again to a hub that came back, so that thousands do not do it at once.
	DefaultAnnounceSpread = 30 * time.Second
	// DefaultBackoffMin and DefaultBackoffMax bound the reconnect backoff.
	DefaultBackoffMin = time.Second
	DefaultBackoffMax = 5 * time.Minute
)

// Defaults of [Tuning] where a [Hub] differs: it sits close to its broker and
// serves thousands of peers over one connection.
const (
	DefaultHubKeepAlive   = 60 * time.Second
	DefaultHubQueueFrames = 64       // for each peer
	DefaultHubQueueBytes  = 64 << 20 // of all peers together
	DefaultHubAckBytes    = 16 << 20
	DefaultHubBackoffMax  = 30 * time.Second
)

// Tuning holds what rarely needs a change. A zero field means the Default
// constant of the same name.
type Tuning struct {
	// KeepAlive is the MQTT keepalive, whole seconds. The broker reports an
	// office as offline after one and a half of it.
	KeepAlive time.Duration
	// PingTimeout ends the connection when a ping is not answered. Values under
	// DefaultPingTimeout cut slow lines that work; they are for tests.
	PingTimeout time.Duration
	// WriteTimeout ends the connection when the line takes nothing for so long.
	WriteTimeout time.Duration
	// ConnectTimeout bounds one attempt at one server.
	ConnectTimeout time.Duration
	// UserTimeout, Unsent and LongestRTO are socket options, Congestion is for
	// Steer; see their defaults.
	UserTimeout time.Duration
	Unsent      int // bytes
	Congestion  string
	LongestRTO  time.Duration
	// SendBuffer is SO_SNDBUF in bytes; 0 leaves it to the system.
	SendBuffer int
	// ProbeAfter and DeadAfter are for a silent line while the reader expects
	// something ([Client.Expect]).
	ProbeAfter, DeadAfter time.Duration
	// QueueFrames and QueueBytes bound received frames that wait for the reader
	// of Events. Frames beyond are lost and counted as Stats.Dropped.
	QueueFrames int
	QueueBytes  int
	// AckBytes bounds control frames without the broker's acknowledgement.
	AckBytes int
	// AnnounceSpread bounds the random wait before an office announces itself
	// again. The link does not wait for it.
	AnnounceSpread time.Duration
	// Backoff paces reconnection.
	Backoff Backoff
}

// Options for [Dial]. Servers, Hub and Office are required.
type Options struct {
	Servers []string    // "host:port"; one attempt goes through all, the last good one first
	TLS     *tls.Config // with the office's certificate; nil means plain TCP
	// Roots, when not nil, are asked for at each connection and stand in the place
	// of TLS.RootCAs, which cannot change.
	Roots    func() *x509.CertPool
	Hub      string // code of the hub
	Office   string // code of this office, the CN of its certificate
	Software string // for people, for example "tram 0.1.0"
	Logger   *slog.Logger
	Tuning   Tuning
	// DialContext opens the TCP connection; nil means a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// HubOptions for [NewHub]. Servers, Hub and Lookup are required.
type HubOptions struct {
	Servers  []string
	TLS      *tls.Config // with the hub's certificate; nil means plain TCP
	Hub      string      // code of the hub, the CN of its certificate
	Software string
	// Lookup gives the office code of a topic level, false when there is no such
	// office. It is called when a level is first seen, must not block on the
	// network, and must not call the Hub.
	Lookup func(level string) (code string, ok bool)
	// SharedBroker is [Hub.ShareBroker] from the first connection on.
	SharedBroker bool
	Logger       *slog.Logger
	Tuning       Tuning
	DialContext  func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Errors of Send and of Status.
var (
	// ErrDown says that the link is down. Send again after Up.
	ErrDown = errors.New("link is down")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("transport is closed")
	// ErrTooLarge says that a frame is over wire.MaxFrame. It will never be sent.
	ErrTooLarge = errors.New("frame is too large")
	// ErrRefused says that the broker did not accept us: wrong certificate or
	// office code. Only a person can mend it; attempts go on with backoff.
	ErrRefused = errors.New("broker refused the connection")
	// ErrSilent says that nothing came over the line although content was under
	// way: a carrier has dropped the connection, or the line is dead.
	ErrSilent = errors.New("line is silent")
	// ErrOffline says that the neighbour left the broker.
	ErrOffline = errors.New("neighbour is offline")
	// ErrReplaced says that the neighbour has a new session.
	ErrReplaced = errors.New("neighbour has a new session")
)

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (t Tuning) withDefaults() Tuning {
	orDefault(&t.KeepAlive, DefaultKeepAlive)
	orDefault(&t.PingTimeout, DefaultPingTimeout)
	orDefault(&t.WriteTimeout, DefaultWriteTimeout)
	orDefault(&t.ConnectTimeout, DefaultConnectTimeout)
	orDefault(&t.UserTimeout, DefaultUserTimeout)
	orDefault(&t.Unsent, DefaultUnsent)
	orDefault(&t.Congestion, DefaultCongestion)
	orDefault(&t.LongestRTO, DefaultLongestRTO)
	orDefault(&t.ProbeAfter, DefaultProbeAfter)
	orDefault(&t.DeadAfter, DefaultDeadAfter)
	orDefault(&t.QueueFrames, DefaultQueueFrames)
	orDefault(&t.QueueBytes, DefaultQueueBytes)
	orDefault(&t.AckBytes, DefaultAckBytes)
	orDefault(&t.AnnounceSpread, DefaultAnnounceSpread)
	orDefault(&t.Backoff.Min, DefaultBackoffMin)
	orDefault(&t.Backoff.Max, DefaultBackoffMax)
	return t
}

func (t Tuning) withHubDefaults() Tuning {
	orDefault(&t.KeepAlive, DefaultHubKeepAlive)
	orDefault(&t.QueueFrames, DefaultHubQueueFrames)
	orDefault(&t.QueueBytes, DefaultHubQueueBytes)
	orDefault(&t.AckBytes, DefaultHubAckBytes)
	orDefault(&t.Backoff.Max, DefaultHubBackoffMax)
	return t.withDefaults()
}

func checkServers(servers []string) error {
	if len(servers) == 0 {
		return errors.New("check options: no server")
	}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return errors.Join(errors.New("check options: server is not host:port"), err)
		}
	}
	return nil
}
