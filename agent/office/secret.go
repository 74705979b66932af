package office

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"tram/agent/fold"
)

// The guard against state secrets. It looks for the words of the law, not for
// secrets: a mark that a clerk copied from the paper. "mat" without its accent
// means mặt, mất or mát far more often than mật, so it never counts alone.

// secretPhrases are marks in full, written as they are or without any accent.
var secretPhrases = [][]string{{"tối", "mật"}, {"tuyệt", "mật"}, {"bí", "mật", "nhà", "nước"}}

// The stamp MẬT stands alone in capitals. In a subject that is all capitals
// these neighbours make other words of it.
var (
	beforeMat = map[string]bool{"BẢO": true}
	afterMat  = map[string]bool{"KHẨU": true, "ĐỘ": true, "ONG": true, "MÃ": true}
)

// secretMark returns the mark of a state secret that text bears, or "".
func secretMark(text string) string {
	words := strings.FieldsFunc(norm.NFC.String(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r)
	})
	for i, w := range words {
		for _, phrase := range secretPhrases {
			if isPhrase(words[i:], phrase) {
				return strings.Join(words[i:i+len(phrase)], " ")
			}
		}
		if w != "MẬT" {
			continue
		}
		before := i > 0 && beforeMat[words[i-1]]
		after := i+1 < len(words) && afterMat[words[i+1]]
		if !before && !after {
			return w
		}
	}
	return ""
}

// isPhrase reports whether words begin with phrase, each word with all its
// accents or with none: "toi mat" and "tối mật", but not "tới mặt".
func isPhrase(words, phrase []string) bool {
	if len(words) < len(phrase) {
		return false
	}
	for i, want := range phrase {
		got := strings.ToLower(words[i])
		if got != want && got != fold.String(want) {
			return false
		}
	}
	return true
}
