package exchange

import (
	"context"
	"fmt"
	"time"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// Guard decides whom this node believes. Offices and hubs each have one.
// Methods are called from the sessions' goroutines, several at once.
type Guard interface {
	// Hello checks the opening of a session by peer. An error ends the
	// session; the text goes to the log.
	Hello(ctx context.Context, peer string, h wire.Hello) error

	// Offer parses and checks an offered header: signature, sender, whether
	// this neighbour may hand it over, lifetime. A *Denial says what to answer;
	// any other error defers the bundle as an internal failure.
	Offer(ctx context.Context, peer string, header []byte) (bundle.Signed, error)

	// Receipt signs custody of a bundle that is complete here.
	Receipt(ctx context.Context, header []byte) ([]byte, error)

	// Custody checks that receipt is peer's signed custody of the bundle with
	// this header.
	Custody(ctx context.Context, peer string, header, receipt []byte) error
}

// Denial is a Guard's refusal of an offer. After > 0 makes it a deferral.
type Denial struct {
	Code  wire.Code
	Text  string
	After time.Duration
}

// Error implements error.
func (d *Denial) Error() string { return fmt.Sprintf("denied with code %d: %s", d.Code, d.Text) }

// Observer is told what people may want to see. Its methods must not block.
type Observer interface {
	// Progress says how many of a bundle's bytes the neighbour has acknowledged.
	Progress(peer string, id storage.ID, sent, total int64)
	// Session says that a session with peer began or ended.
	Session(peer string, up bool, h wire.Hello)
	// Parked says that a bundle is not offered to peer for ParkTime, because one
	// of its frames ended PoisonTries connections in a row, the last one by cause.
	Parked(peer string, id storage.ID, cause error)
}
