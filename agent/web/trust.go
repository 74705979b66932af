package web

import (
	"strings"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/office"
)

// Trust is the panel that says whether a document is genuine: the office's
// seal, the way it travelled, and what is not checked. Each stands apart.
type Trust struct {
	Tone, Mark string // colour and shape
	Verdict    string // the words
	Scope      string
	Signer     string
	SignedAt   string
	Checked    string
	Why        string // explanation of the verdict
	Details    []Fact
	Accept     int
}

// What a verdict allows.
const (
	acceptFreely     = iota
	acceptUnsure     // after asking the sender
	acceptWithReason // the reason is kept for ever
	acceptKnowing    // so too, after the explanation was opened
	acceptNever
)

// verdictLook is colour, shape and effect of each verdict.
var verdictLook = map[string]struct {
	tone, mark string
	accept     int
}{
	"passed":        {"green", "✓", acceptFreely},
	"indeterminate": {"amber", "?", acceptUnsure},
	"failed":        {"red", "✕", acceptNever},
}

// origin stands in the place of a seal for a document from outside of Trạm:
// nobody here vouches for its sender, so its files must.
func (v *visit) origin(d office.Document) Trust {
	args := i18n.Args{"via": d.Origin.Via}
	t := Trust{Tone: "grey", Mark: "–", Verdict: v.t("web.origin", args), Why: v.t("web.origin.why", args), Accept: acceptUnsure}
	if d.Signatures == docsign.VerdictPassed {
		t.Accept = acceptFreely
	}
	if d.Origin.Ref != "" {
		t.Details = append(t.Details, Fact{v.t("web.origin.ref"), d.Origin.Ref})
	}
	var odd []string
	for _, w := range d.Origin.Warnings {
		odd = append(odd, joinDots(v.t("web.warning."+w.Code), w.Field, w.Value))
	}
	if len(odd) > 0 {
		t.Details = append(t.Details, Fact{v.t("web.origin.warnings"), strings.Join(odd, "; ")})
	}
	return t
}

// trustOf is the verdict on where a document comes from.
func (v *visit) trustOf(d office.Document) Trust {
	if d.Origin != nil {
		return v.origin(d)
	}
	return v.trust(d.Seal)
}

// trust words the frozen verdict on the office's seal. Without a seal it says
// so and never implies good.
func (v *visit) trust(seal *office.Seal) Trust {
	if seal == nil {
		return Trust{Tone: "grey", Mark: "–", Verdict: v.t("web.seal.none"), Why: v.t("web.seal.none.why"), Accept: acceptUnsure}
	}
	look, known := verdictLook[seal.Verdict]
	if !known {
		look = verdictLook["failed"]
	}
	t := Trust{Tone: look.tone, Mark: look.mark, Accept: look.accept, Verdict: v.t("web.seal." + verdictKey(seal.Verdict, known)),
		SignedAt: formatISO(seal.SignedAt), Checked: formatFull(seal.Checked),
		Signer: joinDots(v.sealedBy(seal), seal.Name, seal.Signer), Scope: v.t("web.seal.scope")}
	if seal.Reason != "" {
		key := "web.seal.reason." + seal.Reason
		if !i18n.Has(key) {
			key = "web.seal.reason.other"
		}
		t.Verdict = v.t(key, i18n.Args{"code": seal.Reason})
	}
	if look.accept == acceptNever {
		t.Scope = ""
	}
	t.Why = v.t("web.seal.why." + verdictKey(seal.Verdict, known))
	for _, f := range []Fact{
		{v.t("web.seal.issuer"), seal.Issuer}, {v.t("web.seal.serial"), seal.Serial},
		{v.t("web.seal.result"), joinDots(seal.Verdict, seal.Reason)},
	} {
		if f.Value != "" {
			t.Details = append(t.Details, f)
		}
	}
	return t
}

func verdictKey(verdict string, known bool) string {
	if !known {
		return "failed"
	}
	return verdict
}

// Acceptable reports whether the office's seal lets the document be accepted.
func (t Trust) Acceptable() bool { return t.Accept != acceptNever }
