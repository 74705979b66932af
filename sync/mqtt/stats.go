package mqtt

import (
	"sync/atomic"
	"time"
)

// Stats counts since the transport was made.
type Stats struct {
	SentBytes      int64 // on the socket, TLS included
	ReceivedBytes  int64
	SentFrames     int64
	ReceivedFrames int64
	Dropped        int64 // received frames and heartbeats for which the queue had no room
	Stray          int64 // messages ignored: unknown level, unreadable presence, frame while down
	Connects       int64 // connections that were set up
	Failures       int64 // attempts that failed
}

type counters struct {
	sentBytes, receivedBytes   atomic.Int64
	sentFrames, receivedFrames atomic.Int64
	dropped, stray             atomic.Int64
	connects, failures         atomic.Int64
}

func (c *counters) snapshot() Stats {
	return Stats{
		SentBytes: c.sentBytes.Load(), ReceivedBytes: c.receivedBytes.Load(),
		SentFrames: c.sentFrames.Load(), ReceivedFrames: c.receivedFrames.Load(),
		Dropped: c.dropped.Load(), Stray: c.stray.Load(),
		Connects: c.connects.Load(), Failures: c.failures.Load(),
	}
}

// Status is the state of the connection to the broker.
type Status struct {
	Connected bool      // to the broker, subscribed and announced
	Up        bool      // Connected and the neighbour is present; of a Hub: Connected
	Server    string    // of the connection, or of the last attempt
	Since     time.Time // when Connected last changed
	Err       error     // why the last attempt failed or the connection ended
	Attempts  int       // failed in a row
	NextTry   time.Time // zero while connected or connecting
}
