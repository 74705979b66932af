package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/office"
)

// FileTrust is the part of the trust panel about the signatures inside one
// attachment: the verdict in words, then who signed what and when, then when
// that was checked and how old the knowledge about revocation is.
type FileTrust struct {
	Index                  int
	Name                   string
	Tone, Mark, Verdict    string
	Content                string // whether it is as it was signed, and what the signatures cover
	Signatures             []SignatureView
	Checked                string
	Why                    string
	Facts                  []Fact
	History                []string // earlier checks, oldest first
	ReportHref, SignedHref string
	Frozen                 bool // this verdict stood when the document was accepted
	Open                   bool // the explanation is
}

// SignatureView is one signature.
type SignatureView struct {
	Signer, When, Chain string
	State               Tag
	Facts               []Fact
}

// signatureLook is colour, shape and effect of each verdict on an attachment.
var signatureLook = map[docsign.Verdict]struct {
	tone, mark string
	accept     int
}{
	docsign.VerdictPassed:       {"green", "✓", acceptFreely},
	docsign.VerdictAdditions:    {"amber tri", "▲", acceptFreely},
	docsign.VerdictLater:        {"blue", "?", acceptFreely},
	docsign.VerdictUnidentified: {"amber", "?", acceptWithReason},
	docsign.VerdictDoubtful:     {"amber", "?", acceptWithReason},
	docsign.VerdictFailed:       {"red", "✕", acceptKnowing},
	docsign.VerdictNone:         {"grey", "–", acceptFreely},
}

// lookOf treats a verdict of a later version as the worst one.
func lookOf(verdict docsign.Verdict) (tone, mark string, accept int) {
	look, known := signatureLook[verdict]
	if !known {
		look = signatureLook[docsign.VerdictFailed]
	}
	return look.tone, look.mark, look.accept
}

// marks are the verdicts on an incoming document for a row of a list: first that
// on the seal, when it is not good, then the worst on signatures in the files. Its
// page says which, and why.
func (v *visit) marks(d office.Document) (marks []Tag) {
	if d.Medium == office.Paper {
		return []Tag{{v.t("web.paper.original-is"), "grey"}}
	}
	if seal := v.trustOf(d); seal.Accept != acceptFreely {
		key := "web.mark.seal." + seal.Tone
		if d.Origin != nil {
			key = "web.mark.origin"
		}
		marks = append(marks, Tag{v.t(key), seal.Tone})
	}
	switch {
	case d.Signatures != "":
		tone, _, _ := lookOf(d.Signatures)
		marks = append(marks, Tag{v.t("web.mark." + verdictName(d.Signatures)), strings.TrimSuffix(tone, " tri")})
	case len(d.Attachments) > 0:
		marks = append(marks, Tag{v.t("web.mark.unchecked"), "grey"})
	}
	return marks
}

// warnings are the marks that ask for a second look.
func (v *visit) warnings(d office.Document) []Tag {
	return slices.DeleteFunc(v.marks(d), func(t Tag) bool { return t.Tone == "green" || t.Tone == "grey" })
}

// fileTrusts words the newest verdict on each attachment that was looked at.
// history holds all checks, oldest first; it may be nil.
func (v *visit) fileTrusts(d office.Document, history []office.Check) (all []FileTrust, accept int) {
	for _, c := range d.Checks {
		f := v.fileTrust(c)
		f.ReportHref = fmt.Sprintf("%s/kiem-tra/%d", boxPath(d), c.Attachment)
		if length := signedLength(c.Report); length > 0 {
			f.SignedHref = fmt.Sprintf("%s/ban-da-ky/%d", boxPath(d), c.Attachment)
		}
		for _, h := range history {
			if h.Attachment == c.Attachment {
				f.History = append(f.History, v.historyLine(h))
			}
		}
		if len(f.History) < 2 {
			f.History = nil
		}
		all = append(all, f)
		_, _, a := lookOf(c.Report.Verdict())
		accept = max(accept, a)
	}
	return all, accept
}

func (v *visit) fileTrust(c office.Check) FileTrust {
	r := c.Report
	f := FileTrust{Index: c.Attachment, Name: r.Name, Frozen: c.Frozen, Verdict: v.verdictWords(c), Checked: v.checkedWords(r)}
	f.Tone, f.Mark, _ = lookOf(c.Report.Verdict())
	f.Why = r.Reason.Text(v.lang)
	for _, s := range r.Signatures {
		f.Signatures = append(f.Signatures, v.signature(s))
	}
	if len(r.Signatures) > 0 {
		f.Content = v.contentWords(r)
	}
	f.Facts = v.factsOf([]Fact{
		{v.t("web.trust.result"), joinDots(string(r.Indication), string(r.SubIndication))},
		{v.t("web.trust.format"), strings.ToUpper(string(r.Format))}, {"SHA-256", r.SHA256},
	})
	return f
}

// verdictWords are those of the table in the design, with the count of good
// signatures.
func (v *visit) verdictWords(c office.Check) string {
	r := c.Report
	words := v.t("web.trust.verdict." + verdictName(r.Verdict()))
	if r.Verdict() == docsign.VerdictFailed {
		words = v.failedWords(r)
	}
	if len(r.Signatures) == 0 {
		return words
	}
	good := 0
	for _, s := range r.Signatures {
		if s.Indication == docsign.Passed {
			good++
		}
	}
	return words + " " + v.t("web.trust.count", i18n.Args{"good": good, "all": len(r.Signatures)})
}

func verdictName(verdict docsign.Verdict) string {
	if _, known := signatureLook[verdict]; !known {
		return string(docsign.VerdictFailed)
	}
	return string(verdict)
}

// failedWords say what is wrong in the verdict itself.
func (v *visit) failedWords(r docsign.Report) string {
	switch r.SubIndication {
	case docsign.HashFailure:
		return v.t("web.trust.failed.hash")
	case docsign.Revoked:
		return v.t("web.trust.failed.revoked", i18n.Args{"time": formatFull(revokedAt(r))})
	case docsign.Expired:
		return v.t("web.trust.failed.expired")
	case docsign.NotYetValid:
		return v.t("web.trust.failed.not-yet")
	}
	return v.t("web.trust.verdict.failed")
}

// revokedAt is since when a certificate of the file is revoked.
func revokedAt(r docsign.Report) (at time.Time) {
	for _, s := range r.Signatures {
		for _, rev := range s.Revocation {
			if rev.Status == docsign.StatusRevoked && (at.IsZero() || rev.RevokedAt.Before(at)) {
				at = rev.RevokedAt
			}
		}
	}
	return at
}

// contentWords say whether the content is as it was signed and how much of it
// the signatures cover. They never say good of what failed.
func (v *visit) contentWords(r docsign.Report) string {
	if r.Indication == docsign.Failed {
		return v.t("web.trust.content.not-trusted")
	}
	scope := docsign.ScopeWhole
	for _, s := range r.Signatures {
		if s.Scope.Kind != docsign.ScopeExtended {
			scope = cmp.Or(s.Scope.Kind, docsign.ScopeUnknown)
		}
	}
	if r.Additions {
		scope = docsign.ScopeAdditions
	}
	return v.t("web.trust.content." + string(scope))
}

// checkedWords say when the check was made and how old the newest knowledge
// about revocation was, so that no verdict looks fresher than it is.
func (v *visit) checkedWords(r docsign.Report) string {
	return joinDots(v.t("web.trust.checked", i18n.Args{"time": formatFull(r.CheckedAt)}), v.revocationWords(r))
}

func (v *visit) revocationWords(r docsign.Report) string {
	if len(r.Signatures) == 0 {
		return ""
	}
	var oldest docsign.Revocation
	for _, s := range r.Signatures {
		known := false
		for _, rev := range s.Revocation {
			switch rev.Status {
			case docsign.StatusUnknown, docsign.StatusStale:
				return v.t("web.trust.revocation.unknown")
			case docsign.StatusGood, docsign.StatusRevoked:
				known = true
				if oldest.Issued.IsZero() || rev.Issued.Before(oldest.Issued) {
					oldest = rev
				}
			default:
				known = true
			}
		}
		if !known {
			return v.t("web.trust.revocation.unknown")
		}
	}
	if oldest.Issued.IsZero() {
		return v.t("web.trust.revocation.unknown")
	}
	return v.t("web.trust.revocation.known", i18n.Args{"source": oldest.Basis(v.lang), "time": formatFull(oldest.Issued),
		"span": i18n.Span(v.lang, r.CheckedAt.Sub(oldest.Issued))})
}

func (v *visit) signature(s docsign.Signature) SignatureView {
	sv := SignatureView{Signer: joinDash(cmp.Or(s.Signer.Name, v.t("web.trust.unknown-signer")), s.Signer.Title, s.Signer.Organization)}
	tone, _, _ := lookOf(s.Verdict())
	sv.State = Tag{v.t("web.trust.one." + verdictName(s.Verdict())), strings.TrimSuffix(tone, " tri")}
	if s.Kind != docsign.KindSignature {
		sv.State.Text = joinDots(v.t("web.trust.kind."+string(s.Kind)), sv.State.Text)
	}
	switch {
	case !s.Proven.IsZero():
		sv.When = v.t("web.trust.when.proven", i18n.Args{"time": formatISO(s.Proven), "by": s.ProvenBy})
	case !s.Claimed.IsZero():
		sv.When = v.t("web.trust.when.claimed", i18n.Args{"time": formatISO(s.Claimed)})
	default:
		sv.When = v.t("web.trust.when.unknown")
	}
	var chain []string
	for _, p := range s.Chain {
		chain = append(chain, p.Name)
	}
	if len(chain) > 0 {
		sv.Chain = v.t("web.trust.chain", i18n.Args{"chain": strings.Join(chain, " → ")})
	}
	changes := make([]string, 0, len(s.Scope.Changes))
	for _, c := range s.Scope.Changes {
		if key := "docsign.change." + c; i18n.Has(key) {
			c = v.t(key)
		}
		changes = append(changes, c)
	}
	revision := ""
	if s.Scope.Revisions > 1 {
		revision = fmt.Sprintf("%d/%d", s.Scope.Revision, s.Scope.Revisions)
	}
	sv.Facts = v.factsOf([]Fact{
		{v.t("web.trust.result"), joinDots(string(s.Indication), string(s.SubIndication), s.Reason.Text(v.lang))},
		{v.t("web.trust.revision"), revision}, {v.t("web.trust.parts"), strings.Join(s.Scope.Parts, ", ")},
		{v.t("web.trust.changes"), strings.Join(changes, ", ")},
		{v.t("web.seal.issuer"), joinDots(s.Signer.Issuer, serialWords(v, s.Signer.Serial))},
		{v.t("web.trust.valid"), joinDash(formatDay(s.Signer.NotBefore), formatDay(s.Signer.NotAfter))},
		{v.t("web.trust.algorithm"), joinDots(s.Algorithm, s.Digest)},
	})
	return sv
}

func (v *visit) historyLine(c office.Check) string {
	line := joinDots(formatFull(c.Report.CheckedAt), v.verdictWords(c))
	if key := "web.trust.cause." + c.Cause; i18n.Has(key) {
		line = joinDots(line, v.t(key, i18n.Args{"by": c.By}))
	}
	if c.Frozen {
		line = joinDots(line, v.t("web.trust.frozen"))
	}
	return line
}

// signedLength is the end of the newest signed revision of a file to which
// content was added later, in bytes; 0 when there is none.
func signedLength(r docsign.Report) (length int64) {
	if !r.Additions {
		return 0
	}
	for _, s := range r.Signatures {
		if s.Indication == docsign.Passed && s.Scope.Kind == docsign.ScopeAdditions {
			length = max(length, s.Scope.Length)
		}
	}
	return length
}

// factsOf keeps the facts that have a value.
func (v *visit) factsOf(all []Fact) []Fact {
	return slices.DeleteFunc(all, func(f Fact) bool { return f.Value == "" })
}

func serialWords(v *visit, serial string) string {
	if serial == "" {
		return ""
	}
	return v.t("web.trust.serial", i18n.Args{"serial": serial})
}

func joinDash(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return strings.Join(slices.Compact(parts), " — ")
}
