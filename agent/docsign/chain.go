package docsign

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// purpose is what a signer's certificate must be good for.
type purpose int

const (
	forDocuments purpose = iota
	forStamps
)

// Extended key usages of document signers that crypto/x509 does not name.
var documentUsages = []asn1.ObjectIdentifier{
	{1, 3, 6, 1, 5, 5, 7, 3, 36},       // id-kp-documentSigning, RFC 9336
	{1, 3, 6, 1, 4, 1, 311, 10, 3, 12}, // Microsoft document signing
	{1, 2, 840, 113583, 1, 1, 5},       // Adobe authentic documents
	{1, 3, 6, 1, 4, 1, 311, 20, 2, 2},  // smart-card logon, on tokens of officials
}

// oidKeyUsage and oidExtKeyUsage are the extensions about usage.
var (
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// extensionOf finds an extension of a certificate.
func extensionOf(cert *x509.Certificate, oid asn1.ObjectIdentifier) (pkix.Extension, bool) {
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
	if i < 0 {
		return pkix.Extension{}, false
	}
	return cert.Extensions[i], true
}

// paths finds chains from the signer to an anchor. Without one, the outcome
// says why. Validity in time is not decided here: the standard library wants a
// time at which the whole chain is valid, and any within the signer's life does.
// That for which it must be good comes first, since an authority may have had
// several certificates one after the other.
func (k *checker) paths(c claim, proven time.Time) ([][]*x509.Certificate, Outcome) {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, a := range k.opts.Anchors {
		roots.AddCert(a)
	}
	for _, i := range slices.Concat(c.others[:min(len(c.others), MaxCertificates)], k.opts.Intermediates) {
		between.AddCert(i)
	}
	var last error
	for _, at := range []time.Time{k.at(proven), c.claimed, k.opts.Now, c.cert.NotAfter, c.cert.NotBefore} {
		if at.Before(c.cert.NotBefore) || at.After(c.cert.NotAfter) {
			continue
		}
		chains, err := c.cert.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err == nil {
			return bounded(chains)
		}
		last = err
	}
	return nil, noChain(c.cert, last)
}

func bounded(chains [][]*x509.Certificate) ([][]*x509.Certificate, Outcome) {
	chains = slices.DeleteFunc(chains, func(path []*x509.Certificate) bool { return len(path) > MaxChain })
	if len(chains) == 0 {
		return nil, outcome(Indeterminate, ChainConstraintsFailure, "chain-rule", "chain too long")
	}
	return chains[:min(len(chains), maxPaths)], passed()
}

// noChain tells the ways apart in which there is no chain.
func noChain(leaf *x509.Certificate, err error) Outcome {
	var invalid x509.CertificateInvalidError
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	switch {
	case errors.As(err, &invalid) && invalid.Reason != x509.Expired:
		return outcome(Indeterminate, ChainConstraintsFailure, "chain-rule", detail)
	case errors.As(err, &x509.UnhandledCriticalExtension{}):
		return outcome(Indeterminate, ChainConstraintsFailure, "chain-rule", detail)
	case slices.Equal(leaf.RawSubject, leaf.RawIssuer):
		return outcome(Indeterminate, NoCertificateChain, "self-signed", detail)
	}
	return outcome(Indeterminate, NoCertificateChain, "no-chain", detail)
}

// signs reports whether a key may sign anything but certificates and lists.
// Without the extension it may be used for all (RFC 5280).
func signs(cert *x509.Certificate) bool {
	_, limited := extensionOf(cert, oidKeyUsage)
	return !limited || cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
}

// usage checks what the certificates of a chain may be used for.
func usage(path []*x509.Certificate, p purpose) Outcome {
	leaf := path[0]
	if !signs(leaf) {
		return outcome(Indeterminate, ChainConstraintsFailure, "wrong-usage", "key usage")
	}
	if leaf.IsCA && len(path) > 1 {
		return outcome(Indeterminate, ChainConstraintsFailure, "wrong-usage", "the signer is a certificate authority")
	}
	if p == forStamps && !stampUsage(leaf) {
		return outcome(Indeterminate, ChainConstraintsFailure, "wrong-usage", "extended key usage is not time stamping alone")
	}
	for i, cert := range path {
		if i > 0 && i == len(path)-1 {
			break // an anchor is trusted as it is
		}
		if !allows(cert, p) {
			return outcome(Indeterminate, ChainConstraintsFailure, "wrong-usage", "extended key usage of "+party(cert).Name)
		}
	}
	return passed()
}

// stampUsage demands what RFC 3161 does: time stamping, alone and critical.
func stampUsage(leaf *x509.Certificate) bool {
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) || len(leaf.UnknownExtKeyUsage) > 0 {
		return false
	}
	e, ok := extensionOf(leaf, oidExtKeyUsage)
	return ok && e.Critical
}

// allows reports whether the extended key usage, if there is one, covers p. A
// certificate for signing in is one of a person; that of a server has the same
// usage beside its own and signs no documents.
func allows(cert *x509.Certificate, p purpose) bool {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return true
	}
	good := []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageEmailProtection}
	if p == forStamps {
		good = []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageTimeStamping}
	} else if cert.IsCA || !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		good = append(good, x509.ExtKeyUsageClientAuth)
	}
	for _, u := range cert.ExtKeyUsage {
		if slices.Contains(good, u) {
			return true
		}
	}
	return p == forDocuments && slices.ContainsFunc(cert.UnknownExtKeyUsage, func(u asn1.ObjectIdentifier) bool {
		return slices.ContainsFunc(documentUsages, u.Equal)
	})
}

// keys refuses keys of a chain that are too short to prove anything. The
// standard library has refused MD5 and SHA-1 between them.
func keys(path []*x509.Certificate) Outcome {
	for _, cert := range path {
		if !strongKey(cert.PublicKey) {
			return Outcome{Indeterminate, CryptoConstraintsFailure, Reason{Code: "weak-key", Args: map[string]string{"name": keyName(cert.PublicKey)}}}
		}
	}
	return passed()
}

func strongKey(pub any) bool {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= MinRSA
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 256
	case ed25519.PublicKey:
		return true
	}
	return false
}

func keyName(pub any) string {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "?"
}

// maxText is the longest name of a party that a report carries, in bytes.
const maxText = 300

func party(c *x509.Certificate) Party {
	sum := sha256.Sum256(c.Raw)
	p := Party{
		Name: c.Subject.CommonName, Subject: clip(c.Subject.String()), Issuer: clip(c.Issuer.String()),
		Serial:    fmt.Sprintf("%x", c.SerialNumber),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
	}
	if p.Name == "" {
		p.Name = p.Subject
	}
	p.Name = clip(p.Name)
	if len(c.Subject.Organization) > 0 {
		p.Organization = clip(c.Subject.Organization[0])
	}
	for _, n := range c.Subject.Names {
		if title, ok := n.Value.(string); ok && n.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 12}) {
			p.Title = clip(title)
		}
	}
	return p
}

func parties(path []*x509.Certificate) []Party {
	out := make([]Party, len(path))
	for i, c := range path {
		out[i] = party(c)
	}
	return out
}

// clip shortens text from a document and drops what is no UTF-8.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r >= ' ' && r != '\u007f' && r != '\ufffd' {
			out = append(out, r)
		}
	}
	return string(out)
}
