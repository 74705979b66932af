package docsign

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"time"

	"tram/agent/docsign/pdf"
)

// span is what a ByteRange says: the bytes from 0 to the gap and from behind
// the gap to the end are signed.
type span struct {
	from, to, end int64 // the gap, and the end of what is signed
	fault         string
}

// readSpan reads a ByteRange. It starts at 0, has one gap and ends behind it;
// anything else is a fault.
func readSpan(d pdf.Dict) span {
	list, ok := d["ByteRange"].(pdf.Array)
	if !ok || len(list) != 4 {
		return span{fault: "ByteRange is missing or has not four numbers"}
	}
	var n [4]int64
	for i, o := range list {
		if n[i], ok = o.(int64); !ok || n[i] < 0 || n[i] > MaxFile {
			return span{fault: "ByteRange has a number out of bounds"}
		}
	}
	s := span{from: n[1], to: n[2], end: n[2] + n[3]}
	if n[0] != 0 || n[1] == 0 || n[2] <= n[1] || n[3] == 0 {
		s.fault = "ByteRange does not start at 0 with one gap"
	}
	return s
}

// judgeField judges one signature field: its form, then the CMS in it.
func (k *checker) judgeField(ctx context.Context, p *signedPDF, s *pdfSignature) error {
	s.out.Kind, s.out.Field = kindOf(s.dict), clip(s.field.Name)
	s.out.Scope = Scope{Kind: ScopeUnknown, Length: s.span.end}
	s.out.Claimed = pdfTime(s.dict["M"])
	raw, err := p.locate(s)
	if malformed(err) {
		s.out.Outcome = outcome(Failed, FormatFailure, "format", clip(err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	digest := p.digest(ctx, s.span)
	filter, _ := s.dict["SubFilter"].(pdf.Name)
	t := p.terms
	switch filter {
	case "ETSI.RFC3161":
		t.purpose = forStamps
		info, err := k.stampSignature(ctx, &s.out, raw, digest, t)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			s.out.Outcome = outcome(Failed, FormatFailure, "stamp-format", clip(err.Error()))
		}
		s.out.Claimed = info.time
		return nil
	case "adbe.pkcs7.detached", "ETSI.CAdES.detached":
		t.needCert = filter == "ETSI.CAdES.detached"
	default:
		s.out.Outcome = outcome(Indeterminate, Generic, "unknown-format", clip(string(filter)))
		return nil
	}
	d, err := parseCMS(raw)
	if err != nil || len(d.signers) != 1 || d.attached || !d.contentType.Equal(oidData) {
		s.out.Outcome = outcome(Failed, FormatFailure, "format", "no detached CMS with one signer")
		return nil
	}
	return k.verifySigner(ctx, &s.out, d, d.signers[0], digest, t)
}

// locate holds a signature to its bytes and gives the CMS: the gap is exactly
// the Contents of the dictionary that the file and its signed state both name,
// and nothing else stands in it.
func (p *signedPDF) locate(s *pdfSignature) ([]byte, error) {
	bad := func(why string) error { return fmt.Errorf("%w: %s", pdf.ErrMalformed, why) }
	if s.dict == nil || s.dict.Ambiguous() {
		return nil, bad("signature dictionary is missing or has a key twice")
	}
	if s.span.fault != "" {
		return nil, bad(s.span.fault)
	}
	if s.span.end > p.in.size {
		return nil, bad("ByteRange goes beyond the file")
	}
	contents, ok := s.dict["Contents"].(pdf.String)
	if !ok || !contents.Hex || contents.Start != s.span.from || contents.End != s.span.to {
		return nil, bad("the gap of ByteRange is not Contents")
	}
	if len(contents.Bytes) > MaxSignature {
		return nil, bad("Contents is too long")
	}
	state, err := p.state(s.span.end)
	if err != nil {
		return nil, err
	}
	ref, _ := s.field.Value.(pdf.Ref)
	if state.Entries()[ref.Num] != p.whole.Entries()[ref.Num] {
		return nil, bad("the signed state has another signature dictionary")
	}
	if err := sameField(state, s.field, ref); err != nil {
		return nil, err
	}
	for _, f := range []*pdf.File{state, p.whole} {
		if err := f.Inside(s.span.from, s.span.to); err != nil {
			return nil, err
		}
	}
	s.state = state
	return padded(contents.Bytes)
}

// sameField demands that the signed state has the field with the same value.
func sameField(state *pdf.File, field pdf.Field, value pdf.Ref) error {
	fields, err := state.Fields()
	if err != nil {
		return err
	}
	for _, f := range fields {
		if f.Type == "Sig" && f.Name == field.Name && pdf.Equal(f.Value, value) {
			return nil
		}
	}
	return fmt.Errorf("%w: the signed state does not have the field", pdf.ErrMalformed)
}

// padded cuts the zeros behind a CMS. Nothing else may stand there, since the
// gap is not signed.
func padded(raw []byte) ([]byte, error) {
	der, err := elementLength(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: Contents: %w", pdf.ErrMalformed, err)
	}
	if len(bytes.Trim(raw[der:], "\x00")) > 0 {
		return nil, fmt.Errorf("%w: something stands behind the CMS in Contents", pdf.ErrMalformed)
	}
	return raw[:der], nil
}

// digest is a digester of the signed bytes of the file.
func (p *signedPDF) digest(ctx context.Context, s span) digester {
	return func(h crypto.Hash) ([]byte, error) {
		d := h.New()
		for _, part := range []*io.SectionReader{io.NewSectionReader(p.in.r, 0, s.from), io.NewSectionReader(p.in.r, s.to, s.end-s.to)} {
			if _, err := io.Copy(d, until(ctx, part)); err != nil {
				return nil, fmt.Errorf("read signed bytes: %w", err)
			}
		}
		return d.Sum(nil), nil
	}
}

func kindOf(d pdf.Dict) Kind {
	if d["SubFilter"] == pdf.Name("ETSI.RFC3161") {
		return KindTimestamp
	}
	if _, ok := permission(d); ok {
		return KindCertification
	}
	return KindSignature
}

// permission is the level of a certification, ISO 32000: 1 nothing may change,
// 2 fields may be filled in and signed, 3 notes may be added as well. It
// stands in the signed dictionary.
func permission(d pdf.Dict) (int64, bool) {
	list, _ := d["Reference"].(pdf.Array)
	for _, o := range list {
		ref, ok := o.(pdf.Dict)
		if !ok || ref["TransformMethod"] != pdf.Name("DocMDP") {
			continue
		}
		params, _ := ref["TransformParams"].(pdf.Dict)
		level, ok := params["P"].(int64)
		switch {
		case !ok && params["P"] == nil && params != nil:
			return 2, true
		case !ok || level < 1 || level > 3:
			return 1, true // unreadable: the strictest
		}
		return level, true
	}
	return 0, false
}

// pdfTime reads a date such as D:20261121093012+07'00', zero when it is none. One
// without zone is Vietnam's.
func pdfTime(o pdf.Object) time.Time {
	s, ok := o.(pdf.String)
	if !ok {
		return time.Time{}
	}
	text := string(bytes.ReplaceAll(bytes.TrimPrefix(s.Bytes, []byte("D:")), []byte("'"), nil))
	for _, layout := range []string{"20060102150405-0700", "20060102150405Z0700", "20060102150405Z", "20060102150405"} {
		if t, err := time.ParseInLocation(layout, text, vietnam); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
