// Package wire defines the frames that two neighbours exchange and their
// encoding.
//
// A frame is a CBOR array whose first element is its type; see the tables and
// test vectors in sync/README.md. The codec promises that what it decodes it
// encodes to the same bytes, that no frame makes it allocate more than
// [MaxFrame], and that a frame of an unknown type or version is named in the
// error instead of being misread.
package wire

import (
	"time"

	"github.com/google/uuid"
)

// Sizes of what is on the wire, in bytes.
const (
	// MaxFrame is the largest frame that is sent or accepted. Larger ones are
	// refused before they are read into memory.
	MaxFrame = 320 << 10
	// MaxChunk is the largest payload of a CHUNK.
	MaxChunk = 32 << 10
	// MaxInline bounds the sum of the objects that travel inside an OFFER.
	MaxInline = 16 << 10
	// MaxText bounds the text of REFUSE.
	MaxText = 500
)

// Version is the version of the wire protocol, spoken in HELLO.
const Version = 1

// Frame is one of the frame types below.
type Frame interface{ frameType() uint8 }

// Hello opens a session. Each side sends one when the transport comes up and
// answers the other's. A Hello with a new Session supersedes the older session.
type Hello struct {
	Version  uint8
	Office   string    // code of the speaker
	Session  uuid.UUID // random, new for each session
	Answers  uuid.UUID // the session of the Hello that this one answers, zero when it opens
	Epoch    uuid.UUID // of the speaker's store: new when the store is new
	Now      time.Time // the speaker's clock, millisecond precision
	Card     []byte    // the speaker's signed registry card; empty unless the other's Held asked for it
	Registry uint64    // serial up to which the speaker misses no registry card
	Software string    // for people, for example "tram 0.1.0"
	Held     uint64    // serial of the listener's card that the speaker holds, 0 when it has none
	Boot     uuid.UUID // of the speaker's running program, see package lineage; zero: it tells none
	Heard    uuid.UUID // the listener's Boot with which the speaker last agreed a session; zero: it remembers none
	Known    uuid.UUID // the listener's Heard, when that was a Boot of the speaker's own store; else zero
}

// Offer presents a bundle to a neighbour.
type Offer struct {
	ID     uuid.UUID
	Header []byte         // signed bundle header
	Slip   []byte         // key slip for the receiver; then the slips object does not travel
	Inline map[int][]byte // small objects, by index
}

// Want asks for an object's bytes from Offset on. Offset is durable at the
// asker: it acknowledges all bytes before it. The sender may send bytes up to
// Offset+Credit. Round grows, within a session, each time that what is in
// flight counts as lost: at a WANT of a new round the sender starts over at
// Offset, and one of an older round is ignored.
type Want struct {
	ID     uuid.UUID
	Object int
	Offset int64
	Credit int64
	Round  uint32 // from 1
}

// Chunk carries bytes of an object.
type Chunk struct {
	ID     uuid.UUID
	Object int
	Offset int64
	Data   []byte
}

// Custody says that the speaker has taken over the bundle durably.
type Custody struct {
	ID      uuid.UUID
	Receipt []byte // COSE_Sign1, see bundle.Receipt
}

// Refuse says that the speaker will never take the bundle.
type Refuse struct {
	ID   uuid.UUID
	Code Code
	Text string
}

// Defer says that the speaker cannot take the bundle now.
type Defer struct {
	ID    uuid.UUID
	Code  Code
	After time.Duration // whole seconds
}

// Cancel says that the speaker no longer offers the bundle.
type Cancel struct {
	ID   uuid.UUID
	Code Code
}

// Ask says that the speaker wants a bundle, which the neighbour offers or holds
// back, to be sent now: before others of its class when First is set. Hỏa tốc
// and thượng khẩn still go before it.
type Ask struct {
	ID    uuid.UUID
	First bool
}

// Code says why a bundle was refused, deferred or cancelled. Codes are part of
// the protocol: never renumber.
type Code uint16

// The codes. Receivers pass on codes that they do not know.
const (
	CodeNone             Code = 0  // nothing to say
	CodeMalformed        Code = 1  // header or frame does not parse
	CodeVersion          Code = 2  // unknown version
	CodeSignature        Code = 3  // header signature does not verify
	CodeSender           Code = 4  // the neighbour may not speak for this sender
	CodeUnknownSender    Code = 5  // sender is not in the registry
	CodeUnknownRecipient Code = 6  // a recipient is not in the registry
	CodeExpired          Code = 7  // lifetime ended
	CodeTooLarge         Code = 8  // over a size limit
	CodeConflict         Code = 9  // id known with other content
	CodeDigest           Code = 10 // content repeatedly does not match its digest
	CodeFull             Code = 11 // no room at the receiver
	CodeBusy             Code = 12 // too many at once
	CodeClock            Code = 13 // creation time lies in the future beyond tolerance
	CodeWithdrawn        Code = 14 // the sender took it back
	CodeInternal         Code = 15 // failure at the receiver; retry
	CodeNotRecipient     Code = 16 // not addressed to this neighbour
	CodeMetered          Code = 17 // not over the receiver's present line
	CodeNotAllowed       Code = 18 // the sender's card does not allow it to write to a recipient
)

const (
	typeHello uint8 = 1 + iota
	typeOffer
	typeWant
	typeChunk
	typeCustody
	typeRefuse
	typeDefer
	typeCancel
	typeAsk
)

func (Hello) frameType() uint8   { return typeHello }
func (Offer) frameType() uint8   { return typeOffer }
func (Want) frameType() uint8    { return typeWant }
func (Chunk) frameType() uint8   { return typeChunk }
func (Custody) frameType() uint8 { return typeCustody }
func (Refuse) frameType() uint8  { return typeRefuse }
func (Defer) frameType() uint8   { return typeDefer }
func (Cancel) frameType() uint8  { return typeCancel }
func (Ask) frameType() uint8     { return typeAsk }
