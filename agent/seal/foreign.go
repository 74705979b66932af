package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// digests that foreign signatures may use, with the algorithms that go with them.
var digests = []struct {
	oid        asn1.ObjectIdentifier
	hash       crypto.Hash
	rsa, ecdsa x509.SignatureAlgorithm
}{
	{pkcs7.OIDDigestAlgorithmSHA256, crypto.SHA256, x509.SHA256WithRSA, x509.ECDSAWithSHA256},
	{pkcs7.OIDDigestAlgorithmSHA384, crypto.SHA384, x509.SHA384WithRSA, x509.ECDSAWithSHA384},
	{pkcs7.OIDDigestAlgorithmSHA512, crypto.SHA512, x509.SHA512WithRSA, x509.ECDSAWithSHA512},
}

// MaxForeign is the largest foreign signature that [DetachedSigner] reads, in
// bytes: chains, time stamps and revocation lists may be in it.
const MaxForeign = 4 << 20

// DetachedSigner gives the certificate whose key signed content that lies
// elsewhere, such as the bytes of a PDF file; digest computes its hash. It
// checks the digest and the signature of the one signer, with SHA-2 and signed
// attributes, and judges neither the certificate's issuer nor its validity.
func DetachedSigner(der []byte, digest func(crypto.Hash) ([]byte, error)) (cert *x509.Certificate, err error) {
	if len(der) > MaxForeign {
		return nil, fmt.Errorf("%w: too large", errSignature)
	}
	// As in parseSignature: a reader of foreign bytes must not end the program.
	defer func() {
		if recover() != nil {
			cert, err = nil, fmt.Errorf("%w: unreadable", errSignature)
		}
	}()
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSignature, err)
	}
	if len(p7.Signers) != 1 || len(p7.Content) != 0 || p7.GetOnlySigner() == nil {
		return nil, fmt.Errorf("%w: not detached with one signer and its certificate", errSignature)
	}
	signer := p7.GetOnlySigner()
	info := p7.Signers[0]
	for _, d := range digests {
		if !info.DigestAlgorithm.Algorithm.Equal(d.oid) {
			continue
		}
		set := make([]attribute, len(info.AuthenticatedAttributes))
		for i, a := range info.AuthenticatedAttributes {
			set[i] = attribute(a)
		}
		var said []byte
		if err := oneAttribute(set, pkcs7.OIDAttributeMessageDigest, &said); err != nil {
			return nil, err
		}
		found, err := digest(d.hash)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(found, said) {
			return nil, fmt.Errorf("%w: %w", errSignature, ErrHash)
		}
		signed, err := marshalSet(set)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSignature, err)
		}
		algorithm := x509.UnknownSignatureAlgorithm
		switch signer.PublicKey.(type) {
		case *rsa.PublicKey:
			algorithm = d.rsa
		case *ecdsa.PublicKey:
			algorithm = d.ecdsa
		}
		if err := signer.CheckSignature(algorithm, signed, info.EncryptedDigest); err != nil {
			return nil, fmt.Errorf("%w: %w", errSignature, err)
		}
		return signer, nil
	}
	return nil, fmt.Errorf("%w: digest is not of SHA-2", errSignature)
}
