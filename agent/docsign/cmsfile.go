package docsign

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// isCMS reports whether a file is CMS: by its name, as PEM, or by its first
// elements.
func (f file) isCMS() bool {
	if f.hasExtension(".p7s", ".p7m") || bytes.HasPrefix(f.head, []byte("-----BEGIN PKCS7-----")) || bytes.HasPrefix(f.head, []byte("-----BEGIN CMS-----")) {
		return true
	}
	oid := []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
	return f.startsWith("\x30") && bytes.Contains(f.head[:min(len(f.head), 32)], oid)
}

// checkCMS reads a file that is CMS.
func (k *checker) checkCMS(ctx context.Context, f file, report *Report) error {
	report.Format = FormatCMS
	if f.size > MaxCMS {
		report.Outcome = outcome(Indeterminate, Generic, "too-large", "")
		return nil
	}
	raw := make([]byte, f.size)
	if _, err := io.ReadFull(io.NewSectionReader(f.r, 0, f.size), raw); err != nil {
		return err
	}
	d, err := unwrapCMS(raw)
	if errors.Is(err, errNotSigned) {
		report.Outcome = outcome(None, "", "none", "CMS without signatures")
		return nil
	}
	if err != nil {
		report.Outcome = outcome(Failed, FormatFailure, "format", err.Error())
		return nil
	}
	digest, scope := over(d.content), ScopeWhole
	if !d.attached {
		report.Format, scope, digest = FormatCMSDetached, ScopeDetached, nil
		if k.opts.Content != nil {
			digest = k.contentDigest(ctx)
		}
	}
	for i, info := range d.signers {
		s := Signature{Kind: KindSignature, Field: fmt.Sprint(i + 1), Scope: Scope{Kind: scope}}
		if digest == nil {
			k.lonely(&s, d, info)
		} else if err := k.verifySigner(ctx, &s, d, info, digest, terms{}); err != nil {
			return err
		}
		report.Signatures = append(report.Signatures, s)
	}
	report.summarize()
	return nil
}

// lonely tells what can be told of a detached signature without its file.
func (k *checker) lonely(s *Signature, d *signedData, info signerInfo) {
	s.Outcome = outcome(Indeterminate, SignedDataNotFound, "content-missing", "")
	s.Claimed = info.signingTime()
	if cert := d.signer(info, nil); cert != nil {
		s.Signer, s.Algorithm = party(cert), keyName(cert.PublicKey)
	}
}

// contentDigest digests the file that a detached signature is over, once for
// each algorithm.
func (k *checker) contentDigest(ctx context.Context) digester {
	known := map[crypto.Hash][]byte{}
	return func(h crypto.Hash) ([]byte, error) {
		if sum, ok := known[h]; ok {
			return sum, nil
		}
		d := h.New()
		if _, err := io.Copy(d, until(ctx, io.NewSectionReader(k.opts.Content, 0, k.opts.ContentSize))); err != nil {
			return nil, fmt.Errorf("read signed content: %w", err)
		}
		known[h] = d.Sum(nil)
		return known[h], nil
	}
}

// unwrapCMS reads CMS as it is, in PEM or in Base64.
func unwrapCMS(raw []byte) (*signedData, error) {
	if block, rest := pem.Decode(raw); block != nil {
		before := raw[:bytes.LastIndex(raw[:len(raw)-len(rest)], []byte("-----BEGIN "))]
		if len(bytes.Trim(before, spaces))+len(block.Headers)+len(bytes.Trim(rest, spaces)) > 0 {
			return nil, errAround
		}
		return parseCMS(block.Bytes)
	}
	if bytes.HasPrefix(raw, []byte("MI")) { // Base64 of a long SEQUENCE
		if der, err := base64.StdEncoding.AppendDecode(nil, bytes.Join(bytes.Fields(raw), nil)); err == nil {
			return parseCMS(der)
		}
	}
	return parseCMS(raw)
}
