// Package storagetest holds what proves a store: the conformance suite of
// [storage.Queue], a small real implementation of it in memory for tests of
// other packages, a disk in memory that fails and loses power, and a measure of
// the memory that a run holds.
//
// It promises that [Memory] passes the suite, so that a test that uses it sees
// what the real queue would do, crashes included.
package storagetest

import (
	"context"

	"tram/storage"
)

// Target is a neighbour that a bundle put into a [Subject] is to go to.
type Target struct {
	Peer string
	Slip []byte
	Hold bool // kept after custody until End
}

// Subject is a queue together with its owner's side, as the suite needs it.
// The suite never calls it with Crash running at the same time.
type Subject interface {
	storage.Queue
	// Put stores a local bundle with its objects' bytes.
	Put(ctx context.Context, b storage.Bundle, contents [][]byte, targets ...Target) error
	// End says that the owner is done with an outgoing bundle.
	End(ctx context.Context, id storage.ID) error
	// Inbox lists the bundles that have arrived, in order.
	Inbox(ctx context.Context) ([]storage.ID, error)
	// Handled removes an entry from the inbox.
	Handled(ctx context.Context, id storage.ID) error
	// Object returns the bytes of an object of a bundle in the store.
	Object(ctx context.Context, id storage.ID, index int) ([]byte, error)
	// Crash loses everything that was not durable, and opens the store again.
	Crash()
}
