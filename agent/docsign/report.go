package docsign

import "time"

// Format is the kind of container in which signatures were looked for.
type Format string

// Formats.
const (
	FormatPDF         Format = "pdf"
	FormatXML         Format = "xml"          // XML with ds:Signature
	FormatCMS         Format = "cms"          // CMS SignedData with its content inside
	FormatCMSDetached Format = "cms-detached" // CMS SignedData over another file
	FormatOOXML       Format = "ooxml"        // Office Open XML package
	FormatODF         Format = "odf"          // OpenDocument package
	FormatOther       Format = "other"        // no format with signatures that are known here
)

// ReportVersion is the version of the JSON form of [Report]. Readers accept
// unknown fields and name an unknown version.
const ReportVersion = 1

// Report is the verdict on one file with its evidence. Its JSON form is stable
// and kept with the document.
type Report struct {
	Version   int       `json:"version"`
	Name      string    `json:"name"`
	Format    Format    `json:"format"`
	Size      int64     `json:"size"` // bytes
	SHA256    string    `json:"sha256"`
	CheckedAt time.Time `json:"checked_at"`
	// ClockBehind says that CheckedAt was known to be too early.
	ClockBehind bool `json:"clock_behind,omitempty"`
	Outcome
	// Additions says that a PASSED file has content that came after signing
	// and that no signature covers.
	Additions  bool        `json:"additions,omitempty"`
	Signatures []Signature `json:"signatures"`
}

// Kind tells what a signature is for.
type Kind string

// Kinds of signature.
const (
	KindSignature     Kind = "signature"
	KindCertification Kind = "certification" // of a PDF author, with rules for later changes
	KindTimestamp     Kind = "timestamp"     // of a time-stamp authority over the file
)

// Signature is the verdict on one signature.
type Signature struct {
	Kind Kind `json:"kind"`
	// Field names the place in the file: a PDF field, an XML Id, a part.
	Field string `json:"field,omitempty"`
	Outcome
	// Intact says that what is signed has the digest that was signed, and that
	// the key of the signer's certificate has signed it. It says nothing of whether
	// that certificate is to be believed.
	Intact bool  `json:"intact,omitempty"`
	Signer Party `json:"signer"`
	// Claimed is the signing time as the signer says it, zero when it is not told.
	Claimed time.Time `json:"claimed,omitzero"`
	// Proven is the earliest time at which the signature is proven to have
	// existed, zero when nothing proves any; ProvenBy says by whom.
	Proven     time.Time    `json:"proven,omitzero"`
	ProvenBy   string       `json:"proven_by,omitempty"`
	Scope      Scope        `json:"scope"`
	Digest     string       `json:"digest,omitempty"`    // digest algorithm, for example "SHA-256"
	Algorithm  string       `json:"algorithm,omitempty"` // key algorithm, for example "RSA 2048"
	Chain      []Party      `json:"chain,omitempty"`     // signer first, anchor last
	Revocation []Revocation `json:"revocation,omitempty"`
	Stamps     []Stamp      `json:"stamps,omitempty"`
}

// Party is a certificate as people name it.
type Party struct {
	Name         string    `json:"name"` // common name, or the whole subject
	Organization string    `json:"organization,omitempty"`
	Title        string    `json:"title,omitempty"`
	Subject      string    `json:"subject,omitempty"` // RFC 4514
	Issuer       string    `json:"issuer,omitempty"`  // RFC 4514
	Serial       string    `json:"serial,omitempty"`  // hexadecimal
	NotBefore    time.Time `json:"not_before,omitzero"`
	NotAfter     time.Time `json:"not_after,omitzero"`
	SHA256       string    `json:"sha256,omitempty"`
}

// ScopeKind says how much of the file a signature covers.
type ScopeKind string

// Scopes.
const (
	ScopeWhole     ScopeKind = "whole"     // every byte of the file but the signature itself
	ScopeExtended  ScopeKind = "extended"  // a revision; what came later is signatures, time stamps and proof only
	ScopeAdditions ScopeKind = "additions" // a revision; content came later
	ScopePart      ScopeKind = "part"      // named parts of the file
	ScopeDetached  ScopeKind = "detached"  // another file
	ScopeUnknown   ScopeKind = "unknown"
)

// Scope tells what a signature covers.
type Scope struct {
	Kind ScopeKind `json:"kind"`
	// Revision and Revisions count the states of a file that grew by
	// additions, from 1; 0 for other formats.
	Revision  int `json:"revision,omitempty"`
	Revisions int `json:"revisions,omitempty"`
	// Length is the end of the signed revision in bytes from the start of the file.
	Length int64 `json:"length,omitempty"`
	// Parts names what is signed, for [ScopePart].
	Parts []string `json:"parts,omitempty"`
	// Changes names what came after signing, as the last part of messages
	// "docsign.change.<word>".
	Changes []string `json:"changes,omitempty"`
}

// Revocation is what was known about one certificate of a chain.
type Revocation struct {
	Certificate string           `json:"certificate"` // name
	Status      RevocationStatus `json:"status"`
	Source      string           `json:"source,omitempty"` // "crl" or "ocsp"
	Origin      string           `json:"origin,omitempty"` // an Origin, the address of a list that was fetched, or the name of a file
	Issued      time.Time        `json:"issued,omitzero"`  // of the list or answer
	Next        time.Time        `json:"next,omitzero"`
	RevokedAt   time.Time        `json:"revoked_at,omitzero"`
	Why         string           `json:"why,omitempty"`    // CRLReason, RFC 5280
	SHA256      string           `json:"sha256,omitempty"` // of the list or answer
}

// RevocationStatus is the answer about one certificate.
type RevocationStatus string

// Statuses.
const (
	StatusGood    RevocationStatus = "good"
	StatusRevoked RevocationStatus = "revoked"
	StatusStale   RevocationStatus = "stale"   // data exists but is too old for the time in question
	StatusUnknown RevocationStatus = "unknown" // no data
	StatusSkipped RevocationStatus = "skipped" // in reports of earlier versions: the certificate says that it needs none
)

// Origins of revocation data that are no address and no file.
const (
	OriginDocument = "document" // came with the document
	OriginNetwork  = "network"  // asked over the network
)

// Stamp is the verdict on a time stamp inside a signature.
type Stamp struct {
	Outcome
	Time       time.Time    `json:"time,omitzero"`
	Authority  Party        `json:"authority"`
	Revocation []Revocation `json:"revocation,omitempty"`
}

// Recheck reports whether a later check may come to another verdict because
// revocation data was missing.
func (r Report) Recheck() bool {
	if r.SubIndication == TryLater {
		return true
	}
	for _, s := range r.Signatures {
		if s.SubIndication == TryLater {
			return true
		}
	}
	return false
}
