package docsign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1" // the first form of the attribute has no other digest
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// digester gives the digest of the signed content with an algorithm. Its error
// is of reading.
type digester func(crypto.Hash) ([]byte, error)

// over is a digester of bytes in memory.
func over(content []byte) digester {
	return func(h crypto.Hash) ([]byte, error) {
		d := h.New()
		d.Write(content)
		return d.Sum(nil), nil
	}
}

// terms are what a format demands of a CMS signature and what it knows besides.
type terms struct {
	purpose  purpose
	needCert bool // the signing-certificate attribute must be there (CAdES, RFC 3161)
	// claimed is the time of a stamp, which a token tells a second time among
	// its attributes; zero for other signatures.
	claimed  time.Time
	others   []*x509.Certificate
	evidence []Evidence
}

// verifySigner judges one signer of d over the content that digest digests,
// and fills in s. The error is of reading.
func (k *checker) verifySigner(ctx context.Context, s *Signature, d *signedData, info signerInfo, digest digester, t terms) error {
	cert := d.signer(info, t.others)
	if cert == nil {
		s.Outcome = outcome(Indeterminate, NoSigningCertificate, "no-certificate", "")
		return nil
	}
	s.Signer, s.Algorithm, s.Claimed = party(cert), keyName(cert.PublicKey), info.claimed(t, s.Claimed)
	hash := digestOf(info.digest.Algorithm)
	if hash == 0 {
		s.Outcome = outcome(Indeterminate, CryptoConstraintsFailure, "unknown-algorithm", info.digest.Algorithm.String())
		return nil
	}
	s.Digest = hash.String()
	content, err := digest(hash)
	if err != nil {
		return err
	}
	o, weak := info.mathematics(d, cert, hash, content)
	if o.Indication == Passed {
		o = info.signingCertificate(cert, t.needCert)
	}
	if o.Indication != Passed {
		s.Outcome = o
		return nil
	}
	c := claim{cert: cert, others: slices.Concat(d.certs, t.others), claimed: s.Claimed, weak: weak, purpose: t.purpose}
	c.evidence = slices.Concat(info.evidence(), d.evidence, t.evidence)
	if t.purpose == forDocuments {
		k.stamps(ctx, s, info, c)
	}
	k.judge(ctx, s, c)
	return nil
}

// claimed is when the signature was made as its signer says: in a stamp, among
// the attributes, or as the file around it has it.
func (info signerInfo) claimed(t terms, otherwise time.Time) time.Time {
	if !t.claimed.IsZero() {
		return t.claimed
	}
	if at := info.signingTime(); !at.IsZero() {
		return at
	}
	return otherwise
}

// stamps judges the time stamps over the signature value.
func (k *checker) stamps(ctx context.Context, s *Signature, info signerInfo, c claim) {
	for _, a := range info.unsigned {
		if !a.oid.Equal(oidStampToken) {
			continue
		}
		for _, token := range a.values {
			if len(s.Stamps) == MaxStamps {
				return
			}
			s.Stamps = append(s.Stamps, k.stamp(ctx, token, over(info.value), c.others, c.evidence))
		}
	}
}

// mathematics checks the digest of the content and the signature value. weak
// names a digest in it that proves nothing any more.
func (info signerInfo) mathematics(d *signedData, cert *x509.Certificate, hash crypto.Hash, content []byte) (o Outcome, weak string) {
	m, err := methodOf(info.algorithm, hash)
	if err != nil {
		return outcome(Indeterminate, CryptoConstraintsFailure, "unknown-algorithm", info.algorithm.Algorithm.String()), ""
	}
	weak = weakDigest(hash)
	if weak == "" {
		weak = weakDigest(m.hash)
	}
	if info.signed == nil {
		if o := bare(d); o.Indication != Passed {
			return o, weak
		}
		if m.hash != hash {
			return outcome(Indeterminate, CryptoConstraintsFailure, "unknown-algorithm", "no signed attributes"), weak
		}
		if m.check(cert.PublicKey, content, info.value) != nil {
			return outcome(Failed, HashFailure, "hash", "signature without attributes does not fit the content"), weak
		}
		return passed(), weak
	}
	if o := info.attributes(d, content); o.Indication != Passed {
		return o, weak
	}
	sum, err := over(info.signed)(m.hash)
	if err == nil {
		err = m.check(cert.PublicKey, sum, info.value)
	}
	if err != nil {
		return outcome(Failed, SigCryptoFailure, "signature", err.Error()), weak
	}
	return passed(), weak
}

// bare judges a signature without signed attributes. Its content must not be
// what the signed attributes of another signature look like: the two would
// have the same value.
func bare(d *signedData) Outcome {
	if !d.contentType.Equal(oidData) {
		return outcome(Failed, FormatFailure, "format", "signed attributes are missing")
	}
	var attrs []attribute
	var set cryptobyte.String
	in := cryptobyte.String(d.content)
	if d.attached && in.ReadASN1(&set, tags.SET) && in.Empty() && readAttributes(set, &attrs) {
		return outcome(Failed, FormatFailure, "format", "content is a set of signed attributes")
	}
	return passed()
}

// attributes demands content type and digest, each once.
func (info signerInfo) attributes(d *signedData, content []byte) Outcome {
	value, _, ok := one(info.attrs, oidContentType)
	var got asn1.ObjectIdentifier
	if !ok || !value.ReadASN1ObjectIdentifier(&got) || !got.Equal(d.contentType) {
		return outcome(Failed, FormatFailure, "format", "content-type attribute")
	}
	value, _, ok = one(info.attrs, oidDigest)
	var want cryptobyte.String
	if !ok || !value.ReadASN1(&want, tags.OCTET_STRING) || !value.Empty() {
		return outcome(Failed, FormatFailure, "format", "message-digest attribute")
	}
	if !bytes.Equal(want, content) {
		return outcome(Failed, HashFailure, "hash", "message digest differs")
	}
	return passed()
}

// essCertID is ESSCertIDv2 of RFC 5035, and ESSCertID of RFC 2634 without the
// algorithm.
type essCertID struct {
	Algorithm pkix.AlgorithmIdentifier `asn1:"optional"`
	Hash      []byte
	Issuer    asn1.RawValue `asn1:"optional"`
}

type essCerts struct {
	Certs    []essCertID
	Policies asn1.RawValue `asn1:"optional"`
}

// signingCertificate holds a signature to the certificate that it names, so
// that none with the same key or name can be put in its place.
func (info signerInfo) signingCertificate(cert *x509.Certificate, need bool) Outcome {
	bad := outcome(Failed, FormatFailure, "format", "signing-certificate attribute")
	seen := false
	for _, oid := range []asn1.ObjectIdentifier{oidSigningCert2, oidSigningCert} {
		value, found, ok := one(info.attrs, oid)
		if !found {
			continue
		}
		var ess essCerts
		if !ok {
			return bad
		}
		if rest, err := asn1.Unmarshal(value, &ess); err != nil || len(rest) > 0 || len(ess.Certs) == 0 {
			return bad
		}
		id, hash := ess.Certs[0], crypto.SHA256 // the first one is the signer's
		if oid.Equal(oidSigningCert) {
			sum := sha1.Sum(cert.Raw)
			seen = true
			if !bytes.Equal(id.Hash, sum[:]) {
				return outcome(Indeterminate, NoSigningCertificate, "other-certificate", "")
			}
			continue
		}
		if len(id.Algorithm.Algorithm) > 0 {
			hash = digestOf(id.Algorithm.Algorithm)
		}
		if hash == 0 {
			return bad
		}
		seen = true
		if sum, _ := over(cert.Raw)(hash); !bytes.Equal(id.Hash, sum) {
			return outcome(Indeterminate, NoSigningCertificate, "other-certificate", "")
		}
	}
	if need && !seen {
		return outcome(Indeterminate, SigConstraintsFailure, "no-signing-certificate", "")
	}
	return passed()
}

// evidence is the revocation data among the attributes.
func (info signerInfo) evidence() []Evidence {
	var all []Evidence
	if value, _, ok := one(info.attrs, oidAdobeArchive); ok {
		all = append(all, readArchive(value, false)...)
	}
	if value, _, ok := one(info.unsigned, oidRevocations); ok {
		all = append(all, readArchive(value, true)...)
	}
	return all[:min(len(all), MaxEvidence)]
}

// readArchive reads the sequences tagged 0 (lists) and 1 (answers). RFC 5126
// has basic answers, which it wraps here as OCSP does on the wire.
func readArchive(in cryptobyte.String, basic bool) []Evidence {
	var seq, lists, answers, list cryptobyte.String
	var has bool
	if !in.ReadASN1(&seq, tags.SEQUENCE) || !seq.ReadOptionalASN1(&lists, &has, tags.Tag(0).ContextSpecific().Constructed()) ||
		!seq.ReadOptionalASN1(&answers, &has, tags.Tag(1).ContextSpecific().Constructed()) {
		return nil
	}
	var all []Evidence
	if lists.ReadASN1(&list, tags.SEQUENCE) {
		all = readLists(list)
	}
	if !answers.ReadASN1(&list, tags.SEQUENCE) {
		return all
	}
	for !list.Empty() && len(all) < MaxEvidence {
		var one cryptobyte.String
		if !list.ReadASN1Element(&one, tags.SEQUENCE) {
			break
		}
		if basic {
			one = wrapBasic(one)
		}
		all = append(all, Evidence{OCSP: one, Origin: OriginDocument})
	}
	return all
}

// wrapBasic makes an OCSPResponse of a BasicOCSPResponse.
func wrapBasic(basic []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0)
		b.AddASN1(tags.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1})
				b.AddASN1OctetString(basic)
			})
		})
	})
	out, err := b.Bytes()
	if err != nil {
		return nil
	}
	return out
}
