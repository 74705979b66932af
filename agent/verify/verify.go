// Package verify checks an exported document for somebody who has nothing but
// the file and the certificate of a CA: no data folder, no registry, no line.
//
// Package seal says whether the seals hold; this package reads what is sealed
// and compares: the seal of the document must be the sender's, that of a status
// its office's, that of evidence its witness's, and all must be about this one
// document. The bundle header and the custody receipts are signed with device
// keys; it checks them with the registry cards in the file, these with the
// authority's certificate there, and that with the CA. It promises that
// [Report.Result] is passed only when all that holds, and that each line of the
// report names who signed what, when, and why it is not believed.
package verify

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"tram/agent/edxml"
	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/seal"
	"tram/sync/bundle"
)

// Kind is what a seal is on.
type Kind string

// Kinds.
const (
	Document Kind = "document"
	Status   Kind = "status"
	Evidence Kind = "evidence"
)

// Line is the verdict on one seal and on what it seals.
type Line struct {
	Kind    Kind
	Seal    seal.SealReport
	Status  *edxml.Status    // of a status that passed
	Witness *evidence.Record // of evidence that passed
}

// Trust is whom and what a reader believes.
type Trust struct {
	seal.Trust
	// Vouching is for a reader who has a CA and no registry: the authority of
	// that CA is believed about the CAs of other hubs, which stand on their cards
	// in the file. A reader with a registry knows them from there.
	Vouching bool
}

// Report is what [Container] found.
type Report struct {
	seal.Report
	Lines []Line // one for each seal, in the order of seal.Report
	// Proofs are of the bundle header and of each custody receipt in the file,
	// then of cards and authorities that are no good.
	Proofs []Proof
	// Header is the signed bundle header in the file; nil when there is none
	// that can be read. Proofs say whether its signature holds.
	Header *bundle.Signed
	// Receipts are the custody receipts about this header; likewise.
	Receipts []bundle.Receipt
}

// Container checks a container. Errors are those of [seal.VerifyContainer].
func Container(r io.ReaderAt, size int64, t Trust) (Report, error) {
	receipts, err := seal.ReadReceipts(r, size)
	if err != nil {
		return Report{}, err
	}
	d, sealed := newDesk(receipts, t), t.Trust
	if t.Vouching {
		sealed.Roots, sealed.Stamps = d.roots, d.stamps()
	}
	checked, err := seal.VerifyContainerWith(r, size, sealed)
	if err != nil {
		return Report{}, err
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return Report{}, fmt.Errorf("verify container: %w: %w", seal.ErrMalformed, err)
	}
	v := &visitor{zip: archive, desk: d, report: Report{Report: checked}}
	v.header()
	for i := range v.report.Seals {
		line := v.judge(&v.report.Seals[i])
		line.Seal = v.report.Seals[i]
		v.report.Lines = append(v.report.Lines, line)
	}
	v.prove(d)
	v.sum()
	return v.report, nil
}

type visitor struct {
	zip    *zip.Reader
	desk   *desk
	report Report
	about  edxml.ResponseFor // the document, as its statuses name it
}

// header reads the bundle header and the custody receipts that are about it.
func (v *visitor) header() {
	for _, r := range v.report.Report.Receipts {
		if r.Name == seal.HeaderName {
			if signed, err := bundle.Parse(r.Data); err == nil {
				v.report.Header = &signed
			}
		}
	}
	for _, r := range v.report.Report.Receipts {
		if receipt, err := bundle.ParseReceipt(r.Data); err == nil && v.report.Header != nil && receipt.Receipt.Covers(*v.report.Header) == nil {
			v.report.Receipts = append(v.report.Receipts, receipt.Receipt)
		}
	}
}

// judge reads what a seal is on and compares it with the signer. A seal that
// failed is not read further.
func (v *visitor) judge(s *seal.SealReport) Line {
	name := ""
	if len(s.Files) > 0 {
		name = s.Files[0].Name
	}
	line := Line{Kind: Document}
	switch {
	case strings.HasPrefix(name, "receipts/status-"):
		line.Kind = Status
	case seal.IsEvidence(name, ""):
		line.Kind = Evidence
	}
	if s.Verdict.Result == seal.Failed {
		return line
	}
	raw, err := v.read(name)
	reason := seal.ReasonSubject
	if err == nil {
		switch line.Kind {
		case Status:
			line.Status, reason = v.status(raw, s.Verdict.Code)
		case Evidence:
			line.Witness, reason = v.evidence(raw, s.Verdict.Code, name)
		default:
			reason = v.document(raw, s.Verdict.Code, name)
		}
	}
	if reason != "" {
		s.Verdict.Result, s.Verdict.Reason = seal.Failed, reason
		line.Status, line.Witness = nil, nil
	}
	return line
}

func (v *visitor) read(name string) ([]byte, error) {
	f, err := v.zip.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, seal.MaxMessage+1))
	if err == nil && len(raw) > seal.MaxMessage {
		err = seal.ErrTooLarge
	}
	return raw, err
}

func (v *visitor) document(raw []byte, signer, name string) seal.Reason {
	if name != seal.MessageName {
		return seal.ReasonSubject
	}
	msg, _, err := edxml.Decode(bytes.NewReader(raw))
	d, ok := msg.(*edxml.Document)
	if err != nil || !ok {
		return seal.ReasonSubject
	}
	v.about = edxml.ResponseFor{OrganID: d.From.ID, DocumentID: d.ID}
	if !v.desk.names(d.From.ID, signer) || v.report.Header != nil && !same(v.report.Header.Header.From, signer) {
		return seal.ReasonOffice
	}
	return ""
}

// status compares a status with its signer and with the document, which stands
// before it.
func (v *visitor) status(raw []byte, signer string) (*edxml.Status, seal.Reason) {
	msg, _, err := edxml.Decode(bytes.NewReader(raw))
	s, ok := msg.(*edxml.Status)
	if err != nil || !ok {
		return nil, seal.ReasonSubject
	}
	if !same(s.From.ID, signer) {
		return nil, seal.ReasonOffice
	}
	id := s.ResponseFor.DocumentID
	if id != v.about.DocumentID && (v.report.Header == nil || id != v.report.Header.Header.ID.String()) {
		return nil, seal.ReasonSubject
	}
	return s, ""
}

func (v *visitor) evidence(raw []byte, signer, name string) (*evidence.Record, seal.Reason) {
	r, err := evidence.Decode(raw)
	if err != nil {
		return nil, seal.ReasonSubject
	}
	if !same(r.Witness, signer) || !seal.IsEvidence(name, r.Witness) {
		return nil, seal.ReasonOffice
	}
	h := v.report.Header
	if h == nil || h.Header.ID != r.Document || sha256.Sum256(h.Raw) != r.Header {
		return nil, seal.ReasonSubject
	}
	return &r, ""
}

func same(a, b string) bool { return registry.Key(a) == registry.Key(b) }

// sum draws the result anew: the first line that failed decides.
func (v *visitor) sum() {
	r := &v.report
	if r.Result == seal.Failed {
		return
	}
	documents := 0
	for _, l := range r.Lines {
		if l.Seal.Verdict.Result == seal.Failed {
			r.Result, r.Reason = seal.Failed, l.Seal.Verdict.Reason
			return
		}
		if l.Kind == Document {
			documents++
		}
	}
	if documents != 1 {
		r.Result, r.Reason = seal.Failed, seal.ReasonSubject
		return
	}
	for _, p := range r.Proofs {
		if p.Result == seal.Failed {
			r.Result, r.Reason = seal.Failed, p.Reason
			return
		}
	}
}
