package search

import (
	"strings"
	"unicode/utf8"
)

const (
	// snippetRunes is how long a field is before only a part of it is shown.
	snippetRunes = 240
	// snippetLead is how much stands before the first mark then.
	snippetLead = 60
)

// shown are the fields that are shown even when no word is in them.
var shown = map[Field]bool{FieldCode: true, FieldSubject: true, FieldSender: true}

// Snippet is what a field says, or a part of it around the first word found.
type Snippet struct {
	Field Field  `json:"field"`
	Text  string `json:"text"`
	Cut   bool   `json:"cut"` // it is a part
	// Marks are the words found: first character and the one behind the last, in
	// Unicode code points of Text.
	Marks [][2]int `json:"marks"`
}

// marker finds the words of a query in texts.
type marker struct {
	words []string // folded
	open  []bool
}

func newMarker(terms []term) *marker {
	m := &marker{}
	for _, t := range terms {
		for i, w := range t.words {
			m.words = append(m.words, folded(w))
			m.open = append(m.open, t.open && i == len(t.words)-1)
		}
	}
	return m
}

// mark returns the fields to show, and which words are in any of them.
func (m *marker) mark(fields []text, shown map[Field]bool) (list []Snippet, seen []bool) {
	seen = make([]bool, len(m.words))
	list = []Snippet{}
	for _, f := range fields {
		s := Snippet{Field: f.Field, Text: f.Text, Marks: m.find(f.Text, seen)}
		if len(s.Marks) > 0 || shown[f.Field] {
			list = append(list, s.short())
		}
	}
	return list, seen
}

// find returns where words stand, in code points.
func (m *marker) find(text string, seen []bool) [][2]int {
	marks := [][2]int{}
	if len(m.words) == 0 {
		return marks
	}
	at, start, from := 0, -1, 0
	end := func(to int) {
		if start >= 0 && m.hit(text[from:to], seen) {
			marks = append(marks, [2]int{start, at})
		}
		start = -1
	}
	for i, r := range text {
		switch {
		case !inWord(r):
			end(i)
		case start < 0:
			start, from = at, i
		}
		at++
	}
	end(len(text))
	return marks
}

// hit reports whether a word of a text is one of the query.
func (m *marker) hit(word string, seen []bool) (hit bool) {
	plain := folded(word)
	for i, w := range m.words {
		if plain == w || m.open[i] && strings.HasPrefix(plain, w) {
			seen[i], hit = true, true
		}
	}
	return hit
}

// short cuts a long text around its first mark.
func (s Snippet) short() Snippet {
	n := utf8.RuneCountInString(s.Text)
	if n <= snippetRunes {
		return s
	}
	from := 0
	if len(s.Marks) > 0 {
		from = min(max(0, s.Marks[0][0]-snippetLead), n-snippetRunes)
	}
	to := from + snippetRunes
	runes := []rune(s.Text)
	s.Text, s.Cut = string(runes[from:to]), true
	kept := [][2]int{}
	for _, m := range s.Marks {
		if m[0] >= from && m[1] <= to {
			kept = append(kept, [2]int{m[0] - from, m[1] - from})
		}
	}
	s.Marks = kept
	return s
}
