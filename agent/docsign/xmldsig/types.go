package xmldsig

import (
	"crypto/x509"
	"errors"
	"time"
)

// Fault says why a signature does not hold; empty when it does. Each names the
// indication of ETSI EN 319 102-1 that it leads to.
type Fault string

// The faults.
const (
	// FaultHash: what is there is not what was signed (FAILED, HASH_FAILURE).
	FaultHash Fault = "hash"
	// FaultSignature: the value does not verify with the key of the
	// certificate (FAILED, SIG_CRYPTO_FAILURE).
	FaultSignature Fault = "signature"
	// FaultFormat: not the shape of a signature, or it can be read in two ways,
	// such as an id that stands twice (FAILED, FORMAT_FAILURE).
	FaultFormat Fault = "format"
	// FaultWeak: it would hold, but with a digest or key that can be forged
	// (INDETERMINATE, CRYPTO_CONSTRAINTS_FAILURE).
	FaultWeak Fault = "weak"
	// FaultUnsupported: it uses what is not run here, such as XPath, XSLT or a
	// shared secret (INDETERMINATE, SIG_CONSTRAINTS_FAILURE).
	FaultUnsupported Fault = "unsupported"
	// FaultNoCertificate: no certificate, or not the one that was signed along
	// (INDETERMINATE, NO_SIGNING_CERTIFICATE_FOUND).
	FaultNoCertificate Fault = "no-certificate"
	// FaultMissing: signed content is elsewhere (INDETERMINATE,
	// SIGNED_DATA_NOT_FOUND).
	FaultMissing Fault = "missing"
)

// Scope is how far a signature that holds reaches.
type Scope uint8

// The scopes.
const (
	Part Scope = iota
	Whole
)

// Gap is something outside of what a signature covers.
type Gap string

// The gaps.
const (
	GapElement     Gap = "element"     // elements around or beside the signed one
	GapObject      Gap = "object"      // content hidden within the signature
	GapComment     Gap = "comment"     // comments, or the signature itself, that split text: they can be moved
	GapInstruction Gap = "instruction" // an instruction such as a style sheet beside the signed element
	GapParts       Gap = "parts"       // parts or relations of a package
)

// Signature is one signature as found.
type Signature struct {
	ID     string // of the element, as written; may be empty
	Fault  Fault
	Detail string // English, for the log and the technical part of a report
	Weak   string // with FaultWeak, the digest or kind of key

	Cert  *x509.Certificate   // whose key verified the value; with a Fault the likely one or nil
	Certs []*x509.Certificate // all beside the signature, untrusted

	Scope  Scope
	Gaps   []Gap
	Covers []string // what was digested: "/" for the document, "#id", names of parts

	Method string // algorithm of the signature, the last part of its name
	// SignedAt is the signer's claim, zero without one. It is read only where
	// the signature covers it; a time without zone is one of Vietnam.
	SignedAt time.Time
	// CertBound tells that the certificate was signed along (XAdES
	// SigningCertificate), so that no other one can take its place.
	CertBound bool
	Value     []byte // the signature's own value
	Stamps    []Stamp
	CRLs      [][]byte // DER that came along (XAdES RevocationValues), unchecked
	OCSPs     [][]byte // the same
}

// Stamp is an embedded RFC 3161 token, unchecked, and what it must be over.
type Stamp struct {
	Token []byte // DER
	Data  []byte // canonical form of SignatureValue
}

// errUnsupported and its like carry a fault through the error returns.
var (
	errUnsupported = errors.New("not supported")
	errFormat      = errors.New("not the shape of a signature")
	errHash        = errors.New("digest differs")
	errMissing     = errors.New("signed content is not here")
	errWeak        = errors.New("weak algorithm")
	errNoCert      = errors.New("no signing certificate")
	errSignature   = errors.New("value does not verify")
)

// faultOf maps an error to the fault that it stands for. Limits stay errors.
func faultOf(err error) (Fault, bool) {
	for _, m := range []struct {
		err   error
		fault Fault
	}{
		{errHash, FaultHash}, {errSignature, FaultSignature}, {errFormat, FaultFormat}, {errWeak, FaultWeak},
		{errUnsupported, FaultUnsupported}, {errMissing, FaultMissing}, {errNoCert, FaultNoCertificate},
		{ErrDoctype, FaultUnsupported}, {ErrEncoding, FaultUnsupported}, {ErrMalformed, FaultFormat},
	} {
		if errors.Is(err, m.err) {
			return m.fault, true
		}
	}
	return "", false
}
