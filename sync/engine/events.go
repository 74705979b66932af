package engine

import (
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

// Event is something that happened outside the machine, handed to
// [Peer.Step]: one of the types below.
type Event interface{ event() }

// Up says that a session with the neighbour has been agreed (HELLO both ways).
// Everything that is outgoing should have been [Queued] before. Up while up
// counts as Down followed by Up.
type Up struct{}

// Down says that the session has ended. Down while down does nothing.
type Down struct{}

// Frame is a frame of the present session from the neighbour, any but HELLO.
// The machine keeps references to its byte slices.
type Frame struct{ wire.Frame }

// Queued makes an outgoing bundle known. A bundle that is known already is
// left as it is, so the runner may list its store as often as it likes.
type Queued struct{ Item Item }

// Item is an outgoing bundle as far as the machine must know it.
type Item struct {
	ID      uuid.UUID
	Urgency uint8     // 0 thường … 3 hỏa tốc; higher values count as 3
	Created time.Time // older ones go first
	Expires time.Time // not offered from then on; zero: never expires
	// Offer is how many bytes travel inside the OFFER: header, slip and small
	// objects.
	Offer int64
	// Objects holds the size in bytes of each object that travels in chunks,
	// by index. Objects inside the OFFER are not listed. Not modified.
	Objects map[int]int64
}

// Withdrawn says that an outgoing bundle has ended at this side: taken back,
// expired, receipted. The neighbour is told when it was offered.
type Withdrawn struct {
	ID   uuid.UUID
	Code wire.Code // why, for the CANCEL
}

// Restrict says what may travel from now on, both ways.
type Restrict struct{ Rules schedule.Rules }

// First asks that a bundle, outgoing or incoming, goes before others of its
// class and whatever the rules say.
type First struct{ ID uuid.UUID }

// Admitted answers [Admit].
type Admitted struct {
	ID uuid.UUID
	Admission
}

// Admission is what became of an offered bundle. Exactly one of the following
// holds: Receipt is set; Refuse is set; Defer is set; or the bundle was
// admitted and Need says what is missing (empty: nothing is).
type Admission struct {
	Urgency uint8        // of an admitted bundle
	Size    int64        // of all its objects, in bytes
	Receipt []byte       // custody given before, to be sent again
	Need    map[int]Need // by object index; objects that came inline may be absent
	Refuse  wire.Code    // never to be taken, with Text
	Defer   wire.Code    // not now; After says when, zero means Config.BusyAfter
	Text    string       // for people, cut to wire.MaxText
	After   time.Duration
}

// Need describes an object of an admitted bundle, in bytes.
type Need struct {
	Size    int64
	Durable int64 // already safe on disk
}

// Written answers [Write].
type Written struct {
	ID      uuid.UUID
	Object  int
	N       int       // len(Write.Data)
	Durable int64     // durable bytes of the object now
	Code    wire.Code // CodeNone when stored; else why not (CodeFull, CodeInternal)
}

// Completed answers [Complete].
type Completed struct {
	ID      uuid.UUID
	Receipt []byte // signed custody, persisted with the bundle
	// Code is set when there is no Receipt: CodeDigest when an object did not
	// match and its bytes were dropped, else CodeFull, CodeInternal, …
	Code wire.Code
}

// Result says how the sending of an offer or a chunk went.
type Result uint8

const (
	// Done: the link has taken the frame.
	Done Result = iota
	// Failed: the frame was not sent, because of the link or the store; the
	// machine tries again later.
	Failed
	// Gone: the bundle is no longer outgoing.
	Gone
)

// OfferSent answers [SendOffer].
type OfferSent struct {
	ID     uuid.UUID
	Result Result
}

// ChunkSent answers [SendChunk]. The other fields repeat the action's.
type ChunkSent struct {
	ID     uuid.UUID
	Object int
	Offset int64
	N      int
	Result Result
}

// Settled answers [Settle]. Failed says that the answer was not recorded,
// because its signature is bad or the store failed: the bundle stays outgoing
// and is offered again later.
type Settled struct {
	ID     uuid.UUID
	Failed bool
}

// Tick says that the time asked for by [Wake] has come. More ticks than asked
// for do no harm.
type Tick struct{}

func (Up) event()        {}
func (Down) event()      {}
func (Frame) event()     {}
func (Queued) event()    {}
func (Withdrawn) event() {}
func (Restrict) event()  {}
func (First) event()     {}
func (Admitted) event()  {}
func (Written) event()   {}
func (Completed) event() {}
func (OfferSent) event() {}
func (ChunkSent) event() {}
func (Settled) event()   {}
func (Tick) event()      {}

// Action is something that the runner must do, one of the types below.
//
// The runner carries out actions that concern one bundle in the order given,
// and answers each of SendOffer, SendChunk, Admit, Write, Complete and Settle
// with exactly one event, in the same order, whatever happened meanwhile
// (Down included). An answer may come at any later time: the machine does not
// wait. SendFrame, Forget, Progress and Wake are not answered.
type Action interface{ action() }

// SendOffer asks to build the OFFER of an outgoing bundle from the store and
// to send it. Answer: [OfferSent].
type SendOffer struct{ ID uuid.UUID }

// SendChunk asks to read N bytes at Offset of an outgoing object and to send
// them as CHUNK. Answer: [ChunkSent], when the link has taken them.
type SendChunk struct {
	ID     uuid.UUID
	Object int
	Offset int64
	N      int
}

// SendFrame asks to send a small frame: WANT, CUSTODY, REFUSE, DEFER, CANCEL.
// It may be lost.
type SendFrame struct{ Frame wire.Frame }

// Admit asks to verify an offered bundle and to make room for it, or to
// recognise it. Answer: [Admitted].
type Admit struct{ Offer wire.Offer }

// Write asks to append to an object of an admitted bundle, and with Sync to
// make all its bytes durable. Data is empty when only that is wanted. Answer:
// [Written].
type Write struct {
	ID     uuid.UUID
	Object int
	Offset int64
	Data   []byte
	Sync   bool
}

// Complete asks to check the digests and to take the bundle over with a signed
// receipt, in one durable step. Answer: [Completed].
type Complete struct{ ID uuid.UUID }

// Settle asks to verify and record the neighbour's final answer to an outgoing
// bundle: its custody receipt, or with Receipt nil its refusal. Answer:
// [Settled].
type Settle struct {
	ID      uuid.UUID
	Receipt []byte
	Code    wire.Code
	Text    string
}

// Forget asks to drop an unfinished incoming bundle that the sender has ended,
// or that is refused for good with a code.
type Forget struct {
	ID      uuid.UUID
	Refused wire.Code // CodeNone: the sender has ended it
}

// Progress tells how many bytes of an outgoing bundle's objects the neighbour
// has made durable.
type Progress struct {
	ID          uuid.UUID
	Sent, Total int64
}

// Wake asks for a [Tick] at a time; it replaces the Wake before it. At most
// one per step, always the last action.
type Wake struct{ At time.Time }

func (SendOffer) action() {}
func (SendChunk) action() {}
func (SendFrame) action() {}
func (Admit) action()     {}
func (Write) action()     {}
func (Complete) action()  {}
func (Settle) action()    {}
func (Forget) action()    {}
func (Progress) action()  {}
func (Wake) action()      {}
