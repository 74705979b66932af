// Package storage holds the words that every store of Trạm shares: what a
// bundle looks like at rest, the errors a store may answer with, and the
// contract [Queue] through which the sync engine's runner reaches durable
// storage.
//
// It promises no behaviour of its own. Implementations live in the folders
// below and prove themselves with the suites in storagetest.
package storage

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// ID names a bundle. It is a UUIDv7 made by the sending office and never
// reused; a document and the bundle that carries it share one ID.
type ID = uuid.UUID

var (
	// ErrNotFound says that the named thing is not in the store.
	ErrNotFound = errors.New("not found")
	// ErrFull says that the disk or a quota leaves no room. Nothing was
	// stored; the same call succeeds once there is room again.
	ErrFull = errors.New("no space left")
	// ErrDigest says that bytes do not have the SHA-256 that was declared.
	// The bytes in question have been discarded.
	ErrDigest = errors.New("digest mismatch")
	// ErrOffset says that a write does not continue at the durable length.
	ErrOffset = errors.New("write does not continue the stored bytes")
	// ErrConflict says that the ID is known with other content.
	ErrConflict = errors.New("same id, different content")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("store is closed")
)

// Object is one piece of a bundle as it travels: encrypted bytes.
type Object struct {
	SHA256 [32]byte // of the bytes as sent
	Size   int64    // bytes as sent
	Role   uint8    // meaning is the bundle format's; stores carry it through
}

// Bundle is what a store keeps of a bundle beside its objects' bytes.
type Bundle struct {
	ID        ID
	Kind      uint8
	From      string   // office code
	To        []string // office codes
	Urgency   uint8    // 0 thường … 3 hỏa tốc
	Created   time.Time
	Expires   time.Time
	InReplyTo ID     // zero when it answers nothing
	Header    []byte // the signed header, byte for byte
	Objects   []Object
}

// Outgoing is one bundle waiting to be taken over by one neighbour.
type Outgoing struct {
	Bundle
	Slip []byte // key slip for this neighbour; nil when the slips object goes along
}

// Incoming is a bundle that a neighbour offers, its header already verified.
type Incoming struct {
	Bundle
	Slip   []byte
	Need   []int          // indexes of the objects that must arrive, ascending
	Inline map[int][]byte // objects that came with the offer
}

// Admission answers [Queue.Admit].
type Admission struct {
	// Receipt is set when the bundle was completed before: the signed custody
	// of then, to be sent again. No object is wanted.
	Receipt []byte
	// Durable holds, for each index of Incoming.Need, how many bytes of that
	// object are safe on disk.
	Durable map[int]int64
}

// Outcome is how a neighbour answered an outgoing bundle for good.
type Outcome struct {
	Receipt []byte    // signed custody, verified by the caller; nil when refused
	Epoch   ID        // the neighbour's store epoch at the time
	Code    uint16    // refusal code when Receipt is nil
	Text    string    // refusal text, for people
	At      time.Time // when this side learnt it
}

// Queue is what the runner of the sync engine needs from durable storage.
//
// All methods may be called from several goroutines. Each is atomic: after a
// crash at any instant its effect is either wholly there or not at all, and
// whatever a method reported as done survives a power cut. Repeating a call
// that succeeded changes nothing and succeeds again. [ErrFull] leaves
// everything as it was. Byte slices are not retained after the call returns.
type Queue interface {
	// Outgoing lists bundles that peer should be offered, most urgent first
	// and oldest first within an urgency, at most limit of them. A bundle is
	// listed until it is settled; one whose custody was given under another
	// epoch than the peer's present one is listed again until its owner ends it.
	Outgoing(ctx context.Context, peer string, epoch ID, limit int) ([]Outgoing, error)

	// ReadObject reads stored bytes of an outgoing object, as io.ReaderAt does.
	// ErrNotFound when the bundle has been ended or cancelled meanwhile.
	ReadObject(ctx context.Context, id ID, object int, p []byte, off int64) (int, error)

	// Settle records the neighbour's final answer. ErrNotFound when the bundle
	// is no longer outgoing to peer.
	Settle(ctx context.Context, peer string, id ID, o Outcome) error

	// Admit makes room for an offered bundle, or recognises it. Inline objects
	// are stored and counted durable. ErrConflict when the ID is known with
	// another header; ErrFull when a limit does not allow it now.
	Admit(ctx context.Context, peer string, in Incoming) (Admission, error)

	// Write appends to an admitted object and returns how many bytes are
	// durable. off must not exceed the stored length (ErrOffset); bytes that
	// are already stored are skipped. With sync the stored bytes are made
	// durable before it returns; without, they may be.
	Write(ctx context.Context, id ID, object int, off int64, p []byte, sync bool) (durable int64, err error)

	// Complete checks the digest of every needed object and, in one
	// transaction, hands the bundle over to the inbox and remembers it with
	// the receipt given to it. ErrDigest names a bad object, whose bytes were
	// dropped: Admit again tells what is left to fetch.
	Complete(ctx context.Context, peer string, id ID, receipt []byte) error

	// Forget drops an unfinished incoming bundle.
	Forget(ctx context.Context, peer string, id ID) error
}
