package docsign

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"tram/agent/i18n"
)

func TestReportsAreTheSameInBothLanguagesAndHarmless(t *testing.T) {
	p := newPKI(t)
	evil := p.issue(p.ca, "<script>alert(1)</script>\x1b[2J")
	var s Signature
	s.Kind, s.Scope.Kind, s.Scope.Changes = KindSignature, ScopeExtended, []string{"signature", "proof"}
	newChecker(p.options()).judge(t.Context(), &s, claim{cert: evil.cert, claimed: testNow})
	r := Report{Version: ReportVersion, Name: "a<b>.pdf", Format: FormatPDF, CheckedAt: testNow, Signatures: []Signature{s}}
	r.summarize()
	var page, vi, en strings.Builder
	for _, err := range []error{WritePage(&page, r), WriteText(&vi, r, i18n.Vietnamese), WriteText(&en, r, i18n.English)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(page.String(), "<script") || strings.ContainsRune(vi.String()+en.String(), 0x1b) {
		t.Error("text of the document reaches the reader raw")
	}
	for _, want := range []string{"Hợp lệ", "Valid", "17:02:00 21/11/2026", "Root"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if strings.Contains(vi.String()+en.String(), "docsign.") {
		t.Error("a word is missing in the catalogue")
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(raw, &back); err != nil || back.Verdict() != r.Verdict() || back.Signatures[0].Signer != s.Signer {
		t.Errorf("report does not come back from JSON: %v", err)
	}
}

// TestEveryReasonHasWords reads the codes from the source.
func TestEveryReasonHasWords(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:outcome|dated)\((?:[A-Za-z]+), (?:[A-Za-z]+|""), "([a-z-]+)"|Code: "([a-z-]+)"`)
	seen := map[string]bool{onHold: true}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllStringSubmatch(string(src), -1) {
			seen[m[1]+m[2]] = true
		}
	}
	if len(seen) < 20 {
		t.Fatalf("only %d reasons found", len(seen))
	}
	for name := range seen {
		if !i18n.Has("docsign.reason." + name) {
			t.Errorf("reason %q has no words", name)
		}
	}
}
