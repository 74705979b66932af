package docsign

import (
	"crypto"
	"crypto/ecdsa"
	_ "crypto/md5" // known by name, to say that a signature is weak instead of broken
	"crypto/rsa"
	_ "crypto/sha1" // as above
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// digests are the digest algorithms that are known.
var digests = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
	weak bool
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 8}, crypto.SHA3_256, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 9}, crypto.SHA3_384, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 10}, crypto.SHA3_512, false},
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, crypto.MD5, true},
}

// digestOf gives the digest algorithm of an OID, 0 when it is not known.
func digestOf(oid asn1.ObjectIdentifier) crypto.Hash {
	for _, d := range digests {
		if d.oid.Equal(oid) {
			return d.hash
		}
	}
	return 0
}

// weakDigest names a digest that proves nothing any more, "" for the others.
func weakDigest(h crypto.Hash) string {
	for _, d := range digests {
		if d.hash == h && d.weak {
			return h.String()
		}
	}
	return ""
}

// weakened is the outcome for a digest that proves nothing any more.
func weakened(name string) Outcome {
	return Outcome{Indeterminate, CryptoConstraintsFailure, Reason{Code: "weak-digest", Args: map[string]string{"name": name}}}
}

// Signature algorithms, with the digest that they name. Without one, the
// digest is that of the signer info.
var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidECKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	algorithms = []struct {
		oid  asn1.ObjectIdentifier
		hash crypto.Hash
		rsa  bool
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256, true},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384, true},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512, true},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, crypto.SHA1, true},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, crypto.MD5, true},
		{oidRSA, 0, true},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256, false},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384, false},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512, false},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, crypto.SHA1, false},
		{oidECKey, 0, false},
	}
)

var (
	errAlgorithm = errors.New("signature algorithm is not known or does not fit the key")
	errMath      = errors.New("signature value is wrong")
)

// method is how a signature value is checked.
type method struct {
	hash crypto.Hash
	rsa  bool
	pss  bool
	salt int
}

// methodOf reads a signature algorithm. digest stands in where it names none.
func methodOf(alg pkix.AlgorithmIdentifier, digest crypto.Hash) (method, error) {
	if alg.Algorithm.Equal(oidPSS) {
		return pssOf(alg.Parameters)
	}
	for _, a := range algorithms {
		if a.oid.Equal(alg.Algorithm) {
			m := method{hash: a.hash, rsa: a.rsa}
			if m.hash == 0 {
				m.hash = digest
			}
			return m, nil
		}
	}
	return method{}, errAlgorithm
}

// pssParameters is RSASSA-PSS-params of RFC 4055; what is absent is SHA-1.
type pssParameters struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
	MGF     pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
	Salt    int                      `asn1:"explicit,optional,tag:2,default:20"`
	Trailer int                      `asn1:"explicit,optional,tag:3,default:1"`
}

func pssOf(params asn1.RawValue) (method, error) {
	var p pssParameters
	if rest, err := asn1.Unmarshal(params.FullBytes, &p); err != nil || len(rest) > 0 {
		return method{}, errAlgorithm
	}
	var inner pkix.AlgorithmIdentifier
	if len(p.MGF.Algorithm) > 0 {
		if rest, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &inner); err != nil || len(rest) > 0 {
			return method{}, errAlgorithm
		}
	}
	m := method{hash: crypto.SHA1, rsa: true, pss: true, salt: p.Salt}
	if len(p.Hash.Algorithm) > 0 {
		m.hash = digestOf(p.Hash.Algorithm)
	}
	mask := crypto.SHA1
	if len(inner.Algorithm) > 0 {
		mask = digestOf(inner.Algorithm)
	}
	if m.hash == 0 || mask != m.hash || p.Trailer != 1 || p.Salt < 0 || p.Salt > 512 {
		return method{}, errAlgorithm
	}
	return m, nil
}

// check verifies value over a digest made with m.hash.
func (m method) check(pub any, digest, value []byte) error {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		if !m.rsa {
			return errAlgorithm
		}
		if m.pss {
			if rsa.VerifyPSS(key, m.hash, digest, value, &rsa.PSSOptions{SaltLength: m.salt, Hash: m.hash}) != nil {
				return errMath
			}
			return nil
		}
		if rsa.VerifyPKCS1v15(key, m.hash, digest, value) != nil {
			return errMath
		}
		return nil
	case *ecdsa.PublicKey:
		if m.rsa {
			return errAlgorithm
		}
		if !ecdsa.VerifyASN1(key, digest, value) {
			return errMath
		}
		return nil
	}
	return errAlgorithm
}
