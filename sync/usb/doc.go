// Package usb carries bundles and receipts between an office and its hub as
// files on a stick, beside the link and in any order with it.
//
// A stick holds packages. A package is a signed manifest that names one file of
// letters (signed headers, key slips, receipts, refusals) and the objects that
// travel with them, each by its SHA-256. [Export] writes what waits for the
// neighbour, [Import] takes in what the neighbour wrote and leaves the receipts
// on the same stick. Both see the stick; the office or hub itself is a
// [Station], which may be another process: a service has no access to sticks.
//
// It promises that
//
//   - what comes from a stick passes the same checks and the same queue as what
//     comes over the link ([exchange.Custodian]), so that a bundle that travels
//     both ways, or half and half, counts once (P2), goes on from what is
//     durable (P4), and is kept by its sender until it is signed for (P3);
//   - nothing of a package is used before its manifest was verified, and no
//     byte of an object before the whole object was found intact;
//   - a stick that is pulled at any instant holds whole packages only: no name
//     is ever written over, and a manifest comes after all that it names;
//   - running either again continues, and writes only what is missing;
//   - whatever is on the stick, nothing outside of it is read or written, and
//     reading it has limits (P9).
//
// The files are specified in sync/README.md with test vectors.
package usb

import (
	"errors"
	"fmt"
	"time"

	"tram/sync/bundle"
	"tram/sync/wire"
)

// Limits of the format. What exceeds one is neither written nor accepted
// ([bundle.ErrTooLarge]); more bundles than fit go into further packages.
const (
	// MaxObjects is how many objects a package names.
	MaxObjects = 4000
	// MaxBundles is how many bundles a package carries.
	MaxBundles = 1000
	// MaxReplies is how many receipts a package carries, and how many refusals.
	MaxReplies = 1000
	// MaxLetters is the largest file of letters, in bytes.
	MaxLetters = 4 << 20
	// MaxRefusal is the longest text of a refusal, in bytes. Longer ones are cut.
	MaxRefusal = 256
	// MaxCard is the largest registry card in a manifest, in bytes.
	MaxCard = 4 << 10
	// MaxLog is the largest word about audit logs in a manifest, in bytes: that of
	// a greeting.
	MaxLog = wire.MaxLog
	// PartSize is where an object is cut into several files, in bytes: what an
	// interruption costs at most, and well below the 4 GiB of FAT.
	PartSize = 64 << 20
	// MaxPackages is how many packages of one direction are looked at on a
	// stick. A writer removes its oldest before; further ones are not seen.
	MaxPackages = 256
	// MaxFiles is how many files one direction may have on a stick, since a
	// folder of FAT32 holds few long names. More wait for another stick.
	MaxFiles = 8000
	// MaxWaiting is how many bundles an export looks at, the most urgent first.
	// More wait for the next one.
	MaxWaiting = 4000
	// KeepReplies is how long receipts stay on a stick for a sender that may
	// not have read them. A receipt that is gone is given again when the bundle
	// comes again.
	KeepReplies = 30 * 24 * time.Hour
)

var (
	// ErrStick says that the stick does not answer, or not any more. Running
	// the same again with the stick in place continues.
	ErrStick = errors.New("stick cannot be read or written")
	// ErrDamaged says that a package misses files, or that they are not what
	// its manifest names. What is intact was or can be taken in.
	ErrDamaged = errors.New("package on the stick is damaged")
	// ErrInvalid says that a package was not made by the one whom it names, or
	// is not a package. Nothing of it was used.
	ErrInvalid = errors.New("package is not valid")
	// ErrNoNeighbour says that there is no such neighbour to exchange with.
	ErrNoNeighbour = errors.New("no such neighbour")
	// ErrSmall says that not one bundle fits on the stick.
	ErrSmall = errors.New("no room on the stick")
)

func invalid(why string) error { return fmt.Errorf("%w: %s", ErrInvalid, why) }

func tooLarge(what string, n, most int64) error {
	return fmt.Errorf("%w: %s: %d exceeds the limit of %d", bundle.ErrTooLarge, what, n, most)
}
