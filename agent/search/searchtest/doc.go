// Package searchtest has what a search is measured with: what people type and what
// must be found by it, and an office of as many made-up documents as one likes.
// Nothing in them is real.
package searchtest

import (
	_ "embed"
	"strings"
)

//go:embed pairs.tsv
var pairs string

// Pair is what somebody types, and the subject of a document that must be found.
type Pair struct{ Query, Subject string }

// Pairs are the pairs of pairs.tsv.
func Pairs() (list []Pair) {
	for line := range strings.Lines(pairs) {
		query, subject, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if ok && !strings.HasPrefix(line, "#") {
			list = append(list, Pair{query, subject})
		}
	}
	return list
}

// Subjects are the subjects of all pairs, each once.
func Subjects() (list []string) {
	seen := map[string]bool{}
	for _, p := range Pairs() {
		if !seen[p.Subject] {
			seen[p.Subject] = true
			list = append(list, p.Subject)
		}
	}
	return list
}
