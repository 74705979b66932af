package docsign

import (
	"slices"

	"tram/agent/docsign/pdf"
)

// shown are changes that a reader of the document sees.
var shown = []pdf.Change{pdf.Form, pdf.Annotation, pdf.Page}

// permitted are the changes that each level of certification allows. Proof and
// metadata show nothing; time stamps are allowed since ISO 32000-2.
var permitted = map[int64][]pdf.Change{
	1: {pdf.Proof, pdf.TimeStamp, pdf.Metadata},
	2: {pdf.Proof, pdf.TimeStamp, pdf.Metadata, pdf.Signature, pdf.Form},
	3: {pdf.Proof, pdf.TimeStamp, pdf.Metadata, pdf.Signature, pdf.Form, pdf.Annotation},
}

// judgeChanges compares what each signature covers with the file as it is.
func (k *checker) judgeChanges(p *signedPDF) error {
	total := revisions(p.whole)
	since := map[int64][]pdf.Change{}
	for i := range p.found {
		s := &p.found[i]
		if s.state == nil {
			continue
		}
		s.out.Scope.Revision, s.out.Scope.Revisions = revisions(s.state), total
		if s.span.end == p.in.size {
			s.out.Scope.Kind = ScopeWhole
			continue
		}
		if _, ok := since[s.span.end]; !ok {
			changes, err := p.changes(s.state)
			if err != nil {
				return err
			}
			since[s.span.end] = changes
		}
	}
	for i := len(p.found) - 1; i >= 0; i-- { // the latest first: others lean on it
		if changes, ok := since[p.found[i].span.end]; ok && p.found[i].state != nil {
			p.judgeLater(&p.found[i], changes, since)
		}
	}
	return nil
}

// changes tells what came after a state. Bytes that belong to no state, or to
// one that cannot be read, may be anything.
func (p *signedPDF) changes(state *pdf.File) ([]pdf.Change, error) {
	if state.Sections()[0].Offset == p.whole.Sections()[0].Offset {
		return []pdf.Change{pdf.Content}, nil
	}
	changes, err := pdf.Compare(state, p.whole)
	if malformed(err) {
		return []pdf.Change{pdf.Content}, nil
	}
	return changes, err
}

// judgeLater gives scope and outcome of a signature after which something came.
func (p *signedPDF) judgeLater(s *pdfSignature, changes []pdf.Change, since map[int64][]pdf.Change) {
	s.out.Scope.Kind = ScopeExtended
	for _, c := range changes {
		s.out.Scope.Changes = append(s.out.Scope.Changes, string(c))
	}
	seen := slices.ContainsFunc(changes, func(c pdf.Change) bool { return slices.Contains(shown, c) })
	if seen || slices.Contains(changes, pdf.Content) {
		s.out.Scope.Kind = ScopeAdditions
	}
	level, certified := permission(s.dict)
	switch {
	case slices.Contains(changes, pdf.Content):
		s.worsen(outcome(Failed, FormatFailure, "content-changed", ""))
	case certified && !allowed(changes, level):
		s.worsen(outcome(Failed, FormatFailure, "not-permitted", ""))
	case certified || !seen || p.signedLater(s, since):
	default:
		s.worsen(outcome(Indeterminate, SigConstraintsFailure, "unsigned-changes", ""))
	}
}

func (s *pdfSignature) worsen(o Outcome) { s.out.Outcome = worse(s.out.Outcome, o) }

func allowed(changes []pdf.Change, level int64) bool {
	return !slices.ContainsFunc(changes, func(c pdf.Change) bool { return !slices.Contains(permitted[level], c) })
}

// signedLater reports whether a later signature, itself without fault, covers
// all that is seen of the changes.
func (p *signedPDF) signedLater(s *pdfSignature, since map[int64][]pdf.Change) bool {
	return slices.ContainsFunc(p.found, func(t pdfSignature) bool {
		return t.span.end > s.span.end && t.state != nil && t.out.Kind != KindTimestamp && t.out.Indication == Passed &&
			!slices.ContainsFunc(since[t.span.end], func(c pdf.Change) bool { return c == pdf.Content || slices.Contains(shown, c) })
	})
}

// revisions counts the states of a file by its cross-reference sections. A
// file made for the web has two in its first state.
func revisions(f *pdf.File) int { return len(f.Sections()) }
