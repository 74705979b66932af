// Package bundle defines the unit of exchange between offices: a signed header
// that everyone on the way can check, objects that only the recipients can
// open, key slips that let them, and the receipt by which a neighbour takes
// over custody.
//
// It promises that
//
//   - what it signs it can parse, and what it parses has exactly one encoding,
//     so that two programs cannot read one header differently;
//   - a header, receipt or slip map of hostile bytes makes it neither panic nor
//     allocate more than a small multiple of the limits below;
//   - an object that was altered or cut anywhere is reported as an error before
//     its reader says io.EOF;
//   - encrypting and decrypting take constant memory, whatever the size;
//   - a bundle's secret key never shows up in a log or a formatted value.
//
// The formats are specified in sync/README.md with test vectors. Nothing here
// does I/O of its own or reads a clock.
package bundle

import (
	"errors"
	"fmt"
)

// Version is the version of header and receipt that this package writes and
// the only one that it reads. Fields may be added without a new version:
// readers ignore what they do not know, and the signature covers it.
const Version = 1

// Limits of the format. A header beyond one of them is neither signed nor
// accepted ([ErrTooLarge]).
const (
	// MaxHeader is the largest signed header or other COSE message, in bytes.
	MaxHeader = 256 << 10
	// MaxObjects is the largest number of objects of one bundle: head,
	// attachments and slips together.
	MaxObjects = 256
	// MaxObject is the largest object as it travels, in bytes.
	MaxObject = 2 << 30
	// MaxRecipients is the largest number of recipient offices. Long codes can
	// make [MaxHeader] the tighter limit.
	MaxRecipients = 4000
	// MaxCode is the longest office code, in bytes of UTF-8.
	MaxCode = 64
	// MaxReceipt is the largest signed receipt, in bytes.
	MaxReceipt = 1 << 10
	// MaxSlip is the largest key slip of one recipient, in bytes.
	MaxSlip = 1 << 10
	// MaxSlips is the largest slips object, in bytes.
	MaxSlips = 4 << 20
	// MaxUrgency is the highest urgency: hỏa tốc.
	MaxUrgency = 3
)

var (
	// ErrVersion says that the bytes are of a version that this program does
	// not read. The message names it.
	ErrVersion = errors.New("unknown bundle version")
	// ErrMalformed says that the bytes are not what they should be: bad
	// encoding, a value out of range, an altered or truncated object.
	ErrMalformed = errors.New("malformed bundle")
	// ErrTooLarge says that a limit of the format, or the one the caller gave,
	// is exceeded.
	ErrTooLarge = errors.New("bundle too large")
	// ErrSignature says that a signature was not made by the given key over
	// these bytes for this purpose.
	ErrSignature = errors.New("signature does not verify")
	// ErrKey says that a key is not of a usable kind, or does not open what it
	// was tried on.
	ErrKey = errors.New("key does not fit")
)

// FieldError names the field of a header or receipt that breaks the format.
// errors.Is finds the sentinel behind it.
type FieldError struct {
	Field string // as in the tables of sync/README.md, for example "to[3]"
	Why   string
	Err   error // ErrMalformed or ErrTooLarge
}

func (e *FieldError) Error() string { return fmt.Sprintf("%v: field %s: %s", e.Err, e.Field, e.Why) }

// Unwrap gives the sentinel.
func (e *FieldError) Unwrap() error { return e.Err }

func malformed(field, why string) error {
	return &FieldError{Field: field, Why: why, Err: ErrMalformed}
}

func tooLarge(field string, have, limit int64) error {
	return &FieldError{Field: field, Why: fmt.Sprintf("%d exceeds the limit of %d", have, limit), Err: ErrTooLarge}
}

// Kind says what a bundle carries. Readers pass on kinds that they do not know.
type Kind uint8

// Kinds are part of the format: never renumber.
const (
	KindDocument Kind = 1
	KindStatus   Kind = 2
	KindDossier  Kind = 3
	KindRegistry Kind = 4
	KindCommand  Kind = 5
	KindSoftware Kind = 6
	KindNotice   Kind = 7 // a hub's word on a bundle, such as "undeliverable"
	KindReport   Kind = 8 // what an office, or a hub, tells its hub
)

// Vital tells kinds that keep documents moving and are few and small: a store lets them
// into the space that it keeps free of documents.
func Vital(kind uint8) bool {
	switch Kind(kind) {
	case KindStatus, KindRegistry, KindCommand, KindNotice, KindReport:
		return true
	}
	return false
}

var kindNames = map[Kind]string{
	KindDocument: "document", KindStatus: "status", KindDossier: "dossier", KindRegistry: "registry",
	KindCommand: "command", KindSoftware: "software", KindNotice: "notice",
	KindReport: "report",
}

func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Role says what an object is for. Readers keep objects of roles that they do
// not know.
type Role uint8

// Roles are part of the format: never renumber.
const (
	RoleHead       Role = 0 // sealed message of a document or status; first when there is one
	RoleAttachment Role = 1
	RoleSlips      Role = 2 // key slips of all recipients; last when there is one, not encrypted
	RoleNotice     Role = 3
	RoleRegistry   Role = 4
	RoleReport     Role = 5
	RoleCommand    Role = 6
	// Roles of what software bundles carry, and of the report about it.
	RoleRelease  Role = 8  // proof of a release; first
	RoleProgram  Role = 9  // program of one platform
	RolePlan     Role = 10 // for a hub: who is to get it
	RoleSoftware Role = 11 // of a report: which software runs
)

var roleNames = map[Role]string{
	RoleHead: "head", RoleAttachment: "attachment", RoleSlips: "slips",
	RoleNotice: "notice", RoleRegistry: "registry", RoleReport: "report", RoleCommand: "command",
	RoleRelease: "release", RoleProgram: "program", RolePlan: "plan", RoleSoftware: "software",
}

func (r Role) String() string {
	if name, ok := roleNames[r]; ok {
		return name
	}
	return fmt.Sprintf("role-%d", uint8(r))
}

// Encoding says what is inside the encryption layer of an object.
type Encoding uint8

// Encodings are part of the format: never renumber. Readers refuse others.
const (
	Plain Encoding = 0
	Zstd  Encoding = 1
)

func (e Encoding) String() string {
	switch e {
	case Plain:
		return "plain"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("encoding-%d", uint8(e))
}
