package tsa

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha512" // digests of foreign authorities
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// minRSA is the smallest RSA modulus of an authority, in bits.
const minRSA = 2048

// Anchors is whom a reader believes times.
type Anchors struct {
	Roots *x509.CertPool
	// Policies are the accepted ones, dotted; empty: any.
	Policies []string
	// Now is the reader's clock; zero: the token's own time, for a reader
	// whose clock is not to be trusted.
	Now time.Time
}

// Answers checks that the token is the answer to a request.
func (t Token) Answers(r Request) error {
	switch {
	case !t.Imprint.Equal(r.Imprint):
		return ErrImprint
	case r.Nonce != nil && (t.Nonce == nil || t.Nonce.Cmp(r.Nonce) != 0):
		return ErrNonce
	case r.Policy != "" && t.Policy != r.Policy:
		return fmt.Errorf("%w: %s instead of %s", ErrPolicy, t.Policy, r.Policy)
	}
	return nil
}

// Verify checks the token over a digest: that it stamps this digest, that the
// key of its certificate signed it, that the certificate is for time stamps
// alone and was issued under the anchors, and that the token's time lies in the
// certificate's life. A certificate that has expired since is accepted: what
// was stamped stays stamped. Revocation is the caller's to look up.
func (t Token) Verify(i Imprint, a Anchors) error {
	if !t.Imprint.Equal(i) {
		return ErrImprint
	}
	if err := t.verifySignature(); err != nil {
		return err
	}
	if len(a.Policies) > 0 && !slices.Contains(a.Policies, t.Policy) {
		return fmt.Errorf("%w: %s", ErrPolicy, t.Policy)
	}
	if err := checkUsage(t.Cert); err != nil {
		return err
	}
	if t.Time.Before(t.Cert.NotBefore) || t.Time.After(t.Cert.NotAfter) {
		return fmt.Errorf("%w: %s to %s", ErrExpired, t.Cert.NotBefore.Format(time.RFC3339), t.Cert.NotAfter.Format(time.RFC3339))
	}
	if !a.Now.IsZero() && t.Time.After(a.Now.Add(ClockTolerance)) {
		return ErrFuture
	}
	return t.verifyChain(a.Roots)
}

func (t Token) verifySignature() error {
	if t.Cert == nil {
		return fmt.Errorf("%w: certificate is missing", ErrSignature)
	}
	for _, id := range t.essOf {
		if !id.is(t.Cert) {
			return fmt.Errorf("%w: signing certificate is another one", ErrSignature)
		}
	}
	h := t.signer.digest.New()
	h.Write(t.info)
	if !bytes.Equal(h.Sum(nil), t.signer.sum) {
		return fmt.Errorf("%w: digest", ErrSignature)
	}
	alg, err := t.algorithm()
	if err != nil {
		return err
	}
	if err := t.Cert.CheckSignature(alg, wrapSet(t.signer.attrs), t.signer.value); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// algorithm joins the signer's two identifiers, which must fit each other and
// the key.
func (t Token) algorithm() (x509.SignatureAlgorithm, error) {
	known, ok := signatureAlgorithms[t.signer.algorithm.String()]
	if !ok && t.signer.algorithm.Equal(oidRSA) {
		for _, s := range signatureAlgorithms {
			if s.hash == t.signer.digest && (s.alg == x509.SHA256WithRSA || s.alg == x509.SHA384WithRSA || s.alg == x509.SHA512WithRSA) {
				known, ok = s, true
			}
		}
	}
	if !ok || known.hash != t.signer.digest {
		return 0, fmt.Errorf("%w: algorithm %v", ErrSignature, t.signer.algorithm)
	}
	switch key := t.Cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSA {
			return known.alg, nil
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize >= 256 {
			return known.alg, nil
		}
	}
	return 0, fmt.Errorf("%w: key is too weak", ErrSignature)
}

// checkUsage demands the extended usage for time stamps, alone and critical
// (RFC 3161, 2.3).
func checkUsage(c *x509.Certificate) error {
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(c.UnknownExtKeyUsage) > 0 || c.IsCA {
		return ErrUsage
	}
	if sign := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment; c.KeyUsage != 0 && c.KeyUsage&sign == 0 {
		return ErrUsage
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidExtendedKeyUsage) && e.Critical {
			return nil
		}
	}
	return fmt.Errorf("%w: the usage is not critical", ErrUsage)
}

func (t Token) verifyChain(roots *x509.CertPool) error {
	if roots == nil {
		return fmt.Errorf("%w: no anchors", ErrChain)
	}
	between := x509.NewCertPool()
	for _, c := range t.Others {
		between.AddCert(c)
	}
	_, err := t.Cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: t.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: %w", ErrExpired, err)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("%w: %w", ErrUsage, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrChain, err)
	}
	return nil
}
