package seal

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"
)

// Trust is whom and what a reader believes.
type Trust struct {
	Roots Roots // for each office; nil: none are known
	// CRLs are revocation lists. Each counts for the certificates of the
	// authority that signed it, however old it is.
	CRLs []*x509.RevocationList
	// Stamps are the roots of time stamp authorities; nil: no time stamp is
	// believed.
	Stamps *x509.CertPool
	Now    time.Time // the reader's clock
}

// roots gives the roots for an office.
func (t Trust) roots(code string) *x509.CertPool {
	if t.Roots == nil {
		return nil
	}
	return t.Roots(code)
}

// check verifies the signature over content and the certificate behind it.
// stamped is when a time stamp proves that the signature existed; zero: none.
func (sig signature) check(content []byte, t Trust, stamped time.Time) (Result, Reason) {
	if sum := sha256.Sum256(content); !bytes.Equal(sig.digest, sum[:]) {
		return Failed, ReasonHash
	}
	alg := x509.ECDSAWithSHA256
	if _, ok := sig.Cert.PublicKey.(*rsa.PublicKey); ok {
		alg = x509.SHA256WithRSA
	}
	if checkKey(sig.Cert.PublicKey) != nil || sig.Cert.CheckSignature(alg, sig.signed, sig.value) != nil {
		return Failed, ReasonSignature
	}
	if !isSealCert(sig.Cert) {
		return Failed, ReasonNotSeal
	}
	roots := t.roots(sig.Cert.Subject.SerialNumber)
	if roots == nil {
		return Indeterminate, ReasonNoRoots
	}
	return sig.checkChain(roots, t, stamped)
}

// checkChain looks at the chain inside the signer certificate's life, so that
// a wrong clock on either side is told apart from a foreign certificate.
func (sig signature) checkChain(roots *x509.CertPool, t Trust, stamped time.Time) (Result, Reason) {
	at := sig.SignedAt
	if at.Before(sig.Cert.NotBefore) {
		at = sig.Cert.NotBefore
	}
	if at.After(sig.Cert.NotAfter) {
		at = sig.Cert.NotAfter
	}
	between := x509.NewCertPool()
	for _, c := range sig.Others {
		between.AddCert(c)
	}
	chains, err := sig.Cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return Failed, sig.strangeness(roots)
	}
	if when, revoked := revokedAt(sig.Cert, chains, t.CRLs); revoked && (stamped.IsZero() || !stamped.Before(when)) {
		return Failed, ReasonRevoked
	}
	switch {
	case sig.SignedAt.After(sig.Cert.NotAfter):
		return Failed, ReasonExpired
	case t.Now.Before(sig.Cert.NotBefore):
		return Indeterminate, ReasonNotYet
	case sig.SignedAt.Before(sig.Cert.NotBefore), sig.SignedAt.After(t.Now.Add(ClockTolerance)):
		return Indeterminate, ReasonClock
	case t.Now.After(sig.Cert.NotAfter) && (stamped.IsZero() || stamped.After(sig.Cert.NotAfter)):
		return Indeterminate, ReasonExpiredSince
	}
	return Passed, ""
}

// strangeness says how a certificate fails to lead to the roots.
func (sig signature) strangeness(roots *x509.CertPool) Reason {
	if bytes.Equal(sig.Cert.RawIssuer, sig.Cert.RawSubject) {
		return ReasonSelfSigned
	}
	known := roots.Subjects() //lint:ignore SA1019 it is incomplete for the system's pool only, which is none of ours
	issuer := sig.Cert
	for range len(sig.Others) + 1 {
		if slices.ContainsFunc(known, func(name []byte) bool { return bytes.Equal(name, issuer.RawIssuer) }) {
			return ReasonChain
		}
		i := slices.IndexFunc(sig.Others, func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, issuer.RawIssuer) })
		if i < 0 || sig.Others[i].Equal(issuer) {
			break
		}
		if issuer.CheckSignatureFrom(sig.Others[i]) != nil {
			return ReasonChain
		}
		issuer = sig.Others[i]
	}
	return ReasonUnknownCA
}

// Revoked looks a certificate up in the lists of its issuer, which stands behind
// it in each chain. It tells since when it is revoked.
func (t Trust) Revoked(cert *x509.Certificate, chains [][]*x509.Certificate) (time.Time, bool) {
	return revokedAt(cert, chains, t.CRLs)
}

// revokedAt looks a certificate up in the lists of its issuer.
func revokedAt(cert *x509.Certificate, chains [][]*x509.Certificate, lists []*x509.RevocationList) (time.Time, bool) {
	for _, chain := range chains {
		if len(chain) < 2 {
			continue
		}
		for _, l := range lists {
			if !bytes.Equal(l.RawIssuer, cert.RawIssuer) || l.CheckSignatureFrom(chain[1]) != nil {
				continue
			}
			for _, e := range l.RevokedCertificateEntries {
				if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
					return e.RevocationTime, true
				}
			}
		}
	}
	return time.Time{}, false
}

func isSealCert(c *x509.Certificate) bool {
	usage := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	return slices.Contains(c.Subject.OrganizationalUnit, sealUnit) && c.Subject.SerialNumber != "" && c.KeyUsage&usage != 0 && !c.IsCA
}
