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
	"golang.org/x/crypto/ocsp"
)

// MaxOCSP is the largest OCSP answer that is read, in bytes.
const MaxOCSP = 64 << 10

// errAnswer says that an OCSP answer says nothing about a certificate.
var errAnswer = errors.New("OCSP answer is of no use")

// ReadOCSP reads what an OCSP answer in DER says about a certificate of issuer.
// The error says why it says nothing: it is not signed by who may answer for
// the issuer, is about another certificate, or does not know this one. How old
// it is, is for the caller to judge.
func ReadOCSP(der []byte, cert, issuer *x509.Certificate) (Revocation, error) {
	if len(der) == 0 || len(der) > MaxOCSP {
		return Revocation{}, fmt.Errorf("%w: its length", errAnswer)
	}
	answer, err := ocsp.ParseResponseForCert(der, cert, issuer)
	if err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	if !aboutIssuer(answer, issuer) {
		return Revocation{}, fmt.Errorf("%w: it is about a certificate of another issuer", errAnswer)
	}
	if err := mayAnswer(answer, issuer); err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	r := Revocation{Source: "ocsp", Issued: answer.ThisUpdate.UTC(), Next: answer.NextUpdate.UTC()}
	if answer.NextUpdate.IsZero() {
		r.Next = time.Time{}
	}
	switch answer.Status {
	case ocsp.Good:
		r.Status = StatusGood
	case ocsp.Revoked:
		r.Status, r.RevokedAt, r.Why = StatusRevoked, answer.RevokedAt.UTC(), reasonName(answer.RevocationReason)
	default:
		return Revocation{}, fmt.Errorf("%w: the certificate is not known there", errAnswer)
	}
	return r, nil
}

// weakSignatures are the algorithms whose digest proves nothing any more. The
// library accepts some of them.
var weakSignatures = []x509.SignatureAlgorithm{
	x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
}

// mayAnswer reports whether who signed an answer may speak for the issuer. The
// library has checked that the issuer signed a delegate's certificate, and no
// more.
func mayAnswer(answer *ocsp.Response, issuer *x509.Certificate) error {
	if slices.Contains(weakSignatures, answer.SignatureAlgorithm) {
		return errors.New("weak digest")
	}
	by := answer.Certificate
	if by == nil || by.Equal(issuer) {
		return nil
	}
	switch {
	case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) || !signs(by):
		return errors.New("its signer was not made for answering")
	case answer.ProducedAt.Before(by.NotBefore) || answer.ProducedAt.After(by.NotAfter):
		return errors.New("its signer's certificate was not valid then")
	case slices.Contains(weakSignatures, by.SignatureAlgorithm) || !strongKey(by.PublicKey):
		return errors.New("weak key or certificate of its signer")
	}
	return nil
}

// aboutIssuer holds the first entry with the certificate's serial number, which
// is what the library reads, to the issuer: others count as well.
func aboutIssuer(answer *ocsp.Response, issuer *x509.Certificate) bool {
	in := cryptobyte.String(answer.TBSResponseData)
	var body, skipped, list cryptobyte.String
	var tag tags.Tag
	if !in.ReadASN1(&body, tags.SEQUENCE) || !body.SkipOptionalASN1(tags.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadAnyASN1(&skipped, &tag) || !body.SkipASN1(tags.GeneralizedTime) || !body.ReadASN1(&list, tags.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var one, id, name, key cryptobyte.String
		var algorithm pkix.AlgorithmIdentifier
		serial := new(big.Int)
		if !list.ReadASN1(&one, tags.SEQUENCE) || !one.ReadASN1(&id, tags.SEQUENCE) || !readAlgorithm(&id, &algorithm) ||
			!id.ReadASN1(&name, tags.OCTET_STRING) || !id.ReadASN1(&key, tags.OCTET_STRING) || !id.ReadASN1Integer(serial) || !id.Empty() {
			return false
		}
		if serial.Cmp(answer.SerialNumber) != 0 {
			continue
		}
		hash := digestOf(algorithm.Algorithm)
		if hash == 0 {
			return false
		}
		wantName, _ := over(issuer.RawSubject)(hash)
		wantKey, _ := over(publicKeyBits(issuer))(hash)
		return bytes.Equal(name, wantName) && bytes.Equal(key, wantKey)
	}
	return false
}

// publicKeyBits are the octets of a key without its algorithm.
func publicKeyBits(cert *x509.Certificate) []byte {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var body cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&body, tags.SEQUENCE) || !body.SkipASN1(tags.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	return bits
}
