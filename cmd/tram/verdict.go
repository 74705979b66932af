package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/evidence"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/agent/verify"
	"tram/cmd/internal/cli"
)

// verification is the stable JSON of `tram verify`.
type verification struct {
	Result   seal.Result    `json:"result"`
	Reason   seal.Reason    `json:"reason,omitempty"`
	Seals    []sealVerdict  `json:"seals"`
	Proofs   []proofVerdict `json:"proofs"` // what device keys signed: the bundle header, custody receipts
	Stamps   []stampVerdict `json:"stamps"`
	Receipts []string       `json:"receipts"` // entries that carry a signature of their own, or a certificate
	Unsealed []string       `json:"unsealed"` // entries that nothing protects
}

type sealVerdict struct {
	Kind     verify.Kind      `json:"kind"`
	Result   seal.Result      `json:"result"`
	Reason   seal.Reason      `json:"reason,omitempty"`
	Code     string           `json:"code"`
	Name     string           `json:"name"`
	Role     seal.Role        `json:"role,omitempty"`
	Person   string           `json:"person,omitempty"`
	SignedAt time.Time        `json:"signed_at"`
	Stamped  time.Time        `json:"stamped,omitzero"` // proven to exist then
	Issuer   string           `json:"issuer"`
	Serial   string           `json:"serial"`
	Events   []evidence.Event `json:"events,omitempty"` // that it testifies
	Files    []fileCheck      `json:"files"`
}

type proofVerdict struct {
	Kind   verify.Kind `json:"kind"`
	Result seal.Result `json:"result"`
	Reason seal.Reason `json:"reason,omitempty"`
	Entry  string      `json:"entry"`
	Office string      `json:"office,omitempty"`
	At     time.Time   `json:"at,omitzero"`
}

type stampVerdict struct {
	Result    seal.Result      `json:"result"`
	Reason    seal.StampReason `json:"reason,omitempty"`
	Entry     string           `json:"entry"`
	Time      time.Time        `json:"time"`
	Authority string           `json:"authority"`
	Policy    string           `json:"policy"`
	Reserve   bool             `json:"reserve"` // a hub's, of last resort
}

type fileCheck struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	OK     bool   `json:"ok"`
}

func describe(r verify.Report) verification {
	v := verification{
		Result: r.Result, Reason: r.Reason, Seals: []sealVerdict{}, Proofs: []proofVerdict{}, Stamps: []stampVerdict{}, Receipts: []string{},
		Unsealed: append([]string{}, r.Unsealed...),
	}
	for _, l := range r.Lines {
		d := l.Seal.Verdict
		one := sealVerdict{
			Kind: l.Kind, Result: d.Result, Reason: d.Reason, Code: d.Code, Name: d.Name, Role: d.Role, Person: d.Person,
			SignedAt: d.SignedAt, Stamped: d.Stamped, Issuer: d.Issuer, Serial: d.Serial, Events: events(l), Files: []fileCheck{},
		}
		for _, f := range l.Seal.Files {
			one.Files = append(one.Files, fileCheck{f.Name, hex.EncodeToString(f.SHA256[:]), f.OK})
		}
		v.Seals = append(v.Seals, one)
	}
	for _, p := range r.Proofs {
		v.Proofs = append(v.Proofs, proofVerdict(p))
	}
	for _, s := range r.Stamps {
		v.Stamps = append(v.Stamps, stampVerdict{s.Result, s.Reason, s.Token, s.Time, s.Authority, s.Policy, s.Reserve})
	}
	for _, receipt := range r.Report.Receipts {
		v.Receipts = append(v.Receipts, receipt.Name)
	}
	return v
}

// statusEvents are the names that EN 319 522 has for statuses.
var statusEvents = map[edxml.StatusCode]evidence.Name{
	edxml.StatusArrived: evidence.ContentHandover, edxml.StatusAccepted: evidence.ConsignmentAcceptance, edxml.StatusReturned: evidence.ConsignmentRejection,
}

// events are what a seal testifies.
func events(l verify.Line) []evidence.Event {
	switch {
	case l.Witness != nil:
		return l.Witness.Events
	case l.Status != nil && statusEvents[l.Status.Code] != "":
		return []evidence.Event{{Name: statusEvents[l.Status.Code], At: l.Status.Time, Office: l.Status.From.ID}}
	}
	return nil
}

// languages are those that a verdict is printed in: whoever checks a file that
// another country's office shows may read either.
var languages = []i18n.Lang{i18n.Vietnamese, i18n.English}

// both says a message in both languages.
func both(key string, args i18n.Args) string {
	var parts []string
	for _, lang := range languages {
		parts = append(parts, i18n.T(lang, key, args))
	}
	return strings.Join(parts, " / ")
}

func reasonText(lang i18n.Lang, reason seal.Reason) string {
	if key := "verify.reason." + string(reason); i18n.Has(key) {
		return i18n.T(lang, key)
	}
	return string(reason)
}

// signer says whose seal it is, in which role and by whose hand.
func signer(v seal.Verdict) string {
	if v.Role == "" {
		return v.Name
	}
	return strings.TrimSuffix(v.Name+", "+both("seal.role."+string(v.Role), nil)+" "+v.Person, " ")
}

func printReport(w io.Writer, r verify.Report) {
	for _, l := range r.Lines {
		v := l.Seal.Verdict
		fmt.Fprintf(w, "%c %s: %s (%s) %s – %s\n", mark(v.Result), both("tram.seal."+string(v.Result), nil), cli.OneLine(signer(v)), cli.OneLine(v.Code),
			v.SignedAt.Local().Format(clockForm), both("verify.kind."+string(l.Kind), nil))
		printReason(w, string(v.Reason))
		for _, e := range events(l) {
			fmt.Fprintf(w, "    %s %s %s %s\n", e.At.Local().Format(clockForm), cli.OneLine(string(e.Name)), cli.OneLine(e.Office), cli.OneLine(string(e.Reason)))
			if key := fmt.Sprint("office.refused.", e.Code); i18n.Has(key) {
				fmt.Fprintf(w, "      %s\n", both(key, nil))
			}
		}
		for _, f := range l.Seal.Files {
			sign := cli.Done
			if !f.OK {
				sign = cli.Failure
			}
			fmt.Fprintf(w, "  %c %s\n", sign, cli.OneLine(f.Name))
		}
	}
	for _, p := range r.Proofs {
		printProof(w, p)
	}
	for _, s := range r.Stamps {
		name := "verify.stamp.external"
		if s.Reserve {
			name = "verify.stamp.reserve"
		}
		fmt.Fprintf(w, "%c %s: %s (%s) %s\n", mark(s.Result), both("tram.seal."+string(s.Result), nil), both(name, nil), cli.OneLine(s.Authority),
			s.Time.Local().Format(clockForm))
		printReason(w, "stamp-"+string(s.Reason))
	}
	for _, name := range r.Unsealed {
		fmt.Fprintf(w, "  ! %s: %s\n", cli.OneLine(name), both("tram.verify.unsealed", nil))
	}
	fmt.Fprintf(w, "%c %s\n", mark(r.Result), both("verify.total."+string(r.Result), nil))
}

// printProof says what became of a signature of a device key. One that cannot be
// checked with this file is no fault of it.
func printProof(w io.Writer, p verify.Proof) {
	line := fmt.Sprintf("%c %s: %s", mark(p.Result), both("tram.seal."+string(p.Result), nil), cli.OneLine(p.Office))
	if p.Reason == verify.ReasonNoCard || p.Reason == verify.ReasonNoAuthority {
		line = fmt.Sprintf("%c %s", mark(p.Result), cli.OneLine(p.Office))
	}
	if !p.At.IsZero() {
		line += " " + p.At.Local().Format(clockForm)
	}
	fmt.Fprintf(w, "%s – %s\n", line, both("verify.kind."+string(p.Kind), nil))
	printReason(w, string(p.Reason))
}

func printReason(w io.Writer, reason string) {
	if key := "verify.reason." + reason; i18n.Has(key) {
		fmt.Fprintf(w, "    %s\n", both(key, nil))
	}
}

func mark(r seal.Result) cli.Mark {
	switch r {
	case seal.Passed:
		return cli.Done
	case seal.Failed:
		return cli.Failure
	}
	return cli.Warning
}
