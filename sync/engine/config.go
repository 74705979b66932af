package engine

import (
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"
)

// Defaults of [Config].
const (
	DefaultChunk     = wire.MaxChunk
	DefaultCredit    = 1 << 20
	DefaultWindow    = 1 << 20
	DefaultSyncEvery = 256 << 10
	DefaultAckDelay  = schedule.AckDelay

	DefaultInFlight    = 2
	DefaultMaxOffers   = 64
	DefaultMaxIncoming = 256
	DefaultMaxObjects  = 2
	DefaultMaxHeld     = 256 << 10
	DefaultMaxWriting  = 1 << 20
	DefaultMaxDigest   = 3

	DefaultRetryMin  = 15 * time.Second
	DefaultRetryMax  = 5 * time.Minute
	DefaultGapWait   = time.Second
	DefaultBusyAfter = 30 * time.Second
	DefaultIdle      = 2 * time.Minute
	DefaultMaxDefer  = time.Hour
)

// MaxCredit bounds, in bytes, how far ahead of its acknowledgement a neighbour
// can ask to be sent to. A larger credit counts as this one.
const MaxCredit = 1 << 20

// Config holds the limits and durations of a [Peer]. A zero or negative field
// means its default.
type Config struct {
	// Known is what an earlier session has measured of this line.
	Known schedule.Estimate
	// Chunk is the largest payload of a CHUNK that this side sends, in bytes;
	// less goes at once over slow lines. At most [wire.MaxChunk]. Default
	// DefaultChunk.
	Chunk int
	// Credit is the window in bytes that this side grants per object, beyond
	// what is durable. Default DefaultCredit, at most MaxCredit.
	Credit int64
	// Window bounds what this side has under way, in bytes over all objects: sent
	// and not acknowledged as durable. Below it the measured line decides
	// ([schedule.Pace]). It is what an urgent bundle may have to wait for (P5),
	// what goes again after a cut (P4), and what a broker in between may have to
	// hold. Default DefaultWindow, at least Chunk.
	Window int64
	// SyncEvery is after how many received bytes, over all objects, what came is
	// made durable and acknowledged, however little time has passed; at most half
	// of Credit. Default DefaultSyncEvery.
	SyncEvery int64
	// AckDelay is how long received bytes may wait to be made durable and
	// acknowledged together with others. Default DefaultAckDelay.
	AckDelay time.Duration

	// InFlight is how many SendChunk, and separately how many SendOffer, may be
	// unanswered by the runner; more wait inside. Default DefaultInFlight.
	InFlight int
	// MaxOffers is how many bundles of at least some urgency may be on offer at
	// once; more urgent ones do not count less urgent ones. Others wait.
	// Default DefaultMaxOffers.
	MaxOffers int
	// MaxIncoming is how many bundles may be on their way in at once. Further
	// offers are answered with DEFER, CodeBusy. Default DefaultMaxIncoming.
	MaxIncoming int
	// MaxObjects is how many objects of one incoming bundle are asked for at
	// once. Default DefaultMaxObjects.
	MaxObjects int
	// MaxHeld bounds the bytes kept of chunks that came out of order, over all
	// bundles. Chunks above it are dropped and asked for again. Default
	// DefaultMaxHeld.
	MaxHeld int
	// MaxWriting bounds the bytes handed over in Write and not yet answered,
	// over all bundles. Chunks above it are dropped and asked for again.
	// Default DefaultMaxWriting.
	MaxWriting int
	// MaxDigest is how often the content of a bundle may fail its digest before
	// it is refused with CodeDigest. Default DefaultMaxDigest.
	MaxDigest int

	// RetryMin and RetryMax bound the wait for an answer: to an offer, to chunks
	// sent, to bytes wanted. It doubles with each repeat and starts again at
	// RetryMin on progress. Defaults DefaultRetryMin, DefaultRetryMax.
	RetryMin, RetryMax time.Duration
	// GapWait is how long a hole before a received chunk may stay before the
	// missing bytes are asked for again. Default DefaultGapWait.
	GapWait time.Duration
	// BusyAfter is what a DEFER of this side asks for when nothing else is
	// said. Default DefaultBusyAfter.
	BusyAfter time.Duration
	// Idle is how long an incoming bundle must have been without progress
	// before a new offer may take its place when MaxIncoming is reached. What
	// it has on disk stays. Default DefaultIdle.
	Idle time.Duration
	// MaxDefer bounds how long a neighbour's DEFER is obeyed. Default
	// DefaultMaxDefer.
	MaxDefer time.Duration
}

func (c Config) withDefaults() Config {
	def(&c.Chunk, DefaultChunk)
	def(&c.Credit, DefaultCredit)
	def(&c.Window, DefaultWindow)
	def(&c.SyncEvery, DefaultSyncEvery)
	def(&c.AckDelay, DefaultAckDelay)
	def(&c.InFlight, DefaultInFlight)
	def(&c.MaxOffers, DefaultMaxOffers)
	def(&c.MaxIncoming, DefaultMaxIncoming)
	def(&c.MaxObjects, DefaultMaxObjects)
	def(&c.MaxHeld, DefaultMaxHeld)
	def(&c.MaxWriting, DefaultMaxWriting)
	def(&c.MaxDigest, DefaultMaxDigest)
	def(&c.RetryMin, DefaultRetryMin)
	def(&c.RetryMax, DefaultRetryMax)
	def(&c.GapWait, DefaultGapWait)
	def(&c.BusyAfter, DefaultBusyAfter)
	def(&c.Idle, DefaultIdle)
	def(&c.MaxDefer, DefaultMaxDefer)
	c.Chunk = min(c.Chunk, wire.MaxChunk)
	c.Credit = min(c.Credit, MaxCredit)
	c.Window = max(c.Window, int64(c.Chunk))
	c.SyncEvery = min(c.SyncEvery, max(c.Credit/2, 1))
	c.RetryMax = max(c.RetryMax, c.RetryMin)
	return c
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
