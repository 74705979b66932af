package xmldsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // read only to tell a weak signature from a broken one
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
)

var digests = map[string]crypto.Hash{
	"http://www.w3.org/2000/09/xmldsig#sha1":        crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

type scheme uint8

const (
	pkcs1 scheme = iota
	pss
	ecdsaRaw
)

type algorithm struct {
	scheme scheme
	hash   crypto.Hash
}

var algorithms = map[string]algorithm{
	"http://www.w3.org/2000/09/xmldsig#rsa-sha1":             {pkcs1, crypto.SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":      {pkcs1, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":      {pkcs1, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":      {pkcs1, crypto.SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1": {pss, crypto.SHA256},
	"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1": {pss, crypto.SHA384},
	"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1": {pss, crypto.SHA512},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1":      {ecdsaRaw, crypto.SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256":    {ecdsaRaw, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384":    {ecdsaRaw, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512":    {ecdsaRaw, crypto.SHA512},
}

// isWeakMethod knows methods that are refused for their digest and are not
// even computed.
func isWeakMethod(uri string) bool {
	uri = strings.ToLower(uri)
	return strings.Contains(uri, "md5") || strings.Contains(uri, "dsa-sha1") || strings.Contains(uri, "ripemd")
}

// verify checks value over the digest of the canonical SignedInfo.
func (a algorithm) verify(pub any, digest, value []byte) bool {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		switch a.scheme {
		case pkcs1:
			return rsa.VerifyPKCS1v15(key, a.hash, digest, value) == nil
		case pss:
			return rsa.VerifyPSS(key, a.hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if a.scheme != ecdsaRaw || len(value) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
		return ecdsa.Verify(key, digest, r, s)
	}
	return false
}

// weak reports whether the key or the digest no longer proves anything.
func (a algorithm) weak(cert *x509.Certificate) bool {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return true
	}
	return a.hash == crypto.SHA1
}

// weakKey tells the length of a short key, and nothing of others.
func weakKey(cert *x509.Certificate) string {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return fmt.Sprintf(" with RSA %d", key.N.BitLen())
	}
	return ""
}
