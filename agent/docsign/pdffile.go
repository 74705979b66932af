package docsign

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"tram/agent/docsign/pdf"
)

// headerSpan is how far into a file viewers look for the header of a PDF.
const headerSpan = 1024

func (f file) isPDF() bool {
	return bytes.Contains(f.head[:min(len(f.head), headerSpan)], []byte("%PDF-"))
}

// signedPDF is a PDF while its signatures are judged.
type signedPDF struct {
	in    file
	whole *pdf.File
	terms terms
	found []pdfSignature
	// others are states of the file, by their length.
	states map[int64]*pdf.File
}

// pdfSignature is a signature field with its value.
type pdfSignature struct {
	field pdf.Field
	dict  pdf.Dict
	span  span
	state *pdf.File // the revision that it covers, nil while it is not known
	out   Signature
}

// checkPDF reads a file that is a PDF. What is damaged and bears traces of a
// signature has failed; without them it is no signed file.
func (k *checker) checkPDF(ctx context.Context, f file, report *Report) error {
	report.Format = FormatPDF
	marked, err := f.contains(ctx, "ByteRange")
	if err != nil {
		return err
	}
	p := &signedPDF{in: f, states: map[int64]*pdf.File{}}
	err = p.open()
	if err == nil {
		err = p.collect()
	}
	switch {
	case err != nil && !malformed(err):
		return err
	case err != nil && marked:
		report.Outcome = outcome(Failed, FormatFailure, "format", clip(err.Error()))
		return nil
	case err != nil:
		report.Reason.Detail = clip(err.Error())
		return nil
	case len(p.found) == 0 && marked:
		report.Outcome = outcome(Indeterminate, SigConstraintsFailure, "signature-removed", "")
		return nil
	case len(p.found) == 0:
		return nil
	}
	if err := k.judgePDF(ctx, p); err != nil {
		return err
	}
	for _, s := range p.found {
		report.Signatures = append(report.Signatures, s.out)
	}
	report.summarize()
	return nil
}

func malformed(err error) bool {
	return errors.Is(err, pdf.ErrMalformed) || errors.Is(err, pdf.ErrLimit)
}

func (p *signedPDF) open() (err error) {
	p.whole, err = pdf.Open(p.in.r, p.in.size)
	return err
}

// collect finds the signature fields and what the document brings for them.
func (p *signedPDF) collect() error {
	fields, err := p.whole.Fields()
	if err != nil {
		return err
	}
	seen := map[pdf.Ref]bool{}
	for _, field := range fields {
		if field.Type != "Sig" || field.Value == nil {
			continue
		}
		ref, ok := field.Value.(pdf.Ref)
		if !ok {
			return fmt.Errorf("%w: signature that is no object of its own", pdf.ErrMalformed)
		}
		if seen[ref] {
			continue // another widget of the same field
		}
		seen[ref] = true
		d, err := p.whole.Dict(ref)
		if err != nil {
			return err
		}
		if len(p.found) == MaxSignatures {
			return fmt.Errorf("%w: signatures", pdf.ErrLimit)
		}
		p.found = append(p.found, pdfSignature{field: field, dict: d})
	}
	if len(p.found) > 0 {
		return p.proof()
	}
	return nil
}

// proof reads the certificates and revocation data of the document security
// store. What cannot be read proves nothing and harms nothing.
func (p *signedPDF) proof() error {
	root, err := p.whole.Root()
	if err != nil {
		return err
	}
	dss, err := p.whole.Dict(root["DSS"])
	if err != nil || dss == nil {
		return nil
	}
	for _, der := range p.streams(dss["Certs"], MaxCertificates) {
		p.terms.others = append(p.terms.others, readCertificates(der)...)
	}
	for _, der := range p.streams(dss["CRLs"], MaxEvidence) {
		if list, err := ParseCRL(der); err == nil {
			p.terms.evidence = append(p.terms.evidence, Evidence{CRL: list, Origin: OriginDocument})
		}
	}
	for _, der := range p.streams(dss["OCSPs"], MaxEvidence) {
		p.terms.evidence = append(p.terms.evidence, Evidence{OCSP: der, Origin: OriginDocument})
	}
	return nil
}

func (p *signedPDF) streams(o pdf.Object, limit int) [][]byte {
	list, err := p.whole.Array(o)
	if err != nil {
		return nil
	}
	var all [][]byte
	for _, one := range list[:min(len(list), limit)] {
		v, err := p.whole.Resolve(one)
		s, ok := v.(*pdf.Stream)
		if err != nil || !ok {
			continue
		}
		if data, err := p.whole.Data(s); err == nil {
			all = append(all, data)
		}
	}
	return all
}

// judgePDF judges each signature by itself, the latest first, because a time
// stamp over the file proves when everything before it existed; then what came
// after each of them.
func (k *checker) judgePDF(ctx context.Context, p *signedPDF) error {
	for i := range p.found {
		p.found[i].span = readSpan(p.found[i].dict)
	}
	slices.SortStableFunc(p.found, func(a, b pdfSignature) int { return cmp.Compare(b.span.end, a.span.end) })
	var stamps []Stamp
	for i := range p.found {
		s := &p.found[i]
		s.out.Stamps = slices.Clone(stamps[:min(len(stamps), MaxStamps)])
		if err := k.judgeField(ctx, p, s); err != nil {
			return err
		}
		if s.out.Kind == KindTimestamp {
			stamps = append(stamps, Stamp{Outcome: s.out.Outcome, Time: s.out.Claimed, Authority: s.out.Signer, Revocation: s.out.Revocation})
			s.out.Stamps = nil
		}
	}
	slices.Reverse(p.found)
	return k.judgeChanges(p)
}

// state opens the file as it was when it had a length.
func (p *signedPDF) state(size int64) (*pdf.File, error) {
	if size == p.in.size {
		return p.whole, nil
	}
	if f, ok := p.states[size]; ok {
		return f, nil
	}
	f, err := pdf.Open(p.in.r, size)
	if err == nil {
		p.states[size] = f
	}
	return f, err
}
