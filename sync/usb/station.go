package usb

import (
	"context"
	"io"
	"time"

	"tram/storage"
)

// Station is an office or a hub as the one who holds its stick sees it. [Local]
// is one over the queue; agent/stick reaches one in another process. Methods may
// be called again after any error.
type Station interface {
	// Outgoing lists what waits for a neighbour, the most urgent first, at most
	// MaxWaiting. An empty name means the only neighbour there is.
	// [ErrNoNeighbour] when there is none of that name.
	Outgoing(ctx context.Context, to string) (Waiting, error)

	// Read opens an outgoing object at an offset. [storage.ErrNotFound] when
	// the bundle is no longer outgoing.
	Read(ctx context.Context, id storage.ID, object int, off int64) (io.ReadCloser, error)

	// Sign makes the manifest of a new package to a neighbour.
	Sign(ctx context.Context, to string, letters File, objects []File) ([]byte, error)

	// Check verifies a package that is from or to this station, and says when
	// it was imported before.
	Check(ctx context.Context, p Package) (Checked, error)

	// Offer asks a station to take over a bundle that peer has sent.
	Offer(ctx context.Context, peer string, l Letter) (Answer, error)

	// Write appends what r gives to an object of an admitted bundle and returns
	// how much of it is durable. [storage.ErrOffset] or [storage.ErrNotFound]
	// when the bundle has changed meanwhile: offer it again.
	Write(ctx context.Context, id storage.ID, object int, off int64, r io.Reader) (int64, error)

	// Finish settles what a package answers and, when whole, remembers it as
	// imported.
	Finish(ctx context.Context, p Package, whole bool) error
}

// Waiting is what a neighbour is to be given.
type Waiting struct {
	From    string   `json:"from"` // office code of the station
	To      string   `json:"to"`   // office code of the neighbour
	Letters []Letter `json:"letters"`
	Log     []byte   `json:"log,omitempty"` // a word about audit logs that is worth a package of its own
}

// Package is a manifest and its letters, as they stand on a stick.
type Package struct {
	Manifest []byte `json:"manifest"`
	Letters  []byte `json:"letters"`
}

// Party is an office as people know it.
type Party struct {
	Code string `json:"code"`
	Name string `json:"name"` // empty when it is not known here
}

// Checked is what a station says of a package.
type Checked struct {
	Self     Party     `json:"self"`    // the station
	From     Party     `json:"from"`    // who made it
	To       Party     `json:"to"`      // whom it is for
	Other    bool      `json:"other"`   // it is neither from nor to the station; nothing is verified then
	Own      bool      `json:"own"`     // the station made it itself
	Peer     string    `json:"peer"`    // the neighbour's office code, as on its card
	Invalid  string    `json:"invalid"` // why it is not what it says, technical; empty when it is
	Damaged  bool      `json:"damaged"` // it is Invalid only for its letters, which are missing or cut
	Imported time.Time `json:"imported"`
}

// Answer is what a station says to an offer. Exactly one of Receipt, Refusal,
// Later and Need is set.
type Answer struct {
	Receipt []byte        `json:"receipt,omitempty"` // it is taken over, now or before
	Refusal *Refusal      `json:"refusal,omitempty"` // it never will be
	Later   string        `json:"later,omitempty"`   // why not now, technical
	Full    bool          `json:"full,omitempty"`    // Later, for want of room
	Need    map[int]int64 `json:"need,omitempty"`    // the objects that it must have, and how many bytes of each are durable
}
