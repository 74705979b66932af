// Package tsa speaks RFC 3161: it asks for time stamps, checks them, and is the
// authority that gives them.
//
// A time stamp is a third party's signed word that some digest existed at a
// time. Offices get theirs from an authority on the internet where one is
// configured and in reach, and otherwise from their hub, whose word is only as
// good as the hub: its certificate and its policy say so, see [ReservePolicy].
//
// The package promises that
//
//   - openssl ts -verify accepts the tokens of an [Authority], and
//     [Token.Verify] those of openssl ts -reply;
//   - a token of another digest, request, policy, key or purpose, or altered
//     in any byte, never passes, and the error says which it was;
//   - hostile bytes make it neither panic nor allocate beyond the limits below.
//
// It is pure: no file, no network, and the time is told; package tsahttp asks
// authorities. DER is read and written with
// cryptobyte, since no other form is allowed in a token (RFC 3161, 2.4.2) and
// a reader of laxer BER would accept two encodings of one token.
package tsa

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"time"
)

// Media types of RFC 3161, 3.4.
const (
	QueryType = "application/timestamp-query"
	ReplyType = "application/timestamp-reply"
)

// Limits, hard. Beyond them the answer is [ErrTooLarge].
const (
	// MaxRequest is the largest request, in bytes.
	MaxRequest = 4 << 10
	// MaxResponse is the largest response or token, in bytes. Tokens carry the
	// certificates of their authority.
	MaxResponse = 64 << 10
	// maxCertificates is how many certificates a token may carry.
	maxCertificates = 16
	// maxText bounds the words of a refusal, in bytes; the rest is cut.
	maxText = 500
	// maxNonce bounds a nonce, and the serial number of a token, in bytes
	// (RFC 3161, 2.4.2: serial numbers of up to 160 bits).
	maxNonce = 64
)

// ReservePolicy is the policy under which a hub gives time stamps: an authority
// of last resort ("dấu thời gian dự phòng của trạm tỉnh"). It is no qualified
// or public authority; its clock is the hub's, and its word binds those that
// trust the hub's certificate authority. The arc is a UUID's (ITU-T X.667).
const ReservePolicy = "2.25.272987523803422572185815475279309090902"

// ReserveName is the common name of a hub's certificate for time stamps, before
// the hub's code.
const ReserveName = "Dấu thời gian dự phòng của trạm"

// ClockTolerance is how far in the reader's future the time of a token may lie.
const ClockTolerance = 10 * time.Minute

// Errors. All but the first two are verdicts on a token.
var (
	// ErrMalformed says that the bytes are not in the form of RFC 3161.
	ErrMalformed = errors.New("malformed time stamp")
	// ErrTooLarge says that a limit is exceeded.
	ErrTooLarge = errors.New("time stamp too large")
	// ErrRefused says that the authority gave no token; see [RefusedError].
	ErrRefused = errors.New("time stamp refused")
	// ErrImprint says that the token stamps another digest.
	ErrImprint = errors.New("time stamp is of other content")
	// ErrNonce says that the token answers another request.
	ErrNonce = errors.New("time stamp answers another request")
	// ErrPolicy says that the token was given under another policy.
	ErrPolicy = errors.New("time stamp is of another policy")
	// ErrSignature says that the token is not signed by its certificate's key,
	// or not in the accepted form.
	ErrSignature = errors.New("time stamp signature is bad")
	// ErrUsage says that the certificate is not for time stamps alone.
	ErrUsage = errors.New("certificate is not for time stamps")
	// ErrChain says that the certificate was not issued under the anchors.
	ErrChain = errors.New("time stamp authority is unknown")
	// ErrExpired says that the token lies outside of its certificate's life.
	ErrExpired = errors.New("time stamp is outside of its certificate's life")
	// ErrFuture says that the token lies in the reader's future.
	ErrFuture = errors.New("time stamp is in the future")
)

var (
	oidSignedData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCert      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidTimeStamping     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidSHA256           = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384           = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512           = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidRSA              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECDSAWithSHA256  = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// signatureAlgorithms are those of foreign authorities too.
var signatureAlgorithms = map[string]signatureAlgorithm{
	"1.2.840.113549.1.1.11": {x509.SHA256WithRSA, crypto.SHA256},
	"1.2.840.113549.1.1.12": {x509.SHA384WithRSA, crypto.SHA384},
	"1.2.840.113549.1.1.13": {x509.SHA512WithRSA, crypto.SHA512},
	"1.2.840.10045.4.3.2":   {x509.ECDSAWithSHA256, crypto.SHA256},
	"1.2.840.10045.4.3.3":   {x509.ECDSAWithSHA384, crypto.SHA384},
	"1.2.840.10045.4.3.4":   {x509.ECDSAWithSHA512, crypto.SHA512},
}

type signatureAlgorithm struct {
	alg  x509.SignatureAlgorithm
	hash crypto.Hash
}

// hashes are the digests that are accepted, in imprints and in signatures.
var hashes = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
}{{oidSHA256, crypto.SHA256}, {oidSHA384, crypto.SHA384}, {oidSHA512, crypto.SHA512}}

// hashOf gives the accepted digest of an identifier, 0 for others.
func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	for _, h := range hashes {
		if h.oid.Equal(oid) {
			return h.hash
		}
	}
	return 0
}

func oidOf(hash crypto.Hash) asn1.ObjectIdentifier {
	for _, h := range hashes {
		if h.hash == hash {
			return h.oid
		}
	}
	return nil
}

// Imprint is the digest that is stamped: SHA-256, SHA-384 or SHA-512.
type Imprint struct {
	Hash crypto.Hash
	Sum  []byte
}

// SHA256 is the imprint of a SHA-256 digest.
func SHA256(sum [sha256.Size]byte) Imprint {
	return Imprint{Hash: crypto.SHA256, Sum: sum[:]}
}

// Equal reports whether two imprints are of the same bytes by the same digest.
func (i Imprint) Equal(o Imprint) bool { return i.Hash == o.Hash && bytes.Equal(i.Sum, o.Sum) }
