package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tram/storage"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// Guard decides whom this node believes. Offices and hubs each have one.
// Methods are called from the sessions' goroutines, several at once.
type Guard interface {
	// Greet completes a HELLO to peer with what this node says of itself: card,
	// registry, boot. heard is the HELLO of peer that it answers, nil when it
	// opens. What it says of this node is durable before Greet returns. After
	// an error nothing is said; it is tried again.
	Greet(ctx context.Context, peer string, say, heard *wire.Hello) error

	// Hello checks a HELLO of peer; answers says that it answers a HELLO of the
	// present session. After [ErrUnsettled] it is answered and no session
	// agreed; any other error ends the session, its text goes to the log, and
	// after [ErrCopy] peer is not asked again.
	Hello(ctx context.Context, peer string, h wire.Hello, answers bool) error

	// Offer parses and checks an offered header: signature, sender, whether
	// this neighbour may hand it over, lifetime. A *Denial says what to answer;
	// any other error defers the bundle as an internal failure.
	Offer(ctx context.Context, peer string, header []byte) (bundle.Signed, error)

	// Denied is told that an offered bundle of peer is refused for good, before
	// peer is: by what Offer said, or because of the bundle's content. It cannot
	// change that, and is told again when the bundle is offered again.
	Denied(ctx context.Context, peer string, header []byte, code wire.Code)

	// Receipt signs custody of a bundle that is complete here.
	Receipt(ctx context.Context, header []byte) ([]byte, error)

	// Custody checks that receipt is peer's signed custody of the bundle with
	// this header.
	Custody(ctx context.Context, peer string, header, receipt []byte) error
}

var (
	// ErrUnsettled says that a HELLO came before its speaker could know what to
	// say. It will say it in the answer to ours.
	ErrUnsettled = errors.New("hello says too little yet")
	// ErrCopy says that one of the two machines is an older copy of a box that
	// has spoken for the same office since.
	ErrCopy = errors.New("older copy of a box")
)

// Denial is a Guard's refusal of an offer. After > 0 makes it a deferral.
type Denial struct {
	Code  wire.Code
	Text  string
	After time.Duration
}

// final says whether the neighbour takes it as a refusal for good.
func (d *Denial) final() bool {
	return d.After == 0 && d.Code != wire.CodeFull && d.Code != wire.CodeBusy && d.Code != wire.CodeInternal
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
