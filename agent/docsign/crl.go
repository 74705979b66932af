package docsign

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxCRL is the largest revocation list that is read, in bytes.
const MaxCRL = 32 << 20

var (
	// errList says that bytes are no revocation list.
	errList = errors.New("no certificate revocation list of version 2")
	// errIssuer says that a list is not signed by a certificate.
	errIssuer = errors.New("revocation list is not of this issuer")
	// errScope says that a list does not speak about a certificate.
	errScope = errors.New("revocation list does not cover the certificate")
)

// CRL is a certificate revocation list of version 2, RFC 5280. Its entries stay
// in their DER: those of a large authority would take ten times the room as
// values. It may be used from several goroutines.
type CRL struct {
	Raw        []byte    // DER
	Issuer     []byte    // DER of the name
	ThisUpdate time.Time // UTC
	NextUpdate time.Time // UTC, zero when the list does not say
	Number     *big.Int  // nil when it has none

	signed    []byte // what the signature is over
	algorithm pkix.AlgorithmIdentifier
	value     []byte
	entries   cryptobyte.String
	partial   string        // why its silence means nothing, "" when it is complete
	point     *issuingPoint // what it is complete for, nil for all
}

// ParseCRL reads a revocation list in DER. What follows it is left out. Its
// signature is checked by [CRL.From], or when it is used.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > MaxCRL {
		return nil, fmt.Errorf("%w: larger than %d bytes", errList, MaxCRL)
	}
	in := cryptobyte.String(der)
	var raw, whole, signed, body, inner, outer cryptobyte.String
	l := &CRL{}
	if !in.ReadASN1Element(&raw, tags.SEQUENCE) || !raw.ReadASN1(&whole, tags.SEQUENCE) {
		return nil, errList
	}
	l.Raw = der[:len(der)-len(in)]
	if !whole.ReadASN1Element(&signed, tags.SEQUENCE) || !whole.ReadASN1Element(&outer, tags.SEQUENCE) ||
		!whole.ReadASN1BitStringAsBytes(&l.value) || !whole.Empty() {
		return nil, errList
	}
	l.signed = signed
	var version int
	var issuer cryptobyte.String
	if !signed.ReadASN1(&body, tags.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1Element(&inner, tags.SEQUENCE) || !bytes.Equal(inner, outer) || !readAlgorithm(&inner, &l.algorithm) ||
		!body.ReadASN1Element(&issuer, tags.SEQUENCE) || !readTime(&body, &l.ThisUpdate) {
		return nil, errList
	}
	l.Issuer = issuer
	if isTime(body) && !readTime(&body, &l.NextUpdate) {
		return nil, errList
	}
	var extensions cryptobyte.String
	var has bool
	if !body.ReadOptionalASN1(&l.entries, &has, tags.SEQUENCE) ||
		!body.ReadOptionalASN1(&extensions, &has, tags.Tag(0).ContextSpecific().Constructed()) || !body.Empty() {
		return nil, errList
	}
	if !l.readExtensions(extensions) || !l.checkEntries() {
		return nil, errList
	}
	return l, nil
}

func isTime(in cryptobyte.String) bool {
	return in.PeekASN1Tag(tags.UTCTime) || in.PeekASN1Tag(tags.GeneralizedTime)
}

// readTime reads Time of RFC 5280.
func readTime(in *cryptobyte.String, out *time.Time) bool {
	ok := false
	if in.PeekASN1Tag(tags.UTCTime) {
		ok = in.ReadASN1UTCTime(out)
	} else {
		ok = in.ReadASN1GeneralizedTime(out)
	}
	*out = out.UTC()
	return ok
}

// Extensions of lists and their entries, as content octets of their OIDs.
var (
	extNumber      = []byte{0x55, 0x1d, 0x14}
	extReason      = []byte{0x55, 0x1d, 0x15}
	extDelta       = []byte{0x55, 0x1d, 0x1b}
	extPoint       = []byte{0x55, 0x1d, 0x1c}
	extEntryIssuer = []byte{0x55, 0x1d, 0x1d}
)

// extension is one extension of X.509.
type extension struct {
	oid      cryptobyte.String // content octets
	critical bool
	value    cryptobyte.String
}

func readExtension(in *cryptobyte.String) (e extension, ok bool) {
	var one cryptobyte.String
	if !in.ReadASN1(&one, tags.SEQUENCE) || !one.ReadASN1(&e.oid, tags.OBJECT_IDENTIFIER) {
		return e, false
	}
	if one.PeekASN1Tag(tags.BOOLEAN) && !one.ReadASN1Boolean(&e.critical) {
		return e, false
	}
	return e, one.ReadASN1(&e.value, tags.OCTET_STRING) && one.Empty()
}

// readExtensions reads number and scope. A list that only tells differences, or
// that has a rule which is not known here, is not complete.
func (l *CRL) readExtensions(in cryptobyte.String) bool {
	if len(in) == 0 {
		return true
	}
	var all cryptobyte.String
	if !in.ReadASN1(&all, tags.SEQUENCE) || !in.Empty() {
		return false
	}
	for !all.Empty() {
		e, ok := readExtension(&all)
		if !ok {
			return false
		}
		switch {
		case bytes.Equal(e.oid, extNumber):
			n := new(big.Int)
			if l.Number != nil || !e.value.ReadASN1Integer(n) || !e.value.Empty() {
				return false
			}
			l.Number = n
		case bytes.Equal(e.oid, extDelta):
			l.partial = "it only tells differences to another list"
		case bytes.Equal(e.oid, extPoint):
			p, ok := readPoint(e.value)
			if l.point != nil || !ok {
				return false
			}
			l.point = &p
		case e.critical:
			l.partial = "it has a critical extension that is not known here"
		}
	}
	return true
}

// crlEntry is one revoked certificate.
type crlEntry struct {
	serial  cryptobyte.String // content octets
	when    cryptobyte.String // DER of the time
	reason  int
	foreign bool // of another issuer, or with a rule that is not known here
}

func readEntry(in *cryptobyte.String) (e crlEntry, ok bool) {
	var one, extensions cryptobyte.String
	var tag tags.Tag
	var has bool
	if !in.ReadASN1(&one, tags.SEQUENCE) || !one.ReadASN1(&e.serial, tags.INTEGER) || !minimal(e.serial) || !isTime(one) ||
		!one.ReadAnyASN1Element(&e.when, &tag) || !one.ReadOptionalASN1(&extensions, &has, tags.SEQUENCE) || !one.Empty() {
		return e, false
	}
	for !extensions.Empty() {
		x, ok := readExtension(&extensions)
		if !ok {
			return e, false
		}
		switch {
		case bytes.Equal(x.oid, extReason):
			if !x.value.ReadASN1Enum(&e.reason) {
				return e, false
			}
		case x.critical, bytes.Equal(x.oid, extEntryIssuer):
			e.foreign = true
		}
	}
	return e, true
}

// minimal reports whether content octets of an INTEGER are as DER has them, so
// that equal numbers have equal octets.
func minimal(octets []byte) bool {
	if len(octets) == 0 {
		return false
	}
	return len(octets) == 1 || octets[0] != 0 && octets[0] != 0xff || (octets[0]^octets[1])&0x80 != 0
}

// checkEntries reads every entry once, so that a list which cannot be read is
// none.
func (l *CRL) checkEntries() bool {
	for rest := l.entries; !rest.Empty(); {
		e, ok := readEntry(&rest)
		if !ok {
			return false
		}
		if e.foreign {
			l.partial = "its entries are of several issuers or have rules that are not known here"
		}
	}
	return true
}

// find looks a serial number up. Of several entries one that revokes for ever
// counts.
func (l *CRL) find(serial *big.Int) (e crlEntry, at time.Time, found bool) {
	var b cryptobyte.Builder
	b.AddASN1BigInt(serial)
	der := cryptobyte.String(b.BytesOrPanic())
	var octets cryptobyte.String
	der.ReadASN1(&octets, tags.INTEGER)
	for rest := l.entries; !rest.Empty(); {
		one, ok := readEntry(&rest)
		if !ok {
			break // ParseCRL has read them all
		}
		if bytes.Equal(one.serial, octets) && (!found || e.reason == reasonHold) {
			e, found = one, true
		}
	}
	if found {
		readTime(&e.when, &at) // a time that cannot be read is before all others
	}
	return e, at, found
}

// From reports whether the issuer has made the list: its name, its right to sign
// lists, and the signature, whose digest must not be weak.
func (l *CRL) From(issuer *x509.Certificate) error {
	switch {
	case !bytes.Equal(l.Issuer, issuer.RawSubject):
		return fmt.Errorf("%w: it names another one", errIssuer)
	case issuer.Version == 3 && !issuer.BasicConstraintsValid || issuer.BasicConstraintsValid && !issuer.IsCA:
		return fmt.Errorf("%w: that is no authority", errIssuer)
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return fmt.Errorf("%w: that may not sign lists", errIssuer)
	}
	m, err := methodOf(l.algorithm, 0)
	if err == nil && (m.hash == 0 || weakDigest(m.hash) != "") {
		err = errAlgorithm
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errIssuer, err)
	}
	sum, _ := over(l.signed)(m.hash)
	if err := m.check(issuer.PublicKey, sum, l.value); err != nil {
		return fmt.Errorf("%w: %w", errIssuer, err)
	}
	return nil
}

// About reports whether the list speaks about cert, so that its silence means
// that cert is not revoked: no difference to another list, no share that is not
// cert's.
func (l *CRL) About(cert *x509.Certificate) error {
	if l.partial != "" {
		return fmt.Errorf("%w: %s", errScope, l.partial)
	}
	if l.point != nil && !l.point.covers(cert) {
		return fmt.Errorf("%w: it is limited to others", errScope)
	}
	return nil
}

// issuingPoint is the extension that limits what a list speaks about.
type issuingPoint struct {
	named         bool     // only for certificates that name the same point
	names         []string // its addresses
	user, ca      bool     // only certificates of users, of authorities
	reasons       bool     // only some reasons
	indirect      bool     // also certificates of other issuers
	onlyAttribute bool
}

func readPoint(in cryptobyte.String) (p issuingPoint, ok bool) {
	context := func(n uint8) tags.Tag { return tags.Tag(n).ContextSpecific() }
	var seq, point, reasons cryptobyte.String
	if !in.ReadASN1(&seq, tags.SEQUENCE) || !in.Empty() ||
		!seq.ReadOptionalASN1(&point, &p.named, context(0).Constructed()) || p.named && !p.readNames(point) ||
		!readFlag(&seq, &p.user, context(1)) || !readFlag(&seq, &p.ca, context(2)) ||
		!seq.ReadOptionalASN1(&reasons, &p.reasons, context(3)) ||
		!readFlag(&seq, &p.indirect, context(4)) || !readFlag(&seq, &p.onlyAttribute, context(5)) || !seq.Empty() {
		return p, false
	}
	return p, true
}

// readNames reads DistributionPointName. A name relative to the issuer's is
// none that could be compared.
func (p *issuingPoint) readNames(in cryptobyte.String) bool {
	var full cryptobyte.String
	var has bool
	if !in.ReadOptionalASN1(&full, &has, tags.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	for !full.Empty() {
		var name cryptobyte.String
		var tag tags.Tag
		if !full.ReadAnyASN1(&name, &tag) {
			return false
		}
		if tag == tags.Tag(6).ContextSpecific() {
			p.names = append(p.names, string(name))
		}
	}
	return true
}

// readFlag reads a BOOLEAN with a tag that may be left out for false.
func readFlag(in *cryptobyte.String, out *bool, tag tags.Tag) bool {
	var octet cryptobyte.String
	var has bool
	if !in.ReadOptionalASN1(&octet, &has, tag) || has && len(octet) != 1 {
		return false
	}
	*out = has && octet[0] != 0
	return true
}

func (p issuingPoint) covers(cert *x509.Certificate) bool {
	if p.indirect || p.onlyAttribute || p.reasons || p.user && cert.IsCA || p.ca && !cert.IsCA {
		return false
	}
	return !p.named || slices.ContainsFunc(p.names, func(n string) bool { return slices.Contains(cert.CRLDistributionPoints, n) })
}

// reasonHold is the CRLReason certificateHold: suspended, may come back.
const reasonHold = 6

// reasons are the names of CRLReason, RFC 5280.
var reasons = []string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
	"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

func reasonName(code int) string {
	if code < 0 || code >= len(reasons) {
		return reasons[0]
	}
	return reasons[code]
}

func readCRL(list *CRL, cert, issuer *x509.Certificate) (Revocation, error) {
	if err := list.About(cert); err != nil {
		return Revocation{}, err
	}
	if err := list.From(issuer); err != nil {
		return Revocation{}, err
	}
	r := Revocation{Source: "crl", Status: StatusGood, Issued: list.ThisUpdate, Next: list.NextUpdate}
	if e, at, found := list.find(cert.SerialNumber); found {
		r.Status, r.RevokedAt, r.Why = StatusRevoked, at, reasonName(e.reason)
	}
	return r, nil
}
