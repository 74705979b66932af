package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"tram/sync/bundle"
)

// A hub changes the key of its CA in three steps: the next CA is announced, it
// takes over, and the key of the former one is destroyed. Who believes one CA of
// a hub comes to believe another by vouchers: the word of one CA for another,
// signed with the CA's own key, so that no other key of the hub can bring in a
// CA.

const (
	// MaxOtherCAs is how many CAs of one hub are believed beside the present one,
	// hard.
	MaxOtherCAs = 4
	// MaxVouchers bounds the vouchers that are told together, hard.
	MaxVouchers = 2 * MaxOtherCAs
	// MaxVoucher bounds one voucher in bytes, hard.
	MaxVoucher = 256
)

// voucherAAD is the purpose of the signature of a voucher.
const voucherAAD = "tram-ca-1"

// ErrUnvouched says that nobody who is believed has vouched for a CA.
var ErrUnvouched = errors.New("no believed CA vouches for this one")

// Vouch makes the word of the CA with key by for another one: a COSE_Sign1 whose
// payload is the SHA-256 of the other's certificate.
func Vouch(by *ecdsa.PrivateKey, other *x509.Certificate) ([]byte, error) {
	sum := sha256.Sum256(other.Raw)
	raw, err := bundle.SignCOSE(voucherAAD, sum[:], by)
	if err != nil {
		return nil, fmt.Errorf("vouch for CA: %w", err)
	}
	return raw, nil
}

// Vouched says whether every one of cas is known, or is vouched for by one that
// is, be it through others of cas; ErrUnvouched names the first that is not.
// Vouchers that do not fit are passed over.
func Vouched(known func(*x509.Certificate) bool, cas []*x509.Certificate, vouchers [][]byte) error {
	if len(cas) > 1+MaxOtherCAs || len(vouchers) > MaxVouchers {
		return fmt.Errorf("check vouchers: %d for %d CAs", len(vouchers), len(cas))
	}
	var believed, left []*x509.Certificate
	for _, c := range cas {
		if known(c) {
			believed = append(believed, c)
		} else {
			left = append(left, c)
		}
	}
	// believed grows while it is gone through.
	for i := 0; i < len(believed); i++ {
		for _, v := range vouchers {
			sum, err := bundle.VerifyCOSE(voucherAAD, v, believed[i].PublicKey)
			if err != nil {
				continue
			}
			left = slices.DeleteFunc(left, func(c *x509.Certificate) bool {
				own := sha256.Sum256(c.Raw)
				fits := c.IsCA && bytes.Equal(sum, own[:])
				if fits {
					believed = append(believed, c)
				}
				return fits
			})
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("check vouchers: %w: %q", ErrUnvouched, left[0].Subject.CommonName)
	}
	return nil
}

// Pool holds certificates as roots.
func Pool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// IssuerOf is the one of cas that issued cert; the first of them, of which it then
// is not, when none did.
func IssuerOf(cert *x509.Certificate, cas []*x509.Certificate) *x509.Certificate {
	i := slices.IndexFunc(cas, func(ca *x509.Certificate) bool { return cert.CheckSignatureFrom(ca) == nil })
	return cas[max(i, 0)]
}

// Among reports whether cert is one of list.
func Among(list []*x509.Certificate, cert *x509.Certificate) bool {
	return slices.ContainsFunc(list, cert.Equal)
}

// KnownCA is the word by which a client tells the hub's enrolment service, in
// the list of application protocols of the handshake, which CA it can check
// (RFC 7301). The service of a hub whose CA has changed then shows a certificate
// of that one.
func KnownCA(sum [sha256.Size]byte) string { return "tram-ca-" + hex.EncodeToString(sum[:8]) }
