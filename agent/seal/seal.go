// Package seal makes and checks the office seal on a document: an ASiC-E
// container (ETSI EN 319 162-1) with a CAdES baseline B signature (ETSI
// EN 319 122-1) over a manifest of SHA-256 digests.
//
// While a document travels, only the container's small part does so in one
// piece: the head, a zip of the message, the manifest and the signature. The
// manifest names the attachments by digest, so that sealing and checking read
// no attachment a second time. [WriteContainer] puts head, attachments and the
// receipts that came back together to one .asice file that other programs can
// verify.
//
// The package promises that
//
//   - what it seals, openssl and ASiC validators accept, and [OpenHead] calls
//     passed;
//   - an altered message, manifest, signature or certificate never comes out
//     as passed, and the reason says which it was;
//   - hostile bytes make it neither panic nor read or allocate beyond the
//     limits below.
//
// It is pure over keys: it opens no files and asks no network. The layout is
// specified in sync/README.md.
package seal

import (
	"crypto"
	"crypto/x509"
	"errors"
	"time"
)

// Media types.
const (
	// ContainerType is the media type of an ASiC-E container and the content
	// of its first entry.
	ContainerType = "application/vnd.etsi.asic-e+zip"
	// MessageType is the media type of an edXML message.
	MessageType = "application/xml"
	// signatureType is the media type of a signature entry.
	signatureType = "application/pkcs7-signature"
	// stampType is the media type of a time stamp entry.
	stampType = "application/vnd.etsi.timestamp-token"
	// unknownType stands where a file has no media type.
	unknownType = "application/octet-stream"
)

// Limits. Beyond them the answer is [ErrTooLarge].
const (
	// MaxHead is the largest head, in bytes.
	MaxHead = 4 << 20
	// MaxMessage is the largest message in a head, in bytes.
	MaxMessage = 4 << 20
	// MaxManifest is the largest manifest, in bytes.
	MaxManifest = 512 << 10
	// MaxSignature is the largest signature, in bytes.
	MaxSignature = 64 << 10
	// MaxFiles is the largest number of data objects under one seal, the
	// message included.
	MaxFiles = 256
	// MaxFile is the largest data object of a container, in bytes.
	MaxFile = 2 << 30
	// MaxName is the longest entry name of a data object, in bytes of UTF-8.
	MaxName = 255
	// MaxEntries is the largest number of entries of a container: a document
	// with a sealed status and a custody receipt from each of its recipients.
	MaxEntries = 20000
	// MaxDirectory bounds the zip directory of a container, in bytes.
	MaxDirectory = 8 << 20
	// MaxReceipt is the largest unsealed entry under receipts/ that
	// [VerifyContainer] hands out, in bytes.
	MaxReceipt = 256 << 10
	// MaxReceipts bounds all of them together, in bytes.
	MaxReceipts = 32 << 20
)

var (
	// ErrMalformed says that the bytes are not a head or container in the
	// accepted form, so that there is nothing to give a verdict on.
	ErrMalformed = errors.New("malformed container")
	// ErrTooLarge says that a limit is exceeded.
	ErrTooLarge = errors.New("container too large")
	// ErrHash says that a file's content is not what the manifest promises.
	ErrHash = errors.New("content does not match the manifest")
	// ErrName says that a name cannot stand in a container, or stands there
	// twice. [SafeName] makes names that can.
	ErrName = errors.New("unusable entry name")
	// ErrKey says that key and certificate cannot make a seal.
	ErrKey = errors.New("unusable seal key")
)

// Named is the message of a document or status.
type Named struct {
	Name      string // entry name, see [MessageName] and [StatusName]
	MediaType string // "" for [MessageType]
	Data      []byte
}

// File describes one data object by digest; its content is not needed to seal
// it or to check the seal.
type File struct {
	Name      string // entry name, see [SafeName]
	MediaType string // "" for application/octet-stream
	SHA256    [32]byte
	Size      int64 // bytes; -1 when a foreign manifest does not tell
}

// Sealer makes seals with one office's key. Key is ECDSA P-256 or RSA of 2048
// bits or more, in memory or on a token; Cert is its certificate and Chain its
// issuers, which go into the signature without the root being needed. Now is
// the office's clock, nil for the system's.
type Sealer struct {
	Key   crypto.Signer
	Cert  *x509.Certificate
	Chain []*x509.Certificate
	Now   func() time.Time
}

// Result is the outcome of checking a seal, in the words of ETSI EN 319 102-1.
type Result string

// Results.
const (
	Passed        Result = "passed"
	Indeterminate Result = "indeterminate"
	Failed        Result = "failed"
)

// Reason says why a seal did not pass.
type Reason string

// Reasons of [Failed].
const (
	// ReasonHash: the message, a file or the manifest is not what was sealed.
	ReasonHash Reason = "hash"
	// ReasonSignature: the signature is missing, unreadable, not made by the
	// key of its certificate, or not of the accepted form.
	ReasonSignature Reason = "signature"
	// ReasonUnknownCA: the certificate is of an authority that is not trusted.
	ReasonUnknownCA Reason = "unknown-ca"
	// ReasonChain: the certificate bears the name of a trusted authority, which
	// did not issue it, or not in a way that counts.
	ReasonChain Reason = "chain"
	// ReasonSelfSigned: the certificate was issued by nobody but itself.
	ReasonSelfSigned Reason = "self-signed"
	// ReasonRevoked: the certificate stands on a revocation list, and nothing
	// proves that the seal was made before.
	ReasonRevoked Reason = "revoked"
	// ReasonExpired: the certificate had expired when the seal was made.
	ReasonExpired Reason = "expired-at-signing"
	// ReasonNotSeal: the certificate is not an office's seal certificate.
	ReasonNotSeal Reason = "not-a-seal"
	// ReasonOffice: the seal is of another office than what it seals says. For
	// those who read what is sealed; this package does not.
	ReasonOffice Reason = "wrong-office"
	// ReasonSubject: what is sealed is about another document, or cannot be
	// read. As above.
	ReasonSubject Reason = "other-document"
	// ReasonStamp: a time stamp failed. Only of a [Report].
	ReasonStamp Reason = "time-stamp"
)

// Reasons of [Indeterminate]: hash, signature and chain are good.
const (
	// ReasonClock: the signing time lies before the certificate's life or in
	// the reader's future, so one of the two clocks is wrong.
	ReasonClock Reason = "clock"
	// ReasonNotYet: by the reader's clock the certificate's life has not begun.
	ReasonNotYet Reason = "not-yet-valid"
	// ReasonExpiredSince: the certificate has expired since, and a seal alone
	// does not prove that it was made before that.
	ReasonExpiredSince Reason = "expired-since"
	// ReasonNoRoots: the reader has no roots to check against.
	ReasonNoRoots Reason = "no-roots"
	// ReasonUnsealed: the container also holds files that no seal covers. Only
	// of a [Report].
	ReasonUnsealed Reason = "unsealed"
)

// Verdict is what checking a seal found. The signer's data are those of the
// certificate in the signature; believe them only when Result is not [Failed].
type Verdict struct {
	Result   Result
	Reason   Reason    // "" when passed
	Code     string    // office code: serialNumber of the certificate's subject
	Name     string    // office name: common name of the certificate's subject
	Role     Role      // what the seal stands for
	Person   string    // who seals, "" for the office as such
	SignedAt time.Time // the signer's own word
	Issuer   string    // distinguished name of the certificate's issuer
	Serial   string    // certificate serial number, lower-case hex
	Cert     *x509.Certificate
	// Stamped is the time of a time stamp that proves that the seal existed
	// then; zero when there is none that holds. Only of a [Report].
	Stamped time.Time
}

// ClockTolerance is how far in the reader's future a signing time may lie.
const ClockTolerance = 10 * time.Minute

// sealUnit is the organisational unit that marks a seal certificate.
const sealUnit = "seal"
