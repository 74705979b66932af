// Package pdf reads the structure of PDF files as far as a verdict on their
// signatures needs it: objects, cross-reference tables and streams, and the
// states that a file went through by incremental updates.
//
// It reads strictly. A file whose cross-reference data is damaged is refused
// and never repaired, because viewers repair in different ways and a signer
// signed only one reading. Every object knows where in the file it stands, so
// that a signature can be held to the bytes that it names.
//
// It promises that hostile bytes make it neither panic, nor loop, nor read or
// allocate beyond the limits below.
package pdf

import "errors"

// Limits. Beyond them the answer is [ErrLimit].
const (
	// MaxObject is the longest object without its stream, in bytes.
	MaxObject = 4 << 20
	// MaxStream is the longest stream that is decoded, in bytes before and
	// after decoding each.
	MaxStream = 16 << 20
	// MaxDecoded bounds what is decoded of one file in all, in bytes.
	MaxDecoded = 32 << 20
	// MaxEntries is the largest number of cross-reference entries of a file,
	// those of all its states together.
	MaxEntries = 1 << 18
	// MaxNumber is the highest object number.
	MaxNumber = 8388607
	// MaxSections is the largest number of cross-reference sections.
	MaxSections = 256
	// MaxDepth is how deep arrays and dictionaries may nest.
	MaxDepth = 64
)

var (
	// ErrMalformed says that the bytes are no PDF as the standard has it.
	ErrMalformed = errors.New("malformed PDF")
	// ErrLimit says that a limit is exceeded.
	ErrLimit = errors.New("PDF exceeds a limit")
)
