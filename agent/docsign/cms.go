package docsign

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of CMS.
const (
	// MaxCMS is the largest CMS file, content included, in bytes.
	MaxCMS = 32 << 20
	// MaxSignature is the largest CMS structure inside another file, in bytes.
	MaxSignature = 1 << 20
	// maxAttributes bounds the attributes of one signer.
	maxAttributes = 64
)

// Object identifiers of CMS, CAdES and RFC 3161.
var (
	oidData         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCert  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCert2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidStampToken   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
	oidRevocations  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 24}
	oidAdobeArchive = asn1.ObjectIdentifier{1, 2, 840, 113583, 1, 1, 8}
)

var (
	errCMS       = errors.New("malformed CMS")
	errNotSigned = errors.New("CMS is not signed data")
	errAround    = errors.New("something stands beside the CMS that is not signed")
)

// signedData is CMS SignedData, RFC 5652, read and not yet believed.
type signedData struct {
	contentType asn1.ObjectIdentifier
	content     []byte
	attached    bool
	certs       []*x509.Certificate
	evidence    []Evidence
	signers     []signerInfo
}

type signerInfo struct {
	issuer    []byte // DER of the issuer's name, nil when the key identifier names the signer
	serial    *big.Int
	keyID     []byte
	digest    pkix.AlgorithmIdentifier
	algorithm pkix.AlgorithmIdentifier
	signed    []byte // DER of the signed attributes as the SET that is signed, nil without
	attrs     []attribute
	value     []byte
	unsigned  []attribute
}

// attribute is one CMS attribute with the DER of its values.
type attribute struct {
	oid    asn1.ObjectIdentifier
	values []cryptobyte.String
}

// spaces may stand around CMS: what programs that write text add to a file.
const spaces = " \t\r\n\x00"

// parseCMS reads SignedData in DER or BER. Nobody signs what stands behind it.
func parseCMS(raw []byte) (*signedData, error) {
	der, rest, err := toDER(raw)
	if err != nil {
		return nil, err
	}
	if len(bytes.Trim(rest, spaces)) > 0 {
		return nil, errAround
	}
	in := cryptobyte.String(der)
	var outer, inner, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, tags.SEQUENCE) || !outer.ReadASN1ObjectIdentifier(&oid) {
		return nil, errCMS
	}
	if !oid.Equal(oidSignedData) {
		return nil, errNotSigned
	}
	if !outer.ReadASN1(&inner, tags.Tag(0).ContextSpecific().Constructed()) || !inner.ReadASN1(&body, tags.SEQUENCE) {
		return nil, errCMS
	}
	return parseSignedData(body)
}

func parseSignedData(in cryptobyte.String) (*signedData, error) {
	d := &signedData{}
	var version int
	var algs, encap, certs, lists, signers cryptobyte.String
	var hasCerts, hasLists bool
	if !in.ReadASN1Integer(&version) || !in.ReadASN1(&algs, tags.SET) || !in.ReadASN1(&encap, tags.SEQUENCE) ||
		!in.ReadOptionalASN1(&certs, &hasCerts, tags.Tag(0).ContextSpecific().Constructed()) ||
		!in.ReadOptionalASN1(&lists, &hasLists, tags.Tag(1).ContextSpecific().Constructed()) ||
		!in.ReadASN1(&signers, tags.SET) || !in.Empty() {
		return nil, errCMS
	}
	if err := d.readContent(encap); err != nil {
		return nil, err
	}
	d.certs = readCertificates(certs)
	d.evidence = readLists(lists)
	for !signers.Empty() {
		var one cryptobyte.String
		if !signers.ReadASN1(&one, tags.SEQUENCE) || len(d.signers) == MaxSignatures {
			return nil, errCMS
		}
		s, err := parseSigner(one)
		if err != nil {
			return nil, err
		}
		d.signers = append(d.signers, s)
	}
	return d, nil
}

func (d *signedData) readContent(in cryptobyte.String) error {
	var wrapped, content cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&d.contentType) ||
		!in.ReadOptionalASN1(&wrapped, &d.attached, tags.Tag(0).ContextSpecific().Constructed()) || !in.Empty() {
		return errCMS
	}
	if !d.attached {
		return nil
	}
	if !wrapped.ReadASN1(&content, tags.OCTET_STRING) || !wrapped.Empty() {
		return errCMS
	}
	d.content = content
	return nil
}

// readCertificates takes those that the standard library can read: a
// certificate that cannot be read signs nothing.
func readCertificates(in cryptobyte.String) []*x509.Certificate {
	var all []*x509.Certificate
	for !in.Empty() && len(all) < MaxCertificates {
		var one cryptobyte.String
		var tag tags.Tag
		if !in.ReadAnyASN1Element(&one, &tag) {
			break
		}
		if tag != tags.SEQUENCE {
			continue
		}
		if cert, err := x509.ParseCertificate(one); err == nil {
			all = append(all, cert)
		}
	}
	return all
}

func readLists(in cryptobyte.String) []Evidence {
	var all []Evidence
	for !in.Empty() && len(all) < MaxEvidence {
		var one cryptobyte.String
		var tag tags.Tag
		if !in.ReadAnyASN1Element(&one, &tag) {
			break
		}
		if list, err := ParseCRL(one); tag == tags.SEQUENCE && err == nil {
			all = append(all, Evidence{CRL: list, Origin: OriginDocument})
		}
	}
	return all
}

func parseSigner(in cryptobyte.String) (signerInfo, error) {
	var s signerInfo
	var version int
	if !in.ReadASN1Integer(&version) || !s.readID(&in) || !readAlgorithm(&in, &s.digest) {
		return s, errCMS
	}
	signed := tags.Tag(0).ContextSpecific().Constructed()
	if in.PeekASN1Tag(signed) {
		var whole, body cryptobyte.String
		if !in.ReadASN1Element(&whole, signed) {
			return s, errCMS
		}
		s.signed = slices.Clone(whole)
		s.signed[0] = 0x31 // what is signed has the tag of SET OF
		if !whole.ReadASN1(&body, signed) || !readAttributes(body, &s.attrs) {
			return s, errCMS
		}
	}
	var value, unsigned cryptobyte.String
	var has bool
	if !readAlgorithm(&in, &s.algorithm) || !in.ReadASN1(&value, tags.OCTET_STRING) ||
		!in.ReadOptionalASN1(&unsigned, &has, tags.Tag(1).ContextSpecific().Constructed()) || !in.Empty() ||
		!readAttributes(unsigned, &s.unsigned) {
		return s, errCMS
	}
	s.value = value
	return s, nil
}

func (s *signerInfo) readID(in *cryptobyte.String) bool {
	var id cryptobyte.String
	if keyID := tags.Tag(0).ContextSpecific(); in.PeekASN1Tag(keyID) {
		ok := in.ReadASN1(&id, keyID)
		s.keyID = id
		return ok
	}
	var issuer cryptobyte.String
	s.serial = new(big.Int)
	ok := in.ReadASN1(&id, tags.SEQUENCE) && id.ReadASN1Element(&issuer, tags.SEQUENCE) && id.ReadASN1Integer(s.serial) && id.Empty()
	s.issuer = issuer
	return ok
}

func readAlgorithm(in *cryptobyte.String, out *pkix.AlgorithmIdentifier) bool {
	var whole cryptobyte.String
	if !in.ReadASN1Element(&whole, tags.SEQUENCE) {
		return false
	}
	rest, err := asn1.Unmarshal(whole, out)
	return err == nil && len(rest) == 0
}

func readAttributes(in cryptobyte.String, out *[]attribute) bool {
	for !in.Empty() {
		var one, set cryptobyte.String
		var a attribute
		if len(*out) == maxAttributes || !in.ReadASN1(&one, tags.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&a.oid) ||
			!one.ReadASN1(&set, tags.SET) || !one.Empty() {
			return false
		}
		for !set.Empty() {
			var v cryptobyte.String
			var tag tags.Tag
			if len(a.values) == maxAttributes || !set.ReadAnyASN1Element(&v, &tag) {
				return false
			}
			a.values = append(a.values, v)
		}
		*out = append(*out, a)
	}
	return true
}

// one gives the only value of the only attribute of that kind. found tells
// whether there is any, ok whether it is a single one.
func one(attrs []attribute, oid asn1.ObjectIdentifier) (value cryptobyte.String, found, ok bool) {
	for _, a := range attrs {
		if !a.oid.Equal(oid) {
			continue
		}
		if found || len(a.values) != 1 {
			return nil, true, false
		}
		value, found = a.values[0], true
	}
	return value, found, found
}

// signer finds the certificate that a signer info names.
func (d *signedData) signer(s signerInfo, more []*x509.Certificate) *x509.Certificate {
	for _, c := range slices.Concat(d.certs, more) {
		if s.serial != nil && c.SerialNumber.Cmp(s.serial) == 0 && bytes.Equal(c.RawIssuer, s.issuer) {
			return c
		}
		if len(s.keyID) > 0 && bytes.Equal(c.SubjectKeyId, s.keyID) {
			return c
		}
	}
	return nil
}

// signingTime is the time that the signer claims, zero when it tells none.
func (s signerInfo) signingTime() time.Time {
	value, _, ok := one(s.attrs, oidSigningTime)
	var at time.Time
	if !ok {
		return at
	}
	if rest, err := asn1.Unmarshal(value, &at); err != nil || len(rest) > 0 {
		return time.Time{}
	}
	return at.UTC()
}
