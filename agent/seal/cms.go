package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/smallstep/pkcs7"
)

var (
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidSHA256RSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECDSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// minRSA is the smallest RSA modulus of a seal key, in bits.
const minRSA = 2048

// signingCertificateV2 is the ESS attribute of RFC 5035 that ties a signature
// to one certificate.
type signingCertificateV2 struct {
	Certs    []essCertIDv2
	Policies []asn1.RawValue `asn1:"optional"`
}

type essCertIDv2 struct {
	HashAlgorithm pkix.AlgorithmIdentifier `asn1:"optional"` // absent means SHA-256
	CertHash      []byte
	IssuerSerial  asn1.RawValue `asn1:"optional"`
}

// attribute is the shape of a CMS attribute, for encoding.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"set"`
}

// sign makes a detached CAdES baseline B signature over content.
func (s Sealer) sign(content []byte) ([]byte, error) {
	if s.Key == nil || s.Cert == nil {
		return nil, fmt.Errorf("%w: key or certificate is missing", ErrKey)
	}
	if err := checkKey(s.Cert.PublicKey); err != nil {
		return nil, err
	}
	if pub, ok := s.Key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(s.Cert.PublicKey) {
		return nil, fmt.Errorf("%w: certificate is of another key", ErrKey)
	}
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("make signature: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	sum := sha256.Sum256(s.Cert.Raw)
	attributes := pkcs7.SignerInfoConfig{ExtraSignedAttributes: []pkcs7.Attribute{{
		Type:  oidSigningCertV2,
		Value: signingCertificateV2{Certs: []essCertIDv2{{CertHash: sum[:]}}},
	}}}
	// The library signs at once and with the system's clock. It is given a
	// stand-in for the key, and the signature is made over the final attributes.
	if err := signed.AddSignerChain(s.Cert, unsigned{s.Key.Public()}, s.issuers(), attributes); err != nil {
		return nil, fmt.Errorf("make signature: %w: %w", ErrKey, err)
	}
	info := &signed.GetSignedData().SignerInfos[0]
	now, err := asn1.Marshal(s.now().UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("make signature: signing time: %w", err)
	}
	set := make([]attribute, len(info.AuthenticatedAttributes))
	for i := range info.AuthenticatedAttributes {
		a := &info.AuthenticatedAttributes[i]
		if a.Type.Equal(pkcs7.OIDAttributeSigningTime) {
			a.Value.Bytes = now
		}
		set[i] = attribute(*a)
	}
	der, err := marshalSet(set)
	if err != nil {
		return nil, fmt.Errorf("make signature: %w", err)
	}
	digest := sha256.Sum256(der)
	if info.EncryptedDigest, err = s.Key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		return nil, fmt.Errorf("make signature: %w", err)
	}
	if _, ok := s.Cert.PublicKey.(*rsa.PublicKey); ok {
		info.DigestEncryptionAlgorithm.Parameters = asn1.NullRawValue // RFC 4055
	}
	slices.SortFunc(info.AuthenticatedAttributes, compareDER)
	signed.Detach()
	return signed.Finish()
}

// issuers gives Chain without the signer's own certificate.
func (s Sealer) issuers() []*x509.Certificate {
	chain := s.Chain
	for len(chain) > 0 && chain[0].Equal(s.Cert) {
		chain = chain[1:]
	}
	return chain
}

func (s Sealer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// unsigned stands in for a key while the attributes are being put together.
type unsigned struct{ pub crypto.PublicKey }

func (u unsigned) Public() crypto.PublicKey { return u.pub }

func (unsigned) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return []byte{}, nil }

// marshalSet encodes attributes as a DER SET OF, the form that is signed.
func marshalSet(set []attribute) ([]byte, error) {
	wrapped, err := asn1.Marshal(struct {
		Set []attribute `asn1:"set"`
	}{set})
	if err != nil {
		return nil, err
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(wrapped, &inner); err != nil {
		return nil, err
	}
	return inner.Bytes, nil
}

// compareDER orders the elements of a DER SET OF.
func compareDER[A any](a, b A) int {
	x, errX := asn1.Marshal(a)
	y, errY := asn1.Marshal(b)
	if errX != nil || errY != nil {
		return 0
	}
	return bytes.Compare(x, y)
}

func checkKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSA {
			return nil
		}
	}
	return fmt.Errorf("%w: neither ECDSA P-256 nor RSA of %d bits or more", ErrKey, minRSA)
}

// signature is what a CMS signature says, after the checks of [parseSignature].
type signature struct {
	Cert     *x509.Certificate
	Others   []*x509.Certificate
	SignedAt time.Time
	digest   []byte // of the content
	signed   []byte // DER of the signed attributes
	value    []byte
}

var errSignature = errors.New("bad signature")

// parseSignature reads a detached CAdES signature with exactly one signer.
func parseSignature(der []byte) (sig signature, err error) {
	if len(der) > MaxSignature {
		return signature{}, fmt.Errorf("%w: too large", errSignature)
	}
	// The library's BER reader works on foreign bytes; whatever it trips over
	// must not take the program down.
	defer func() {
		if recover() != nil {
			sig, err = signature{}, fmt.Errorf("%w: unreadable", errSignature)
		}
	}()
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return signature{}, fmt.Errorf("%w: %w", errSignature, err)
	}
	if len(p7.Signers) != 1 || len(p7.Content) != 0 {
		return signature{}, fmt.Errorf("%w: not detached with one signer", errSignature)
	}
	info := p7.Signers[0]
	sig.Cert = p7.GetOnlySigner()
	if sig.Cert == nil {
		return signature{}, fmt.Errorf("%w: signer's certificate is missing", errSignature)
	}
	for _, c := range p7.Certificates {
		if !c.Equal(sig.Cert) {
			sig.Others = append(sig.Others, c)
		}
	}
	if !info.DigestAlgorithm.Algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA256) {
		return signature{}, fmt.Errorf("%w: digest is not SHA-256", errSignature)
	}
	if !algorithmFits(info.DigestEncryptionAlgorithm.Algorithm, sig.Cert.PublicKey) {
		return signature{}, fmt.Errorf("%w: algorithm does not fit the key", errSignature)
	}
	set := make([]attribute, len(info.AuthenticatedAttributes))
	for i, a := range info.AuthenticatedAttributes {
		set[i] = attribute(a)
	}
	if err := sig.readAttributes(set); err != nil {
		return signature{}, err
	}
	if sig.signed, err = marshalSet(set); err != nil {
		return signature{}, fmt.Errorf("%w: %w", errSignature, err)
	}
	sig.value = info.EncryptedDigest
	return sig, nil
}

func algorithmFits(alg asn1.ObjectIdentifier, pub crypto.PublicKey) bool {
	switch pub.(type) {
	case *ecdsa.PublicKey:
		return alg.Equal(oidECDSASHA256)
	case *rsa.PublicKey:
		return alg.Equal(oidSHA256RSA) || alg.Equal(oidRSA)
	}
	return false
}

// readAttributes demands the signed attributes of CAdES baseline B, each once.
func (sig *signature) readAttributes(set []attribute) error {
	var contentType asn1.ObjectIdentifier
	var ess signingCertificateV2
	for _, want := range []struct {
		oid asn1.ObjectIdentifier
		out any
	}{
		{pkcs7.OIDAttributeContentType, &contentType},
		{pkcs7.OIDAttributeMessageDigest, &sig.digest},
		{pkcs7.OIDAttributeSigningTime, &sig.SignedAt},
		{oidSigningCertV2, &ess},
	} {
		if err := oneAttribute(set, want.oid, want.out); err != nil {
			return err
		}
	}
	if !contentType.Equal(pkcs7.OIDData) {
		return fmt.Errorf("%w: content type is not data", errSignature)
	}
	if len(ess.Certs) == 0 {
		return fmt.Errorf("%w: signing-certificate-v2 is empty", errSignature)
	}
	id := ess.Certs[0] // the first one is the signer's, RFC 5035
	if alg := id.HashAlgorithm.Algorithm; len(alg) > 0 && !alg.Equal(pkcs7.OIDDigestAlgorithmSHA256) {
		return fmt.Errorf("%w: signing-certificate-v2 is not SHA-256", errSignature)
	}
	if sum := sha256.Sum256(sig.Cert.Raw); !bytes.Equal(id.CertHash, sum[:]) {
		return fmt.Errorf("%w: signing-certificate-v2 is of another certificate", errSignature)
	}
	return nil
}

func oneAttribute(set []attribute, oid asn1.ObjectIdentifier, out any) error {
	found := false
	for _, a := range set {
		if !a.Type.Equal(oid) {
			continue
		}
		if rest, err := asn1.Unmarshal(a.Value.Bytes, out); found || err != nil || len(rest) > 0 {
			return fmt.Errorf("%w: attribute %v", errSignature, oid)
		}
		found = true
	}
	if !found {
		return fmt.Errorf("%w: attribute %v is missing", errSignature, oid)
	}
	return nil
}
