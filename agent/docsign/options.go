package docsign

import (
	"context"
	"crypto/x509"
	"io"
	"time"
)

// Limits. What exceeds one is INDETERMINATE or FAILED, never PASSED.
const (
	// MaxFile is the largest file that is read, in bytes.
	MaxFile = 2 << 30
	// MaxSignatures is the largest number of signatures of a file.
	MaxSignatures = 64
	// MaxCertificates is the largest number of certificates that one
	// signature may bring along.
	MaxCertificates = 32
	// MaxChain is the longest chain, anchor included.
	MaxChain = 8
	// MaxStamps is the largest number of time stamps of one signature.
	MaxStamps = 8
	// MaxEvidence is the largest number of pieces of revocation data that are
	// looked at for one certificate.
	MaxEvidence = 16
)

// Rules of verdicts.
const (
	// ClockTolerance is how far clocks may differ.
	ClockTolerance = 5 * time.Minute
	// RevocationAge is how old a list or answer may be that does not say when
	// the next one comes.
	RevocationAge = 7 * 24 * time.Hour
	// MinRSA is the smallest RSA modulus that proves anything, in bits.
	MinRSA = 2048
)

// Options is what a check needs besides the file.
type Options struct {
	// Anchors are the certificates at which a chain may end. Empty means that
	// nobody is trusted.
	Anchors []*x509.Certificate
	// Intermediates complete chains for documents that do not bring them.
	// They are not trusted by themselves.
	Intermediates []*x509.Certificate
	// Revocations gives lists and answers; nil knows nothing.
	Revocations Revocations
	// Now is the time of the check.
	Now time.Time
	// ClockBehind says that Now is known to be too early. What would be PASSED is
	// TRY_LATER, since certificates and lists may have run out, and so is what
	// seems to lie in the future.
	ClockBehind bool
	// Existed is a time at which the caller can prove that the file existed as
	// it is, such as the hub's signed custody; zero for none. ExistedBy names
	// who proves it.
	Existed   time.Time
	ExistedBy string
	// Content is the signed file of a detached signature, nil when it is not
	// known; ContentSize is its length in bytes.
	Content     io.ReaderAt
	ContentSize int64
}

// Revocations is where revocation data comes from: a folder of lists, the hub,
// or the network. It delivers bytes; this package checks their signatures,
// issuers and ages, so an implementation need not be trusted.
//
// Lookup gives the evidence at hand for a certificate of issuer, the best
// first, and nothing with a nil error when there is none. An error says that
// asking failed; the verdict is then the same as without data. It may block on
// the network until ctx ends, may be called twice for one certificate, and is
// called from the goroutine of [Check]. The caller keeps what it returns
// unchanged until Check returns.
type Revocations interface {
	Lookup(ctx context.Context, cert, issuer *x509.Certificate) ([]Evidence, error)
}

// Evidence is one certificate revocation list or OCSP answer.
type Evidence struct {
	CRL    *CRL   // or
	OCSP   []byte // DER of an OCSP response
	Origin string // where it is from, as in [Revocation]
}

// Bytes is the evidence as it was signed, in DER.
func (e Evidence) Bytes() []byte {
	if e.CRL != nil {
		return e.CRL.Raw
	}
	return e.OCSP
}
