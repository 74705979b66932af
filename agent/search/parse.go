package search

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"tram/agent/fold"
)

// Limits of a query. What is beyond is cut, which only makes the result wider.
const (
	MaxQuery = 1000 // bytes
	MaxWords = 16
)

// oneTone are the two places of a tone mark that are both in use, "hòa" and "hoà".
var oneTone = strings.NewReplacer(strings.Fields(
	"òa oà óa oá ỏa oả õa oã ọa oạ òe oè óe oé ỏe oẻ õe oẽ ọe oẹ ùy uỳ úy uý ủy uỷ ũy uỹ ụy uỵ")...)

// exact is s as it is written, without regard to case, Unicode form, the place of
// the tone mark and zeros in front of a number.
func exact(s string) string { return bare(oneTone.Replace(strings.ToLower(norm.NFC.String(s)))) }

// folded is s without diacritics besides.
func folded(s string) string { return bare(fold.String(s)) }

// bare takes the zeros off numbers: 05/CT-UBND and 5/CT-UBND are one, 01/7/2026
// and 1/7/2026 too.
func bare(s string) string {
	if !strings.Contains(s, "0") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	before := ' '
	for i, r := range s {
		if r == '0' && !inWord(before) && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
			continue
		}
		b.WriteRune(r)
		before = r
	}
	return b.String()
}

// term is a word, or several that belong together: a code such as 15/QĐ-UBND, or
// a phrase in quotes.
type term struct {
	words  []string // as exact has them
	phrase bool
	open   bool // the last word may go on
}

// parse reads what people typed: words, which must all be there, and phrases in
// quotes, of which the last may lack its end. There are no operators, and no input
// is wrong.
func parse(text string) (terms []term) {
	text = strings.ToValidUTF8(text[:min(len(text), MaxQuery)], " ")
	left := MaxWords
	for i, part := range strings.Split(strings.Map(oneQuote, text), `"`) {
		phrase := i%2 == 1
		list := []string{part}
		if !phrase {
			list = strings.Fields(part)
		}
		for _, w := range list {
			words := tokens(exact(w))
			words = words[:min(len(words), left)]
			if left -= len(words); len(words) > 0 {
				terms = append(terms, term{words: words, phrase: phrase})
			}
		}
	}
	if n := len(terms); n > 0 && !terms[n-1].phrase {
		last := terms[n-1].words[len(terms[n-1].words)-1]
		terms[n-1].open = len([]rune(last)) >= minPrefix
	}
	return terms
}

// oneQuote writes all quotes in one way.
func oneQuote(r rune) rune {
	switch r {
	case '“', '”', '„', '«', '»':
		return '"'
	}
	return r
}

// minPrefix is how many letters of a word must be there for it to be completed:
// the index has the beginnings of two and of three letters.
const minPrefix = 2

// tokens splits text into words as the index does.
func tokens(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return !inWord(r) }) }

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// near is how many other words may stand between the parts of a code: 1234/ubnd
// is to find 1234/QĐ-UBND.
const near = 4

// columns are those of the index that a match looks into.
type columns string

const (
	typedColumn  columns = "{exact} : "
	foldedColumn columns = "{fold} : "
	// allColumns is quicker than to name those of folded words. It finds no more:
	// what exact has without marks is in fold as well, and no word that people type
	// begins as those of facets do.
	allColumns columns = ""
)

// match is the term in the query language of the index. loose lets the parts of a
// code stand apart and the last word go on.
func (t term) match(in columns, unmarked, loose bool) string {
	quoted := make([]string, len(t.words))
	for i, w := range t.words {
		if unmarked {
			w = folded(w)
		}
		quoted[i] = `"` + strings.ReplaceAll(w, `"`, `""`) + `"`
	}
	star := ""
	if loose && t.open {
		star = " *"
	}
	if loose && !t.phrase && len(quoted) > 1 {
		return fmt.Sprintf("%sNEAR(%s%s, %d)", in, strings.Join(quoted, " "), star, near+len(quoted))
	}
	return fmt.Sprintf("%s%s%s", in, strings.Join(quoted, " + "), star)
}

// matchAll joins terms, all of which must be there.
func matchAll(terms []term, in columns, unmarked, loose bool) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = "(" + t.match(in, unmarked, loose) + ")"
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// tiers are queries, of which the first ones find what fits best, and apart the
// same without what those before them find.
func tiers(terms []term) (list, apart []string) {
	typed, typedLoose := matchAll(terms, typedColumn, false, false), matchAll(terms, typedColumn, false, true)
	plain, plainLoose := matchAll(terms, foldedColumn, true, false), matchAll(terms, foldedColumn, true, true)
	add := func(match, without string) { list, apart = append(list, match), append(apart, match+without) }
	add(typed, "")
	if typedLoose != typed {
		add(typedLoose, " NOT "+typed)
	}
	add(plain, " NOT "+typedLoose)
	if plainLoose != plain {
		add(plainLoose, " NOT ("+typedLoose+" OR "+plain+")")
	}
	add(anywhere(terms), " NOT "+plainLoose)
	return list, apart
}

// anywhere finds what any of the tiers finds.
func anywhere(terms []term) string { return matchAll(terms, allColumns, true, true) }
