package exchange

import "context"

// Transport moves frames between this node and one neighbour. It may lose,
// repeat or reorder frames and never alters them; every promise is kept above
// it. The suite in linktest holds implementations to this contract.
type Transport interface {
	// Send hands one frame to the link. It returns when the link has taken
	// the frame (a bulk frame: when it is written to the socket, so that the
	// caller is paced by the line) or with an error when the link is down. A
	// nil error does not mean that the neighbour has the frame. The frame is
	// not retained. Safe for several goroutines; ends early with ctx.
	Send(ctx context.Context, frame []byte, bulk bool) error

	// Events delivers link changes and received frames, in order of arrival.
	// The channel is the same at each call, bounded, and closed when the
	// transport has ended for good. Frames that find it full are lost; link
	// changes never are.
	Events() <-chan LinkEvent
}

// Expecter is a Transport that notices a dead line sooner when it knows that
// the line ought not to be silent. Expect does not block.
type Expecter interface {
	// Expect says whether content is under way, in either direction.
	Expect(content bool)
}

// LinkEvent is exactly one of: the link came up, went down, or a frame came.
type LinkEvent struct {
	Up    bool
	Down  bool
	Err   error  // why the link went down, when known
	Cut   bool   // with Down: what is at the other end of our line closed it; a frame may be to blame
	Frame []byte // owned by the receiver
}
