package tsa

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // only names a certificate, RFC 2634; the signature does not rest on it
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Token is a time stamp: CMS SignedData around a TSTInfo. Believe what it says
// only after [Token.Verify].
type Token struct {
	Raw      []byte // DER of the whole token
	Imprint  Imprint
	Policy   string // dotted
	Serial   *big.Int
	Time     time.Time
	Accuracy time.Duration     // 0: the token does not tell
	Nonce    *big.Int          // nil: none
	Cert     *x509.Certificate // of the key that signed, nil when it does not come along
	Others   []*x509.Certificate

	info   []byte // DER of the TSTInfo
	signer signer
	essOf  []essID
}

// signer is the one SignerInfo.
type signer struct {
	issuer    []byte // DER of the issuer's name; nil when keyID names it
	serial    *big.Int
	keyID     []byte
	digest    crypto.Hash
	algorithm asn1.ObjectIdentifier
	attrs     []byte // content of the signed attributes
	sum       []byte // message digest attribute
	value     []byte
}

// essID names the signer's certificate inside the signed attributes.
type essID struct {
	hash crypto.Hash
	sum  []byte
}

// Reserve reports whether the token says that a hub gave it as authority of
// last resort.
func (t Token) Reserve() bool { return t.Policy == ReservePolicy }

// ParseToken reads a token. It checks the form, no signature. Certificates that
// do not travel in the token may be given.
func ParseToken(raw []byte, certs ...*x509.Certificate) (Token, error) {
	if len(raw) > MaxResponse {
		return Token{}, fmt.Errorf("parse time stamp: %w", ErrTooLarge)
	}
	t := Token{Raw: append([]byte(nil), raw...), Others: certs}
	if err := t.parse(); err != nil {
		return Token{}, fmt.Errorf("parse time stamp: %w", err)
	}
	return t, nil
}

func (t *Token) parse() error {
	s := cryptobyte.String(t.Raw)
	var content, explicit, signed cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !s.ReadASN1(&content, der.SEQUENCE) || !s.Empty() || !content.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) ||
		!content.ReadASN1(&explicit, tag0Group) || !content.Empty() || !explicit.ReadASN1(&signed, der.SEQUENCE) || !explicit.Empty() {
		return malformed("not SignedData")
	}
	var version int64
	if !signed.ReadASN1Integer(&version) || version != 3 || !signed.SkipASN1(der.SET) {
		return malformed("SignedData is not of version 3")
	}
	var encap, body, info cryptobyte.String
	if !signed.ReadASN1(&encap, der.SEQUENCE) || !encap.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidTSTInfo) ||
		!encap.ReadASN1(&body, tag0Group) || !encap.Empty() || !body.ReadASN1(&info, der.OCTET_STRING) || !body.Empty() {
		return malformed("content is no TSTInfo")
	}
	t.info = info
	if err := t.parseInfo(info); err != nil {
		return err
	}
	if err := t.parseCertificates(&signed); err != nil {
		return err
	}
	var signers cryptobyte.String
	if !signed.SkipOptionalASN1(tag1Group) || !signed.ReadASN1(&signers, der.SET) || !signed.Empty() {
		return malformed("signers")
	}
	if err := t.parseSigner(signers); err != nil {
		return err
	}
	t.findCert()
	return nil
}

func (t *Token) parseInfo(raw cryptobyte.String) (err error) {
	var s cryptobyte.String
	var version int64
	if !raw.ReadASN1(&s, der.SEQUENCE) || !raw.Empty() || !s.ReadASN1Integer(&version) || version != 1 {
		return malformed("TSTInfo is not of version 1")
	}
	ok := false
	if t.Policy, ok = readPolicy(&s); !ok {
		return malformed("policy")
	}
	if t.Imprint, err = readImprint(&s); err != nil {
		return err
	}
	if t.Serial, ok = readInteger(&s); !ok {
		return malformed("serial number")
	}
	if t.Time, ok = readTime(&s); !ok {
		return malformed("time")
	}
	if s.PeekASN1Tag(der.SEQUENCE) {
		if t.Accuracy, ok = readAccuracy(&s); !ok {
			return malformed("accuracy")
		}
	}
	var ordering bool
	if s.PeekASN1Tag(der.BOOLEAN) && !s.ReadASN1Boolean(&ordering) {
		return malformed("ordering")
	}
	if s.PeekASN1Tag(der.INTEGER) {
		if t.Nonce, ok = readInteger(&s); !ok {
			return malformed("nonce")
		}
	}
	if !s.SkipOptionalASN1(tag0Group) { // the authority's name; its certificate says it
		return malformed("name of the authority")
	}
	return readExtensions(s)
}

// readExtensions refuses critical extensions, which nobody may ignore.
func readExtensions(s cryptobyte.String) error {
	if s.Empty() {
		return nil
	}
	var list cryptobyte.String
	if !s.ReadASN1(&list, tag1Group) || !s.Empty() {
		return malformed("extensions")
	}
	for !list.Empty() {
		var one, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		if !list.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) ||
			one.PeekASN1Tag(der.BOOLEAN) && !one.ReadASN1Boolean(&critical) || !one.ReadASN1(&value, der.OCTET_STRING) || !one.Empty() {
			return malformed("extensions")
		}
		if critical {
			return malformed("extension " + oid.String() + " is critical and unknown")
		}
	}
	return nil
}

func (t *Token) parseCertificates(s *cryptobyte.String) error {
	if !s.PeekASN1Tag(tag0Group) {
		return nil
	}
	var set cryptobyte.String
	if !s.ReadASN1(&set, tag0Group) {
		return malformed("certificates")
	}
	for n := 0; !set.Empty(); n++ {
		var one cryptobyte.String
		var tag der.Tag
		if !set.ReadAnyASN1Element(&one, &tag) {
			return malformed("certificates")
		}
		if n >= maxCertificates {
			return fmt.Errorf("%w: more than %d certificates", ErrTooLarge, maxCertificates)
		}
		if tag != der.SEQUENCE {
			continue // an attribute certificate
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
		}
		t.Others = append(t.Others, cert)
	}
	return nil
}

func (t *Token) parseSigner(set cryptobyte.String) error {
	var s, attrs, value cryptobyte.String
	var version int64
	if !set.ReadASN1(&s, der.SEQUENCE) || !set.Empty() || !s.ReadASN1Integer(&version) {
		return malformed("not one signer")
	}
	g := &t.signer
	if s.PeekASN1Tag(tag0) {
		var id cryptobyte.String
		s.ReadASN1(&id, tag0)
		g.keyID = append([]byte{}, id...)
	} else {
		var sid, name cryptobyte.String
		ok := false
		if !s.ReadASN1(&sid, der.SEQUENCE) || !sid.ReadASN1Element(&name, der.SEQUENCE) {
			return malformed("signer's name")
		}
		if g.serial, ok = readInteger(&sid); !ok || !sid.Empty() {
			return malformed("signer's name")
		}
		g.issuer = name
	}
	digest, ok := readAlgorithm(&s)
	if g.digest = hashOf(digest); !ok || g.digest == 0 {
		return fmt.Errorf("%w: signer's digest", errAlgorithm)
	}
	if !s.ReadASN1(&attrs, tag0Group) {
		return malformed("signed attributes are missing")
	}
	g.attrs = attrs
	if g.algorithm, ok = readAlgorithm(&s); !ok || !s.ReadASN1(&value, der.OCTET_STRING) {
		return malformed("signature value")
	}
	g.value = value
	if !s.SkipOptionalASN1(tag1Group) || !s.Empty() {
		return malformed("unsigned attributes")
	}
	return t.parseAttributes(attrs)
}

// parseAttributes demands content type, digest and the certificate's identity,
// each once.
func (t *Token) parseAttributes(set cryptobyte.String) error {
	seen := map[string]bool{}
	for !set.Empty() {
		var attr, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !set.ReadASN1(&attr, der.SEQUENCE) || !attr.ReadASN1ObjectIdentifier(&oid) ||
			!attr.ReadASN1(&values, der.SET) || !attr.Empty() {
			return malformed("signed attributes")
		}
		if seen[oid.String()] {
			return malformed("attribute " + oid.String() + " stands there twice")
		}
		seen[oid.String()] = true
		if !t.attribute(oid, values) {
			return malformed("attribute " + oid.String())
		}
	}
	if !seen[oidContentType.String()] || !seen[oidMessageDigest.String()] || len(t.essOf) == 0 {
		return malformed("a signed attribute is missing")
	}
	return nil
}

func (t *Token) attribute(oid asn1.ObjectIdentifier, v cryptobyte.String) bool {
	switch {
	case oid.Equal(oidContentType):
		var kind asn1.ObjectIdentifier
		return v.ReadASN1ObjectIdentifier(&kind) && v.Empty() && kind.Equal(oidTSTInfo)
	case oid.Equal(oidMessageDigest):
		var sum cryptobyte.String
		ok := v.ReadASN1(&sum, der.OCTET_STRING) && v.Empty()
		t.signer.sum = sum
		return ok
	case oid.Equal(oidSigningCert), oid.Equal(oidSigningCertV2):
		var sc, ids, id, sum cryptobyte.String
		if !v.ReadASN1(&sc, der.SEQUENCE) || !v.Empty() || !sc.ReadASN1(&ids, der.SEQUENCE) || !ids.ReadASN1(&id, der.SEQUENCE) {
			return false // the first one is the signer's, RFC 5035
		}
		hash := crypto.SHA256
		if oid.Equal(oidSigningCert) {
			hash = crypto.SHA1
		} else if id.PeekASN1Tag(der.SEQUENCE) {
			alg, ok := readAlgorithm(&id)
			if hash = hashOf(alg); !ok || hash == 0 {
				return false
			}
		}
		ok := id.ReadASN1(&sum, der.OCTET_STRING) && len(sum) == hash.Size()
		t.essOf = append(t.essOf, essID{hash, sum})
		return ok
	}
	return true
}

// findCert moves the signer's certificate from Others to Cert.
func (t *Token) findCert() {
	var others []*x509.Certificate
	for _, c := range t.Others {
		if t.Cert == nil && t.signer.names(c) {
			t.Cert = c
			continue
		}
		others = append(others, c)
	}
	t.Others = others
}

func (g *signer) names(c *x509.Certificate) bool {
	if g.issuer == nil {
		return len(g.keyID) > 0 && bytes.Equal(g.keyID, c.SubjectKeyId)
	}
	return bytes.Equal(g.issuer, c.RawIssuer) && g.serial.Cmp(c.SerialNumber) == 0
}

func (e essID) is(c *x509.Certificate) bool {
	switch e.hash {
	case crypto.SHA1:
		sum := sha1.Sum(c.Raw) //nolint:gosec // see the import
		return bytes.Equal(sum[:], e.sum)
	case crypto.SHA256:
		sum := sha256.Sum256(c.Raw)
		return bytes.Equal(sum[:], e.sum)
	}
	h := e.hash.New()
	h.Write(c.Raw)
	return bytes.Equal(h.Sum(nil), e.sum)
}
