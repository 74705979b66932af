package docsign

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// stampInfo is what matters here of TSTInfo, RFC 3161.
type stampInfo struct {
	algorithm pkix.AlgorithmIdentifier
	imprint   []byte
	time      time.Time
}

// readStampInfo reads TSTInfo as far as the time; accuracy, ordering, nonce
// and the rest change nothing about a verdict.
func readStampInfo(in cryptobyte.String) (info stampInfo, ok bool) {
	var body, imprint, hash, at cryptobyte.String
	var version int
	var policy asn1.ObjectIdentifier
	serial := new(big.Int)
	if !in.ReadASN1(&body, tags.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1ObjectIdentifier(&policy) || !body.ReadASN1(&imprint, tags.SEQUENCE) ||
		!readAlgorithm(&imprint, &info.algorithm) || !imprint.ReadASN1(&hash, tags.OCTET_STRING) || !imprint.Empty() ||
		!body.ReadASN1Integer(serial) || !body.ReadASN1(&at, tags.GeneralizedTime) {
		return info, false
	}
	info.imprint = hash
	t, err := time.Parse("20060102150405.999999999Z", string(at))
	if err != nil {
		t, err = time.Parse("20060102150405Z", string(at))
	}
	info.time = t.UTC()
	return info, err == nil
}

// stamp judges a time-stamp token of RFC 3161 over the data that digest
// digests. others and along are certificates and revocation data that came
// with the document.
func (k *checker) stamp(ctx context.Context, token []byte, digest digester, others []*x509.Certificate, along []Evidence) Stamp {
	var s Signature
	info, err := k.stampSignature(ctx, &s, token, digest, terms{purpose: forStamps, others: others, evidence: along})
	if err != nil {
		s.Outcome = outcome(Failed, FormatFailure, "stamp-format", err.Error())
	}
	return Stamp{Outcome: s.Outcome, Time: info.time, Authority: s.Signer, Revocation: s.Revocation}
}

// stampSignature judges a token into s. The error says that it is no token, or
// is of reading.
func (k *checker) stampSignature(ctx context.Context, s *Signature, token []byte, digest digester, t terms) (stampInfo, error) {
	var info stampInfo
	if len(token) > MaxSignature {
		return info, errCMS
	}
	d, err := parseCMS(token)
	if err != nil {
		return info, err
	}
	if !d.contentType.Equal(oidTSTInfo) || !d.attached || len(d.signers) != 1 {
		return info, errCMS
	}
	var ok bool
	if info, ok = readStampInfo(d.content); !ok {
		return info, errCMS
	}
	hash := digestOf(info.algorithm.Algorithm)
	if hash == 0 {
		s.Outcome = outcome(Indeterminate, CryptoConstraintsFailure, "unknown-algorithm", info.algorithm.Algorithm.String())
		return info, nil
	}
	sum, err := digest(hash)
	if err != nil {
		return info, err
	}
	if !bytes.Equal(sum, info.imprint) {
		s.Outcome = outcome(Failed, HashFailure, "stamp-hash", "message imprint differs")
		return info, nil
	}
	t.needCert, t.claimed = true, info.time
	if err := k.verifySigner(ctx, s, d, d.signers[0], over(d.content), t); err != nil {
		return info, err
	}
	if weak := weakDigest(hash); weak != "" {
		s.Outcome = worse(s.Outcome, weakened(weak))
	}
	return info, nil
}
