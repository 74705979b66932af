package docsign

import (
	"time"

	"tram/agent/i18n"
)

// Verdict is a report in one word, as a clerk acts on it. Its text is the
// message "docsign.verdict.<word>".
type Verdict string

// Verdicts, from good to bad, and none.
const (
	VerdictPassed       Verdict = "passed"
	VerdictAdditions    Verdict = "additions"    // valid; something was added later, which a later signature or the author allows
	VerdictLater        Verdict = "later"        // could not be checked yet: checked again by itself
	VerdictUnidentified Verdict = "unidentified" // no chain to an anchor: accept only with a reason
	VerdictDoubtful     Verdict = "doubtful"     // not concluded for another reason: accept only with a reason
	VerdictFailed       Verdict = "failed"       // blocks acceptance
	VerdictNone         Verdict = "none"         // no signature, which is neither good nor bad
)

// severity orders verdicts. One of a later version is the worst.
var severity = map[Verdict]int{
	VerdictNone: 1, VerdictPassed: 2, VerdictAdditions: 3, VerdictLater: 4, VerdictUnidentified: 5, VerdictDoubtful: 6, VerdictFailed: 7,
}

// Worst is the verdict that people must know of several files or signatures, ""
// of none.
func Worst(all ...Verdict) (worst Verdict) {
	rank := func(v Verdict) int {
		if n, known := severity[v]; known || v == "" {
			return n
		}
		return len(severity) + 1
	}
	for _, v := range all {
		if rank(v) > rank(worst) {
			worst = v
		}
	}
	return worst
}

// Verdict is the report in one word.
func (r Report) Verdict() Verdict { return word(r.Outcome, r.Additions) }

// Verdict is the signature's outcome in one word.
func (s Signature) Verdict() Verdict {
	return word(s.Outcome, s.Indication == Passed && s.Scope.Kind == ScopeAdditions)
}

func word(o Outcome, additions bool) Verdict {
	switch o.Indication {
	case Passed:
		if additions {
			return VerdictAdditions
		}
		return VerdictPassed
	case Failed:
		return VerdictFailed
	case Indeterminate:
		switch o.SubIndication {
		case TryLater:
			if o.Reason.Code == onHold {
				return VerdictDoubtful
			}
			return VerdictLater
		case NoCertificateChain, NoSigningCertificate:
			return VerdictUnidentified
		}
		return VerdictDoubtful
	}
	return VerdictNone
}

// Text is the reason in a language, "" when there is none.
func (r Reason) Text(lang i18n.Lang) string { return r.Said().Text(lang) }

// Said is the reason as a message, nil when there is none.
func (r Reason) Said() *i18n.Said {
	if r.Code == "" {
		return nil
	}
	args := i18n.Args{}
	for key, value := range r.Args {
		if key == "date" {
			if t, err := time.Parse(time.RFC3339, value); err == nil {
				value = Local(t)
			}
		}
		args[key] = value
	}
	return i18n.Say("docsign.reason."+r.Code, args)
}

// vietnam is the zone in which people read times.
var vietnam = time.FixedZone("+07", 7*3600)

// Local writes a time as people read it, in Vietnam.
func Local(t time.Time) string { return t.In(vietnam).Format("15:04:05 02/01/2006") }
